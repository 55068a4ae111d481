//! Things break under the real program, and the books say what that cost.
//!
//! One module for each kind of fault. Each prints its figures, so that a run with
//! `NARTHEX_E2E_AGENT=prometheus` yields those to compare with, and `make soak` runs more of each
//! (`support::effort`).

mod backlog;
mod chaos;
mod clock;
mod errors;
mod full;
mod hang;
mod kill;
mod minutes;
mod power;
mod snapshot;
mod syscalls;
mod torn;
mod week;

use std::path::Path;
use std::time::Duration;

use super::support::agent::{Agent, Kind};
use super::support::ledger::{Audit, Ledger};
use super::support::receiver::Receiver;
use super::support::{config, remote_write, wait};

/// Time between syncs of the agents here.
const SYNC: Duration = Duration::from_secs(1);

/// A block waits so long, at most, until the system has it (`docs/log-format.md`, section 8).
const FRAME: Duration = Duration::from_secs(1);

/// What threads that wait for the processor, and scrapes under way, add to a bound.
const SLACK: Duration = Duration::from_millis(500);

/// What `kill -9` may cost.
const KILL_WINDOW: Duration = FRAME.saturating_add(SLACK);

/// What a power cut may cost.
const POWER_WINDOW: Duration = SYNC.saturating_add(SLACK);

/// A sample is delivered, its block is synced after the interval at most, and the position is
/// stored after another: what was delivered so long before an end may be delivered again.
const REPEAT_WINDOW: Duration = POWER_WINDOW.saturating_add(SYNC);

/// Longest gap between scrapes of one target, which are due every 200 ms, on a busy machine.
const GAP: Duration = Duration::from_millis(1500);

/// Restarting and draining, on a busy machine.
const DRAIN: Duration = Duration::from_secs(60);

/// A ledger, a receiver, and an agent between them.
struct Scene {
    receiver: Receiver,
    ledger: Ledger,
    agent: Agent,
}

impl Scene {
    /// All three; the agent is not started.
    fn new(targets: u64, series: u64) -> Scene {
        let receiver = Receiver::start();
        let ledger = Ledger::start(targets, series);
        let text = config(&receiver.url(), &[ledger.job("ledger", "200ms")]);
        Scene {
            agent: agent(&text),
            receiver,
            ledger,
        }
    }

    /// The agent runs and has delivered some scrapes.
    fn running() -> Scene {
        let mut scene = Scene::new(4, 25);
        scene.begin();
        scene
    }

    /// Starts the agent and waits until some scrapes are delivered.
    fn begin(&mut self) {
        self.agent.start();
        self.ledger.wait_for(5);
        self.settle("at the start").assert_exact();
    }

    /// An agent that drains a copy of the log below `data` to this receiver, and scrapes nothing.
    fn drainer(&self) -> Agent {
        agent(&remote_write(&self.receiver.url()))
    }

    /// Waits until everything has arrived, or for [`DRAIN`]; prints the figures.
    fn settle(&self, what: &str) -> Audit {
        let audit = self.ledger.settle(&self.receiver, DRAIN);
        println!("{:?}, {what}: {audit}", self.agent.kind);
        audit.assert_sound();
        self.receiver.assert_clean();
        audit
    }

    /// The same after something may have been lost: the agent runs again, and what it scrapes from
    /// now on arrives after all that it still has of earlier times.
    fn settle_after_loss(&self, what: &str) -> Audit {
        self.ledger.wait_for(2);
        let since = wait::now();
        self.ledger.wait_for(3);
        let audit = self.ledger.settle_since(&self.receiver, since, DRAIN);
        println!("{:?}, {what}: {audit}", self.agent.kind);
        audit.assert_sound();
        self.receiver.assert_clean();
        audit
    }

    /// The longest gap between scrapes of one target.
    fn longest_gap(&self) -> Duration {
        let times = self.ledger.times();
        let gaps = times
            .iter()
            .flat_map(|times| times.windows(2).map(|two| two[1] - two[0]));
        gaps.max().unwrap_or_default()
    }

    /// Scrapes, all series of one target, that have arrived.
    fn delivered_scrapes(&self, series: u64) -> u64 {
        let now = wait::now();
        let audit = self.receiver.books(|books| self.ledger.audit(books, now));
        audit.assert_sound();
        audit.delivered as u64 / series
    }
}

/// An agent that syncs every [`SYNC`].
fn agent(config: &str) -> Agent {
    let agent = Agent::with_config(config);
    if agent.kind == Kind::Prometheus {
        return agent;
    }
    agent.flags(&["--storage.agent.sync-interval=1s"])
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copied = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            std::fs::copy(&path, &copied).expect("a copy");
        }
    }
}
