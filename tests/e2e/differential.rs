//! The differential test: one configuration, the same scripted targets, two agents.
//!
//! Each agent has its own targets and its own recording receiver; the pages depend only on the
//! number of the scrape, so both see the same. What both delivered is compared by case, series
//! and number of the scrape: label sets, values bit for bit, staleness markers, order,
//! exemplars, metadata and what the targets were asked. Timestamps differ between runs, so a
//! sample is placed by the scrape whose `up` has the same timestamp.
//!
//! Debian's Prometheus is 2.42; where the contract (3.14) differs, a rule in `normalise` says
//! so. Nothing else is forgiven, and a rule that is never needed fails the test.

mod cases;
mod compare;
mod normalise;
mod observe;
mod pages;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::support::agent::{Agent, Kind};
use super::support::http::{HttpServer, Reply, Request};
use super::support::receiver::{Books, Receiver, label};
use super::support::{remote_write, wait, write_file};
use observe::Observed;

/// Scrapes of each target that are compared.
pub(crate) const SCRAPES: usize = 8;

/// One row of the table: a scrape job and what its targets do.
pub(crate) struct Case {
    /// Also the name of the job, and the value of `job` (or its part before a dot) or `case` in
    /// every series.
    pub(crate) name: &'static str,
    /// The job's keys beside `job_name`, as lines. `{0}` is the address of its first target,
    /// `{all}` are all addresses separated by commas, `{dir}` is the agent's folder.
    pub(crate) job: &'static str,
    /// One script for each target.
    pub(crate) targets: &'static [Script],
    /// Targets, from the first, that go on to the end; the others vanish during the run.
    pub(crate) lasting: usize,
}

/// What a target answers to its n-th scrape, from 0.
pub(crate) type Script = fn(&Scene, usize, &Request) -> Reply;

/// What the scripts of a case may know of its run.
pub(crate) struct Scene {
    /// The agent's folder.
    pub(crate) dir: PathBuf,
    /// Addresses of the targets of the case; empty until all have started.
    pub(crate) addresses: OnceLock<Vec<String>>,
    /// Wall time of the first request, in milliseconds; explicit timestamps count from it.
    pub(crate) epoch: OnceLock<i64>,
}

impl Scene {
    /// The wall time of the first request to a target of this case.
    pub(crate) fn epoch(&self, request: &Request) -> i64 {
        *self.epoch.get_or_init(|| request.wall_ms)
    }

    /// Writes a target file with some of the case's targets, by index.
    pub(crate) fn write_targets(&self, name: &str, indices: &[usize]) {
        let all = self.addresses.get().expect("all have started");
        let some: Vec<&String> = indices.iter().map(|index| &all[*index]).collect();
        let json = serde_json::json!([{"targets": some}]).to_string();
        write_file(&self.dir.join(name), &json);
    }
}

/// The targets of a case in one run.
struct Stage {
    case: &'static Case,
    scene: Arc<Scene>,
    servers: Vec<HttpServer>,
}

impl Stage {
    fn set(case: &'static Case, dir: PathBuf) -> Stage {
        let scene = Arc::new(Scene {
            dir,
            addresses: OnceLock::new(),
            epoch: OnceLock::new(),
        });
        let server = |script: &Script| {
            let (script, scene) = (*script, Arc::clone(&scene));
            HttpServer::start(move |request: &Request| {
                scene.epoch(request);
                script(&scene, request.number, request)
            })
        };
        let servers: Vec<HttpServer> = case.targets.iter().map(server).collect();
        let addresses: Vec<String> = servers.iter().map(HttpServer::address).collect();
        let all: Vec<usize> = (0..addresses.len()).collect();
        scene.addresses.set(addresses).expect("set once");
        scene.write_targets(&format!("{}.json", case.name), &all);
        Stage {
            case,
            scene,
            servers,
        }
    }

    fn addresses(&self) -> &[String] {
        self.scene.addresses.get().expect("set at the start")
    }

    fn job(&self) -> String {
        let name = self.case.name;
        let mut keys = self.case.job.replace("{all}", &self.addresses().join(", "));
        for (index, address) in self.addresses().iter().enumerate() {
            keys = keys.replace(&format!("{{{index}}}"), address);
        }
        if !keys.contains("_sd_configs") && !keys.contains("static_configs") {
            let all = self.addresses().join(", ");
            keys.push_str(&format!("\nstatic_configs: [{{targets: [{all}]}}]"));
        }
        let keys = keys.trim().replace('\n', "\n  ");
        format!("- job_name: {name}\n  {keys}\n")
    }

