//! Which protocol an endpoint gets, and what its answers say about that.
//!
//! Where 2.0 is configured, 2.0 is sent until an answer shows that it was not understood: a 415; a
//! 2xx that does not say that anything was written (a receiver of 1.0 takes such a request for an
//! empty one); a 400 that does not say what was written, before the endpoint has ever understood 2.0.
//! A receiver that has understood 2.0 may say that it wrote nothing: one that drops what a twin of
//! the agent has sent already does.
//!
//! Where zstd is configured, zstd is sent until a 415, or until a batch that was refused (400, 406, 422
//! and the like) is taken with snappy. Receivers of 1.0 refuse what they cannot decompress, and samples;
//! only the same batch with snappy tells which it was. If that is refused as well, it was about the
//! samples, and zstd stays. A refusal that says that the samples are repeated has read them. Some say 500
//! or 501 to what they cannot decompress: the same, until the endpoint has ever taken zstd.
//!
//! After a fall-back the endpoint gets 1.0 with snappy, the same batch first, and what is configured
//! again with one request after [`limits::REMOTE_VERSION_PROBE`]. Shared by the shards of an endpoint;
//! kept until the next configuration.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::transport::{Answer, HttpAnswer, Written};
use crate::limits;
use crate::model::time::{Mono, Wall};
use crate::remote::answer::{Manners, Verdict, is_page, judge};
use crate::wire::version::Protocol;

/// What an answer means for the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing.
    Nothing,
    /// The configured protocol was not understood.
    FallBack {
        /// It was spoken until now.
        is_news: bool,
        /// The batch has arrived in the other one; otherwise it is to be sent in that at once.
        has_arrived: bool,
    },
    /// Perhaps it was not understood: send the same in 1.0 with snappy, and listen to the answer with
    /// [`Speech::hear_again`].
    Doubtful,
    /// It was understood by an endpoint that did not before.
    Understood,
}

/// The protocol that an endpoint gets.
#[derive(Debug)]
pub struct Speech {
    wanted: Protocol,
    /// When the wanted one is tried again, while 1.0 is spoken instead; zero while it is not.
    probe_at: AtomicU64,
    /// The endpoint has understood what is configured once.
    proven: AtomicBool,
}

impl Speech {
    /// Begins with the protocol that is configured.
    #[must_use]
    pub fn new(wanted: Protocol) -> Speech {
        Speech {
            wanted,
            probe_at: AtomicU64::new(0),
            proven: AtomicBool::new(false),
        }
    }

    /// The protocol that is configured.
    #[must_use]
    pub fn wanted(&self) -> Protocol {
        self.wanted
    }

    /// The protocol that is spoken at present.
    #[must_use]
    pub fn spoken(&self) -> Protocol {
        if self.probe_at.load(Ordering::Acquire) == 0 {
            self.wanted
        } else {
            Protocol::V1
        }
    }

    /// The protocol of the next request; one of them becomes the probe when it is time.
    #[must_use]
    pub fn choose(&self, now: Mono) -> Protocol {
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
        if claimed { self.wanted } else { Protocol::V1 }
    }

    /// Takes note of the answer to a request with `samples` samples.
    pub fn hear(&self, now: Mono, sent: Protocol, answer: &Answer, samples: u64) -> Heard {
        let Answer::Http(http) = answer else {
            return Heard::Nothing;
        };
        match sent {
            Protocol::V1 => Heard::Nothing,
            Protocol::V1Zstd => self.hear_of_zstd(now, answer, http.status),
            Protocol::V2 => self.hear_of_v2(now, http, samples),
        }
    }

    /// Takes note of the answer to a batch of which [`Speech::hear`] was in doubt.
    pub fn hear_again(&self, now: Mono, answer: &Answer) -> Heard {
        match answer {
            Answer::Http(http) if is_success(http) => self.fall_back(now, true),
            _ => Heard::Nothing,
        }
    }

    fn hear_of_zstd(&self, now: Mono, answer: &Answer, status: u16) -> Heard {
        match (status, judge(answer, Wall(0), Manners::default())) {
            (415, _) => self.fall_back(now, false),
            (_, Verdict::Refused { repeated: false }) => Heard::Doubtful,
            (500 | 501, _) if !self.proven.load(Ordering::Acquire) => Heard::Doubtful,
            (_, Verdict::Accepted) => {
                self.proven.store(true, Ordering::Release);
                self.understood()
            }
            _ => Heard::Nothing,
        }
    }

