//! From the rows of a page that differs to new chunks: keeps the chunks that stand unchanged,
//! takes the others apart, labels new rows, finds duplicates and what vanished.
//!
//! Chunks are cut at family borders and, inside large families, after rows whose text hashes to
//! a pattern: a row put in or taken out moves no cut but its own, so the chunks after it stay.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::chunk::{KeyChunk, KeyChunkBuilder, RowKind};
use super::entry::Entry;
use super::family::FamilyReader;
use super::interner::Interner;
use super::seek::Seeker;
use super::seen::Seen;
use super::walk::RowAt;
use crate::exposition::protocol::Format;
use crate::limits;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::{ChunkBuilder, Encoded};
use crate::model::sorting;
use crate::scrape::row_labels::{RowError, RowLabels};

pub use super::seen::own_hash;

/// A page's new shape.
#[derive(Debug)]
pub struct Rebuilt {
    /// Its chunks.
    pub chunks: Vec<Arc<KeyChunk>>,
    /// What becomes of each entry.
    pub kinds: Vec<RowKind>,
    /// Hash of each entry's own labels; zero for those without a slot, and for old rows whose
    /// chunk stands, where nobody asked.
    pub hashes: Vec<u64>,
    /// Own labels, encoded, and their hash, of the series that the last page had and this one
    /// has not.
    pub vanished: Vec<(u64, Box<[u8]>)>,
}

/// Why a page has no new shape.
#[derive(Debug)]
pub struct BadRow {
    /// Entries read, the bad one included.
    pub rows: usize,
    /// Those of them that relabelling left.
    pub kept: usize,
    /// What is wrong with the last one.
    pub error: RowError,
}

/// What a rebuild needs to know beside the entries.
#[derive(Debug)]
pub struct Source<'a> {
    /// The page.
    pub page: &'a [u8],
    /// Its format.
    pub format: Format,
    /// Chunks of the last page.
    pub old: &'a [Arc<KeyChunk>],
    /// The first row that the fast walk did not find; all before it stay.
    pub split: RowAt,
}

