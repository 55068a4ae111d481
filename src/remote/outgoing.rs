//! How the series of one list leave for one endpoint: external labels and write relabelling,
//! applied once per list and remembered while the list lives.
//!
//! Without `write_relabel_configs` nothing is kept per series: the shared labels of the target are
//! encoded once and every series' own labels are merged with them while a request is written. With
//! rules, four bytes a series are kept, and the labels of those that a rule changed, as a chunk of
//! series stores them. The same for both versions of the protocol.
//!
//! Order as in Prometheus: external labels first (a series' own value wins), then the rules.

use std::sync::{Arc, Weak};

use hashbrown::HashMap;

use crate::model::labels::{Labels, LabelsBuilder};
use crate::model::series::{Encoded, SeriesChunk, SeriesList, encode_labels};
use crate::relabel::apply::apply;
use crate::relabel::rule::Rule;
use crate::wire::remote_write_v1::{SharedLabels, append_labels};

/// What one entry costs beside its labels, in bytes: header, value, timestamp.
const ENTRY_BYTES: usize = 24;

/// What a label costs beside its stored form, in bytes, with two labels of its own a series.
const OWN_LABELS_BYTES: usize = 8;

/// Number of remembered lists below which nothing is swept.
const SWEEP_MIN: usize = 64;

/// What becomes of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Own labels over shared ones.
    AsIs,
    /// A rule dropped it.
    Dropped,
    /// Its labels are those of this index.
    Changed(u32),
}

/// The labels of one series on their way out, encoded as a chunk of series has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutgoingLabels<'a> {
    /// To be laid over those of the target and the external ones.
    Own(Encoded<'a>),
    /// All there are: a rule changed them.
    Whole(Encoded<'a>),
}

/// Results of the rules, one per slot.
#[derive(Debug)]
struct Plan {
    fates: Box<[u32]>,
    ends: Box<[u32]>,
    fields: Box<[u8]>,
    /// What changed labels are laid over: nothing.
    nothing: SharedLabels,
}

const AS_IS: u32 = u32::MAX;
const DROPPED: u32 = u32::MAX - 1;

impl Plan {
    fn fate(&self, slot: usize) -> Fate {
        match self.fates.get(slot) {
            None | Some(&AS_IS) => Fate::AsIs,
            Some(&DROPPED) => Fate::Dropped,
            Some(index) => Fate::Changed(*index),
        }
    }

    fn changed(&self, index: u32) -> Encoded<'_> {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Encoded::new(&self.fields[start as usize..self.ends[index] as usize])
    }
}

/// How the labels of one series come about.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// Its own labels over shared ones.
    AsIs(&'a SharedLabels),
    /// These, which a rule changed, encoded as a chunk's are, over none.
    Changed(Encoded<'a>, &'a SharedLabels),
    /// It is not sent: a rule dropped it.
    Dropped,
}

/// The outgoing side of one series list.
#[derive(Debug)]
pub struct Outgoing {
    shared: SharedLabels,
    external: Arc<Labels>,
    plan: Option<Plan>,
    /// Estimated bytes of one entry, labels and one sample.
    entry_bytes: usize,
}

impl Outgoing {
    /// Applies external labels and rules to every series of a list.
    #[must_use]
    pub fn new(list: &SeriesList, external: &Arc<Labels>, rules: &[Rule]) -> Outgoing {
        let shared = SharedLabels::new(&list.target().labels, external);
        let plan = if rules.is_empty() {
            None
        } else {
            plan(list, external, rules)
        };
        let stored: usize = list
            .chunks()
            .iter()
            .map(|chunk| chunk.encoded_bytes())
            .sum();
        let own = stored / list.len().max(1) + OWN_LABELS_BYTES;
        let entry_bytes = ENTRY_BYTES + shared.encoded_len() + own;
        Outgoing {
            shared,
            external: Arc::clone(external),
            plan,
            entry_bytes,
        }
    }

    /// Whether the series at `slot` is sent at all.
    #[must_use]
    pub fn sends(&self, slot: usize) -> bool {
        let plan = self.plan.as_ref();
        plan.is_none_or(|plan| plan.fate(slot) != Fate::Dropped)
    }

    /// Whether a rule dropped any series.
    #[must_use]
    pub fn drops_some(&self) -> bool {
        self.plan.is_some()
    }

    /// The labels of the series at `slot`, whose own ones these are.
    #[inline]
    #[must_use]
    pub fn labels<'a>(&'a self, slot: usize, own: Encoded<'a>) -> OutgoingLabels<'a> {
        match self.sent(slot) {
            Sent::Changed(labels, _) => OutgoingLabels::Whole(labels),
            Sent::AsIs(_) | Sent::Dropped => OutgoingLabels::Own(own),
        }
    }

    /// The external labels of the endpoint.
    #[must_use]
    pub fn external(&self) -> &Labels {
        &self.external
    }

