//! Content negotiation: what a target is asked for, and how to read what it sends.

use std::fmt::Write;

use super::error::quote;
use crate::limits;

/// A format that targets can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// `PrometheusProto`.
    PrometheusProto,
    /// `OpenMetricsText0.0.1`.
    OpenMetricsText0_0_1,
    /// `OpenMetricsText1.0.0`.
    OpenMetricsText1_0_0,
    /// `PrometheusText0.0.4`.
    PrometheusText0_0_4,
    /// `PrometheusText1.0.0`.
    PrometheusText1_0_0,
}

impl ScrapeProtocol {
    /// Every protocol, in the order in which Prometheus lists them.
    pub const ALL: [ScrapeProtocol; 5] = [
        ScrapeProtocol::OpenMetricsText0_0_1,
        ScrapeProtocol::OpenMetricsText1_0_0,
        ScrapeProtocol::PrometheusProto,
        ScrapeProtocol::PrometheusText0_0_4,
        ScrapeProtocol::PrometheusText1_0_0,
    ];

    /// The name in configuration files; case matters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => "PrometheusProto",
            ScrapeProtocol::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            ScrapeProtocol::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
            ScrapeProtocol::PrometheusText0_0_4 => "PrometheusText0.0.4",
            ScrapeProtocol::PrometheusText1_0_0 => "PrometheusText1.0.0",
        }
    }

    /// The protocol with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ScrapeProtocol> {
        ScrapeProtocol::ALL
            .into_iter()
            .find(|own| own.as_str() == name)
    }

    const fn media_type(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            ScrapeProtocol::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            ScrapeProtocol::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
            ScrapeProtocol::PrometheusText0_0_4 => "text/plain;version=0.0.4",
            ScrapeProtocol::PrometheusText1_0_0 => "text/plain;version=1.0.0",
        }
    }

    /// Only the newest text formats know how to escape names.
    const fn has_escaping(self) -> bool {
        matches!(
            self,
            ScrapeProtocol::OpenMetricsText1_0_0 | ScrapeProtocol::PrometheusText1_0_0
        )
    }

    /// What reads it.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            ScrapeProtocol::PrometheusProto => Dialect::Protobuf,
            ScrapeProtocol::OpenMetricsText0_0_1 | ScrapeProtocol::OpenMetricsText1_0_0 => {
                Dialect::Text(Format::OpenMetrics)
            }
            ScrapeProtocol::PrometheusText0_0_4 | ScrapeProtocol::PrometheusText1_0_0 => {
                Dialect::Text(Format::Text)
            }
        }
    }
}

/// How a target is asked to write names that older parsers refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EscapingScheme {
    /// `allow-utf-8`: as they are.
    AllowUtf8,
    /// `underscores`.
    Underscores,
    /// `dots`.
    Dots,
    /// `values`.
    Values,
}

impl EscapingScheme {
    /// The name in configuration files and in `Accept`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EscapingScheme::AllowUtf8 => "allow-utf-8",
            EscapingScheme::Underscores => "underscores",
            EscapingScheme::Dots => "dots",
            EscapingScheme::Values => "values",
        }
    }
}

/// What a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Text.
    Text(Format),
    /// `io.prometheus.client.MetricFamily` messages.
    Protobuf,
}

/// The grammars of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text 0.0.4 and 1.0.0.
    Text,
    /// OpenMetrics text 0.0.1 and 1.0.0.
    OpenMetrics,
    /// What other pages are turned into ([`super::rows`]); no target speaks it.
    Rows,
}

impl Format {
    /// The grammar of the series in such pages.
    pub(super) const fn of_series(self) -> Format {
        match self {
            Format::Text | Format::Rows => Format::Text,
            Format::OpenMetrics => Format::OpenMetrics,
        }
    }
}

/// Weight of the first protocol in tenths: one more than there are protocols.
const FIRST_WEIGHT: usize = ScrapeProtocol::ALL.len() + 1;

/// The `Accept` header for `protocols`, best first; duplicates must not occur.
#[must_use]
pub fn accept_header(protocols: &[ScrapeProtocol], escaping: EscapingScheme) -> String {
    let mut header = String::new();
    let mut weight = FIRST_WEIGHT;
    for protocol in protocols {
        header.push_str(protocol.media_type());
        if protocol.has_escaping() {
            header.push_str(";escaping=");
            header.push_str(escaping.as_str());
        }
        let _ = write!(header, ";q=0.{weight},");
        weight = weight.saturating_sub(1);
    }
    let _ = write!(header, "*/*;q=0.{weight}");
    header
}

