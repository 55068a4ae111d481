//! Records as blocks again: the mirror of the encoder.
//!
//! Gives only blocks that are certain: one whose list or predecessor was lost is left out, and so
//! are its successors up to the target's next key block. The caller sees what is missing by the
//! sequence numbers.

use std::sync::Arc;

use hashbrown::HashMap;

use super::definition::{self, ListRuns};
use super::encoder::{EPOCH, KEY};
use super::interner::Interner;
use super::living::LivingChunks;
use super::side::Sections;
use super::side::histograms::column;
use super::side::past::Past;
use super::values::{self, Base, Span, State};
use super::{chunk, side, spans};
use crate::bytes::cursor::Cursor;
use crate::limits;
use crate::model::block::{EpochId, ScrapeBlock, Sequence};
use crate::model::metadata::Family;
use crate::model::series::{SeriesChunk, SeriesList, TargetIdentity};
use crate::model::timeline::Epoch;
use crate::wal::format::record::{Records, tag};

/// Bits of a block's flags that give the coding of its values; only coding 0 is known.
const CODING: u64 = 0xf0;

/// A list and the local ids it was made of.
#[derive(Debug)]
struct List {
    series: Arc<SeriesList>,
    target: u32,
    chunks: Vec<u32>,
}

/// A definition of a chunk or a list. After damage it may be read before the ones it refers to,
/// so it is put together when a block needs it.
#[derive(Debug)]
enum Part<P, R> {
    Parked(P),
    Ready(Arc<R>),
}

impl<P, R> Part<P, R> {
    fn ready(self) -> Option<Arc<R>> {
        match self {
            Part::Ready(ready) => Some(ready),
            Part::Parked(_) => None,
        }
    }
}

/// A target's previous block.
#[derive(Debug)]
struct Last {
    block: Arc<ScrapeBlock>,
    list: Arc<List>,
    states: Vec<State>,
    /// States of the numbers of its histograms.
    number_states: Vec<State>,
}

/// What a frame gave.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Its readable blocks in order.
    pub blocks: Vec<Arc<ScrapeBlock>>,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
    /// Records and sections of a kind this program does not know.
    pub unknown: u64,
}

/// The decoder of a segment.
#[derive(Debug, Default)]
pub struct Decoder {
    families: HashMap<u32, Arc<Family>>,
    targets: HashMap<u32, Arc<TargetIdentity>>,
    chunks: HashMap<u32, Part<chunk::Definition, SeriesChunk>>,
    lists: HashMap<u32, Part<ListRuns, List>>,
    lasts: HashMap<u32, Last>,
    interner: Interner,
    states: Vec<State>,
    number_states: Vec<State>,
}

/// Where in a frame the decoder is.
#[derive(Debug)]
pub(super) struct Context {
    first: Sequence,
    epoch: Option<EpochId>,
    offset_ms: i64,
}

impl Context {
    /// The start of the frame whose blocks begin at `first`.
    pub(super) fn new(first: Sequence) -> Context {
        Context {
            first,
            epoch: None,
            offset_ms: 0,
        }
    }
}

/// The fixed part of a block's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHead {
    /// Its sequence number.
    pub sequence: Sequence,
    /// Its epoch.
    pub epoch: EpochId,
    /// Its offset in the epoch.
    pub offset_ms: i64,
    /// Local id of its list.
    pub list: u32,
    /// Sequence number of the block it is encoded against; none in a key block.
    pub before: Option<Sequence>,
    /// The coding of its values: the bits as they stand in its flags.
    pub coding: u64,
}

impl Decoder {
    /// A decoder that takes living chunks for equal ones that it reads.
    #[must_use]
    pub fn new(living: LivingChunks) -> Decoder {
        Decoder {
            interner: Interner::new(living),
            ..Decoder::default()
        }
    }

    /// Begins a segment. Series that were known in the last one keep their identity, so that
    /// whoever caches by it goes on.
    pub fn begin_segment(&mut self) {
        let chunks = self.chunks.drain().filter_map(|(_, chunk)| chunk.ready());
        let lists = self.lists.drain().filter_map(|(_, list)| list.ready());
        let lists = lists.map(|list| Arc::clone(&list.series));
        self.interner.keep(chunks, lists);
        self.families.clear();
        self.targets.clear();
        self.lasts.clear();
    }

