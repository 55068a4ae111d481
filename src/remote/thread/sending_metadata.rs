//! Metadata in an endpoint's shell: one chunk a turn, on the endpoint's own thread, and only while
//! samples get through, so that a receiver that hangs costs one time limit and not two.

use super::Runner;
use crate::limits;
use crate::model::pressure::Relief;
use crate::model::time::Mono;
use crate::remote::answer::{describe, judge};
use crate::remote::metadata::{ChunkOutcome, MetadataStep, encode};
use crate::remote::status::SendState;
use crate::remote::transport::Post;
use crate::wire::compress::CompressedBody;
use crate::wire::version::Protocol;

impl Runner {
    /// Sends one chunk of metadata if one is due and samples get through. Returns when to look
    /// again.
    pub(super) fn send_metadata(&mut self, now: Mono) -> Mono {
        if self.context.speech.spoken() == Protocol::V2 {
            // It goes with the samples.
            return Mono::NEVER;
        }
        match self.metadata.step(now) {
            MetadataStep::Wait(until) => until,
            _ if self.context.progress.state() != SendState::Sending => {
                now + self
                    .context
                    .settings
                    .shard
                    .max_backoff
                    .max(limits::REMOTE_SOURCE_RETRY)
            }
            _ if self.state.stopping.is_some() => Mono::NEVER,
            MetadataStep::Collect => {
                let families = if self.context.memory.shed(Relief::Extras) {
                    Vec::new()
                } else {
                    self.metadata_source.families()
                };
                self.metadata.begin(now, families);
                now
            }
            MetadataStep::Send => {
                self.post_metadata();
                now
            }
        }
    }

    fn post_metadata(&mut self) {
        let entries = self.metadata.chunk().len() as f64;
        let mut buffer = CompressedBody::default();
        let Ok(body) = encode(self.metadata.chunk(), &mut buffer) else {
            return;
        };
        let metrics = &self.context.metrics;
        if let Some(limit) = &self.context.rate {
            // Not worth a wait of its own: what samples are to send next pays for it.
            let bytes = body.len() as u64 + limits::REMOTE_HEAD_BYTES;
            let now = self.context.clock.mono();
            limit.with(|limit| limit.reserve(now, bytes));
        }
        metrics.metadata.add(entries);
        metrics.metadata_bytes.add(body.len() as f64);
        let settings = &self.context.settings;
        let attempt = self.metadata.attempt();
        let answer = self.context.transport.post(Post {
            protocol: Protocol::V1,
            body,
            attempt,
            timeout: settings.timeout,
        });
        let verdict = judge(&answer, self.context.clock.wall(), settings.manners);
        let now = self.context.clock.mono();
        let fraction = self.jitter.fraction();
        match self.metadata.answered(now, &verdict, fraction) {
            ChunkOutcome::Delivered => {}
            ChunkOutcome::Kept => metrics.metadata_retried.add(entries),
            ChunkOutcome::Skipped => {
                metrics.metadata_failed.add(entries);
                if let Some(suppressed) = self.state.complaint.due(now) {
                    let answer = describe(&answer, &settings.mask);
                    log::warn!(component = "remote", remote_name = &*self.context.name,
                        answer, suppressed; "the endpoint refused metadata");
                }
            }
        }
    }
}
