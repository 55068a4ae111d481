//! How many samples a request may hold, as far as 413 has taught.
//!
//! The first 413 of a search halves requests, but never below what the receiver has taken since the
//! search before: then it was about something in the batch, not about its size. What follows in the
//! search only narrows down, and teaches nothing. Requests grow again, twice as large each time,
//! after a number of full ones that were taken; that number doubles with every 413, so that a
//! receiver with a fixed limit is seldom asked for more, and is the first one again once a larger
//! request was taken.

use crate::limits;

/// The size of requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizing {
    configured: u64,
    most: u64,
    /// Samples of the largest request that was taken since the last search began.
    taken: u64,
    /// Full requests that were taken since then, or since the last growth.
    full: u32,
    /// How many of them make requests grow.
    patience: u32,
    /// Requests have grown since the last search began.
    grew: bool,
}

impl Sizing {
    /// As many samples as the configuration says, one at least.
    pub(super) fn new(configured: u64) -> Sizing {
        let most = configured.max(1);
        Sizing {
            configured: most,
            most,
            taken: 0,
            full: 0,
            patience: limits::REMOTE_GROW_AFTER,
            grew: false,
        }
    }

    /// Most samples of a request.
    pub(super) fn most(&self) -> u64 {
        self.most
    }

    /// A request with so many samples was too large, and is no part of one that was.
    pub(super) fn too_large(&mut self, samples: u64) {
        if samples < 2 {
            return;
        }
        self.most = self.most.min((samples / 2).max(self.taken));
        self.taken = 0;
        self.full = 0;
        self.grew = false;
        self.patience = (2 * self.patience).min(limits::REMOTE_GROW_AFTER_MAX);
    }

    /// A request with so many samples was taken.
    pub(super) fn taken(&mut self, samples: u64) {
        self.taken = self.taken.max(samples);
        if self.most >= self.configured || samples <= self.most / 2 {
            return;
        }
        if self.grew {
            self.patience = limits::REMOTE_GROW_AFTER;
        }
        self.full += 1;
        if self.full >= self.patience {
            self.full = 0;
            self.grew = true;
            self.most = (2 * self.most).min(self.configured);
        }
    }
}
