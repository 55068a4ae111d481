//! Relabelling rules: their defaults and which fields each action allows.

use std::sync::LazyLock;

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::model::labels::is_legacy_label_name;
use crate::relabel::regex;
use crate::relabel::rule::{Action, AnchoredRegex, NameScheme, Rule};

const DEFAULT_SEPARATOR: &str = ";";
const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";

/// What a template may look like under the legacy scheme.
static LEGACY_TEMPLATE: LazyLock<Option<::regex::Regex>> =
    LazyLock::new(|| ::regex::Regex::new(r"^(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+$").ok());

/// Reads a list of rules. `null_item` is Prometheus's complaint about an empty item.
///
/// # Errors
/// The mistakes of all rules.
pub fn read_list(at: &Cursor<'_>, scheme: NameScheme, null_item: &str) -> Decoded<Vec<Rule>> {
    at.list("[]*relabel.Config", |item| {
        if item.node.is_null() {
            return Err(item.rule(null_item));
        }
        read(item, scheme)
    })
}

fn read(at: &Cursor<'_>, scheme: NameScheme) -> Decoded<Rule> {
    let mut fields = Fields::new(at, "relabel.plain")?;
    let source_labels = fields.get("source_labels", |at| {
        at.list("model.LabelNames", label_name)
    });
    let separator = fields.string("separator");
    let regex = fields.get("regex", compile);
    let modulus = fields.u64("modulus").unwrap_or_default();
    let target_label = fields.string("target_label").unwrap_or_default();
    let replacement = fields.string("replacement");
    let action = fields.get("action", action);
    fields.finish()?;
    let regex = match regex {
        Some(regex) => regex,
        None => regex::compile(DEFAULT_REGEX).map_err(|error| at.rule(error))?,
    };
    let rule = Rule {
        action: action.unwrap_or(Action::Replace),
        source_labels: source_labels.unwrap_or_default(),
        separator: separator.unwrap_or_else(|| DEFAULT_SEPARATOR.to_owned()),
        regex,
        modulus,
        target_label,
        replacement: replacement.unwrap_or_else(|| DEFAULT_REPLACEMENT.to_owned()),
        scheme,
    };
    check(&rule).map_err(|message| at.rule(message))?;
    Ok(rule)
}

fn label_name(at: &Cursor<'_>) -> Decoded<String> {
    let name = at.string()?;
    if name.is_empty() {
        return Err(at.rule("\"\" is not a valid label name"));
    }
    Ok(name)
}

fn compile(at: &Cursor<'_>) -> Decoded<AnchoredRegex> {
    regex::compile(&at.string()?).map_err(|error| at.rule(error))
}

/// Actions by their names; a null action is not one.
fn action(at: &Cursor<'_>) -> Decoded<Action> {
    if at.node.is_null() {
        return Err(at.rule("relabel action cannot be empty"));
    }
    let text = at.string()?;
    let lower = text.to_lowercase();
    let known = ACTIONS.iter().find(|(name, _)| *name == lower);
    let (_, action) = known.ok_or_else(|| at.rule(format!("unknown relabel action {text:?}")))?;
    Ok(*action)
}

/// The actions by their names in the configuration.
pub const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

/// The name of an action in the configuration.
#[must_use]
pub fn action_name(action: Action) -> &'static str {
    let found = ACTIONS.iter().find(|(_, own)| *own == action);
    found.map_or("", |(name, _)| name)
}

/// The rules between fields, in Prometheus's order and words.
fn check(rule: &Rule) -> Result<(), String> {
    use Action::{
        DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace,
        Uppercase,
    };
    let (action, name) = (rule.action, action_name(rule.action));
    let target = &rule.target_label;
    if action == HashMod && rule.modulus == 0 {
        return Err("relabel configuration for hashmod requires non-zero modulus".to_owned());
    }
    let sets_target = matches!(
        action,
        Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual
    );
    if sets_target && target.is_empty() {
        let message =
            format!("relabel configuration for {name} action requires 'target_label' value");
        return Err(message);
    }
    let target_valid = match action {
        Replace if target.contains('$') => is_template(target, rule.scheme),
        _ => is_name(target, rule.scheme),
    };
    if sets_target && !target_valid {
        return Err(format!(
            "{target:?} is invalid 'target_label' for {name} action"
        ));
    }
    let replacement = &rule.replacement;
    let fixed = matches!(action, Lowercase | Uppercase | KeepEqual | DropEqual);
    if fixed && replacement != DEFAULT_REPLACEMENT {
        return Err(format!("'replacement' can not be set for {name} action"));
    }
    if action == LabelMap && !is_template(replacement, rule.scheme) {
        return Err(format!(
            "{replacement:?} is invalid 'replacement' for {name} action"
        ));
    }
    let plain = rule.modulus == 0
        && rule.separator == DEFAULT_SEPARATOR
        && replacement == DEFAULT_REPLACEMENT;
    match action {
        KeepEqual | DropEqual if !plain || &*rule.regex.source != DEFAULT_REGEX => Err(format!(
            "{name} action requires only 'source_labels' and `target_label`, and no other fields"
        )),
        LabelDrop | LabelKeep if !plain || !rule.source_labels.is_empty() || !target.is_empty() => {
            Err(format!(
                "{name} action requires only 'regex', and no other fields"
            ))
        }
        _ => Ok(()),
    }
}

fn is_name(text: &str, scheme: NameScheme) -> bool {
    match scheme {
        NameScheme::Utf8 => !text.is_empty(),
        NameScheme::Legacy => is_legacy_label_name(text),
    }
}

fn is_template(text: &str, scheme: NameScheme) -> bool {
    match scheme {
        NameScheme::Utf8 => !text.is_empty(),
        NameScheme::Legacy => LEGACY_TEMPLATE
            .as_ref()
            .is_some_and(|regex| regex.is_match(text)),
    }
}
