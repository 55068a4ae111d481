//! `storage`: checked as in Prometheus; only the out-of-order window has an effect.

use crate::config::decode::{Cursor, Decoded, Fields};

/// Returns `tsdb.out_of_order_time_window` in milliseconds.
pub(super) fn read(at: &Cursor<'_>) -> Decoded<u64> {
    let mut fields = Fields::new(at, "config.StorageConfig")?;
    let window = fields.get("tsdb", tsdb).unwrap_or_default();
    fields.get("exemplars", |at| {
        let mut fields = Fields::new(at, "config.ExemplarsConfig")?;
        fields.i64("max_exemplars");
        fields.finish()
    });
    fields.finish()?;
    Ok(window)
}

fn tsdb(at: &Cursor<'_>) -> Decoded<u64> {
    let mut fields = Fields::new(at, "config.plain")?;
    let window = fields
        .duration("out_of_order_time_window")
        .unwrap_or_default();
    fields.f64("stale_series_compaction_threshold");
    fields.get("retention", retention);
    fields.get("chunk_encoding", chunk_encoding);
    fields.finish()?;
    Ok(u64::try_from(window.as_millis()).unwrap_or(u64::MAX))
}

fn retention(at: &Cursor<'_>) -> Decoded<()> {
    let mut fields = Fields::new(at, "config.plain")?;
    fields.duration("time");
    fields.size("size");
    let percentage = fields.f64("percentage").unwrap_or_default();
    if !(0.0..=100.0).contains(&percentage) {
        let message = format!(
            "'storage.tsdb.retention.percentage' must be in the range [0, 100], got {percentage}"
        );
        fields.rule("percentage", message);
    }
    fields.finish()
}

fn chunk_encoding(at: &Cursor<'_>) -> Decoded<()> {
    let mut fields = Fields::new(at, "config.ChunkEncodingConfig")?;
    let floats = fields.string("floats").unwrap_or_default();
    if !matches!(floats.as_str(), "" | "xor" | "xor2") {
        let message = format!(
            "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be \
             omitted entirely, got {floats:?}"
        );
        fields.rule("floats", message);
    }
    fields.finish()
}
