//! `/api/v1/targets/relabel_steps`: what the relabelling of a job makes of labels, rule by rule.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::read::relabel::action_name;
use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;
use crate::model::labels::{Labels, LabelsBuilder};
use crate::relabel::apply::apply;
use crate::relabel::rule::Rule;

use super::Site;
use super::json::{self, LabelObject};

/// A rule in the fields that Prometheus shows.
#[derive(Serialize)]
struct RuleObject<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    source_labels: &'a [String],
    separator: &'a str,
    regex: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    modulus: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    target_label: &'a str,
    replacement: &'a str,
    action: &'static str,
}

#[derive(Serialize)]
struct Step<'a> {
    rule: RuleObject<'a>,
    output: LabelObject<'a>,
    keep: bool,
}

#[derive(Serialize)]
struct Steps<'a> {
    steps: Vec<Step<'a>>,
}

pub(super) fn relabel_steps(site: &Site, head: &RequestHead) -> Response {
    let given = |name: &str| head.parameter(name).filter(|text| !text.is_empty());
    let Some(pool) = given("scrapePool") else {
        return json::bad_data("no scrapePool parameter provided");
    };
    let Some(labels) = given("labels") else {
        return json::bad_data("no labels parameter provided");
    };
    let labels: BTreeMap<String, String> = match serde_json::from_str(&labels) {
        Ok(labels) => labels,
        Err(error) => return json::bad_data(&format!("error parsing labels: {error}")),
    };
    let Some(rules) = site.backend.relabel_rules(&pool) else {
        return json::bad_data(&format!(
            "error retrieving scrape config: scrape pool {pool:?} not found"
        ));
    };
    let outputs = outputs(&rules, &labels);
    let steps = rules.iter().zip(&outputs).map(|(rule, output)| Step {
        rule: object(rule),
        output: LabelObject(output.as_ref().unwrap_or(&NONE)),
        keep: output.is_some(),
    });
    json::success(
        site,
        Steps {
            steps: steps.collect(),
        },
    )
}

static NONE: std::sync::LazyLock<Labels> = std::sync::LazyLock::new(Labels::default);

/// The labels behind each rule; none from the rule on that drops them.
fn outputs(rules: &[Rule], labels: &BTreeMap<String, String>) -> Vec<Option<Labels>> {
    let mut builder = LabelsBuilder::from_pairs(labels);
    let mut keep = true;
    let mut outputs = Vec::new();
    for rule in rules {
        keep = keep && apply(std::slice::from_ref(rule), &mut builder);
        outputs.push(keep.then(|| builder.build()));
    }
    outputs
}

fn object(rule: &Rule) -> RuleObject<'_> {
    RuleObject {
        source_labels: &rule.source_labels,
        separator: &rule.separator,
        regex: &rule.regex.source,
        modulus: (rule.modulus > 0).then_some(rule.modulus),
        target_label: &rule.target_label,
        replacement: &rule.replacement,
        action: action_name(rule.action),
    }
}
