//! Blocks as records, each as the difference from its target's previous one.
//!
//! Keeps each target's last block (shared with whoever else holds it), one byte per slot, and the
//! ids of its chunks. Which definitions the segment already has is kept by address and by contents
//! (`tables`).

use std::sync::Arc;

use hashbrown::HashMap;

use super::body::{BlockMark, Bodies, PAYLOAD_BYTES_MAX};
use super::definition::{self, Forgotten, ListParts};
use super::living::LivingChunks;
use super::side::histograms::column;
use super::side::past::Past;
use super::tables::{Copies, Place, Table};
use super::values::{self, Base, Span, State};
use super::{chunk, side, spans};
use crate::bytes::cursor::put_zigzag;
use crate::bytes::varint;
use crate::limits;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::model::metadata::Family;
use crate::model::series::{SeriesChunk, SeriesList, TargetIdentity};
use crate::model::time::Mono;
use crate::wal::format::record::tag;

/// The block stands alone.
pub(super) const KEY: u64 = 1;

/// The block's epoch is written.
pub(super) const EPOCH: u64 = 2;

/// Bytes of a block's record besides its values and sections, at most.
const BLOCK_EXTRA_BYTES: usize = 64;

/// A block that no frame can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scrape is too large for the log")]
pub struct TooLarge;

/// What is kept of a target.
#[derive(Debug)]
struct Target {
    identity: Arc<TargetIdentity>,
    /// Local id and copies in this segment.
    local: Option<(u32, Copies)>,
    last: Option<Last>,
    seen: Mono,
}

/// A target's previous block in this segment.
#[derive(Debug)]
struct Last {
    block: Arc<ScrapeBlock>,
    named: Named,
    states: Vec<State>,
    /// States of the numbers of its histograms.
    number_states: Vec<State>,
    since_key: u32,
}

/// The encoder of a log.
#[derive(Debug, Default)]
pub struct Encoder {
    families: Table<Family>,
    chunks: LivingChunks,
    lists: Table<SeriesList>,
    targets: HashMap<u64, Target>,
    next_target: u32,
    /// Local ids of targets that were forgotten since the last sweep.
    idle: Vec<u32>,
    /// Entries of the tables that were alive at the last sweep.
    live: usize,
    values: Vec<u8>,
    sections: Vec<u8>,
    payload: Vec<u8>,
    size: Size,
}

/// A list as the segment names it.
#[derive(Debug)]
struct Named {
    /// Its local id.
    list: u32,
    /// Local ids of its chunks, in slot order.
    chunks: Arc<[u32]>,
}

/// Bytes of the segment's records before compression.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// All records.
    pub total: u64,
    /// Definitions and first key blocks: what a new segment repeats.
    pub repeated: u64,
}

impl Encoder {
    /// An encoder that shares the chunks it defines.
    #[must_use]
    pub fn new(chunks: LivingChunks) -> Encoder {
        Encoder {
            chunks,
            ..Encoder::default()
        }
    }

    /// Size of the segment so far.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Begins a segment: everything is defined again and every target's next block is a key.
    pub fn begin_segment(&mut self) {
        self.families = Table::default();
        self.chunks.clear();
        self.lists = Table::default();
        self.next_target = 0;
        self.idle.clear();
        self.live = 0;
        self.size = Size::default();
        for target in self.targets.values_mut() {
            target.local = None;
        }
    }

    /// Encodes `block` into `bodies`. `offset` is the size of the segment so far.
    ///
    /// # Errors
    /// [`TooLarge`]; nothing refers to the block then.
    pub fn encode(
        &mut self,
        now: Mono,
        offset: u64,
        block: &Arc<ScrapeBlock>,
        bodies: &mut Bodies,
    ) -> Result<(), TooLarge> {
        self.sweep(block.sequence, bodies);
        let mut target = self.take_target(now, block);
        let known = target.local.is_some();
        let last = target.last.take().filter(|_| known);
        let last = last.filter(|last| last.since_key + 1 < limits::KEY_BLOCK_INTERVAL);
        let is_key = last.is_none();
        let named = match self.known(block, last.as_ref()) {
            Some(named) => named,
            None => self.define(&mut target, offset, is_key, block, bodies)?,
        };
        let spans = spans_of(&block.series, &named, last.as_ref());
        let states = self.put_values(block, &spans, last.as_ref());
        let past = Past {
            spans: &spans,
            block: last.as_ref().map(|last| &*last.block),
            states: last.as_ref().map_or(&[], |last| &last.number_states),
        };
        let mut number_states = Vec::new();
        self.sections.clear();
        side::put(&mut self.sections, block, past, &mut number_states).ok_or(TooLarge)?;
        let back = last
            .as_ref()
            .map(|last| block.sequence.0 - last.block.sequence.0);
        let written = self.put_block(block, named.list, back, bodies)?;
        self.size.total += written;
        self.size.repeated += if known { 0 } else { written };
        let since_key = last.map_or(0, |last| last.since_key + 1);
        target.last = Some(Last {
            block: Arc::clone(block),
            named,
            states,
            number_states,
            since_key,
        });
        self.targets.insert(block.series.target().id, target);
        Ok(())
    }

