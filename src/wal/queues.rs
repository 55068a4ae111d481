//! The queues that read the log: who they are, what they have settled, whom to wake.
//!
//! Registered from any thread, served by the log's thread. One lock, held for a few instructions
//! except while positions are written, which only registration could notice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use parking_lot::Mutex;

use super::log::Log;
use super::losses::seat::Seat;
use super::losses::tally::{Held, Tally, Wanted};
use super::positions::{Position, PositionFile, Totals};
use super::retention;
use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::file_name;
use crate::model::loss::{LossReason, LossRecorder, Lost};
use crate::model::position::AckRanges;
use crate::model::time::Mono;
use crate::sys::fs;
use crate::sys::published::Shared;

/// How names of position files end.
pub(super) const POSITION_SUFFIX: &str = ".pos";

/// A queue, registered or remembered.
#[derive(Debug)]
struct Entry {
    file_name: String,
    /// None while the disk refuses to make or to write it.
    file: Option<PositionFile>,
    /// Its copy on the stage.
    staged: Option<PositionFile>,
    settled: Shared<AckRanges>,
    totals: Shared<Totals>,
    /// What is stored.
    stored: Position,
    /// What the last registration has read.
    seat: Arc<Seat>,
    /// One per registration.
    wakes: Vec<(u64, Sender<()>)>,
    /// The queue's name, once it has registered.
    name: Option<String>,
    /// Since when nobody is registered.
    idle_since: Mono,
}

/// All queues of a log.
#[derive(Debug)]
pub struct Queues {
    log: Arc<Log>,
    dir: PathBuf,
    entries: Mutex<Vec<Entry>>,
}

/// One queue as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueStatus {
    /// Its name; the name of its file if it has not registered in this process.
    pub name: String,
    /// Everything up to here is settled.
    pub floor: Sequence,
    /// Whether somebody reads for it.
    pub registered: bool,
}

/// What a registration gives the queue.
#[derive(Debug)]
pub struct Registered {
    /// Where the queue notes what it has settled.
    pub settled: Shared<AckRanges>,
    /// Where the queue notes how many samples that was.
    pub totals: Shared<Totals>,
    /// Has a message when there may be something new.
    pub wake: Receiver<()>,
    /// What was settled before: the queue begins behind it.
    pub start: AckRanges,
    /// How far it has read; for its reader.
    pub seat: Arc<Seat>,
    /// Names the registration.
    pub ticket: u64,
}

/// A queue's file name.
fn file_name(queue: &str) -> String {
    format!("{}{POSITION_SUFFIX}", file_name::harmless(queue))
}

impl Entry {
    /// The queue's name; that of its file if it has not registered in this process.
    fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.file_name)
    }

    /// What is to be stored, none of it beyond `synced`.
    fn position(&self, synced: Sequence) -> Position {
        let mut settled = self.settled.with(|own| own.clone());
        settled.clamp(synced);
        let totals = self.totals.with(|own| *own);
        Position { settled, totals }
    }
}

