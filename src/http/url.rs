//! `http` and `https` URLs as a client needs them: where to connect, what to ask for.
//!
//! A URL that parsed can be put on the wire as it is: no control characters, no spaces, a host
//! of letters a host may have, at most [`limits::URL_BYTES`]. User and password are kept apart and
//! never printed. Other schemes are refused. International host names must be in their ASCII form.
//! Resolving a relative reference follows RFC 3986, section 5.2.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::limits;

/// What is escaped in a path or query that came unescaped; `%` stays, for it may be an escape.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// An absolute URL. Prints without user and password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// Host name in lower case, or an IP address; IPv6 without brackets.
    pub host: String,
    /// Port, the scheme's own if none was written.
    pub port: u16,
    /// Host and port as the `Host` header shows them: the port only if it was written.
    pub authority: String,
    /// Path and query, escaped; begins with a slash.
    pub target: String,
    /// User and password, unescaped, if there were any.
    pub userinfo: Option<(String, String)>,
}

/// Why a text is no usable URL. Never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No scheme, or neither http nor https.
    #[error("unsupported protocol scheme: only http and https URLs can be used")]
    Scheme,
    /// Nothing between the slashes.
    #[error("no host in request URL")]
    NoHost,
    /// A character that cannot be in a host name.
    #[error("invalid character in host name")]
    Host,
    /// Not a number from 0 to 65535.
    #[error("invalid port in URL")]
    Port,
    /// A control character anywhere.
    #[error("invalid control character in URL")]
    Control,
    /// Longer than [`limits::URL_BYTES`].
    #[error("URL is longer than {} bytes", limits::URL_BYTES)]
    TooLong,
}

impl Url {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        check_text(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match () {
            () if scheme.eq_ignore_ascii_case("http") => false,
            () if scheme.eq_ignore_ascii_case("https") => true,
            () => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(parse_userinfo(userinfo)), authority),
            None => (None, authority),
        };
        let (host, port) = split_authority(authority)?;
        Ok(Url {
            tls,
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            authority: join_authority(&host, port),
            host,
            target: escape_target(target),
            userinfo,
        })
    }

    /// The URL that `reference`, for example of a `Location` header, names when read at this one.
    ///
    /// # Errors
    /// When the result is no usable URL.
    pub fn join(&self, reference: &str) -> Result<Url, UrlError> {
        check_text(reference)?;
        let reference = reference.trim_matches(' ');
        if has_scheme(reference) {
            return Url::parse(reference);
        }
        if reference.starts_with("//") {
            return Url::parse(&format!("{}:{reference}", self.scheme()));
        }
        let reference = reference.split('#').next().unwrap_or("");
        let target = self.join_target(reference);
        if target.len() > limits::URL_BYTES {
            return Err(UrlError::TooLong);
        }
        Ok(Url {
            target: escape_target(&target),
            ..self.clone()
        })
    }

    fn join_target(&self, reference: &str) -> String {
        let path = self.target.split('?').next().unwrap_or("/");
        if reference.is_empty() {
            return self.target.clone();
        }
        if reference.starts_with('?') {
            return format!("{path}{reference}");
        }
        let (relative, query) = match reference.split_once('?') {
            Some((relative, query)) => (relative, Some(query)),
            None => (reference, None),
        };
        let merged = if relative.starts_with('/') {
            remove_dots(relative)
        } else {
            let folder = &path[..=path.rfind('/').unwrap_or(0)];
            remove_dots(&format!("{folder}{relative}"))
        };
        match query {
            Some(query) => format!("{merged}?{query}"),
            None => merged,
        }
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// Host and port, the port always: what is dialled and what CONNECT names.
    #[must_use]
    pub fn host_port(&self) -> String {
        join_authority(&self.host, Some(self.port))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.authority, self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

fn check_text(text: &str) -> Result<(), UrlError> {
    if text.len() > limits::URL_BYTES {
        return Err(UrlError::TooLong);
    }
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(UrlError::Control);
    }
    Ok(())
}

fn has_scheme(reference: &str) -> bool {
    let end = reference.find(['/', '?', '#']).unwrap_or(reference.len());
    reference[..end].contains(':')
}

fn parse_userinfo(text: &str) -> (String, String) {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
    (decode(user), decode(password))
}

/// Splits `host[:port]`; the host comes out in lower case and without brackets.
///
/// # Errors
/// When the host is empty or impossible, or the port is no number.
pub fn split_authority(text: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(UrlError::Host)?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(UrlError::Host);
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, port),
            None if rest.is_empty() => (host, ""),
            None => return Err(UrlError::Port),
        }
    } else {
        let (host, port) = text.split_once(':').unwrap_or((text, ""));
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !host.bytes().all(legal) {
            return Err(UrlError::Host);
        }
        (host, port)
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    let port = match port {
        "" => None,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().map_err(|_| UrlError::Port)?)
        }
        _ => return Err(UrlError::Port),
    };
    Ok((host.to_ascii_lowercase(), port))
}

