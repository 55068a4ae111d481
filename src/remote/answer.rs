//! What an answer means for the batch it answers: pure.
//!
//! Only a 2xx that can come from a remote-write receiver acknowledges: a captive portal says
//! `200 OK` with a page, and redirects of a POST are never followed. Whatever time or an operator
//! can repair keeps the data; what the receiver says of the samples themselves is believed, after
//! the smallest refused part is found.

use std::time::Duration;

use super::retry_after;
use super::transport::{Answer, HttpAnswer};
use crate::config::remote_write::Unauthorized;
use crate::limits;
use crate::model::time::Wall;
use crate::net::mask::Mask;

/// What to do with the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every sample has arrived.
    Accepted,
    /// Send the same again after a while; with the wish of a `Retry-After`.
    Retry(Option<Duration>),
    /// As [`Verdict::Retry`], after a 5xx: an outage, or the receiver fails at this very batch.
    Failed(Option<Duration>),
    /// Nothing is wrong with the samples: wait for a repair, ask rarely.
    Hold,
    /// Too large: send its halves.
    Split,
    /// Some sample is refused for good.
    Refused {
        /// The receiver says it has that sample, or a newer one: nothing is lost if it may have got
        /// it from here.
        repeated: bool,
    },
    /// 429 while `retry_on_http_429: false` is written.
    Throttled,
    /// 401 to 405 or 407 while `unauthorized: drop` is written.
    Unauthorized,
}

/// What the configuration says about answers. The default is what narthex does unless told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Whether a 429 is repeated; false only where `retry_on_http_429: false` is written.
    pub retry_429: bool,
    /// What follows a 401 to 405 or 407.
    pub unauthorized: Unauthorized,
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            retry_429: true,
            unauthorized: Unauthorized::Hold,
        }
    }
}

/// Words in the body of a 4xx that mean "stored already": Prometheus, Cortex and Mimir (with
/// their error ids), Thanos. VictoriaMetrics takes repetitions silently.
const REPEATED: [&str; 7] = [
    "out of order sample",
    "out-of-order",
    "out of order exemplar",
    "duplicate sample",
    "duplicate-timestamp",
    "duplicate exemplar",
    "new-value-for-timestamp",
];

/// Judges an answer.
#[must_use]
pub fn judge(answer: &Answer, now: Wall, manners: Manners) -> Verdict {
    let Answer::Http(http) = answer else {
        return Verdict::Retry(None);
    };
    match http.status {
        200..=299 if !is_page(http) => Verdict::Accepted,
        429 if !manners.retry_429 => Verdict::Throttled,
        429 => Verdict::Retry(wish(http, now)),
        500..=599 => Verdict::Failed(wish(http, now)),
        401..=405 | 407 if manners.unauthorized == Unauthorized::Drop => Verdict::Unauthorized,
        401..=405 | 407 | 415 => Verdict::Hold,
        413 => Verdict::Split,
        408 => Verdict::Retry(None),
        400..=499 => Verdict::Refused {
            repeated: says_repeated(&http.body),
        },
        // A page where an answer should be, a redirect, a status that does not exist: not from
        // the receiver.
        _ => Verdict::Retry(None),
    }
}

/// Whether a successful status came from something that is no remote-write receiver.
#[must_use]
pub fn is_page(http: &HttpAnswer) -> bool {
    let kind = http.content_type.to_ascii_lowercase();
    if kind.contains("html") {
        return true;
    }
    let start = http.body.trim_ascii_start();
    let begins = |word: &[u8]| {
        start
            .get(..word.len())
            .is_some_and(|own| own.eq_ignore_ascii_case(word))
    };
    begins(b"<!doctype html") || begins(b"<html")
}

fn wish(http: &HttpAnswer, now: Wall) -> Option<Duration> {
    retry_after::parse(http.retry_after.as_deref()?, now)
}

/// Whether the body of a refusal says that the receiver has such samples already.
#[must_use]
pub fn says_repeated(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    REPEATED.iter().any(|words| text.contains(words))
}

/// One line for the log and the status page: what came back, secrets masked, control characters
/// escaped, cut to [`limits::REMOTE_EXCERPT_CHARS`].
#[must_use]
pub fn describe(answer: &Answer, mask: &Mask) -> String {
    // Masked before it is cut: half a secret would not be found.
    let shown = |text: &str| excerpt(&mask.apply(text.to_owned()));
    match answer {
        Answer::Network(error) => shown(error),
        Answer::Http(http) => {
            let body = shown(String::from_utf8_lossy(&http.body).trim());
            match http.status {
                200..=299 if is_page(http) => {
                    format!("HTTP {} with a web page: not a receiver", http.status)
                }
                300..=399 => format!("HTTP {}: a redirect, not followed", http.status),
                status if body.is_empty() => format!("HTTP {status}"),
                status => format!("HTTP {status}: {body}"),
            }
        }
    }
}