    /// Encodes the value column; returns the states of its slots.
    fn put_values(
        &mut self,
        block: &ScrapeBlock,
        spans: &[Span],
        last: Option<&Last>,
    ) -> Vec<State> {
        let before = last.map(|last| column(&last.block));
        let base = Base {
            values: before.as_deref().unwrap_or(&[]),
            states: last.map_or(&[], |last| &last.states),
        };
        let mut states = Vec::new();
        self.values.clear();
        values::encode(&column(block), spans, base, &mut states, &mut self.values);
        states
    }

    fn take_target(&mut self, now: Mono, block: &ScrapeBlock) -> Target {
        let identity = block.series.target();
        let kept = self.targets.remove(&identity.id);
        let kept = kept.filter(|target| target.identity == *identity);
        let mut target = kept.unwrap_or_else(|| Target {
            identity: Arc::clone(identity),
            local: None,
            last: None,
            seen: now,
        });
        target.seen = now;
        target
    }

    /// The list of a block that is no key, if the segment has it.
    fn known(&self, block: &ScrapeBlock, last: Option<&Last>) -> Option<Named> {
        let last = last?;
        let list = self.lists.get(&block.series)?;
        if Arc::ptr_eq(&last.block.series, &block.series) {
            let chunks = Arc::clone(&last.named.chunks);
            return Some(Named { list, chunks });
        }
        let ids = block.series.chunks().iter();
        let chunks = ids
            .map(|chunk| self.chunks.get(chunk))
            .collect::<Option<_>>()?;
        Some(Named { list, chunks })
    }

    /// Sees to it that everything `block` refers to is defined.
    fn define(
        &mut self,
        target: &mut Target,
        offset: u64,
        is_key: bool,
        block: &ScrapeBlock,
        bodies: &mut Bodies,
    ) -> Result<Named, TooLarge> {
        let mut writer = DefinitionWriter {
            place: Place {
                frame: bodies.number(),
                offset,
            },
            again: is_key,
            next: block.sequence,
            bodies,
            payload: &mut self.payload,
            written: 0,
        };
        let next_target = &mut self.next_target;
        let (local, copies) = target.local.get_or_insert_with(|| {
            *next_target += 1;
            (*next_target - 1, Copies::default())
        });
        let due = copies.due(writer.place, is_key);
        writer.put(due, tag::TARGET, |out| {
            definition::put_target(out, *local, &target.identity);
        })?;
        let mut ids = Vec::with_capacity(block.series.chunks().len());
        for chunk in block.series.chunks() {
            ids.push(writer.chunk(&mut self.families, &self.chunks, chunk)?);
        }
        let key = (*local, ids.as_slice());
        let (place, list) = (writer.place, &block.series);
        let (id, due) = self
            .lists
            .define(self.chunks.seed(), list, key, place, is_key);
        let parts = ListParts {
            id,
            target: *local,
            chunks: ids,
        };
        writer.put(due, tag::LIST, |out| definition::put_list(out, &parts))?;
        self.size.total += writer.written;
        self.size.repeated += writer.written;
        Ok(Named {
            list: id,
            chunks: parts.chunks.into(),
        })
    }

