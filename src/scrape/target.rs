//! From discovered labels to a target (Prometheus's `PopulateLabels`).
//!
//! Group labels under target labels, the job's defaults where a label is absent, relabelling, then
//! the special labels: `__address__`, `__scheme__`, `__metrics_path__`, `__param_*`,
//! `__unix_socket__`, `__scrape_interval__` and `__scrape_timeout__` become the URL, the way to it
//! and the timing; those of [`histograms`] say what becomes of histograms.

mod histograms;

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::config::scrape::ScrapeConfig;
use crate::config::url::redacted;
use crate::exposition::transcode::Histograms;
use crate::limits;
use crate::model::duration::{self, Pretty};
use crate::model::labels::{Labels, LabelsBuilder};
use crate::model::series::TargetIdentity;
use crate::model::sorting;
use crate::model::target_group::LabelMap;
use crate::relabel::apply::apply;

/// A target that is to be scraped. Immutable: any change of its labels makes another target.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// Hash, job and the labels that samples get.
    pub identity: Arc<TargetIdentity>,
    /// Labels before relabelling, defaults included.
    pub discovered: Arc<Labels>,
    /// What is fetched.
    pub url: Arc<str>,
    /// The socket of this host behind which the server is; none for the host of the URL.
    pub unix_socket: Option<Arc<str>>,
    /// Time between scrapes.
    pub interval: Duration,
    /// Time for a scrape.
    pub timeout: Duration,
    /// What becomes of histograms.
    pub histograms: Histograms,
}

/// What becomes of a discovered target.
#[derive(Debug)]
pub enum Built {
    /// It is scraped.
    Active(Target),
    /// Relabelling dropped it.
    Dropped(Labels),
}

/// Why a discovered target cannot be scraped. It fails alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A label has an empty name. No sample with it would be valid.
    #[error("relabelling gave the target a label without a name")]
    NamelessLabel,
    /// `__address__` is absent or empty.
    #[error("no address")]
    NoAddress,
    /// `__address__` cannot stand in a URL.
    #[error("{0:?} is not a valid hostname")]
    Hostname(String),
    /// `__unix_socket__` cannot be the path of a socket.
    #[error("{0:?} is not the path of a Unix socket: it must begin with / and have at most {most} bytes", most = limits::UNIX_SOCKET_PATH_BYTES)]
    UnixSocket(String),
    /// `__scheme__` is not one that can be fetched.
    #[error("unsupported protocol scheme {0:?}")]
    Scheme(String),
    /// `__metrics_path__` cannot stand in a request.
    #[error("invalid metrics path {0:?}: it must not contain control characters")]
    Path(String),
    /// An interval or timeout label is malformed.
    #[error("error parsing scrape {what}: {reason}")]
    Duration {
        /// `interval` or `timeout`.
        what: &'static str,
        /// Prometheus's words.
        reason: String,
    },
    /// A label that says what becomes of histograms is neither true nor false.
    #[error("error parsing {what}: strconv.ParseBool: parsing {text:?}: invalid syntax")]
    Bool {
        /// What it decides, in words.
        what: &'static str,
        /// What it holds.
        text: String,
    },
    /// An interval or timeout of zero.
    #[error("scrape {0} cannot be 0")]
    Zero(&'static str),
    /// The timeout is longer than the interval.
    #[error("scrape timeout cannot be greater than scrape interval ({timeout:?} > {interval:?})")]
    TimeoutTooLong {
        /// `__scrape_timeout__`.
        timeout: String,
        /// `__scrape_interval__`.
        interval: String,
    },
}

/// What Go's `url.QueryEscape` leaves as it is (beside letters and digits).
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What must be escaped in a path.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Builds one target of a group.
///
/// # Errors
/// Why this target cannot be scraped.
pub fn build(
    config: &ScrapeConfig,
    job: &Arc<str>,
    group: &LabelMap,
    own: &LabelMap,
) -> Result<Built, TargetError> {
    let mut labels = before_relabelling(config, group, own);
    let discovered = labels.build();
    if !apply(&config.relabel_configs, &mut labels) {
        return Ok(Built::Dropped(discovered));
    }
    if labels.contains("") {
        return Err(TargetError::NamelessLabel);
    }
    let unix_socket = unix_socket(&labels)?;
    if unix_socket.is_some() && labels.get("__address__").is_empty() {
        labels.set("__address__", "localhost");
    }
    let address = labels.get("__address__").to_owned();
    check_address(&address)?;
    let interval = timing(&labels, "__scrape_interval__", "interval")?;
    let timeout = timing(&labels, "__scrape_timeout__", "timeout")?;
    if timeout > interval {
        let text = |name: &str| labels.get(name).to_owned();
        return Err(TargetError::TimeoutTooLong {
            timeout: text("__scrape_timeout__"),
            interval: text("__scrape_interval__"),
        });
    }
    let histograms = histograms::of_labels(config, &labels)?;
    labels.retain(|name, _| !name.starts_with("__meta_"));
    if labels.get("instance").is_empty() {
        labels.set("instance", &address);
    }
    let url: Arc<str> = url(config, &labels)?.into();
    let id = identity(job, &labels, &url);
    let public = Labels::from_pairs(labels.iter().filter(|(name, _)| !name.starts_with("__")));
    Ok(Built::Active(Target {
        identity: Arc::new(TargetIdentity {
            id,
            job: Arc::clone(job),
            labels: public,
        }),
        discovered: Arc::new(discovered),
        url,
        unix_socket,
        interval,
        timeout,
        histograms,
    }))
}

