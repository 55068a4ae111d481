//! The configuration: given text, returns a valid [`Config`] or an error with file, line and key
//! path. Never touches files, clocks or threads itself.

pub mod check;
pub mod decode;
pub mod dump;
pub mod error;
mod expand;
pub mod glob;
pub mod http_client;
pub mod load;
pub mod oauth2;
pub mod paths;
pub mod read;
pub mod remote_write;
pub mod scrape;
pub mod secret;
pub mod sigv4;
pub mod url;
pub mod web;
pub mod yaml;

use std::sync::Arc;

use crate::model::labels::Labels;

/// A valid configuration, defaults filled in, relative paths resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What holds for every job.
    pub global: Global,
    /// One per job, in file order, those of `scrape_config_files` after them.
    pub scrape_configs: Vec<Arc<scrape::ScrapeConfig>>,
    /// One per endpoint, in file order.
    pub remote_write: Vec<Arc<remote_write::RemoteWriteConfig>>,
}

/// What the command line adds to the defaults of a configuration (`--enable-feature`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Jobs keep start timestamps (`st-storage`).
    pub start_timestamps: bool,
    /// Jobs add zeros at start timestamps (`created-timestamp-zero-ingestion`).
    pub start_zeros: bool,
    /// Jobs that do not say have the extra synthetic series (`extra-scrape-metrics`).
    pub extra_scrape_metrics: bool,
}

/// The `global` section as far as it is not already folded into the jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Global {
    /// Added to every series on its way out, environment variables expanded.
    pub external_labels: Labels,
    /// `storage.tsdb.out_of_order_time_window` in milliseconds.
    pub out_of_order_window_ms: u64,
}
