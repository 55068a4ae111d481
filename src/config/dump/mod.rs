//! The effective configuration as YAML: what `/api/v1/status/config` and `check config` show.
//!
//! Every value is named here before it is shown; a field that nobody added here stays hidden.
//! Secrets show as `<secret>`, passwords in URLs as `xxxxx`. Jobs appear with what they inherited,
//! those of `scrape_config_files` among them, so the text loads again to an equal configuration
//! (secrets aside). Defaults of Prometheus that mean nothing here are not repeated.

mod discovery;
mod http_client;
mod remote_write;
mod scrape;
mod section;
#[cfg(test)]
mod tests;

use super::Config;
use super::yaml::write;
use section::Section;

/// What stands in place of a secret.
const SECRET: &str = "<secret>";

/// The text of a configuration.
#[must_use]
pub fn dump(config: &Config) -> String {
    let mut top = Section::default();
    let labels = config.global.external_labels.iter();
    // A dollar sign would be expanded when the text is loaded again.
    let labels =
        labels.map(|(name, value)| (name.to_owned(), write::text(&value.replace('$', "$$"))));
    let mut global = Section::default();
    global.mapping("external_labels", labels);
    top.section("global", global);
    let jobs = config.scrape_configs.iter().map(|job| scrape::node(job));
    top.list("scrape_configs", jobs);
    let window = std::time::Duration::from_millis(config.global.out_of_order_window_ms);
    let mut tsdb = Section::default();
    if !window.is_zero() {
        tsdb.duration("out_of_order_time_window", window);
    }
    let mut storage = Section::default();
    storage.section("tsdb", tsdb);
    top.section("storage", storage);
    let endpoints = config
        .remote_write
        .iter()
        .map(|endpoint| remote_write::node(endpoint));
    top.list("remote_write", endpoints);
    write::to_text(&top.node())
}