fn excerpt(text: &str) -> String {
    let mut line = String::new();
    let mut left = limits::REMOTE_EXCERPT_CHARS;
    for character in text.chars() {
        let escaped = character.is_control().then(|| character.escape_default());
        let width = escaped
            .as_ref()
            .map_or(1, |escaped| escaped.clone().count());
        if width > left {
            break;
        }
        left -= width;
        match escaped {
            Some(escaped) => line.extend(escaped),
            None => line.push(character),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::testing::config;
    use proptest::prelude::*;

    fn http(status: u16, body: &str) -> Answer {
        Answer::Http(HttpAnswer {
            status,
            body: body.into(),
            ..HttpAnswer::default()
        })
    }

    fn verdict(answer: &Answer) -> Verdict {
        judge(answer, Wall(0), Manners::default())
    }

    #[test]
    fn a_secret_at_the_cut_is_masked_whole() {
        let mut own = config("http://a/");
        own.headers = vec![("X-Token".to_owned(), "HUNTER2-TOKEN".to_owned())];
        let before = "a".repeat(limits::REMOTE_EXCERPT_CHARS - 4);
        let answer = Answer::Http(HttpAnswer {
            status: 401,
            body: format!("{before}HUNTER2-TOKEN").into_bytes(),
            ..HttpAnswer::default()
        });
        let line = describe(&answer, &crate::remote::settings::mask(&own));
        assert!(!line.contains("HUNT"), "{line}");
    }

    #[test]
    fn every_status_has_its_rule() {
        let refused = |repeated| Verdict::Refused { repeated };
        for (status, expected) in [
            (200, Verdict::Accepted),
            (204, Verdict::Accepted),
            (301, Verdict::Retry(None)),
            (302, Verdict::Retry(None)),
            (400, refused(false)),
            (401, Verdict::Hold),
            (402, Verdict::Hold),
            (403, Verdict::Hold),
            (404, Verdict::Hold),
            (405, Verdict::Hold),
            (406, refused(false)),
            (407, Verdict::Hold),
            (408, Verdict::Retry(None)),
            (409, refused(false)),
            (413, Verdict::Split),
            (415, Verdict::Hold),
            (422, refused(false)),
            (429, Verdict::Retry(None)),
            (500, Verdict::Failed(None)),
            (503, Verdict::Failed(None)),
            (511, Verdict::Failed(None)),
            (999, Verdict::Retry(None)),
            (100, Verdict::Retry(None)),
        ] {
            assert_eq!(verdict(&http(status, "")), expected, "{status}");
        }
        let reset = Answer::Network("connection reset".to_owned());
        assert_eq!(verdict(&reset), Verdict::Retry(None));
    }

    #[test]
    fn the_configuration_may_ask_to_drop_what_is_throttled_or_unauthorized() {
        let manners = Manners {
            retry_429: false,
            unauthorized: Unauthorized::Drop,
        };
        for (status, expected) in [
            (429, Verdict::Throttled),
            (401, Verdict::Unauthorized),
            (402, Verdict::Unauthorized),
            (403, Verdict::Unauthorized),
            (404, Verdict::Unauthorized),
            (405, Verdict::Unauthorized),
            (407, Verdict::Unauthorized),
            (415, Verdict::Hold),
            (503, Verdict::Failed(None)),
        ] {
            let verdict = judge(&http(status, ""), Wall(0), manners);
            assert_eq!(verdict, expected, "{status}");
        }
    }

    #[test]
    fn a_captive_portal_acknowledges_nothing() {
        let page = |content_type: &str, body: &str| {
            Answer::Http(HttpAnswer {
                status: 200,
                content_type: content_type.to_owned(),
                body: body.into(),
                ..HttpAnswer::default()
            })
        };
        for answer in [
            page("text/html; charset=utf-8", ""),
            page("application/xhtml+xml", ""),
            page("", " \n<!DOCTYPE html><p>Please log in"),
            page("text/plain", "<HTML>"),
        ] {
            assert_eq!(verdict(&answer), Verdict::Retry(None), "{answer:?}");
            assert!(describe(&answer, &Mask::default()).contains("not a receiver"));
        }
        assert_eq!(verdict(&page("text/plain", "ok")), Verdict::Accepted);
    }

    #[test]
    fn senders_must_ignore_the_body_of_a_success() {
        for body in [
            "",
            "ok",
            "out of order sample",
            "{\"error\":\"none written\"}",
        ] {
            for status in [200, 202, 204] {
                assert_eq!(verdict(&http(status, body)), Verdict::Accepted, "{body}");
            }
        }
    }

    #[test]
    fn receivers_say_in_many_words_that_they_have_a_sample() {
        for body in [
            "out of order sample",
            "user=1: err: out of order sample; last timestamp 5, series {}",
            "failed pushing to ingester: the sample has been rejected because another sample with \
             a more recent timestamp has already been ingested (err-mimir-sample-out-of-order)",
            "duplicate sample for timestamp 5; overrides not allowed",
            "(err-mimir-sample-duplicate-timestamp)",
            "store locally for endpoint x: Out of order sample: conflict",
        ] {
            let refused = Verdict::Refused { repeated: true };
            assert_eq!(verdict(&http(400, body)), refused, "{body}");
        }
        for body in ["label name invalid", "out of bounds", "max-series-per-user"] {
            let refused = Verdict::Refused { repeated: false };
            assert_eq!(verdict(&http(400, body)), refused, "{body}");
        }
    }

    #[test]
    fn answers_of_receivers_in_the_field_are_judged() {
        let (lost, kept) = (
            Verdict::Refused { repeated: false },
            Verdict::Refused { repeated: true },
        );
        for (status, body, expected) in [
            // Mimir and Grafana Cloud.
            (
                400,
                "user=1: series limit exceeded (err-mimir-max-series-per-user)",
                lost.clone(),
            ),
            (400, "(err-mimir-sample-timestamp-too-old)", lost.clone()),
            (400, "(err-mimir-sample-duplicate-timestamp)", kept.clone()),
            (
                413,
                "(err-mimir-distributor-max-write-message-size)",
                Verdict::Split,
            ),
            (
                429,
                "(err-mimir-tenant-max-ingestion-rate)",
                Verdict::Retry(None),
            ),
            (
                529,
                "(err-mimir-tenant-max-ingestion-rate)",
                Verdict::Failed(None),
            ),
            (401, "authentication error: invalid token", Verdict::Hold),
            // Cortex.
            (400, "per-user series limit of 5000 exceeded", lost.clone()),
            // Thanos: which conflict it is it says or does not.
            (409, "add 1 samples: out of order sample", kept.clone()),
            (
                409,
                "store locally for endpoint 10.0.0.1:10901: conflict",
                lost.clone(),
            ),
            (413, "write request too large", Verdict::Split),
            (503, "quorum not reached", Verdict::Failed(None)),
            // VictoriaMetrics.
            (400, "cannot unmarshal prompb.WriteRequest", lost.clone()),
            (
                429,
                "the maximum number of concurrent inserts is reached",
                Verdict::Retry(None),
            ),
            // Amazon.
            (
                400,
                "{\"message\":\"ValidationException: label limit\"}",
                lost.clone(),
            ),
            (
                403,
                "{\"message\":\"The security token is expired\"}",
                Verdict::Hold,
            ),
            (
                413,
                "{\"message\":\"Request Entity Too Large\"}",
                Verdict::Split,
            ),
            (429, "{\"message\":\"Throttling\"}", Verdict::Retry(None)),
            // InfluxDB.
            (422, "partial write: field type conflict", lost),
        ] {
            assert_eq!(verdict(&http(status, body)), expected, "{status} {body}");
        }
    }

    #[test]
    fn retry_after_is_read_where_a_retry_follows() {
        let answer = |status| {
            Answer::Http(HttpAnswer {
                status,
                retry_after: Some("7".to_owned()),
                ..HttpAnswer::default()
            })
        };
        let seven = Some(Duration::from_secs(7));
        assert_eq!(verdict(&answer(503)), Verdict::Failed(seven));
        assert_eq!(verdict(&answer(429)), Verdict::Retry(seven));
        assert_eq!(verdict(&answer(200)), Verdict::Accepted);
    }

    proptest! {
        #[test]
        fn a_description_is_short_and_holds_no_control_character(status in 100u16..600, body: Vec<u8>) {
            let answer = Answer::Http(HttpAnswer { status, body, ..HttpAnswer::default() });
            let line = describe(&answer, &Mask::default());
            prop_assert!(line.chars().count() <= limits::REMOTE_EXCERPT_CHARS + 56);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
