//! Records: tag, length, payload (`docs/log-format.md`, section 4).

use crate::bytes::cursor::Cursor;
use crate::bytes::varint;

/// Tags of records.
pub mod tag {
    /// Mapping of an epoch's base to wall time.
    pub const EPOCH: u64 = 1;
    /// Metadata of a metric family.
    pub const FAMILY: u64 = 2;
    /// Identity of a target.
    pub const TARGET: u64 = 3;
    /// Own labels of consecutive series.
    pub const CHUNK: u64 = 4;
    /// The series of a scrape.
    pub const LIST: u64 = 5;
    /// One scrape.
    pub const BLOCK: u64 = 6;
    /// Definitions that nothing refers to any more.
    pub const FORGET: u64 = 7;
}

/// Appends a record.
pub fn put(out: &mut Vec<u8>, tag: u64, payload: &[u8]) {
    varint::write(out, tag);
    varint::write(out, payload.len() as u64);
    out.extend_from_slice(payload);
}

/// The records of a body, each as tag and payload. Ends early at bytes that are no record; a
/// checksummed body has none.
#[derive(Clone, Debug)]
pub struct Records<'a>(Cursor<'a>);

impl<'a> Records<'a> {
    /// Begins at the start of a body.
    #[must_use]
    pub const fn new(body: &'a [u8]) -> Records<'a> {
        Records(Cursor::new(body))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        Some((self.0.varint()?, self.0.block()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn records_of_unknown_tag_can_be_skipped() {
        let mut body = Vec::new();
        put(&mut body, 99, b"future");
        put(&mut body, tag::EPOCH, b"");
        let records: Vec<_> = Records::new(&body).collect();
        assert_eq!(records, [(99, &b"future"[..]), (tag::EPOCH, &b""[..])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>) {
            prop_assert!(Records::new(&body).count() <= body.len());
        }
    }
}
