//! The two versions of the protocol, the one of VictoriaMetrics, and how a request says which it is.

use super::compress::Compression;

/// Media type of both.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

/// Full name of the 1.0 message.
pub const V1_MESSAGE: &str = "prometheus.WriteRequest";

/// Full name of the 2.0 message.
pub const V2_MESSAGE: &str = "io.prometheus.write.v2.Request";

/// Name of the header with the version of the protocol.
pub const VERSION_HEADER: &str = "X-Prometheus-Remote-Write-Version";

/// Name of the header by which a request says that it is in VictoriaMetrics' protocol.
pub const VICTORIA_HEADER: &str = "X-VictoriaMetrics-Remote-Write-Version";

/// Content of [`VICTORIA_HEADER`].
pub const VICTORIA_NUMBER: &str = "1";

/// Names of the headers by which a receiver of 2.0 says what it has written: samples, histograms,
/// exemplars.
pub const WRITTEN_HEADERS: [&str; 3] = [
    "X-Prometheus-Remote-Write-Samples-Written",
    "X-Prometheus-Remote-Write-Histograms-Written",
    "X-Prometheus-Remote-Write-Exemplars-Written",
];

/// A version of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    /// 1.0: `prometheus.WriteRequest`.
    #[default]
    V1,
    /// 2.0: `io.prometheus.write.v2.Request`.
    V2,
}

impl Version {
    /// `Content-Type` of a request. Receivers of 1.0 may not know the parameter.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Version::V1 => MEDIA_TYPE,
            Version::V2 => "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        }
    }

    /// Content of [`VERSION_HEADER`].
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Version::V1 => "0.1.0",
            Version::V2 => "2.0.0",
        }
    }

    /// The version that a `Content-Type` names; none if it names another media type or message.
    /// Media type and parameter names are compared without case, as RFC 9110 has it.
    #[must_use]
    pub fn of_content_type(text: &str) -> Option<Version> {
        let mut parts = text.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(MEDIA_TYPE) {
            return None;
        }
        for parameter in parts.filter(|part| !part.is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("proto") {
                return match value.trim().trim_matches('"') {
                    V1_MESSAGE => Some(Version::V1),
                    V2_MESSAGE => Some(Version::V2),
                    _ => None,
                };
            }
        }
        Some(Version::V1)
    }
}

/// How a request is sent: its message, and what that is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Remote write 1.0, with snappy.
    #[default]
    V1,
    /// That of VictoriaMetrics: the message of 1.0, with zstd.
    V1Zstd,
    /// Remote write 2.0, with snappy.
    V2,
}

impl From<Version> for Protocol {
    /// With snappy.
    fn from(version: Version) -> Protocol {
        match version {
            Version::V1 => Protocol::V1,
            Version::V2 => Protocol::V2,
        }
    }
}

impl Protocol {
    /// Version of the message.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Protocol::V1 | Protocol::V1Zstd => Version::V1,
            Protocol::V2 => Version::V2,
        }
    }

    /// What the message is compressed with.
    #[must_use]
    pub const fn compression(self) -> Compression {
        match self {
            Protocol::V1 | Protocol::V2 => Compression::Snappy,
            Protocol::V1Zstd => Compression::Zstd,
        }
    }

    /// Name and content of the header with the version of the protocol. VictoriaMetrics' has one of
    /// its own, in the place of the other.
    #[must_use]
    pub const fn version_header(self) -> (&'static str, &'static str) {
        match self {
            Protocol::V1 | Protocol::V2 => (VERSION_HEADER, self.version().number()),
            Protocol::V1Zstd => (VICTORIA_HEADER, VICTORIA_NUMBER),
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Protocol::V1 => "remote write 1.0",
            Protocol::V1Zstd => "remote write 1.0 with zstd",
            Protocol::V2 => "remote write 2.0",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_type_names_a_version() {
        for version in [Version::V1, Version::V2] {
            let text = version.content_type();
            assert_eq!(Version::of_content_type(text), Some(version));
        }
        for (text, expected) in [
            (
                "application/x-protobuf;proto=prometheus.WriteRequest",
                Some(Version::V1),
            ),
            (
                "Application/X-Protobuf; Proto=\"io.prometheus.write.v2.Request\"",
                Some(Version::V2),
            ),
            ("application/x-protobuf; charset=utf-8", Some(Version::V1)),
            ("application/x-protobuf;", Some(Version::V1)),
            ("application/x-protobuf;proto=other.Request", None),
            ("application/x-protobuf;proto", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(Version::of_content_type(text), expected, "{text}");
        }
    }
}
