//! Targets made from what an API says of its objects: label names from free text, addresses, and
//! a list that stays bounded. Pure.

use serde::{Deserialize, Deserializer};

use super::group::ADDRESS;
use crate::limits;
use crate::model::target_group::{LabelMap, TargetGroup};
use crate::model::text::Text;

/// A text as part of a label name: every character that cannot stand in one becomes `_`.
#[must_use]
pub fn sanitized(text: &str) -> String {
    let letter = |c: char| {
        if c.is_ascii_alphanumeric() { c } else { '_' }
    };
    text.chars().map(letter).collect()
}

/// Host and port as an address; IPv6 gets its brackets.
#[must_use]
pub fn host_port(host: &str, port: impl std::fmt::Display) -> String {
    if host.contains([':', '%']) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Adds the entries of a free map, their names sanitized and behind a prefix.
pub fn add_all<'a>(
    labels: &mut LabelMap,
    prefix: &str,
    entries: impl IntoIterator<Item = (&'a String, &'a String)>,
) {
    let entries = entries.into_iter().map(|(name, value)| {
        let name = format!("{prefix}{}", sanitized(name));
        (name.into(), value.as_str().into())
    });
    labels.set_all(entries.collect());
}

/// Bytes of names and values.
#[must_use]
pub fn label_bytes(labels: &LabelMap) -> usize {
    let entries = labels.iter();
    entries.map(|(name, value)| name.len() + value.len()).sum()
}

/// Bytes of labels of all targets that have `shared` beside their own: scraping joins them, so what
/// a group has once counts for each of its targets.
#[must_use]
pub fn weight(shared: &LabelMap, targets: &[LabelMap]) -> usize {
    // Texts can be shared: their sum may be more than an address space of 32 bits.
    let shared = label_bytes(shared).saturating_mul(targets.len());
    let own = targets.iter().map(label_bytes);
    own.fold(shared, usize::saturating_add)
}

/// More targets, or longer labels, than a provider may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {} targets, or more than {} bytes of labels",
    limits::SD_TARGETS_PER_PROVIDER,
    limits::SD_LABEL_BYTES_PER_PROVIDER
)]
pub struct TooMuch;

/// The targets of a group, while they are being made.
#[derive(Debug, Default)]
pub struct TargetList {
    targets: Vec<LabelMap>,
    bytes: usize,
}

impl TargetList {
    /// Adds a target: its address and all labels of `parts`, of which later ones win.
    ///
    /// # Errors
    /// When there are too many already: one object of an answer can stand for any number.
    pub fn add(&mut self, address: String, parts: &[&LabelMap]) -> Result<(), TooMuch> {
        let entries = || parts.iter().flat_map(|part| part.iter());
        let size: usize = parts.iter().map(|part| label_bytes(part)).sum();
        self.bytes += address.len() + size;
        if self.targets.len() >= limits::SD_TARGETS_PER_PROVIDER
            || self.bytes > limits::SD_LABEL_BYTES_PER_PROVIDER
        {
            return Err(TooMuch);
        }
        let pairs = entries().map(|(name, value)| (name.clone(), value.clone()));
        let own = (Text::from(ADDRESS), Text::from(address));
        self.targets.push(pairs.chain([own]).collect());
        Ok(())
    }

    /// The group.
    #[must_use]
    pub fn into_group(self, source: &str, labels: LabelMap) -> TargetGroup {
        TargetGroup {
            source: source.to_owned(),
            labels,
            targets: self.targets,
        }
    }
}

/// Reads a JSON value of which null means the same as nothing, as everywhere in Go. For
/// `#[serde(default, deserialize_with)]`.
///
/// # Errors
/// When it is something else.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One by one, each label moved all others: these would take minutes.
    #[test]
    fn very_many_labels_of_an_object_cost_no_more_than_sorting_them() {
        let entry = |number: u32| (format!("{number:05}"), number.to_string());
        let entries: std::collections::BTreeMap<String, String> = (0..50_000).map(entry).collect();
        let mut labels = LabelMap::from([("x_00007".to_owned(), "before".to_owned())]);
        add_all(&mut labels, "x_", &entries);
        assert_eq!(labels.len(), 50_000);
        assert_eq!((&*labels["x_00007"], &*labels["x_49999"]), ("7", "49999"));
    }

    #[test]
    fn every_character_that_cannot_stand_in_a_name_becomes_one_underscore() {
        assert_eq!(sanitized("com.docker/x-y"), "com_docker_x_y");
        assert_eq!(sanitized("\u{e4}\u{20ac}9_"), "__9_");
        assert_eq!(sanitized(""), "");
    }

    #[test]
    fn only_ipv6_gets_brackets() {
        assert_eq!(host_port("192.0.2.1", 80), "192.0.2.1:80");
        assert_eq!(host_port("::1", 80), "[::1]:80");
        assert_eq!(host_port("", 80), ":80");
    }

    #[test]
    fn a_list_ends_at_its_limits() {
        let mut list = TargetList::default();
        for _ in 0..limits::SD_TARGETS_PER_PROVIDER {
            list.add("a".to_owned(), &[]).expect("room");
        }
        assert_eq!(list.add("a".to_owned(), &[]), Err(TooMuch));
        let large = "x".repeat(limits::SD_LABEL_BYTES_PER_PROVIDER / 2);
        let labels = LabelMap::from([("l".to_owned(), large)]);
        let mut list = TargetList::default();
        list.add("a".to_owned(), &[&labels]).expect("room");
        assert_eq!(list.add("a".to_owned(), &[&labels]), Err(TooMuch));
    }

    #[test]
    fn later_labels_win_and_the_address_over_all() {
        let one = LabelMap::from([("a".into(), "1".into()), (ADDRESS.into(), "no".into())]);
        let two = LabelMap::from([("a".into(), "2".into())]);
        let mut list = TargetList::default();
        list.add("h:1".into(), &[&one, &two]).expect("room");
        let group = list.into_group("s", LabelMap::new());
        let expected = LabelMap::from([("a".into(), "2".into()), (ADDRESS.into(), "h:1".into())]);
        assert_eq!(group.targets, [expected]);
    }
}
