//! The message `Exemplar`.

use super::wire::{Fields, WireError, timestamp_ms};
use crate::model::exemplar::Exemplar;
use crate::model::labels::Labels;

/// Reads an exemplar; none if it is malformed.
pub(in crate::exposition) fn decode(message: &[u8]) -> Option<Exemplar> {
    read(message).ok()
}

fn read(message: &[u8]) -> Result<Exemplar, WireError<'_>> {
    let mut fields = Fields::of(message);
    let (mut labels, mut value, mut at) = (Vec::new(), 0.0, None);
    while let Some(field) = fields.next()? {
        match field.number {
            1 => labels.push(pair(field.bytes()?)?),
            2 => value = field.double()?,
            3 => at = Some(timestamp_ms(field.bytes()?)?),
            _ => {}
        }
    }
    Ok(Exemplar {
        labels: Labels::from_pairs(labels),
        value,
        timestamp_ms: at,
    })
}

/// Name and value of a `LabelPair`.
pub(super) fn pair(message: &[u8]) -> Result<(&str, &str), WireError<'_>> {
    let mut fields = Fields::of(message);
    let (mut name, mut value) = ("", "");
    while let Some(field) = fields.next()? {
        match field.number {
            1 => name = field.text()?,
            2 => value = field.text()?,
            _ => {}
        }
    }
    Ok((name, value))
}
