//! The scrape worker: one thread, one poll, many exchanges.
//!
//! # Thread
//! `scrape-n` owns its poll, the fetcher and the targets pinned to it. Inbox: orders of the
//! scheduler ([`limits::WORKER_MAILBOX`]; the scheduler waits, or counts a missed scrape). Outbox:
//! blocks to the sink, which may make it wait: back-pressure. Waits on: the poll. Deadlines: the
//! fetcher's, and the next scrape that was ordered ahead. Stops when: the mailbox is closed;
//! exchanges under way are cut.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use mio::{Events, Poll, Token};

use super::assigned::{Assigned, Buffers};
use super::metrics::ScrapeMetrics;
use super::schedule::{Order, Start};
use super::target_loop::Shared;
use super::upcoming::{Ordered, Upcoming};
use super::waiting::Waiting;
use crate::config::scrape::ScrapeConfig;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::pressure::Relief;
use crate::model::source::BlockSink;
use crate::model::time::Mono;
use crate::model::timeline::EpochClock;
use crate::net::context::HttpContext;
use crate::net::fetch::{FetchError, Fetched, Fetcher};
use crate::net::resolve::Resolver;
use crate::sys::clock::Clock;
use crate::sys::mailbox::{Doorbell, MailReceiver, MailSender, mailbox};
use crate::sys::published::Published;
use crate::sys::pulse::{Beat, Pulse, pulse};

/// Wake-ups of the mailbox; the fetcher's tokens follow.
const MAIL: Token = Token(0);
const FIRST_FETCH: usize = 1;

/// What a worker uses of the world.
pub(super) struct WorkerEnv {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sink: Arc<dyn BlockSink>,
    pub(super) resolver: Resolver,
    pub(super) epoch: Published<EpochClock>,
    pub(super) shared: Shared,
    pub(super) metrics: ScrapeMetrics,
    pub(super) user_agent: String,
    pub(super) timestamp_tolerance: Duration,
}

/// A job's HTTP client section, prepared once for all its targets, or why it cannot be.
struct Client {
    config: Arc<ScrapeConfig>,
    context: Result<Arc<HttpContext>, Arc<str>>,
    tried: Mono,
}

struct Worker {
    env: WorkerEnv,
    beat: Beat,
    inbox: MailReceiver<Order>,
    fetcher: Fetcher,
    buffers: Buffers,
    targets: HashMap<u64, Assigned, FixedState>,
    /// Scrapes that are not due yet.
    upcoming: Upcoming,
    /// Scrapes that are due and wait because memory runs short.
    waiting: Waiting,
    clients: HashMap<Arc<str>, Client, FixedState>,
}

/// A running worker.
pub(super) struct Spawned {
    pub(super) mailbox: MailSender<Order>,
    pub(super) thread: JoinHandle<()>,
    pub(super) pulse: Pulse,
}

/// Starts a worker.
///
/// # Errors
/// When the system gives no poll or no thread.
pub(super) fn spawn(number: usize, env: WorkerEnv) -> io::Result<Spawned> {
    let poll = Poll::new()?;
    let bell = Doorbell::new(poll.registry(), MAIL)?;
    let (sender, inbox) = mailbox(&bell, limits::WORKER_MAILBOX);
    let fetcher = Fetcher::new(poll.registry(), &bell, FIRST_FETCH, env.resolver.clone())?;
    let name = format!("scrape-{number}");
    let (beat, pulse) = pulse(&name);
    let worker = Worker::new(env, beat, inbox, fetcher);
    let thread = crate::sys::thread::spawn(&name, move || worker.run(poll))?;
    Ok(Spawned {
        mailbox: sender,
        thread,
        pulse,
    })
}

impl Worker {
    fn new(env: WorkerEnv, beat: Beat, inbox: MailReceiver<Order>, fetcher: Fetcher) -> Worker {
        Worker {
            env,
            beat,
            inbox,
            fetcher,
            buffers: Buffers::default(),
            targets: HashMap::with_hasher(FixedState::default()),
            upcoming: Upcoming::default(),
            waiting: Waiting::default(),
            clients: HashMap::with_hasher(FixedState::default()),
        }
    }

