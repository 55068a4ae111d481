//! Changing shards and configuration in an endpoint's shell: everything that is not settled is
//! taken back and routed again, in the order of the blocks.

use std::sync::Arc;
use std::time::Duration;

use super::{Change, Runner};
use crate::limits;
use crate::model::time::Mono;
use crate::remote::lanes::Lanes;
use crate::remote::piece::Piece;
use crate::remote::reshard::decide;
use crate::sys::jitter::Jitter;

impl Runner {
    pub(super) fn tick(&mut self, now: Mono) {
        if now < self.state.next_tick {
            return;
        }
        self.state.next_tick = now + limits::REMOTE_RESHARD_INTERVAL;
        self.core.sweep();
        let progress = Arc::clone(&self.context.progress);
        let load = self.state.meter.tick(now, progress.sent(), self.delay());
        let count = self.lanes.count();
        let Some(decision) = decide(&load, count, self.context.settings.bounds) else {
            return;
        };
        self.context.metrics.shards_desired.set(decision.desired);
        let quiet = now.since(progress.last_sent()) > limits::REMOTE_RESHARD_INTERVAL;
        let flushing = self.state.stopping.is_some();
        if decision.shards != count && !quiet && !flushing && now >= progress.calm_from() {
            log::info!(component = "remote", remote_name = &*self.context.name,
                from = count, to = decision.shards; "resharding");
            let pieces = self.restart_lanes(decision.shards);
            self.route(pieces);
        }
    }

    /// Seconds by which sending is behind.
    fn delay(&self) -> f64 {
        let progress = &self.context.progress;
        let Some(sent) = progress.highest_sent() else {
            return 0.0;
        };
        let newest = if self.state.caught_up {
            progress.highest_read()
        } else {
            Some(self.context.clock.wall())
        };
        let millis = newest.map_or(0, |newest| newest.0.saturating_sub(sent.0));
        Duration::from_millis(millis.max(0) as u64).as_secs_f64()
    }

    /// Stops all shards and starts `count` new ones with the present context. Returns what is to
    /// be routed again.
    fn restart_lanes(&mut self, count: u32) -> Vec<Piece> {
        let start = |count, jitter: &mut Jitter| {
            let seed = Jitter::seeded(jitter.next_u64());
            Lanes::start(self.context.clone(), seed, count)
        };
        let started = start(count, &mut self.jitter).or_else(|error| {
            log::error!(component = "remote", remote_name = &*self.context.name, error:%;
                "cannot start shards, going on with one");
            start(1, &mut self.jitter)
        });
        let Ok(lanes) = started else {
            self.state.broken = true;
            return Vec::new();
        };
        let stopped = std::mem::replace(&mut self.lanes, lanes).stop();
        self.state.broken |= stopped.is_none();
        stopped.unwrap_or_default()
    }

    /// Hands pieces that a former shard left over to the present ones.
    fn route(&mut self, mut pieces: Vec<Piece>) {
        Piece::link(&mut pieces);
        for piece in pieces {
            self.state.broken |= !self.lanes.push(piece);
        }
    }

    /// Applies a new configuration; what is not sent yet is sent with it.
    pub(super) fn change(&mut self, change: Change) {
        self.context = change.context;
        let bounds = self.context.settings.bounds;
        let count = self.lanes.count().clamp(bounds.min, bounds.max);
        let pieces = self.restart_lanes(count);
        self.metadata = change.metadata;
        if self.core.is_configured(&change.external, &change.rules) {
            return self.route(pieces);
        }
        self.core.reconfigure(change.external, change.rules);
        let renewed: Vec<Piece> = pieces
            .iter()
            .filter_map(|piece| self.core.renew(piece))
            .collect();
        for piece in &pieces {
            let sequence = piece.sequence();
            if renewed
                .binary_search_by_key(&sequence, Piece::sequence)
                .is_err()
            {
                self.settle(sequence, sequence);
            }
        }
        self.route(renewed);
    }
}
