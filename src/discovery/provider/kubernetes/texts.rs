//! A pool of shared texts: whatever many objects or groups have in common is in memory once.
//!
//! Texts that nobody holds any more are dropped when the pool has doubled since they were last
//! looked for, so that it follows what is in use. Pure.

use std::collections::HashSet;

use crate::limits;
use crate::model::text::Text;

/// The pool.
#[derive(Debug)]
pub(super) struct Texts {
    known: HashSet<Text, foldhash::fast::RandomState>,
    sweep_at: usize,
}

impl Default for Texts {
    fn default() -> Self {
        Texts {
            known: HashSet::default(),
            sweep_at: limits::K8S_TEXTS,
        }
    }
}

impl Texts {
    /// The shared text that says this.
    pub(super) fn share(&mut self, text: &str) -> Text {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|text| !text.is_alone());
            self.sweep_at = (self.known.len() * 2).max(limits::K8S_TEXTS);
        }
        let text = Text::from(text);
        self.known.insert(text.clone());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one() {
        let mut texts = Texts::default();
        let (one, two) = (texts.share("a"), texts.share("a"));
        assert!(std::ptr::eq(one.as_str(), two.as_str()));
        assert_eq!(texts.share("b"), "b");
    }

    #[test]
    fn what_nobody_holds_is_dropped_in_time() {
        let mut texts = Texts::default();
        let held = texts.share("held");
        for number in 0..10 * limits::K8S_TEXTS {
            texts.share(&number.to_string());
        }
        assert!(texts.known.len() <= limits::K8S_TEXTS);
        assert!(std::ptr::eq(texts.share("held").as_str(), held.as_str()));
    }
}
