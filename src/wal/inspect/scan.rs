//! A walk over all segments of a log, from the oldest to the newest: frames, and what is none.
//!
//! Reads as the log's own reader does, on the same code, but goes on where that would wait or
//! report an error: a place that the disk cannot read is damage at once.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::folder::Folder;
use crate::model::block::{ScrapeBlock, Sequence};
use crate::wal::codec::decoder::Decoder;
use crate::wal::format::frame::FrameHeader;
use crate::wal::frames::{Frames, Step};

/// What a scan meets.
#[derive(Debug)]
pub enum Event {
    /// A segment begins: its index in the folder.
    Begin(usize),
    /// A valid frame.
    Frame(Frame),
    /// Bytes that are no valid frame, with a valid frame or a frame's header behind them.
    Damage(Bad),
    /// The segment that began last ends; behind its last valid frame there may be bytes that hold
    /// none.
    End(Option<Bad>),
    /// A segment cannot be read because it was deleted meanwhile.
    Gone,
}

/// A valid frame.
#[derive(Debug)]
pub struct Frame {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its header.
    pub header: FrameHeader,
    /// Its records.
    pub body: Vec<u8>,
    /// Its readable blocks, in order, without those that the next segment has again.
    pub blocks: Vec<Arc<ScrapeBlock>>,
    /// Blocks that the next segment has again.
    pub superseded: u64,
    /// Records and sections of a kind that this program does not know.
    pub unknown: u64,
    /// Bytes of frames before it whose kind this program does not know.
    pub unknown_bytes: u64,
}

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No valid frame header.
    Header,
    /// The header is valid, the body's checksum is wrong.
    Body,
    /// All checksums are right, but the body does not decompress; the tag of its compression.
    Compression(u8),
    /// The disk refuses to read it.
    Disk(String),
}

/// Bytes that are no valid frame.
#[derive(Clone, Debug)]
pub struct Bad {
    /// Where they begin in the file.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
    /// Why.
    pub why: Why,
    /// The frame's header, if that is valid.
    pub header: Option<FrameHeader>,
}

#[derive(Debug)]
struct Open {
    frames: Frames,
    end: u64,
    stop: Sequence,
    /// Behind the last valid frame.
    bad: Vec<Bad>,
    seen_end: u64,
}

/// The walk.
#[derive(Debug)]
pub struct Scan<'a> {
    folder: &'a Folder,
    next: usize,
    open: Option<Open>,
    decoder: Decoder,
    ready: VecDeque<Event>,
}

impl<'a> Scan<'a> {
    /// Begins with the segment of index `first` in the folder.
    #[must_use]
    pub fn new(folder: &'a Folder, first: usize) -> Scan<'a> {
        Scan {
            folder,
            next: first,
            open: None,
            decoder: Decoder::default(),
            ready: VecDeque::new(),
        }
    }

    /// What the current segment has defined so far.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Opens the next segment. False if there is none.
    fn enter(&mut self) -> bool {
        let index = self.next;
        let Some(segment) = self.folder.segments.get(index) else {
            return false;
        };
        self.next += 1;
        let frames = match self.folder.frames(segment) {
            Ok(Some(frames)) => frames,
            Ok(None) => {
                self.ready.push_back(Event::Gone);
                return true;
            }
            Err(error) => {
                let unreadable = Bad {
                    offset: 0,
                    bytes: segment.len,
                    why: Why::Disk(error.to_string()),
                    header: None,
                };
                self.ready.push_back(Event::Begin(index));
                self.ready.push_back(Event::End(Some(unreadable)));
                return true;
            }
        };
        self.decoder.begin_segment();
        self.ready.push_back(Event::Begin(index));
        self.open = Some(Open {
            end: frames.file_len().unwrap_or(segment.len),
            seen_end: frames.offset(),
            frames,
            stop: self.folder.stop(index).unwrap_or(Sequence(u64::MAX)),
            bad: Vec::new(),
        });
        true
    }

    fn advance(&mut self) -> bool {
        let Some(open) = &mut self.open else {
            return self.enter();
        };
        match open.frames.step(open.end) {
            Ok(Step::Frame(header)) => self.take(header),
            Ok(Step::Damage(header)) => {
                let why = header.map_or(Why::Header, |_| Why::Body);
                open.note(open.frames.began(), why, header);
            }
            Ok(Step::End) => self.finish(),
            Err(error) => open.fail(&error),
        }
        true
    }

    fn take(&mut self, header: FrameHeader) {
        let Some(open) = &mut self.open else {
            return;
        };
        let Some(body) = open.frames.body(&header) else {
            let why = Why::Compression(header.compression);
            return open.note(open.frames.began(), why, Some(header));
        };
        let decoded = self.decoder.frame(header.first, &body);
        let count = decoded.blocks.len();
        let inside = decoded.blocks.into_iter();
        let blocks: Vec<_> = inside.filter(|block| block.sequence < open.stop).collect();
        self.ready.extend(open.bad.drain(..).map(Event::Damage));
        let offset = open.frames.began();
        let known_end = std::mem::replace(&mut open.seen_end, open.frames.offset());
        self.ready.push_back(Event::Frame(Frame {
            offset,
            header,
            body,
            superseded: (count - blocks.len()) as u64,
            blocks,
            unknown: decoded.unknown,
            unknown_bytes: offset - known_end,
        }));
    }

    fn finish(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        if open.frames.offset() < open.end {
            // Too short for a frame.
            open.note_to(open.frames.offset(), open.end, Why::Header, None);
        }
        let torn = open.bad.pop_if(|bad| bad.header.is_none());
        self.ready.extend(open.bad.drain(..).map(Event::Damage));
        self.ready.push_back(Event::End(torn));
    }
}

impl Open {
    fn note(&mut self, from: u64, why: Why, header: Option<FrameHeader>) {
        let to = self.frames.offset().min(self.end);
        self.note_to(from, to, why, header);
    }

    fn note_to(&mut self, from: u64, to: u64, why: Why, header: Option<FrameHeader>) {
        // Bytes of a frame's kind that is not known stand before it.
        self.seen_end = to;
        if let Some(last) = self.bad.last_mut()
            && header.is_none()
            && last.header.is_none()
            && last.why == why
            && last.offset + last.bytes == from
        {
            last.bytes = to - last.offset;
            return;
        }
        self.bad.push(Bad {
            offset: from,
            bytes: to - from,
            why,
            header,
        });
    }

    fn fail(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            let len = self.frames.file_len().unwrap_or(0);
            if len < self.end {
                // A live agent has cut off what it could not write whole.
                self.end = len.max(self.frames.offset());
                return;
            }
        }
        let from = self.frames.offset();
        let header = self.frames.give_up(self.end);
        self.note(from, Why::Disk(error.to_string()), header);
    }
}

impl Iterator for Scan<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if !self.advance() {
                return None;
            }
        }
    }
}
