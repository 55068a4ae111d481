//! What was measured of each agent, and the table of a scenario.

use std::fmt::Write as _;

use crate::promises::Promise;

/// A figure by its name.
pub(crate) type Figure = (&'static str, f64);

/// The figures of one agent; all agents of a scenario have the same ones in the same order.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// The agent.
    pub(crate) agent: String,
    /// Whether promises hold for it.
    pub(crate) promised: bool,
    /// What was measured.
    pub(crate) figures: Vec<Figure>,
}

/// A Markdown table: a column for each agent, and ratios to the first. Where an agent that has
/// promises does not keep one, the cell says so.
pub(crate) fn table(agents: &[Figures], promises: &[&Promise]) -> String {
    let Some((first, others)) = agents.split_first() else {
        return String::new();
    };
    let mut out = String::from("| figure |");
    for agent in agents {
        let _text = write!(out, " {} |", agent.agent);
    }
    for agent in others {
        let _text = write!(out, " {} / {} |", agent.agent, first.agent);
    }
    let _text = write!(
        out,
        "\n|---|{}\n",
        "---|".repeat(agents.len() + others.len())
    );
    for (index, (name, base)) in first.figures.iter().enumerate() {
        let _text = write!(out, "| {name} |");
        for agent in agents {
            let value = agent.figures[index].1;
            let broken = promises
                .iter()
                .find(|promise| agent.promised && promise.figure == *name && !promise.holds(value));
            let mark = broken.map(|promise| format!(" **FAILS {}**", promise.must()));
            let _text = write!(out, " {}{} |", number(value), mark.unwrap_or_default());
        }
        for agent in others {
            let ratio = agent.figures[index].1 / base;
            let text = if ratio.is_finite() {
                format!("{ratio:.3}")
            } else {
                "-".to_owned()
            };
            let _text = write!(out, " {text} |");
        }
        out.push('\n');
    }
    out
}

/// Three digits at least, none too many.
fn number(value: f64) -> String {
    if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}
