//! End-to-end tests: the real program, real sockets, scripted peers.
//!
//! Each module is one area of behaviour. `support` holds the harness; `differential` runs the
//! same configuration under Debian's Prometheus and compares what both deliver.

#[cfg(test)]
mod check_config;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod life;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod self_metrics;
#[cfg(test)]
mod support;