    fn hear_of_v2(&self, now: Mono, http: &HttpAnswer, samples: u64) -> Heard {
        let wrote = http.written.map_or(0, Written::all);
        let proven = self.proven.load(Ordering::Acquire);
        let stays_silent = http.written.is_none() || !proven;
        let misunderstood = match http.status {
            415 => true,
            400 => http.written.is_none() && !proven,
            _ => is_success(http) && samples > 0 && wrote == 0 && stays_silent,
        };
        if misunderstood {
            return self.fall_back(now, false);
        }
        if http.written.is_none() {
            return Heard::Nothing;
        }
        self.proven.store(true, Ordering::Release);
        self.understood()
    }

    fn fall_back(&self, now: Mono, has_arrived: bool) -> Heard {
        let until = now + limits::REMOTE_VERSION_PROBE;
        let before = self.probe_at.swap(until.0.max(1), Ordering::AcqRel);
        Heard::FallBack {
            is_news: before == 0,
            has_arrived,
        }
    }

    fn understood(&self) -> Heard {
        if self.probe_at.swap(0, Ordering::AcqRel) == 0 {
            Heard::Nothing
        } else {
            Heard::Understood
        }
    }
}

/// Whether a receiver has taken the request, and not a captive portal.
fn is_success(http: &HttpAnswer) -> bool {
    (200..300).contains(&http.status) && !is_page(http)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::remote::transport::HttpAnswer;

    const HOUR: Duration = limits::REMOTE_VERSION_PROBE;

    const FELL_BACK: Heard = fell_back(true);

    const fn fell_back(is_news: bool) -> Heard {
        Heard::FallBack {
            is_news,
            has_arrived: false,
        }
    }

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
        let speech = Speech::new(Protocol::V1);
        assert_eq!(hear(&speech, Mono(5), &answer(415, None)), Heard::Nothing);
        assert_eq!(hear(&speech, Mono(5), &answer(200, None)), Heard::Nothing);
        assert_eq!(speech.choose(Mono(5)), Protocol::V1);
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
            let speech = Speech::new(Protocol::V2);
            let heard = hear(&speech, Mono(7), &misunderstood);
            let expected = if known { FELL_BACK } else { Heard::Nothing };
            assert_eq!(heard, expected, "{misunderstood:?}");
            let protocol = if known { Protocol::V1 } else { Protocol::V2 };
            assert_eq!(speech.spoken(), protocol, "{misunderstood:?}");
        }
    }

    #[test]
    fn a_400_of_a_receiver_that_has_understood_2_0_is_about_the_samples() {
        let speech = Speech::new(Protocol::V2);
        assert_eq!(
            hear(&speech, Mono(1), &answer(200, Some(10))),
            Heard::Nothing
        );
        assert_eq!(hear(&speech, Mono(1), &answer(400, None)), Heard::Nothing);
        assert_eq!(speech.spoken(), Protocol::V2);
    }

    #[test]
    fn a_receiver_that_has_understood_2_0_may_write_nothing_but_must_say_so() {
        let speech = Speech::new(Protocol::V2);
        let all = answer(200, Some(10));
        assert_eq!(hear(&speech, Mono(1), &all), Heard::Nothing);
        let nothing = answer(202, Some(0));
        assert_eq!(hear(&speech, Mono(1), &nothing), Heard::Nothing);
        let silent = answer(202, None);
        assert_eq!(hear(&speech, Mono(1), &silent), FELL_BACK);
    }

    #[test]
    fn one_request_asks_again_after_an_hour() {
        let speech = Speech::new(Protocol::V2);
        let start = Mono::from_millis(1000);
        hear(&speech, start, &answer(415, None));
        assert_eq!(speech.choose(start + HOUR / 2), Protocol::V1);
        let later = start + HOUR;
        assert_eq!(speech.choose(later), Protocol::V2);
        assert_eq!(speech.choose(later), Protocol::V1, "one probe is enough");
        let still = speech.hear(later, Protocol::V2, &answer(415, None), 10);
        assert_eq!(still, fell_back(false));
        let later = later + HOUR;
        assert_eq!(
            hear(&speech, later, &answer(204, Some(10))),
            Heard::Understood
        );
        assert_eq!(speech.choose(later), Protocol::V2);
        assert_eq!(speech.choose(later), Protocol::V2);
    }

    #[test]
    fn zstd_is_given_up_after_a_415_and_asked_for_again_after_an_hour() {
        let speech = Speech::new(Protocol::V1Zstd);
        let start = Mono::from_millis(1000);
        let ok = answer(204, None);
        assert_eq!(hear(&speech, start, &ok), Heard::Nothing);
        assert_eq!(speech.spoken(), Protocol::V1Zstd);
        assert_eq!(hear(&speech, start, &answer(415, None)), FELL_BACK);
        assert_eq!(speech.choose(start + HOUR / 2), Protocol::V1);
        let later = start + HOUR;
        assert_eq!(hear(&speech, later, &answer(415, None)), fell_back(false));
        assert_eq!(speech.choose(later), Protocol::V1, "one probe is enough");
        let later = later + HOUR;
        assert_eq!(hear(&speech, later, &ok), Heard::Understood);
        assert_eq!(speech.choose(later), Protocol::V1Zstd);
    }

    #[test]
    fn the_same_batch_with_snappy_tells_what_a_400_was_about() {
        let speech = Speech::new(Protocol::V1Zstd);
        let (now, refused) = (Mono(5), answer(400, None));
        for other in [refused.clone(), answer(503, None), answer(429, None)] {
            assert_eq!(hear(&speech, now, &refused), Heard::Doubtful);
            assert_eq!(speech.hear_again(now, &other), Heard::Nothing, "{other:?}");
            assert_eq!(speech.spoken(), Protocol::V1Zstd, "{other:?}");
        }
        let lost = Answer::Network("reset".to_owned());
        assert_eq!(speech.hear_again(now, &lost), Heard::Nothing);
        let arrived = speech.hear_again(now, &answer(204, None));
        let expected = Heard::FallBack {
            is_news: true,
            has_arrived: true,
        };
        assert_eq!(arrived, expected);
        assert_eq!(speech.choose(now), Protocol::V1);
    }

    #[test]
    fn any_refusal_is_doubted_and_an_error_of_a_receiver_that_never_took_zstd() {
        for (status, at_first, later) in [
            (400, Heard::Doubtful, Heard::Doubtful),
            (406, Heard::Doubtful, Heard::Doubtful),
            (422, Heard::Doubtful, Heard::Doubtful),
            (500, Heard::Doubtful, Heard::Nothing),
            (501, Heard::Doubtful, Heard::Nothing),
            (502, Heard::Nothing, Heard::Nothing),
            (503, Heard::Nothing, Heard::Nothing),
        ] {
            let speech = Speech::new(Protocol::V1Zstd);
            let failure = answer(status, None);
            assert_eq!(hear(&speech, Mono(5), &failure), at_first, "{status}");
            assert_eq!(speech.spoken(), Protocol::V1Zstd, "{status}");
            let ok = answer(204, None);
            assert_eq!(hear(&speech, Mono(6), &ok), Heard::Nothing);
            assert_eq!(hear(&speech, Mono(7), &failure), later, "{status}");
        }
    }

    #[test]
    fn a_400_that_has_read_the_samples_leaves_no_doubt() {
        let speech = Speech::new(Protocol::V1Zstd);
        let repeated = Answer::Http(HttpAnswer {
            status: 400,
            body: b"out of order sample".to_vec(),
            ..HttpAnswer::default()
        });
        assert_eq!(hear(&speech, Mono(5), &repeated), Heard::Nothing);
        for status in [401, 404, 408, 413, 429, 502, 503] {
            let other = answer(status, None);
            assert_eq!(hear(&speech, Mono(5), &other), Heard::Nothing, "{status}");
        }
        assert_eq!(speech.spoken(), Protocol::V1Zstd);
    }

    #[test]
    fn a_captive_portal_says_nothing_about_protocols() {
        let speech = Speech::new(Protocol::V2);
        let portal = Answer::Http(HttpAnswer {
            status: 200,
            content_type: "text/html".to_owned(),
            ..HttpAnswer::default()
        });
        assert_eq!(hear(&speech, Mono(1), &portal), Heard::Nothing);
        let speech = Speech::new(Protocol::V1Zstd);
        let refused = answer(400, None);
        assert_eq!(hear(&speech, Mono(1), &refused), Heard::Doubtful);
        assert_eq!(speech.hear_again(Mono(1), &portal), Heard::Nothing);
        assert_eq!(speech.spoken(), Protocol::V1Zstd);
    }
}
