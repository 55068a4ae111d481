//! Remote write: reads the log block by block and delivers every sample at least once.
//!
//! ```text
//!  log --BlockSource--> endpoint --pieces--> shard(s) --requests--> receiver
//!                       (labels,             (batch, encode,
//!                        rules, routing)      send, judge)
//!                            ^                    |
//!                            '--- settled blocks -+--> position (AckRanges)
//! ```
//!
//! Guarantees: nothing leaves the log's care before the receiver has acknowledged or finally
//! refused it; the samples of a series arrive in order; each loss is counted with its reason; a
//! change of the configuration loses nothing. Cores are pure ([`endpoint`], [`shard`], [`answer`],
//! [`backoff`], [`reshard`], [`metadata`]); [`lane`], [`lanes`] and `thread` are their shells.
//!
//! External labels and `write_relabel_configs` are applied when sending, so a change also applies
//! to what is still unsent. `sample_age_limit` compares with the wall clock. Implements remote
//! write 1.0 and 2.0 ([`speech`] says which is sent). What never gets through is set aside
//! ([`shard`]), what is refused for good is kept for a look ([`rejected`]).

pub mod answer;
pub mod backoff;
pub mod batch;
pub mod body;
pub mod client;
pub mod complaint;
pub mod endpoint;
pub mod ewma;
mod handle;
pub mod lane;
pub mod lanes;
pub mod load;
pub mod metadata;
pub mod metrics;
pub mod outgoing;
pub mod piece;
pub mod progress;
pub mod rate;
pub mod refusal;
pub mod rejected;
pub mod request;
pub mod reshard;
pub mod retry_after;
pub mod settings;
pub mod shard;
pub mod speech;
pub mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod thread;
pub mod transport;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crossbeam_channel::Receiver;

pub use self::handle::{Cutter, EndpointHandle, StopReport};
use self::metadata::MetadataSource;
use self::metrics::Incoming;
pub use self::status::EndpointStatus;
use self::transport::Connect;
use crate::config::remote_write::RemoteWriteConfig;
use crate::model::block::Sequence;
use crate::model::labels::Labels;
use crate::model::loss::LossRecorder;
use crate::model::position::AckRanges;
use crate::model::source::BlockSource;
use crate::model::time::Mono;
use crate::model::timeline::Timeline;
use crate::net::resolve::Resolver;
use crate::sys::clock::Clock;
use crate::sys::fs::Storage;
use crate::sys::jitter::Jitter;
use crate::sys::published::{Published, Shared};
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;

/// Everything an endpoint needs.
pub struct EndpointSpec {
    /// Its entry in the configuration.
    pub config: Arc<RemoteWriteConfig>,
    /// Added to every series that does not have them.
    pub external_labels: Labels,
    /// The log's reader for this endpoint.
    pub source: Box<dyn BlockSource>,
    /// Its position: read at the start, then settled blocks are entered.
    pub settled: Shared<AckRanges>,
    /// Reading begins after this block.
    pub start: Sequence,
    /// The last block that anybody may have sent before this start.
    pub sent_before: Sequence,
    /// Readable when the log has something new. One place is enough.
    pub wake: Receiver<()>,
    /// Wall times of epochs.
    pub timeline: Published<Timeline>,
    /// Families of active targets.
    pub metadata: Arc<dyn MetadataSource>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness, seeded differently for each endpoint.
    pub jitter: Jitter,
    /// Where metrics are registered.
    pub registry: Registry,
    /// Metrics of all endpoints together.
    pub incoming: Arc<Incoming>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Where losses are written down.
    pub losses: Arc<dyn LossRecorder>,
    /// Disk and folder of the files of refused samples; none keeps no such file.
    pub rejected: Option<(Arc<dyn Storage>, PathBuf)>,
    /// The memory budget.
    pub memory: MemoryBudget,
    /// Resolves names with a deadline; none asks the system on the sending thread.
    pub resolver: Option<Resolver>,
}

impl fmt::Debug for EndpointSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointSpec")
            .field("name", &self.config.name)
            .field("start", &self.start)
            .finish_non_exhaustive()
    }
}

/// What main tells an endpoint's thread.
#[derive(Debug)]
enum Order {
    /// Flush, at most until this time, and end.
    Stop {
        /// When flushing ends at the latest.
        deadline: Mono,
    },
    /// Go on with a new configuration.
    Change(Box<thread::Change>),
}

/// Starts an endpoint.
///
/// # Errors
/// When its certificates or proxy cannot be used, or the system gives no thread.
pub fn start(spec: EndpointSpec) -> io::Result<EndpointHandle> {
    let user_agent = spec.user_agent.clone();
    let resolver = spec.resolver.clone();
    let jitter = spec.jitter.clone();
    let connect: Connect = Box::new(move |config| {
        let (resolver, jitter) = (resolver.clone(), jitter.clone());
        let transport = client::HttpTransport::new(config, &user_agent, resolver, jitter)?;
        Ok(Arc::new(transport))
    });
    handle::start_with(spec, connect)
}