    /// How the series at `slot` is sent.
    #[inline]
    #[must_use]
    pub fn sent(&self, slot: usize) -> Sent<'_> {
        let Some(plan) = &self.plan else {
            return Sent::AsIs(&self.shared);
        };
        match plan.fate(slot) {
            Fate::AsIs => Sent::AsIs(&self.shared),
            Fate::Changed(changed) => Sent::Changed(plan.changed(changed), &plan.nothing),
            Fate::Dropped => Sent::Dropped,
        }
    }

    /// Appends the labels, as remote write 1.0 has them, of the series at `slot`, which is the one at `index` of `chunk`.
    pub fn append_labels(&self, out: &mut Vec<u8>, slot: usize, chunk: &SeriesChunk, index: usize) {
        match self.sent(slot) {
            Sent::AsIs(shared) => append_labels(out, chunk.encoded(index), shared),
            Sent::Changed(labels, nothing) => append_labels(out, labels, nothing),
            Sent::Dropped => {}
        }
    }

    /// The labels that series have beside their own.
    #[must_use]
    pub fn shared(&self) -> &SharedLabels {
        &self.shared
    }

    /// Estimated bytes of one series with one sample in a request, before compression.
    #[must_use]
    pub fn entry_bytes(&self) -> usize {
        self.entry_bytes
    }
}

/// Runs the rules; none when they leave every series as it is.
fn plan(list: &SeriesList, external: &Labels, rules: &[Rule]) -> Option<Plan> {
    let mut fates = Vec::with_capacity(list.len());
    let (mut ends, mut fields) = (Vec::new(), Vec::new());
    let (mut before, mut after) = (LabelsBuilder::default(), LabelsBuilder::default());
    for (chunk, index) in list.iter() {
        before.clear();
        for (name, value) in list.labels(chunk, index) {
            before.set(name, value);
        }
        for (name, value) in external.iter() {
            if !before.contains(name) {
                before.set(name, value);
            }
        }
        after.clone_from(&before);
        fates.push(if !apply(rules, &mut after) || after.is_empty() {
            DROPPED
        } else if after == before {
            AS_IS
        } else {
            encode_labels(&mut fields, after.iter());
            ends.push(u32::try_from(fields.len()).unwrap_or(u32::MAX));
            (ends.len() - 1) as u32
        });
    }
    let changes = fates.iter().any(|fate| *fate != AS_IS);
    changes.then(|| Plan {
        fates: fates.into(),
        ends: ends.into(),
        fields: fields.into(),
        nothing: SharedLabels::default(),
    })
}

/// The outgoing sides of all living lists, found by address. A weak reference keeps the address
/// from being used again before the entry is swept.
#[derive(Debug, Default)]
pub struct OutgoingCache {
    entries: HashMap<usize, (Weak<SeriesList>, Arc<Outgoing>)>,
    sweep_at: usize,
    /// One copy for all lists.
    external: Arc<Labels>,
}

impl OutgoingCache {
    /// The outgoing side of `list`, made when it is seen for the first time.
    pub fn get(
        &mut self,
        list: &Arc<SeriesList>,
        external: &Labels,
        rules: &[Rule],
    ) -> Arc<Outgoing> {
        let key = Arc::as_ptr(list) as usize;
        if let Some((_, outgoing)) = self.entries.get(&key) {
            return Arc::clone(outgoing);
        }
        if self.entries.len() >= self.sweep_at.max(SWEEP_MIN) {
            self.sweep();
            self.sweep_at = 2 * self.entries.len();
        }
        if *self.external != *external {
            self.external = Arc::new(external.clone());
        }
        let outgoing = Arc::new(Outgoing::new(list, &self.external, rules));
        let entry = (Arc::downgrade(list), Arc::clone(&outgoing));
        self.entries.insert(key, entry);
        outgoing
    }

    /// Forgets lists that nobody holds any more.
    pub fn sweep(&mut self) {
        self.entries.retain(|_, (list, _)| list.strong_count() > 0);
    }

    /// Forgets everything: the rules have changed.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Number of remembered lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::series::{ChunkBuilder, TargetIdentity};

    #[test]
    fn long_series_between_short_ones_count() {
        let target = TargetIdentity {
            id: 1,
            job: "job".into(),
            labels: Labels::default(),
        };
        let long = "x".repeat(20_000);
        let mut builder = ChunkBuilder::default();
        for value in ["1", &long, &long, "2"] {
            builder.push([("__name__", "m"), ("a", value)]);
        }
        let chunk = Arc::new(builder.finish(None));
        let list = SeriesList::new(Arc::new(target), vec![chunk]);
        let bytes = Outgoing::new(&list, &Arc::default(), &[]).entry_bytes();
        assert!((10_000..10_100).contains(&bytes), "{bytes}");
    }
}
