//! `kill -9` at random moments of short lives, while the receiver comes and goes.

use std::time::{Duration, Instant};

use narthex::sys::jitter::Jitter;

use super::super::support::agent::Agent;
use super::super::support::ledger::{Audit, Ledger};
use super::super::support::prom::Server;
use super::super::support::receiver::Receiver;
use super::super::support::{config, effort, endpoint, wait};
use super::{DRAIN, KILL_WINDOW, REPEAT_WINDOW};

/// A life lasts so many milliseconds, counted from the start of the process.
const LIFE_MS: (u64, u64) = (50, 2000);

/// Every tenth lasts longer than it takes until positions are stored, whatever the rest: what was
/// delivered at its beginning must not come again.
const LONG_LIFE_MS: (u64, u64) = (4000, 5000);

/// An agent that is killed again and again, and writes to two receivers.
struct Arena {
    receiver: Receiver,
    server: Server,
    ledger: Ledger,
    agent: Agent,
    is_away: bool,
    /// When lives ended.
    kills: Vec<Instant>,
    /// When the receiver left: an answer under way is lost, and its request comes again.
    leaves: Vec<Instant>,
    /// From the start of a process to its first request; only while the receiver was there.
    first_sends: Vec<Duration>,
    /// Lives of a second and more, with a receiver, that sent nothing.
    silent: usize,
}

impl Arena {
    fn new() -> Arena {
        let (receiver, server) = (Receiver::start(), Server::start());
        let ledger = Ledger::start(4, 25);
        let mut text = config(&receiver.url(), &[ledger.job("ledger", "200ms")]);
        text.push_str(&endpoint(&server.url()));
        Arena {
            agent: super::agent(&text),
            receiver,
            server,
            ledger,
            is_away: false,
            kills: Vec::new(),
            leaves: Vec::new(),
            first_sends: Vec::new(),
            silent: 0,
        }
    }

    /// One life; the receiver may come or go at its beginning and in its middle.
    fn live(&mut self, dice: &mut Jitter) {
        self.perhaps_toggle(dice);
        let is_long = self.kills.len() % 10 == 5;
        let (least, most) = if is_long { LONG_LIFE_MS } else { LIFE_MS };
        let life = Duration::from_millis(effort::between(dice, least, most));
        let was_there = !self.is_away;
        let begun = wait::now();
        self.agent.launch();
        self.survive(life / 2);
        self.perhaps_toggle(dice);
        self.survive(life - life / 2);
        self.agent.kill();
        let end = wait::now();
        self.kills.push(end);
        if was_there && !self.is_away {
            self.note_first_send(begun, end);
        }
    }

    /// Nothing but a kill ends a life.
    fn survive(&mut self, time: Duration) {
        let ended = wait::try_until(time, || self.agent.ended());
        assert!(ended.is_none(), "it ended by itself:\n{}", self.agent.log());
    }

    fn perhaps_toggle(&mut self, dice: &mut Jitter) {
        if dice.fraction() < 0.7 {
            return;
        }
        if self.is_away {
            self.receiver.come_back();
        } else {
            self.receiver.go_away();
            self.leaves.push(wait::now());
        }
        self.is_away = !self.is_away;
    }

    fn note_first_send(&mut self, begun: Instant, end: Instant) {
        let first = self.receiver.books(|books| {
            let later = books.arrivals.partition_point(|at| *at < begun);
            books.arrivals.get(later).copied()
        });
        match first.filter(|first| *first < end) {
            Some(first) => self.first_sends.push(first - begun),
            None if end - begun >= Duration::from_secs(1) => self.silent += 1,
            None => {}
        }
    }

    /// The last life, which is not cut short: everything is delivered. Prints the figures.
    fn settle(&mut self) -> (Audit, Audit) {
        self.receiver.come_back();
        let begun = wait::now();
        self.agent.start();
        self.ledger.wait_for(3);
        let since = wait::now();
        self.ledger.wait_for(3);
        let audit = self.ledger.settle_since(&self.receiver, since, DRAIN);
        let end = wait::now();
        self.note_first_send(begun, end);
        let server = &self.server;
        let look = |look: &dyn Fn(&_) -> Audit| look(&server.books("ledger_value"));
        let at_server = self.ledger.settle_with(end, Some(since), DRAIN, look);
        self.report("ledger receiver", &audit);
        self.report("prometheus server", &at_server);
        self.report_sends();
        (audit, at_server)
    }

    fn report_sends(&mut self) {
        self.first_sends.sort();
        let middle = self.first_sends.get(self.first_sends.len() / 2);
        println!(
            "{} kills; of the lives with a receiver {} sent something, first after {middle:?} \
             (median), {:?} (worst); {} of a second and more sent nothing",
            self.kills.len(),
            self.first_sends.len(),
            self.first_sends.last(),
            self.silent,
        );
    }

    fn report(&self, what: &str, audit: &Audit) {
        let loss = audit.worst_loss(&self.kills);
        println!(
            "{:?}, {what}: {audit}; oldest loss {loss:?} before its kill",
            self.agent.kind
        );
    }
}

#[test]
fn kills_at_random_moments_cost_at_most_their_last_second() {
    let mut dice = effort::dice("kill loop");
    let mut arena = Arena::new();
    for _ in 0..effort::pick(20, 500) {
        arena.live(&mut dice);
    }
    let (audit, at_server) = arena.settle();
    audit.assert_sound();
    at_server.assert_sound();
    arena.receiver.assert_clean();
    if arena.agent.kind.is_excused("it forgets what was not sent") {
        return;
    }
    assert!(audit.issued > 0 && audit.stale == 0, "{audit}");
    audit.assert_lost_only_near(&arena.kills, KILL_WINDOW);
    at_server.assert_lost_only_near(&arena.kills, KILL_WINDOW);
    let ends = [arena.kills, arena.leaves].concat();
    println!(
        "oldest repeat {:?} before an end",
        audit.worst_repeat(&ends)
    );
    audit.assert_repeated_only_near(&ends, REPEAT_WINDOW);
}
