//! A damaged place of a log and what it costs.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::scan::{Bad, Why};
use crate::limits;
use crate::model::block::Sequence;
use crate::model::series::TargetIdentity;

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The header of the segment; its frames can be read all the same.
    SegmentHeader,
    /// Neither the segment's header nor a frame in it is valid.
    SegmentLost,
    /// Bytes that are no frame.
    NoFrame,
    /// A frame's header is right, the checksum of its body is not.
    Body,
    /// A frame is whole, but its body does not decompress: the tag of its compression.
    Compression(u8),
    /// The disk refuses to read: its words.
    Disk(String),
    /// The numbers go on behind what should have been there.
    Missing,
    /// A frame's numbers lie before those of the frame before it.
    Order,
    /// A whole frame has blocks that cannot be decoded, though nothing before it is damaged.
    Undecodable,
    /// A target has too many blocks in a row that are no key blocks; its name.
    NoKeyBlock(String),
    /// A position names blocks beyond the end of the log: the highest number.
    PositionBeyond(u64),
    /// A slot of a position file; whether the other slot is valid.
    PositionSlot(bool),
}

impl From<&Why> for Kind {
    fn from(why: &Why) -> Kind {
        match why {
            Why::Header => Kind::NoFrame,
            Why::Body => Kind::Body,
            Why::Compression(tag) => Kind::Compression(*tag),
            Why::Disk(text) => Kind::Disk(text.clone()),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::SegmentHeader => f.write_str("segment header is damaged, its frames are not"),
            Kind::SegmentLost => f.write_str("neither the header nor any frame is valid"),
            Kind::NoFrame => f.write_str("no valid frame"),
            Kind::Body => f.write_str("checksum of the frame's body is wrong"),
            Kind::Compression(tag) => {
                write!(f, "body does not decompress (compression {tag})")
            }
            Kind::Disk(text) => write!(f, "cannot be read: {text}"),
            Kind::Missing => f.write_str(
                "blocks are missing: the file was cut, or the disk refused them when they were new",
            ),
            Kind::Order => f.write_str("sequence numbers go back"),
            Kind::Undecodable => {
                f.write_str("blocks cannot be decoded, though nothing before them is damaged")
            }
            Kind::NoKeyBlock(target) => write!(
                f,
                "{target} has no key block where there should be one (the first block of a segment \
                 and every {}th)",
                limits::KEY_BLOCK_INTERVAL
            ),
            Kind::PositionBeyond(highest) => write!(
                f,
                "position names block {highest}, which is beyond the end of the log"
            ),
            Kind::PositionSlot(true) => {
                f.write_str("one slot is damaged, the other counts: a little may be sent twice")
            }
            Kind::PositionSlot(false) => {
                f.write_str("no valid slot: the queue begins again at the oldest block")
            }
        }
    }
}

/// What a damaged place costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Blocks.
    pub blocks: u64,
    /// Their numbers: ascending ranges, both ends included.
    pub sequences: Vec<(u64, u64)>,
    /// Their samples, as far as frame headers tell.
    pub samples: u64,
    /// Those of the blocks whose number of samples nothing tells.
    pub unmeasured_blocks: u64,
    /// Targets that lose blocks, as far as known: job and labels.
    pub targets: BTreeSet<String>,
    /// Targets beyond those.
    pub more_targets: bool,
}

impl Lost {
    /// Adds the blocks `first..=last`; none if that is empty.
    pub(super) fn add(&mut self, first: Sequence, last: Sequence) {
        if first > last {
            return;
        }
        self.blocks += last.0 - first.0 + 1;
        match self.sequences.last_mut() {
            Some((_, end)) if *end + 1 == first.0 => *end = last.0,
            _ => self.sequences.push((first.0, last.0)),
        }
    }

    pub(super) fn add_target(&mut self, target: &TargetIdentity) {
        if self.targets.len() < limits::LOG_REPORT_NAMES_MAX {
            self.targets.insert(name(target));
        } else {
            self.more_targets |= !self.targets.contains(&name(target));
        }
    }
}

/// A target as reports name it.
pub(super) fn name(target: &TargetIdentity) -> String {
    let mut text = target.job.escape_debug().to_string();
    crate::model::line::write_labels(&mut text, target.labels.iter());
    text
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.blocks == 0 {
            return f.write_str("costs no block");
        }
        write!(f, "costs {} blocks: ", self.blocks)?;
        for (index, (first, last)) in self.sequences.iter().enumerate() {
            if index == limits::LOG_REPORT_NAMES_MAX {
                let more = self.sequences.len() - index;
                write!(f, " and {more} ranges more")?;
                break;
            }
            f.write_str(if index == 0 { "" } else { ", " })?;
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        if self.unmeasured_blocks < self.blocks {
            write!(f, "; {} samples", self.samples)?;
        }
        if self.unmeasured_blocks > 0 {
            write!(f, "; samples unknown of {} blocks", self.unmeasured_blocks)?;
        }
        for (index, target) in self.targets.iter().enumerate() {
            write!(f, "{}{target}", if index == 0 { "; of " } else { ", " })?;
        }
        f.write_str(if self.more_targets { " and others" } else { "" })
    }
}

/// A damaged place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Name of the file.
    pub file: String,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes cannot be read.
    pub bytes: u64,
    /// What is wrong.
    pub kind: Kind,
    /// What it costs.
    pub lost: Lost,
}

impl Damage {
    /// A place without length at which something is wrong.
    pub(super) fn at(file: &str, offset: u64, kind: Kind) -> Damage {
        Damage {
            file: file.to_owned(),
            offset,
            bytes: 0,
            kind,
            lost: Lost::default(),
        }
    }

    /// Bytes that are no valid frame.
    pub(super) fn of(file: &str, bad: &Bad) -> Damage {
        Damage {
            bytes: bad.bytes,
            ..Damage::at(file, bad.offset, Kind::from(&bad.why))
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            file,
            offset,
            bytes,
            kind,
            lost,
        } = self;
        write!(f, "{file}: at {offset}")?;
        if *bytes > 0 {
            write!(f, ", {bytes} bytes")?;
        }
        if *kind == Kind::SegmentLost && lost.blocks == 0 {
            return write!(f, ": {kind}; nothing tells which blocks it held");
        }
        let is_aside = matches!(
            kind,
            Kind::NoKeyBlock(_) | Kind::PositionBeyond(_) | Kind::PositionSlot(_)
        );
        if is_aside {
            return write!(f, ": {kind}");
        }
        write!(f, ": {kind}; {lost}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_reads_as_ranges() {
        let mut damage = Damage::at("a.seg", 96, Kind::Body);
        assert!(damage.to_string().ends_with("; costs no block"), "{damage}");
        damage.bytes = 40;
        damage.lost.add(Sequence(5), Sequence(4));
        for (first, last) in [(5, 6), (7, 7), (9, 9)] {
            damage.lost.add(Sequence(first), Sequence(last));
        }
        damage.lost.samples = 12;
        damage.lost.unmeasured_blocks = 1;
        damage.lost.targets.insert("node{a=\"b\"}".to_owned());
        assert_eq!(
            damage.to_string(),
            "a.seg: at 96, 40 bytes: checksum of the frame's body is wrong; costs 4 blocks: 5-7, \
             9; 12 samples; samples unknown of 1 blocks; of node{a=\"b\"}"
        );
    }
}
