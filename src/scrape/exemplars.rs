//! The exemplars of one target: each is taken once, however many pages go on showing it.
//!
//! A page shows the last exemplar of a series until there is a newer one, so nearly all that pages
//! show was taken before. Prometheus compares with what it took last of the same series; here the
//! text is compared, by its hash, so that an exemplar that was taken is not even parsed. Exemplars
//! that are left out are remembered as well, and counted once.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::exposition::exemplar::parse_exemplar;
use crate::exposition::rows::extras::Extras;
use crate::limits;
use crate::model::exemplar::Exemplar;
use crate::model::sorting;

/// Hash of the last exemplar's text by the hash of the series' own labels.
type Texts = HashMap<u64, u64, FixedState>;

/// What is remembered of a target: one hash for each series that has had an exemplar. Empty, and
/// free, for targets without.
#[derive(Debug, Default)]
pub struct LatestExemplars {
    texts: Texts,
}

impl LatestExemplars {
    /// Forgets the series with that own-label hash.
    pub fn forget(&mut self, series: u64) {
        self.texts.remove(&series);
    }
}

/// The exemplars of one page that is not accepted yet.
#[derive(Debug)]
pub struct PageExemplars<'a> {
    before: &'a LatestExemplars,
    fresh: Texts,
}

impl<'a> PageExemplars<'a> {
    /// Begins a page.
    #[must_use]
    pub fn new(before: &'a LatestExemplars) -> PageExemplars<'a> {
        PageExemplars {
            before,
            fresh: Texts::default(),
        }
    }

    /// Whether the series had another exemplar last time, or none.
    #[must_use]
    pub fn is_new(&self, series: u64, raw: &[u8]) -> bool {
        let last = self.fresh.get(&series);
        last.or_else(|| self.before.texts.get(&series)) != Some(&text_hash(raw))
    }

    /// Reads an exemplar, to be sent with a sample that has `timestamp_ms`. None: it is left out.
    pub fn take(&mut self, series: u64, raw: &[u8], timestamp_ms: Option<i64>) -> Option<Exemplar> {
        self.fresh.insert(series, text_hash(raw));
        fitting(parse_exemplar(raw).ok()?, timestamp_ms)
    }

    /// Reads all exemplars of a row, to be sent, by their time, with a sample that has
    /// `timestamp_ms`; of equal ones the first. Also says how many are left out.
    pub fn take_all(
        &mut self,
        series: u64,
        extras: &Extras<'_>,
        timestamp_ms: Option<i64>,
    ) -> (Vec<Exemplar>, usize) {
        let hash = text_hash(extras.exemplar_bytes());
        self.fresh.insert(series, hash);
        let mut all = 0;
        let own = extras.exemplars().inspect(|_| all += 1);
        let mut taken: Vec<_> = own
            .flatten()
            .filter_map(|exemplar| fitting(exemplar, timestamp_ms))
            .collect();
        let rejected = all - taken.len();
        sorting::sort_by_key(&mut taken, |exemplar| exemplar.timestamp_ms);
        taken.dedup();
        (taken, rejected)
    }

    /// Ends the page.
    #[must_use]
    pub fn finish(self) -> FreshExemplars {
        FreshExemplars(self.fresh)
    }
}

/// What a page that is accepted leaves to be remembered.
#[derive(Debug)]
pub struct FreshExemplars(Texts);

impl FreshExemplars {
    /// Makes them the last of their series.
    pub fn commit(self, latest: &mut LatestExemplars) {
        if !self.0.is_empty() {
            latest.texts.extend(self.0);
        }
    }
}

/// The exemplar with its own time or that of its sample, unless its labels are too long.
fn fitting(mut exemplar: Exemplar, timestamp_ms: Option<i64>) -> Option<Exemplar> {
    if exemplar.label_chars() > limits::EXEMPLAR_LABEL_CHARS_MAX {
        return None;
    }
    exemplar.timestamp_ms = exemplar.timestamp_ms.or(timestamp_ms);
    Some(exemplar)
}

fn text_hash(raw: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(raw);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(latest: &mut LatestExemplars, series: u64, raw: &str) -> bool {
        let mut page = PageExemplars::new(latest);
        let new = page.is_new(series, raw.as_bytes());
        if new {
            page.take(series, raw.as_bytes(), None);
        }
        page.finish().commit(latest);
        new
    }

    #[test]
    fn an_exemplar_is_new_once_and_again_after_another() {
        let mut latest = LatestExemplars::default();
        assert!(show(&mut latest, 1, "{t=\"x\"} 1"));
        assert!(!show(&mut latest, 1, "{t=\"x\"} 1"));
        assert!(show(&mut latest, 2, "{t=\"x\"} 1"), "of another series");
        assert!(show(&mut latest, 1, "{t=\"y\"} 1"));
        assert!(show(&mut latest, 1, "{t=\"x\"} 1"));
        latest.forget(1);
        assert!(show(&mut latest, 1, "{t=\"x\"} 1"));
    }

    #[test]
    fn a_page_that_is_not_accepted_leaves_nothing() {
        let latest = LatestExemplars::default();
        let mut page = PageExemplars::new(&latest);
        assert!(page.take(1, b"{t=\"x\"} 1", None).is_some());
        assert!(!page.is_new(1, b"{t=\"x\"} 1"), "on the same page");
        assert!(PageExemplars::new(&latest).is_new(1, b"{t=\"x\"} 1"));
    }

    #[test]
    fn labels_have_at_most_128_characters_and_distinct_names() {
        let latest = LatestExemplars::default();
        let take = |raw: &str| {
            let mut page = PageExemplars::new(&latest);
            page.take(1, raw.as_bytes(), None).is_some()
        };
        // Characters, not bytes; neither quotes nor the equals sign.
        let fits = "\u{e9}".repeat(127);
        assert!(take(&format!("{{t=\"{fits}\"}} 1")));
        assert!(!take(&format!("{{t=\"{fits}x\"}} 1")));
        assert!(!take("{t=\"x\",t=\"y\"} 1"));
        assert!(take("{t=\"x\",t=\"\"} 1"), "an empty label is none");
    }

    #[test]
    fn an_exemplar_has_its_own_time_or_that_of_its_sample() {
        let latest = LatestExemplars::default();
        let time = |raw: &str, sample| {
            let mut page = PageExemplars::new(&latest);
            let taken = page.take(1, raw.as_bytes(), sample);
            taken.expect("an exemplar").timestamp_ms
        };
        assert_eq!(time("{} 1 2.5", Some(7)), Some(2500));
        assert_eq!(time("{} 1", Some(7)), Some(7));
        assert_eq!(time("{} 1", None), None);
    }
}
