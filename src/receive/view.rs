//! Shows what has arrived: a table, lines, JSON, and the summary.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;

use crate::limits;
use crate::model::calendar::Millis;
use crate::model::time::{Mono, Wall};

use super::ledger::{JobCounts, Ledger};
use super::{View, seconds};

/// What was seen at one moment.
#[derive(Clone, Debug, Default)]
struct Seen {
    at: Mono,
    wall: Wall,
    requests: u64,
    samples: u64,
    /// Name and count, only what is not zero.
    notes: Vec<(&'static str, u64)>,
    jobs: Vec<(String, JobCounts)>,
    is_full: bool,
}

/// Shows one moment after another.
pub(super) struct Reporter {
    view: View,
    began: Mono,
    before: Seen,
    now: Seen,
    /// First samples that are still to be shown, and how many were.
    examples: Vec<String>,
    examples_taken: usize,
    /// Lines of the table that is on the screen.
    table_lines: usize,
}

impl Reporter {
    pub(super) fn new(view: View, now: Mono) -> Reporter {
        let begin = Seen {
            at: now,
            ..Seen::default()
        };
        Reporter {
            view,
            began: now,
            before: begin.clone(),
            now: begin,
            examples: Vec::new(),
            examples_taken: 0,
            table_lines: 0,
        }
    }

    pub(super) fn greet(&self, out: &mut dyn Write, addresses: &[SocketAddr]) {
        if matches!(self.view, View::Table | View::Lines) {
            for address in addresses {
                put(
                    out,
                    &format!("receiving on http://{address}/api/v1/write\n"),
                );
            }
        }
    }

    /// Looks at the ledger; call with its lock held.
    pub(super) fn observe(&mut self, now: Mono, wall: Wall, ledger: &Ledger) {
        let new = ledger.examples.get(self.examples_taken..).unwrap_or(&[]);
        self.examples.extend_from_slice(new);
        self.examples_taken = ledger.examples.len();
        let counters = [
            ("stale", ledger.jobs.values().map(|job| job.stale).sum()),
            ("requests_v2", ledger.requests_v2),
            ("requests_zstd", ledger.requests_zstd),
            ("exemplars", ledger.exemplars),
            ("histograms", ledger.histograms),
            ("start_timestamps", ledger.started),
            ("metadata", ledger.metadata),
            ("refused", ledger.refused),
            ("undecodable", ledger.undecodable),
        ];
        let findings = ledger
            .findings
            .iter()
            .map(|(broken, count)| (broken.name(), count));
        let notes = counters.into_iter().chain(findings);
        let seen = Seen {
            at: now,
            wall,
            requests: ledger.requests,
            samples: ledger.samples,
            notes: notes.filter(|(_, count)| *count > 0).collect(),
            jobs: ledger
                .jobs
                .iter()
                .map(|(name, job)| (name.clone(), job.clone()))
                .collect(),
            is_full: ledger.is_full(),
        };
        self.now = seen;
    }

    /// Shows what was observed, if anything arrived since it was last shown.
    pub(super) fn show(&mut self, out: &mut dyn Write) {
        let is_news = self.now.requests != self.before.requests;
        match self.view {
            View::Table => self.show_table(out),
            View::Lines if is_news => {
                self.show_examples(out);
                put(out, &self.line());
            }
            View::Json if is_news => put(out, &self.json("second")),
            View::Lines | View::Json | View::Quiet => {}
        }
        self.before = self.now.clone();
    }

    /// Shows everything since the start.
    pub(super) fn summarize(&mut self, out: &mut dyn Write) {
        self.before = Seen {
            at: self.began,
            ..Seen::default()
        };
        if self.view == View::Json {
            return put(out, &self.json("summary"));
        }
        self.erase_table(out);
        self.show_examples(out);
        put(out, &format!("\n{}", self.table()));
    }

