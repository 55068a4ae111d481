//! The shards of an endpoint: one on the endpoint's own thread, or several on theirs.
//!
//! Blocks go to the shard that the labels of their target name, so the samples of a series leave in
//! the order of the log, also where two targets expose it under the same labels. Changing the
//! number of shards stops every one, takes back what is not settled and starts anew: nothing is
//! lost, sent twice or overtaken.
//!
//! # Thread (`rw-ENDPOINT-k`)
//! - Owns: its lane (batch, encode buffers).
//! - Inbox: pieces and nudges, [`limits::REMOTE_SHARD_BLOCKS`]; the endpoint counts and never
//!   fills it.
//! - Outbox: settled blocks into the shared position; a wake-up for the endpoint, latest wins.
//! - Waits on: inbox, the network.
//! - Deadlines: batch, backoff, request timeout.
//! - Stops when: the inbox is closed; returns what is not settled.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::lane::{Lane, LaneContext, Turn};
use super::piece::Piece;
use crate::limits;
use crate::model::block::ScrapeBlock;
use crate::model::sorting;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;
use crate::sys::thread;

/// What an endpoint sends to a shard's thread.
#[derive(Debug)]
enum Mail {
    /// A piece to send.
    Piece(Piece),
    /// Look around: flushing has begun.
    Nudge,
}

/// What a shard holds, counted up by the endpoint and down by the shard.
#[derive(Debug, Default)]
struct Load {
    samples: AtomicU64,
    /// Native histograms among the samples.
    histograms: AtomicU64,
    mails: AtomicU64,
}

#[derive(Debug)]
struct ShardThread {
    inbox: Sender<Mail>,
    load: Arc<Load>,
    thread: JoinHandle<Vec<Piece>>,
}

/// The shards.
#[derive(Debug)]
pub struct Lanes {
    context: LaneContext,
    jitter: Jitter,
    kind: Kind,
    woken: Receiver<()>,
}

#[derive(Debug)]
enum Kind {
    Inline(Box<Lane>),
    Threads(Vec<ShardThread>),
}

impl Lanes {
    /// Starts `count` shards, at least one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(context: LaneContext, mut jitter: Jitter, count: u32) -> io::Result<Lanes> {
        let (wake, woken) = bounded(1);
        let kind = if count <= 1 {
            let seed = Jitter::seeded(jitter.next_u64());
            Kind::Inline(Box::new(Lane::new(context.clone(), seed)))
        } else {
            let start = |number| {
                let seed = Jitter::seeded(jitter.next_u64());
                start_shard(&context, number, seed, wake.clone())
            };
            Kind::Threads((0..count).map(start).collect::<io::Result<_>>()?)
        };
        context.metrics.shards.set(f64::from(count.max(1)));
        Ok(Lanes {
            context,
            jitter,
            kind,
            woken,
        })
    }

    /// Number of shards.
    #[must_use]
    pub fn count(&self) -> u32 {
        match &self.kind {
            Kind::Inline(_) => 1,
            Kind::Threads(threads) => threads.len() as u32,
        }
    }

    /// Readable when a shard on a thread of its own may have room again.
    #[must_use]
    pub fn woken(&self) -> Receiver<()> {
        match &self.kind {
            // Nobody else can make room in the shard of this thread.
            Kind::Inline(_) => crossbeam_channel::never(),
            Kind::Threads(_) => self.woken.clone(),
        }
    }

    fn shard_of(&self, block: &ScrapeBlock) -> usize {
        (block.series.lane() % u64::from(self.count())) as usize
    }

    /// Whether the shard of that block takes another one. An empty one takes any.
    #[must_use]
    pub fn has_room(&self, block: &ScrapeBlock) -> bool {
        let settings = &self.context.settings;
        let most = settings.capacity.saturating_add(settings.shard.samples);
        let most_histograms = 2 * limits::REMOTE_BATCH_HISTOGRAMS;
        match &self.kind {
            Kind::Inline(lane) => {
                lane.pending_samples() < most && lane.pending_histograms() < most_histograms
            }
            Kind::Threads(threads) => {
                let ShardThread { load, thread, .. } = &threads[self.shard_of(block)];
                if thread.is_finished() {
                    // It never gives room back. Handing it something tells that it is gone.
                    return true;
                }
                // One place stays free for a nudge.
                load.mails.load(Ordering::Acquire) + 1 < limits::REMOTE_SHARD_BLOCKS as u64
                    && load.samples.load(Ordering::Acquire) < most
                    && load.histograms.load(Ordering::Acquire) < most_histograms
            }
        }
    }

    /// Hands a piece to its shard, which has room. False when the shard's thread is gone.
    #[must_use]
    pub fn push(&mut self, piece: Piece) -> bool {
        let shard = self.shard_of(&piece.item.block);
        match &mut self.kind {
            Kind::Inline(lane) => {
                lane.push(piece);
                true
            }
            Kind::Threads(threads) => {
                let own = &threads[shard];
                // What is aside takes no room, and so never gives it back.
                let (samples, histograms) = if piece.aside.is_some() {
                    (0, 0)
                } else {
                    (piece.samples, piece.histograms)
                };
                own.load.samples.fetch_add(samples, Ordering::AcqRel);
                own.load.histograms.fetch_add(histograms, Ordering::AcqRel);
                own.load.mails.fetch_add(1, Ordering::AcqRel);
                own.inbox.send(Mail::Piece(piece)).is_ok()
            }
        }
    }

    /// Samples that are not settled.
    #[must_use]
    pub fn pending_samples(&self) -> u64 {
        match &self.kind {
            Kind::Inline(lane) => lane.pending_samples(),
            Kind::Threads(threads) => {
                let held = threads.iter();
                held.map(|own| own.load.samples.load(Ordering::Acquire))
                    .sum()
            }
        }
    }

    /// Native histograms among them.
    #[must_use]
    pub fn pending_histograms(&self) -> u64 {
        match &self.kind {
            Kind::Inline(lane) => lane.pending_histograms(),
            Kind::Threads(threads) => {
                let held = threads.iter();
                held.map(|own| own.load.histograms.load(Ordering::Acquire))
                    .sum()
            }
        }
    }

    /// Whether the shard of this thread waits out a failure.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(&self.kind, Kind::Inline(lane) if lane.is_waiting())
    }

    /// Lets the shard of this thread send one request, if there is such a shard.
    pub fn turn(&mut self, now: Mono) -> Turn {
        match &mut self.kind {
            Kind::Inline(lane) => lane.turn(now),
            Kind::Threads(_) => Turn::Wait(Mono::NEVER),
        }
    }

    /// Tells every shard that flushing has begun.
    pub fn nudge(&self) {
        if let Kind::Threads(threads) = &self.kind {
            for own in threads {
                // A full inbox means that the shard is awake and will look anyway.
                let _awake = own.inbox.try_send(Mail::Nudge);
            }
        }
    }

    /// Stops every shard after its present request. Returns what is not settled, in the order of
    /// the blocks; none when a shard has panicked, which leaves its blocks to the next start.
    #[must_use]
    pub fn stop(self) -> Option<Vec<Piece>> {
        let mut pieces = match self.kind {
            Kind::Inline(lane) => lane.into_pieces(),
            Kind::Threads(threads) => {
                let (inboxes, threads): (Vec<_>, Vec<_>) = threads
                    .into_iter()
                    .map(|own| (own.inbox, own.thread))
                    .unzip();
                drop(inboxes);
                let joined = threads.into_iter().map(|thread| thread.join().ok());
                joined.collect::<Option<Vec<_>>>()?.concat()
            }
        };
        sorting::sort_by_key(&mut pieces, |piece| (piece.sequence(), piece.slots.start));
        Some(pieces)
    }

    /// The seed for the next set of shards.
    pub fn next_jitter(&mut self) -> Jitter {
        Jitter::seeded(self.jitter.next_u64())
    }
}