/// Chooses the dialect by media type; parameters are ignored.
///
/// # Errors
/// Prometheus's words when the type is missing, malformed or unknown and there is no fallback.
pub fn choose(
    content_type: Option<&str>,
    fallback: Option<ScrapeProtocol>,
) -> Result<Dialect, String> {
    let content_type = content_type.unwrap_or_default();
    let complaint = if content_type.is_empty() {
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target".to_owned()
    } else {
        let shown = || quote(content_type.as_bytes());
        match media_type(content_type).as_deref() {
            Ok("application/openmetrics-text") => {
                return Ok(Dialect::Text(Format::OpenMetrics));
            }
            Ok("text/plain") => return Ok(Dialect::Text(Format::Text)),
            Ok("application/vnd.google.protobuf") => return Ok(Dialect::Protobuf),
            Ok(_) => format!(
                "received unsupported Content-Type {} and no fallback_scrape_protocol specified for target",
                shown()
            ),
            Err(reason) => format!(
                "cannot parse Content-Type {} and no fallback_scrape_protocol for target: {reason}",
                shown()
            ),
        }
    };
    fallback.map(ScrapeProtocol::dialect).ok_or(complaint)
}

/// The media type in lower case, once the whole header has proved well-formed.
fn media_type(header: &str) -> Result<String, String> {
    let (kind, mut rest) = header.split_at(header.find(';').unwrap_or(header.len()));
    let kind = kind.trim().to_ascii_lowercase();
    let well_formed = match kind.split_once('/') {
        None => is_token(&kind),
        Some((major, minor)) => is_token(major) && is_token(minor),
    };
    if !well_formed {
        return Err("mime: expected token".to_owned());
    }
    let mut known: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        // A semicolon at the very end is fine.
        if rest.is_empty() || rest == ";" {
            return Ok(kind);
        }
        let (name, value, after) = parameter(rest).ok_or("mime: invalid media parameter")?;
        // The same twice is let pass, as Go does.
        if known.iter().any(|own| own.0 == name && own.1 != value) {
            return Err("mime: duplicate parameter name".to_owned());
        }
        // Each is compared with those before it.
        if known.len() == limits::CONTENT_TYPE_PARAMETERS_MAX {
            return Err(format!("mime: more than {} parameters", known.len()));
        }
        known.push((name, value));
        rest = after;
    }
}

/// Name and value of the parameter at the start of `rest`, which begins with `;`, and what follows.
fn parameter(rest: &str) -> Option<(String, String, &str)> {
    let (name, value) = rest.strip_prefix(';')?.split_once('=')?;
    let name = name.trim_start();
    if !is_token(name) {
        return None;
    }
    let (value, after) = if let Some(quoted) = value.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        (unescaped(&quoted[..end]), &quoted[end + 1..])
    } else {
        let end = value.find(|c| !is_token_char(c)).unwrap_or(value.len());
        if end == 0 {
            return None;
        }
        (value[..end].to_owned(), &value[end..])
    };
    Some((name.to_ascii_lowercase(), value, after))
}

/// The text of a quoted value. Only what could not stand there otherwise is escaped by a backslash.
fn unescaped(quoted: &str) -> String {
    let mut characters = quoted.chars().peekable();
    let next = || {
        let first = characters.next()?;
        let escaped = characters.next_if(|c| first == '\\' && SPECIAL.contains(*c));
        Some(escaped.unwrap_or(first))
    };
    std::iter::from_fn(next).collect()
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_char)
}

/// What separates tokens (RFC 2045).
const SPECIAL: &str = r#"()<>@,;:\"/[]?="#;

