//! Where the scrape engine and the log meet.

use crate::model::block::ScrapeBlock;
use crate::model::source::BlockSink;
use crate::wal::Appender;

/// Scraped blocks go to the log.
#[derive(Debug)]
pub(super) struct LogSink(pub(super) Appender);

impl BlockSink for LogSink {
    fn accept(&self, block: ScrapeBlock) -> bool {
        self.0.send(block)
    }
}
