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

/// A text that is no URL, with `xxxxx` in place of what may be a password: from the first colon, behind
/// a scheme with `//` from there, to the last `@`, for a password may hold what ends a host.
fn shown(text: &str) -> String {
    let start = match split_scheme(text) {
        Ok((scheme, rest)) if !scheme.is_empty() && rest.starts_with("//") => {
            text.len() - rest.len() + 2
        }
        _ => text.find(':').map_or(text.len(), |colon| colon + 1),
    };
    let (authority, _) = split_authority(text);
    let is_address = authority.starts_with('[') && check_host(authority).is_ok();
    match text.rfind('@') {
        Some(at) if at >= start && !is_address => format!("{}xxxxx{}", &text[..start], &text[at..]),
        _ => text.to_owned(),
    }
}

/// What may be user, host and port, and what follows.
fn split_authority(text: &str) -> (&str, &str) {
    text.split_at(text.find(['/', '?', '#']).unwrap_or(text.len()))
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
    let (authority, rest) = split_authority(rest);
    let (user, host) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user, host)) => (Some(split_user(user)?), host),
    };
    // Of `user:pass/word@host`, that would show a piece of the password.
    let checked = check_host(host).map_err(|reason| match rest.contains('@') {
        true => "invalid host: write %2F, %3F and %23 for /, ? and # in a password".to_owned(),
        false => reason,
    });
    checked?;
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

/// The password of a URL that can be split, percent signs and all.
#[must_use]
pub fn password_as_written(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("//")?;
    let (user, _) = split_authority(rest).0.rsplit_once('@')?;
    Some(user.split_once(':')?.1)
}

impl Url {
    /// Whether the text that this comes from has `//` where a host begins.
    fn has_authority(&self, text: &str) -> bool {
        let colon = usize::from(!self.scheme.is_empty());
        text[self.scheme.len() + colon..].starts_with("//")
    }

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

/// A URL, or an address without a scheme, as it may be shown: a password is replaced by `xxxxx`, and so is
/// what may be one where the text is no URL with a host.
#[must_use]
pub fn redacted(text: &str) -> String {
    match split(text) {
        // `http://user:/word@host` has an empty port only if that is no password.
        Ok(url) if url.host.ends_with(':') && url.rest.contains('@') => shown(text),
        Ok(url) if matches!(url.user, Some((_, Some(_)))) => url.to_string(),
        Ok(url) if url.has_authority(text) => text.to_owned(),
        _ => shown(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            ("a:sec@ret@b/c", "a:xxxxx@b/c"),
            ("a:sec/ret@b/c", "a:xxxxx@b/c"),
            ("a:12/34@b", "a:xxxxx@b"),
            ("a:secret@b/?c=d://e", "a:xxxxx@b/?c=d://e"),
            ("a:://secret@b", "a:xxxxx@b"),
            ("a@b:9100", "a@b:9100"),
            ("b:9100", "b:9100"),
            ("[::1]:9100/x:y@z", "[::1]:9100/x:y@z"),
            ("[a:secret@b", "[a:xxxxx@b"),
            ("//a:sec ret@b", "//a:xxxxx@b"),
        ] {
            assert_eq!(redacted(address), shown);
        }
    }

    #[test]
    fn an_at_in_a_path_is_no_secret() {
        for url in [
            "http://b:9100/c:d@e",
            "http://b?c:d@e",
            "unix:///c:d@e",
            "/c@d",
        ] {
            assert_eq!(redacted(url), url);
        }
    }

    #[test]
    fn errors_show_no_piece_of_a_password_that_ends_the_host() {
        for (url, error) in [
            (
                "a:secret@b/c",
                "parse \"a:xxxxx@b/c\": first path segment in URL cannot contain colon",
            ),
            (
                "http://a:secret/x@b",
                "parse \"http://xxxxx@b\": invalid host: write %2F, %3F and %23 for /, ? and # in a password",
            ),
        ] {
            let url = url.replace("a:s", "_a:s");
            let error = error.replace("\"a:", "\"_a:");
            assert_eq!(parse(&url), Err(error));
        }
    }

    proptest! {
        #[test]
        fn no_password_is_shown(
            scheme in prop_oneof![Just(""), Just("//"), Just("http://"), Just("unknown://")],
            user in "[a-z_.-]{0,6}",
            password in "[A-Z0-9/?#@: %]{4,12}",
            rest in "[a-z]{1,6}(:[0-9]{1,3})?(/[a-z]{0,4}){0,2}",
        ) {
            // In a URL, a port and a path, or a host and a path: those of another host.
            let piece = password.find(['/', '?', '#']).map_or("", |end| &password[..end]);
            let port = !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_digit());
            prop_assume!(scheme.is_empty() || !(port || piece.contains('@')));
            // In an address, a scheme and a host.
            prop_assume!(!scheme.is_empty() || user.is_empty() || !password.starts_with("//"));
            let text = format!("{scheme}{user}:{password}@{rest}");
            prop_assume!(!rest.contains(&password));
            let shown = redacted(&text);
            prop_assert!(!shown.contains(&password), "{} shows {}", text, shown);
            if scheme.is_empty() {
                prop_assert_eq!(shown, format!("{user}:xxxxx@{rest}"));
            }
            if let Err(error) = parse(&text) {
                prop_assert!(!error.contains(&password), "{} gives {}", text, error);
            }
        }
    }
}
