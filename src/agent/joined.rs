//! The engines, joined: started in the order of the data, stopped in it too.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::budget;
use super::doors;
use super::enclosure;
use super::endpoints::{EndpointEnv, Endpoints};
use super::exit::ExitStatus;
use super::metadata::ActiveFamilies;
use super::opening;
use super::options::RunOptions;
use super::self_metrics::LifeMetrics;
use super::service::{Outlook, Service};
use super::settings::{self, Settings};
use super::sink::LogSink;
use super::staging;
use super::timekeeper::{Change, Timekeeper};
use super::view::{LifeStatus, Request, View};
use crate::discovery::{self, DiscoveryEnv, DiscoveryHandle};
use crate::limits;
use crate::model::block::Sequence;
use crate::model::time::Wall;
use crate::model::timeline::EpochClock;
use crate::net::lease;
use crate::net::resolve::Resolver;
use crate::net::server::ServerHandle;
use crate::remote::metrics::Incoming;
use crate::remote::rejected;
use crate::scrape::thread::{self as scrape, ScrapeEnv, ScrapeHandle};
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::fs::RealFs;
use crate::sys::host::hostname;
use crate::sys::jitter::Jitter;
use crate::sys::published::Published;
use crate::sys::signal::{self, Signal};
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;
use crate::wal::Wal;
use crate::web;
use crate::web::backend::Readiness;
use crate::web::door::Door;

/// Why the agent cannot start.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: ExitStatus,
    pub(super) message: String,
}

impl Failure {
    fn from_text(message: String) -> Failure {
        Failure {
            status: ExitStatus::Failure,
            message,
        }
    }

    pub(super) fn runtime(what: &str, error: impl std::fmt::Display) -> Failure {
        Failure {
            status: ExitStatus::Failure,
            message: format!("{what}: {error}"),
        }
    }
}

/// The running agent.
pub(super) struct Joined {
    pub(super) options: RunOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) signals: Receiver<Signal>,
    pub(super) service: Service,
    pub(super) requests: Receiver<Request>,
    pub(super) life: Published<LifeStatus>,
    pub(super) metrics: LifeMetrics,
    pub(super) digest: u64,
    pub(super) files: Vec<String>,
    timekeeper: Timekeeper,
    epoch: Published<EpochClock>,
    wal: Wal,
    discovery: DiscoveryHandle,
    scrape: ScrapeHandle,
    endpoints: Endpoints,
    endpoint_env: EndpointEnv,
    resolver_threads: Vec<JoinHandle<()>>,
    web: ServerHandle,
    memory: MemoryBudget,
}

