//! An agent at work while nothing goes wrong: warm up, then a window between two readings.

use std::time::{Duration, Instant};

use crate::agent::{Agent, Program};
use crate::basics::now;
use crate::figures::{Figure, Figures};
use crate::fleet::Fleet;
use crate::options::Options;
use crate::sampler::{self, Memory, Reading};
use crate::scenario::Scenario;
use crate::sink::Sink;

/// The figures, in the order of the table; promises name them.
pub(crate) const NAMES: [&str; 17] = [
    "samples/s delivered",
    "CPU, % of a core",
    "CPU per sample, us",
    "RSS (median), MiB",
    "RSS (peak), MiB",
    "written to disk, KiB/s",
    "written to disk, bytes a sample",
    "growth of the data folder, bytes a sample",
    "sent, bytes a sample",
    "samples a request",
    "staleness markers, % of the samples",
    "context switches/s",
    "threads",
    "start to first request of a target, s",
    "start to first sample, s",
    "samples out of order",
    "samples repeated",
];

/// Longest wait for a first sample beyond the interval.
const FIRST_SAMPLE: Duration = Duration::from_secs(60);

/// Waits for the first sample, and returns when it came.
pub(crate) fn wait_for_first_sample(
    agent: &mut Agent,
    sink: &Sink,
    scenario: &Scenario,
) -> Instant {
    let limit = FIRST_SAMPLE + Duration::from_secs(scenario.interval);
    let first = sampler::wait_for(limit, || {
        agent.assert_running();
        sink.books().first_sample
    });
    first.unwrap_or_else(|| panic!("{}: no sample within {limit:?}", scenario.name))
}

/// Measures one agent.
pub(crate) fn measure(
    options: &Options,
    scenario: &Scenario,
    program: &Program,
    fleet: &Fleet,
) -> Figures {
    fleet.reset();
    let sink = Sink::start();
    let started = now();
    let mut agent = Agent::start(program, scenario, fleet, &sink.url());
    let first_sample = wait_for_first_sample(&mut agent, &sink, scenario);
    sampler::wait(options.warmup);
    let before = Reading::take(agent.pid(), &agent.data(), &sink);
    let memory = sampler::watch_memory(agent.pid(), options.window);
    let after = Reading::take(agent.pid(), &agent.data(), &sink);
    agent.assert_running();
    let refused = fleet.refused();
    assert!(
        refused == 0,
        "{}: {refused} requests did not ask for gzip, which {} measures",
        program.name,
        scenario.name
    );
    assert!(
        after.sink.requests > before.sink.requests,
        "{}: no request within {:?}: a window must be longer than the time that a request fills",
        program.name,
        options.window
    );
    let seconds = |since: Option<Instant>| {
        since.map_or(f64::NAN, |at| {
            at.saturating_duration_since(started).as_secs_f64()
        })
    };
    let starts = [seconds(fleet.first_request()), seconds(Some(first_sample))];
    Figures {
        agent: program.name.clone(),
        promised: program.is_narthex(),
        figures: between(&before, &after, memory, starts),
    }
}

/// Differences between two readings.
fn between(before: &Reading, after: &Reading, memory: Memory, starts: [f64; 2]) -> Vec<Figure> {
    let seconds = (after.at - before.at).as_secs_f64();
    let difference = |of: fn(&Reading) -> u64| (of(after) as f64) - (of(before) as f64);
    let samples = difference(|reading| reading.sink.samples);
    let cpu_ns = difference(|reading| reading.cpu_ns);
    let written = difference(|reading| reading.written);
    let values = [
        samples / seconds,
        cpu_ns / seconds / 1e7,
        cpu_ns / 1e3 / samples,
        memory.median as f64 / 1024.0,
        memory.peak as f64 / 1024.0,
        written / 1024.0 / seconds,
        written / samples,
        difference(|reading| reading.folder) / samples,
        difference(|reading| reading.sink.bytes) / samples,
        samples / difference(|reading| reading.sink.requests),
        difference(|reading| reading.sink.markers) / samples * 100.0,
        difference(|reading| reading.switches) / seconds,
        after.threads as f64,
        starts[0],
        starts[1],
        // Since the start: there must never be any.
        after.sink.out_of_order as f64,
        after.sink.repeated as f64,
    ];
    NAMES.into_iter().zip(values).collect()
}
