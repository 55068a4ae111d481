//! Limits of the books of losses and of the files of what receivers refuse.

/// Lines of the books of losses: endpoints times jobs times reasons that really occur. Beyond,
/// losses are added up under one job.
pub const LOSS_LINES: usize = 512;

/// Longest name of a queue or job in the books, in bytes.
pub const LOSS_NAME_BYTES: usize = 128;

/// Bytes of one of the two slots of the file of losses: about 300 lines with usual names.
pub const LOSS_SLOT_BYTES: usize = 16 * 1024;

/// Bytes in which books can be written at least: one line for every reason.
pub const LOSS_BYTES_MIN: usize = 1024;

/// Losses of blocks that are not settled on disk yet, kept one by one so that a crash counts none
/// of them twice. Beyond, they are stored at once.
pub const LOSS_OPEN: usize = 4096;

/// Bytes of a file of refused samples; with the one before it twice that. About 500 samples.
pub const REJECTED_FILE_BYTES: u64 = 256 * 1024;

/// Samples of one refusal that are written down: enough to see a pattern, few enough for flash.
pub const REJECTED_SAMPLES: usize = 100;

/// Bytes of one refused sample as a line; one with longer labels is left out and counted. All lines
/// of a refusal fit one file.
pub const REJECTED_LINE_BYTES: usize = 2560;
