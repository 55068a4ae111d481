//! Signature version 4, by which AWS tells whose request it is.
//!
//! The request is brought into a canonical form; a key made of the secret, the day, the region and
//! the service signs its digest. All services but S3 encode the path as it is sent once more.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ring::{digest, hmac};

use crate::model::calendar::Basic;
use crate::model::time::Wall;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is left as it is in a path segment, a name or a value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What is signed of a request.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its `Host` header.
    pub host: &'a str,
    /// Path and query as they are sent.
    pub target: &'a str,
    /// The headers to sign beside `Host`; `X-Amz-Date` must be among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: &'a [u8],
}

/// For whom and when it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The service.
    pub service: &'a str,
    /// The time that `X-Amz-Date` tells.
    pub now: Wall,
}

/// The value of `X-Amz-Date`.
#[must_use]
pub fn date(now: Wall) -> String {
    Basic(now).to_string()
}

/// The value of `Authorization` for a request.
#[must_use]
pub fn sign(unsigned: &Unsigned<'_>, access: &str, secret: &str, scope: Scope<'_>) -> String {
    let (canonical, names) = canonical(unsigned);
    let date = date(scope.now);
    let day = &date[..8];
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let text = format!(
        "{ALGORITHM}\n{date}\n{place}\n{}",
        digest_of(canonical.as_bytes())
    );
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in [day, scope.region, scope.service, "aws4_request"] {
        key = keyed(&key, part);
    }
    let signature = hex(&keyed(&key, &text));
    format!("{ALGORITHM} Credential={access}/{place}, SignedHeaders={names}, Signature={signature}")
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn digest_of(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The canonical form of a request, and the names of its signed headers.
fn canonical(unsigned: &Unsigned<'_>) -> (String, String) {
    let (path, query) = match unsigned.target.split_once('?') {
        Some((path, query)) => (path, query),
        None => (unsigned.target, ""),
    };
    let mut headers: Vec<(String, String)> = unsigned
        .headers
        .iter()
        .chain(&[("host", unsigned.host)])
        .map(|(name, value)| (name.to_ascii_lowercase(), squeezed(value)))
        .collect();
    // Equal names keep their order.
    headers.sort_by(|one, two| one.0.cmp(&two.0));
    headers.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 = format!("{},{}", first.1, later.1);
        }
        same
    });
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let text = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        unsigned.method,
        canonical_path(path),
        canonical_query(query),
        digest_of(unsigned.body)
    );
    (text, names)
}

/// A value with single blanks only.
fn squeezed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without empty and dotted segments, encoded.
fn canonical_path(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    if kept.is_empty() {
        return "/".to_owned();
    }
    let is_folder = path.ends_with('/');
    let encoded: String = kept
        .iter()
        .map(|segment| format!("/{}", escape(segment)))
        .collect();
    encoded + if is_folder { "/" } else { "" }
}

fn canonical_query(query: &str) -> String {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (escape(&decoded(name)), escape(&decoded(value)))
        })
        .collect();
    pairs.sort();
    let joined = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    joined.collect::<Vec<_>>().join("&")
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z.
    const NOW: Wall = Wall(1_440_938_160_000);
    const ACCESS: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[derive(serde::Deserialize)]
    struct Vector {
        name: String,
        method: String,
        host: String,
        target: String,
        headers: Vec<(String, String)>,
        body: String,
        service: String,
        signature: String,
    }

    #[test]
    fn the_signatures_are_those_that_aws_has_published() {
        let vectors: Vec<Vector> =
            serde_json::from_str(include_str!("vectors.json")).expect("vectors");
        assert_eq!(vectors.len(), 19);
        for own in vectors {
            let mut headers: Vec<(&str, &str)> = own
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            headers.push(("X-Amz-Date", "20150830T123600Z"));
            let unsigned = Unsigned {
                method: &own.method,
                host: &own.host,
                target: &own.target,
                headers: &headers,
                body: own.body.as_bytes(),
            };
            let scope = Scope {
                region: "us-east-1",
                service: &own.service,
                now: NOW,
            };
            let signed = sign(&unsigned, ACCESS, SECRET, scope);
            let end = format!(", Signature={}", own.signature);
            assert!(signed.ends_with(&end), "{}: {signed}", own.name);
        }
    }

    #[test]
    fn the_header_names_key_place_and_headers() {
        let unsigned = Unsigned {
            method: "POST",
            host: "aps-workspaces.eu-west-1.amazonaws.com",
            target: "/workspaces/ws-1/api/v1/remote_write",
            headers: &[("X-Amz-Date", &date(NOW)), ("Content-Type", "x")],
            body: b"body",
        };
        let scope = Scope {
            region: "eu-west-1",
            service: "aps",
            now: NOW,
        };
        let signed = sign(&unsigned, ACCESS, SECRET, scope);
        let begin = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/aps/aws4_request, \
                     SignedHeaders=content-type;host;x-amz-date, Signature=";
        assert!(signed.starts_with(begin), "{signed}");
        assert!(!signed.contains(SECRET));
    }

    #[test]
    fn a_path_that_is_encoded_already_is_encoded_again() {
        assert_eq!(canonical_path("/a%20b/./c"), "/a%2520b/c");
        assert_eq!(canonical_query("b=2&a=%20x&a"), "a=&a=%20x&b=2");
    }
}
