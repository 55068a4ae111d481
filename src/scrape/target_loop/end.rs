//! The end of a target: which of its series get staleness markers.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::{ScrapeTime, TargetLoop, block, series_of};
use crate::model::block::{ScrapeBlock, SideTables};
use crate::model::series::SeriesList;
use crate::model::value::{ABSENT, STALE, is_stale};
use crate::scrape::cache::rebuild::own_hash;

impl TargetLoop {
    /// Ends the target: markers for every live series, the report's included. Those that `twins`,
    /// which have the same public labels, show as well live on there, and so does the report.
    pub fn end(&mut self, at: ScrapeTime, twins: &[&TargetLoop]) -> Option<ScrapeBlock> {
        self.last?;
        let at = self.advance(at);
        let mut values = Vec::new();
        let mut chunks = Vec::new();
        if self.alive {
            self.chunks.append(&mut self.replaced);
            values = self.marker_values();
            chunks = series_of(&self.chunks);
        }
        if twins.is_empty() {
            chunks.extend(self.report_list.chunks().iter().map(Arc::clone));
            values.resize(values.len() + self.report_list.len(), STALE);
        }
        let living = twins.iter().filter(|twin| twin.alive);
        let living = living.flat_map(|twin| twin.chunks.iter().chain(&twin.replaced));
        let living = living.flat_map(|chunk| chunk.series().all_encoded());
        let living: HashSet<u64, FixedState> = living.map(own_hash).collect();
        let own = chunks.iter().flat_map(|chunk| chunk.all_encoded());
        for (value, encoded) in values.iter_mut().zip(own) {
            if !living.is_empty() && living.contains(&own_hash(encoded)) {
                *value = ABSENT;
            }
        }
        self.alive = false;
        self.last = None;
        if !values.iter().any(|value| is_stale(*value)) {
            return None;
        }
        let list = Arc::new(SeriesList::new(Arc::clone(&self.identity), chunks));
        Some(block(at, list, values, SideTables::default()))
    }
}
