//! List, then watch, then list again when that is necessary: the protocol, without any I/O.
//!
//! - Lists are paged. A token that expired between pages makes the next list one of a single page,
//!   which cannot expire; objects are read as a stream, so its size costs nothing here.
//! - A watch goes on from the version of the list, or of the last event or bookmark.
//! - A version that is too old (410, as a status or as an event) leads to a list at once.
//! - The server sends a bookmark before it ends a watch in time. A watch that lasted its time
//!   without any news therefore follows a version that the server does not know (it was restored
//!   from a backup, say): it leads to a list, or it would be silent for ever.
//! - Watches that are cut off early go on where they were; a few of those without news in a row
//!   lead to a list, too.
//! - Failures are followed by pauses that double and are spread at random.
//!
//! Pure. Implements <https://kubernetes.io/docs/reference/using-api/api-concepts/>.

use std::time::Duration;

use super::resource::escape;
use crate::limits;
use crate::sys::jitter::Jitter;

/// What to ask the server next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// A page of a list; `first` begins a new list.
    List {
        /// Parameters, selectors left out.
        query: String,
        /// Whether it is the first page.
        first: bool,
    },
    /// A watch.
    Watch {
        /// Parameters, selectors left out.
        query: String,
        /// How long the server was asked to keep it up.
        time: Duration,
    },
}

/// Why the server gave nothing of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The version or the token is too old.
    Expired,
    /// Anything else; the server may have said how long to wait.
    Other(Option<Duration>),
}

/// How a watch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The stream ended, cleanly or not, after that time.
    After(Duration),
    /// It could not be opened, or an event said so.
    Badly(Failure),
}

/// What to do before asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// How long to wait.
    pub(super) pause: Duration,
    /// Whether it counts as a failure. What the protocol provides for does not.
    pub(super) failed: bool,
}

impl Verdict {
    const GO_ON: Verdict = Verdict {
        pause: Duration::ZERO,
        failed: false,
    };
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// The next page begins at this token; empty for the first.
    Listing(String),
    /// From this version on.
    Watching(String),
}

/// The state of one collection.
#[derive(Debug)]
pub(super) struct Reflector {
    phase: Phase,
    jitter: Jitter,
    /// Whether lists have a single page, because a token expired.
    whole: bool,
    /// Failures since the last success.
    failures: u32,
    /// Watches without news since the last news.
    fruitless: u32,
    /// Whether the watch under way brought news.
    news: bool,
    /// Expired versions since the last news.
    expired: u32,
}

impl Reflector {
    /// One that has to list first.
    pub(super) fn new(jitter: Jitter) -> Reflector {
        Reflector {
            phase: Phase::Listing(String::new()),
            jitter,
            whole: false,
            failures: 0,
            fruitless: 0,
            news: false,
            expired: 0,
        }
    }

    /// What to ask next.
    pub(super) fn ask(&mut self) -> Ask {
        match &self.phase {
            Phase::Listing(token) => {
                let mut query = String::new();
                if !self.whole {
                    query = format!("limit={}", limits::K8S_PAGE_OBJECTS);
                }
                if !token.is_empty() {
                    query.push_str(&format!("&continue={}", escape(token)));
                }
                let first = token.is_empty();
                Ask::List { query, first }
            }
            Phase::Watching(version) => {
                let version = escape(version);
                let spread = 1.0 + 0.5 * self.jitter.fraction();
                let seconds = limits::K8S_WATCH.mul_f64(spread).as_secs();
                self.news = false;
                let query = format!(
                    "watch=true&allowWatchBookmarks=true&resourceVersion={version}\
                     &timeoutSeconds={seconds}"
                );
                let time = Duration::from_secs(seconds);
                Ask::Watch { query, time }
            }
        }
    }

    /// A page was read. Whether the list is complete.
    pub(super) fn page_ended(&mut self, version: &str, token: &str) -> bool {
        self.failures = 0;
        if !token.is_empty() && !self.whole {
            self.phase = Phase::Listing(token.to_owned());
            return false;
        }
        self.whole = false;
        self.fruitless = 0;
        self.phase = Phase::Watching(version.to_owned());
        true
    }

    /// A page could not be read.
    pub(super) fn page_failed(&mut self, failure: &Failure) -> Verdict {
        let at_first_page = self.phase == Phase::Listing(String::new());
        self.list_anew();
        match failure {
            Failure::Expired if !at_first_page => {
                self.whole = true;
                Verdict::GO_ON
            }
            Failure::Expired => self.fail(None),
            Failure::Other(wait) => self.fail(*wait),
        }
    }

    /// An event of the watch came; `version` is that of its object.
    pub(super) fn event(&mut self, version: &str) {
        self.news = true;
        (self.failures, self.fruitless, self.expired) = (0, 0, 0);
        if !version.is_empty() {
            self.phase = Phase::Watching(version.to_owned());
        }
    }

    /// The watch ended, or never began. `time` is how long it was to last.
    pub(super) fn watch_ended(&mut self, ended: &Ended, time: Duration) -> Verdict {
        match ended {
            Ended::Badly(Failure::Expired) => {
                self.list_anew();
                self.expire()
            }
            Ended::Badly(Failure::Other(wait)) => self.fail(*wait),
            Ended::After(_) if self.news => self.soon(),
            Ended::After(lasted) => {
                self.fruitless += 1;
                if *lasted >= time || self.fruitless >= limits::K8S_FRUITLESS_WATCHES {
                    self.list_anew();
                }
                self.soon()
            }
        }
    }

    /// Everything has to be listed again, whatever is known: there are too many objects, or an
    /// answer makes no sense.
    pub(super) fn give_up(&mut self) -> Verdict {
        self.list_anew();
        self.fail(None)
    }

    fn list_anew(&mut self) {
        self.phase = Phase::Listing(String::new());
        self.fruitless = 0;
    }

    /// The first expired version costs no pause; a server that knows no version at all does.
    fn expire(&mut self) -> Verdict {
        self.expired += 1;
        match self.expired {
            1 => Verdict::GO_ON,
            _ => self.fail(None),
        }
    }

    /// A short pause, so that a server which ends every watch at once is not asked in a loop, and
    /// not by all agents at the same moment after a restart.
    fn soon(&mut self) -> Verdict {
        let pause = limits::K8S_BACKOFF_MIN.mul_f64(0.5 + self.jitter.fraction());
        let pause = pause * 2_u32.saturating_pow(self.fruitless);
        Verdict {
            pause: pause.min(limits::K8S_BACKOFF_MAX),
            failed: false,
        }
    }

    fn fail(&mut self, wait: Option<Duration>) -> Verdict {
        let doubled = limits::K8S_BACKOFF_MIN * 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(limits::K8S_BACKOFF_MAX);
        let pause = pause.mul_f64(0.5 + self.jitter.fraction());
        let pause = pause.max(wait.unwrap_or_default());
        Verdict {
            pause: pause.min(limits::K8S_BACKOFF_MAX),
            failed: true,
        }
    }
}

#[cfg(test)]
mod tests;
