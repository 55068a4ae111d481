//! Reads the frames of one segment, one after another, and finds the next one after damage.
//!
//! Holds one window of the file and one body. Says what it skipped; never yields bytes whose
//! checksum is wrong. Errors of the disk are passed on and change nothing, so that a call may be
//! repeated; whoever has tried enough gives up ([`Frames::give_up`]), which costs the frame or the
//! page that cannot be read and nothing before it.

use std::io;

use super::format::compress::Inflater;
use super::format::frame::{self, FRAME_EXTRA_BYTES, FRAME_HEADER_BYTES, FrameHeader};
use super::format::header::HEADER_BYTES;
use crate::limits;
use crate::sys::fs::StoredFile;

/// Bytes read at once while looking for frames.
const WINDOW_BYTES: usize = 64 << 10;

/// What a disk that cannot be read is skipped by, in bytes.
const PAGE_BYTES: u64 = 4096;

/// So many places in a row are given up page by page; then each time twice as many pages: a file of
/// which nothing can be read takes a few dozen tries, not thousands.
const PAGES_ALONE: u32 = 4;

/// Doublings of that at most.
const PAGES_DOUBLED_MAX: u32 = 10;

/// One step through a segment.
#[derive(Debug)]
pub enum Step {
    /// A frame, checked; its body is in [`Frames::body`].
    Frame(FrameHeader),
    /// Bytes that are no valid frame, with the header if that one was valid.
    Damage(Option<FrameHeader>),
    /// Nothing more before the end.
    End,
}

/// The frames of an open segment.
#[derive(Debug)]
pub struct Frames {
    file: Box<dyn StoredFile>,
    number: u64,
    offset: u64,
    began: u64,
    window: Vec<u8>,
    window_at: u64,
    /// Up to here no more is read at once than is needed, because reading ahead failed.
    exact_until: u64,
    /// Where the last read that failed began.
    stuck: u64,
    /// The header of the frame whose body is being read.
    unread: Option<FrameHeader>,
    /// Places given up since the last valid header.
    given_up: u32,
    /// Places given up.
    lost: u64,
    inflater: Inflater,
}

impl Frames {
    /// Begins behind the header of segment `number`.
    #[must_use]
    pub fn new(file: Box<dyn StoredFile>, number: u64) -> Frames {
        Frames {
            file,
            number,
            offset: HEADER_BYTES as u64,
            began: HEADER_BYTES as u64,
            window: Vec::new(),
            window_at: 0,
            exact_until: 0,
            stuck: 0,
            unread: None,
            given_up: 0,
            lost: 0,
            inflater: Inflater::default(),
        }
    }

    /// Where the next step begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes back to where a frame begins.
    pub fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Length of the file now, in bytes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn file_len(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// Where what the last step gave begins: the frame or the damage.
    #[must_use]
    pub fn began(&self) -> u64 {
        self.began
    }

    /// Gives up what the last step could not read, as far as `end`: the frame, if its header says
    /// where the next one begins, and that header is returned; else the page.
    pub fn give_up(&mut self, end: u64) -> Option<FrameHeader> {
        self.lost += 1;
        let header = self.unread.take();
        let next = match &header {
            Some(header) => self.offset + header.frame_bytes(),
            None => {
                self.given_up += 1;
                let doubled = self.given_up.saturating_sub(PAGES_ALONE);
                let page = self.stuck.max(self.offset) / PAGE_BYTES;
                (page + (1 << doubled.min(PAGES_DOUBLED_MAX))) * PAGE_BYTES
            }
        };
        // What is written behind the end later may be readable.
        self.offset = next.min(end.max(self.offset));
        header
    }

    /// Places given up so far.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.lost
    }

    /// As [`Frames::step`], for those who cannot come back later: what a few tries do not read is
    /// damage.
    pub fn step_over(&mut self, end: u64) -> Step {
        for _ in 0..limits::LOG_READ_ATTEMPTS {
            if let Ok(step) = self.step(end) {
                return step;
            }
        }
        Step::Damage(self.give_up(end))
    }

