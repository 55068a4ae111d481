//! From a message of remote write 2.0 to one without references: they become texts.
//!
//! A few bytes of references can name a long symbol again and again; what they unfold to is bounded
//! before it takes memory.

use std::collections::BTreeSet;

use super::decode::DecodeError;
use super::message::{Message, Series};
use super::rules::Broken;
use crate::limits;
use crate::wire::prompb::{Exemplar, Label};
use crate::wire::prompb_v2;
use crate::wire::version::Version;

struct Resolver<'a> {
    symbols: &'a [String],
    /// Bytes that may still be unfolded.
    left: usize,
}

impl Resolver<'_> {
    fn text(&mut self, at: u32) -> Result<String, DecodeError> {
        let Some(text) = self.symbols.get(at as usize) else {
            let symbols = self.symbols.len();
            return Err(DecodeError::Reference { at, symbols });
        };
        // An empty text takes memory too.
        let cost = text.len() + size_of::<String>();
        self.left = self
            .left
            .checked_sub(cost)
            .ok_or(DecodeError::Unfolds(limits::RECEIVE_UNFOLDED_BYTES_MAX))?;
        Ok(text.clone())
    }

    fn labels(
        &mut self,
        refs: &[u32],
        found: &mut impl FnMut(Broken),
    ) -> Result<Vec<Label>, DecodeError> {
        if !refs.len().is_multiple_of(2) {
            found(Broken::OddReferences);
        }
        let pairs = refs.chunks_exact(2);
        let mut labels = Vec::with_capacity(pairs.len());
        for pair in pairs {
            labels.push(Label {
                name: self.text(pair[0])?,
                value: self.text(pair[1])?,
            });
        }
        Ok(labels)
    }

    fn exemplar(
        &mut self,
        own: &prompb_v2::Exemplar,
        found: &mut impl FnMut(Broken),
    ) -> Result<Exemplar, DecodeError> {
        if own.timestamp == 0 {
            found(Broken::ExemplarTimestamp);
        }
        Ok(Exemplar {
            labels: self.labels(&own.labels_refs, found)?,
            value: own.value,
            timestamp: own.timestamp,
        })
    }
}

/// Puts texts in the places of references and reports what breaks a rule of its own of 2.0.
///
/// # Errors
/// When a reference leads nowhere, or all of them to too much.
pub(crate) fn resolve(
    message: &prompb_v2::Request,
    mut found: impl FnMut(Broken),
) -> Result<Message, DecodeError> {
    if message
        .symbols
        .first()
        .is_none_or(|first| !first.is_empty())
    {
        found(Broken::FirstSymbol);
    }
    let unique: BTreeSet<&String> = message.symbols.iter().collect();
    if unique.len() < message.symbols.len() {
        found(Broken::RepeatedSymbol);
    }
    let mut resolver = Resolver {
        symbols: &message.symbols,
        left: limits::RECEIVE_UNFOLDED_BYTES_MAX,
    };
    let mut resolved = Message {
        version: Version::V2,
        ..Message::default()
    };
    for own in &message.timeseries {
        if !own.samples.is_empty() && !own.histograms.is_empty() {
            found(Broken::MixedSamples);
        }
        if own.samples.is_empty() && own.histograms.is_empty() && !own.exemplars.is_empty() {
            // Without exemplars the rule that both versions share finds it.
            found(Broken::NoSamples);
        }
        if let Some(metadata) = &own.metadata {
            resolver.text(metadata.help_ref)?;
            resolver.text(metadata.unit_ref)?;
            resolved.metadata += u64::from(metadata.kind != 0);
        }
        let mut exemplars = Vec::with_capacity(own.exemplars.len());
        for exemplar in &own.exemplars {
            exemplars.push(resolver.exemplar(exemplar, &mut found)?);
        }
        let labels = resolver.labels(&own.labels_refs, &mut found)?;
        resolved.series.push(Series {
            labels,
            samples: own.samples.clone(),
            histograms: own.histograms.clone(),
            exemplars,
        });
    }
    Ok(resolved)
}
