//! Reads the headers of a segment as `docs/log-format.md` describes them, without narthex's code.

use std::path::{Path, PathBuf};

/// Bytes of the header of a segment.
const SEGMENT_HEADER: usize = 64;

/// Bytes of the header of a frame.
const FRAME_HEADER: usize = 32;

/// A frame: where it stands, and what it says it holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Offset behind its last byte.
    pub(crate) end: u64,
    /// Blocks.
    pub(crate) blocks: u64,
}

/// The folder of segments below a storage path.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("narthex/segments")
}

/// The segments below a storage path, oldest first.
pub(crate) fn list(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(data)).expect("a folder of segments");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "seg"))
        .collect();
    paths.sort();
    paths
}

/// The frames of a sound segment.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let bytes = std::fs::read(path).expect("a segment");
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four")) as usize;
    let mut frames = Vec::new();
    let mut at = SEGMENT_HEADER;
    while at + FRAME_HEADER < bytes.len() && bytes[at..at + 2] == [0xf5, 0x4e] {
        let end = at + FRAME_HEADER + word(at + 4) + 4;
        if end > bytes.len() {
            break;
        }
        frames.push(Frame {
            end: end as u64,
            blocks: word(at + 20) as u64,
        });
        at = end;
    }
    frames
}

/// The blocks of a sound segment.
pub(crate) fn blocks(path: &Path) -> u64 {
    frames(path).iter().map(|frame| frame.blocks).sum()
}
