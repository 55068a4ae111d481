//! The head of a request.

use std::fmt::Write;

use super::auth::is_header_value;

/// A header name or value that cannot be put on the wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header {name:?} cannot be sent")]
pub struct HeaderError {
    /// The name; the value may be secret.
    pub name: String,
}

/// Appends request line, `Host` and the headers in their order, and the empty line, to `out`.
///
/// `target` and `host` must come from a parsed [`super::url::Url`].
///
/// # Errors
/// When a header would break the head; `out` is then of no use.
pub fn write_get<'a>(
    out: &mut String,
    target: &str,
    host: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), HeaderError> {
    // Writing to a string cannot fail.
    let _infallible = write!(out, "GET {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        if !is_header_name(name) || !is_header_value(value) {
            return Err(HeaderError {
                name: name.to_owned(),
            });
        }
        for part in [name, ": ", value, "\r\n"] {
            out.push_str(part);
        }
    }
    out.push_str("\r\n");
    Ok(())
}

/// Whether a text is a header name: a token of RFC 9110, 5.6.2.
#[must_use]
pub fn is_header_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_what_servers_expect() {
        let mut out = String::new();
        write_get(&mut out, "/m?a", "h:1", [("Accept", "*/*"), ("X", "")]).expect("written");
        assert_eq!(
            out,
            "GET /m?a HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\nX: \r\n\r\n"
        );
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        for header in [
            ("A\r\nB", "c"),
            ("", "c"),
            ("A:", "c"),
            ("A", "c\r\nB: d"),
            ("A", "\0"),
        ] {
            assert!(
                write_get(&mut String::new(), "/", "h", [header]).is_err(),
                "{header:?}"
            );
        }
    }
}
