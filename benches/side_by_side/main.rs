//! Measures agents side by side: the same fleet of exporters, the same receiver, one agent after
//! the other, in one run. Ratios of one run count; absolute figures are a guide.
//!
//! `cargo bench --bench side_by_side -- [--sizes 5x1000,200x1500] [--warmup 45] [--seconds 75]
//! [--agents prometheus,narthex] [--narthex PATH]`

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement prints its results, and ends when it cannot be made"
)]

mod agent;
mod fleet;
mod sampler;
mod sink;

use std::time::Duration;

/// What the command line asks for.
struct Options {
    sizes: Vec<(usize, usize)>,
    warmup: Duration,
    window: Duration,
    agents: Vec<String>,
    narthex: String,
}

fn options() -> Options {
    let mut options = Options {
        sizes: vec![(5, 1000), (200, 1500)],
        warmup: Duration::from_secs(45),
        window: Duration::from_secs(75),
        agents: vec!["prometheus".to_owned(), "narthex".to_owned()],
        narthex: env!("CARGO_BIN_EXE_narthex").to_owned(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .unwrap_or_else(|| panic!("{name} needs a value"))
        };
        match name.as_str() {
            "--bench" => {}
            "--sizes" => options.sizes = value().split(',').map(size).collect(),
            "--warmup" => options.warmup = seconds(&value()),
            "--seconds" => options.window = seconds(&value()),
            "--agents" => options.agents = value().split(',').map(str::to_owned).collect(),
            "--narthex" => options.narthex = value(),
            other => panic!("unknown option {other}"),
        }
    }
    options
}

fn size(text: &str) -> (usize, usize) {
    let (targets, series) = text.split_once('x').expect("sizes look like 5x1000");
    (
        targets.parse().expect("number of targets"),
        series.parse().expect("number of series"),
    )
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.parse().expect("a number of seconds"))
}

fn main() {
    let options = options();
    for (targets, series) in &options.sizes {
        println!("\n## {targets} targets x {series} series, every 15 s");
        let fleet = fleet::Fleet::start(*targets, *series);
        let rows: Vec<(String, sampler::Figures)> = options
            .agents
            .iter()
            .map(|name| {
                let figures = measure(&options, name, &fleet);
                eprintln!("{name}: {figures:?}");
                (name.clone(), figures)
            })
            .collect();
        sampler::print_table(&rows);
    }
}

fn measure(options: &Options, name: &str, fleet: &fleet::Fleet) -> sampler::Figures {
    let sink = sink::Sink::start();
    let mut agent = agent::Agent::start(name, &options.narthex, fleet, &sink);
    let first_sample = sink.wait_for_first_sample(Duration::from_secs(60));
    sampler::wait(options.warmup);
    let before = sampler::Reading::take(agent.pid(), &sink);
    let peak_window = sampler::watch_memory(agent.pid(), options.window);
    let after = sampler::Reading::take(agent.pid(), &sink);
    let figures = sampler::Figures::between(&before, &after, &peak_window, first_sample);
    agent.stop();
    figures
}