    /// Goes to the next frame that ends at or before `end`.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn step(&mut self, end: u64) -> io::Result<Step> {
        loop {
            self.began = self.offset;
            self.unread = None;
            if self.offset + FRAME_EXTRA_BYTES as u64 > end {
                return Ok(Step::End);
            }
            self.fill(self.offset, FRAME_HEADER_BYTES, end)?;
            let Some(header) = FrameHeader::decode(self.at(self.offset), self.number) else {
                return self.resynchronise(end);
            };
            let next = self.offset + header.frame_bytes();
            if next > end {
                // Cut off, or a length that damage made up: look for a frame inside.
                return self.resynchronise(end);
            }
            self.given_up = 0;
            self.unread = Some(header);
            self.fill(self.offset, header.frame_bytes() as usize, end)?;
            if frame::checked_body(&header, self.at(self.offset)).is_none() {
                self.offset = next;
                return Ok(Step::Damage(Some(header)));
            }
            self.offset = next;
            if header.records {
                return Ok(Step::Frame(header));
            }
        }
    }

    /// The decoded body of the frame that the last step gave; none if it does not decompress.
    pub fn body(&mut self, header: &FrameHeader) -> Option<Vec<u8>> {
        let start = self.offset - header.frame_bytes() + FRAME_HEADER_BYTES as u64;
        let from = (start - self.window_at) as usize;
        let stored = self.window.get(from..from + header.stored as usize)?;
        self.inflater
            .inflate(header.compression, stored, header.decoded as usize)
    }

    /// The window from a place inside it.
    fn at(&self, offset: u64) -> &[u8] {
        &self.window[(offset - self.window_at) as usize..]
    }

    /// Sees to it that the window has `need` bytes from `offset` on.
    fn fill(&mut self, offset: u64, need: usize, end: u64) -> io::Result<()> {
        let have = self.window_at + self.window.len() as u64;
        if offset >= self.window_at && offset + need as u64 <= have {
            return Ok(());
        }
        if offset < self.exact_until {
            return self.read(offset, need);
        }
        let want = need.max(window_bytes(end - offset));
        let outcome = self.read(offset, want);
        if outcome.is_err() {
            self.exact_until = offset + want as u64;
            if need < want {
                // What cannot be read may be further on.
                return self.read(offset, need);
            }
        }
        outcome
    }

    /// Makes the window what the file has at a place.
    fn read(&mut self, offset: u64, want: usize) -> io::Result<()> {
        self.window.clear();
        self.window.shrink_to(2 * WINDOW_BYTES);
        self.window.resize(want, 0);
        self.window_at = offset;
        let outcome = self.file.read_exact_at(offset, &mut self.window);
        if outcome.is_err() {
            self.window.clear();
            self.stuck = offset;
        }
        outcome
    }

    /// Looks for the next valid header behind the offset.
    fn resynchronise(&mut self, end: u64) -> io::Result<Step> {
        let mut from = self.offset + 1;
        while from + FRAME_EXTRA_BYTES as u64 <= end {
            let exact = from < self.exact_until;
            let need = match exact {
                true => page_bytes(from, end),
                false => window_bytes(end - from),
            };
            match self.fill(from, need, end) {
                // Page by page from here on.
                Err(_) if !exact => continue,
                outcome => outcome?,
            }
            if let Some(at) = frame::find(&self.at(from)[..need], self.number) {
                self.offset = from + at as u64;
                return Ok(Step::Damage(None));
            }
            // A header may straddle the windows.
            from += (need - FRAME_HEADER_BYTES + 1) as u64;
        }
        self.offset = end;
        Ok(Step::Damage(None))
    }
}

/// Bytes of a window when so many are left, which may be more than an address counts.
const fn window_bytes(left: u64) -> usize {
    if left < WINDOW_BYTES as u64 {
        left as usize
    } else {
        WINDOW_BYTES
    }
}

/// Bytes to the end of the page, as long as a header fits; else enough for those that begin in it.
const fn page_bytes(from: u64, end: u64) -> usize {
    let mut need = PAGE_BYTES - from % PAGE_BYTES;
    if need < FRAME_HEADER_BYTES as u64 {
        need += FRAME_HEADER_BYTES as u64 - 1;
    }
    if need < end - from {
        need as usize
    } else {
        (end - from) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_no_smaller_for_what_an_address_cannot_count() {
        assert_eq!(window_bytes(3), 3);
        assert_eq!(window_bytes((1 << 32) + 3), WINDOW_BYTES);
    }
}
