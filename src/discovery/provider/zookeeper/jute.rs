//! Jute, ZooKeeper's encoding: big-endian numbers, and texts, buffers and lists after their length.
//!
//! Reading never goes beyond the bytes that are there and never reserves room for a length that they
//! do not bear out. Pure.

/// Why bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JuteError {
    /// The message ends too early.
    #[error("message is cut short")]
    Short,
    /// A length below zero where there is none, or one beyond the end of the message.
    #[error("message has a length of {0}")]
    Length(i32),
    /// A text that is not UTF-8.
    #[error("message has a text that is not UTF-8")]
    NotUtf8,
}

/// Reads a message from front to back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'m> {
    rest: &'m [u8],
}

impl<'m> Reader<'m> {
    /// Begins at the front.
    #[must_use]
    pub(super) fn new(message: &'m [u8]) -> Reader<'m> {
        Reader { rest: message }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], JuteError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(JuteError::Short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// At the end of the message.
    pub(super) fn i32(&mut self) -> Result<i32, JuteError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// At the end of the message.
    pub(super) fn i64(&mut self) -> Result<i64, JuteError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A length; -1 stands for null, which is as good as empty to us.
    fn length(&mut self) -> Result<usize, JuteError> {
        match self.i32()? {
            -1 => Ok(0),
            length => usize::try_from(length).map_err(|_| JuteError::Length(length)),
        }
    }

    /// Bytes after their length; empty for null.
    ///
    /// # Errors
    /// When the length is wrong.
    pub(super) fn buffer(&mut self) -> Result<&'m [u8], JuteError> {
        let length = self.length()?;
        if length > self.rest.len() {
            return Err(JuteError::Length(i32::try_from(length).unwrap_or(i32::MAX)));
        }
        let (buffer, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(buffer)
    }

    /// A text; empty for null.
    ///
    /// # Errors
    /// When the length is wrong or it is no UTF-8.
    pub(super) fn text(&mut self) -> Result<&'m str, JuteError> {
        std::str::from_utf8(self.buffer()?).map_err(|_| JuteError::NotUtf8)
    }

    /// A list of texts; empty for null.
    ///
    /// # Errors
    /// When a length is wrong or one is no UTF-8.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, JuteError> {
        let count = self.length()?;
        // Each has a length of four bytes at least.
        if count > self.rest.len() / 4 {
            return Err(JuteError::Length(i32::try_from(count).unwrap_or(i32::MAX)));
        }
        let mut texts = Vec::with_capacity(count);
        for _ in 0..count {
            texts.push(self.text()?.to_owned());
        }
        Ok(texts)
    }
}

/// Writes a message after room for its length.
#[derive(Debug)]
pub(super) struct Writer(Vec<u8>);

impl Default for Writer {
    fn default() -> Self {
        Writer(vec![0; 4])
    }
}

impl Writer {
    /// Adds a 32-bit number.
    #[must_use]
    pub(super) fn i32(mut self, value: i32) -> Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Adds a 64-bit number.
    #[must_use]
    pub(super) fn i64(mut self, value: i64) -> Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Adds a truth value.
    #[must_use]
    pub(super) fn bool(mut self, value: bool) -> Writer {
        self.0.push(u8::from(value));
        self
    }

    /// Adds bytes after their length. They are far shorter than 2 GiB.
    #[must_use]
    pub(super) fn buffer(mut self, bytes: &[u8]) -> Writer {
        self.0.extend((bytes.len() as u32).to_be_bytes());
        self.0.extend(bytes);
        self
    }

    /// The frame: the length and the message.
    #[must_use]
    pub(super) fn frame(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let frame = Writer::default()
            .i32(-2)
            .i64(1 << 40)
            .bool(true)
            .buffer(b"/a")
            .frame();
        assert_eq!(frame[..4], [0, 0, 0, 19]);
        let mut reader = Reader::new(&frame[4..]);
        assert_eq!(reader.i32(), Ok(-2));
        assert_eq!(reader.i64(), Ok(1 << 40));
        assert_eq!(reader.array::<1>(), Ok([1]));
        assert_eq!(reader.text(), Ok("/a"));
        assert_eq!(reader.i32(), Err(JuteError::Short));
    }

    #[test]
    fn lengths_that_nothing_bears_out_are_refused() {
        let with = |length: i32| [&length.to_be_bytes()[..], b"abcd"].concat();
        assert_eq!(Reader::new(&with(5)).buffer(), Err(JuteError::Length(5)));
        assert_eq!(Reader::new(&with(-7)).buffer(), Err(JuteError::Length(-7)));
        assert_eq!(Reader::new(&with(-1)).buffer(), Ok(&b""[..]));
        assert_eq!(Reader::new(&with(4)).buffer(), Ok(&b"abcd"[..]));
        let many = with(i32::MAX);
        assert_eq!(Reader::new(&many).texts(), Err(JuteError::Length(i32::MAX)));
        assert_eq!(Reader::new(&with(-1)).texts(), Ok(Vec::new()));
        let bad = [&2i32.to_be_bytes()[..], &[0xff, 0xfe]].concat();
        assert_eq!(Reader::new(&bad).text(), Err(JuteError::NotUtf8));
    }
}
