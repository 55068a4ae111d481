//! What the value of a key means: an address, JSON, or a record of SkyDNS. Pure.
//!
//! | Format | Value |
//! |---|---|
//! | address | `192.0.2.1:9100`, white space around it ignored |
//! | json | `{"address": "...", "labels": {...}}`, a target group as in a target file, or a list of those |
//! | skydns | `{"host": "...", "port": 9100, ...}`; the key is a domain name from the back, below one element |
//! | auto | by its first character: `[` is JSON, `{` with a `host` SkyDNS, another `{` JSON, else an address |
//!
//! As strict as target files: an unknown key in JSON makes the whole value broken. SkyDNS records are
//! written by others and may hold more.
//!
//! Meta labels: `__meta_etcd_key`, `__meta_etcd_prefix` (of the configuration), `__meta_etcd_name` (the
//! key without the prefix); of SkyDNS `__meta_etcd_skydns_name`, `__meta_etcd_skydns_host` and, where
//! they are written, `__meta_etcd_skydns_port`, `__meta_etcd_skydns_priority`,
//! `__meta_etcd_skydns_weight`, `__meta_etcd_skydns_text`, `__meta_etcd_skydns_group`,
//! `__meta_etcd_skydns_ttl`.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::discovery::group::{self, ADDRESS};
use crate::discovery::keyed::Entry;
use crate::limits;
use crate::model::target_group::{LabelMap, TargetGroup};

const META: &str = "__meta_etcd_";
const SKYDNS: &str = "__meta_etcd_skydns_";

/// How values are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Each by what it looks like.
    Auto,
    /// An address.
    Address,
    /// JSON.
    Json,
    /// A record of SkyDNS.
    Skydns,
}

impl Format {
    /// The format of that name.
    pub(super) fn named(name: &str) -> Option<Format> {
        match name {
            "auto" => Some(Format::Auto),
            "address" => Some(Format::Address),
            "json" => Some(Format::Json),
            "skydns" => Some(Format::Skydns),
            _ => None,
        }
    }
}

/// What a key below a prefix stands for.
pub(super) fn entry(format: Format, prefix: &str, key: &str, value: &[u8]) -> Entry {
    let name = key.strip_prefix(prefix).unwrap_or(key);
    let shared = [
        ("key", key),
        ("prefix", prefix),
        ("name", name.trim_start_matches('/')),
    ];
    let shared: LabelMap = shared
        .map(|(label, text)| (format!("{META}{label}"), text.to_owned()))
        .into();
    match targets(format, key, value) {
        Ok(targets) => {
            let own = |target: &LabelMap| own_labels(target, &shared);
            let targets = targets.iter().map(own).collect();
            Entry::Targets(shared, targets)
        }
        Err(reason) => Entry::Broken(reason.chars().take(limits::STORE_QUOTE_CHARS).collect()),
    }
}

/// A value must not claim another key's name.
fn own_labels(target: &LabelMap, shared: &LabelMap) -> LabelMap {
    let kept = target
        .iter()
        .filter(|(label, _)| !shared.contains_key(label.as_str()));
    kept.map(|(label, text)| (label.clone(), text.clone()))
        .collect()
}

/// The labels of both; those of `over` win.
fn joined(under: &LabelMap, over: &LabelMap) -> LabelMap {
    let all = under.iter().chain(over.iter());
    all.map(|(label, text)| (label.clone(), text.clone()))
        .collect()
}

