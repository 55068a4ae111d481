//! What an agent has discovered, as its `/api/v1/targets` tells it.
//!
//! Jobs here drop all their targets by relabelling, so nothing is scraped and every target is
//! shown with the labels it was discovered with.

use std::collections::BTreeMap;

use super::agent::Agent;
use super::wait;

/// Address and meta labels of a target.
pub(crate) type Labels = BTreeMap<String, String>;

/// A job that only discovers; `section` is its discovery section in YAML, on one line.
pub(crate) fn job(name: &str, section: &str) -> String {
    format!(
        "- job_name: {name}\n  relabel_configs: [{{source_labels: [__address__], action: drop}}]\n  \
         {section}\n"
    )
}

/// The targets of a job in a fixed order.
pub(crate) fn targets(agent: &Agent, job: &str) -> Vec<Labels> {
    let answer = agent.get("/api/v1/targets?state=dropped").json();
    let dropped = answer["data"]["droppedTargets"].as_array();
    let dropped = dropped.expect("a list of dropped targets");
    let labels = dropped.iter().map(|target| &target["discoveredLabels"]);
    let ours = labels.filter(|labels| labels["job"] == job);
    let mut found: Vec<Labels> = ours
        .map(|labels| {
            let all = labels.as_object().expect("labels").iter();
            let kept =
                all.filter(|(name, _)| *name == "__address__" || name.starts_with("__meta_"));
            let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
            kept.map(|(name, value)| (name.clone(), text(value)))
                .collect()
        })
        .collect();
    found.sort();
    found
}

/// Waits until two agents have found the same for a job, once `known` has taken the known
/// differences out of what the first one found. `known` says what it needed.
pub(crate) fn wait_until_equal(
    (ours, theirs): (&Agent, &Agent),
    job: &str,
    known: &dyn Fn(&mut Vec<Labels>) -> Vec<&'static str>,
) -> (usize, Vec<&'static str>) {
    let mut last = (Vec::new(), Vec::new());
    let equal = wait::try_until(wait::LONG, || {
        let mut found = targets(ours, job);
        let needed = known(&mut found);
        let expected = targets(theirs, job);
        let equal = !expected.is_empty() && found == expected;
        last = (found, expected);
        equal.then_some((last.0.len(), needed))
    });
    equal.unwrap_or_else(|| panic!("job {job}:\n{}", difference(&last.0, &last.1)))
}

/// What one list has and the other has not, for people.
fn difference(ours: &[Labels], theirs: &[Labels]) -> String {
    let only = |here: &[Labels], there: &[Labels]| {
        let lost: Vec<_> = here
            .iter()
            .filter(|one| !there.contains(one))
            .cloned()
            .collect();
        format!("{} targets, of these only here: {lost:#?}", here.len())
    };
    format!(
        "ours: {}\ntheirs: {}",
        only(ours, theirs),
        only(theirs, ours)
    )
}

/// The differences between Prometheus 2.42 and what narthex follows, in the targets of `docker`:
/// takes them out of ours and names those it met.
pub(crate) fn known_of_docker(ours: &mut Vec<Labels>) -> Vec<&'static str> {
    let mut met = Vec::new();
    let before = ours.len();
    let mode = "__meta_docker_container_network_mode";
    ours.retain(|labels| {
        let mode = labels.get(mode).map(String::as_str).unwrap_or_default();
        !mode.starts_with("container:")
    });
    if ours.len() < before {
        met.push("2.42 does not look for the networks of another container");
    }
    let mut images = 0;
    for labels in ours.iter_mut() {
        let image = labels.remove("__meta_docker_container_image").is_some();
        let id = labels.remove("__meta_docker_container_image_id").is_some();
        images += usize::from(image && id);
    }
    if images == ours.len() && images > 0 {
        met.push("2.42 has no labels of images");
    }
    met
}