    /// Writes the record of a block whose values and sections are encoded; returns its bytes.
    fn put_block(
        &mut self,
        block: &ScrapeBlock,
        list: u32,
        back: Option<u64>,
        bodies: &mut Bodies,
    ) -> Result<u64, TooLarge> {
        let bytes = self.values.len() + self.sections.len();
        if bytes + BLOCK_EXTRA_BYTES > PAYLOAD_BYTES_MAX {
            return Err(TooLarge);
        }
        bodies.make_room(bytes + BLOCK_EXTRA_BYTES, block.sequence);
        let same_epoch = bodies.context().filter(|(epoch, _)| *epoch == block.epoch);
        let flags =
            if back.is_none() { KEY } else { 0 } | if same_epoch.is_none() { EPOCH } else { 0 };
        let out = &mut self.payload;
        out.clear();
        varint::write(out, block.sequence.0 - bodies.first(block.sequence).0);
        varint::write(out, flags);
        if same_epoch.is_none() {
            varint::write(out, block.epoch.0.into());
        }
        let context = same_epoch.map_or(0, |(_, offset)| offset);
        put_zigzag(out, block.offset_ms.wrapping_sub(context));
        varint::write(out, list.into());
        if let Some(back) = back {
            varint::write(out, back);
        }
        varint::write(out, self.values.len() as u64);
        out.extend_from_slice(&self.values);
        out.extend_from_slice(&self.sections);
        let mark = BlockMark {
            sequence: block.sequence,
            epoch: block.epoch,
            offset_ms: block.offset_ms,
            samples: u32::try_from(block.sample_count()).unwrap_or(u32::MAX),
            has_text: block.side.as_deref().is_some_and(side::has_text),
        };
        bodies.put_block(out, &mark);
        Ok(out.len() as u64)
    }

    /// Forgets targets without a block since `before`; their next block is a key.
    pub fn forget_idle(&mut self, before: Mono) {
        let gone = self.targets.extract_if(|_, target| target.seen < before);
        let ids = gone.filter_map(|(_, target)| target.local.map(|(id, _)| id));
        self.idle.extend(ids);
        self.idle.sort_unstable();
    }

    /// Drops definitions that nobody holds any more, once there are as many as live ones.
    fn sweep(&mut self, next: Sequence, bodies: &mut Bodies) {
        let entries = self.families.count() + self.chunks.count() + self.lists.count();
        let few = entries < 2 * self.live + limits::DEFINITIONS_SWEEP_MIN;
        if few && self.idle.is_empty() {
            return;
        }
        let ids = [
            self.families.sweep(),
            std::mem::take(&mut self.idle),
            self.chunks.sweep(),
            self.lists.sweep(),
        ];
        self.live = self.families.count() + self.chunks.count() + self.lists.count();
        self.payload.clear();
        definition::put_forget(&mut self.payload, &Forgotten { ids });
        bodies.put(tag::FORGET, &self.payload, next);
    }
}

fn spans_of(list: &SeriesList, named: &Named, last: Option<&Last>) -> Vec<Span> {
    let Some(last) = last else {
        return spans::fresh(list.len());
    };
    if last.named.list == named.list {
        return spans::same(list.len());
    }
    let before = names(&last.named, &last.block.series);
    spans::between(before, names(named, list))
}

fn names<'a>(named: &'a Named, list: &'a SeriesList) -> impl Iterator<Item = (u32, usize)> {
    let lens = list.chunks().iter().map(|chunk| chunk.len());
    named.chunks.iter().copied().zip(lens)
}

/// Writes the definitions of one block.
struct DefinitionWriter<'a> {
    place: Place,
    again: bool,
    next: Sequence,
    bodies: &'a mut Bodies,
    payload: &'a mut Vec<u8>,
    written: u64,
}

impl DefinitionWriter<'_> {
    fn put(
        &mut self,
        due: bool,
        tag: u64,
        payload: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), TooLarge> {
        if !due {
            return Ok(());
        }
        self.payload.clear();
        payload(self.payload);
        if self.payload.len() > PAYLOAD_BYTES_MAX {
            return Err(TooLarge);
        }
        self.bodies.put(tag, self.payload, self.next);
        self.written += self.payload.len() as u64;
        Ok(())
    }

    fn chunk(
        &mut self,
        families: &mut Table<Family>,
        chunks: &LivingChunks,
        chunk: &Arc<SeriesChunk>,
    ) -> Result<u32, TooLarge> {
        let mut family_id = None;
        if let Some(family) = chunk.family() {
            let (id, due) = families.define(chunks.seed(), family, (), self.place, self.again);
            self.put(due, tag::FAMILY, |out| {
                definition::put_family(out, id, family);
            })?;
            family_id = Some(id);
        }
        let (id, due) = chunks.define(chunk, self.place, self.again);
        self.put(due, tag::CHUNK, |out| chunk::put(out, id, family_id, chunk))?;
        Ok(id)
    }
}
