//! Makes a page of rows.

use super::{HELP, SAMPLE, TIMED, TYPE, UNIT, WITH_EXTRAS, WRONG};
use crate::bytes::cursor::{put_string, put_zigzag};
use crate::bytes::varint;
use crate::limits;
use crate::model::metadata::MetricType;
use crate::model::value::canonical;

/// A page under construction. Its memory is used again for the next.
#[derive(Debug, Default)]
pub(in crate::exposition) struct RowWriter {
    out: Vec<u8>,
    most: usize,
}

impl RowWriter {
    /// Begins a page of at most about `most` bytes.
    pub(in crate::exposition) fn begin(&mut self, most: usize) {
        self.out.clear();
        self.most = most;
    }

    /// The page.
    pub(in crate::exposition) fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// Gives back what one large page took.
    pub(in crate::exposition) fn release(&mut self) {
        if self.out.capacity() > limits::DECODED_KEPT_BYTES {
            self.out = Vec::new();
        }
    }

    /// Where the series text of the next row is to be appended.
    #[inline]
    pub(in crate::exposition) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Ends a row, whose series text has been appended, with its sample. Every NaN becomes the
    /// canonical one. False if the page is too large now.
    #[inline]
    #[must_use]
    pub(in crate::exposition) fn sample(
        &mut self,
        value: f64,
        timestamp_ms: Option<i64>,
        extras: &[u8],
    ) -> bool {
        let timed = if timestamp_ms.is_some() { TIMED } else { 0 };
        let with_extras = if extras.is_empty() { 0 } else { WITH_EXTRAS };
        let mut fixed = [0; 10];
        fixed[0] = SAMPLE;
        fixed[1] = timed | with_extras;
        fixed[2..].copy_from_slice(&canonical(value).to_bits().to_le_bytes());
        self.out.extend_from_slice(&fixed);
        if let Some(timestamp_ms) = timestamp_ms {
            put_zigzag(&mut self.out, timestamp_ms);
        }
        if !extras.is_empty() {
            varint::write(&mut self.out, extras.len() as u64);
            self.out.extend_from_slice(extras);
        }
        self.out.len() <= self.most
    }

    /// Says the type of a family. Names have the escapes of quoted names.
    pub(in crate::exposition) fn kind(&mut self, name: &str, kind: MetricType) {
        self.out.extend_from_slice(&[TYPE, kind as u8]);
        put_string(&mut self.out, name);
    }

    /// Says the help of a family, which has no escapes.
    pub(in crate::exposition) fn help(&mut self, name: &str, text: &str) {
        self.named(HELP, name, text);
    }

    /// Says the unit of a family.
    pub(in crate::exposition) fn unit(&mut self, name: &str, unit: &str) {
        self.named(UNIT, name, unit);
    }

    fn named(&mut self, tag: u8, name: &str, text: &str) {
        self.out.push(tag);
        put_string(&mut self.out, name);
        put_string(&mut self.out, text);
    }

    /// Ends the page with the reason why it is wrong: reading it fails there.
    pub(in crate::exposition) fn wrong(&mut self, message: &str) {
        self.out.push(WRONG);
        put_string(&mut self.out, message);
    }
}
