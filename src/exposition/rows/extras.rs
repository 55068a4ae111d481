//! What a row has beside value and timestamp: a native histogram, a start timestamp, exemplars.
//!
//! ```text
//! flags, [start (zigzag)], [histogram (block)], exemplars: origin, exemplar (block)
//! ```
//!
//! Histograms and exemplars stay as the target wrote them until it is known that somebody wants
//! them.

use crate::bytes::cursor::{Cursor, put_zigzag};
use crate::bytes::varint;
use crate::exposition::{exemplar, proto};
use crate::model::exemplar::Exemplar;
use crate::model::histogram::classic::custom;
use crate::model::histogram::{NativeHistogram, ResetHint};

/// Flags. None of them, and no sum, is the brace that exemplars of text begin with.
const START: u8 = 1;
const NATIVE: u8 = 2;
const CLASSIC: u8 = 4;
const GAUGE: u8 = 8;
const ALL: u8 = START | NATIVE | CLASSIC | GAUGE;

/// Bytes of a bucket of a gathered classic histogram: upper bound and cumulative count.
const BUCKET_BYTES: usize = 16;

/// Where an exemplar comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::exposition) enum Origin {
    /// OpenMetrics.
    Text = 0,
    /// The message `io.prometheus.client.Exemplar`.
    Proto = 1,
}

/// The extras of a row.
#[derive(Clone, Copy, Debug)]
pub struct Extras<'a> {
    /// Since when the series counts, in milliseconds since 1970.
    pub start_ms: Option<i64>,
    /// The native histogram, whose sum is the row's value.
    pub histogram: Option<RawHistogram<'a>>,
    exemplars: Cursor<'a>,
}

/// A native histogram that has not been read yet.
#[derive(Clone, Copy, Debug)]
pub struct RawHistogram<'a> {
    bytes: &'a [u8],
    flags: u8,
}

impl<'a> Extras<'a> {
    /// Reads what [`super::super::line::Tail`] carries. None: it is an exemplar of a text page.
    #[must_use]
    pub fn read(raw: &'a [u8]) -> Option<Extras<'a>> {
        let mut cursor = Cursor::new(raw);
        let flags = cursor.u8().filter(|flags| *flags <= ALL)?;
        let start_ms = if flags & START == 0 {
            None
        } else {
            Some(cursor.zigzag()?)
        };
        let histogram = if flags & (NATIVE | CLASSIC) == 0 {
            None
        } else {
            let bytes = cursor.block()?;
            Some(RawHistogram { bytes, flags })
        };
        Some(Extras {
            start_ms,
            histogram,
            exemplars: cursor,
        })
    }

    /// What the exemplars were written as: equal bytes are equal exemplars.
    #[must_use]
    pub const fn exemplar_bytes(&self) -> &'a [u8] {
        self.exemplars.rest()
    }

    /// The exemplars, in the order of the page; none in the place of one that cannot be read. Those
    /// of native histograms count only with a timestamp: others are left out.
    pub fn exemplars(mut self) -> impl Iterator<Item = Option<Exemplar>> {
        let native = self.histogram.is_some();
        std::iter::from_fn(move || {
            let origin = self.exemplars.u8()?;
            let raw = self.exemplars.block()?;
            Some(if origin == Origin::Proto as u8 {
                proto::exemplar::decode(raw)
            } else {
                exemplar::parse_exemplar(raw).ok()
            })
        })
        .filter(move |exemplar| {
            let timed = |exemplar: &Exemplar| exemplar.timestamp_ms.is_some();
            !native || exemplar.as_ref().is_none_or(timed)
        })
    }
}

impl RawHistogram<'_> {
    /// Reads it. Nothing is checked but that it can be read.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn decode(&self) -> Result<NativeHistogram, String> {
        let reset_hint = if self.flags & GAUGE == 0 {
            ResetHint::Unknown
        } else {
            ResetHint::Gauge
        };
        if self.flags & NATIVE != 0 {
            return proto::native::decode(self.bytes, reset_hint);
        }
        let buckets = self.bytes.chunks_exact(BUCKET_BYTES).map(|bucket| {
            let (bound, count) = bucket.split_at(BUCKET_BYTES / 2);
            (float(bound), float(count))
        });
        Ok(custom(buckets, reset_hint))
    }
}

fn float(bytes: &[u8]) -> f64 {
    let bytes = bytes.first_chunk().copied().unwrap_or_default();
    f64::from_bits(u64::from_le_bytes(bytes))
}

/// Puts extras together. Its memory is used again.
#[derive(Debug, Default)]
pub(in crate::exposition) struct ExtrasWriter {
    out: Vec<u8>,
}

impl ExtrasWriter {
    /// Begins with a start timestamp, if there is one.
    pub(in crate::exposition) fn begin(&mut self, start_ms: Option<i64>) {
        self.out.clear();
        self.out.push(0);
        if let Some(start_ms) = start_ms {
            self.out[0] = START;
            put_zigzag(&mut self.out, start_ms);
        }
    }

    /// Adds a native histogram: the message `io.prometheus.client.Histogram`. Before exemplars.
    pub(in crate::exposition) fn native(&mut self, message: &[u8], is_gauge: bool) {
        self.out[0] |= NATIVE | if is_gauge { GAUGE } else { 0 };
        varint::write(&mut self.out, message.len() as u64);
        self.out.extend_from_slice(message);
    }

    /// Adds a gathered classic histogram: upper bounds, growing, the last one infinite, and
    /// cumulative counts. Before exemplars.
    pub(in crate::exposition) fn classic(&mut self, buckets: &[(f64, f64)], is_gauge: bool) {
        self.out[0] |= CLASSIC | if is_gauge { GAUGE } else { 0 };
        varint::write(&mut self.out, (buckets.len() * BUCKET_BYTES) as u64);
        for (bound, count) in buckets {
            self.out.extend_from_slice(&bound.to_le_bytes());
            self.out.extend_from_slice(&count.to_le_bytes());
        }
    }

    /// Adds an exemplar.
    pub(in crate::exposition) fn exemplar(&mut self, origin: Origin, raw: &[u8]) {
        self.out.push(origin as u8);
        varint::write(&mut self.out, raw.len() as u64);
        self.out.extend_from_slice(raw);
    }

    /// Adds the exemplars of another one, which holds nothing else.
    pub(in crate::exposition) fn append_exemplars_of(&mut self, other: &ExtrasWriter) {
        self.out.extend_from_slice(&other.out[1..]);
    }

    /// What to write; empty if there are no extras.
    pub(in crate::exposition) fn bytes(&self) -> &[u8] {
        if self.out == [0] { &[] } else { &self.out }
    }
}