fn start_shard(
    context: &LaneContext,
    number: u32,
    jitter: Jitter,
    wake: Sender<()>,
) -> io::Result<ShardThread> {
    // Refuse and count: never full, because the endpoint counts what it sends.
    let (inbox, mail) = bounded(limits::REMOTE_SHARD_BLOCKS);
    let load = Arc::new(Load::default());
    let name = format!("rw-{}-{number}", context.name);
    let mut shard = ShardShell {
        lane: Lane::new(context.clone(), jitter),
        context: context.clone(),
        mail,
        wake,
        load: Arc::clone(&load),
    };
    let thread = thread::spawn(&name, move || {
        shard.run();
        shard.into_pieces()
    })?;
    Ok(ShardThread {
        inbox,
        load,
        thread,
    })
}

/// Body of a shard's thread.
struct ShardShell {
    lane: Lane,
    context: LaneContext,
    mail: Receiver<Mail>,
    wake: Sender<()>,
    load: Arc<Load>,
}

impl ShardShell {
    fn run(&mut self) {
        loop {
            loop {
                match self.mail.try_recv() {
                    Ok(mail) => self.take(mail),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return,
                }
            }
            let now = self.context.clock.mono();
            let before = (self.lane.pending_samples(), self.lane.pending_histograms());
            let turn = self.lane.turn(now);
            self.report(before);
            if self.context.progress.is_cut() || !self.wait(now, turn) {
                return;
            }
        }
    }

    /// Sleeps until there is something to do. False when the shard is to stop.
    fn wait(&mut self, now: Mono, turn: Turn) -> bool {
        let Turn::Wait(until) = turn else {
            return true;
        };
        let timeout = until.since(now).min(limits::REMOTE_SLEEP_MAX);
        match self.mail.recv_timeout(timeout) {
            Ok(mail) => self.take(mail),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    fn take(&mut self, mail: Mail) {
        if let Mail::Piece(piece) = mail {
            self.load.mails.fetch_sub(1, Ordering::AcqRel);
            self.lane.push(piece);
        }
    }

    /// Tells the endpoint about settled samples.
    fn report(&self, before: (u64, u64)) {
        let settled = before.0.saturating_sub(self.lane.pending_samples());
        if settled > 0 {
            let histograms = before.1.saturating_sub(self.lane.pending_histograms());
            self.load.histograms.fetch_sub(histograms, Ordering::AcqRel);
            self.load.samples.fetch_sub(settled, Ordering::AcqRel);
            // Latest wins: a wake-up that is already there says the same.
            let _pending = self.wake.try_send(());
        }
    }

    fn into_pieces(self) -> Vec<Piece> {
        let rest = self.mail.try_iter().filter_map(|mail| match mail {
            Mail::Piece(piece) => Some(piece),
            Mail::Nudge => None,
        });
        let rest: Vec<_> = rest.collect();
        let mut pieces = self.lane.into_pieces();
        pieces.extend(rest);
        pieces
    }
}
