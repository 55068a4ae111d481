//! Values of the `Authorization` header.
//!
//! Where the credentials come from, a file or the configuration, is the caller's affair: he hands
//! in the text. A value that cannot be a header is refused without being repeated.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The credentials contain a character no header may have, for example a line break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("credentials contain a character that cannot be sent in a header")]
pub struct UnsendableError;

/// `Basic` with user and password (RFC 7617).
#[must_use]
pub fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{user}:{password}"))
    )
}

/// A type, usually `Bearer`, and credentials.
///
/// # Errors
/// When either holds a control character.
pub fn of_kind(kind: &str, credentials: &str) -> Result<String, UnsendableError> {
    let value = format!("{kind} {credentials}");
    if is_header_value(&value) {
        Ok(value)
    } else {
        Err(UnsendableError)
    }
}

/// Whether a text may be sent as the value of a header: no control characters but tab.
#[must_use]
pub fn is_header_value(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte == b'\t' || !byte.is_ascii_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_the_example_of_the_rfc() {
        assert_eq!(
            basic("Aladdin", "open sesame"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
        );
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_in() {
        assert_eq!(of_kind("Bearer", "a\r\nX: y"), Err(UnsendableError));
        assert_eq!(of_kind("Bearer", "abc").as_deref(), Ok("Bearer abc"));
    }
}
