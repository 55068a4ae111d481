//! Measures agents side by side: the same fleet of exporters, the same receiver, one agent after
//! the other, in one run. Ratios of one run count; absolute figures are a guide.
//!
//! `cargo bench --bench side_by_side -- --quick` shows that everything works; `options` has the
//! whole command line, `scenario` what can be measured.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement prints its results, and ends when it cannot be made"
)]

mod agent;
mod basics;
#[path = "../support/churn.rs"]
mod churn;
mod figures;
mod fleet;
mod options;
mod outage;
#[path = "../support/pages.rs"]
mod pages;
#[path = "../../tests/e2e/support/ports.rs"]
mod ports;
mod promises;
mod sampler;
mod scenario;
mod sink;
mod steady;

use std::time::Duration;

use self::figures::Figures;
use self::options::Options;
use self::promises::Promise;
use self::scenario::Scenario;

const SPECIFICATION: &str = include_str!("../../SPECIFICATION.md");

fn main() {
    let arguments = std::env::args().skip(1);
    let options = Options::parse(arguments, env!("CARGO_BIN_EXE_narthex"))
        .unwrap_or_else(|error| panic!("{error}"));
    let promises = promises::read(SPECIFICATION).unwrap_or_else(|error| panic!("{error}"));
    let (mut held, mut broken) = (0, Vec::new());
    for scenario in &options.scenarios {
        let own: Vec<&Promise> = promises
            .iter()
            .filter(|promise| promise.fleet == scenario.name)
            .collect();
        let agents = run(&options, scenario);
        println!("{}", figures::table(&agents, &own));
        for agent in agents.iter().filter(|agent| agent.promised) {
            for promise in &own {
                match value_of(agent, promise) {
                    value if promise.holds(value) => held += 1,
                    value => broken.push(format!(
                        "{}: {} is {value:.3}, must be {}",
                        promise.fleet,
                        promise.figure,
                        promise.must()
                    )),
                }
            }
        }
    }
    let rest = promises.len().saturating_sub(held + broken.len());
    println!(
        "Promises: {held} kept, {} broken, {rest} not measured.",
        broken.len()
    );
    for line in broken {
        println!("- {line}");
    }
}

fn value_of(agent: &Figures, promise: &Promise) -> f64 {
    let own = agent
        .figures
        .iter()
        .find(|(name, _)| *name == promise.figure);
    own.map_or_else(
        || {
            panic!(
                "SPECIFICATION.md: {} has no figure {:?}",
                promise.fleet, promise.figure
            )
        },
        |(_, value)| *value,
    )
}

/// All agents, one after the other.
fn run(options: &Options, scenario: &Scenario) -> Vec<Figures> {
    println!("### {}\n", scenario.name);
    eprintln!("rendering the pages of {}", scenario.name);
    let fleet = fleet::Fleet::start(scenario);
    let one = |program| {
        let served = fleet.served();
        let figures = match scenario.outage {
            None => steady::measure(options, scenario, program, &fleet),
            Some(outage) => outage::measure(
                options,
                scenario,
                program,
                &fleet,
                Duration::from_secs(outage),
            ),
        };
        eprintln!("{}: {} pages", figures.agent, fleet.served() - served);
        figures
    };
    options.programs.iter().map(one).collect()
}
