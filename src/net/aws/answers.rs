//! What services answer: elements of XML, keys in JSON, the time they last.

use std::time::Duration;

use serde::Deserialize;

use super::Keys;
use crate::config::secret::Secret;
use crate::limits;
use crate::model::calendar::parse_utc;
use crate::model::time::Wall;
use crate::net::lease::Granted;

/// The text of the first element of that name, which holds no others.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.replace("&quot;", "\"").replace("&lt;", "<");
    Some(text.replace("&gt;", ">").replace("&amp;", "&"))
}

/// A line of what a service says.
pub(super) fn shown(text: &str) -> String {
    let letters = text.chars().filter(|letter| !letter.is_control());
    letters.take(limits::GRANT_ERROR_CHARS).collect()
}

/// Keys that last until a time; without a time, or with one that cannot be read, for a while.
pub(super) fn temporary(keys: Keys, until: Option<&str>, now: Wall) -> Granted<Keys> {
    let lasts = until.and_then(parse_utc).map(|until| {
        let left = u64::try_from(until.0 - now.0).unwrap_or_default();
        Duration::from_millis(left)
    });
    Granted {
        grant: keys,
        lasts: Some(lasts.unwrap_or(limits::AWS_FILE_KEYS_LIFETIME)),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// The keys that a metadata service gives.
pub(super) fn keys_of_json(body: &[u8], now: Wall) -> Option<Granted<Keys>> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let keys = Keys {
        access: answer.access_key_id,
        secret: Secret::new(answer.secret_access_key),
        token: answer.token.map(Secret::new),
    };
    Some(temporary(keys, answer.expiration.as_deref(), now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_expiry_are_found() {
        let xml = "<a><Credentials><AccessKeyId>K&amp;</AccessKeyId></Credentials></a>";
        assert_eq!(element(xml, "AccessKeyId").as_deref(), Some("K&"));
        assert_eq!(element(xml, "Expiration"), None);
        let json = br#"{"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-11-22T04:53:22Z","Code":"Success"}"#;
        let now = Wall(1_795_319_602_000);
        let granted = keys_of_json(json, now).expect("keys");
        assert_eq!(granted.lasts, Some(Duration::from_secs(3600)));
        assert_eq!(granted.grant.token.expect("token").expose(), "T");
        assert!(keys_of_json(b"{}", now).is_none());
        assert_eq!(shown("a\n<b>"), "a<b>");
    }
}
