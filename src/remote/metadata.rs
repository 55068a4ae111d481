//! Metadata of remote write 1.0: now and then, type, help and unit of every active family.
//!
//! Core: a round begins every `send_interval`, its families go out in chunks, one request after
//! another beside the samples. A failed chunk is repeated with its own backoff until the next round
//! replaces it; a refused one is skipped. Metadata is never stored: a lost round costs nothing.

use std::sync::Arc;

use super::answer::Verdict;
use super::backoff::Backoff;
use crate::config::remote_write::RemoteWriteConfig;
use crate::limits;
use crate::model::metadata::Family;
use crate::model::time::Mono;
use crate::wire::compress::{CompressError, CompressedBody};
use crate::wire::remote_write_v1::append_metadata;

/// Knows the families of all active targets.
pub trait MetadataSource: Send + Sync {
    /// All of them; repetitions are removed here.
    fn families(&self) -> Vec<Arc<Family>>;
}

// Not a supertrait: that would put what every implementation could show into the program, and nothing
// shows it.
impl std::fmt::Debug for dyn MetadataSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetadataSource")
    }
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataStep {
    /// Call [`MetadataQueue::begin`] with the families.
    Collect,
    /// Send [`MetadataQueue::chunk`] and report with [`MetadataQueue::answered`].
    Send,
    /// Nothing before this time.
    Wait(Mono),
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkOutcome {
    /// It has arrived.
    Delivered,
    /// It is repeated.
    Kept,
    /// It is skipped.
    Skipped,
}

/// By what families are told apart, and the order in which they go out.
fn key(family: &Family) -> (&str, &str, u8, &str) {
    (
        family.name(),
        family.help(),
        family.kind() as u8,
        family.unit(),
    )
}

/// The metadata of one endpoint.
#[derive(Debug)]
pub struct MetadataQueue {
    enabled: bool,
    interval: std::time::Duration,
    chunk_size: usize,
    due: Mono,
    families: Vec<Arc<Family>>,
    sent: usize,
    backoff: Backoff,
    wait_until: Mono,
    attempt: u32,
}

impl MetadataQueue {
    /// The first round begins one interval from now, as in Prometheus.
    #[must_use]
    pub fn new(now: Mono, config: &RemoteWriteConfig) -> MetadataQueue {
        let metadata = &config.metadata;
        MetadataQueue {
            enabled: metadata.send,
            interval: metadata.send_interval,
            chunk_size: usize::try_from(metadata.max_samples_per_send)
                .unwrap_or(usize::MAX)
                .max(1),
            due: now + metadata.send_interval,
            families: Vec::new(),
            sent: 0,
            backoff: Backoff::new(config.queue.min_backoff, config.queue.max_backoff),
            wait_until: Mono(0),
            attempt: 0,
        }
    }

    /// What to do now.
    #[must_use]
    pub fn step(&self, now: Mono) -> MetadataStep {
        if !self.enabled {
            return MetadataStep::Wait(Mono::NEVER);
        }
        if now >= self.due {
            return MetadataStep::Collect;
        }
        if self.sent == self.families.len() {
            return MetadataStep::Wait(self.due);
        }
        if now < self.wait_until {
            return MetadataStep::Wait(self.wait_until.min(self.due));
        }
        MetadataStep::Send
    }

    /// Begins a round with these families; what is left of the one before is forgotten.
    pub fn begin(&mut self, now: Mono, mut families: Vec<Arc<Family>>) {
        // Targets that show the same share it, so most repetitions are the same allocation.
        families.sort_unstable_by_key(|family| Arc::as_ptr(family).addr());
        families.dedup_by(|one, other| Arc::ptr_eq(one, other));
        families.sort_unstable_by(|one, other| key(one).cmp(&key(other)));
        families.dedup();
        families.shrink_to_fit();
        self.families = families;
        self.sent = 0;
        self.attempt = 0;
        self.wait_until = now;
        self.due = now + self.interval;
    }

    /// The families to send, after [`MetadataStep::Send`].
    #[must_use]
    pub fn chunk(&self) -> &[Arc<Family>] {
        let end = self
            .sent
            .saturating_add(self.chunk_size)
            .min(self.families.len());
        &self.families[self.sent..end]
    }

    /// How often the chunk was sent before.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Applies the verdict on the chunk. `fraction` is random in `0.0..1.0`.
    pub fn answered(&mut self, now: Mono, verdict: &Verdict, fraction: f64) -> ChunkOutcome {
        let wait = match verdict {
            Verdict::Retry(wish) | Verdict::Failed(wish) => {
                Some(self.backoff.fail(*wish, fraction))
            }
            Verdict::Hold => Some(limits::REMOTE_HOLD),
            _ => None,
        };
        if let Some(wait) = wait {
            self.attempt = self.attempt.saturating_add(1);
            self.wait_until = now + wait;
            return ChunkOutcome::Kept;
        }
        self.backoff.reset();
        self.attempt = 0;
        self.sent += self.chunk().len();
        if self.sent == self.families.len() {
            self.families = Vec::new();
            self.sent = 0;
        }
        if *verdict == Verdict::Accepted {
            ChunkOutcome::Delivered
        } else {
            ChunkOutcome::Skipped
        }
    }
}

/// Writes a chunk as a request's body.
///
/// # Errors
/// When the compressor refuses, which it has no reason to.
pub fn encode<'a>(
    chunk: &[Arc<Family>],
    body: &'a mut CompressedBody,
) -> Result<&'a [u8], CompressError> {
    body.clear();
    for family in chunk {
        append_metadata(body.raw(), family);
        body.advance()?;
    }
    body.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::metadata::MetricType;
    use crate::remote::testing::{config, decode};
    use std::time::Duration;

    fn family(name: &str, help: &str) -> Arc<Family> {
        Arc::new(Family::new(name, MetricType::Unknown, help, ""))
    }

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    fn queue() -> MetadataQueue {
        let mut config = config("http://localhost/");
        config.metadata.max_samples_per_send = 2;
        MetadataQueue::new(at(0), &config)
    }

    #[test]
    fn a_round_sends_every_family_once_in_chunks() {
        let mut queue = queue();
        assert_eq!(queue.step(at(1)), MetadataStep::Wait(at(60)));
        assert_eq!(queue.step(at(60)), MetadataStep::Collect);
        let names = ["b", "a", "b", "c"].map(|name| family(name, "h"));
        let mut names = names.to_vec();
        names.push(family("b", "other help"));
        queue.begin(at(60), names);
        let mut sent = Vec::new();
        let mut body = CompressedBody::default();
        while queue.step(at(61)) == MetadataStep::Send {
            let request = decode(encode(queue.chunk(), &mut body).expect("encoded"));
            assert!(request.metadata.len() <= 2);
            sent.extend(request.metadata);
            queue.answered(at(61), &Verdict::Accepted, 0.0);
        }
        let names: Vec<_> = sent
            .iter()
            .map(|own| (&*own.metric_family_name, &*own.help))
            .collect();
        assert_eq!(
            names,
            [("a", "h"), ("b", "h"), ("b", "other help"), ("c", "h")]
        );
        assert_eq!(queue.step(at(61)), MetadataStep::Wait(at(120)));
    }

    #[test]
    fn a_failed_chunk_is_repeated_until_the_next_round() {
        let mut queue = queue();
        queue.begin(
            at(60),
            vec![family("a", ""), family("b", ""), family("c", "")],
        );
        let wish = Verdict::Retry(Some(Duration::from_secs(50)));
        assert_eq!(queue.answered(at(60), &wish, 0.0), ChunkOutcome::Kept);
        assert_eq!(queue.step(at(61)), MetadataStep::Wait(at(110)));
        assert_eq!(
            (queue.step(at(110)), queue.attempt()),
            (MetadataStep::Send, 1)
        );
        let refused = Verdict::Refused { repeated: false };
        assert_eq!(
            queue.answered(at(110), &refused, 0.0),
            ChunkOutcome::Skipped
        );
        assert_eq!(queue.chunk().len(), 1);
        queue.answered(at(110), &Verdict::Hold, 0.0);
        assert_eq!(queue.step(at(119)), MetadataStep::Wait(at(120)));
        assert_eq!(queue.step(at(120)), MetadataStep::Collect);
    }

    #[test]
    fn nothing_is_sent_where_it_is_switched_off() {
        let mut config = config("http://localhost/");
        config.metadata.send = false;
        let queue = MetadataQueue::new(at(0), &config);
        assert_eq!(queue.step(at(1000)), MetadataStep::Wait(Mono::NEVER));
    }
}
