//! inotify watches on folders, as events of a few kinds.
//!
//! A folder that does not exist yet, or that another one took the place of, is watched as soon as
//! [`DirWatch::follow`] finds it. Reading files makes no events. Events come from the library's
//! own thread through a bounded channel; when that is full the event is dropped and an overflow
//! noted, which makes the reader look at everything.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::limits;
use crate::model::sorting;

/// Something happened in a folder.
#[derive(Debug)]
pub(super) enum FileEvent {
    /// This file was written to; its writer may not be done.
    Written(PathBuf),
    /// A writer closed this file, or it was moved here.
    Closed(PathBuf),
    /// Something appeared, vanished or became something else.
    Changed,
    /// Events were lost.
    Overflow,
    /// The watching failed.
    Failed(notify::Error),
}

#[derive(Debug, Default)]
struct Folder {
    /// What is watched there: device and inode.
    watched: Option<(u64, u64)>,
    /// Whether the log tells that it cannot be watched.
    warned: bool,
}

/// The watches of one provider.
#[derive(Debug)]
pub(super) struct DirWatch {
    watcher: Result<RecommendedWatcher, notify::Error>,
    folders: BTreeMap<PathBuf, Folder>,
    events: Receiver<FileEvent>,
}

impl DirWatch {
    /// Begins without watching anything: [`DirWatch::follow`] does that.
    pub(super) fn new(folders: Vec<PathBuf>) -> DirWatch {
        let (sender, events) = bounded(limits::SD_FILE_EVENTS);
        let funnel = Funnel {
            sender,
            overflow: Arc::new(AtomicBool::new(false)),
        };
        DirWatch {
            watcher: notify::recommended_watcher(move |event| funnel.pour(event)),
            folders: sorting::map(
                folders
                    .into_iter()
                    .map(|folder| (folder, Folder::default())),
            ),
            events,
        }
    }

    /// Why nothing can be watched, if so.
    pub(super) fn failure(&self) -> Option<String> {
        self.watcher.as_ref().err().map(ToString::to_string)
    }

    /// What happens. Disconnected when nothing can be watched.
    pub(super) fn events(&self) -> &Receiver<FileEvent> {
        &self.events
    }

    /// Watches the folders that are not watched yet or are other ones now. Returns how many
    /// exist but cannot be watched; they are tried again the next time.
    pub(super) fn follow(&mut self) -> u32 {
        let Ok(watcher) = &mut self.watcher else {
            return 0;
        };
        let mut failed = 0;
        for (path, folder) in &mut self.folders {
            let there = fs::metadata(path).ok().map(|it| (it.dev(), it.ino()));
            if folder.watched == there {
                continue;
            }
            if folder.watched.take().is_some() {
                // It may be gone already, and with it the watch.
                let _gone = watcher.unwatch(path);
            }
            if there.is_none() {
                continue;
            }
            match watcher.watch(path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    folder.watched = there;
                    folder.warned = false;
                }
                Err(error) => {
                    failed += 1;
                    folder.warn(path, &error);
                }
            }
        }
        failed
    }
}

impl Folder {
    fn warn(&mut self, path: &Path, error: &notify::Error) {
        if std::mem::replace(&mut self.warned, true) {
            return;
        }
        let (folder, error) = (path.display(), error.to_string());
        log::warn!(component = "file discovery", folder:% = folder, error = error.as_str();
            "cannot watch folder, looking at it once per refresh interval only");
    }
}

/// The end in the library's thread.
struct Funnel {
    sender: Sender<FileEvent>,
    overflow: Arc<AtomicBool>,
}

impl Funnel {
    fn pour(&self, event: notify::Result<Event>) {
        // An overflow is told as soon as there is room again, before anything else.
        if self.overflow.load(Ordering::Relaxed)
            && self.sender.try_send(FileEvent::Overflow).is_ok()
        {
            self.overflow.store(false, Ordering::Relaxed);
        }
        for event in translate(event) {
            if self.sender.try_send(event).is_err() {
                self.overflow.store(true, Ordering::Relaxed);
            }
        }
    }
}

fn translate(event: notify::Result<Event>) -> Vec<FileEvent> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return vec![FileEvent::Failed(error)],
    };
    if event.need_rescan() {
        return vec![FileEvent::Overflow];
    }
    let paths = event.paths.into_iter();
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
            paths.map(FileEvent::Closed).collect()
        }
        // Opening and reading, our own reading among it.
        EventKind::Access(_) => Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) => paths.map(FileEvent::Written).collect(),
        _ => vec![FileEvent::Changed],
    }
}

#[cfg(test)]
impl DirWatch {
    /// As on a host without inotify.
    pub(super) fn broken() -> DirWatch {
        let (_sender, events) = bounded(1);
        DirWatch {
            watcher: Err(notify::Error::generic("inotify is not to be had")),
            folders: BTreeMap::new(),
            events,
        }
    }
}
