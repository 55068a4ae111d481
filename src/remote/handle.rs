//! Starting, changing, watching and stopping an endpoint, from main's side.
//!
//! Nothing here waits for the network, except [`EndpointHandle::stop`], which has its deadlines.
//!
//! # Thread
//! Starts `rw-ENDPOINT`; what that thread owns and waits on stands in `remote/thread.rs`.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};

use super::endpoint::Endpoint;
use super::lane::LaneContext;
use super::lanes::Lanes;
use super::metadata::MetadataQueue;
use super::metrics::{QueueMetrics, shown_url};
use super::progress::Progress;
use super::rate::RateLimit;
use super::rejected::file::RejectedFile;
use super::settings::QueueSettings;
use super::speech::Speech;
use super::status::EndpointStatus;
use super::thread::{Change, Runner, SourceBox, State};
use super::transport::{Connect, Transport};
use super::{EndpointSpec, Order};
use crate::config::remote_write::{ProtobufMessage, RemoteWriteConfig};
use crate::limits;
use crate::model::block::Sequence;
use crate::model::labels::Labels;
use crate::model::position::AckRanges;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;
use crate::sys::thread;
use crate::telemetry::registry::Registry;
use crate::wire::compress::Compression;
use crate::wire::version::Protocol;

/// How an endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopReport {
    /// Everything that the log had was settled.
    pub flushed: bool,
    /// The thread has ended; otherwise it was left behind in a call that cannot be cut short.
    pub finished: bool,
    /// Samples that were in the shards. They are in the log and will be sent after the next start.
    pub pending_samples: u64,
    /// Everything up to this block is settled.
    pub settled_up_to: Sequence,
}

/// A running endpoint. Dropping it ends the endpoint without flushing.
#[derive(Debug)]
pub struct EndpointHandle {
    name: String,
    orders: Sender<Order>,
    /// The other end, to take back what a newer order replaces.
    waiting: Receiver<Order>,
    thread: JoinHandle<StopReport>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
    context: LaneContext,
    connect: ConnectBox,
    registry: Registry,
    url: String,
    /// All that may still be in use; cut when stopping takes too long.
    transports: Vec<Weak<dyn Transport>>,
}

/// Ends an endpoint at once that somebody else is stopping. Keeps its thread from noticing that the
/// handle is dropped: whoever has one cuts.
#[derive(Debug)]
pub struct Cutter {
    orders: Sender<Order>,
    progress: Arc<Progress>,
    transports: Vec<Weak<dyn Transport>>,
}

impl Cutter {
    /// Cuts requests under way; none follows. Does not wait for the end.
    pub fn cut(&self) {
        self.progress.cut();
        for transport in self.transports.iter().filter_map(Weak::upgrade) {
            transport.cut();
        }
        let stop = Order::Stop { deadline: Mono(0) };
        // Full: it is awake.
        let _awake = self.orders.try_send(stop);
    }
}

/// A connector that can be shown.
struct ConnectBox(Connect);

impl std::fmt::Debug for ConnectBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connect")
    }
}

/// Starts an endpoint over any transport.
pub(super) fn start_with(spec: EndpointSpec, connect: Connect) -> io::Result<EndpointHandle> {
    let mut jitter = spec.jitter;
    let (url, name) = (shown_url(&spec.config.url), spec.config.name.clone());
    let settings = QueueSettings::new(&spec.config);
    let transport = connect(&spec.config)?;
    let metrics = Arc::new(metrics(&spec.registry, &name, &url, &settings));
    let context = LaneContext {
        name: name.as_str().into(),
        transport,
        settled: spec.settled.clone(),
        speech: speech(&spec.config, &metrics),
        metrics,
        progress: Arc::new(Progress::default()),
        clock: Arc::clone(&spec.clock),
        losses: Arc::clone(&spec.losses),
        rejected: spec.rejected.map(|(storage, dir)| {
            let file = RejectedFile::new(storage, &dir, &name);
            Arc::new(file)
        }),
        rate: rate_limit(&spec.config),
        memory: spec.memory,
        settings: Arc::new(settings),
    };
    let now = spec.clock.mono();
    let before = spec.settled.with(|ranges| ranges.clone());
    // Latest wins: an order says all there is to say, and its sender must not wait for a receiver
    // that hangs.
    let (orders, inbox) = bounded(limits::REMOTE_ORDERS);
    let waiting = inbox.clone();
    let rules = spec.config.write_relabel_configs.clone();
    let seed = Jitter::seeded(jitter.next_u64());
    let lanes = Lanes::start(context.clone(), seed, context.settings.bounds.min)?;
    let runner = Runner {
        core: Endpoint::new(spec.start, before, spec.external_labels, rules)
            .sent_before(spec.sent_before),
        source: SourceBox(spec.source),
        lanes,
        context: context.clone(),
        wake: spec.wake,
        orders: inbox,
        timeline: spec.timeline,
        metadata_source: spec.metadata,
        metadata: MetadataQueue::new(now, &spec.config),
        incoming: spec.incoming,
        jitter,
        state: State::new(now),
    };
    // Nothing is ever sent: its end is the message.
    let (running, ended) = bounded(1);
    let thread = thread::spawn(&format!("rw-{name}"), move || {
        let _running: Sender<()> = running;
        runner.run()
    })?;
    Ok(EndpointHandle {
        transports: vec![Arc::downgrade(&context.transport)],
        name,
        orders,
        waiting,
        thread,
        ended,
        context,
        connect: ConnectBox(connect),
        registry: spec.registry,
        url,
    })
}

fn rate_limit(config: &RemoteWriteConfig) -> Option<Shared<RateLimit>> {
    let rate = config.narthex.max_bytes_per_second?;
    Some(Shared::new(RateLimit::new(rate)))
}

