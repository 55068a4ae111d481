//! The main file as a whole, and the files of `scrape_config_files`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::global::{self, GlobalSection};
use super::{forbidden, identity, otlp, remote_write, scrape, storage, tracing};
use crate::config::Features;
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::glob;
use crate::config::remote_write::RemoteWriteConfig;
use crate::config::scrape::ScrapeConfig;
use crate::config::url;

/// What the main file says.
#[derive(Debug)]
pub(in crate::config) struct MainFile {
    pub(in crate::config) global: GlobalSection,
    pub(in crate::config) out_of_order_window_ms: u64,
    /// Patterns as written.
    pub(in crate::config) scrape_config_files: Vec<String>,
    pub(in crate::config) scrape_configs: Vec<ScrapeConfig>,
    pub(in crate::config) remote_write: Vec<RemoteWriteConfig>,
    /// Sections that were written and have no effect.
    pub(in crate::config) idle: Vec<&'static str>,
}

/// Reads the main file.
pub(in crate::config) fn read_main(
    at: &Cursor<'_>,
    file: &Arc<str>,
    features: Features,
) -> Decoded<MainFile> {
    let mut fields = Fields::new(at, "config.plain")?;
    let global = global::read(&mut fields, features);
    fields.get("runtime", |at| {
        let mut fields = Fields::new(at, "config.RuntimeConfig")?;
        fields.i64("gogc");
        fields.finish()
    });
    let scheme = global.name_scheme;
    let tracing = fields.get("tracing", tracing::read).unwrap_or(false);
    let otlp = fields
        .get("otlp", |at| otlp::read(at, scheme))
        .unwrap_or(false);
    let idle = [tracing.then_some("tracing"), otlp.then_some("otlp")];
    let window = fields.get("storage", storage::read).unwrap_or(0);
    let patterns = fields.get("scrape_config_files", |at| at.list("[]string", pattern));
    let jobs = fields.get("scrape_configs", |at| jobs(at, &global, file));
    let endpoints = fields.get("remote_write", |at| {
        let endpoints = at.list("[]*config.RemoteWriteConfig", |item| {
            Ok((item.clone(), remote_write::read(item, scheme)?))
        })?;
        named(endpoints)
    });
    let refused = forbidden::read(&mut fields, scheme);
    fields.finish()?;
    if let Some(problems) = refused {
        return Err(problems);
    }
    Ok(MainFile {
        global,
        out_of_order_window_ms: window,
        scrape_config_files: patterns.unwrap_or_default(),
        scrape_configs: jobs.unwrap_or_default(),
        remote_write: endpoints.unwrap_or_default(),
        idle: idle.into_iter().flatten().collect(),
    })
}

/// Reads a file of `scrape_config_files`: one key, a list of jobs. `known` says who has a job
/// name already.
pub(in crate::config) fn read_jobs_file(
    at: &Cursor<'_>,
    global: &GlobalSection,
    file: &Arc<str>,
    known: impl Fn(&str) -> Option<String>,
) -> Decoded<Vec<ScrapeConfig>> {
    let mut fields = Fields::new(at, "config.ScrapeConfigs")?;
    let jobs = fields.get("scrape_configs", |at| {
        let jobs = jobs(at, global, file)?;
        for (item, job) in at.items("")?.iter().zip(&jobs) {
            if let Some(owner) = known(&job.job_name) {
                let name = &job.job_name;
                return Err(item.rule(format!(
                    "found multiple scrape configs with job name {name:?}, first found in {owner}"
                )));
            }
        }
        Ok(jobs)
    });
    fields.finish()?;
    Ok(jobs.unwrap_or_default())
}

fn jobs(at: &Cursor<'_>, global: &GlobalSection, file: &Arc<str>) -> Decoded<Vec<ScrapeConfig>> {
    let mut names = BTreeSet::new();
    at.list("[]*config.ScrapeConfig", |item| {
        let job = scrape::read(item, global, file)?;
        if !names.insert(job.job_name.clone()) {
            let name = &job.job_name;
            let message = format!("found multiple scrape configs with job name {name:?}");
            return Err(item.rule(message));
        }
        Ok(job)
    })
}

fn pattern(at: &Cursor<'_>) -> Decoded<String> {
    let text = at.string()?;
    if glob::is_valid(&text) {
        return Ok(text);
    }
    Err(at.rule(format!("invalid scrape config file path {text:?}")))
}

/// Gives every endpoint a name of its own.
fn named(read: Vec<(Cursor<'_>, RemoteWriteConfig)>) -> Decoded<Vec<RemoteWriteConfig>> {
    let mut names = BTreeSet::new();
    for (at, endpoint) in &read {
        if endpoint.name_written && !names.insert(endpoint.name.clone()) {
            let name = &endpoint.name;
            let message = format!("found multiple remote write configs with job name {name:?}");
            return Err(at.rule(message));
        }
    }
    let mut unnamed: Vec<RemoteWriteConfig> = Vec::new();
    let mut endpoints = Vec::with_capacity(read.len());
    for (at, mut endpoint) in read {
        if !endpoint.name_written {
            if unnamed.contains(&endpoint) {
                return Err(at.rule(format!(
                    "duplicate remote write configs are not allowed, found duplicate for URL: {}",
                    url::redacted(&endpoint.url)
                )));
            }
            unnamed.push(endpoint.clone());
            endpoint.name = identity::name(&endpoint, &names);
            names.insert(endpoint.name.clone());
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}
