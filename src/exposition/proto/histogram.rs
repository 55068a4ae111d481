//! The messages `Histogram` and `Bucket`: the classic half, and whether there is a native one.

use super::family::PARTS;
use super::wire::{Fields, WireError};

/// Number of the field of exemplars that belong to the native half.
const EXEMPLARS: u32 = 16;

/// What is needed of a histogram before its buckets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Histogram<'a> {
    message: &'a [u8],
    count: u64,
    count_float: f64,
    pub(super) sum: f64,
    pub(super) start: Option<&'a [u8]>,
    pub(super) has_buckets: bool,
    has_exemplars: bool,
    is_native: bool,
}

impl<'a> Histogram<'a> {
    /// Reads everything but buckets.
    pub(super) fn read(message: &'a [u8]) -> Result<Histogram<'a>, WireError<'a>> {
        let mut fields = Fields::of(message);
        let mut own = Histogram {
            message,
            ..Histogram::default()
        };
        while let Some(field) = fields.next()? {
            match field.number {
                1 => own.count = field.varint()?,
                2 => own.sum = field.double()?,
                PARTS => own.has_buckets = true,
                4 => own.count_float = field.double()?,
                6 => own.is_native |= field.double()? > 0.0,
                7 => own.is_native |= field.varint()? > 0,
                9 | 12 => own.is_native = true,
                15 => own.start = Some(field.bytes()?),
                EXEMPLARS => own.has_exemplars = true,
                _ => {}
            }
        }
        Ok(own)
    }

    /// Whether there is a native half: a span (one without buckets is a mark), a zero threshold, or
    /// observations of zero.
    pub(super) const fn is_native(&self) -> bool {
        self.is_native
    }

    /// All observations.
    pub(super) fn count(&self) -> f64 {
        float_or(self.count_float, self.count)
    }

    /// The message itself.
    pub(super) const fn message(&self) -> &'a [u8] {
        self.message
    }

    /// Calls `each` with every bucket, in order.
    pub(super) fn buckets(
        &self,
        mut each: impl FnMut(Bucket<'a>) -> Result<(), WireError<'a>>,
    ) -> Result<(), WireError<'a>> {
        let mut fields = Fields::of(self.message);
        while let Some(field) = fields.next()? {
            if field.number == PARTS {
                each(Bucket::read(field.bytes()?)?)?;
            }
        }
        Ok(())
    }

    /// Calls `each` with the exemplars of the native half: its own, or else those of the buckets.
    pub(super) fn native_exemplars(
        &self,
        mut each: impl FnMut(&'a [u8]),
    ) -> Result<(), WireError<'a>> {
        if !self.has_exemplars {
            return self.buckets(|bucket| {
                bucket.exemplar.into_iter().for_each(&mut each);
                Ok(())
            });
        }
        let mut fields = Fields::of(self.message);
        while let Some(field) = fields.next()? {
            if field.number == EXEMPLARS {
                each(field.bytes()?);
            }
        }
        Ok(())
    }
}

/// A bucket of the classic half.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket<'a> {
    pub(super) bound: f64,
    pub(super) count: f64,
    pub(super) exemplar: Option<&'a [u8]>,
}

impl<'a> Bucket<'a> {
    fn read(message: &'a [u8]) -> Result<Bucket<'a>, WireError<'a>> {
        let mut fields = Fields::of(message);
        let mut own = Bucket::default();
        let (mut count, mut count_float) = (0, 0.0);
        while let Some(field) = fields.next()? {
            match field.number {
                1 => count = field.varint()?,
                2 => own.bound = field.double()?,
                3 => own.exemplar = Some(field.bytes()?),
                4 => count_float = field.double()?,
                _ => {}
            }
        }
        own.count = float_or(count_float, count);
        Ok(own)
    }
}

/// A float overrides the integer unless it is zero.
fn float_or(float: f64, integer: u64) -> f64 {
    if float == 0.0 { integer as f64 } else { float }
}
