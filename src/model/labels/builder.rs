//! A label set under construction: what relabelling works on.
//!
//! All texts stand in one piece of memory, which a cleared set keeps: a set that is used again and
//! again, as for the series of a page, soon allocates nothing.

use std::fmt;
use std::ops::Range;

use super::{Label, Labels};
use crate::model::sorting;

/// Where a label stands in the text.
#[derive(Clone, Copy)]
struct Place {
    name: usize,
    value: usize,
    end: usize,
}

impl Place {
    fn name(self) -> Range<usize> {
        self.name..self.value
    }

    fn value(self) -> Range<usize> {
        self.value..self.end
    }
}

/// A label set under construction. Kept sorted; a label with an empty value is absent.
#[derive(Default)]
pub struct LabelsBuilder {
    /// Names and values; those of replaced and removed labels stay until the set is cleared.
    text: String,
    places: Vec<Place>,
}

impl LabelsBuilder {
    /// Starts from pairs, later ones winning.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> LabelsBuilder
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut builder = LabelsBuilder::default();
        for (name, value) in pairs {
            builder.set(name.as_ref(), value.as_ref());
        }
        builder
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        let text = &self.text;
        // Labels mostly come in order.
        match self.places.last() {
            Some(last) if text[last.name()] < *name => Err(self.places.len()),
            _ => self
                .places
                .binary_search_by(|place| text[place.name()].cmp(name)),
        }
    }

    /// The value of `name`, empty if absent: as relabelling sees it.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.position(name)
            .map_or("", |index| &self.text[self.places[index].value()])
    }

    /// Whether a label of that name is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        let position = self.position(name);
        if value.is_empty() {
            if let Ok(index) = position {
                self.places.remove(index);
            }
            return;
        }
        let place = self.append(name, value);
        match position {
            Ok(index) => self.places[index] = place,
            Err(index) => self.places.insert(index, place),
        }
    }

    /// Sets labels, none of which has an empty value, later ones winning; costs as much as to sort them.
    pub fn set_all(&mut self, pairs: &[(String, String)]) {
        for (name, value) in pairs {
            let place = self.append(name, value);
            self.places.push(place);
        }
        let text = &self.text;
        sorting::sort_by_key(&mut self.places, |place| &text[place.name()]);
        self.places.dedup_by(|later, kept| {
            let same = text[later.name()] == text[kept.name()];
            if same {
                *kept = *later;
            }
            same
        });
    }

    fn append(&mut self, name: &str, value: &str) -> Place {
        let start = self.text.len();
        self.text.push_str(name);
        let middle = self.text.len();
        self.text.push_str(value);
        Place {
            name: start,
            value: middle,
            end: self.text.len(),
        }
    }

    /// Removes a label if it is there.
    pub fn remove(&mut self, name: &str) {
        if let Ok(index) = self.position(name) {
            self.places.remove(index);
        }
    }

    /// Keeps the labels for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &str) -> bool) {
        let text = &self.text;
        self.places
            .retain(|place| keep(&text[place.name()], &text[place.value()]));
    }

    /// Removes every label and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
    }

    /// The labels in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.places
            .iter()
            .map(|place| (&self.text[place.name()], &self.text[place.value()]))
    }

    /// Number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The finished set.
    #[must_use]
    pub fn build(&self) -> Labels {
        let labels = self.iter().map(|(name, value)| Label {
            name: name.into(),
            value: value.into(),
        });
        Labels(labels.collect())
    }
}

impl Clone for LabelsBuilder {
    fn clone(&self) -> LabelsBuilder {
        LabelsBuilder {
            text: self.text.clone(),
            places: self.places.clone(),
        }
    }

    fn clone_from(&mut self, other: &LabelsBuilder) {
        self.text.clone_from(&other.text);
        self.places.clone_from(&other.places);
    }
}

/// Equal are sets of equal labels, however they came about.
impl PartialEq for LabelsBuilder {
    fn eq(&self, other: &LabelsBuilder) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for LabelsBuilder {}

impl fmt::Debug for LabelsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn setting_an_empty_value_removes_the_label() {
        let mut builder = LabelsBuilder::from_pairs([("a", "1")]);
        builder.set("a", "");
        builder.set("b", "");
        assert!(builder.is_empty());
        assert_eq!(builder.get("a"), "");
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_map_without_empty_values(
            steps in prop::collection::vec((0..4u8, "[a-c]{0,2}", "[x-z]{0,2}"), 0..30),
        ) {
            let (mut builder, mut model) = (LabelsBuilder::default(), BTreeMap::new());
            for (step, name, value) in &steps {
                match step {
                    0 => {
                        builder.remove(name);
                        model.remove(name);
                    }
                    1 => {
                        builder.retain(|_, own| own != value);
                        model.retain(|_, own| own != value);
                    }
                    _ => {
                        builder.set(name, value);
                        model.insert(name.clone(), value.clone());
                        model.retain(|_, own| !own.is_empty());
                    }
                }
                let pairs = model.iter().map(|(name, value)| (&**name, &**value));
                prop_assert!(builder.iter().eq(pairs.clone()));
                prop_assert_eq!(builder.len(), model.len());
                prop_assert_eq!(builder.contains(name), model.contains_key(name));
                let own = model.get(name).map_or("", |own| &**own);
                prop_assert_eq!(builder.get(name), own);
                prop_assert_eq!(&builder, &LabelsBuilder::from_pairs(pairs));
                let mut copy = LabelsBuilder::from_pairs([("other", "one")]);
                copy.clone_from(&builder);
                prop_assert_eq!(&copy, &builder);
            }
            builder.clear();
            prop_assert!(builder.is_empty() && builder == LabelsBuilder::default());
        }
    }
}
