//! Shell of a shard: makes the request, sends it, and carries the verdict to the core, the
//! position, the metrics and the log. Runs on whichever thread calls [`Lane::turn`].

mod hearing;
mod losing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Verdict, describe, judge};
use super::body::BodyBuilder;
use super::complaint::Complaint;
use super::metrics::QueueMetrics;
use super::piece::Piece;
use super::progress::Progress;
use super::rate::RateLimit;
use super::refusal::Refusal;
use super::rejected::file::RejectedFile;
use super::request::{Counts, Rules};
use super::settings::QueueSettings;
use super::shard::{Outcome, Shard, Step};
use super::speech::Speech;
use super::status::{LastError, SendState};
use super::transport::{Answer, Post, Transport};
use crate::limits;
use crate::model::loss::LossRecorder;
use crate::model::position::AckRanges;
use crate::model::pressure::Relief;
use crate::model::time::Mono;
use crate::sys::clock::Clock;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;
use crate::telemetry::budget::MemoryBudget;
use crate::wire::version::Protocol;

/// What the shards of an endpoint share.
#[derive(Clone, Debug)]
pub struct LaneContext {
    /// Name of the endpoint, for the log.
    pub name: Arc<str>,
    /// The way to the endpoint.
    pub transport: Arc<dyn Transport>,
    /// Settings.
    pub settings: Arc<QueueSettings>,
    /// The position that settled blocks are entered in.
    pub settled: Shared<AckRanges>,
    /// Metrics.
    pub metrics: Arc<QueueMetrics>,
    /// Numbers for the endpoint and the status page.
    pub progress: Arc<Progress>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Where losses are written down.
    pub losses: Arc<dyn LossRecorder>,
    /// Where refused samples are kept for people to look at.
    pub rejected: Option<Arc<RejectedFile>>,
    /// The limit of bytes a second, if there is one.
    pub rate: Option<Shared<RateLimit>>,
    /// The memory budget.
    pub memory: MemoryBudget,
    /// The protocol that the endpoint gets.
    pub speech: Arc<Speech>,
}

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Sent a request; there may be more to do.
    Sent,
    /// Nothing to do before this time ([`Mono::NEVER`]: before the next piece).
    Wait(Mono),
}

/// One shard with its buffers.
#[derive(Debug)]
pub struct Lane {
    shard: Shard,
    builder: BodyBuilder,
    context: LaneContext,
    jitter: Jitter,
    complaint: Complaint,
    rejected_complaint: Complaint,
    partial_complaint: Complaint,
    custom_complaint: Complaint,
    /// When the request may go whose bytes are reserved.
    reserved: Option<Mono>,
    /// Protocol of the next request, once it is chosen.
    protocol: Option<Protocol>,
    /// The next request repeats one that was refused, to see whether that was because of zstd.
    doubted: bool,
    /// Samples set aside as the metric has them.
    aside_shown: u64,
}

impl Lane {
    /// An empty shard.
    #[must_use]
    pub fn new(context: LaneContext, jitter: Jitter) -> Lane {
        Lane {
            shard: Shard::new(context.settings.shard.clone()),
            builder: BodyBuilder::default(),
            context,
            jitter,
            complaint: Complaint::default(),
            rejected_complaint: Complaint::default(),
            partial_complaint: Complaint::default(),
            custom_complaint: Complaint::default(),
            reserved: None,
            protocol: None,
            doubted: false,
            aside_shown: 0,
        }
    }

    /// Takes a piece.
    pub fn push(&mut self, piece: Piece) {
        self.shard.push(piece);
    }

    /// Samples that are not settled.
    #[must_use]
    pub fn pending_samples(&self) -> u64 {
        self.shard.pending_samples()
    }

    /// Native histograms among them.
    #[must_use]
    pub fn pending_histograms(&self) -> u64 {
        self.shard.pending_histograms()
    }