    /// Whether everything that will be compared has arrived.
    fn is_over(&self, books: &Books) -> bool {
        let mine = |(labels, _): &(&_, &_)| observe::owner(labels) == Some(self.case.name);
        let ups: Vec<_> = books.named("up").filter(mine).collect();
        let lasting = ups
            .iter()
            .filter(|(_, points)| points.len() > SCRAPES)
            .count();
        let gone = ups.iter().filter(|(labels, _)| {
            let all = books.series.get(*labels);
            all.is_some_and(|points| points.iter().any(observe::is_stale))
        });
        lasting >= self.case.lasting && gone.count() >= self.case.targets.len() - self.case.lasting
    }
}

/// Runs all cases under one agent and returns what arrived, by case.
fn run(kind: Kind) -> Vec<Observed> {
    let receiver = Receiver::start();
    let mut agent = Agent::of(kind, "");
    let stages: Vec<Stage> = cases::all()
        .map(|case| Stage::set(case, agent.dir().to_owned()))
        .collect();
    let jobs: String = stages.iter().map(Stage::job).collect();
    agent.write_config(&format!(
        "global: {{scrape_interval: 1s, external_labels: {{site: edge, code: ext}}}}\n\
         scrape_configs:\n{jobs}{}  write_relabel_configs:\n  \
         - {{source_labels: [__name__], regex: 'never_sent_.*', action: drop}}\n",
        remote_write(&receiver.url())
    ));
    agent.start();
    let mut left: Vec<&Stage> = stages.iter().collect();
    let over = wait::try_until(2 * wait::LONG, || {
        receiver.books(|books| left.retain(|stage| !stage.is_over(books)));
        let metadata = receiver.books(|books| books.metadata.contains_key("meta_summary"));
        (left.is_empty() && metadata).then_some(())
    });
    let names: Vec<&str> = left.iter().map(|stage| stage.case.name).collect();
    assert!(
        over.is_some(),
        "{kind:?}: too little arrived of {names:?}:\n{}",
        agent.log()
    );
    agent.kill();
    receiver.assert_clean();
    receiver.books(|books| {
        let strangers = books.series.keys().filter(|labels| {
            let owner = observe::owner(labels);
            !stages.iter().any(|stage| owner == Some(stage.case.name))
        });
        let strangers: Vec<_> = strangers.take(5).collect();
        assert!(
            strangers.is_empty(),
            "{kind:?}: nobody's series: {strangers:#?}"
        );
        let observe = |stage: &Stage| {
            let asked: Vec<_> = stage.servers.iter().map(HttpServer::requests).collect();
            observe::observe(stage.case, &stage.scene, &asked, books)
        };
        stages.iter().map(observe).collect()
    })
}

/// What Prometheus delivers; both tests need it.
fn prometheus() -> &'static [Observed] {
    static ONCE: OnceLock<Vec<Observed>> = OnceLock::new();
    ONCE.get_or_init(|| run(Kind::Prometheus))
}

#[test]
fn two_runs_of_prometheus_are_equal() {
    let other = run(Kind::Prometheus);
    let differences = compare::all(prometheus(), &other);
    assert!(differences.is_empty(), "{}", compare::report(&differences));
}

#[test]
fn narthex_delivers_what_prometheus_delivers() {
    if Kind::under_test().is_excused("the other test compares it with itself") {
        return;
    }
    let ours = run(Kind::Narthex);
    let mut theirs = prometheus().to_vec();
    if std::env::var_os("NARTHEX_E2E_SHOW").is_some() {
        theirs
            .iter()
            .for_each(|observed| println!("{}", compare::show(observed)));
    }
    let unused = normalise::apply(&mut theirs);
    let differences = compare::all(&theirs, &ours);
    assert!(differences.is_empty(), "{}", compare::report(&differences));
    assert!(unused.is_empty(), "rules that no case needs: {unused:?}");
}

#[test]
fn every_series_belongs_to_one_case() {
    let labels = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        pairs.collect::<Vec<_>>()
    };
    let of = |pairs: &[(&str, &str)]| observe::owner(&labels(pairs)).map(str::to_owned);
    let gauges = Some("gauges".to_owned());
    assert_eq!(of(&[("job", "gauges")]), gauges);
    assert_eq!(of(&[("job", "gauges.inner")]), gauges);
    assert_eq!(of(&[("case", "gauges"), ("job", "else")]), gauges);
    assert_eq!(of(&[("job", "else")]), None);
    assert_eq!(label(&labels(&[("a", "1")]), "a"), "1");
}
