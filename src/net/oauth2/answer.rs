//! What a token's server answers.

use std::time::Duration;

use serde::Deserialize;

use super::Token;
use crate::config::secret::Secret;
use crate::http::{auth, form};
use crate::limits;
use crate::net::lease::Granted;

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server says so: its code and its explanation, either may be empty.
    Server { error: String, description: String },
    /// A success without a token.
    NoToken,
    /// A token that cannot be sent.
    Unsendable,
    /// No answer of a token's server.
    Foreign,
}

impl Refusal {
    /// In the words of Go's library. What the server says is cut and freed of control characters.
    pub(super) fn describe(&self, status: &str) -> String {
        match self {
            Refusal::Server { error, description } if !error.is_empty() => {
                let (error, description) = (shown(error), shown(description));
                let quoted = if description.is_empty() {
                    String::new()
                } else {
                    format!(" {description:?}")
                };
                format!("oauth2: {error:?}{quoted} ({status})")
            }
            Refusal::Server { .. } => format!("oauth2: cannot fetch token: {status}"),
            Refusal::NoToken => "oauth2: server response missing access_token".to_owned(),
            Refusal::Unsendable => "oauth2: the token cannot be sent in a header".to_owned(),
            Refusal::Foreign => {
                format!("oauth2: cannot parse the token server's answer ({status})")
            }
        }
    }
}

fn shown(text: &str) -> String {
    let letters = text.chars().filter(|letter| !letter.is_control());
    letters.take(limits::GRANT_ERROR_CHARS).collect()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Broken(f64),
    Text(String),
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<Number>,
    error: String,
    error_description: String,
}

fn read(content_type: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let is_form = matches!(kind, "application/x-www-form-urlencoded" | "text/plain");
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Foreign)?;
    if is_form && !text.trim_start().starts_with('{') {
        let value = |name| form::value(text, name).unwrap_or_default();
        return Ok(Answer {
            access_token: value("access_token"),
            token_type: value("token_type"),
            expires_in: form::value(text, "expires_in").map(Number::Text),
            error: value("error"),
            error_description: value("error_description"),
        });
    }
    serde_json::from_str(text).map_err(|_| Refusal::Foreign)
}

/// The token of a success.
pub(super) fn parse(content_type: &str, body: &[u8]) -> Result<Granted<Token>, Refusal> {
    let answer = read(content_type, body)?;
    if !answer.error.is_empty() {
        return Err(Refusal::Server {
            error: answer.error,
            description: answer.error_description,
        });
    }
    if answer.access_token.is_empty() {
        return Err(Refusal::NoToken);
    }
    let kind = match answer.token_type.to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        "mac" => "MAC",
        "basic" => "Basic",
        _ => &answer.token_type,
    };
    let header = auth::of_kind(kind, &answer.access_token).map_err(|_| Refusal::Unsendable)?;
    let seconds = match answer.expires_in {
        None => 0,
        Some(Number::Whole(seconds)) => seconds,
        Some(Number::Broken(seconds)) => seconds as i64,
        Some(Number::Text(text)) => text.trim().parse().unwrap_or(0),
    };
    // None or nonsense is for ever, as in Go.
    let seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds > 0);
    Ok(Granted {
        grant: Token(Secret::new(header)),
        lasts: seconds.map(|seconds| Duration::from_secs(seconds.into())),
    })
}

/// What an answer that is no success says.
pub(super) fn refusal(content_type: &str, body: &[u8]) -> Refusal {
    let answer = read(content_type, body).unwrap_or_default();
    Refusal::Server {
        error: answer.error,
        description: answer.error_description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json; charset=utf-8";

    fn token(content_type: &str, body: &str) -> Result<(String, Option<u64>), Refusal> {
        let granted = parse(content_type, body.as_bytes())?;
        let lasts = granted.lasts.map(|lasts| lasts.as_secs());
        Ok((granted.grant.0.expose().to_owned(), lasts))
    }

    #[test]
    fn tokens_come_as_json_or_as_a_form() {
        let form = "application/x-www-form-urlencoded";
        for (kind, body, header, lasts) in [
            (
                JSON,
                r#"{"access_token":"a","token_type":"bearer","expires_in":3600}"#,
                "Bearer a",
                Some(3600),
            ),
            (
                JSON,
                r#"{"access_token":"a","expires_in":"60","x":[1]}"#,
                "Bearer a",
                Some(60),
            ),
            (
                JSON,
                r#"{"access_token":"a","token_type":"DPoP","expires_in":1.5}"#,
                "DPoP a",
                Some(1),
            ),
            (
                JSON,
                r#"{"access_token":"a","token_type":"mac"}"#,
                "MAC a",
                None,
            ),
            (
                JSON,
                r#"{"access_token":"a","expires_in":-5}"#,
                "Bearer a",
                None,
            ),
            (
                JSON,
                r#"{"access_token":"a","expires_in":null}"#,
                "Bearer a",
                None,
            ),
            (
                form,
                "access_token=a%2Bb&token_type=Bearer&expires_in=5",
                "Bearer a+b",
                Some(5),
            ),
            ("text/plain", r#"{"access_token":"a"}"#, "Bearer a", None),
        ] {
            assert_eq!(token(kind, body), Ok((header.to_owned(), lasts)), "{body}");
        }
    }

    #[test]
    fn what_is_no_token_is_refused_in_words_that_hold_none() {
        for (body, expected) in [
            (
                r#"{"token_type":"bearer"}"#,
                "oauth2: server response missing access_token",
            ),
            (
                "<html>",
                "oauth2: cannot parse the token server's answer (200 OK)",
            ),
            (
                r#"{"access_token":"hunter2\n"}"#,
                "oauth2: the token cannot be sent in a header",
            ),
            (
                r#"{"error":"invalid_client"}"#,
                "oauth2: \"invalid_client\" (200 OK)",
            ),
        ] {
            let refused = token(JSON, body).expect_err(body);
            assert_eq!(refused.describe("200 OK"), expected, "{body}");
        }
        let said = refusal(
            JSON,
            br#"{"error":"invalid_scope","error_description":"no\u0007 such"}"#,
        );
        assert_eq!(
            said.describe("400 Bad Request"),
            "oauth2: \"invalid_scope\" \"no such\" (400 Bad Request)"
        );
        let silent = refusal("text/html", b"<html>");
        assert_eq!(
            silent.describe("502 Bad Gateway"),
            "oauth2: cannot fetch token: 502 Bad Gateway"
        );
    }
}