/// The labels of a discovered target that relabelling begins with, the job's defaults included.
#[must_use]
pub fn before_relabelling(
    config: &ScrapeConfig,
    group: &LabelMap,
    own: &LabelMap,
) -> LabelsBuilder {
    let mut labels = LabelsBuilder::from_pairs(group.iter().chain(own.iter()));
    add_defaults(config, &mut labels);
    labels
}

fn add_defaults(config: &ScrapeConfig, labels: &mut LabelsBuilder) {
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_empty() {
            labels.set(name, value);
        }
    };
    default("job", &config.job_name);
    default(
        "__scrape_interval__",
        &Pretty(config.scrape_interval).to_string(),
    );
    default(
        "__scrape_timeout__",
        &Pretty(config.scrape_timeout).to_string(),
    );
    default("__metrics_path__", &config.metrics_path);
    default("__scheme__", &config.scheme);
    for (name, value) in histograms::defaults(config) {
        default(name, value);
    }
    for (name, values) in &config.params {
        if let Some(first) = values.first() {
            default(&format!("__param_{name}"), first);
        }
    }
}

/// An address is a host and perhaps a port. What could end the host in a URL, add credentials or
/// break a request line comes from a discovery source that must not choose it.
fn check_address(address: &str) -> Result<(), TargetError> {
    if address.is_empty() {
        return Err(TargetError::NoAddress);
    }
    let bad = |c: char| c.is_control() || c.is_whitespace() || "/?#@\\\"<>".contains(c);
    if address.contains(bad) {
        return Err(TargetError::Hostname(redacted(address)));
    }
    Ok(())
}

fn unix_socket(labels: &LabelsBuilder) -> Result<Option<Arc<str>>, TargetError> {
    let path = labels.get("__unix_socket__");
    if path.is_empty() {
        return Ok(None);
    }
    let fits = path.len() <= limits::UNIX_SOCKET_PATH_BYTES;
    if !path.starts_with('/') || path.contains('\0') || !fits {
        return Err(TargetError::UnixSocket(path.to_owned()));
    }
    Ok(Some(path.into()))
}

fn timing(labels: &LabelsBuilder, name: &str, what: &'static str) -> Result<Duration, TargetError> {
    let parsed = duration::parse(labels.get(name)).map_err(|error| TargetError::Duration {
        what,
        reason: error.to_string(),
    })?;
    if parsed.is_zero() {
        Err(TargetError::Zero(what))
    } else {
        Ok(parsed)
    }
}

fn url(config: &ScrapeConfig, labels: &LabelsBuilder) -> Result<String, TargetError> {
    let scheme = labels.get("__scheme__").to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "https") {
        return Err(TargetError::Scheme(scheme));
    }
    let path = labels.get("__metrics_path__");
    if path.contains(char::is_control) {
        return Err(TargetError::Path(path.to_owned()));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let escaped = utf8_percent_encode(path, PATH);
    let mut url = format!("{scheme}://{}{slash}{escaped}", labels.get("__address__"));
    for (index, (name, value)) in query(config, labels).iter().enumerate() {
        url.push(if index == 0 { '?' } else { '&' });
        url.push_str(&escape_query(name));
        url.push('=');
        url.push_str(&escape_query(value));
    }
    Ok(url)
}

fn escape_query(text: &str) -> String {
    utf8_percent_encode(text, QUERY)
        .to_string()
        .replace("%20", "+")
}

/// The job's `params` with the first value of each replaced by its `__param_` label, and further
/// `__param_` labels; sorted by name as Go's `url.Values` encodes them.
fn query(config: &ScrapeConfig, labels: &LabelsBuilder) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, values) in &config.params {
        pairs.extend(values.iter().map(|value| (name.clone(), value.clone())));
    }
    for (label, value) in labels.iter() {
        let Some(name) = label.strip_prefix("__param_") else {
            continue;
        };
        match pairs.iter_mut().find(|(own, _)| own == name) {
            Some(first) => value.clone_into(&mut first.1),
            None => pairs.push((name.to_owned(), value.to_owned())),
        }
    }
    sorting::sort_by(&mut pairs, |one, two| one.0.cmp(&two.0));
    pairs
}

fn identity(job: &str, labels: &LabelsBuilder, url: &str) -> u64 {
    let mut hasher = xxhash_rust::xxh64::Xxh64::new(0);
    for text in [job, url]
        .into_iter()
        .chain(labels.iter().flat_map(|(name, value)| [name, value]))
    {
        hasher.update(text.as_bytes());
        hasher.update(&[0xff]);
    }
    hasher.digest()
}

/// When a target's scrapes lie within its interval, so that the targets of many agents spread and
/// a restart keeps the slot: `(hash XOR seed) mod interval` past the wall clock's multiples.
#[must_use]
pub fn offset(id: u64, interval: Duration, seed: u64) -> Duration {
    let nanos = u64::try_from(interval.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1);
    Duration::from_nanos((id ^ seed) % nanos)
}

#[cfg(test)]
mod tests;
