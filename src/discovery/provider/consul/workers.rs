//! The shell of Consul discovery: threads that ask, and the one that knows what to ask.
//!
//! # Thread
//! - `sd-consul-n` owns the core. Inbox: answers, one for each question under way. Outbox:
//!   questions, never more than there are threads to take them; updates, blocks when full. Waits
//!   on: answers, its stop channel. Deadlines: the core's. Stops when: the stop channel closes.
//! - `sd-consul-ask` (at most [`THREADS`], each started when it is first needed) owns nothing.
//!   Inbox: questions. Outbox: answers, never full. Waits on: its inbox, Consul. Deadlines: the
//!   wait of the question and [`limits::SD_CONSUL_SLACK`]. Stops when: the inbox closes; a question
//!   under way is ended by the provider's interrupt.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::client::{Api, QueryError};
use super::core::{Core, Question, Reply};
use crate::discovery::manager::Update;
use crate::discovery::outlet::Outlet;
use crate::discovery::provider::{ProviderError, Watch};
use crate::limits;
use crate::sys::thread;

/// For the health of services, for new services, for the list.
const THREADS: usize = limits::SD_CONSUL_WATCHERS + 2;

/// A question and what came of it.
type Answer = (Question, Result<Reply, QueryError>);

/// The provider.
#[derive(Debug)]
pub(super) struct ConsulProvider {
    api: Arc<Api>,
    core: Core,
}

impl ConsulProvider {
    pub(super) fn new(api: Arc<Api>, core: Core) -> ConsulProvider {
        ConsulProvider { api, core }
    }
}

impl Watch for ConsulProvider {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        let mut askers = Askers::new(Arc::clone(&self.api));
        self.core.restart(outlet.clock().mono());
        loop {
            let now = outlet.clock().mono();
            while askers.idle() > 0
                && let Some(question) = self.core.next(now)
            {
                askers.ask(question)?;
            }
            let left = self.core.deadline().since(now);
            select! {
                recv(outlet.stop()) -> _stopped => return Ok(()),
                recv(askers.answers) -> answer => {
                    let (question, result) = answer?;
                    askers.under_way -= 1;
                    self.take(&question, result, outlet);
                }
                default(left) => {}
            }
        }
    }
}

impl ConsulProvider {
    fn take(&mut self, question: &Question, result: Result<Reply, QueryError>, outlet: &Outlet) {
        if outlet.stopped() {
            // What was interrupted did not fail.
            return;
        }
        let now = outlet.clock().mono();
        let outcome = self.core.answered(now, question, result);
        if let Some(error) = outcome.failed {
            outlet.failed(&error);
            return;
        }
        if let Some(trouble) = self.core.trouble() {
            outlet.complain(&trouble);
        }
        if outcome.changed.is_empty() {
            outlet.unchanged();
        } else {
            let _stopped = outlet.send(Update::Changed(outcome.changed));
        }
    }
}

/// The threads that ask.
struct Askers {
    api: Arc<Api>,
    questions: Sender<Question>,
    /// Kept for threads that are started later.
    inbox: Receiver<Question>,
    outbox: Sender<Answer>,
    answers: Receiver<Answer>,
    started: usize,
    under_way: usize,
}

impl Askers {
    fn new(api: Arc<Api>) -> Askers {
        let (questions, inbox) = bounded(THREADS);
        let (outbox, answers) = bounded(THREADS);
        Askers {
            api,
            questions,
            inbox,
            outbox,
            answers,
            started: 0,
            under_way: 0,
        }
    }

    /// How many more questions can be asked now.
    fn idle(&self) -> usize {
        THREADS - self.under_way
    }

    fn ask(&mut self, question: Question) -> Result<(), ProviderError> {
        if self.started == self.under_way {
            self.start()?;
        }
        self.under_way += 1;
        Ok(self.questions.send(question)?)
    }

    fn start(&mut self) -> io::Result<()> {
        let api = Arc::clone(&self.api);
        let (inbox, outbox) = (self.inbox.clone(), self.outbox.clone());
        thread::spawn("sd-consul-ask", move || {
            for question in inbox {
                let asked = catch_unwind(AssertUnwindSafe(|| api.ask(&question)));
                let result = asked.unwrap_or(Err(QueryError::Other));
                if outbox.send((question, result)).is_err() {
                    return;
                }
            }
        })?;
        self.started += 1;
        Ok(())
    }
}
