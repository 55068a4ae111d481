//! A service manager: hears what a process tells at `NOTIFY_SOCKET`.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wait;

/// A manager that listens, with all that it has heard.
pub(crate) struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
    heard: Vec<String>,
}

impl Manager {
    /// Begins to listen, at a socket in `dir`.
    pub(crate) fn start(dir: &Path) -> Manager {
        let path = dir.join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket in a scratch folder");
        socket
            .set_nonblocking(true)
            .expect("a socket that can be polled");
        Manager {
            socket,
            path,
            heard: Vec::new(),
        }
    }

    /// The words before a command that is to hear of this manager.
    pub(crate) fn command(&self, watchdog: Duration) -> Vec<String> {
        vec![
            "env".to_owned(),
            format!("NOTIFY_SOCKET={}", self.path.display()),
            format!("WATCHDOG_USEC={}", watchdog.as_micros()),
        ]
    }

    /// Every line so far.
    pub(crate) fn heard(&mut self) -> &[String] {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.heard.extend(text.lines().map(str::to_owned));
        }
        &self.heard
    }

    /// How many lines begin so.
    pub(crate) fn count(&mut self, beginning: &str) -> usize {
        let heard = self.heard().iter();
        heard.filter(|line| line.starts_with(beginning)).count()
    }

    /// Waits until so many lines begin so.
    pub(crate) fn wait_for(&mut self, beginning: &str, count: usize) {
        let came = wait::try_until(wait::LONG, || {
            (self.count(beginning) >= count).then_some(())
        });
        assert!(
            came.is_some(),
            "no {count} times {beginning:?} in {:#?}",
            self.heard
        );
    }
}