fn speech(config: &RemoteWriteConfig, metrics: &QueueMetrics) -> Arc<Speech> {
    let protocol = match (config.protobuf_message, config.narthex.compression) {
        (ProtobufMessage::V1, Compression::Snappy) => Protocol::V1,
        (ProtobufMessage::V1, Compression::Zstd) => Protocol::V1Zstd,
        (ProtobufMessage::V2, _) => Protocol::V2,
    };
    metrics.show_protocol(protocol);
    Arc::new(Speech::new(protocol))
}

fn metrics(registry: &Registry, name: &str, url: &str, settings: &QueueSettings) -> QueueMetrics {
    let metrics = QueueMetrics::new(registry, name, url);
    show_settings(&metrics, settings);
    metrics
}

fn show_settings(metrics: &QueueMetrics, settings: &QueueSettings) {
    metrics.shard_capacity.set(settings.capacity as f64);
    metrics.shards_min.set(f64::from(settings.bounds.min));
    metrics.shards_max.set(f64::from(settings.bounds.max));
    metrics.batch_samples.set(settings.shard.samples as f64);
}

impl EndpointHandle {
    /// Applies a new configuration in place: queue settings, labels, rules, HTTP client, URL. The
    /// position stays; what is not sent yet is sent with the new configuration. The entry's name
    /// must be the same.
    ///
    /// # Errors
    /// When certificates or proxy of the new configuration cannot be used: the old one then stays.
    pub fn reconfigure(
        &mut self,
        config: &RemoteWriteConfig,
        external_labels: Labels,
    ) -> io::Result<()> {
        let transport = (self.connect.0)(config)?;
        self.transports.retain(|old| old.strong_count() > 0);
        self.transports.push(Arc::downgrade(&transport));
        let settings = QueueSettings::new(config);
        let url = shown_url(&config.url);
        if url == self.url {
            show_settings(&self.context.metrics, &settings);
        } else {
            self.context.metrics = Arc::new(metrics(&self.registry, &self.name, &url, &settings));
            self.url = url;
        }
        self.context.transport = transport;
        self.context.rate = rate_limit(config);
        self.context.speech = speech(config, &self.context.metrics);
        self.context.settings = Arc::new(settings);
        let change = Change {
            context: self.context.clone(),
            external: external_labels,
            rules: config.write_relabel_configs.clone(),
            metadata: MetadataQueue::new(self.context.clock.mono(), config),
        };
        if self.is_finished() {
            return Err(io::Error::other("the endpoint's thread has ended"));
        }
        self.order(Order::Change(Box::new(change)));
        Ok(())
    }

    /// Gives an order in the place of the oldest if there are too many.
    fn order(&self, mut order: Order) {
        while let Err(TrySendError::Full(back)) = self.orders.try_send(order) {
            let _replaced = self.waiting.try_recv();
            order = back;
        }
    }

    /// Whether the thread has ended without being told to: it has failed, and the process should
    /// end for a restart.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// What the status page shows.
    #[must_use]
    pub fn status(&self) -> EndpointStatus {
        let (progress, metrics) = (&self.context.progress, &self.context.metrics);
        EndpointStatus {
            name: self.name.clone(),
            url: self.url.clone(),
            state: progress.state(),
            last_error: progress.last_error(),
            shards: metrics.shards.get() as u32,
            shards_desired: metrics.shards_desired.get(),
            pending_samples: metrics.samples_pending.get() as u64,
            acknowledged_samples: metrics.acknowledged.get() as u64,
            lost_samples: metrics.samples_failed.get() as u64,
            aside_samples: metrics.set_aside.get() as u64,
            highest_read: progress.highest_read(),
            highest_sent: progress.highest_sent(),
            settled_up_to: self
                .context
                .settled
                .with(|ranges: &mut AckRanges| ranges.floor()),
        }
    }

    /// What ends the endpoint while another thread is in [`EndpointHandle::stop`].
    #[must_use]
    pub fn cutter(&self) -> Cutter {
        Cutter {
            orders: self.orders.clone(),
            progress: Arc::clone(&self.context.progress),
            transports: self.transports.clone(),
        }
    }

    /// Begins to stop without waiting: several endpoints flush at the same time.
    pub fn request_stop(&self, flush_deadline: Duration) {
        self.context.progress.begin_flush();
        let deadline = self.context.clock.mono() + flush_deadline;
        self.order(Order::Stop { deadline });
    }

    /// Flushes and ends the endpoint. Flushing goes on for at most `flush_deadline`, and only
    /// while requests are acknowledged: when none was for [`limits::REMOTE_STOP_PATIENCE`],
    /// requests under way are cut short. What is left is in the log and not settled.
    #[must_use]
    pub fn stop(self, flush_deadline: Duration) -> StopReport {
        let deadline = self.context.clock.mono() + flush_deadline;
        self.request_stop(flush_deadline);
        let progress = Arc::clone(&self.context.progress);
        let mut seen = progress.acknowledgements();
        while !self.has_ended(limits::REMOTE_STOP_PATIENCE) {
            let acknowledged = progress.acknowledgements();
            if acknowledged == seen || self.context.clock.mono() >= deadline {
                break;
            }
            seen = acknowledged;
        }
        self.cutter().cut();
        let unfinished = StopReport {
            flushed: false,
            finished: false,
            pending_samples: self.context.metrics.samples_pending.get() as u64,
            settled_up_to: self.context.settled.with(|ranges| ranges.floor()),
        };
        if !self.has_ended(limits::REMOTE_CUT_PATIENCE) {
            return unfinished;
        }
        self.thread.join().unwrap_or(unfinished)
    }

    fn has_ended(&self, patience: Duration) -> bool {
        self.ended.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
    }
}
