//! Applies rules to a label set, bit for bit as Prometheus does.
//!
//! Rules run in order and see what earlier ones did; the first one that drops ends the chain.
//! Nothing here checks rules: a configuration holds valid ones only. Names that `labelmap`
//! produces are not checked either; whoever uses the set does that.

use std::borrow::Cow;

use md5::{Digest, Md5};

use super::expand::{expand, has_variables};
use super::rule::{Action, NameScheme, Rule};
use crate::model::labels::{LabelsBuilder, is_legacy_label_name};

/// Applies `rules` to `labels`. Returns false when a rule dropped the set; the labels are then
/// as that rule found them.
pub fn apply(rules: &[Rule], labels: &mut LabelsBuilder) -> bool {
    rules.iter().all(|rule| apply_one(rule, labels))
}

fn apply_one(rule: &Rule, labels: &mut LabelsBuilder) -> bool {
    match rule.action {
        Action::Keep => return rule.regex.is_match(&joined(rule, labels)),
        Action::Drop => return !rule.regex.is_match(&joined(rule, labels)),
        Action::KeepEqual => return *labels.get(&rule.target_label) == *joined(rule, labels),
        Action::DropEqual => return *labels.get(&rule.target_label) != *joined(rule, labels),
        Action::Replace => replace(rule, labels),
        Action::HashMod => hash_mod(rule, labels),
        Action::LabelMap => label_map(rule, labels),
        Action::LabelDrop => labels.retain(|name, _| !rule.regex.is_match(name)),
        Action::LabelKeep => labels.retain(|name, _| rule.regex.is_match(name)),
        Action::Lowercase => map_case(rule, labels, lower),
        Action::Uppercase => map_case(rule, labels, upper),
    }
    true
}

/// The values of the source labels, absent ones empty, joined by the separator.
fn joined<'a>(rule: &Rule, labels: &'a LabelsBuilder) -> Cow<'a, str> {
    if let [name] = rule.source_labels.as_slice() {
        return Cow::Borrowed(labels.get(name));
    }
    let mut out = String::new();
    for (index, name) in rule.source_labels.iter().enumerate() {
        if index > 0 {
            out.push_str(&rule.separator);
        }
        out.push_str(labels.get(name));
    }
    Cow::Owned(out)
}

fn replace(rule: &Rule, labels: &mut LabelsBuilder) {
    let value = joined(rule, labels);
    let constant = !has_variables(&rule.target_label) && !has_variables(&rule.replacement);
    if value.is_empty() && rule.regex.is_default() && constant {
        // Prometheus's short cut. It skips the check of the name.
        labels.set(&rule.target_label, &rule.replacement);
        return;
    }
    // Most series match no rule, and whether they do costs far less than where.
    if !rule.regex.is_match(&value) {
        return;
    }
    if constant {
        if is_valid(rule, &rule.target_label) {
            labels.set(&rule.target_label, &rule.replacement);
        }
        return;
    }
    let copies = rule.regex.is_default() && rule.replacement == "$1";
    if copies && !has_variables(&rule.target_label) {
        if is_valid(rule, &rule.target_label) {
            let value = value.into_owned();
            labels.set(&rule.target_label, &value);
        }
        return;
    }
    let Some(captures) = rule.regex.compiled.captures(&value) else {
        return;
    };
    let expanded = |template| {
        let mut out = String::new();
        expand(&rule.regex, template, &captures, &mut out);
        out
    };
    let target = match has_variables(&rule.target_label) {
        true => Cow::Owned(expanded(&rule.target_label)),
        false => Cow::Borrowed(rule.target_label.as_str()),
    };
    if is_valid(rule, &target) {
        let result = expanded(&rule.replacement);
        labels.set(&target, &result);
    }
}

/// Whether a rule may set a label of that name.
fn is_valid(rule: &Rule, name: &str) -> bool {
    match rule.scheme {
        NameScheme::Utf8 => !name.is_empty(),
        NameScheme::Legacy => is_legacy_label_name(name),
    }
}

/// The last eight bytes of the MD5 sum, big-endian, modulo the rule's number.
fn hash_mod(rule: &Rule, labels: &mut LabelsBuilder) {
    let sum = Md5::digest(joined(rule, labels).as_bytes());
    let hash = sum[8..]
        .iter()
        .fold(0u64, |hash, byte| hash << 8 | u64::from(*byte));
    // The configuration refuses a modulus of zero.
    if let Some(rest) = hash.checked_rem(rule.modulus) {
        labels.set(&rule.target_label, &rest.to_string());
    }
}

/// Reads every label before it sets one: copies never see copies.
fn label_map(rule: &Rule, labels: &mut LabelsBuilder) {
    let mut copies = Vec::new();
    let matching = labels.iter().filter(|(name, _)| rule.regex.is_match(name));
    for (name, value) in matching {
        if let Some(captures) = rule.regex.compiled.captures(name) {
            let mut target = String::new();
            expand(&rule.regex, &rule.replacement, &captures, &mut target);
            copies.push((target, value.to_owned()));
        }
    }
    if !copies.is_empty() {
        labels.set_all(&copies);
    }
}

fn map_case(rule: &Rule, labels: &mut LabelsBuilder, map: fn(char) -> char) {
    let value: String = joined(rule, labels).chars().map(map).collect();
    labels.set(&rule.target_label, &value);
}

/// Go maps one character to one character, without Unicode's special cases.
fn lower(c: char) -> char {
    // The only character whose full mapping is longer: I with a dot above.
    c.to_lowercase().next().unwrap_or(c)
}

/// See [`lower`]. Of the characters with a longer full mapping only the Greek ones with a
/// subscript iota have a simple mapping; the others stay.
fn upper(c: char) -> char {
    let mut full = c.to_uppercase();
    if full.len() == 1 {
        return full.next().unwrap_or(c);
    }
    let offset = match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => 0,
    };
    char::from_u32(u32::from(c) + offset).unwrap_or(c)
}

#[cfg(test)]
mod tests;
