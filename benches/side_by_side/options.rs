//! The command line.
//!
//! | option | meaning |
//! |---|---|
//! | `--scenarios A,B` | what to measure, see `scenario`; the default is the list of the promises |
//! | `--agents A,B` | which agents, in this order; the first is what ratios are against |
//! | `--agent NAME='COMMAND'` | one more agent, see `agent` |
//! | `--narthex PATH` | another binary than the one just built |
//! | `--warmup SECONDS`, `--seconds SECONDS` | before the window, and its length |
//! | `--quick` | small, short: shows that everything runs; its figures mean nothing |

use std::time::Duration;

use crate::agent::Program;
use crate::scenario::Scenario;

/// What is measured unless the command line says otherwise: every fleet that a promise names.
const SCENARIOS: &str = "5x1000,200x1500,200x1500:own,1000x100:mixed,2x100000:mixed,\
     100x1500:every=1,200x1500:churn=5,200x1500:tls,200x1500:outage=60,200x1500:rw2,200x1500:zstd";

/// One of each kind, small.
const QUICK: &str = "5x1000:every=1,10x300:own:every=1,12x200:mixed:churn=5:every=1,\
     5x300:plain:every=1,5x300:tls:every=1,20x500:every=1:outage=5";

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct Options {
    /// What to measure.
    pub(crate) scenarios: Vec<Scenario>,
    /// Of which programs; ratios are against the first.
    pub(crate) programs: Vec<Program>,
    /// Time from the first sample to the window.
    pub(crate) warmup: Duration,
    /// Length of the window.
    pub(crate) window: Duration,
}

impl Options {
    /// Reads the arguments; `narthex` is the binary that was just built.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn parse(
        arguments: impl Iterator<Item = String>,
        narthex: &str,
    ) -> Result<Options, String> {
        let mut scenarios = None;
        let (mut warmup, mut window, mut quick) = (None, None, false);
        let mut names = "prometheus,narthex".to_owned();
        let mut narthex = narthex.to_owned();
        let mut more = Vec::new();
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("{name} needs a value"))
            };
            match name.as_str() {
                // Cargo adds it.
                "--bench" => {}
                "--quick" => quick = true,
                "--scenarios" => scenarios = Some(value()?),
                "--agents" => names = value()?,
                "--agent" => more.push(Program::template(&value()?)?),
                "--narthex" => narthex = value()?,
                "--warmup" => warmup = Some(seconds(&value()?)?),
                "--seconds" => window = Some(seconds(&value()?)?),
                other => return Err(format!("{other} is not known")),
            }
        }
        let list = scenarios.unwrap_or_else(|| if quick { QUICK } else { SCENARIOS }.to_owned());
        let known = names.split(',').filter(|name| !name.is_empty());
        let mut programs = known
            .map(|name| Program::known(name, &narthex))
            .collect::<Result<Vec<_>, _>>()?;
        programs.append(&mut more);
        Ok(Options {
            scenarios: list
                .split(',')
                .map(Scenario::parse)
                .collect::<Result<_, _>>()?,
            programs,
            warmup: warmup.unwrap_or(Duration::from_secs(if quick { 3 } else { 45 })),
            window: window.unwrap_or(Duration::from_secs(if quick { 12 } else { 75 })),
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.parse();
    number
        .map(Duration::from_secs)
        .map_err(|_| format!("{text:?} is not a number of seconds"))
}
