//! The machinery of `benches/side_by_side`, tested: a measurement that is wrong is worse than none.

#![expect(clippy::panic, reason = "the bench ends when it cannot measure")]
#![allow(dead_code, reason = "what only the bench's main function uses")]

#[path = "../../benches/side_by_side/agent.rs"]
mod agent;
#[path = "../../benches/side_by_side/basics.rs"]
mod basics;
#[path = "../../benches/support/churn.rs"]
mod churn;
#[path = "../../benches/side_by_side/figures.rs"]
mod figures;
#[path = "../../benches/side_by_side/fleet/mod.rs"]
mod fleet;
#[path = "../../benches/side_by_side/options.rs"]
mod options;
#[path = "../../benches/side_by_side/outage.rs"]
mod outage;
#[path = "../../benches/support/pages.rs"]
mod pages;
#[path = "../e2e/support/ports.rs"]
mod ports;
#[path = "../../benches/side_by_side/promises.rs"]
mod promises;
#[path = "../../benches/side_by_side/sampler.rs"]
mod sampler;
#[path = "../../benches/side_by_side/scenario.rs"]
mod scenario;
#[path = "../../benches/side_by_side/sink/mod.rs"]
mod sink;
#[path = "../../benches/side_by_side/steady.rs"]
mod steady;

mod receiving;
mod running;
mod serving;
mod wording;
