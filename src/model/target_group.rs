//! What discovery finds: groups of targets, before any relabelling.

use std::collections::BTreeMap;
use std::sync::Arc;

pub use super::label_map::LabelMap;

/// Targets that share labels, named by the place they came from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TargetGroup {
    /// Unique within its provider. A later group with the same source replaces this one; an
    /// empty one removes it.
    pub source: String,
    /// Labels that every target of the group has unless it says otherwise itself.
    pub labels: LabelMap,
    /// Labels of each target; `__address__` at least.
    pub targets: Vec<LabelMap>,
}

/// The full discovered state: job name to its groups. Groups are shared, so that publishing the
/// whole state after a small change copies pointers only.
pub type TargetSets = BTreeMap<String, Vec<Arc<TargetGroup>>>;
