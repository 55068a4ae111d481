//! From pages to the bytes of remote write 1.0 and 2.0: `NAME.case` holds targets, pages and the
//! settings of job and endpoint, `NAME.v1.txt` and `NAME.v2.txt` the decoded requests in the order
//! of the wire.
//!
//! Everything between is the real thing: configuration, scrape loop, external labels and rules,
//! batches, encoder, snappy. Scrapes are 15 s apart and take 5 ms. `UPDATE_GOLDEN=1` writes the
//! outputs anew; what changes then has to be read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use narthex::config::Config;
use narthex::config::load::{Files, Source, load};
use narthex::exposition::protocol::Format;
use narthex::exposition::transcode::PageView;
use narthex::model::block::{EpochId, ScrapeBlock, Sequence};
use narthex::model::float::format_go;
use narthex::model::labels::Labels;
use narthex::model::metadata::MetricType;
use narthex::model::position::AckRanges;
use narthex::model::series::TargetIdentity;
use narthex::model::time::{Mono, Wall};
use narthex::model::timeline::{Epoch, Timeline};
use narthex::model::value::is_stale;
use narthex::remote::answer::Verdict;
use narthex::remote::body::BodyBuilder;
use narthex::remote::endpoint::{Endpoint, Now, Taken};
use narthex::remote::request::Rules;
use narthex::remote::settings::QueueSettings;
use narthex::remote::shard::{Shard, Step};
use narthex::scrape::target_loop::{ScrapeTime, Shared, TargetLoop};
use narthex::wire::version::Version;
use narthex::wire::{compress, prompb, prompb_v2};
use prost::Message;
use serde::Deserialize;
use serde_yaml::Value;

/// Wall time of the epoch in which everything happens.
const BASE_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: i64 = 15_000;
const EPOCH: EpochId = EpochId(1);

/// One case file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// `external_labels`.
    #[serde(default)]
    external: BTreeMap<String, String>,
    /// `write_relabel_configs`, as in the cases of relabelling.
    #[serde(default)]
    rules: Vec<Value>,
    /// Further fields of the `remote_write` entry.
    #[serde(default)]
    endpoint: BTreeMap<String, Value>,
    /// Further fields of the job.
    #[serde(default)]
    job: BTreeMap<String, Value>,
    /// Labels of each target.
    targets: Vec<BTreeMap<String, String>>,
    /// Whether pages are OpenMetrics.
    #[serde(default)]
    openmetrics: bool,
    /// In the order of the log.
    scrapes: Vec<Scrape>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scrape {
    /// Which of the targets, from zero.
    #[serde(default)]
    target: usize,
    /// What it answers; none is a scrape that fails.
    page: Option<String>,
    /// The target leaves instead of being scraped.
    #[serde(default)]
    gone: bool,
}

struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} is not there"))
    }
}

impl Case {
    /// The configuration that says all of it.
    fn config(&self, name: &str) -> Config {
        let mut endpoint = self.endpoint.clone();
        endpoint.insert("url".to_owned(), "http://receiver/".into());
        endpoint.insert(
            "write_relabel_configs".to_owned(),
            self.rules.clone().into(),
        );
        let mut job = self.job.clone();
        job.insert("job_name".to_owned(), "job".into());
        let text = format!(
            "global: {{external_labels: {}}}\nremote_write: [{}]\nscrape_configs: [{}]\n",
            flow(&self.external),
            flow(&endpoint),
            flow(&job)
        );
        let source = Source {
            file: name,
            text: &text,
            files: &NoFiles,
            environment: &|_| None,
            features: narthex::config::Features::default(),
        };
        let loaded = load(&source).expect("a good configuration");
        loaded.config
    }

    /// The log that the scrapes leave.
    fn blocks(&self, config: &Config) -> Vec<ScrapeBlock> {
        let shared = Shared {
            interner: narthex::scrape::cache::interner::Interner::default(),
            report: narthex::scrape::report::ReportSeries::default(),
            out_of_order_window_ms: 0,
            memory: narthex::telemetry::budget::MemoryBudget::unlimited(),
            offender: Default::default(),
        };
        let target = |(index, labels): (usize, &BTreeMap<String, String>)| {
            let identity = TargetIdentity {
                id: index as u64 + 1,
                job: "job".into(),
                labels: Labels::from_pairs(labels),
            };
            let job = Arc::clone(&config.scrape_configs[0]);
            TargetLoop::new(
                Arc::new(identity),
                job,
                Duration::from_secs(10),
                shared.clone(),
            )
        };
        let mut targets: Vec<TargetLoop> = self.targets.iter().enumerate().map(target).collect();
        let mut blocks = Vec::new();
        for (number, scrape) in self.scrapes.iter().enumerate() {
            let target = &mut targets[scrape.target];
            blocks.extend(self.scrape(target, number, scrape));
        }
        for (block, number) in blocks.iter_mut().zip(1..) {
            block.sequence = Sequence(number);
        }
        blocks
    }

    fn scrape(&self, target: &mut TargetLoop, number: usize, scrape: &Scrape) -> Vec<ScrapeBlock> {
        let offset_ms = INTERVAL_MS * (number as i64 + 1);
        let at = ScrapeTime {
            epoch: EPOCH,
            offset_ms,
            wall: Wall(BASE_MS + offset_ms),
        };
        let took = Duration::from_millis(5);
        if scrape.gone {
            return target.end(at, &[]).into_iter().collect();
        }
        let Some(page) = &scrape.page else {
            return target.failed(at, took, Some(0));
        };
        let format = match self.openmetrics {
            true => Format::OpenMetrics,
            false => Format::Text,
        };
        let outcome = target.page(at, &PageView::as_sent(format, page.as_bytes()), took);
        assert_eq!(outcome.error, None, "{page}");
        outcome.blocks
    }

