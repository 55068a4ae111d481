//! Whole measurements of the real program, short ones: the figures are those of what happened.

use crate::fleet::Fleet;
use crate::options::Options;
use crate::scenario::Scenario;
use crate::{outage, sampler, steady};
use std::time::Duration;

fn options(line: &str) -> Options {
    let arguments = line.split_whitespace().map(str::to_owned);
    Options::parse(arguments, env!("CARGO_BIN_EXE_narthex")).expect("good options")
}

fn figure(figures: &[(&'static str, f64)], name: &str) -> f64 {
    let found = figures.iter().find(|(own, _)| *own == name);
    found.unwrap_or_else(|| panic!("no figure {name}")).1
}

#[test]
fn a_steady_agent_is_measured() {
    let options = options("--agents narthex --scenarios 4x200:tls:every=1 --warmup 2 --seconds 12");
    let scenario: &Scenario = &options.scenarios[0];
    let fleet = Fleet::start(scenario);
    let found = steady::measure(&options, scenario, &options.programs[0], &fleet).figures;
    println!("{found:?}");
    assert_eq!(found.len(), steady::NAMES.len());
    assert!(
        found.iter().all(|(_, value)| value.is_finite()),
        "{found:?}"
    );
    // 4 targets with 200 series and 5 of the report, every second; a loaded machine drops some.
    let rate = figure(&found, "samples/s delivered");
    assert!((200.0..=1100.0).contains(&rate), "{rate}");
    assert!(figure(&found, "CPU per sample, us") > 0.0);
    assert!(figure(&found, "RSS (peak), MiB") >= figure(&found, "RSS (median), MiB"));
    // What is delivered in time stays in memory.
    let growth = figure(&found, "growth of the data folder, bytes a sample");
    assert!((0.0..20.0).contains(&growth), "{growth}");
    let wire = figure(&found, "sent, bytes a sample");
    assert!((5.0..60.0).contains(&wire), "{wire}");
    let first = figure(&found, "start to first request of a target, s");
    assert!(first <= figure(&found, "start to first sample, s"));
    assert_eq!(figure(&found, "samples out of order"), 0.0);
}

#[test]
fn catching_up_is_measured() {
    let options = options("--agents narthex --scenarios 4x200:every=1:outage=5 --warmup 2");
    let scenario = &options.scenarios[0];
    let fleet = Fleet::start(scenario);
    let length = Duration::from_secs(5);
    let program = &options.programs[0];
    let found = outage::measure(&options, scenario, program, &fleet, length).figures;
    println!("{found:?}");
    let backlog = figure(&found, "backlog, samples");
    assert!(
        backlog >= 205.0,
        "five seconds hold at least one scrape: {backlog}"
    );
    assert!((0.0..30.0).contains(&figure(&found, "return noticed, s")));
    assert!(figure(&found, "drained, samples/s") > 0.0);
    assert_eq!(figure(&found, "samples out of order"), 0.0);
}

#[test]
fn the_kernel_is_read_strictly() {
    assert_eq!(sampler::field("a: 1\nVmRSS:\t  12 kB\n", "VmRSS:"), 12);
    let missing = std::panic::catch_unwind(|| sampler::field("a: 1\n", "VmRSS:"));
    assert!(missing.is_err(), "an absent counter is no zero");
    let folder = tempfile::tempdir().expect("folder");
    std::fs::create_dir(folder.path().join("deep")).expect("folder");
    std::fs::write(folder.path().join("deep/a"), [0; 10]).expect("file");
    std::fs::write(folder.path().join("b"), [0; 5]).expect("file");
    assert_eq!(sampler::bytes_in(folder.path()), 15);
}
