//! Reads what the kernel counts of a process, and prints the table.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::sink::Sink;

/// Counters at one moment.
pub(crate) struct Reading {
    at: Instant,
    cpu_ns: u64,
    written: u64,
    switches: u64,
    samples: u64,
    wire: u64,
    requests: u64,
}

/// Waits; a bench may.
#[expect(
    clippy::disallowed_methods,
    reason = "a bench measures over stretches of time"
)]
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or("0");
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

fn threads(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task")).expect("running");
    entries
        .flatten()
        .map(|entry| entry.path().display().to_string())
        .collect()
}

impl Reading {
    /// Reads everything now.
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    pub(crate) fn take(pid: u32, sink: &Sink) -> Reading {
        let threads = threads(pid);
        let cpu_of = |thread: &String| {
            let text = file(&format!("{thread}/schedstat"));
            text.split(' ')
                .next()
                .and_then(|ns| ns.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let switches_of = |thread: &String| {
            field(
                &file(&format!("{thread}/status")),
                "voluntary_ctxt_switches:",
            )
        };
        Reading {
            at: Instant::now(),
            cpu_ns: threads.iter().map(cpu_of).sum(),
            written: field(&file(&format!("/proc/{pid}/io")), "write_bytes:"),
            switches: threads.iter().map(switches_of).sum(),
            samples: sink.counts.samples.load(Ordering::Relaxed),
            wire: sink.counts.bytes.load(Ordering::Relaxed),
            requests: sink.counts.requests.load(Ordering::Relaxed),
        }
    }
}

/// Memory over a window, in KiB.
#[derive(Debug)]
pub(crate) struct Memory {
    rss_median: u64,
    peak: u64,
    threads: usize,
}

/// Samples memory every second for the length of the window.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn watch_memory(pid: u32, window: Duration) -> Memory {
    let end = Instant::now() + window;
    let mut rss = Vec::new();
    while Instant::now() < end {
        rss.push(field(&file(&format!("/proc/{pid}/status")), "VmRSS:"));
        wait(Duration::from_secs(1).min(end.saturating_duration_since(Instant::now())));
    }
    rss.sort_unstable();
    let peak = field(&file(&format!("/proc/{pid}/status")), "VmHWM:");
    Memory {
        rss_median: rss[rss.len() / 2],
        peak,
        threads: threads(pid).len(),
    }
}

/// The figures of one agent.
#[derive(Debug)]
pub(crate) struct Figures {
    rows: Vec<(&'static str, f64)>,
}

impl Figures {
    /// Differences between two readings.
    pub(crate) fn between(
        before: &Reading,
        after: &Reading,
        memory: &Memory,
        first_sample: Option<Duration>,
    ) -> Figures {
        let seconds = (after.at - before.at).as_secs_f64();
        let samples = (after.samples - before.samples) as f64;
        let cpu_ns = (after.cpu_ns - before.cpu_ns) as f64;
        let written = (after.written - before.written) as f64;
        let wire = (after.wire - before.wire) as f64;
        let rows = vec![
            ("samples/s delivered", samples / seconds),
            ("CPU, % of a core", cpu_ns / seconds / 1e7),
            ("CPU per sample, us", cpu_ns / 1e3 / samples),
            ("RSS (median), MiB", memory.rss_median as f64 / 1024.0),
            ("RSS (peak), MiB", memory.peak as f64 / 1024.0),
            ("written to disk, KiB/s", written / 1024.0 / seconds),
            ("written to disk, bytes a sample", written / samples),
            ("sent, bytes a sample", wire / samples),
            (
                "samples a request",
                samples / (after.requests - before.requests) as f64,
            ),
            (
                "context switches/s",
                (after.switches - before.switches) as f64 / seconds,
            ),
            ("threads", memory.threads as f64),
            (
                "start to first sample, s",
                first_sample.map_or(f64::NAN, |time| time.as_secs_f64()),
            ),
        ];
        Figures { rows }
    }
}

/// Prints a Markdown table with the last agent's ratio to the first.
pub(crate) fn print_table(agents: &[(String, Figures)]) {
    let names: Vec<&str> = agents.iter().map(|(name, _)| name.as_str()).collect();
    println!("| figure | {} | ratio |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len() + 1));
    let Some((_, first)) = agents.first() else {
        return;
    };
    for (index, (label, base)) in first.rows.iter().enumerate() {
        let values: Vec<f64> = agents
            .iter()
            .map(|(_, figures)| figures.rows[index].1)
            .collect();
        let cells: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
        let ratio = values.last().unwrap_or(base) / base;
        println!("| {label} | {} | {ratio:.3} |", cells.join(" | "));
    }
}