    /// The decoded requests that the blocks become.
    fn requests(&self, version: Version, config: &Config, blocks: Vec<ScrapeBlock>) -> String {
        let endpoint = &config.remote_write[0];
        let settings = QueueSettings::new(endpoint);
        let mut core = Endpoint::new(
            Sequence::ZERO,
            AckRanges::default(),
            config.global.external_labels.clone(),
            endpoint.write_relabel_configs.clone(),
        );
        let mut timeline = Timeline::default();
        timeline.insert(Epoch {
            id: EPOCH,
            base_wall: Wall(BASE_MS),
            frozen: true,
        });
        let rules = Rules {
            oldest_ms: settings.oldest_ms(BASE_MS + INTERVAL_MS * self.scrapes.len() as i64),
            exemplars: settings.exemplars,
            histograms: settings.histograms,
        };
        let now = Now {
            mono: Mono(0),
            oldest_ms: rules.oldest_ms,
        };
        let mut shard = Shard::new(settings.shard.clone());
        for block in blocks {
            if let Taken::Piece(piece) = core.take(now, &Arc::new(block), &timeline) {
                shard.push(piece);
            }
        }
        let mut text = String::new();
        let mut builder = BodyBuilder::default();
        while shard.step(now.mono, true) == Step::Send {
            let counts = builder.build(version.into(), shard.batch(), rules);
            let counts = counts.expect("built");
            let body = builder.finish().expect("compressed");
            match version {
                Version::V1 => print(&decode(body), &mut text),
                Version::V2 => print_v2(&decode(body), &mut text),
            }
            let stated = format!("{} samples, {} too old", counts.samples, counts.too_old);
            writeln!(text, "end of request: {stated}").expect("text");
            shard.answered(now.mono, &Verdict::Accepted, 0.0);
        }
        text
    }
}

/// A value as it can stand inside YAML: as JSON.
fn flow(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("JSON")
}

fn decode<M: Message + Default>(body: &[u8]) -> M {
    let mut raw = Vec::new();
    compress::decompress(body, &mut raw, 1 << 20).expect("snappy");
    M::decode(raw.as_slice()).expect("a write request")
}

fn labels(labels: &[prompb::Label]) -> String {
    let pairs = labels
        .iter()
        .map(|label| format!("{}={:?}", label.name, label.value));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
}

/// A number; of a NaN its bits too.
fn number(value: f64) -> String {
    match value {
        value if is_stale(value) => "stale".to_owned(),
        value if value.is_nan() => format!("NaN {:#018x}", value.to_bits()),
        value => format_go(value),
    }
}

fn print(request: &prompb::WriteRequest, text: &mut String) {
    for series in &request.timeseries {
        writeln!(text, "{}", labels(&series.labels)).expect("text");
        for sample in &series.samples {
            let value = number(sample.value);
            writeln!(text, "  {value} @{}", sample.timestamp).expect("text");
        }
        for exemplar in &series.exemplars {
            let (own, value) = (labels(&exemplar.labels), number(exemplar.value));
            writeln!(text, "  exemplar {own} {value} @{}", exemplar.timestamp).expect("text");
        }
    }
}

/// As the requests of 1.0, and what the family says behind each series. Symbols stand where they are
/// referred to.
fn print_v2(request: &prompb_v2::Request, text: &mut String) {
    let symbol = |at: &u32| request.symbols[*at as usize].as_str();
    let labels = |refs: &[u32]| {
        let pairs = refs.chunks(2);
        let pairs = pairs.map(|pair| format!("{}={:?}", symbol(&pair[0]), symbol(&pair[1])));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    };
    for series in &request.timeseries {
        writeln!(text, "{}", labels(&series.labels_refs)).expect("text");
        for sample in &series.samples {
            let value = number(sample.value);
            writeln!(text, "  {value} @{}", sample.timestamp).expect("text");
        }
        for exemplar in &series.exemplars {
            let (own, value) = (labels(&exemplar.labels_refs), number(exemplar.value));
            writeln!(text, "  exemplar {own} {value} @{}", exemplar.timestamp).expect("text");
        }
        if let Some(own) = &series.metadata {
            let kind = MetricType::from_number(own.kind as u8).as_str();
            let (help, unit) = (symbol(&own.help_ref), symbol(&own.unit_ref));
            writeln!(text, "  {kind} {help:?} {unit:?}").expect("text");
        }
    }
}

#[test]
fn pages_become_the_requests_of_remote_write_1_and_2() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/remote_write");
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "case") {
            continue;
        }
        let name = path.display().to_string();
        let text = fs::read_to_string(&path).expect("a case");
        let case: Case = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let config = case.config(&name);
        for (version, extension) in [(Version::V1, "v1.txt"), (Version::V2, "v2.txt")] {
            let found = case.requests(version, &config, case.blocks(&config));
            let golden = path.with_extension(extension);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&golden, &found).expect("written");
            }
            let expected = fs::read_to_string(&golden).unwrap_or_default();
            if found != expected {
                wrong.push(format!(
                    "{name} {extension}\nexpected:\n{expected}\nfound:\n{found}"
                ));
            }
        }
        cases += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= 12, "only {cases} cases found");
}