    fn show_examples(&mut self, out: &mut dyn Write) {
        for example in self.examples.drain(..) {
            put(out, &format!("  {example}\n"));
        }
    }

    fn rate(&self) -> f64 {
        let new = self.now.samples.saturating_sub(self.before.samples);
        new as f64 / seconds(self.now.at.since(self.before.at))
    }

    fn total(&self, count: fn(&JobCounts) -> u64) -> u64 {
        self.now.jobs.iter().map(|(_, job)| count(job)).sum()
    }

    fn line(&self) -> String {
        let mut line = format!(
            "time={} requests={} samples={} rate={:.0} series={} targets={} jobs={}",
            Millis(self.now.wall),
            self.now.requests,
            self.now.samples,
            self.rate(),
            self.total(|job| job.series),
            self.total(|job| job.targets),
            self.now.jobs.len(),
        );
        for (name, count) in &self.now.notes {
            // Writing to a String cannot fail.
            let _infallible = write!(line, " {name}={count}");
        }
        line.push('\n');
        line
    }

    fn json(&self, kind: &str) -> String {
        let jobs = self.now.jobs.iter().map(|(name, job)| {
            let counts = serde_json::json!({
                "samples": job.samples,
                "stale": job.stale,
                "series": job.series,
                "targets": job.targets,
            });
            (name.clone(), counts)
        });
        let notes = self
            .now
            .notes
            .iter()
            .map(|(name, count)| ((*name).to_owned(), (*count).into()));
        let object = serde_json::json!({
            "time": Millis(self.now.wall).to_string(),
            "kind": kind,
            "requests": self.now.requests,
            "samples": self.now.samples,
            "samples_per_second": self.rate(),
            "jobs": object(jobs),
            "notes": object(notes),
            "limits_reached": self.now.is_full,
        });
        format!("{object}\n")
    }

    fn show_table(&mut self, out: &mut dyn Write) {
        self.erase_table(out);
        self.show_examples(out);
        let table = self.table();
        self.table_lines = table.lines().count();
        put(out, &table);
    }

    /// Moves the cursor to the table's first line and clears from there.
    fn erase_table(&mut self, out: &mut dyn Write) {
        if self.table_lines > 0 {
            put(out, &format!("\x1b[{}A\x1b[J", self.table_lines));
        }
        self.table_lines = 0;
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{} requests, {} samples, {:.0} samples/s\n",
            self.now.requests,
            self.now.samples,
            self.rate()
        );
        let _infallible = writeln!(
            text,
            "{:<24} {:>9} {:>10} {:>12} {:>9} {:>10}",
            "JOB", "TARGETS", "SERIES", "SAMPLES", "STALE", "SAMPLES/S"
        );
        let secs = seconds(self.now.at.since(self.before.at));
        for (name, job) in self.now.jobs.iter().take(limits::RECEIVE_TABLE_ROWS) {
            let before = self.before.jobs.iter().find(|(own, _)| own == name);
            let before = before.map_or(0, |(_, job)| job.samples);
            let name: String = name.escape_debug().take(24).collect();
            let _infallible = writeln!(
                text,
                "{name:<24} {:>9} {:>10} {:>12} {:>9} {:>10.0}",
                job.targets,
                job.series,
                job.samples,
                job.stale,
                job.samples.saturating_sub(before) as f64 / secs
            );
        }
        for (name, count) in &self.now.notes {
            let _infallible = writeln!(text, "{name}: {count}");
        }
        if self.now.is_full {
            text.push_str("limits reached: some jobs, targets or series are not told apart\n");
        }
        text
    }
}

fn put(out: &mut dyn Write, text: &str) {
    // Whoever closed our output does not want to see more; receiving goes on.
    let _nobody_reads = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
/// An object, filled one by one: collecting sorts first, which takes much code for little.
fn object(entries: impl Iterator<Item = (String, serde_json::Value)>) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    for (name, value) in entries {
        object.insert(name, value);
    }
    serde_json::Value::Object(object)
}