fn hash_of(text: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// Builds the chunks of the page whose rows from `source.split` on are `entries`.
///
/// # Errors
/// The first row whose labels fail the scrape.
pub fn rebuild(
    source: &Source<'_>,
    entries: &[Entry],
    labels: &mut RowLabels<'_>,
    interner: &Interner,
) -> Result<Rebuilt, BadRow> {
    let mut composer = Composer::new(source, labels, interner, entries.len());
    composer.keep_prefix();
    let mut index = 0;
    while index < entries.len() {
        let whole = composer.keep_whole_chunk(&entries[index..]);
        if whole == 0 {
            composer
                .add(&entries[index])
                .map_err(|error| composer.bad_row(error))?;
            index += 1;
        }
        index += whole;
    }
    composer.flush();
    let vanished = composer.vanished(entries);
    let Composer {
        out, kinds, hashes, ..
    } = composer;
    Ok(Rebuilt {
        chunks: out,
        kinds,
        hashes,
        vanished,
    })
}

struct Composer<'a, 'l> {
    source: &'a Source<'a>,
    labels: &'a mut RowLabels<'l>,
    interner: &'a Interner,
    out: Vec<Arc<KeyChunk>>,
    keys: KeyChunkBuilder,
    series: ChunkBuilder,
    family: Option<Arc<Family>>,
    reader: FamilyReader,
    seen: Seen<'a>,
    kinds: Vec<RowKind>,
    hashes: Vec<u64>,
    scratch: Vec<u8>,
    seeker: Seeker<'a>,
}

impl<'a, 'l> Composer<'a, 'l> {
    fn new(
        source: &'a Source<'a>,
        labels: &'a mut RowLabels<'l>,
        interner: &'a Interner,
        entries: usize,
    ) -> Composer<'a, 'l> {
        Composer {
            source,
            labels,
            interner,
            out: Vec::new(),
            keys: KeyChunkBuilder::default(),
            series: ChunkBuilder::default(),
            family: None,
            reader: FamilyReader::default(),
            seen: Seen::new(source.old, source.split.chunk, entries),
            kinds: Vec::with_capacity(entries),
            hashes: Vec::with_capacity(entries),
            scratch: Vec::new(),
            seeker: Seeker::default(),
        }
    }

    /// Rows before the split stand as they were; their samples have been taken already.
    fn keep_prefix(&mut self) {
        let (old, split) = (self.source.old, self.source.split);
        self.out.extend(old[..split.chunk].iter().map(Arc::clone));
        if split.chunk > 0 {
            self.reader.resume(old[split.chunk - 1].series().family());
        }
        let Some(partial) = old.get(split.chunk) else {
            return;
        };
        if split.row > 0 {
            self.seen.look_at(split.chunk);
        }
        let mut key = Vec::new();
        for (row, slot) in partial.rows().zip(partial.slots()).take(split.row) {
            row.put_key(&mut key);
            self.place(row.prelude(), &key);
            self.keys.push(row.prelude(), &key, row.kind);
            if let Some(slot) = slot {
                let encoded = partial.series().encoded(slot);
                self.seen.insert(own_hash(encoded));
                self.series.push_encoded(encoded);
            }
        }
    }

    /// Takes over an old chunk if the entries begin with all of its rows, unchanged. Returns how
    /// many entries that were.
    fn keep_whole_chunk(&mut self, entries: &[Entry]) -> usize {
        let Some(RowAt {
            chunk: number,
            row: 0,
        }) = entries[0].old
        else {
            return 0;
        };
        let chunk = &self.source.old[number];
        let rows = chunk.len();
        let whole = entries.len() >= rows
            && entries[..rows].iter().enumerate().all(|(row, entry)| {
                entry.prelude.is_none() && entry.old == Some(RowAt { chunk: number, row })
            });
        if !whole {
            return 0;
        }
        if !self.seen.keep(number) {
            return 0;
        }
        self.flush();
        self.kinds.extend(chunk.kinds());
        self.hashes.resize(self.kinds.len(), 0);
        self.reader.resume(chunk.series().family());
        self.out.push(Arc::clone(chunk));
        rows
    }

    fn add(&mut self, entry: &Entry) -> Result<(), RowError> {
        let source = self.source;
        let mut seeker = std::mem::take(&mut self.seeker);
        let (mut prelude, mut key) = (&[][..], &source.page[entry.key.clone()]);
        let mut slotless = None;
        if let Some(old) = entry.old {
            self.seen.look_at(old.chunk);
            slotless = Some(RowKind::Dropped);
            self.scratch.clear();
            if let Some(found) = seeker.seek(source.old, old) {
                (prelude, key) = (found.row.prelude(), found.key);
                slotless = found.slot.is_none().then_some(found.row.kind);
                let series = source.old[old.chunk].series();
                let labels = found.slot.map(|slot| series.encoded(slot));
                labels.unwrap_or_default().put(&mut self.scratch);
            }
        }
        if let Some(range) = &entry.prelude {
            prelude = &source.page[range.clone()];
        }
        if entry.old.is_none() {
            slotless = self.label(key, entry.type_before)?;
        }
        self.place(prelude, key);
        let kind = self.settle(slotless);
        self.keys.push(prelude, key, kind);
        self.seeker = seeker;
        Ok(())
    }

    /// Leaves the own labels of a new row in the scratch buffer, or says why it has none.
    fn label(&mut self, key: &[u8], type_before: MetricType) -> Result<Option<RowKind>, RowError> {
        self.scratch.clear();
        if self.labels.is_start(key, type_before) {
            return Ok(Some(RowKind::Start));
        }
        if !self.labels.own(key, type_before, &mut self.scratch)? {
            return Ok(Some(RowKind::Dropped));
        }
        self.seen.expect_new(Encoded::new(&self.scratch));
        Ok(None)
    }

    /// Files the series in the scratch buffer, unless the row has no slot, and says what becomes
    /// of the row.
    fn settle(&mut self, slotless: Option<RowKind>) -> RowKind {
        if let Some(kind) = slotless {
            self.kinds.push(kind);
            self.hashes.push(0);
            return kind;
        }
        let encoded = Encoded::new(&self.scratch);
        let hash = own_hash(encoded);
        let first = self.seen.insert(hash);
        self.series.push_encoded(encoded);
        let kind = if first {
            RowKind::Kept
        } else {
            RowKind::Duplicate
        };
        self.kinds.push(kind);
        self.hashes.push(hash);
        kind
    }

    /// Cuts the chunk before a row where a cut belongs, and follows the family.
    fn place(&mut self, prelude: &[u8], key: &[u8]) {
        if !prelude.is_empty() {
            self.reader.read(prelude, self.source.format);
        }
        let moved = self.reader.of_row(key) != self.family.as_ref();
        if moved || self.cut_due(key) {
            self.flush();
            self.family = self.reader.of_row(key).map(Arc::clone);
        }
    }

    fn cut_due(&self, key: &[u8]) -> bool {
        let rows = self.keys.len();
        rows >= limits::CHUNK_ROWS_MAX
            || (rows >= limits::CHUNK_ROWS_MIN
                && hash_of(key).is_multiple_of(limits::CHUNK_CUT_MODULUS))
    }

    fn bad_row(&self, error: RowError) -> BadRow {
        let count = |counts: fn(RowKind) -> bool| {
            let kinds = self.kinds.iter();
            kinds.filter(|kind| counts(**kind)).count()
        };
        BadRow {
            rows: count(|kind| kind != RowKind::Start) + 1,
            kept: count(RowKind::has_slot),
            error,
        }
    }

    fn flush(&mut self) {
        if !self.keys.is_empty() {
            let series = self.series.finish(self.family.clone());
            let chunk = self.keys.finish(series);
            self.out.push(self.interner.intern(chunk));
        }
    }

    /// The series of old rows that no entry shows.
    fn vanished(&self, entries: &[Entry]) -> Vec<(u64, Box<[u8]>)> {
        let (old, split) = (self.source.old, self.source.split);
        let mut firsts = Vec::with_capacity(old.len());
        let mut rows = 0;
        for chunk in old {
            firsts.push(rows);
            rows += chunk.len();
        }
        let mut found = vec![false; rows];
        for at in entries.iter().filter_map(|entry| entry.old) {
            found[firsts[at.chunk] + at.row] = true;
        }
        let mut vanished = Vec::new();
        for (number, chunk) in old.iter().enumerate().skip(split.chunk) {
            if self.seen.stands(number) {
                continue;
            }
            let rows = chunk.kinds().zip(chunk.slots());
            for (row, (kind, slot)) in rows.enumerate() {
                let at = RowAt { chunk: number, row };
                let Some(slot) = slot else { continue };
                if at < split || found[firsts[number] + row] {
                    continue;
                }
                let encoded = chunk.series().encoded(slot);
                let hash = own_hash(encoded);
                if kind == RowKind::Kept && !self.seen.has(hash) {
                    vanished.push((hash, encoded.to_box()));
                }
            }
        }
        vanished
    }
}
/// Series of `old` that `new` does not hold.
pub(in crate::scrape) fn missing_from(
    old: &[Arc<KeyChunk>],
    new: &[Arc<KeyChunk>],
) -> Vec<(u64, Box<[u8]>)> {
    if old.is_empty() {
        return Vec::new();
    }
    let encoded = |chunks: &[Arc<KeyChunk>]| -> Vec<(u64, Box<[u8]>)> {
        let all = chunks.iter().flat_map(|chunk| chunk.series().all_encoded());
        all.map(|own| (own_hash(own), own.to_box())).collect()
    };
    let present: HashSet<u64, FixedState> = encoded(new).iter().map(|(hash, _)| *hash).collect();
    let mut missing = encoded(old);
    missing.retain(|(hash, _)| !present.contains(hash));
    sorting::sort(&mut missing);
    missing.dedup();
    missing
}
