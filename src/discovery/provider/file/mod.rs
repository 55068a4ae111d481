//! File discovery: target groups in files, `file_sd_configs`.
//!
//! Folders are watched with inotify; after every event, and once per refresh interval anyway,
//! everything is looked at again. Where inotify is not to be had (its watches are used up, the
//! file system knows none) the interval alone remains, with a warning. A file that is broken or
//! half-written keeps its last groups; [`files`] says when a change is believed.
//!
//! Meta labels: `__meta_filepath`.

mod dir_watch;
mod files;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{after, never, select};

use self::dir_watch::{DirWatch, FileEvent};
use self::files::{Files, RealDisk, Turn};
use super::{Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Runner, Watch};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::glob;
use crate::discovery::manager::Update;
use crate::discovery::metrics::DURATION_QUANTILES;
use crate::discovery::outlet::Outlet;
use crate::limits;
use crate::model::time::Mono;
use crate::telemetry::registry::{Counter, Registry, Summary};

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "file",
    parse,
};

const REFRESH_INTERVAL: Duration = Duration::from_mins(5);
const EXTENSIONS: [&str; 6] = ["json", "yml", "yaml", "JSON", "YML", "YAML"];
const MTIME: &str = "prometheus_sd_file_mtime_seconds";

/// An entry of `file_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileConfig {
    /// Patterns with a star in the last element at most.
    files: Vec<String>,
    refresh_interval: Duration,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "file.plain")?;
    let files = fields.strings("files").unwrap_or_default();
    let refresh_interval = fields.duration("refresh_interval");
    if files.is_empty() {
        let message = "file service discovery config must contain at least one path name";
        fields.rule("files", message);
    }
    for name in files.iter().filter(|name| !is_valid(name)) {
        let message = format!("path name {name:?} is not valid for file discovery");
        fields.rule("files", message);
    }
    fields.finish()?;
    Ok(Arc::new(FileConfig {
        files,
        refresh_interval: refresh_interval.unwrap_or(REFRESH_INTERVAL),
    }))
}

fn is_valid(pattern: &str) -> bool {
    let extension = pattern.rsplit_once('.').map(|(_, extension)| extension);
    glob::is_valid(pattern) && extension.is_some_and(|it| EXTENSIONS.contains(&it))
}

impl FileConfig {
    fn provider(&self, context: &ProviderContext) -> FileProvider {
        FileProvider {
            files: Files::new(self.files.clone(), RealDisk),
            watch: None,
            interval: self.refresh_interval.max(limits::SD_REFRESH_MIN),
            metrics: FileMetrics::new(&context.registry),
            delivered: false,
        }
    }
}

impl ProviderConfig for FileConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let provider = self.provider(context);
        Ok(Opened::new(Runner::Watch(Box::new(provider))))
    }

    fn prompt(&self) -> bool {
        true
    }
}

/// The provider.
#[derive(Debug)]
struct FileProvider {
    files: Files<RealDisk>,
    watch: Option<DirWatch>,
    interval: Duration,
    metrics: FileMetrics,
    delivered: bool,
}

impl Watch for FileProvider {
    fn run(&mut self, outlet: &Outlet) -> Result<(), ProviderError> {
        let watch = self.watch.take().unwrap_or_else(|| self.new_watch(outlet));
        let watch = self.watch.insert(watch);
        let mut events = watch.events().clone();
        let mut tick = outlet.clock().mono();
        let mut look = tick;
        loop {
            let now = outlet.clock().mono();
            if now >= look.min(tick) {
                let everything = now >= tick;
                if everything {
                    tick = now + self.interval;
                }
                match self.turn(now, everything, outlet) {
                    Some(again) => look = again,
                    None => return Ok(()),
                }
            }
            select! {
                recv(events) -> event => match event {
                    Ok(event) => {
                        let now = outlet.clock().mono();
                        self.note(now, event, outlet);
                        look = look.min(now + limits::SD_FILE_SETTLE);
                    }
                    // Nothing can be watched.
                    Err(_disconnected) => events = never(),
                },
                recv(outlet.stop()) -> _stopped => return Ok(()),
                recv(after(look.min(tick).since(now))) -> _time => {}
            }
        }
    }
}

impl FileProvider {
    fn new_watch(&self, outlet: &Outlet) -> DirWatch {
        let watch = DirWatch::new(self.files.folders().map(PathBuf::from).collect());
        if let Some(error) = watch.failure() {
            self.metrics.watcher_errors.inc();
            log::warn!(component = "file discovery", error = error, config = &*outlet.label;
                "cannot watch files, looking at them once per refresh interval only");
        }
        watch
    }

    /// Looks at the files and sends what is new. Returns when to look again; nothing when it is
    /// time to stop.
    fn turn(&mut self, now: Mono, everything: bool, outlet: &Outlet) -> Option<Mono> {
        if let Some(watch) = &mut self.watch {
            // Before looking, or what changes in between would be missed.
            let failed = watch.follow();
            self.metrics.watcher_errors.add(f64::from(failed));
        }
        let turn = self.files.turn(now, everything);
        self.metrics.note(&turn);
        let took = outlet.clock().mono().since(now);
        self.metrics.scan_duration.observe(took.as_secs_f64());
        let nothing_new = !turn.changed && !everything && self.delivered;
        // A provider with nothing but broken files has not found out anything yet.
        let unknown = !turn.errors.is_empty() && !turn.changed;
        if !nothing_new && !unknown {
            self.delivered = true;
            if !outlet.send(Update::Full(self.files.groups())) {
                return None;
            }
        }
        for error in &turn.errors {
            outlet.complain(error);
        }
        Some(turn.look_again)
    }

    fn note(&mut self, now: Mono, event: FileEvent, outlet: &Outlet) {
        match event {
            FileEvent::Written(path) => self.files.written(now, &path),
            FileEvent::Closed(path) => self.files.closed(&path),
            FileEvent::Changed => {}
            FileEvent::Overflow => self.files.forget_writers(),
            FileEvent::Failed(error) => {
                self.metrics.watcher_errors.inc();
                outlet.complain(&error);
            }
        }
    }
}

/// Metrics of the mechanism, shared by all file providers.
#[derive(Debug)]
struct FileMetrics {
    registry: Registry,
    read_errors: Arc<Counter>,
    watcher_errors: Arc<Counter>,
    scan_duration: Arc<Summary>,
}

impl FileMetrics {
    fn new(registry: &Registry) -> FileMetrics {
        let labels = &[];
        FileMetrics {
            registry: registry.clone(),
            read_errors: registry.counter(
                "prometheus_sd_file_read_errors_total",
                "The number of File-SD read errors.",
                labels,
            ),
            watcher_errors: registry.counter(
                "prometheus_sd_file_watcher_errors_total",
                "The number of File-SD errors caused by filesystem watch failures.",
                labels,
            ),
            scan_duration: registry.summary(
                "prometheus_sd_file_scan_duration_seconds",
                "The duration of the File-SD scan in seconds.",
                labels,
                &DURATION_QUANTILES,
            ),
        }
    }

    fn note(&self, turn: &Turn) {
        self.read_errors.add(turn.errors.len() as f64);
        for (path, seconds) in &turn.read {
            let help = "Timestamp (mtime) of files read by FileSD. \
                        Timestamp is set at read time.";
            let gauge = self.registry.gauge(MTIME, help, &[("filename", path)]);
            gauge.set(*seconds);
        }
        for path in &turn.gone {
            self.registry.remove(MTIME, &[("filename", path)]);
        }
    }
}
