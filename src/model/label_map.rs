//! Labels as discovery produces them: any name, sorted by name, texts and names that can be shared.
//!
//! Thousands of targets have the same label names and many of the same values. A map of owned
//! strings would pay for each of them. Here a label is a pointer to its value; the names are one
//! list, which all maps with the same names can have in common. Whoever makes many maps sees to
//! that with [`LabelMap::share_names`]. A map is built once and then only read.

use std::fmt;
use std::ops::Index;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::text::Text;
use crate::model::sorting;

/// Labels sorted by name, each name once. An empty value is a label like any other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelMap {
    /// Sorted.
    names: Arc<[Text]>,
    /// As many as there are names.
    values: Box<[Text]>,
}

impl Default for LabelMap {
    fn default() -> Self {
        LabelMap {
            names: Arc::new([]),
            values: Box::new([]),
        }
    }
}

impl LabelMap {
    /// No labels.
    #[must_use]
    pub fn new() -> LabelMap {
        LabelMap::default()
    }

    /// Keeps the last of several labels of the same name.
    fn from_pairs(mut pairs: Vec<(Text, Text)>) -> LabelMap {
        // Stable, so that of equal names the last stands last.
        sorting::sort_by(&mut pairs, |one, two| one.0.cmp(&two.0));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
        let (names, values): (Vec<Text>, Vec<Text>) = pairs.into_iter().unzip();
        LabelMap {
            names: names.into(),
            values: values.into(),
        }
    }

    fn position(&self, name: &str) -> Option<usize> {
        let found = self.names.binary_search_by(|own| own.as_str().cmp(name));
        found.ok()
    }

    /// Sets a label and returns the value it had. Makes a new list of names: for many labels there is
    /// [`LabelMap::set_all`].
    pub fn insert(&mut self, name: impl Into<Text>, value: impl Into<Text>) -> Option<Text> {
        let name = name.into();
        if let Some(index) = self.position(&name) {
            return Some(std::mem::replace(&mut self.values[index], value.into()));
        }
        self.set_all(vec![(name, value.into())]);
        None
    }

    /// Sets labels, later ones winning; costs as much as to sort them.
    pub fn set_all(&mut self, pairs: Vec<(Text, Text)>) {
        *self = LabelMap::from_pairs(self.pairs().chain(pairs).collect());
    }

    fn pairs(&self) -> impl Iterator<Item = (Text, Text)> {
        self.iter()
            .map(|(name, value)| (name.clone(), value.clone()))
    }

    /// The value of a label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.position(name).map(|index| &self.values[index])
    }

    /// Whether there is a label of that name.
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// The names, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &Text> {
        self.names.iter()
    }

    /// The labels in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Text, &Text)> {
        self.names.iter().zip(&self.values)
    }

    /// Has the names replaced by an equal list that is shared with other maps: whatever `share`
    /// gives for them. A list that is not equal is not taken.
    pub fn share_names(&mut self, share: impl FnOnce(&Arc<[Text]>) -> Arc<[Text]>) {
        let shared = share(&self.names);
        if shared == self.names {
            self.names = shared;
        }
    }

    /// Keeps the labels for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&Text, &Text) -> bool) {
        if self.iter().all(|(name, value)| keep(name, value)) {
            return;
        }
        let kept = self.pairs().filter(|(name, value)| keep(name, value));
        *self = LabelMap::from_pairs(kept.collect());
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl Index<&str> for LabelMap {
    type Output = Text;

    /// The value of a label.
    ///
    /// # Panics
    /// When there is no such label; [`LabelMap::get`] is for that case.
    fn index(&self, name: &str) -> &Text {
        self.get(name).expect("a label of that name")
    }
}

/// Later labels win over earlier ones of the same name.
impl<N: Into<Text>, V: Into<Text>> FromIterator<(N, V)> for LabelMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> LabelMap {
        let pairs = pairs.into_iter();
        LabelMap::from_pairs(
            pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl<const COUNT: usize> From<[(String, String); COUNT]> for LabelMap {
    fn from(pairs: [(String, String); COUNT]) -> LabelMap {
        pairs.into_iter().collect()
    }
}

impl fmt::Debug for LabelMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'de> Deserialize<'de> for LabelMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LabelMap, D::Error> {
        struct Labels;
        impl<'de> Visitor<'de> for Labels {
            type Value = LabelMap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelMap, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry::<String, String>()? {
                    pairs.push(pair);
                }
                Ok(pairs.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> LabelMap {
        pairs.iter().copied().collect()
    }

    #[test]
    fn labels_are_sorted_and_the_last_of_a_name_wins() {
        let labels = map(&[("b", "1"), ("a", "2"), ("b", "3"), ("c", ""), ("b", "4")]);
        let found: Vec<_> = labels
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(found, [("a", "2"), ("b", "4"), ("c", "")]);
        assert_eq!(labels.len(), 3);
        assert_eq!(labels.get("d"), None);
        assert!(labels.contains_key("c") && !labels.contains_key(""));
        assert_eq!(labels["b"], "4");
        let mut filled = labels;
        filled.retain(|_, value| !value.is_empty());
        assert_eq!(filled, map(&[("a", "2"), ("b", "4")]));
    }

    #[test]
    fn inserted_labels_find_their_place() {
        let mut labels = LabelMap::new();
        assert!(labels.is_empty());
        for (name, value) in [("b", "1"), ("c", "2"), ("a", "3")] {
            assert_eq!(labels.insert(name, value), None);
        }
        assert_eq!(labels.insert("c", "4").as_deref(), Some("2"));
        assert_eq!(labels, map(&[("a", "3"), ("b", "1"), ("c", "4")]));
    }

    #[test]
    fn json_gives_the_same_labels() {
        let read = |text| serde_json::from_str::<LabelMap>(text);
        let labels = read(r#"{"b": "1", "a": "2", "b": "3"}"#).expect("valid");
        assert_eq!(labels, map(&[("a", "2"), ("b", "3")]));
        assert!(read(r#"{"a": 1}"#).is_err() && read("[]").is_err());
    }

    #[test]
    fn texts_and_names_can_be_shared() {
        let text = Text::from("name");
        let mut one: LabelMap = [(text.clone(), text.clone())].into_iter().collect();
        assert!(!text.is_alone());
        let two = map(&[("name", "other")]);
        one.share_names(|_| Arc::clone(&two.names));
        assert!(Arc::ptr_eq(&one.names, &two.names));
        assert_eq!(one, map(&[("name", "name")]));
        one.share_names(|_| Arc::new([]));
        assert_eq!(one, map(&[("name", "name")]), "other names are not taken");
        drop(one);
        assert!(text.is_alone());
    }
}
