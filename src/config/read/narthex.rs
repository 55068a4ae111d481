//! `narthex` of an endpoint: what Prometheus has no setting for.
//!
//! Prometheus refuses a file with this key, so whoever shares one file between both leaves it out.

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::remote_write::{NarthexConfig, ProtobufMessage, Unauthorized};
use crate::wire::compress::Compression;

/// Reads it for an endpoint that gets `message`.
pub(super) fn read(at: &Cursor<'_>, message: ProtobufMessage) -> Decoded<NarthexConfig> {
    let mut fields = Fields::new(at, "narthex")?;
    let rate = fields.size("max_bytes_per_second");
    if rate == Some(0) {
        fields.rule(
            "max_bytes_per_second",
            "max_bytes_per_second must be positive; leave it out for no limit",
        );
    }
    let unauthorized = fields.get("unauthorized", unauthorized);
    let compression = fields.get("compression", compression).unwrap_or_default();
    if compression == Compression::Zstd && message == ProtobufMessage::V2 {
        fields.rule(
            "compression",
            "compression \"zstd\" goes with protobuf_message prometheus.WriteRequest only; \
             remote write 2.0 is always compressed with snappy",
        );
    }
    fields.finish()?;
    Ok(NarthexConfig {
        max_bytes_per_second: rate,
        unauthorized: unauthorized.unwrap_or_default(),
        compression,
    })
}

fn compression(at: &Cursor<'_>) -> Decoded<Compression> {
    match at.string()?.as_str() {
        "snappy" => Ok(Compression::Snappy),
        "zstd" => Ok(Compression::Zstd),
        other => Err(at.rule(format!(
            "compression must be \"snappy\" or \"zstd\", not {other:?}"
        ))),
    }
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
