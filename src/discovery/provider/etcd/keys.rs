//! What is known of the keys below some prefixes: from a reading, and from the watches that go on
//! where it ended. No I/O.
//!
//! Every watch has its own revision up to which it has told all; a watch that is replaced goes on
//! after it, so nothing is missed and nothing told twice. Where that cannot be (the revision was
//! compacted, the store was set back or is another one) everything has to be read again.

use super::value::{self, Format};
use super::wire::{Header, Page, Range, Said};
use crate::discovery::keyed::{Gathered, Keyed, TooMuch};
use crate::model::sorting;

/// The keys below one prefix.
#[derive(Debug)]
struct Watched {
    range: Range,
    /// All up to this revision is known.
    seen: i64,
}

/// What follows from a message of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Everything has to be read again.
    ReadAgain,
}

/// The keys.
#[derive(Debug)]
pub(super) struct Keys {
    /// As configured, longest first.
    prefixes: Vec<String>,
    watched: Vec<Watched>,
    format: Format,
    cluster: u64,
    targets: Keyed,
}

/// A reading of all keys, page by page, all as of one revision.
#[derive(Debug, Default)]
pub(super) struct Reading {
    state: Gathered,
    header: Option<Header>,
    /// Which prefix is being read, and what is left of it.
    prefix: usize,
    rest: Option<Range>,
}

impl Keys {
    /// Nothing is known yet. Prefixes that lie inside others are not read twice.
    pub(super) fn new(prefixes: &[String], format: Format) -> Keys {
        let mut prefixes = prefixes.to_vec();
        sorting::sort(&mut prefixes);
        prefixes.dedup();
        let mut outer: Vec<&String> = Vec::new();
        for prefix in &prefixes {
            if !outer.iter().any(|other| prefix.starts_with(other.as_str())) {
                outer.push(prefix);
            }
        }
        let watched = outer.iter().map(|prefix| Watched {
            range: Range::of_prefix(prefix),
            seen: 0,
        });
        let watched = watched.collect();
        sorting::sort_by_key(&mut prefixes, |prefix| std::cmp::Reverse(prefix.len()));
        Keys {
            prefixes,
            watched,
            format,
            cluster: 0,
            targets: Keyed::default(),
        }
    }

    /// The targets found.
    pub(super) fn targets(&mut self) -> &mut Keyed {
        &mut self.targets
    }

    /// What the watches are to tell: ranges, and the revisions after which they begin.
    pub(super) fn watches(&self) -> impl Iterator<Item = (&Range, i64)> {
        self.watched.iter().map(|one| (&one.range, one.seen))
    }

    /// What a reading asks for next: a range, and the revision it is read at, 0 for the newest.
    /// Nothing when it is complete.
    pub(super) fn wanted(&self, reading: &Reading) -> Option<(Range, i64)> {
        let watched = self.watched.get(reading.prefix)?;
        let rest = reading
            .rest
            .clone()
            .unwrap_or_else(|| watched.range.clone());
        let revision = reading.header.map_or(0, |header| header.revision);
        Some((rest, revision))
    }

    /// Takes the answer to what a reading asked for.
    ///
    /// # Errors
    /// When there is too much.
    pub(super) fn gather(&self, reading: &mut Reading, page: &Page) -> Result<(), TooMuch> {
        reading.header.get_or_insert(page.header);
        for one in &page.kvs {
            let (key, entry) = self.understand(&one.key, &one.value);
            reading.state.set(&key, Some(entry))?;
        }
        let range = self.watched.get(reading.prefix).map(|one| &one.range);
        // A page that promises more and has nothing would be asked for for ever.
        let last = page.kvs.last().filter(|_| page.more);
        match (range, last) {
            (Some(range), Some(last)) => reading.rest = Some(range.after(&last.key)),
            _ => {
                reading.prefix += 1;
                reading.rest = None;
            }
        }
        Ok(())
    }

    /// Makes a complete reading the whole truth.
    pub(super) fn replace(&mut self, reading: Reading) {
        let header = reading.header.unwrap_or_default();
        self.cluster = header.cluster_id;
        for watched in &mut self.watched {
            watched.seen = header.revision;
        }
        self.targets.replace(reading.state);
    }

    /// Takes a message of a watch in; one that says that the watch is over counts only for why.
    ///
    /// # Errors
    /// When there is too much.
    pub(super) fn hear(&mut self, said: &Said) -> Result<Verdict, TooMuch> {
        let index = usize::try_from(said.watch_id - 1).unwrap_or(usize::MAX);
        let seen = self.watched.get(index).map(|watched| watched.seen);
        let other = said.header.cluster_id != self.cluster;
        // A member that lags behind is not asked again before it has caught up.
        let set_back = said.created && seen.is_some_and(|seen| said.header.revision < seen);
        if said.compact_revision > 0 || other || set_back {
            return Ok(Verdict::ReadAgain);
        }
        if said.created || said.canceled || seen.is_none() {
            return Ok(Verdict::Fine);
        }
        for event in &said.events {
            let (key, entry) = self.understand(&event.kv.key, &event.kv.value);
            let entry = (!event.is_deletion()).then_some(entry);
            self.targets.set(&key, entry)?;
        }
        if let Some(watched) = self.watched.get_mut(index)
            && !said.fragment
        {
            let told = said
                .events
                .last()
                .map_or(said.header.revision, |last| last.kv.mod_revision);
            watched.seen = watched.seen.max(told);
        }
        Ok(Verdict::Fine)
    }

    /// The name of a key, and what it stands for. Keys are bytes, labels are text.
    fn understand(&self, key: &[u8], value: &[u8]) -> (String, crate::discovery::keyed::Entry) {
        let key = match std::str::from_utf8(key) {
            Ok(key) => key.to_owned(),
            Err(_) => key.escape_ascii().to_string(),
        };
        let mut prefixes = self.prefixes.iter();
        let prefix = prefixes.find(|prefix| key.starts_with(prefix.as_str()));
        let prefix = prefix.map_or("", String::as_str);
        let entry = value::entry(self.format, prefix, &key, value);
        (key, entry)
    }
}

#[cfg(test)]
mod tests;