    /// Decodes the body of the frame whose blocks begin at `first`.
    pub fn frame(&mut self, first: Sequence, body: &[u8]) -> Decoded {
        let mut decoded = Decoded::default();
        let mut context = Context::new(first);
        for (tag, payload) in Records::new(body) {
            match tag {
                tag::EPOCH => decoded.epochs.extend(definition::take_epoch(payload)),
                tag::BLOCK => {
                    let Some((block, unknown)) = self.block(&mut context, payload) else {
                        continue;
                    };
                    decoded.unknown += unknown;
                    decoded.blocks.push(block);
                }
                tag::FORGET => self.forget(payload),
                _ => decoded.unknown += u64::from(!self.define(tag, payload)),
            }
        }
        decoded
    }

    /// Takes the definitions of a frame, as [`Decoder::frame`] does, and tells of each block before
    /// `wanted` whose target it is, by local id, and whether it is a key; values stay as they are.
    /// Nothing is forgotten: the blocks may be read afterwards.
    pub fn scan(
        &mut self,
        first: Sequence,
        body: &[u8],
        wanted: Sequence,
        mut saw: impl FnMut(u32, bool),
    ) {
        let mut context = Context::new(first);
        for (tag, payload) in Records::new(body) {
            match tag {
                tag::BLOCK => {
                    let head = take_head(&mut context, &mut Cursor::new(payload));
                    let head = head.filter(|head| head.sequence < wanted);
                    if let Some(head) = head
                        && let Some(target) = self.target_id_of(head.list)
                    {
                        saw(target, head.before.is_none());
                    }
                }
                tag::EPOCH | tag::FORGET => {}
                _ => {
                    self.define(tag, payload);
                }
            }
        }
    }

    fn target_id_of(&self, list: u32) -> Option<u32> {
        Some(match self.lists.get(&list)? {
            Part::Ready(list) => list.target,
            Part::Parked(parts) => parts.target,
        })
    }

    /// The target of the list of that id, as far as it is defined.
    #[must_use]
    pub fn target_of(&self, list: u32) -> Option<&Arc<TargetIdentity>> {
        self.targets.get(&self.target_id_of(list)?)
    }

    /// Takes a definition; false if the tag is unknown. A second copy changes nothing.
    fn define(&mut self, tag: u64, payload: &[u8]) -> bool {
        match tag {
            tag::FAMILY => {
                if let Some((id, family)) = definition::take_family(payload) {
                    self.families.entry(id).or_insert_with(|| Arc::new(family));
                }
            }
            tag::TARGET => {
                if let Some((id, target)) = definition::take_target(payload) {
                    self.targets.entry(id).or_insert_with(|| Arc::new(target));
                }
            }
            tag::CHUNK => {
                if let Some(chunk) = chunk::take(payload) {
                    let id = chunk.id;
                    self.chunks.entry(id).or_insert(Part::Parked(chunk));
                    // At once where possible: a living chunk takes the place of its text.
                    let _waits = self.chunk(id);
                }
            }
            tag::LIST => {
                if let Some(list) = definition::take_list(payload) {
                    let id = list.id;
                    self.lists.entry(id).or_insert(Part::Parked(list));
                    // What it is made of may be forgotten before a block needs it.
                    let _waits = self.list(id);
                }
            }
            _ => return false,
        }
        true
    }

    /// The chunk of that id, put together if need be; none while something of it is missing.
    fn chunk(&mut self, id: u32) -> Option<Arc<SeriesChunk>> {
        let part = self.chunks.get_mut(&id)?;
        let definition = match part {
            Part::Ready(chunk) => return Some(Arc::clone(chunk)),
            Part::Parked(definition) => definition,
        };
        let family = match definition.family {
            Some(id) => Some(Arc::clone(self.families.get(&id)?)),
            None => None,
        };
        let family_id = definition.family;
        let chunk = self.interner.chunk(definition.series.finish(family));
        *part = Part::Ready(Arc::clone(&chunk));
        if let (Some(id), Some(living)) = (family_id, chunk.family()) {
            self.families.insert(id, Arc::clone(living));
        }
        Some(chunk)
    }

    /// The list of that id, as [`Decoder::chunk`].
    fn list(&mut self, id: u32) -> Option<Arc<List>> {
        let parts = match self.lists.get(&id)? {
            Part::Ready(list) => return Some(Arc::clone(list)),
            Part::Parked(parts) => parts.clone(),
        };
        let target = Arc::clone(self.targets.get(&parts.target)?);
        let (mut ids, mut chunks) = (Vec::new(), Vec::new());
        let mut series = 0;
        for id in parts.chunks() {
            let chunk = self.chunk(id)?;
            series += chunk.len();
            if series > limits::LIST_SERIES_MAX {
                return None;
            }
            ids.push(id);
            chunks.push(chunk);
        }
        let list = Arc::new(List {
            series: self.interner.list(target, chunks),
            target: parts.target,
            chunks: ids,
        });
        self.lists.insert(id, Part::Ready(Arc::clone(&list)));
        Some(list)
    }

