//! Pages of the program's own file, and of the libraries it came with.
//!
//! The system keeps such pages resident for as long as the process lives, needed or not: those of
//! the start, of the last reload, and around each page that is needed another fifteen. They can be
//! let go at any time, because the file has them; what is needed comes back at once, from the
//! system's cache. So they are let go from time to time, and the file's mappings are cut into
//! stretches, beyond which the system does not reach.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

use rustix::mm::{Advice, madvise};

use crate::limits;

/// Mappings of files that nobody can write to, as `/proc/self/smaps` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapping {
    range: Range<usize>,
    /// Whether every page of it is as it is in the file.
    unchanged: bool,
}

/// The pages of program and libraries.
#[derive(Debug)]
pub struct ProgramPages {
    /// Mappings that were there before any thread was: they stay until the end.
    ranges: Vec<Range<usize>>,
}

impl ProgramPages {
    /// Finds them, and cuts their mappings into stretches. To be called while no other thread runs,
    /// so that what is found is what the program began with.
    #[must_use]
    pub fn cut() -> ProgramPages {
        let ranges = unchanged();
        for range in &ranges {
            for stretch in every_second(range) {
                // Mappings that differ in this are told apart. It concerns core dumps, in which
                // files do not stand anyway.
                advise(&stretch, Advice::LinuxDontDump);
            }
        }
        ProgramPages { ranges }
    }

    /// Lets go of all of them. Takes a fraction of a millisecond, and so does fetching back what is
    /// needed.
    pub fn let_go(&self) {
        for range in unchanged() {
            // A library that came later could be gone by now.
            let stays = |own: &Range<usize>| own.start <= range.start && range.end <= own.end;
            if self.ranges.iter().any(stays) {
                advise(&range, Advice::LinuxDontNeed);
            }
        }
    }
}

/// Ranges of mappings in which nothing was changed.
fn unchanged() -> Vec<Range<usize>> {
    // Where the system does not tell, nothing is done.
    let Ok(file) = File::open("/proc/self/smaps") else {
        return Vec::new();
    };
    let found = mappings(BufReader::new(file)).into_iter();
    found
        .filter(|mapping| mapping.unchanged)
        .map(|mapping| mapping.range)
        .collect()
}

/// Private mappings of files without the right to write.
fn mappings(smaps: impl BufRead) -> Vec<Mapping> {
    let mut found: Vec<Mapping> = Vec::new();
    let mut wanted = false;
    for line in smaps.lines().map_while(Result::ok) {
        if let Some(range) = range_of(&line) {
            let mut words = line.split_whitespace().skip(1);
            let rights = words.next().unwrap_or_default();
            wanted = matches!(rights, "r--p" | "r-xp") && words.any(|word| word.starts_with('/'));
            if wanted {
                let unchanged = false;
                found.push(Mapping { range, unchanged });
            }
        } else if wanted
            && let Some(mapping) = found.last_mut()
            && let Some(amount) = line.strip_prefix("Anonymous:")
        {
            mapping.unchanged = amount.trim() == "0 kB";
        }
    }
    found
}

/// The addresses that begin a mapping's entry.
fn range_of(line: &str) -> Option<Range<usize>> {
    let (start, rest) = line.split_once('-')?;
    let (end, _) = rest.split_once(' ')?;
    let parse = |text| usize::from_str_radix(text, 16).ok();
    Some(parse(start)?..parse(end)?)
}

/// Every second stretch of a range.
fn every_second(range: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    let stretches = range.clone().step_by(limits::PROGRAM_STRETCH_BYTES);
    stretches
        .skip(1)
        .step_by(2)
        .map(move |start| start..end.min(start + limits::PROGRAM_STRETCH_BYTES))
}

/// Tells the system what to think of a mapping of a file whose pages are unchanged.
fn advise(range: &Range<usize>, advice: Advice) {
    #[expect(unsafe_code, reason = "a system call that has no safe form")]
    // SAFETY: the pages are those of a file, and stay so: letting them go changes nothing that can
    // be read there. An error means that they stay.
    let _kept = unsafe {
        let start = std::ptr::without_provenance_mut(range.start);
        madvise(start, range.len(), advice)
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0-55f0 r--p 00000000 fe:00 9978641                    /usr/bin/narthex
Rss:                 100 kB
Anonymous:             0 kB
55f0-5600 r-xp 001a6000 fe:00 9978641                    /usr/bin/narthex
Anonymous:             0 kB
5600-5610 r--p 00200000 fe:00 9978641                    /usr/bin/narthex
Anonymous:            36 kB
5610-5620 rw-p 00210000 fe:00 9978641                    /usr/bin/narthex
Anonymous:             0 kB
7f00-7f10 r--p 00000000 00:00 0                          [vvar]
Anonymous:             0 kB
7f10-7f20 r--s 00000000 fe:00 12                         /usr/share/shared
Anonymous:             0 kB
";

    #[test]
    fn only_unchanged_pages_of_files_are_found() {
        let found = mappings(SMAPS.as_bytes());
        let unchanged: Vec<_> = found.iter().filter(|own| own.unchanged).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        let ranges: Vec<_> = unchanged.iter().map(|own| own.range.clone()).collect();
        assert_eq!(ranges, [0x55d0..0x55f0, 0x55f0..0x5600]);
    }

    #[test]
    fn stretches_alternate_and_end_with_the_range() {
        let size = limits::PROGRAM_STRETCH_BYTES;
        let cut: Vec<_> = every_second(&(size..4 * size + 4096)).collect();
        assert_eq!(cut, [2 * size..3 * size, 4 * size..4 * size + 4096]);
    }

    /// KiB of the process that are pages of files, as the system counts them.
    fn of_files() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssFile:"));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .expect("a number")
    }

    #[test]
    fn pages_that_were_let_go_come_back_as_they_were() {
        let pages = ProgramPages::cut();
        assert!(!pages.ranges.is_empty());
        // Other tests fetch theirs back at once: not always all that was there.
        let falls = |_| {
            let before = of_files();
            pages.let_go();
            of_files() < before
        };
        assert!((0..20).any(falls));
        assert_eq!(mappings(SMAPS.as_bytes()).len(), 3, "this code came back");
    }
}
