//! What is shipped beside the binary: units, pages, completions, rules and dashboards fit it.

#[cfg(test)]
mod calls;

#[cfg(test)]
mod completions;

#[cfg(test)]
mod configurations;

#[cfg(test)]
mod drop_ins;

#[cfg(test)]
mod pages;

#[cfg(test)]
mod units;

#[cfg(test)]
mod watching;

#[cfg(test)]
mod tools;