    fn forget(&mut self, payload: &[u8]) {
        let Some(forgotten) = definition::take_forget(payload) else {
            return;
        };
        let [families, targets, chunks, lists] = forgotten.ids;
        for id in families {
            self.families.remove(&id);
        }
        for id in targets {
            self.targets.remove(&id);
            self.lasts.remove(&id);
        }
        for id in chunks {
            self.chunks.remove(&id);
        }
        for id in lists {
            self.lists.remove(&id);
        }
    }

    /// Decodes a block and the number of its unknown sections; none if it cannot be.
    fn block(&mut self, context: &mut Context, payload: &[u8]) -> Option<(Arc<ScrapeBlock>, u64)> {
        let mut cursor = Cursor::new(payload);
        let head = take_head(context, &mut cursor)?;
        let list = self.list(head.list)?;
        let last = match head.before {
            Some(before) => {
                let last = self.lasts.get(&list.target)?;
                Some(last).filter(|last| last.block.sequence == before)
            }
            None => None,
        };
        if head.coding != 0 || last.is_some() != head.before.is_some() {
            return None;
        }
        let spans = spans_of(&list, last);
        let before = last.map(|last| column(&last.block));
        let base = Base {
            values: before.as_deref().unwrap_or(&[]),
            states: last.map_or(&[], |last| &last.states),
        };
        let encoded = cursor.block()?;
        let mut values = values::decode(&spans, base, encoded, &mut self.states)?;
        let past = Past {
            spans: &spans,
            block: last.map(|last| &*last.block),
            states: last.map_or(&[], |last| &last.number_states),
        };
        let numbers = &mut self.number_states;
        let Sections { side, unknown } = side::take(cursor.rest(), &mut values, past, numbers)?;
        let block = Arc::new(ScrapeBlock {
            sequence: head.sequence,
            epoch: head.epoch,
            offset_ms: head.offset_ms,
            series: Arc::clone(&list.series),
            values,
            side,
        });
        let last = Last {
            block: Arc::clone(&block),
            states: std::mem::take(&mut self.states),
            number_states: std::mem::take(&mut self.number_states),
            list: Arc::clone(&list),
        };
        if let Some(old) = self.lasts.insert(list.target, last) {
            self.states = old.states;
            self.number_states = old.number_states;
        }
        Some((block, unknown))
    }
}

/// Epoch and offset of the latest scrape in a frame's body.
#[must_use]
pub fn latest(first: Sequence, body: &[u8]) -> Option<(EpochId, i64)> {
    let mut context = Context::new(first);
    let blocks = Records::new(body).filter(|(tag, _)| *tag == tag::BLOCK);
    let heads = blocks.filter_map(|(_, payload)| {
        let head = take_head(&mut context, &mut Cursor::new(payload))?;
        Some((head.epoch, head.offset_ms))
    });
    heads.max()
}

pub(super) fn take_head(context: &mut Context, cursor: &mut Cursor<'_>) -> Option<BlockHead> {
    let sequence = Sequence(context.first.0.checked_add(cursor.varint()?)?);
    if sequence.0 > limits::LOG_NUMBER_MAX {
        return None;
    }
    let flags = cursor.varint()?;
    if flags & EPOCH != 0 {
        context.epoch = Some(EpochId(cursor.varint_u32()?));
        context.offset_ms = 0;
    }
    context.offset_ms = context.offset_ms.wrapping_add(cursor.zigzag()?);
    let list = cursor.varint_u32()?;
    let before = if flags & KEY == 0 {
        Some(Sequence(sequence.0.checked_sub(cursor.varint()?)?))
    } else {
        None
    };
    Some(BlockHead {
        sequence,
        epoch: context.epoch?,
        offset_ms: context.offset_ms,
        list,
        before,
        coding: flags & CODING,
    })
}

fn spans_of(list: &Arc<List>, last: Option<&Last>) -> Vec<Span> {
    let Some(last) = last else {
        return spans::fresh(list.series.len());
    };
    if Arc::ptr_eq(list, &last.list) {
        return spans::same(list.series.len());
    }
    spans::between(names(&last.list), names(list))
}

fn names(list: &List) -> impl Iterator<Item = (u32, usize)> {
    let lens = list.series.chunks().iter().map(|chunk| chunk.len());
    list.chunks.iter().copied().zip(lens)
}
