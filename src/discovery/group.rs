//! Target groups as users and servers write them: `{targets: [...], labels: {...}}` in YAML or
//! JSON, shared by static, file and HTTP discovery.
//!
//! Strict: an unknown key, a null group or an empty label name refuses the whole text, so that a
//! half-written file never looks like a smaller one. Depth and size are bounded: YAML by
//! [`crate::config::yaml`], JSON by having only three levels; both by the number of groups and
//! targets and the bytes of their labels, what a group has counted for each of its targets. Does not
//! judge addresses: relabelling may still mend them. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::error::Problems;
use crate::config::yaml;
use crate::discovery::targets::weight;
use crate::limits;
use crate::model::target_group::{LabelMap, TargetGroup};

/// The label that holds where to scrape.
pub const ADDRESS: &str = "__address__";

/// Why a text holds no target groups.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// It is no UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// It is no YAML.
    #[error(transparent)]
    Yaml(#[from] yaml::SyntaxError),
    /// It is YAML of another shape.
    #[error("{0}")]
    Shape(#[from] Problems),
    /// It is no JSON, or JSON of another shape.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It holds more than a provider may have.
    #[error(
        "more than {} groups or targets, or more than {} bytes of labels",
        limits::SD_TARGETS_PER_PROVIDER,
        limits::SD_LABEL_BYTES_PER_PROVIDER
    )]
    TooMany,
}

/// A group of a YAML document; its source is left empty.
///
/// # Errors
/// When the node has another shape.
pub fn from_yaml(at: &Cursor<'_>) -> Decoded<TargetGroup> {
    let mut fields = Fields::new(at, "targetgroup.Group")?;
    let targets = fields.strings("targets").unwrap_or_default();
    let labels = fields.get("labels", labels_from_yaml).unwrap_or_default();
    fields.finish()?;
    Ok(group(targets, labels))
}

fn labels_from_yaml(at: &Cursor<'_>) -> Decoded<LabelMap> {
    let pairs = at.string_map()?;
    match pairs.iter().find(|(name, _)| name.is_empty()) {
        Some(_) => Err(at.rule("\"\" is not a valid label name")),
        None => Ok(pairs.into_iter().collect()),
    }
}

fn group(targets: Vec<String>, labels: LabelMap) -> TargetGroup {
    let target = |address| LabelMap::from([(ADDRESS.to_owned(), address)]);
    TargetGroup {
        source: String::new(),
        labels,
        targets: targets.into_iter().map(target).collect(),
    }
}

/// The groups of a YAML text: a list, or nothing at all.
///
/// # Errors
/// When it is anything else.
pub fn list_from_yaml(text: &[u8]) -> Result<Vec<TargetGroup>, GroupError> {
    let text = std::str::from_utf8(text).map_err(|_| GroupError::NotUtf8)?;
    let document = yaml::parse(text)?;
    let root = Cursor::new(&document.root, "");
    let mut groups = Groups::default();
    for (index, item) in root.items("[]*targetgroup.Group")?.iter().enumerate() {
        if item.node.is_null() {
            let message = format!("nil target group item found (index {index})");
            return Err(item.rule(message).into());
        }
        if !groups.add(from_yaml(item)?) {
            return Err(GroupError::TooMany);
        }
    }
    Ok(groups.list)
}

/// The groups of a JSON text: a list, or null.
///
/// # Errors
/// When it is anything else.
pub fn list_from_json(text: &[u8]) -> Result<Vec<TargetGroup>, GroupError> {
    let groups = serde_json::from_slice::<Option<Groups>>(text)?.unwrap_or_default();
    match groups.fits() {
        true => Ok(groups.list),
        false => Err(GroupError::TooMany),
    }
}

/// A single group in JSON; its source is left empty.
///
/// # Errors
/// When it is anything else.
pub fn from_json(text: &[u8]) -> Result<TargetGroup, GroupError> {
    let group = serde_json::from_slice::<JsonGroup>(text)?.check::<serde_json::Error>()?;
    let mut groups = Groups::default();
    match groups.add(group) {
        true => groups.list.pop().ok_or(GroupError::TooMany),
        false => Err(GroupError::TooMany),
    }
}

/// A group in JSON. Null stands for nothing, as in Go.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonGroup {
    #[serde(default)]
    targets: Option<Bounded<String>>,
    #[serde(default)]
    labels: Option<LabelMap>,
}

impl JsonGroup {
    fn check<E: serde::de::Error>(self) -> Result<TargetGroup, E> {
        let labels = self.labels.unwrap_or_default();
        if labels.contains_key("") {
            return Err(E::custom("\"\" is not a valid label name"));
        }
        Ok(group(self.targets.unwrap_or_default().0, labels))
    }
}

/// The list of groups, converted one by one so that two forms never exist at once.
#[derive(Default)]
struct Groups {
    list: Vec<TargetGroup>,
    targets: usize,
    /// Bytes of the labels of all targets.
    bytes: usize,
}

impl Groups {
    /// Whether that is no more than a provider may have.
    fn fits(&self) -> bool {
        self.list.len().max(self.targets) <= limits::SD_TARGETS_PER_PROVIDER
            && self.bytes <= limits::SD_LABEL_BYTES_PER_PROVIDER
    }

    /// Adds a group. Whether all fit.
    fn add(&mut self, group: TargetGroup) -> bool {
        self.targets += group.targets.len();
        let bytes = weight(&group.labels, &group.targets);
        self.bytes = self.bytes.saturating_add(bytes);
        self.list.push(group);
        self.fits()
    }
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Groups, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Groups;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of target groups")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Groups, A::Error> {
                let mut groups = Groups::default();
                while let Some(item) = seq.next_element::<Option<JsonGroup>>()? {
                    let index = groups.list.len();
                    let nil = || format!("nil target group item found (index {index})");
                    let item = item.ok_or_else(|| A::Error::custom(nil()))?;
                    if !groups.add(item.check()?) {
                        while seq.next_element::<IgnoredAny>()?.is_some() {}
                    }
                }
                Ok(groups)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A list that stops growing one item past the number of targets a provider may have, which is
/// enough to see that there are too many.
struct Bounded<T>(Vec<T>);

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Bounded(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bounded<T>, D::Error> {
        struct List<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
            type Value = Bounded<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of addresses")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bounded<T>, A::Error> {
                let mut items = Vec::new();
                while items.len() <= limits::SD_TARGETS_PER_PROVIDER {
                    match seq.next_element()? {
                        Some(item) => items.push(item),
                        None => return Ok(Bounded(items)),
                    }
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Bounded(items))
            }
        }
        deserializer.deserialize_seq(List(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests;