fn targets(format: Format, key: &str, value: &[u8]) -> Result<Vec<LabelMap>, String> {
    let text = std::str::from_utf8(value).map_err(|_| "value is not UTF-8".to_owned())?;
    let text = text.trim();
    match format {
        Format::Address => address(text),
        Format::Json => json(text),
        Format::Skydns => skydns(key, text),
        Format::Auto => match text.as_bytes().first() {
            Some(b'{') if shape(text)?.is_skydns() => skydns(key, text),
            Some(b'[' | b'{') => json(text),
            _ => address(text),
        },
    }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn target(address: String) -> LabelMap {
    [(ADDRESS.to_owned(), address)].into()
}

/// Whether it can be reached is not judged: relabelling may still mend it.
fn address(text: &str) -> Result<Vec<LabelMap>, String> {
    if text.is_empty() {
        return Err("value is empty".to_owned());
    }
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if text.contains(odd) || text.chars().count() > limits::STORE_QUOTE_CHARS {
        return Err("value is neither an address nor JSON".to_owned());
    }
    Ok(vec![target(text.to_owned())])
}

/// Which keys an object has.
#[derive(Deserialize)]
struct Shape {
    host: Option<IgnoredAny>,
    address: Option<IgnoredAny>,
    targets: Option<IgnoredAny>,
}

impl Shape {
    fn is_skydns(&self) -> bool {
        self.host.is_some() && self.address.is_none() && self.targets.is_none()
    }
}

fn shape(text: &str) -> Result<Shape, String> {
    serde_json::from_slice(text.as_bytes()).map_err(told)
}

/// A single target.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Single {
    address: String,
    #[serde(default)]
    labels: Option<LabelMap>,
}

fn json(text: &str) -> Result<Vec<LabelMap>, String> {
    if !text.starts_with('{') {
        let groups = group::list_from_json(text.as_bytes()).map_err(told)?;
        return Ok(groups.into_iter().flat_map(unfolded).collect());
    }
    if shape(text)?.address.is_none() {
        let group = group::from_json(text.as_bytes()).map_err(told)?;
        return Ok(unfolded(group));
    }
    let single: Single = serde_json::from_slice(text.as_bytes()).map_err(told)?;
    let labels = single.labels.unwrap_or_default();
    if labels.contains_key("") {
        return Err("\"\" is not a valid label name".to_owned());
    }
    Ok(vec![joined(&labels, &target(single.address))])
}

/// The targets of a group, each with the labels of the group.
fn unfolded(group: TargetGroup) -> Vec<LabelMap> {
    let TargetGroup {
        labels, targets, ..
    } = group;
    targets
        .iter()
        .map(|target| joined(&labels, target))
        .collect()
}

/// A record of SkyDNS, as CoreDNS reads it.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    host: String,
    port: Option<u16>,
    priority: Option<i64>,
    weight: Option<i64>,
    text: Option<String>,
    group: Option<String>,
    ttl: Option<u32>,
}

fn skydns(key: &str, text: &str) -> Result<Vec<LabelMap>, String> {
    let record: Record = serde_json::from_slice(text.as_bytes()).map_err(told)?;
    if record.host.is_empty() {
        return Err("record has no host".to_owned());
    }
    let mut parts: Vec<&str> = key.split('/').filter(|part| !part.is_empty()).collect();
    if parts.len() < 2 {
        return Err("key is no domain name below an element such as /skydns".to_owned());
    }
    // The first element is the root of SkyDNS's part of the store.
    parts.remove(0);
    parts.reverse();
    let port = record.port.filter(|port| *port > 0);
    let written = [
        ("name", Some(parts.join("."))),
        ("host", Some(record.host.clone())),
        ("port", port.map(|port| port.to_string())),
        ("priority", record.priority.map(|number| number.to_string())),
        ("weight", record.weight.map(|number| number.to_string())),
        ("text", record.text),
        ("group", record.group),
        ("ttl", record.ttl.map(|number| number.to_string())),
    ];
    let labels = written.into_iter();
    let labels: LabelMap = labels
        .filter_map(|(label, text)| Some((format!("{SKYDNS}{label}"), text?)))
        .collect();
    Ok(vec![joined(&labels, &target(place(&record.host, port)))])
}

/// Without a port it is the host alone, for relabelling to add one.
fn place(host: &str, port: Option<u16>) -> String {
    match port {
        None => host.to_owned(),
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests;
