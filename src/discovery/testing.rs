//! Test doubles: jobs without a configuration file, providers that do as they are told.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::DiscoveryEnv;
use super::outlet::Outlet;
use super::plan::{Plan, PlannedJob, PlannedProvider};
use super::provider::{Opened, ProviderConfig, ProviderContext, ProviderError, Runner, Watch};
use crate::config::Config;
use crate::config::load::{Files, Source, load};
use crate::model::target_group::{LabelMap, TargetGroup, TargetSets};
use crate::net::dns::resolver::ResolverSource;
use crate::sys::clock::SystemClock;
use crate::telemetry::registry::Registry;

/// Longest wait of [`wait_for`], on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest wait for something that should happen soon.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// Looks again and again until the condition holds.
pub(super) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let ticks = crossbeam_channel::tick(Duration::from_millis(5));
    let gave_up = crossbeam_channel::after(PATIENCE);
    while !holds() {
        crossbeam_channel::select! {
            recv(ticks) -> _ => {}
            recv(gave_up) -> _ => panic!("waited in vain for {what}"),
        }
    }
}

/// A configuration of these jobs: the items of `scrape_configs` in YAML.
pub(super) fn config(jobs: &str) -> Config {
    struct NoFiles;
    impl Files for NoFiles {
        fn glob(&self, _pattern: &str) -> Result<Vec<String>, String> {
            Ok(Vec::new())
        }
        fn read(&self, path: &str) -> Result<String, String> {
            Err(format!("no file {path}"))
        }
    }
    let text = format!("scrape_configs:\n{jobs}");
    let source = Source {
        file: "test.yml",
        text: &text,
        files: &NoFiles,
        environment: &|_| None,
        features: crate::config::Features::default(),
    };
    match load(&source) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}"),
    }
}

/// The real world.
pub(super) fn env() -> DiscoveryEnv {
    DiscoveryEnv {
        clock: Arc::new(SystemClock),
        registry: Registry::default(),
        jitter_seed: 7,
        user_agent: "narthex-test".into(),
        resolver: ResolverSource::default(),
        coalesce: Duration::from_millis(20),
    }
}

/// A group of addresses.
pub(super) fn group(source: &str, addresses: &[&str]) -> TargetGroup {
    let target =
        |address: &&str| LabelMap::from([("__address__".to_owned(), (*address).to_owned())]);
    TargetGroup {
        source: source.to_owned(),
        labels: LabelMap::new(),
        targets: addresses.iter().map(target).collect(),
    }
}

/// The addresses of a job.
pub(super) fn addresses(sets: &TargetSets, job: &str) -> Vec<String> {
    let groups = sets.get(job).into_iter().flatten();
    let targets = groups.flat_map(|group| group.targets.iter());
    targets
        .map(|target| target["__address__"].to_string())
        .collect()
}

/// What a puppet does with the outlet.
pub(super) type Act = Arc<dyn Fn(&Outlet) -> Result<(), ProviderError> + Send + Sync>;

/// A provider that runs a closure. Its name is its configuration.
#[derive(Clone)]
pub(super) struct Puppet {
    pub(super) name: &'static str,
    pub(super) act: Act,
    pub(super) opens: (Sender<()>, Receiver<()>),
    pub(super) refuses: bool,
}

impl Puppet {
    pub(super) fn new(
        name: &'static str,
        act: impl Fn(&Outlet) -> Result<(), ProviderError> + Send + Sync + 'static,
    ) -> Puppet {
        Puppet {
            name,
            act: Arc::new(act),
            opens: bounded(100),
            refuses: false,
        }
    }
}

impl std::fmt::Debug for Puppet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Puppet {
    fn eq(&self, other: &Puppet) -> bool {
        self.name == other.name
    }
}

impl ProviderConfig for Puppet {
    fn open(&self, _context: &ProviderContext) -> Result<Opened, ProviderError> {
        self.opens.0.send(()).expect("counted");
        if self.refuses {
            return Err("no".into());
        }
        Ok(Opened::new(Runner::Watch(Box::new(self.clone()))))
    }
}

impl Watch for Puppet {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        (self.act)(outlet)
    }
}

/// A plan of `(job, puppets)`.
pub(super) fn plan_of(jobs: &[(&str, &[&Puppet])]) -> Plan {
    let mut plan = Plan::default();
    for (name, puppets) in jobs {
        let mut providers = Vec::new();
        for puppet in *puppets {
            let same = |other: &PlannedProvider| other.config.same(*puppet);
            let index = plan.providers.iter().position(same).unwrap_or_else(|| {
                plan.providers.push(PlannedProvider {
                    mechanism: "puppet",
                    label: (*name).into(),
                    config: Arc::new((*puppet).clone()),
                });
                plan.providers.len() - 1
            });
            providers.push(index);
        }
        plan.jobs.push(PlannedJob {
            name: (*name).into(),
            providers,
        });
    }
    plan
}
