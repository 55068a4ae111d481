//! The parts of a URL that a configuration cares about, checked as Go's `url.Parse` checks them.
//!
//! Splits and redacts; does not normalise, resolve or encode.

use std::fmt;

use percent_encoding::percent_decode_str;

/// An absolute or relative URL, split but otherwise as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Lower case; empty for a relative URL.
    pub scheme: String,
    /// Name and password, decoded.
    pub user: Option<(String, Option<String>)>,
    /// Host and port as written; empty if there is none.
    pub host: String,
    /// Path, query and fragment as written.
    pub rest: String,
}

/// Splits a URL.
///
/// # Errors
/// In the words of Go's `net/url`, passwords left out.
pub fn parse(text: &str) -> Result<Url, String> {
    split(text).map_err(|reason| format!("parse {:?}: {reason}", shown(text)))
}

/// The text of a URL that could not be parsed, without what may be a password.
fn shown(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}xxxxx{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

fn split(text: &str) -> Result<Url, String> {
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (scheme, rest) = split_scheme(text)?;
    let Some(rest) = rest.strip_prefix("//") else {
        let segment = rest.split('/').next().unwrap_or_default();
        if scheme.is_empty() && segment.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        return Ok(Url {
            scheme,
            user: None,
            host: String::new(),
            rest: rest.to_owned(),
        });
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (user, host) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user, host)) => (Some(split_user(user)?), host),
    };
    check_host(host)?;
    Ok(Url {
        scheme,
        user,
        host: host.to_owned(),
        rest: rest.to_owned(),
    })
}

fn split_scheme(text: &str) -> Result<(String, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((text[..index].to_ascii_lowercase(), &text[index + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), text))
}

fn split_user(text: &str) -> Result<(String, Option<String>), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !text.chars().all(allowed) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    Ok(match text.split_once(':') {
        None => (decode(text), None),
        Some((name, password)) => (decode(name), Some(decode(password))),
    })
}

fn check_host(host: &str) -> Result<(), String> {
    if let Some(bad) = host.chars().find(|c| " \"<>\\^`{|}".contains(*c)) {
        return Err(format!(
            "invalid character {:?} in host name",
            bad.to_string()
        ));
    }
    let after = match host.strip_prefix('[') {
        None => host.find(':').map_or("", |colon| &host[colon..]),
        Some(bracketed) => {
            let end = bracketed.find(']').ok_or("missing ']' in host")?;
            &bracketed[end + 1..]
        }
    };
    let digits = after.strip_prefix(':').unwrap_or(after);
    let valid = digits.bytes().all(|byte| byte.is_ascii_digit());
    if !valid || (digits.len() == after.len() && !after.is_empty()) {
        return Err(format!("invalid port {after:?} after host"));
    }
    Ok(())
}

impl Url {
    /// Whether requests can be sent there.
    #[must_use]
    pub fn is_http(&self) -> bool {
        matches!(self.scheme.as_str(), "http" | "https") && !self.host.is_empty()
    }

    /// The URL without name and password.
    #[must_use]
    pub fn without_user(&self) -> String {
        Url {
            user: None,
            ..self.clone()
        }
        .to_string()
    }
}

/// Writes the URL with `xxxxx` in place of a password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        if !self.host.is_empty() || self.user.is_some() {
            f.write_str("//")?;
        }
        if let Some((name, password)) = &self.user {
            let encoded =
                percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
            let hidden = if password.is_some() { ":xxxxx" } else { "" };
            write!(f, "{encoded}{hidden}@")?;
        }
        write!(f, "{}{}", self.host, self.rest)
    }
}

/// A URL, or an address without a scheme, as it may be shown: a password is replaced by `xxxxx`. What
/// cannot be parsed and holds an `@` is hidden whole.
#[must_use]
pub fn redacted(text: &str) -> String {
    if !text.contains("://") {
        return redacted_address(text);
    }
    match parse(text) {
        Ok(url)
            if url
                .user
                .as_ref()
                .is_none_or(|(_, password)| password.is_none()) =>
        {
            text.to_owned()
        }
        Ok(url) => url.to_string(),
        Err(_) => shown(text),
    }
}

/// `name:password@host` and what may follow. A word before a colon would be taken for a scheme.
fn redacted_address(text: &str) -> String {
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let user = text[..end].rsplit_once('@').map_or("", |(user, _)| user);
    match user.split_once(':') {
        Some((name, _)) => format!("{name}:xxxxx{}", &text[user.len()..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_as_written() {
        let url = parse("HTTPS://us%40er:p%3Aw@[::1]:9/a?b=c#d").expect("valid");
        assert_eq!(url.scheme, "https");
        assert_eq!(url.user, Some(("us@er".to_owned(), Some("p:w".to_owned()))));
        assert_eq!(
            (url.host.as_str(), url.rest.as_str()),
            ("[::1]:9", "/a?b=c#d")
        );
        assert_eq!(url.without_user(), "https://[::1]:9/a?b=c#d");
        assert_eq!(url.to_string(), "https://us%40er:xxxxx@[::1]:9/a?b=c#d");
        assert!(parse("foo/bar").is_ok_and(|url| !url.is_http()));
    }

    #[test]
    fn what_go_refuses_is_refused_in_its_words() {
        for (text, reason) in [
            (":foo", "missing protocol scheme"),
            ("http://a b/", "invalid character \" \" in host name"),
            ("http://ab:x/", "invalid port \":x\" after host"),
            ("http://[::1", "missing ']' in host"),
            ("http://[::1]x", "invalid port \"x\" after host"),
            ("1a:b", "first path segment in URL cannot contain colon"),
            ("http://a\nb", "net/url: invalid control character in URL"),
            ("http://a b@c", "net/url: invalid userinfo"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.ends_with(reason), "{error}");
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        assert_eq!(redacted("http://a:secret@b/c"), "http://a:xxxxx@b/c");
        assert_eq!(redacted("http://a@b/c"), "http://a@b/c");
        let error = parse("http://a:secret@b:x").expect_err("bad port");
        assert!(!error.contains("secret"), "{error}");
        assert!(!redacted("http://a:sec ret@b").contains("ret"));
    }

    #[test]
    fn passwords_of_addresses_without_a_scheme_are_never_shown() {
        for (address, shown) in [
            ("a:secret@b:9100", "a:xxxxx@b:9100"),
            ("a:sec@ret@b/c@d", "a:xxxxx@b/c@d"),
            ("a@b:9100", "a@b:9100"),
            ("b:9100", "b:9100"),
            ("[::1]:9100/x:y@z", "[::1]:9100/x:y@z"),
        ] {
            assert_eq!(redacted(address), shown);
        }
    }
}
