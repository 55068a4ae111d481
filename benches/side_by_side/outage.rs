//! A receiver that is down for a while: how soon its return is noticed, and how fast the backlog
//! comes.

use std::time::Duration;

use crate::agent::{Agent, Program};
use crate::figures::Figures;
use crate::fleet::Fleet;
use crate::options::Options;
use crate::sampler;
use crate::scenario::Scenario;
use crate::sink::Sink;
use crate::sink::books::CatchUp;
use crate::steady::wait_for_first_sample;

/// The figures, in the order of the table; promises name them.
pub(crate) const NAMES: [&str; 7] = [
    "return noticed, s",
    "backlog, samples",
    "drained to 95%, s",
    "drained, samples/s",
    "RSS (peak), MiB",
    "samples out of order",
    "samples repeated",
];

/// The backlog has come when nothing of it arrived for so long.
const QUIET: Duration = Duration::from_secs(5);

/// Percent of the backlog that count as drained. The youngest samples may wait for a request to
/// fill up, as fresh ones do, which says nothing about the speed.
const DRAINED_PERCENT: u64 = 95;

/// Longest wait for the backlog.
const DRAIN: Duration = Duration::from_secs(600);

/// Measures one agent.
pub(crate) fn measure(
    options: &Options,
    scenario: &Scenario,
    program: &Program,
    fleet: &Fleet,
    outage: Duration,
) -> Figures {
    fleet.reset();
    let sink = Sink::start();
    let mut agent = Agent::start(program, scenario, fleet, &sink.url());
    wait_for_first_sample(&mut agent, &sink, scenario);
    sampler::wait(options.warmup);
    sink.go_away();
    sampler::wait(outage);
    agent.assert_running();
    let returned = sink.come_back();
    let quiet = || {
        let caught = sink.books().catch_up.clone();
        let last = caught.last_late()?;
        (last.elapsed() >= QUIET).then_some(caught)
    };
    let caught = sampler::wait_for(DRAIN, quiet);
    let caught = caught.unwrap_or_else(|| panic!("{}: the backlog did not come", program.name));
    let peak = sampler::peak(agent.pid());
    let counts = sink.books().counts;
    let noticed = caught
        .first
        .map_or(f64::NAN, |first| (first - returned).as_secs_f64());
    let drained = caught.late as f64 * DRAINED_PERCENT as f64 / 100.0;
    let values = [
        noticed,
        caught.late as f64,
        drain_seconds(&caught),
        drained / drain_seconds(&caught),
        peak as f64 / 1024.0,
        counts.out_of_order as f64,
        counts.repeated as f64,
    ];
    Figures {
        agent: program.name.clone(),
        promised: program.is_narthex(),
        figures: NAMES.into_iter().zip(values).collect(),
    }
}

/// From the first request after the return until nearly all of the backlog had come; at least a
/// millisecond, so that a backlog of one request has a rate.
fn drain_seconds(caught: &CatchUp) -> f64 {
    match (caught.first, caught.at_percent(DRAINED_PERCENT)) {
        (Some(first), Some(last)) => {
            let took = last.saturating_duration_since(first);
            took.max(Duration::from_millis(1)).as_secs_f64()
        }
        _ => f64::NAN,
    }
}
