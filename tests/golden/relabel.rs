//! Relabelling: rules, an input and what Prometheus 3.14 makes of it, in `NAME.case` files.
//!
//! The rules are read here by the simplest means, not by the configuration's own decoder, whose
//! checks have their own tests. Cases with `legacy` in their name use the old name scheme.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use narthex::config::read::relabel::ACTIONS;
use narthex::model::labels::LabelsBuilder;
use narthex::relabel::apply::apply;
use narthex::relabel::regex::compile;
use narthex::relabel::rule::{NameScheme, Rule};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    rules: Option<Vec<RuleText>>,
    input: BTreeMap<String, String>,
    output: Output,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Output {
    Labels(BTreeMap<String, String>),
    Dropped(String),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RuleText {
    action: String,
    source_labels: Vec<String>,
    separator: String,
    regex: String,
    modulus: u64,
    target_label: String,
    replacement: String,
}

impl Default for RuleText {
    fn default() -> Self {
        RuleText {
            action: "replace".to_owned(),
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
        }
    }
}

impl RuleText {
    fn rule(self, scheme: NameScheme) -> Rule {
        let name = self.action.to_ascii_lowercase();
        let action = ACTIONS.iter().find(|(own, _)| *own == name);
        Rule {
            action: action.expect("an action").1,
            source_labels: self.source_labels,
            separator: self.separator,
            regex: compile(&self.regex).expect("an expression"),
            modulus: self.modulus,
            target_label: self.target_label,
            replacement: self.replacement,
            scheme,
        }
    }
}

#[test]
fn rules_do_what_prometheus_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/relabel");
    let mut cases = 0;
    for entry in fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("a case");
        let case: Case = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let scheme = if name.contains("legacy") {
            NameScheme::Legacy
        } else {
            NameScheme::Utf8
        };
        let rules = case.rules.unwrap_or_default();
        let rules: Vec<Rule> = rules.into_iter().map(|rule| rule.rule(scheme)).collect();
        let mut labels = LabelsBuilder::from_pairs(&case.input);
        let kept = apply(&rules, &mut labels);
        match case.output {
            Output::Dropped(word) => {
                assert_eq!((kept, word.as_str()), (false, "dropped"), "{name}");
            }
            Output::Labels(expected) => {
                let expected = LabelsBuilder::from_pairs(&expected);
                assert_eq!((kept, labels), (true, expected), "{name}");
            }
        }
        cases += 1;
    }
    assert!(cases >= 40, "only {cases} cases found");
}
