//! `scrape_failure_log_file`: one JSON line for each failed scrape.
//!
//! The file is opened for each line, so that it can be moved away at any time; failures are rare
//! and at most one per target and interval. A file that cannot be written costs one warning.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use crate::config::scrape::ScrapeConfig;
use crate::model::calendar;
use crate::model::time::Wall;

/// The file of one target's job.
#[derive(Debug)]
pub(super) struct FailureLog {
    path: PathBuf,
    warned: bool,
}

impl FailureLog {
    /// The file that the job names, if it names one.
    pub(super) fn of(config: &ScrapeConfig) -> Option<FailureLog> {
        let path = config.scrape_failure_log_file.clone()?;
        Some(FailureLog {
            path,
            warned: false,
        })
    }

    /// Appends a line.
    pub(super) fn write(&mut self, at: Wall, job: &str, url: &str, error: &str) {
        let line = serde_json::json!({
            "time": calendar::Millis(at).to_string(),
            "level": "ERROR",
            "msg": error,
            "job_name": job,
            "target": url,
        });
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path);
        let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written
            && !std::mem::replace(&mut self.warned, true)
        {
            let (path, error) = (self.path.display().to_string(), error.to_string());
            log::warn!(component = "scrape manager", file = path, err = error; "Cannot write the scrape failure log");
        }
    }
}