    /// Whether a failure is being waited out.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.shard.is_waiting()
    }

    /// Sends one request if one is due, blocking until it is answered.
    pub fn turn(&mut self, now: Mono) -> Turn {
        let flush = self.context.progress.flushing();
        let memory = &self.context.memory;
        let small = memory.sheds(Relief::Batches);
        self.shard.keep_requests_small(small);
        let step = self.shard.step(now, flush);
        if small && step == Step::Send {
            memory.count(Relief::Batches, 1);
        }
        let turn = match step {
            Step::Wait(until) => Turn::Wait(until),
            Step::Idle => Turn::Wait(Mono::NEVER),
            Step::Send => self.send(now),
        };
        self.note_given_up(now, None);
        self.show_aside();
        self.enter_settled();
        if turn == Turn::Wait(Mono::NEVER) {
            self.builder.shrink();
        }
        turn
    }

    fn send(&mut self, now: Mono) -> Turn {
        if let Some(at) = self.reserved.filter(|at| now < *at) {
            return Turn::Wait(at);
        }
        let context = &self.context;
        let rules = Rules {
            oldest_ms: context.settings.oldest_ms(context.clock.wall().0),
            exemplars: context.settings.exemplars,
            histograms: context.settings.histograms,
        };
        let choose = || context.speech.choose(now);
        let protocol = *self.protocol.get_or_insert_with(choose);
        let built = self.builder.build(protocol, self.shard.batch(), rules);
        let (counts, body) = match built.and_then(|counts| Ok((counts, self.builder.finish()?))) {
            Ok(built) => built,
            Err(error) => {
                let answer = Answer::Network(format!("cannot compress the request: {error}"));
                self.answered(now, now, Counts::default(), &answer);
                self.forget_doubt();
                return Turn::Sent;
            }
        };
        if counts.all() == 0 {
            // Nothing that is sent, or everything has grown too old: nothing to wait for.
            self.leave_out(now, counts);
            self.shard.pass_over(now);
            self.forget_doubt();
            return Turn::Sent;
        }
        if let Some(limit) = &context.rate {
            let bytes = body.len() as u64 + limits::REMOTE_HEAD_BYTES;
            let at = self
                .reserved
                .unwrap_or_else(|| limit.with(|limit| limit.reserve(now, bytes)));
            self.reserved = Some(at).filter(|at| now < *at);
            if self.reserved.is_some() {
                return Turn::Wait(at);
            }
        }
        let metrics = &context.metrics;
        metrics.samples.add(counts.samples as f64);
        metrics.histograms.add(counts.histograms as f64);
        metrics.exemplars.add(counts.exemplars as f64);
        metrics.metadata.add(counts.metadata as f64);
        metrics.bytes.add(body.len() as f64);
        metrics.requests.inc();
        let answer = context.transport.post(Post {
            protocol,
            body,
            attempt: self.shard.attempt(),
            timeout: context.settings.timeout,
        });
        self.protocol = None;
        let done = context.clock.mono();
        metrics
            .batch_duration
            .observe(done.since(now).as_secs_f64());
        if !self.hear(done, protocol, counts, &answer) {
            self.answered(now, done, counts, &answer);
        }
        Turn::Sent
    }

    /// The batch is not sent again to see whether zstd was refused.
    fn forget_doubt(&mut self) {
        if std::mem::take(&mut self.doubted) {
            self.protocol = None;
        }
    }

    fn answered(&mut self, sent: Mono, now: Mono, counts: Counts, answer: &Answer) {
        let wall = self.context.clock.wall();
        let verdict = judge(answer, wall, self.context.settings.manners);
        if verdict == Verdict::Accepted {
            self.leave_out(now, counts);
        }
        let outcome = self.shard.answered(now, &verdict, self.jitter.fraction());
        self.note_given_up(now, Some(answer));
        let metrics = &self.context.metrics;
        match outcome {
            Outcome::Delivered => {
                metrics.acknowledged.add(counts.all() as f64);
                metrics.holding.set(0.0);
            }
            Outcome::Kept => {
                metrics.samples_retried.add(counts.samples as f64);
                metrics.histograms_retried.add(counts.histograms as f64);
                metrics.exemplars_retried.add(counts.exemplars as f64);
                let hold = verdict == Verdict::Hold;
                metrics.holding.set(f64::from(u8::from(hold)));
            }
            Outcome::GivenUp(Refusal::Repeated) | Outcome::Halved | Outcome::SetAside => {}
            Outcome::GivenUp(_) => metrics.exemplars_failed.add(counts.exemplars as f64),
        }
        self.note_progress(sent, now, counts, outcome, &verdict);
        if outcome != Outcome::Delivered {
            self.complain(now, answer, outcome);
        }
    }

    fn note_progress(
        &self,
        sent: Mono,
        now: Mono,
        counts: Counts,
        outcome: Outcome,
        verdict: &Verdict,
    ) {
        let progress = &self.context.progress;
        match outcome {
            Outcome::Delivered | Outcome::GivenUp(_) => {
                progress.settled(now, counts.all(), now.since(sent), counts.highest_ms);
                if let Some(highest) = progress.highest_sent() {
                    self.context.metrics.highest_sent.set(highest.as_seconds());
                }
            }
            Outcome::Halved | Outcome::SetAside => {
                progress.settled(now, 0, Duration::ZERO, i64::MIN);
            }
            Outcome::Kept => {
                let (state, wait) = if *verdict == Verdict::Hold {
                    (SendState::Holding, limits::REMOTE_HOLD)
                } else {
                    (SendState::Retrying, self.shard.wait_left(now))
                };
                progress.failed(now, wait, state);
            }
        }
    }

    fn complain(&mut self, now: Mono, answer: &Answer, outcome: Outcome) {
        let text = describe(answer, &self.context.settings.mask);
        let name = &*self.context.name;
        self.context.progress.set_error(LastError {
            at: self.context.clock.wall(),
            text: text.clone(),
        });
        if outcome == Outcome::Halved {
            // What comes of it is said when the cause is found.
            return;
        }
        let Some(suppressed) = self.complaint.due(now) else {
            return;
        };
        match outcome {
            Outcome::Kept => {
                log::warn!(component = "remote", remote_name = name, answer = text, suppressed;
                    "sending failed, the samples are kept");
            }
            Outcome::GivenUp(Refusal::Repeated) => {
                log::info!(component = "remote", remote_name = name, answer = text, suppressed;
                    "the endpoint has these samples already");
            }
            Outcome::SetAside => {
                log::warn!(component = "remote", remote_name = name, answer = text, suppressed;
                    "the endpoint fails at these samples alone, they are set aside");
            }
            _ => {
                log::error!(component = "remote", remote_name = name, answer = text, suppressed;
                    "the endpoint refused samples, they are lost");
            }
        }
    }

    fn show_aside(&mut self) {
        let now = self.shard.aside_samples();
        let change = now as f64 - self.aside_shown as f64;
        self.aside_shown = now;
        self.context.metrics.set_aside.add(change);
    }

    fn enter_settled(&mut self) {
        let sequences = self.shard.take_settled();
        if sequences.len() == 0 {
            return;
        }
        self.context.settled.with(|ranges| {
            for sequence in sequences {
                ranges.insert(sequence, sequence);
            }
        });
    }

    /// Ends the lane: everything that is not settled.
    #[must_use]
    pub fn into_pieces(mut self) -> Vec<Piece> {
        // What came after the last turn may have pushed something out.
        self.note_given_up(self.context.clock.mono(), None);
        self.enter_settled();
        let shown = self.aside_shown as f64;
        self.context.metrics.set_aside.add(-shown);
        self.shard.into_pieces()
    }
}
