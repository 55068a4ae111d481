//! Which version of the protocol an endpoint gets, and what its answers say about that.
//!
//! Where 2.0 is configured, 2.0 is sent until an answer shows that it was not understood: a 415; a
//! 2xx that does not say that anything was written (a receiver of 1.0 takes such a request for an
//! empty one); a 400 that does not say what was written, before the endpoint has ever understood 2.0.
//! A receiver that has understood 2.0 may say that it wrote nothing: one that drops what a twin of
//! the agent has sent already does.
//! From then on it gets 1.0, the same batch first, and 2.0 again with one request after
//! [`limits::REMOTE_VERSION_PROBE`]. Shared by the shards of an endpoint; kept until the next
//! configuration.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::transport::{Answer, Written};
use crate::limits;
use crate::model::time::Mono;
use crate::remote::answer::is_page;
use crate::wire::version::Version;

/// What an answer means for the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// 2.0 was not understood: send the same again as 1.0. True if that is news.
    FallBack(bool),
    /// 2.0 was understood by an endpoint that did not before.
    Understood,
}

/// The version that an endpoint gets.
#[derive(Debug)]
pub struct Speech {
    wanted: Version,
    /// When 2.0 is tried again, while 1.0 is spoken instead; zero while it is not.
    probe_at: AtomicU64,
    /// The endpoint has understood 2.0 once.
    proven: AtomicBool,
}

impl Speech {
    /// Begins with the version that is configured.
    #[must_use]
    pub fn new(wanted: Version) -> Speech {
        Speech {
            wanted,
            probe_at: AtomicU64::new(0),
            proven: AtomicBool::new(false),
        }
    }

    /// The version that is spoken at present.
    #[must_use]
    pub fn version(&self) -> Version {
        if self.probe_at.load(Ordering::Acquire) == 0 {
            self.wanted
        } else {
            Version::V1
        }
    }

