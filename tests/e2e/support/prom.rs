//! Debian's Prometheus as a server: a receiver by others' hand, and a way to ask what arrived.

use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::agent::PROMETHEUS;
use super::process::Process;
use super::receiver::{Books, Point};
use super::{client, ports, wait, write_file};

/// A running server. Stops when dropped.
pub(crate) struct Server {
    port: u16,
    process: Process,
    // Dropped last: the process writes into it.
    _dir: TempDir,
}

impl Server {
    /// Starts one that accepts remote write and scrapes nothing.
    pub(crate) fn start() -> Server {
        Server::with(&[])
    }

    /// Starts one with further flags.
    pub(crate) fn with(flags: &[&str]) -> Server {
        let dir = tempfile::Builder::new()
            .prefix("e2e-")
            .tempdir()
            .expect("a scratch folder");
        let config = dir.path().join("server.yml");
        write_file(&config, "global: {scrape_interval: 1h}\n");
        let port = ports::free();
        let own = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", dir.path().join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--web.enable-remote-write-receiver".to_owned(),
        ];
        let more = flags.iter().map(|flag| (*flag).to_owned());
        let args: Vec<String> = own.into_iter().chain(more).collect();
        let mut process = Process::start(PROMETHEUS, &args, dir.path(), &dir.path().join("log"));
        wait::until_true("the prometheus server", wait::LONG, || {
            assert!(
                process.ended().is_none(),
                "the server ended:\n{}",
                process.log()
            );
            client::get(port, "/-/ready").is_ok_and(|answer| answer.status == 200)
        });
        Server {
            port,
            process,
            _dir: dir,
        }
    }

    /// Where to write to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// Posts the body of a request of remote write 1.0; returns the answer.
    pub(crate) fn write(&self, body: &[u8]) -> String {
        let answer = client::write(self.port, "1.0", body).expect("an answer");
        format!("{}: {}", answer.status, answer.body)
    }

    /// An instant query: the values of the answer with their labels.
    pub(crate) fn query(&self, promql: &str) -> Vec<(Value, f64)> {
        let value = |one: &Value| one["value"][1].as_str()?.parse().ok();
        let result = self.result(promql);
        let pairs = result.iter();
        pairs
            .map(|one| (one["metric"].clone(), value(one).expect("a value")))
            .collect()
    }

    fn result(&self, promql: &str) -> Vec<Value> {
        let path = format!("/api/v1/query?query={}", client::escape(promql));
        let answer = client::get(self.port, &path)
            .unwrap_or_else(|error| panic!("{promql}: {error}\n{}", self.process.log()))
            .json();
        assert_eq!(answer["status"], "success", "{promql}: {answer}");
        let result = answer["data"]["result"].as_array();
        result.cloned().unwrap_or_default()
    }

    /// All stored samples of a metric of the last hour, as books.
    pub(crate) fn books(&self, metric: &str) -> Books {
        let mut books = Books::default();
        for one in self.result(&format!("{metric}[1h]")) {
            let pairs = one["metric"].as_object().expect("labels").iter();
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            let labels = pairs
                .map(|(name, value)| (name.clone(), text(value)))
                .collect();
            let points = one["values"]
                .as_array()
                .expect("samples")
                .iter()
                .map(|pair| {
                    let seconds = pair[0].as_f64().expect("a time");
                    let value: f64 = text(&pair[1]).parse().expect("a float");
                    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
                    let timestamp = (seconds * 1000.0).round() as i64;
                    Point {
                        timestamp,
                        bits: value.to_bits(),
                        at: wait::now(),
                    }
                });
            books.series.insert(labels, points.collect());
        }
        books
    }

    /// The value of a query that yields one, or `None`.
    pub(crate) fn scalar(&self, promql: &str) -> Option<f64> {
        self.query(promql).first().map(|(_, value)| *value)
    }

    /// Waits until a query yields a value that will do.
    pub(crate) fn until(&self, promql: &str, limit: Duration, mut good: impl FnMut(f64) -> bool) {
        let mut last = None;
        let found = wait::try_until(limit, || {
            last = self.scalar(promql);
            last.filter(|value| good(*value))
        });
        assert!(found.is_some(), "{promql} stayed {last:?} for {limit:?}");
    }
}
