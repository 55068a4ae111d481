//! The writer and its stage: where a frame goes first, and when it goes on.

use std::io;
use std::path::Path;

use super::Writer;
use crate::model::time::Mono;
use crate::wal::stage::Stage;

impl Writer {
    /// Why the stage was given up, since the last call: for the shell to report.
    pub fn take_stage_failure(&mut self) -> Option<io::Error> {
        self.stage_failure.take()
    }

    /// The folder of the stage, while it is used.
    #[must_use]
    pub fn stage_dir(&self) -> Option<&Path> {
        self.stage.as_ref().map(Stage::dir)
    }

    /// Empties the folder of the stage: everything is on disk, and nothing more is expected.
    pub fn clear_stage(&mut self) {
        if let Some(stage) = &self.stage {
            stage.clear();
        }
    }

    /// Moves what is on the stage to the file. False if the disk refuses.
    pub(super) fn unstage(&mut self, now: Mono) -> bool {
        let (Some(active), Some(stage)) = (&mut self.active, &mut self.stage) else {
            return true;
        };
        if stage.bytes() == 0 {
            return true;
        }
        if let Err(error) = active.take_from(stage) {
            self.fail_write(now, error);
            return false;
        }
        self.progress.written = self.progress.staged;
        self.log.catalog.lock().put(active.info());
        self.log.metrics.staged_bytes.set(0.0);
        true
    }

    /// Puts the frame on the stage, or into the file if there is none or it refuses.
    pub(super) fn put_frame(&mut self) -> io::Result<()> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        if let Some(stage) = &mut self.stage {
            match active.put_on(stage, &self.frame) {
                Ok(()) => {
                    self.log.metrics.staged_bytes.set(stage.bytes() as f64);
                    return Ok(());
                }
                Err(error) => {
                    active.take_from(stage)?;
                    self.progress.written = self.progress.staged;
                    self.leave_stage(error);
                }
            }
        }
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        active.append(&self.frame)
    }

    /// Does without the stage from here on; nothing is on it.
    fn leave_stage(&mut self, error: io::Error) {
        self.stage = None;
        self.due.lose_patience();
        self.log.metrics.staged_bytes.set(0.0);
        self.stage_failure = Some(error);
    }
}