    /// The version of the next request; one of them becomes the probe when it is time.
    #[must_use]
    pub fn choose(&self, now: Mono) -> Version {
        let probe_at = self.probe_at.load(Ordering::Acquire);
        if probe_at == 0 {
            return self.wanted;
        }
        let claimed = now.0 >= probe_at && {
            let next = now + limits::REMOTE_VERSION_PROBE;
            let swapped = self.probe_at.compare_exchange(
                probe_at,
                next.0,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            swapped.is_ok()
        };
        if claimed { self.wanted } else { Version::V1 }
    }

    /// Takes note of the answer to a request with `samples` samples.
    pub fn hear(&self, now: Mono, sent: Version, answer: &Answer, samples: u64) -> Heard {
        let Answer::Http(http) = answer else {
            return Heard::Nothing;
        };
        if sent == Version::V1 {
            return Heard::Nothing;
        }
        let wrote = http.written.map_or(0, Written::all);
        let proven = self.proven.load(Ordering::Acquire);
        let stays_silent = http.written.is_none() || !proven;
        let misunderstood = match http.status {
            415 => true,
            200..=299 => !is_page(http) && samples > 0 && wrote == 0 && stays_silent,
            400 => http.written.is_none() && !proven,
            _ => false,
        };
        if misunderstood {
            let until = now + limits::REMOTE_VERSION_PROBE;
            let before = self.probe_at.swap(until.0.max(1), Ordering::AcqRel);
            return Heard::FallBack(before == 0);
        }
        if http.written.is_none() {
            return Heard::Nothing;
        }
        self.proven.store(true, Ordering::Release);
        if self.probe_at.swap(0, Ordering::AcqRel) == 0 {
            Heard::Nothing
        } else {
            Heard::Understood
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::remote::transport::HttpAnswer;

    const HOUR: Duration = limits::REMOTE_VERSION_PROBE;

    fn answer(status: u16, written: Option<u64>) -> Answer {
        Answer::Http(HttpAnswer {
            status,
            written: written.map(|samples| Written {
                samples,
                histograms: 0,
                exemplars: 0,
            }),
            ..HttpAnswer::default()
        })
    }

    fn hear(speech: &Speech, now: Mono, answer: &Answer) -> Heard {
        let sent = speech.choose(now);
        speech.hear(now, sent, answer, 10)
    }

    #[test]
    fn what_is_configured_as_1_0_stays_1_0() {
        let speech = Speech::new(Version::V1);
        assert_eq!(hear(&speech, Mono(5), &answer(415, None)), Heard::Nothing);
        assert_eq!(hear(&speech, Mono(5), &answer(200, None)), Heard::Nothing);
        assert_eq!(speech.choose(Mono(5)), Version::V1);
    }

    #[test]
    fn answers_that_show_a_receiver_of_1_0_lead_to_1_0() {
        for (misunderstood, known) in [
            (answer(415, None), true),
            (answer(415, Some(0)), true),
            (answer(204, None), true),
            (answer(200, Some(0)), true),
            (answer(400, None), true),
            (answer(400, Some(9)), false),
            (answer(503, None), false),
            (answer(429, None), false),
            (answer(200, Some(10)), false),
            (Answer::Network("reset".to_owned()), false),
        ] {
            let speech = Speech::new(Version::V2);
            let heard = hear(&speech, Mono(7), &misunderstood);
            let expected = if known {
                Heard::FallBack(true)
            } else {
                Heard::Nothing
            };
            assert_eq!(heard, expected, "{misunderstood:?}");
            let version = if known { Version::V1 } else { Version::V2 };
            assert_eq!(speech.version(), version, "{misunderstood:?}");
        }
    }

    #[test]
    fn a_400_of_a_receiver_that_has_understood_2_0_is_about_the_samples() {
        let speech = Speech::new(Version::V2);
        assert_eq!(
            hear(&speech, Mono(1), &answer(200, Some(10))),
            Heard::Nothing
        );
        assert_eq!(hear(&speech, Mono(1), &answer(400, None)), Heard::Nothing);
        assert_eq!(speech.version(), Version::V2);
    }

    #[test]
    fn a_receiver_that_has_understood_2_0_may_write_nothing_but_must_say_so() {
        let speech = Speech::new(Version::V2);
        let all = answer(200, Some(10));
        assert_eq!(hear(&speech, Mono(1), &all), Heard::Nothing);
        let nothing = answer(202, Some(0));
        assert_eq!(hear(&speech, Mono(1), &nothing), Heard::Nothing);
        let silent = answer(202, None);
        assert_eq!(hear(&speech, Mono(1), &silent), Heard::FallBack(true));
    }

    #[test]
    fn one_request_asks_again_after_an_hour() {
        let speech = Speech::new(Version::V2);
        let start = Mono::from_millis(1000);
        hear(&speech, start, &answer(415, None));
        assert_eq!(speech.choose(start + HOUR / 2), Version::V1);
        let later = start + HOUR;
        assert_eq!(speech.choose(later), Version::V2);
        assert_eq!(speech.choose(later), Version::V1, "one probe is enough");
        let still = speech.hear(later, Version::V2, &answer(415, None), 10);
        assert_eq!(still, Heard::FallBack(false));
        let later = later + HOUR;
        assert_eq!(
            hear(&speech, later, &answer(204, Some(10))),
            Heard::Understood
        );
        assert_eq!(speech.choose(later), Version::V2);
        assert_eq!(speech.choose(later), Version::V2);
    }

    #[test]
    fn a_captive_portal_says_nothing_about_versions() {
        let speech = Speech::new(Version::V2);
        let portal = Answer::Http(HttpAnswer {
            status: 200,
            content_type: "text/html".to_owned(),
            ..HttpAnswer::default()
        });
        assert_eq!(hear(&speech, Mono(1), &portal), Heard::Nothing);
    }
}