impl Joined {
    /// Reads the configuration and starts everything.
    pub(super) fn start(options: RunOptions) -> Result<Joined, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let registry = registry();
        let started = clock.wall();
        let metrics = LifeMetrics::new(&registry, &options.web.build, started);
        let listeners = doors::open(&options.listen_addresses).map_err(Failure::from_text)?;
        let memory = budget::measured(options.memory_max, &registry);
        let settings = read_settings(&options)?;
        let (stage_dir, signals) = enclose(&options, &settings, &registry)?;
        let door = open_door(&options, &clock, &registry)?;
        let (wal, sent_before) = opening::log(&options, &settings, stage_dir, &clock, &registry)?;
        let (timekeeper, epoch) = opening::begin_time(&wal, &*clock);
        let (resolver, resolver_threads) = Resolver::start(Arc::clone(&clock), &registry)
            .map_err(|error| Failure::runtime("resolver", error))?;
        let discovery = start_discovery(&settings, &options, &clock, &registry)?;
        let scrape = start_scrape(
            &settings,
            ScrapeEnv {
                clock: Arc::clone(&clock),
                registry: registry.clone(),
                sink: Arc::new(LogSink(wal.appender().ok_or_else(no_log)?)),
                resolver: resolver.clone(),
                epoch: epoch.clone(),
                targets: discovery.output(),
                workers: worker_count(),
                seed: seed(&settings),
                user_agent: user_agent(&options),
                memory: memory.clone(),
                timestamp_tolerance: options.scrape.timestamp_tolerance.unwrap_or_default(),
                out_of_order_window_ms: settings.config.global.out_of_order_window_ms as i64,
            },
        )?;
        let endpoint_env = endpoint_env(&options, &clock, &registry, resolver, &scrape, &memory);
        let endpoints = start_endpoints(&settings, (&wal, sent_before), &endpoint_env)?;
        // Full: the web side refuses further requests.
        let (sender, requests) = bounded(limits::LIFE_REQUESTS);
        let life = Published::new(starting(&settings, started));
        let view = View {
            clock: Arc::clone(&clock),
            started,
            life: life.clone(),
            scrape: scrape.status(),
            discovery: discovery.board(),
            endpoints: endpoints.clone(),
            log: wal.status(),
            losses: wal.losses(),
            corruptions: registry.counter("prometheus_agent_corruptions_total", "", &[]),
            requests: sender,
        };
        let service = start_service(&view, &registry, (&scrape, &wal, &discovery), &options);
        let web = start_web(listeners, &options, view, registry, memory.clone(), door)?;
        Ok(Joined {
            options,
            clock,
            signals,
            service,
            requests,
            life,
            metrics,
            digest: settings.digest,
            files: settings.files,
            timekeeper,
            epoch,
            wal,
            discovery,
            scrape,
            endpoints,
            endpoint_env,
            resolver_threads,
            web,
            memory,
        })
    }

    /// Addresses of the web side.
    pub(super) fn addresses(&self) -> String {
        let texts: Vec<String> = self
            .web
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect();
        texts.join(", ")
    }

    /// Puts another configuration in force: endpoints first, then scrapes, then discovery, so
    /// that a new job finds everything in place when its first targets arrive.
    pub(super) fn apply(&mut self, settings: Settings) -> Result<(), String> {
        let sent_before = self.wal.status().load().progress.taken;
        let result =
            self.endpoints
                .apply(&settings.config, &self.wal, &self.endpoint_env, sent_before);
        self.scrape
            .configure(settings.config.scrape_configs.clone());
        let alive = self.discovery.apply(settings.plan);
        self.digest = settings.digest;
        self.files = settings.files;
        if alive {
            result
        } else {
            Err("discovery has ended".to_owned())
        }
    }

    /// Compares the clocks and begins or freezes an epoch if they ask for it.
    pub(super) fn keep_time(&mut self) {
        let change = self.timekeeper.tick(self.clock.mono(), self.clock.wall());
        match change {
            None => {}
            Some(Change::Began(epoch)) => {
                log::warn!(component = "clock", epoch = epoch.id.0; "The wall clock has stepped; a new epoch begins");
                self.wal.begin_epoch(epoch);
                self.epoch.publish(self.timekeeper.clock());
            }
            Some(Change::Froze(epoch)) => {
                log::info!(component = "clock", epoch = epoch.id.0; "The wall clock is believed now; sending begins");
                self.wal.begin_epoch(epoch);
                opening::settle_past(&self.wal, epoch);
                self.epoch.publish(self.timekeeper.clock());
            }
        }
        self.memory.compare();
        let doubted = self.timekeeper.doubt().is_some();
        self.metrics.clock_doubted.set(f64::from(u8::from(doubted)));
        self.endpoints.note_totals();
    }

    /// The thread that ended though nobody stopped it, if one did.
    pub(super) fn casualty(&self) -> Option<&'static str> {
        if !self.wal.is_alive() {
            Some("log")
        } else if self.discovery.has_died() {
            Some("discovery")
        } else if self.resolver_threads.iter().any(JoinHandle::is_finished) {
            Some("resolver")
        } else if self.web.has_died() {
            Some("web")
        } else if self.scrape.has_died() {
            Some("scrape")
        } else if self.endpoints.has_died() {
            Some("remote write")
        } else {
            None
        }
    }

    /// Stops everything in the order of the data. Waits for endpoints to flush, unless `forced`
    /// says otherwise.
    pub(super) fn stop(mut self, forced: &dyn Fn(&Receiver<()>)) -> bool {
        // Told first, waited for last: a provider that hangs delays nobody.
        self.discovery.request_stop();
        self.scrape.stop();
        self.wal.finish_appending();
        // An endpoint that has sent all it sees would believe that it is done.
        if !self.wal.wait_until_taken(limits::LOG_TAKE_PATIENCE) {
            log::warn!(component = "log"; "The last scrapes wait for the log; what endpoints do not see any more is sent after the next start");
        }
        let flushed = self.endpoints.stop(self.options.flush_deadline);
        forced(&flushed);
        let mut sound = self.wal.join();
        sound &= self.discovery.stop().is_ok();
        sound & self.web.stop()
    }
}

fn no_log() -> Failure {
    Failure::runtime("log", "its thread has ended")
}

/// What the web side shows before the agent is ready.
fn starting(settings: &Settings, started: Wall) -> LifeStatus {
    LifeStatus {
        readiness: Readiness::Starting,
        yaml: Arc::clone(&settings.yaml),
        jobs: settings.config.scrape_configs.as_slice().into(),
        reload_succeeded: true,
        config_loaded: started,
    }
}

/// Makes the folders of the log, then enters the sandbox and starts the first thread, which inherits
/// it as all later ones do.
fn enclose(
    options: &RunOptions,
    settings: &Settings,
    registry: &Registry,
) -> Result<(Option<PathBuf>, Receiver<Signal>), Failure> {
    let stage =
        staging::prepare(&options.storage).map_err(|error| Failure::runtime("log", error))?;
    enclosure::enter(options, settings, stage.as_deref(), registry).map_err(Failure::from_text)?;
    let signals = signal::listen().map_err(|error| Failure::runtime("signals", error))?;
    Ok((stage, signals))
}