/// `host`, `host:port` or `[v6]:port`.
#[must_use]
pub fn join_authority(host: &str, port: Option<u16>) -> String {
    let (open, close) = if host.contains(':') {
        ("[", "]")
    } else {
        ("", "")
    };
    match port {
        Some(port) => format!("{open}{host}{close}:{port}"),
        None => format!("{open}{host}{close}"),
    }
}

fn escape_target(text: &str) -> String {
    let text = text.split('#').next().unwrap_or("");
    let slash = if text.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", utf8_percent_encode(text, ESCAPED))
}

/// Resolves `.` and `..` segments (RFC 3986, 5.2.4); going above the root stays there.
fn remove_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_what_goes_on_the_wire() {
        let url = Url::parse("HTTPS://us%40er:p:w@Example.COM:9100/a b?x={1}#frag").expect("url");
        assert_eq!(url.to_string(), "https://example.com:9100/a%20b?x=%7B1%7D");
        assert_eq!((url.tls, url.port), (true, 9100));
        assert_eq!(url.host, "example.com");
        assert_eq!(url.userinfo, Some(("us@er".to_owned(), "p:w".to_owned())));
        assert!(!format!("{url:?}").contains("p:w"));
    }

    #[test]
    fn defaults_fill_what_is_not_written() {
        let url = Url::parse("http://h?q").expect("url");
        assert_eq!((url.port, url.target.as_str()), (80, "/?q"));
        assert_eq!(url.authority, "h");
        let v6 = Url::parse("https://[::1]/").expect("url");
        assert_eq!(
            (v6.host.as_str(), v6.host_port().as_str()),
            ("::1", "[::1]:443")
        );
        assert_eq!(v6.authority, "[::1]");
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused() {
        let cases = [
            ("ftp://h/", UrlError::Scheme),
            ("h:80/metrics", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("http://", UrlError::NoHost),
            ("http://:80/", UrlError::NoHost),
            ("http://a b/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://h:99999/", UrlError::Port),
            ("http://h:+1/", UrlError::Port),
            ("http://h/\r\nX: y", UrlError::Control),
        ];
        for (text, error) in cases {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
        let long = format!("http://h/{}", "a".repeat(limits::URL_BYTES));
        assert_eq!(Url::parse(&long), Err(UrlError::TooLong));
    }

    #[test]
    fn references_resolve_as_in_rfc_3986() {
        let base = Url::parse("http://h:1/b/c/d?q").expect("base");
        let cases = [
            ("g", "http://h:1/b/c/g"),
            ("./g/", "http://h:1/b/c/g/"),
            ("/g", "http://h:1/g"),
            ("//x/g", "http://x/g"),
            ("?y", "http://h:1/b/c/d?y"),
            ("g?y#s", "http://h:1/b/c/g?y"),
            ("", "http://h:1/b/c/d?q"),
            ("..", "http://h:1/b/"),
            ("../../../g", "http://h:1/g"),
            ("https://y/z", "https://y/z"),
        ];
        for (reference, expected) in cases {
            let joined = base.join(reference).expect(reference);
            assert_eq!(joined.to_string(), expected, "{reference}");
        }
        assert_eq!(base.join("gopher://x/"), Err(UrlError::Scheme));
    }

    proptest! {
        #[test]
        fn whatever_parses_prints_to_what_parses_the_same(text in "https?://[a-z0-9.:@/?#%\\[\\]-]{0,40}") {
            if let Ok(mut url) = Url::parse(&text) {
                url.userinfo = None;
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
            }
        }

        #[test]
        fn no_reference_panics_or_smuggles_control_characters(reference in "\\PC{0,40}|[ -~\r\n\t]{0,40}") {
            let base = Url::parse("http://h/a/b").expect("base");
            if let Ok(url) = base.join(&reference) {
                prop_assert!(url.target.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
