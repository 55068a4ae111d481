//! A bounded reader of bytes from outside: every read is checked, none panics.

use super::varint;

/// Reads forward through a slice. Every method returns none, and may leave the cursor anywhere,
/// if the bytes are not there or not right.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Begins at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    /// The next byte.
    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        let (head, tail) = self.rest.split_first()?;
        self.rest = tail;
        Some(*head)
    }

    /// A little-endian 64-bit integer.
    pub fn u64(&mut self) -> Option<u64> {
        let (head, tail) = self.rest.split_first_chunk()?;
        self.rest = tail;
        Some(u64::from_le_bytes(*head))
    }

    /// A varint.
    #[inline]
    pub fn varint(&mut self) -> Option<u64> {
        let (value, used) = varint::read(self.rest)?;
        self.rest = &self.rest[used..];
        Some(value)
    }

    /// A varint that fits 32 bits.
    pub fn varint_u32(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    /// A varint as a length or count, at most `max`.
    pub fn count(&mut self, max: usize) -> Option<usize> {
        let count = usize::try_from(self.varint()?).ok()?;
        (count <= max).then_some(count)
    }

    /// A signed integer as a zigzag varint.
    #[inline]
    pub fn zigzag(&mut self) -> Option<i64> {
        Some(varint::unzigzag(self.varint()?))
    }

    /// A varint length and that many bytes.
    pub fn block(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.bytes(len)
    }

    /// A varint length and that many bytes of UTF-8.
    pub fn string(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.block()?).ok()
    }
}

/// Appends a varint length and the text.
pub fn put_string(out: &mut Vec<u8>, text: &str) {
    varint::write(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a zigzag varint.
pub fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    varint::write(out, varint::zigzag(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_and_cut_input_is_refused() {
        let mut out = Vec::new();
        put_string(&mut out, "abc");
        put_zigzag(&mut out, -7);
        let mut cursor = Cursor::new(&out);
        assert_eq!(cursor.string(), Some("abc"));
        assert_eq!(cursor.zigzag(), Some(-7));
        assert!(cursor.is_empty());
        assert_eq!(cursor.u8(), None);
        assert_eq!(Cursor::new(&out[..2]).string(), None);
        assert_eq!(Cursor::new(&[5]).count(4), None);
    }
}
