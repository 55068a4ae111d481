//! A backend that answers with made-up data, tame or hostile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::model::labels::Labels;
use crate::model::loss::{Loss, LossKey, LossReason, Losses};
use crate::model::metadata::{Family, MetricType};
use crate::model::time::Wall;
use crate::relabel::rule::{Action, NameScheme, Rule};
use crate::web::backend::*;

/// What a hostile target could put anywhere.
const HOSTILE: &str = "\"'><script>alert(1)</script><a href=javascript:x>&\u{0}";

#[derive(Default)]
pub(super) struct Fake {
    pub(super) stopping: AtomicBool,
    pub(super) hostile: bool,
}

impl Fake {
    fn word(&self, tame: &str) -> String {
        if self.hostile {
            HOSTILE.to_owned()
        } else {
            tame.to_owned()
        }
    }

    fn target(&self, pool: &str, url: &str, health: Health) -> ActiveTarget {
        let scraped = health != Health::Unknown;
        ActiveTarget {
            discovered_labels: Labels::from_pairs([("__address__", "a:1"), ("job", pool)]),
            labels: Labels::from_pairs([("instance", "a:1"), ("note", &self.word("x<y>&"))]),
            scrape_pool: pool.to_owned(),
            scrape_url: url.to_owned(),
            last_error: if scraped {
                self.word("connection refused")
            } else {
                String::new()
            },
            last_scrape: scraped.then_some(Wall(1_795_319_602_120)),
            last_scrape_duration: Duration::from_micros(1500),
            health,
            scrape_interval: Duration::from_secs(90),
            scrape_timeout: Duration::from_secs(10),
        }
    }
}

impl Backend for Fake {
    fn readiness(&self) -> Readiness {
        if self.stopping.load(Ordering::Relaxed) {
            Readiness::Stopping
        } else {
            Readiness::Ready
        }
    }

    fn active_targets(&self) -> Vec<ActiveTarget> {
        vec![
            self.target(
                "z",
                &self.word("http://localhost:1/metrics?a=b"),
                Health::Down,
            ),
            self.target("a", "http://127.0.0.1:2/metrics", Health::Unknown),
        ]
    }

    fn dropped_targets(&self) -> Vec<DroppedTarget> {
        vec![DroppedTarget {
            discovered_labels: Labels::from_pairs([("__address__", "b:1")]),
            scrape_pool: "a".to_owned(),
        }]
    }

    fn dropped_target_counts(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("a".to_owned(), 7)])
    }

    fn scrape_pools(&self) -> Vec<String> {
        vec!["z".to_owned(), "a".to_owned()]
    }

    fn relabel_rules(&self, pool: &str) -> Option<Vec<Rule>> {
        let rule = |action, source: &str, target: &str| Rule {
            action,
            source_labels: vec!["__address__".to_owned()],
            separator: ";".to_owned(),
            regex: crate::relabel::regex::compile(source).expect("regex"),
            modulus: 0,
            target_label: target.to_owned(),
            replacement: "$1".to_owned(),
            scheme: NameScheme::Utf8,
        };
        (pool == "a").then(|| {
            vec![
                rule(Action::Replace, "(.*):.*", "host"),
                rule(Action::Drop, "b:.*", ""),
                rule(Action::Keep, "(.*)", ""),
            ]
        })
    }

    fn target_metadata(&self) -> Vec<TargetMetadata> {
        let family = |name: &str, kind, help: &str| Arc::new(Family::new(name, kind, help, ""));
        let target = |job: &str, families| TargetMetadata {
            labels: Labels::from_pairs([("job", job)]),
            families,
        };
        if self.hostile {
            let help = "<".repeat(1 << 20);
            let families = (0..20).map(|number| {
                let name = format!("{HOSTILE}{number}");
                family(&name, MetricType::Gauge, &help)
            });
            return vec![target(HOSTILE, families.collect())];
        }
        let up = family("up", MetricType::Gauge, "Up.");
        vec![
            target(
                "a",
                vec![
                    Arc::clone(&up),
                    family("x_total", MetricType::Counter, "X."),
                ],
            ),
            target(
                "z",
                vec![up, family("x_total", MetricType::Counter, "Other.")],
            ),
        ]
    }

    fn config_yaml(&self) -> String {
        "global:\n  scrape_interval: 15s\n".to_owned()
    }

    fn runtime(&self) -> RuntimeInfo {
        RuntimeInfo {
            started: Wall(1_795_319_602_000),
            working_directory: "/var/lib/narthex".to_owned(),
            hostname: self.word("edge7"),
            reload_succeeded: true,
            config_loaded: Wall(1_795_319_602_000),
            corruptions: 0,
            threads: 9,
            cores: 2,
            memory_bytes_max: 0,
        }
    }

    fn endpoints(&self) -> Vec<EndpointStatus> {
        vec![EndpointStatus {
            name: self.word("central"),
            url: self.word("https://metrics.example/api/v1/write"),
            lag: Duration::from_millis(2500),
            samples_pending: 10,
            samples_sent: 1000,
            samples_lost: 0,
            samples_aside: 3,
            shards: 1,
            last_error: self.word(""),
        }]
    }

    fn losses(&self) -> Losses {
        let mut losses = Losses::default();
        let key = LossKey {
            queue: self.word("central"),
            job: self.word("node"),
            reason: LossReason::Budget,
        };
        let loss = Loss {
            samples: 4711,
            first: Wall(1_795_319_602_000),
            last: Wall(1_795_319_603_500),
        };
        losses.add(key, loss);
        losses
    }

    fn discovery(&self) -> Vec<DiscoveryStatus> {
        vec![DiscoveryStatus {
            jobs: vec![self.word("a").into()],
            mechanism: "file".to_owned(),
            groups: 1,
            targets: 2,
            last_update: Some(Wall(1_795_319_602_000)),
            last_error: self.word(""),
            last_error_at: self.hostile.then_some(Wall(1_795_319_603_000)),
            last_refresh: Some(Duration::from_millis(15)),
        }]
    }

    fn log(&self) -> LogStatus {
        LogStatus {
            bytes: 3 << 20,
            bytes_max: 512 << 20,
            segments: 2,
            failing: self.hostile.then(|| self.word("No space left")),
        }
    }

    fn reload(&self, done: ReloadDone) {
        let outcome = if self.hostile {
            Err("line 3: bad".to_owned())
        } else {
            Ok(())
        };
        crate::sys::thread::spawn("fake-main", move || done(outcome)).expect("spawn");
    }

    fn quit(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}
