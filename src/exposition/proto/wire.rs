//! Fields of a message, one after another.

use crate::bytes::cursor::Cursor;
use crate::model::value::canonical;

/// Why a message cannot be read, and where: the bytes from there on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WireError<'a> {
    pub(super) rest: &'a [u8],
    pub(super) what: &'static str,
}

/// The content of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32,
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Field<'a> {
    /// Its number in the definition of the message.
    pub(super) number: u32,
    content: Content<'a>,
    rest: &'a [u8],
}

/// Reads a message forward.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Fields<'a> {
    /// Begins at the first field.
    pub(super) const fn of(message: &'a [u8]) -> Fields<'a> {
        Fields {
            cursor: Cursor::new(message),
        }
    }

    /// The next field; none at the end.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<Field<'a>>, WireError<'a>> {
        let rest = self.cursor.rest();
        if rest.is_empty() {
            return Ok(None);
        }
        let wrong = |what| WireError { rest, what };
        let tag = self.cursor.varint().ok_or(wrong("invalid field tag"))?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 {
            return Err(wrong("invalid field number"));
        }
        let cut = || wrong("a field goes on behind the end of its message");
        let content = match tag & 7 {
            0 => Content::Varint(self.cursor.varint().ok_or(wrong("invalid varint"))?),
            1 => Content::Fixed64(self.cursor.u64().ok_or_else(cut)?),
            2 => Content::Bytes(self.cursor.block().ok_or_else(cut)?),
            5 => self
                .cursor
                .bytes(4)
                .map(|_| Content::Fixed32)
                .ok_or_else(cut)?,
            _ => return Err(wrong("unknown wire type")),
        };
        Ok(Some(Field {
            number,
            content,
            rest,
        }))
    }
}

impl<'a> Field<'a> {
    #[cold]
    pub(super) const fn wrong(&self, what: &'static str) -> WireError<'a> {
        let rest = self.rest;
        WireError { rest, what }
    }

    /// A `double`; every NaN becomes the canonical one.
    #[inline]
    pub(super) fn double(&self) -> Result<f64, WireError<'a>> {
        match self.content {
            Content::Fixed64(bits) => Ok(canonical(f64::from_bits(bits))),
            _ => Err(self.wrong("a number is not a double")),
        }
    }

    /// A `uint64`, `int64`, `uint32` or an enumeration.
    #[inline]
    pub(super) fn varint(&self) -> Result<u64, WireError<'a>> {
        match self.content {
            Content::Varint(value) => Ok(value),
            _ => Err(self.wrong("a number is not a varint")),
        }
    }

    /// A message or text.
    #[inline]
    pub(super) fn bytes(&self) -> Result<&'a [u8], WireError<'a>> {
        match self.content {
            Content::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong("a message or text is a number")),
        }
    }

    /// A `string`.
    #[inline]
    pub(super) fn text(&self) -> Result<&'a str, WireError<'a>> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    /// Numbers of a repeated field, one to a field or many in one.
    pub(super) fn varints(&self, mut each: impl FnMut(u64)) -> Result<(), WireError<'a>> {
        let Content::Bytes(packed) = self.content else {
            each(self.varint()?);
            return Ok(());
        };
        let mut cursor = Cursor::new(packed);
        while !cursor.is_empty() {
            each(cursor.varint().ok_or(self.wrong("invalid varint"))?);
        }
        Ok(())
    }

    /// Doubles of a repeated field, one to a field or many in one.
    pub(super) fn doubles(&self, mut each: impl FnMut(f64)) -> Result<(), WireError<'a>> {
        let Content::Bytes(packed) = self.content else {
            each(self.double()?);
            return Ok(());
        };
        let (chunks, rest) = packed.as_chunks();
        if !rest.is_empty() {
            return Err(self.wrong("a row of doubles that ends inside one"));
        }
        for bits in chunks {
            each(canonical(f64::from_bits(u64::from_le_bytes(*bits))));
        }
        Ok(())
    }
}

/// A `google.protobuf.Timestamp` in milliseconds since 1970.
pub(super) fn timestamp_ms(message: &[u8]) -> Result<i64, WireError<'_>> {
    let mut fields = Fields::of(message);
    let (mut seconds, mut nanos) = (0i64, 0i64);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => seconds = field.varint()? as i64,
            2 => nanos = i64::from(field.varint()? as i32),
            _ => {}
        }
    }
    Ok(seconds.wrapping_mul(1000).wrapping_add(nanos / 1_000_000))
}
