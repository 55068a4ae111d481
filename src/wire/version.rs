//! The two versions of the protocol, and how a request says which one it is.

/// Media type of both.
pub const MEDIA_TYPE: &str = "application/x-protobuf";

/// Full name of the 1.0 message.
pub const V1_MESSAGE: &str = "prometheus.WriteRequest";

/// Full name of the 2.0 message.
pub const V2_MESSAGE: &str = "io.prometheus.write.v2.Request";

/// Name of the header with the version of the protocol.
pub const VERSION_HEADER: &str = "X-Prometheus-Remote-Write-Version";

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
