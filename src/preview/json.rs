//! For programs: one document, or one object a line while watching. Pure.
//!
//! Names of fields are those of promtool's `check service-discovery` and of `/api/v1/targets`,
//! where these have one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Seen;
use super::changes::Change;
use super::snapshot::{Fate, JobView, TargetView};
use crate::discovery::status::ProviderStatus;
use crate::model::calendar::Rfc3339;
use crate::model::labels::Labels;
use crate::model::sorting;
use crate::model::time::Wall;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    discovered_labels: BTreeMap<&'a str, &'a str>,
    labels: BTreeMap<&'a str, &'a str>,
    /// `scraped`, `duplicate`, `dropped` or `failed`.
    fate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrape_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    source: &'a str,
}

#[derive(Serialize)]
struct Job<'a> {
    job: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    targets: Vec<Target<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider<'a> {
    mechanism: &'a str,
    jobs: Vec<&'a str>,
    groups: usize,
    targets: usize,
    last_success: Option<String>,
    last_error: Option<&'a str>,
    last_error_time: Option<String>,
    last_refresh_duration: Option<f64>,
}

#[derive(Serialize)]
struct Whole<'a> {
    jobs: Vec<Job<'a>>,
    providers: Vec<Provider<'a>>,
}

/// What happened, with everything that is known of it.
#[derive(Serialize)]
struct Event<'a> {
    time: String,
    /// `added`, `removed`, `changed`; of providers always `changed`.
    event: &'static str,
    /// `group`, `target` or `provider`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    /// Of groups: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    targets: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Target<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Target<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Provider<'a>>,
}

/// Everything there is.
#[must_use]
pub fn whole(seen: &Seen) -> String {
    let jobs = seen.snapshot.jobs.iter().map(|(name, view)| Job {
        job: name,
        error: view.over_limit.as_deref(),
        targets: targets(view),
    });
    let whole = Whole {
        jobs: jobs.collect(),
        providers: seen.providers.iter().map(provider).collect(),
    };
    // Our types have text keys only, so this cannot fail.
    let mut text = serde_json::to_string_pretty(&whole).unwrap_or_default();
    text.push('\n');
    text
}

/// One change as a line.
#[must_use]
pub fn change(change: &Change<'_>, now: Wall) -> String {
    let mut event = Event {
        time: Rfc3339(now).to_string(),
        event: "changed",
        kind: "provider",
        job: None,
        source: None,
        targets: None,
        before: None,
        after: None,
        provider: None,
    };
    match change {
        Change::Group {
            job,
            source,
            before,
            after,
        } => {
            (event.kind, event.event) = ("group", word(before.is_some(), after.is_some()));
            (event.job, event.source) = (Some(*job), Some(*source));
            event.targets = Some(after.unwrap_or(0));
        }
        Change::Target {
            job,
            source,
            before,
            after,
        } => {
            (event.kind, event.event) = ("target", word(before.is_some(), after.is_some()));
            (event.job, event.source) = (Some(*job), Some(*source));
            event.before = before.map(|one| target(one, source));
            event.after = after.map(|one| target(one, source));
        }
        Change::Provider(status) => event.provider = Some(provider(status)),
    }
    let mut line = serde_json::to_string(&event).unwrap_or_default();
    line.push('\n');
    line
}

fn word(was: bool, is: bool) -> &'static str {
    match (was, is) {
        (false, _) => "added",
        (_, false) => "removed",
        _ => "changed",
    }
}

fn targets(job: &JobView) -> Vec<Target<'_>> {
    let groups = job.groups.iter();
    let targets = groups.flat_map(|group| {
        let own = group.targets.iter();
        own.map(|one| target(one, &group.source))
    });
    targets.collect()
}

fn target<'a>(view: &'a TargetView, source: &'a str) -> Target<'a> {
    let map = |labels: &'a Labels| sorting::map(labels.iter());
    let (fate, url, labels, error) = match &view.fate {
        Fate::Scraped { url, labels } => ("scraped", Some(&**url), map(labels), None),
        Fate::Duplicate => ("duplicate", None, BTreeMap::new(), None),
        Fate::Dropped => ("dropped", None, BTreeMap::new(), None),
        Fate::Failed(error) => ("failed", None, BTreeMap::new(), Some(error.as_str())),
    };
    Target {
        discovered_labels: map(&view.discovered),
        labels,
        fate,
        scrape_url: url,
        error,
        source,
    }
}

fn provider(status: &ProviderStatus) -> Provider<'_> {
    let text = |wall: Wall| Rfc3339(wall).to_string();
    let error = status.last_error.as_ref();
    Provider {
        mechanism: status.mechanism,
        jobs: status.jobs.iter().map(|job| &**job).collect(),
        groups: status.groups,
        targets: status.targets,
        last_success: status.last_success.map(text),
        last_error: error.map(|(_, error)| error.as_str()),
        last_error_time: error.map(|(at, _)| text(*at)),
        last_refresh_duration: status.last_refresh.map(|took| took.as_secs_f64()),
    }
}
