//! VictoriaMetrics as a server, Debian's or the one that `NARTHEX_E2E_VICTORIA` names: a receiver that others made, and a way to ask what arrived.

use tempfile::TempDir;

use super::process::Process;
use super::{client, ports, wait};

/// Where Debian's package puts it.
const VICTORIA: &str = "/usr/bin/victoria-metrics";

/// A running server. Stops when dropped.
pub(crate) struct Victoria {
    port: u16,
    process: Process,
    // Dropped last: the process writes into it.
    _dir: TempDir,
}

impl Victoria {
    /// Starts an empty one.
    pub(crate) fn start() -> Victoria {
        let dir = tempfile::Builder::new()
            .prefix("e2e-")
            .tempdir()
            .expect("a scratch folder");
        let port = ports::free();
        let args = [
            format!("-storageDataPath={}", dir.path().join("data").display()),
            format!("-httpListenAddr=127.0.0.1:{port}"),
            // Queries see what came a moment ago.
            "-search.latencyOffset=0s".to_owned(),
            "-memory.allowedPercent=5".to_owned(),
        ];
        let log = dir.path().join("log");
        let program = std::env::var("NARTHEX_E2E_VICTORIA");
        let program = program.as_deref().unwrap_or(VICTORIA);
        let mut process = Process::start(program, &args, dir.path(), &log);
        wait::until_true("victoria-metrics", wait::LONG, || {
            assert!(
                process.ended().is_none(),
                "the server ended:\n{}",
                process.log()
            );
            client::get(port, "/health").is_ok_and(|answer| answer.status == 200)
        });
        Victoria {
            port,
            process,
            _dir: dir,
        }
    }

    /// Where to write to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1/write", self.port)
    }

    /// Whether it takes zstd, asked with an empty message in a frame.
    pub(crate) fn knows_zstd(&self) -> bool {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let body = ruzstd::encoding::compress_to_vec(&[][..], level);
        let answer = client::write(self.port, "zstd", &body);
        answer.is_ok_and(|answer| (200..300).contains(&answer.status))
    }

    /// The value of a query that yields one, or `None`.
    pub(crate) fn scalar(&self, query: &str) -> Option<f64> {
        // Without `nocache` an answer from before the data came would be kept.
        let path = format!("/api/v1/query?nocache=1&query={}", client::escape(query));
        let answer = client::get(self.port, &path)
            .unwrap_or_else(|error| panic!("{query}: {error}\n{}", self.process.log()))
            .json();
        let value = answer["data"]["result"][0]["value"][1].as_str()?;
        value.parse().ok()
    }

    /// Waits until a query yields a value that will do.
    pub(crate) fn until(&self, query: &str, mut good: impl FnMut(f64) -> bool) {
        let mut last = None;
        let found = wait::try_until(wait::LONG, || {
            last = self.scalar(query);
            last.filter(|value| good(*value))
        });
        assert!(found.is_some(), "{query} stayed {last:?}");
    }
}
