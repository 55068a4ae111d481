//! The scrape engine: targets, their timing, the fetching of pages and what becomes of them.
//!
//! ```text
//!  target sets --> scheduler ---- orders ---> scrape-n (one poll, many exchanges)
//!                  (pools, wheel)             target loop: page -> cache -> blocks --> sink
//! ```
//!
//! Cores are pure: [`schedule`] decides when, [`target_loop`] what becomes of a page. The shells
//! are [`thread`] (scheduler) and [`worker`]. Knows nothing of where targets come from nor of
//! where blocks go.

mod assigned;
pub mod cache;
pub mod exemplars;
mod failure_log;
pub mod metrics;
pub mod offender;
pub mod page;
pub mod pool;
pub mod pool_metrics;
pub mod report;
mod request;
pub mod row_labels;
pub mod samples;
pub mod schedule;
pub mod starts;
pub mod status;
pub mod target;
pub mod target_loop;
#[cfg(test)]
mod testing;
pub mod thread;
mod upcoming;
mod waiting;
pub mod wheel;
mod worker;
mod zeros;
