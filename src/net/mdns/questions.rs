//! What is to be asked, and when: every question at growing distances until it is answered.
//!
//! The first time after a short random pause, then after 1, 2, 4, ... seconds, at last once an
//! hour (RFC 6762, section 5.2). Whatever asks, the same question is never asked twice within a
//! second. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::message::Question;
use crate::limits;
use crate::model::sorting;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// First pause between two askings, and the shortest of all.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two askings.
const PAUSE_MAX: Duration = Duration::from_secs(3600);
/// The first asking is so late at least, and at most a hundred milliseconds later.
const FIRST_AFTER: Duration = Duration::from_millis(20);
/// How much later the first asking may be.
const FIRST_SPREAD_MS: u64 = 100;

#[derive(Clone, Copy, Debug)]
struct Open {
    next: Mono,
    pause: Duration,
    /// How often it was asked.
    asked: u32,
}

/// The questions of one link.
#[derive(Debug, Default)]
pub struct Questions {
    open: BTreeMap<Question, Open>,
    /// Askings out of turn, waiting to be sent.
    extra: BTreeSet<Question>,
    /// When each was last asked, as long as that matters.
    asked_at: BTreeMap<Question, Mono>,
}

impl Questions {
    /// Makes `wanted` the open questions: new ones begin, others end.
    pub fn want(&mut self, now: Mono, wanted: BTreeSet<Question>, jitter: &mut Jitter) {
        self.open.retain(|question, _| wanted.contains(question));
        for question in wanted {
            self.open.entry(question).or_insert_with(|| Open {
                next: now + first_pause(jitter),
                pause: PAUSE_MIN,
                asked: 0,
            });
        }
    }

    /// Asks everything that is open as if it were new.
    pub fn restart(&mut self, now: Mono, jitter: &mut Jitter) {
        for open in self.open.values_mut() {
            open.next = now + first_pause(jitter);
            open.pause = PAUSE_MIN;
        }
    }

    /// Asks this once, out of turn.
    pub fn ask_once(&mut self, question: &Question) {
        self.extra.insert(question.clone());
    }

    /// How often an open question was asked.
    #[must_use]
    pub fn asked(&self, question: &Question) -> u32 {
        self.open.get(question).map_or(0, |open| open.asked)
    }

    /// The questions to ask now, at most [`limits::MDNS_QUESTIONS_PER_TURN`].
    pub fn due(&mut self, now: Mono) -> Vec<Question> {
        self.asked_at
            .retain(|_, asked| now.since(*asked) < PAUSE_MIN);
        let open = self.open.iter().filter(|(_, open)| open.next <= now);
        let mut due: BTreeSet<&Question> = sorting::set(open.map(|(question, _)| question));
        due.extend(&self.extra);
        let due = due
            .into_iter()
            .filter(|question| !self.asked_at.contains_key(question));
        let due: Vec<Question> = due.take(limits::MDNS_QUESTIONS_PER_TURN).cloned().collect();
        for question in &due {
            self.note_asked(now, question);
        }
        due
    }

    fn note_asked(&mut self, now: Mono, question: &Question) {
        self.extra.remove(question);
        self.asked_at.insert(question.clone(), now);
        if let Some(open) = self.open.get_mut(question)
            && open.next <= now
        {
            open.asked = open.asked.saturating_add(1);
            open.next = now + open.pause;
            open.pause = (open.pause * 2).min(PAUSE_MAX);
        }
    }

    /// When the next question can be asked.
    #[must_use]
    pub fn deadline(&self) -> Mono {
        let allowed = |question: &Question| {
            let asked = self.asked_at.get(question);
            asked.map_or(Mono::default(), |asked| *asked + PAUSE_MIN)
        };
        let open = self
            .open
            .iter()
            .map(|(question, open)| open.next.max(allowed(question)));
        let extra = self.extra.iter().map(allowed);
        open.chain(extra).min().unwrap_or(Mono::NEVER)
    }
}

fn first_pause(jitter: &mut Jitter) -> Duration {
    FIRST_AFTER + Duration::from_millis(jitter.next_u64() % (FIRST_SPREAD_MS + 1))
}

#[cfg(test)]
mod tests {
    use super::super::message::Kind;
    use super::super::name::DomainName;
    use super::*;

    fn question() -> Question {
        let name = DomainName::from_dotted("_x._tcp.local").expect("a name");
        (name, Kind::Ptr)
    }

    /// When something is asked within a time, in seconds.
    fn askings(questions: &mut Questions, until: Mono) -> Vec<u64> {
        let mut times = Vec::new();
        while questions.deadline() <= until {
            let now = questions.deadline();
            for _ in questions.due(now) {
                times.push(now.as_millis() / 1000);
            }
        }
        times
    }

    #[test]
    fn pauses_double_up_to_an_hour() {
        let (mut questions, mut jitter) = (Questions::default(), Jitter::seeded(1));
        questions.want(Mono(0), BTreeSet::from([question()]), &mut jitter);
        let first = questions.deadline();
        assert!((Mono::from_millis(20)..=Mono::from_millis(120)).contains(&first));
        let times = askings(&mut questions, Mono::from_millis(5 * 3_600_000));
        assert_eq!(times[..6], [0, 1, 3, 7, 15, 31]);
        let pauses: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses.iter().max(), Some(&3600));
        assert!(pauses.iter().all(|pause| *pause <= 3600));
    }

    #[test]
    fn a_question_is_never_asked_twice_within_a_second() {
        let (mut questions, mut jitter) = (Questions::default(), Jitter::seeded(1));
        let now = Mono::from_millis(1000);
        questions.want(now, BTreeSet::from([question()]), &mut jitter);
        questions.ask_once(&question());
        assert_eq!(questions.due(now).len(), 1);
        questions.ask_once(&question());
        let later = Mono::from_millis(1999);
        assert_eq!(questions.due(later), []);
        assert_eq!(questions.deadline(), Mono::from_millis(2000));
        assert_eq!(questions.due(Mono::from_millis(2000)).len(), 1);
        questions.want(now, BTreeSet::new(), &mut jitter);
        assert_eq!(questions.deadline(), Mono::NEVER);
    }

    #[test]
    fn a_restart_asks_anew_and_wanting_again_changes_nothing() {
        let (mut questions, mut jitter) = (Questions::default(), Jitter::seeded(1));
        questions.want(Mono(0), BTreeSet::from([question()]), &mut jitter);
        let hour = Mono::from_millis(3_600_000);
        askings(&mut questions, hour);
        let next = questions.deadline();
        questions.want(hour, BTreeSet::from([question()]), &mut jitter);
        assert_eq!(questions.deadline(), next);
        questions.restart(hour, &mut jitter);
        assert!(questions.deadline() <= hour + Duration::from_millis(120));
    }
}