fn start_endpoints(
    settings: &Settings,
    (wal, sent_before): (&Wal, Sequence),
    env: &EndpointEnv,
) -> Result<Endpoints, Failure> {
    let endpoints = Endpoints::new();
    endpoints
        .apply(&settings.config, wal, env, sent_before)
        .map_err(|message| Failure {
            status: ExitStatus::Usage,
            message,
        })?;
    Ok(endpoints)
}

fn read_settings(options: &RunOptions) -> Result<Settings, Failure> {
    let path = &options.config_file;
    let settings = settings::read(path, options.features).map_err(|error| Failure {
        status: ExitStatus::Usage,
        message: format!(
            "error loading config from {:?}: {error}",
            path.display().to_string()
        ),
    })?;
    for warning in &settings.warnings {
        log::warn!(component = "config"; "{warning}");
    }
    Ok(settings)
}

/// A registry with what belongs to no engine.
fn registry() -> Registry {
    let registry = Registry::default();
    lease::register(&registry);
    registry
}

/// Tells systemd how things are, if it wants to know.
fn start_service(
    view: &View,
    registry: &Registry,
    (scrape, wal, discovery): (&ScrapeHandle, &Wal, &DiscoveryHandle),
    options: &RunOptions,
) -> Service {
    let mut engines = scrape.pulses();
    engines.extend([wal.pulse(), discovery.pulse()]);
    let outlook = Outlook::new(view, registry);
    Service::start(&view.clock, outlook, engines, options.flush_deadline)
}

fn start_discovery(
    settings: &Settings,
    options: &RunOptions,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
) -> Result<DiscoveryHandle, Failure> {
    let env = DiscoveryEnv {
        clock: Arc::clone(clock),
        registry: registry.clone(),
        jitter_seed: Jitter::from_system().next_u64(),
        user_agent: user_agent(options),
        resolver: crate::net::dns::resolver::ResolverSource::default(),
        coalesce: options.scrape.discovery_reload_interval,
    };
    discovery::start(settings.plan.clone(), env)
        .map_err(|error| Failure::runtime("discovery", error))
}

fn start_scrape(settings: &Settings, env: ScrapeEnv) -> Result<ScrapeHandle, Failure> {
    scrape::start(settings.config.scrape_configs.clone(), env)
        .map_err(|error| Failure::runtime("scrape", error))
}

fn open_door(
    options: &RunOptions,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
) -> Result<Door, Failure> {
    let Some(path) = &options.web_config_file else {
        return Ok(Door::default());
    };
    Door::guarded(path, clock, registry).map_err(|error| Failure {
        status: ExitStatus::Usage,
        message: error.to_string(),
    })
}

fn start_web(
    listeners: Vec<TcpListener>,
    options: &RunOptions,
    view: View,
    registry: Registry,
    memory: MemoryBudget,
    door: Door,
) -> Result<ServerHandle, Failure> {
    let (site, clock) = (options.web.clone(), Arc::clone(&view.clock));
    web::start(
        listeners,
        site,
        Arc::new(view),
        registry,
        (memory, door),
        clock,
    )
    .map_err(|error| Failure::runtime("web", error))
}

fn user_agent(options: &RunOptions) -> String {
    format!("narthex/{}", options.web.build.version)
}

fn endpoint_env(
    options: &RunOptions,
    clock: &Arc<dyn Clock>,
    registry: &Registry,
    resolver: Resolver,
    scrape: &ScrapeHandle,
    memory: &MemoryBudget,
) -> EndpointEnv {
    EndpointEnv {
        clock: Arc::clone(clock),
        registry: registry.clone(),
        resolver,
        metadata: Arc::new(ActiveFamilies(scrape.status())),
        incoming: Arc::new(Incoming::new(registry)),
        user_agent: user_agent(options),
        storage: Arc::new(RealFs),
        rejected_dir: rejected::folder(&options.storage.path),
        flush_deadline: options.flush_deadline,
        memory: memory.clone(),
    }
}

fn worker_count() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cores.min(limits::SCRAPE_WORKERS_MAX)
}

/// Spreads the scrapes of agents with different names or external labels, as Prometheus does.
fn seed(settings: &Settings) -> u64 {
    let text = format!("{}{}", hostname(), settings.config.global.external_labels);
    xxhash_rust::xxh64::xxh64(text.as_bytes(), 0)
}

/// How often main looks after the clocks and the threads.
pub(super) const ROUND: Duration = limits::LIFE_ROUND;