fn is_token_char(c: char) -> bool {
    c.is_ascii_graphic() && !SPECIAL.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ScrapeProtocol::{
        OpenMetricsText0_0_1 as Om0, OpenMetricsText1_0_0 as Om1, PrometheusProto as Proto,
        PrometheusText0_0_4 as Text0, PrometheusText1_0_0 as Text1,
    };

    #[test]
    fn the_default_header_is_that_of_prometheus() {
        assert_eq!(
            accept_header(&[Om1, Om0, Text1, Text0], EscapingScheme::AllowUtf8),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        assert_eq!(
            accept_header(&[Proto, Text1], EscapingScheme::Dots),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;q=0.6,text/plain;version=1.0.0;escaping=dots;q=0.5,*/*;q=0.4"
        );
    }

    #[test]
    fn only_the_newest_formats_name_an_escaping() {
        for (protocols, escaping, expected) in [
            (
                &[Text0][..],
                EscapingScheme::Values,
                "text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
            ),
            (
                &[Om0, Text0],
                EscapingScheme::Underscores,
                "application/openmetrics-text;version=0.0.1;q=0.6,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.4",
            ),
            (
                &[Text1, Om1],
                EscapingScheme::Underscores,
                "text/plain;version=1.0.0;escaping=underscores;q=0.6,\
                 application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,*/*;q=0.4",
            ),
            (
                &[Proto, Om1, Om0, Text1, Text0],
                EscapingScheme::Values,
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
                 encoding=delimited;q=0.6,\
                 application/openmetrics-text;version=1.0.0;escaping=values;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;escaping=values;q=0.3,\
                 text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            ),
        ] {
            assert_eq!(accept_header(protocols, escaping), expected);
        }
    }

    #[test]
    fn the_media_type_alone_chooses() {
        for (header, format) in [
            ("text/plain", Format::Text),
            (
                "Text/Plain ; version=9; charset=\"u\\\"t;f\" ;",
                Format::Text,
            ),
            (
                "application/openmetrics-text;version=0.0.4",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(
                choose(Some(header), None),
                Ok(Dialect::Text(format)),
                "{header}"
            );
        }
    }

    #[test]
    fn a_fallback_serves_where_the_type_says_nothing() {
        for header in [
            None,
            Some(""),
            Some("text/html"),
            Some("text/plain; a"),
            Some("/"),
        ] {
            let dialect = |fallback| choose(header, Some(fallback));
            assert_eq!(dialect(Om0), Ok(Dialect::Text(Format::OpenMetrics)));
            assert_eq!(dialect(Text1), Ok(Dialect::Text(Format::Text)));
            assert_eq!(dialect(Proto), Ok(Dialect::Protobuf));
            let error = choose(header, None).expect_err("no fallback");
            assert!(error.contains("no fallback_scrape_protocol"), "{error}");
        }
        assert_eq!(
            choose(Some("text/html"), None),
            Err("received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target".to_owned())
        );
    }

    #[test]
    fn a_content_type_is_read_as_go_reads_it() {
        let text = Dialect::Text(Format::Text);
        let open_metrics = Dialect::Text(Format::OpenMetrics);
        for (header, expected) in [
            ("TEXT/PLAIN; VERSION=0.0.4; CHARSET=UTF-8", text),
            ("text/plain;version=0.0.4;", text),
            (" text/plain\t; charset=\"utf-8\"", text),
            ("text/plain; charset=utf-8; charset=\"utf-8\"", text),
            ("text/plain; version=1.0.0; escaping=values", text),
            ("text/plain; a=\"b\\;\"; a=\"b;\"", text),
            (
                "Application/OpenMetrics-Text; version=0.0.1; charset=utf-8",
                open_metrics,
            ),
            // The version is not looked at: a page of OpenMetrics says what it is by its type.
            ("text/plain; version=openmetrics", text),
            (
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
                Dialect::Protobuf,
            ),
            (
                "APPLICATION/VND.GOOGLE.PROTOBUF;encoding=text",
                Dialect::Protobuf,
            ),
        ] {
            assert_eq!(choose(Some(header), None), Ok(expected), "{header}");
        }
        let of_parameters = |count| format!("text/plain{}", ";a=1".repeat(count));
        assert_eq!(choose(Some(&of_parameters(32)), None), Ok(text));
        for (header, reason) in [
            (
                "text/plain; a=\"b\\c\"; a=bc",
                "mime: duplicate parameter name",
            ),
            (
                "text/plain; version=1; version=2",
                "mime: duplicate parameter name",
            ),
            ("text/plain; charset", "mime: invalid media parameter"),
            ("text/plain; =utf-8", "mime: invalid media parameter"),
            ("text/plain; a=\"b", "mime: invalid media parameter"),
            ("text/", "mime: expected token"),
            ("text /plain", "mime: expected token"),
            (&of_parameters(33), "mime: more than 32 parameters"),
        ] {
            let error = choose(Some(header), None).expect_err(header);
            assert!(error.contains("cannot parse Content-Type"), "{error}");
            assert!(error.ends_with(reason), "{header}: {error}");
        }
        for header in [
            "text",
            "application/json",
            "text/plaintext",
            "application/openmetrics",
        ] {
            let error = choose(Some(header), None).expect_err(header);
            assert!(
                error.starts_with("received unsupported Content-Type"),
                "{error}"
            );
        }
    }

    #[test]
    fn protobuf_is_known_by_its_media_type_alone() {
        let header = "application/vnd.google.protobuf; proto=x";
        assert_eq!(choose(Some(header), Some(Text0)), Ok(Dialect::Protobuf));
    }
}
