//! `narthex` of an endpoint: what Prometheus has no setting for.
//!
//! Prometheus refuses a file with this key, so whoever shares one file between both leaves it out.

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::remote_write::{NarthexConfig, Unauthorized};

pub(super) fn read(at: &Cursor<'_>) -> Decoded<NarthexConfig> {
    let mut fields = Fields::new(at, "narthex")?;
    let rate = fields.size("max_bytes_per_second");
    if rate == Some(0) {
        fields.rule(
            "max_bytes_per_second",
            "max_bytes_per_second must be positive; leave it out for no limit",
        );
    }
    let unauthorized = fields.get("unauthorized", unauthorized);
    fields.finish()?;
    Ok(NarthexConfig {
        max_bytes_per_second: rate,
        unauthorized: unauthorized.unwrap_or_default(),
    })
}

fn unauthorized(at: &Cursor<'_>) -> Decoded<Unauthorized> {
    match at.string()?.as_str() {
        "hold" => Ok(Unauthorized::Hold),
        "drop" => Ok(Unauthorized::Drop),
        other => Err(at.rule(format!(
            "unauthorized must be \"hold\" or \"drop\", not {other:?}"
        ))),
    }
}
