//! `scrape_protocols`, `fallback_scrape_protocol` and `metric_name_escaping_scheme` by their names.

use crate::config::decode::{Cursor, Decoded};
use crate::config::scrape::{EscapingScheme, ScrapeProtocol};

const ESCAPINGS: [EscapingScheme; 4] = [
    EscapingScheme::AllowUtf8,
    EscapingScheme::Underscores,
    EscapingScheme::Dots,
    EscapingScheme::Values,
];

/// What is asked for when nothing is written, best first.
const DEFAULT: [ScrapeProtocol; 5] = [
    ScrapeProtocol::PrometheusProto,
    ScrapeProtocol::OpenMetricsText1_0_0,
    ScrapeProtocol::OpenMetricsText0_0_1,
    ScrapeProtocol::PrometheusText1_0_0,
    ScrapeProtocol::PrometheusText0_0_4,
];

/// The default list; protobuf comes first when native histograms are wanted, else not at all.
pub(super) fn default(native_histograms: bool) -> Vec<ScrapeProtocol> {
    let skip = usize::from(!native_histograms);
    DEFAULT[skip..].to_vec()
}

/// A protocol by its name, or Prometheus's complaint.
pub(super) fn protocol(text: &str) -> Result<ScrapeProtocol, String> {
    ScrapeProtocol::from_name(text).ok_or_else(|| {
        let names = ScrapeProtocol::ALL.map(ScrapeProtocol::as_str).join(" ");
        format!("unknown scrape protocol {text}, supported: [{names}]")
    })
}

/// A list of protocols, nothing for null; `whose` ends the complaints.
pub(super) fn list(at: &Cursor<'_>, whose: &str) -> Decoded<Option<Vec<ScrapeProtocol>>> {
    if at.node.is_null() {
        return Ok(None);
    }
    let items = at.items("[]config.ScrapeProtocol")?;
    let names = at.list("[]config.ScrapeProtocol", Cursor::string)?;
    if names.is_empty() {
        return Err(at.rule(format!("scrape_protocols cannot be empty {whose}")));
    }
    let mut protocols = Vec::new();
    for (index, (name, item)) in names.iter().zip(&items).enumerate() {
        if names[..index]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
        {
            let all = names.join(" ");
            let message = format!("duplicated protocol in scrape_protocols, got [{all}] {whose}");
            return Err(item.rule(message));
        }
        let found = protocol(name);
        protocols.push(found.map_err(|e| item.rule(format!("scrape_protocols: {e} {whose}")))?);
    }
    Ok(Some(protocols))
}

/// An escaping scheme, nothing when empty; `whose` is `global` or `scrape config`.
pub(super) fn escaping(at: &Cursor<'_>, whose: &str) -> Decoded<Option<EscapingScheme>> {
    let text = at.string()?;
    if text.is_empty() {
        return Ok(None);
    }
    let found = ESCAPINGS.into_iter().find(|own| own.as_str() == text);
    let escaping = found.ok_or_else(|| {
        at.rule(format!(
            "unknown {whose} name escaping method specified, must be one of 'allow-utf-8', \
             'underscores', 'dots', or 'values', got {text:?}"
        ))
    })?;
    Ok(Some(escaping))
}