    fn run(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(limits::WORKER_EVENTS);
        loop {
            let wait = self.wait();
            self.beat.rest();
            let polled = poll.poll(&mut events, wait);
            self.beat.work();
            match polled {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    log::error!(component = "scrape manager", err = error.to_string(); "FATAL: poll failed");
                    return;
                }
                Ok(()) => {}
            }
            for event in &events {
                self.fetcher.event(event);
            }
            self.inbox.answer_bell();
            if !self.take_orders() {
                return;
            }
            self.begin_due();
            self.fetcher.turn(self.env.clock.mono());
            while let Some((id, result)) = self.fetcher.completed() {
                self.complete(id, result);
            }
            self.resume();
        }
    }

    /// Works through the mailbox. False when it is closed.
    fn take_orders(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(order) => self.obey(order),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn obey(&mut self, order: Order) {
        self.beat.work();
        match order {
            Order::Start(start) => self.start(*start),
            Order::Configure { id, config } => self.configure(id, &config),
            Order::Scrape {
                id,
                scheduled,
                refused,
            } => self.upcoming_or_now(Ordered {
                id,
                scheduled,
                refused,
            }),
            Order::Finish { id, markers, twins } => self.finish(id, markers, &twins),
        }
    }

    /// Lets a scrape wait for its time, unless it can be one of many that begin at once: then they
    /// cost one turn of this thread instead of one each.
    fn upcoming_or_now(&mut self, ordered: Ordered) {
        let Ordered { id, scheduled, .. } = ordered;
        let ahead = scheduled.since(self.env.clock.mono());
        let target = self.targets.get(&id);
        let is_free = !self.waiting.contains(id);
        if is_free && target.is_some_and(|own| own.may_begin_ahead(ahead)) {
            self.scrape(id, scheduled, ordered.refused.as_deref());
        } else {
            self.upcoming.insert(ordered);
        }
    }

    /// How long the poll may wait; none for as long as nothing happens.
    fn wait(&self) -> Option<Duration> {
        let now = self.env.clock.mono();
        let due = self.upcoming.wait(now);
        self.fetcher.wait(now).into_iter().chain(due).min()
    }

    /// Begins the scrapes whose time has come.
    fn begin_due(&mut self) {
        while let Some(due) = self.upcoming.pop(self.env.clock.mono()) {
            self.beat.work();
            self.scrape(due.id, due.scheduled, due.refused.as_deref());
        }
    }

    fn start(&mut self, start: Start) {
        let id = start.target.identity.id;
        let inherited = start.inherit.and_then(|old| {
            self.fetcher.cancel(old);
            self.targets.remove(&old)
        });
        let context = self.context(&start.config);
        let WorkerEnv {
            shared,
            metrics,
            user_agent,
            ..
        } = &self.env;
        let assigned = Assigned::new(start, inherited, shared, &context, metrics, user_agent);
        self.targets.insert(id, assigned);
    }

    fn configure(&mut self, id: u64, config: &Arc<ScrapeConfig>) {
        let context = self.context(config);
        if let Some(assigned) = self.targets.get_mut(&id) {
            assigned.configure(config, &context, &self.env.user_agent);
        }
    }

    /// The job's HTTP client section; prepared anew when the job has changed, and every now and then
    /// while it cannot be. That fails the job's scrapes, not the configuration: a certificate may
    /// come later.
    fn context(&mut self, config: &Arc<ScrapeConfig>) -> Result<Arc<HttpContext>, Arc<str>> {
        let (name, now) = (Arc::from(config.job_name.as_str()), self.env.clock.mono());
        if let Some(known) = self.clients.get(&name)
            && Arc::ptr_eq(&known.config, config)
            && (known.context.is_ok() || now.since(known.tried) < limits::SD_REOPEN)
        {
            return known.context.clone();
        }
        let context = HttpContext::new(&config.http_client).map(Arc::new).map_err(|error| {
            let error = error.to_string();
            if self.env.metrics.client_failed(config, self.clients.contains_key(&name)) {
                log::error!(component = "scrape manager", scrape_pool = config.job_name.as_str(), err = error.as_str(); "Error creating HTTP client");
            }
            Arc::from(error)
        });
        // Targets hold their job's section; what nobody holds belongs to jobs that are gone.
        self.clients.retain(|_, known| match &known.context {
            Ok(context) => Arc::strong_count(context) > 1,
            Err(_) => Arc::strong_count(&known.config) > 1,
        });
        let client = Client {
            config: Arc::clone(config),
            context: context.clone(),
            tried: now,
        };
        self.clients.insert(name, client);
        context
    }

    fn scrape(&mut self, id: u64, scheduled: Mono, refused: Option<&str>) {
        let Some(assigned) = self.targets.get(&id) else {
            return;
        };
        let is_late = assigned.has_begun_since(scheduled);
        if assigned.is_running() || self.waiting.contains(id) || is_late {
            self.env.metrics.missed.inc();
            return;
        }
        let memory = &self.env.shared.memory;
        memory.compare();
        // One that is not fetched has nothing to wait for.
        if refused.is_none()
            && self.fetcher.active() >= limits::MEMORY_EXCHANGES
            && memory.shed(Relief::Concurrency)
        {
            self.waiting.push(id, scheduled, assigned.page_bytes());
            return;
        }
        self.begin(id, scheduled, refused);
    }

    /// Begins scrapes that waited.
    fn resume(&mut self) {
        while self.fetcher.active() < limits::MEMORY_EXCHANGES
            || !self.env.shared.memory.sheds(Relief::Concurrency)
        {
            let Some((id, scheduled)) = self.waiting.pop(self.env.clock.mono()) else {
                return;
            };
            self.begin(id, scheduled, None);
        }
    }

    fn begin(&mut self, id: u64, scheduled: Mono, refused: Option<&str>) {
        let now = self.env.clock.mono();
        if let Some(config) = self.targets.get(&id).and_then(Assigned::without_client) {
            let context = self.context(&config);
            if let Some(assigned) = self.targets.get_mut(&id) {
                assigned.ask_with(&config, &context, &self.env.user_agent);
            }
        }
        let Shared {
            memory, offender, ..
        } = &self.env.shared;
        let Some(assigned) = self.targets.get_mut(&id) else {
            return;
        };
        let given_up = memory.sheds(Relief::Largest) && offender.gives_up(now, assigned.series());
        let (spec, deadline) = assigned.begin(
            scheduled,
            now,
            &self.env.epoch.load(),
            self.env.timestamp_tolerance,
        );
        if given_up {
            memory.count(Relief::Largest, 1);
            let blocks = assigned.give_up(now, &self.env.shared);
            return self.deliver(blocks);
        }
        match (spec, refused) {
            (Ok(spec), None) => self.fetcher.start(now, id, spec, deadline),
            (_, Some(message)) => {
                let blocks = assigned.refuse(message, now);
                self.deliver(blocks);
            }
            (Err(message), None) => {
                let blocks = assigned.refuse(&message, now);
                self.deliver(blocks);
            }
        }
    }

    fn finish(&mut self, id: u64, markers: Option<Mono>, twins: &[u64]) {
        self.fetcher.cancel(id);
        let Some(mut assigned) = self.targets.remove(&id) else {
            return;
        };
        let epoch = self.env.epoch.load();
        let twins = twins.iter().filter_map(|twin| self.targets.get(twin));
        let twins: Vec<&Assigned> = twins.collect();
        let block = markers.and_then(|at| assigned.finish(at, &epoch, &twins));
        self.deliver(block.into_iter().collect());
    }

    fn complete(&mut self, id: u64, result: Result<Fetched, FetchError>) {
        self.beat.work();
        let now = self.env.clock.mono();
        let Worker {
            targets,
            buffers,
            env,
            ..
        } = self;
        let Some(assigned) = targets.get_mut(&id) else {
            return;
        };
        let blocks = contained(assigned, buffers, now, env, |assigned, buffers| {
            assigned.complete(result.as_ref(), buffers, now, &env.metrics)
        });
        buffers.release();
        if let Ok(fetched) = result {
            self.fetcher.recycle(fetched);
        }
        // Last: the log may make us wait, and large bodies are not kept meanwhile.
        self.deliver(blocks);
    }

    fn deliver(&self, blocks: Vec<ScrapeBlock>) {
        for block in blocks {
            // False only when the log has ended, and then this thread is about to.
            let _taken = self.env.sink.accept(block);
        }
    }
}

/// Handles a page. One that makes us panic costs its own target this scrape, nothing else.
fn contained(
    assigned: &mut Assigned,
    buffers: &mut Buffers,
    now: Mono,
    env: &WorkerEnv,
    handle: impl FnOnce(&mut Assigned, &mut Buffers) -> Vec<ScrapeBlock>,
) -> Vec<ScrapeBlock> {
    let handled = catch_unwind(AssertUnwindSafe(|| handle(assigned, buffers)));
    handled.unwrap_or_else(|_| {
        env.metrics.panics.inc();
        *buffers = Buffers::default();
        log::error!(component = "scrape manager"; "BUG: panic while handling a page; the target is down");
        assigned.recover(now, &env.shared)
    })
}

#[cfg(test)]
mod tests;
