//! Static discovery: the targets stand in the configuration.
//!
//! All groups of a job are one provider, without a thread; the source of a group is its index.
//! Meta labels: none.

use std::sync::Arc;

use super::{Opened, ProviderConfig, ProviderContext, ProviderError, Runner};
use crate::config::decode::{Cursor, Decoded};
use crate::discovery::group;
use crate::model::target_group::TargetGroup;

/// The name under which configuration entries arrive.
pub const MECHANISM: &str = "static";

/// The static groups of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticConfig {
    groups: Vec<TargetGroup>,
}

impl StaticConfig {
    /// Numbers the groups.
    #[must_use]
    pub fn new(mut groups: Vec<TargetGroup>) -> Arc<StaticConfig> {
        for (index, group) in groups.iter_mut().enumerate() {
            group.source = index.to_string();
        }
        Arc::new(StaticConfig { groups })
    }
}

impl ProviderConfig for StaticConfig {
    fn open(&self, _context: &ProviderContext) -> Result<Opened, ProviderError> {
        Ok(Opened::new(Runner::Fixed(self.groups.clone())))
    }
}

/// Reads one group. Whether its addresses can be ones was checked with the configuration.
///
/// # Errors
/// When the group has another shape.
pub fn parse(at: &Cursor<'_>) -> Decoded<TargetGroup> {
    group::from_yaml(at)
}
