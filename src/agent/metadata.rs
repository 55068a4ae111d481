//! Where the scrape engine and remote write meet: families of active targets.

use std::sync::Arc;

use crate::model::metadata::Family;
use crate::remote::metadata::MetadataSource;
use crate::scrape::status::Status;

/// The families that active targets last exposed.
#[derive(Debug)]
pub(super) struct ActiveFamilies(pub(super) Status);

impl MetadataSource for ActiveFamilies {
    fn families(&self) -> Vec<Arc<Family>> {
        let pools = self.0.load();
        let targets = pools.values().flat_map(|pool| &pool.active);
        let mut families = Vec::new();
        for target in targets {
            target
                .last
                .with(|last| families.extend(last.families.iter().map(Arc::clone)));
        }
        families
    }
}
