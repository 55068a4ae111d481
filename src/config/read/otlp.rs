//! `otlp`: checked as in Prometheus, without effect.

use std::collections::BTreeSet;

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::relabel::rule::NameScheme;

/// Returns whether anything was written.
pub(super) fn read(at: &Cursor<'_>, scheme: NameScheme) -> Decoded<bool> {
    if at.node.is_null() {
        return Ok(false);
    }
    let mut fields = Fields::new(at, "config.plain")?;
    let all = fields
        .bool("promote_all_resource_attributes")
        .unwrap_or(false);
    let promote = fields
        .strings("promote_resource_attributes")
        .unwrap_or_default();
    let ignore = fields
        .strings("ignore_resource_attributes")
        .unwrap_or_default();
    if all && !promote.is_empty() {
        fields.rule(
            "promote_resource_attributes",
            "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be \
             configured simultaneously",
        );
    }
    if !all && !ignore.is_empty() {
        fields.rule(
            "ignore_resource_attributes",
            "'ignore_resource_attributes' cannot be configured unless \
             'promote_all_resource_attributes' is true",
        );
    }
    for (key, list, adjective) in [
        ("promote_resource_attributes", &promote, "promoted"),
        ("ignore_resource_attributes", &ignore, "ignored"),
    ] {
        if let Some(error) = attribute_error(list, adjective) {
            fields.rule(key, format!("invalid '{key}': {error}"));
        }
    }
    strategy(&mut fields, scheme);
    for key in [
        "keep_identifying_resource_attributes",
        "convert_histograms_to_nhcb",
        "promote_scope_metadata",
        "label_name_underscore_sanitization",
        "label_name_preserve_multiple_underscores",
    ] {
        fields.bool(key);
    }
    fields.finish()?;
    Ok(true)
}

fn strategy(fields: &mut Fields<'_>, scheme: NameScheme) {
    let strategy = fields.string("translation_strategy").unwrap_or_default();
    match strategy.as_str() {
        "" | "UnderscoreEscapingWithSuffixes" | "UnderscoreEscapingWithoutSuffixes" => {}
        "NoUTF8EscapingWithSuffixes" | "NoTranslation" => {
            if scheme == NameScheme::Legacy {
                let message = format!(
                    "OTLP translation strategy {strategy:?} is not allowed when UTF8 is disabled"
                );
                fields.rule("translation_strategy", message);
            }
        }
        _ => {
            let message = format!("unsupported OTLP translation strategy {strategy:?}");
            fields.rule("translation_strategy", message);
        }
    }
}

fn attribute_error(attributes: &[String], adjective: &str) -> Option<String> {
    let mut seen = BTreeSet::new();
    for attribute in attributes {
        let attribute = attribute.trim();
        if attribute.is_empty() {
            return Some(format!("empty {adjective} OTel resource attribute"));
        }
        if !seen.insert(attribute) {
            return Some(format!(
                "duplicated {adjective} OTel resource attribute {attribute:?}"
            ));
        }
    }
    None
}