impl Queues {
    /// The queues whose positions are in `dir`, each remembered until it registers. `oldest` is
    /// where a queue begins whose position is damaged or cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(
        log: Arc<Log>,
        dir: PathBuf,
        oldest: Sequence,
        now: Mono,
    ) -> std::io::Result<Queues> {
        let mut entries = Vec::new();
        for file in log.storage.list(&dir)? {
            if !file.name.ends_with(POSITION_SUFFIX) {
                continue;
            }
            let opened = PositionFile::open(&*log.storage, &dir.join(&file.name));
            let (positions, found) = match opened {
                Err(error) if fs::is_unreadable(&error) => (None, None),
                other => other.map(|(file, found)| (Some(file), found))?,
            };
            if found.is_none() {
                log.metrics.corruptions.inc();
            }
            let stored = found.unwrap_or_else(|| Position {
                settled: AckRanges::up_to(oldest),
                totals: Totals::default(),
            });
            entries.push(Entry {
                file_name: file.name,
                file: positions,
                staged: None,
                settled: Shared::new(stored.settled.clone()),
                totals: Shared::new(stored.totals),
                stored,
                seat: Arc::default(),
                wakes: Vec::new(),
                name: None,
                idle_since: now,
            });
        }
        Ok(Queues {
            log,
            dir,
            entries: Mutex::new(entries),
        })
    }

    /// The highest sequence number that any position names.
    #[must_use]
    pub fn highest(&self) -> Sequence {
        let entries = self.entries.lock();
        let tops = entries.iter().map(|entry| {
            let settled = &entry.stored.settled;
            settled
                .ranges()
                .last()
                .map_or(settled.floor(), |(_, last)| *last)
        });
        tops.max().unwrap_or(Sequence::ZERO)
    }

    /// Takes a seat for a queue. A new one begins behind the newest block.
    pub fn register(&self, queue: &str) -> Registered {
        let newest = self.log.ring.lock().last();
        let synced = self.log.catalog.lock().synced;
        let (wake_tx, wake) = bounded(1);
        let name = file_name(queue);
        let mut entries = self.entries.lock();
        let index = match entries.iter().position(|entry| entry.file_name == name) {
            Some(index) => index,
            None => {
                entries.push(self.new_entry(name, newest, synced));
                entries.len() - 1
            }
        };
        let ticket = entries
            .iter()
            .flat_map(|entry| &entry.wakes)
            .map(|(own, _)| *own)
            .max();
        let ticket = ticket.unwrap_or(0) + 1;
        let entry = &mut entries[index];
        entry.name = Some(queue.to_owned());
        entry.wakes.push((ticket, wake_tx));
        entry.seat = Arc::default();
        Registered {
            settled: entry.settled.clone(),
            totals: entry.totals.clone(),
            wake,
            start: entry.settled.with(|settled| settled.clone()),
            seat: Arc::clone(&entry.seat),
            ticket,
        }
    }

    fn new_entry(&self, file_name: String, newest: Sequence, synced: Sequence) -> Entry {
        let stored = Position {
            settled: AckRanges::up_to(newest.min(synced)),
            totals: Totals::default(),
        };
        let path = self.dir.join(&file_name);
        // Tried again with the next update if the disk refuses now.
        let file = PositionFile::create(&*self.log.storage, &path, &stored).ok();
        Entry {
            file_name,
            file,
            staged: None,
            settled: Shared::new(AckRanges::up_to(newest)),
            totals: Shared::new(Totals::default()),
            stored,
            seat: Arc::default(),
            wakes: Vec::new(),
            name: None,
            idle_since: Mono(0),
        }
    }

    /// Gives a seat back; the position is kept for a while.
    pub fn deregister(&self, ticket: u64, now: Mono) {
        for entry in self.entries.lock().iter_mut() {
            if entry.wakes.iter().any(|(own, _)| *own == ticket) {
                entry.wakes.retain(|(own, _)| *own != ticket);
                entry.idle_since = now;
            }
        }
    }

    /// Wakes every registered queue that is not awake already.
    pub fn wake(&self) {
        for (_, wake) in self.entries.lock().iter().flat_map(|entry| &entry.wakes) {
            // Full: a wake-up is on its way. Disconnected: the queue is going.
            let _coalesced = wake.try_send(());
        }
    }

    /// What each queue has settled as it is stored, the unregistered ones included: they hold
    /// segments back. Not what is settled but not stored: after a crash it would look lost.
    #[must_use]
    pub fn stored(&self) -> Vec<AckRanges> {
        let entries = self.entries.lock();
        entries
            .iter()
            .map(|entry| entry.stored.settled.clone())
            .collect()
    }

    /// Everything up to here is settled by all registered queues.
    #[must_use]
    pub fn floor(&self) -> Sequence {
        let entries = self.entries.lock();
        let registered = entries.iter().filter(|entry| !entry.wakes.is_empty());
        let floors = registered.map(|entry| entry.settled.with(|own| own.floor()));
        floors.min().unwrap_or(Sequence(u64::MAX))
    }

    /// Everything up to here is settled by all queues, those that are away included.
    #[must_use]
    pub fn floor_of_all(&self) -> Sequence {
        let entries = self.entries.lock();
        let floors = entries
            .iter()
            .map(|entry| entry.settled.with(|own| own.floor()));
        floors.min().unwrap_or(Sequence(u64::MAX))
    }

    /// Writes the positions to the stage, none beyond `staged`.
    ///
    /// # Errors
    /// When the stage refuses; the next call tries again.
    pub fn stage(&self, dir: &Path, staged: Sequence) -> std::io::Result<()> {
        for entry in self.entries.lock().iter_mut() {
            let position = entry.position(staged);
            if let Some(file) = &mut entry.staged {
                file.store(&position)?;
            } else {
                let path = dir.join(&entry.file_name);
                entry.staged = Some(PositionFile::create(&*self.log.storage, &path, &position)?);
            }
        }
        Ok(())
    }

    /// Stores the books of losses, and the positions that changed, none beyond `synced`. The first
    /// error is returned after all were tried.
    ///
    /// # Errors
    /// When the disk refuses; the next call tries again.
    pub fn store(&self, synced: Sequence) -> std::io::Result<()> {
        let mut entries = self.entries.lock();
        let positions: Vec<Position> = entries.iter().map(|own| own.position(synced)).collect();
        let named = entries.iter().zip(&positions);
        let named: Vec<_> = named
            .map(|(entry, position)| (entry.shown_name(), &position.settled))
            .collect();
        let mut outcome = self.log.losses.store(&named);
        for (entry, position) in entries.iter_mut().zip(positions) {
            let stored = self.store_one(entry, position);
            outcome = outcome.and(stored);
        }
        outcome
    }

    fn store_one(&self, entry: &mut Entry, position: Position) -> std::io::Result<()> {
        let path = self.dir.join(&entry.file_name);
        // A disk that is taken away may leave its folder to the one below, and come back.
        entry.file.take_if(|file| !file.is_at(&path));
        match &mut entry.file {
            // Samples of blocks that are not settled are counted again after a restart.
            Some(_) if position.settled == entry.stored.settled => return Ok(()),
            Some(file) => {
                let stored = file.store(&position);
                if stored.is_err() {
                    // By the next try another disk may stand at this path.
                    entry.file = None;
                }
                stored?;
            }
            None => {
                let made = PositionFile::create(&*self.log.storage, &path, &position)?;
                entry.file = Some(made);
            }
        }
        entry.stored = position;
        Ok(())
    }

    /// Removes positions whose queue has been gone for too long.
    pub fn expire(&self, now: Mono) {
        let kept = std::time::Duration::from_millis(limits::POSITION_KEPT_MS);
        self.entries.lock().retain(|entry| {
            if !entry.wakes.is_empty() || now < entry.idle_since + kept {
                return true;
            }
            // If removing fails the file is found again at the next start.
            let path = self.dir.join(&entry.file_name);
            self.log.storage.remove(&path).is_err()
        });
    }

    /// Takes from the registered queues what they have not settled of `first..=last`: what they
    /// have not read is settled and written down as lost, what they are sending is lost only if
    /// the process ends before. `count` counts both.
    pub fn take(
        &self,
        (first, last): (Sequence, Sequence),
        reason: LossReason,
        count: impl Fn(Wanted<'_>) -> Tally,
    ) {
        let entries = self.entries.lock();
        for entry in entries.iter().filter(|entry| !entry.wakes.is_empty()) {
            let settled = entry.settled.with(|own| own.clone());
            if retention::unsettled(&settled, first, last) == 0 {
                continue;
            }
            let from = entry.seat.take(first, last);
            let tally = count(Wanted {
                settled: &settled,
                from,
                last,
            });
            let queue = entry.shown_name();
            let lost = self.log.metrics.lost(queue, reason.name());
            lost.add(tally.samples() as f64);
            for (job, samples) in tally.lost {
                self.log.losses.lost(Lost {
                    queue,
                    job: &job,
                    reason,
                    sequence: last,
                    samples,
                });
            }
            self.log.losses.hold(queue, reason, tally.held);
            entry.settled.with(|own| own.insert(from, last));
        }
    }

    /// The process ends, and `rest` was never on disk: what the queues of this run have not settled
    /// of it is lost. Returns its samples. To be followed by [`Queues::store`].
    pub fn conclude(&self, rest: &[Arc<ScrapeBlock>]) -> u64 {
        let mut lost = 0;
        for entry in self.entries.lock().iter() {
            let Some(queue) = &entry.name else { continue };
            let settled = entry.settled.with(|own| own.clone());
            let mut jobs: BTreeMap<Arc<str>, Held> = BTreeMap::new();
            for block in rest.iter().filter(|own| !settled.contains(own.sequence)) {
                let job = &block.series.target().job;
                let own = jobs.entry(Arc::clone(job)).or_insert_with(|| Held {
                    sequence: block.sequence,
                    job: Arc::clone(job),
                    samples: 0,
                });
                own.samples += block.sample_count() as u64;
                lost += block.sample_count() as u64;
            }
            let held = jobs.into_values().collect();
            let losses = &self.log.losses;
            losses.hold(queue, LossReason::Unlogged, held);
            losses.conclude(queue, &settled);
        }
        lost
    }

    /// Shows how far the registered queues are: the segment that has the first block which is not
    /// settled.
    pub fn show_segments(&self) {
        let segments = self.log.catalog.lock().segments.clone();
        for entry in self.entries.lock().iter() {
            let Some(name) = &entry.name else { continue };
            let next = entry.settled.with(|own| own.floor().next());
            let begun = segments.iter().take_while(|own| own.first <= next);
            let current = begun.last().or(segments.first()).map(|own| own.number);
            let current = current.filter(|_| !entry.wakes.is_empty());
            self.log.metrics.queue_segment(name, current);
        }
    }

    /// All queues, for the status.
    #[must_use]
    pub fn status(&self) -> Vec<QueueStatus> {
        let entries = self.entries.lock();
        let status = entries.iter().map(|entry| QueueStatus {
            name: entry.shown_name().to_owned(),
            floor: entry.settled.with(|own| own.floor()),
            registered: !entry.wakes.is_empty(),
        });
        status.collect()
    }
}
