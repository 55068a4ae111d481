//! What the status page shows of an endpoint: plain data.

use crate::model::block::Sequence;
use crate::model::time::Wall;

/// How sending goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SendState {
    /// Nothing was sent yet.
    Idle = 0,
    /// The last request was settled.
    Sending = 1,
    /// The last request failed and is repeated.
    Retrying = 2,
    /// The endpoint asks for a repair (credentials, address): asked once a minute.
    Holding = 3,
}

impl SendState {
    /// Whether the endpoint does not take what it is sent.
    #[must_use]
    pub const fn is_failing(self) -> bool {
        matches!(self, SendState::Retrying | SendState::Holding)
    }

    pub(super) fn from_number(number: u8) -> SendState {
        match number {
            1 => SendState::Sending,
            2 => SendState::Retrying,
            3 => SendState::Holding,
            _ => SendState::Idle,
        }
    }
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// When.
    pub at: Wall,
    /// One line, bounded, without control characters and secrets.
    pub text: String,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointStatus {
    /// Its name.
    pub name: String,
    /// Its URL without userinfo and query.
    pub url: String,
    /// How sending goes.
    pub state: SendState,
    /// What went wrong last, if anything ever did.
    pub last_error: Option<LastError>,
    /// Shards that are running.
    pub shards: u32,
    /// Shards that the load asks for.
    pub shards_desired: f64,
    /// Samples in the shards; the log may hold more.
    pub pending_samples: u64,
    /// Samples that the endpoint acknowledged since the start.
    pub acknowledged_samples: u64,
    /// Samples that are lost because the endpoint refused them.
    pub lost_samples: u64,
    /// Samples that the endpoint fails at alone; they are tried again now and then.
    pub aside_samples: u64,
    /// Newest timestamp taken from the log.
    pub highest_read: Option<Wall>,
    /// Newest timestamp settled.
    pub highest_sent: Option<Wall>,
    /// Everything up to this block is settled.
    pub settled_up_to: Sequence,
}
