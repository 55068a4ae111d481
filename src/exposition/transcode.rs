//! Turns a body into what is compared with the last scrape: text as it is, everything else as rows.

use super::classic_text::{self, Gathering};
use super::proto::page as proto_page;
use super::protocol::{Dialect, Format};
use super::rows::writer::RowWriter;
use crate::limits;

/// What becomes of histograms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histograms {
    /// Native histograms are taken (`scrape_native_histograms`).
    pub native: bool,
    /// Classic series stay beside a native histogram (`always_scrape_classic_histograms`).
    pub always_classic: bool,
    /// Classic histograms become native ones with custom buckets
    /// (`convert_classic_histograms_to_nhcb`).
    pub to_custom: bool,
}

/// How a body is turned into a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What becomes of histograms.
    pub histograms: Histograms,
    /// Start timestamps are taken.
    pub start_timestamps: bool,
    /// Bytes that rows may take, at most [`limits::ROWS_BYTES_MAX`]; that many if it is zero.
    pub rows_max: u64,
}

impl Options {
    fn rows_max(&self) -> usize {
        match usize::try_from(self.rows_max) {
            Ok(most) if most > 0 => most.min(limits::ROWS_BYTES_MAX),
            _ => limits::ROWS_BYTES_MAX,
        }
    }
}

/// A page that can be compared with the last one.
#[derive(Clone, Copy, Debug)]
pub struct PageView<'a> {
    /// How to read it.
    pub format: Format,
    /// The page.
    pub bytes: &'a [u8],
    /// Decoded size of what the target sent.
    pub body_bytes: u64,
}

impl<'a> PageView<'a> {
    /// A page that is taken as the target sent it.
    #[must_use]
    pub const fn as_sent(format: Format, body: &'a [u8]) -> PageView<'a> {
        PageView {
            format,
            bytes: body,
            body_bytes: body.len() as u64,
        }
    }
}

/// Holds the memory of rows from page to page.
#[derive(Debug, Default)]
pub struct Transcoder {
    rows: RowWriter,
    proto: proto_page::Scratch,
    gathering: Gathering,
}

impl Transcoder {
    /// The page of a body. What is wrong with the body fails when the page is read.
    pub fn page<'a>(
        &'a mut self,
        dialect: Dialect,
        body: &'a [u8],
        options: Options,
    ) -> PageView<'a> {
        match dialect {
            Dialect::Text(format) if !options.histograms.to_custom => {
                return PageView::as_sent(format, body);
            }
            Dialect::Text(format) => {
                self.rows.begin(options.rows_max());
                classic_text::transcode(format, body, options, &mut self.gathering, &mut self.rows);
            }
            Dialect::Protobuf => {
                self.rows.begin(options.rows_max());
                proto_page::transcode(body, options, &mut self.proto, &mut self.rows);
            }
        }
        PageView {
            format: Format::Rows,
            bytes: self.rows.bytes(),
            body_bytes: body.len() as u64,
        }
    }

    /// Gives back the memory that a large page took. Call it when the page has been used.
    pub fn release(&mut self) {
        self.rows.release();
    }
}
