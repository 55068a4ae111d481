//! End-to-end tests: the real program, real sockets, scripted peers.
//!
//! Each module is one area of behaviour. `support` holds the harness; `differential` runs the
//! same configuration under Debian's Prometheus and compares what both deliver.

#[cfg(test)]
mod check_config;
#[cfg(test)]
mod consul;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod discover;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod docker;
#[cfg(test)]
mod down;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod footprint;
mod hostile;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod life;
#[cfg(test)]
mod log_tool;
#[cfg(test)]
mod mdns;
mod memory_budget;
#[cfg(test)]
mod native_histograms;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod protobuf;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod remote_write_2;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod sd_differential;
#[cfg(test)]
mod self_metrics;
#[cfg(test)]
mod service;
#[cfg(test)]
mod stores;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod unix_socket;
#[cfg(test)]
mod web_config;
#[cfg(test)]
mod zstd;
