//! `/api/v1/targets` and what belongs to it.
//!
//! Names and order of the fields are those of Prometheus, so that its user interface, Grafana and
//! scripts read the answers. Text that a target sent goes out as JSON text and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;
use crate::limits;
use crate::model::calendar::{self, Rfc3339};
use crate::model::duration::Pretty;
use crate::model::metadata::Family;
use crate::model::sorting;

use super::Site;
use super::backend::{ActiveTarget, DroppedTarget};
use super::json::{self, LabelObject};
use super::selector::Selector;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetObject<'a> {
    discovered_labels: LabelObject<'a>,
    labels: LabelObject<'a>,
    scrape_pool: &'a str,
    scrape_url: &'a str,
    global_url: String,
    last_error: &'a str,
    last_scrape: String,
    last_scrape_duration: f64,
    health: &'static str,
    scrape_interval: String,
    scrape_timeout: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DroppedObject<'a> {
    discovered_labels: LabelObject<'a>,
    scrape_pool: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Targets<'a> {
    active_targets: Vec<TargetObject<'a>>,
    dropped_targets: Vec<DroppedObject<'a>>,
    /// Null where dropped targets were not asked for.
    dropped_target_counts: Option<BTreeMap<String, u64>>,
}

pub(super) fn targets(site: &Site, head: &RequestHead) -> Response {
    let state = head.parameter("state").unwrap_or_default().to_lowercase();
    let pool = head.parameter("scrapePool").unwrap_or_default();
    let wants = |own: &str| matches!(&*state, "" | "any") || state == own;
    let in_pool = |own: &str| pool.is_empty() || own == pool;
    let (mut active, mut dropped) = (Vec::new(), Vec::new());
    if wants("active") {
        active = site.backend.active_targets();
        active.retain(|target| in_pool(&target.scrape_pool));
        sorting::sort_by(&mut active, |one, two| {
            one.scrape_pool.cmp(&two.scrape_pool)
        });
    }
    if wants("dropped") {
        dropped = site.backend.dropped_targets();
        dropped.retain(|target| in_pool(&target.scrape_pool));
        sorting::sort_by(&mut dropped, |one, two| {
            one.scrape_pool.cmp(&two.scrape_pool)
        });
    }
    json::success(
        site,
        Targets {
            active_targets: active
                .iter()
                .map(|target| target_object(site, target))
                .collect(),
            dropped_targets: dropped.iter().map(dropped_object).collect(),
            dropped_target_counts: wants("dropped").then(|| site.backend.dropped_target_counts()),
        },
    )
}

fn target_object<'a>(site: &Site, target: &'a ActiveTarget) -> TargetObject<'a> {
    let last_scrape = target.last_scrape.map(|wall| Rfc3339(wall).to_string());
    TargetObject {
        discovered_labels: LabelObject(&target.discovered_labels),
        labels: LabelObject(&target.labels),
        scrape_pool: &target.scrape_pool,
        scrape_url: &target.scrape_url,
        global_url: site
            .options
            .external_url
            .globalize(&target.scrape_url, site.own_port),
        last_error: &target.last_error,
        last_scrape: last_scrape.unwrap_or_else(|| calendar::NEVER.to_owned()),
        last_scrape_duration: target.last_scrape_duration.as_secs_f64(),
        health: target.health.as_str(),
        scrape_interval: Pretty(target.scrape_interval).to_string(),
        scrape_timeout: Pretty(target.scrape_timeout).to_string(),
    }
}

fn dropped_object(target: &DroppedTarget) -> DroppedObject<'_> {
    DroppedObject {
        discovered_labels: LabelObject(&target.discovered_labels),
        scrape_pool: &target.scrape_pool,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScrapePools {
    scrape_pools: Vec<String>,
}

pub(super) fn scrape_pools(site: &Site, _head: &RequestHead) -> Response {
    let mut scrape_pools = site.backend.scrape_pools();
    sorting::sort(&mut scrape_pools);
    json::success(site, ScrapePools { scrape_pools })
}

/// A family of one target.
#[derive(Serialize)]
struct TargetFamily<'a> {
    target: LabelObject<'a>,
    /// Left out where the request names the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    metric: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    help: &'a str,
    unit: &'a str,
}

pub(super) fn targets_metadata(site: &Site, head: &RequestHead) -> Response {
    let limit = match number(head, "limit") {
        Ok(limit) => limit,
        Err(response) => return *response,
    };
    let selector = match head
        .parameter("match_target")
        .filter(|text| !text.is_empty())
    {
        None => None,
        Some(text) => match Selector::parse(&text) {
            Ok(selector) => Some(selector),
            Err(error) => {
                return json::bad_data(&format!("invalid parameter \"match_target\": {error}"));
            }
        },
    };
    let metric = head.parameter("metric").filter(|metric| !metric.is_empty());
    let targets = site.backend.target_metadata();
    let mut found: Vec<TargetFamily<'_>> = Vec::new();
    for target in &targets {
        if limit.is_some_and(|limit| found.len() >= limit) {
            break;
        }
        if selector
            .as_ref()
            .is_some_and(|selector| !selector.matches(&target.labels))
        {
            continue;
        }
        let wanted = |family: &&std::sync::Arc<Family>| {
            metric
                .as_deref()
                .is_none_or(|metric| family.name() == metric)
        };
        found.extend(
            target
                .families
                .iter()
                .filter(wanted)
                .map(|family| TargetFamily {
                    target: LabelObject(&target.labels),
                    metric: metric.is_none().then_some(family.name()),
                    kind: family.kind().as_str(),
                    help: shown_help(family),
                    unit: family.unit(),
                }),
        );
    }
    json::success(site, found)
}

/// A family without its target.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct FamilyObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    unit: &'a str,
    help: &'a str,
}

pub(super) fn metadata(site: &Site, head: &RequestHead) -> Response {
    let limits = (number(head, "limit"), number(head, "limit_per_metric"));
    let (limit, per_metric) = match limits {
        (Ok(limit), Ok(per_metric)) => (limit, per_metric.filter(|limit| *limit > 0)),
        (Err(response), _) | (_, Err(response)) => return *response,
    };
    let metric = head.parameter("metric").filter(|metric| !metric.is_empty());
    let targets = site.backend.target_metadata();
    let mut families: BTreeMap<&str, BTreeSet<FamilyObject<'_>>> = BTreeMap::new();
    for family in targets.iter().flat_map(|target| &target.families) {
        if metric
            .as_deref()
            .is_some_and(|metric| family.name() != metric)
        {
            continue;
        }
        let own = families.entry(family.name()).or_default();
        if per_metric.is_none_or(|limit| own.len() < limit) {
            own.insert(FamilyObject {
                kind: family.kind().as_str(),
                unit: family.unit(),
                help: shown_help(family),
            });
        }
    }
    let shown = families.into_iter().take(limit.unwrap_or(usize::MAX));
    json::success(site, sorting::map(shown))
}

/// The help text, cut where it is longer than anybody reads: a target may say what it likes.
fn shown_help(family: &Family) -> &str {
    let help = family.help();
    &help[..help.floor_char_boundary(limits::WEB_HELP_BYTES_MAX)]
}

/// A parameter that must be a number if it is there; negative ones mean no limit.
fn number(head: &RequestHead, name: &str) -> Result<Option<usize>, Box<Response>> {
    match head.parameter(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) => Ok(usize::try_from(number).ok()),
            Err(_) => Err(Box::new(json::bad_data(&format!(
                "{name} must be a number"
            )))),
        },
    }
}
