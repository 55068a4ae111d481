//! The event stream of an engine: whoever refreshes hears that something changed.
//!
//! What an event says does not matter, only that there was one: the lists tell what is. The engine
//! leaves out what changes no target. A stream that cannot be had, or breaks, is tried again after
//! a pause; meanwhile the refresh interval alone remains. Each new stream rings once, for what was
//! missed.
//!
//! # Thread
//! `sd-docker-events` owns the stream. Inbox: none. Outbox: the bell, holds one ring; more are
//! dropped. Waits on: the stream. Deadlines: [`limits::SD_EVENTS_HEAD`],
//! [`limits::SD_EVENTS_SILENCE`], the pause after a failure. Stops when: the client is shut down,
//! or the engine is dropped during a pause.

use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::super::ProviderContext;
use crate::discovery::outlet::LogLimit;
use crate::limits;
use crate::model::sorting;
use crate::net::blocking::{Client, ClientError, Request, is_silence};
use crate::sys::clock::Clock;
use crate::sys::jitter::Jitter;
use crate::sys::thread;

/// Events that can change a target. Others, like `exec_start` of a health check, come all the time.
const CHANGES: [&str; 12] = [
    "connect",
    "create",
    "destroy",
    "die",
    "disconnect",
    "pause",
    "remove",
    "rename",
    "start",
    "stop",
    "unpause",
    "update",
];

/// The query that asks for events of these kinds of objects.
pub(super) fn query(kinds: &[&str]) -> String {
    let filters = sorting::map([("event", &CHANGES[..]), ("type", kinds)]);
    format!("filters={}", super::escaped_json(&filters))
}

/// A stream that is listened to.
#[derive(Debug)]
pub(super) struct Events {
    bell: Receiver<()>,
    /// Dropped to stop the thread.
    _stop: Sender<Infallible>,
}

impl Events {
    /// Starts to listen.
    pub(super) fn listen(
        client: Arc<Client>,
        url: String,
        context: &ProviderContext,
    ) -> io::Result<Events> {
        let (ring, bell) = bounded(1);
        let (stop, stopped) = bounded(1);
        let listener = Listener {
            client,
            url,
            ring,
            stopped,
            clock: Arc::clone(&context.clock),
            jitter: context.jitter.clone(),
            log: LogLimit::default(),
            told: false,
        };
        thread::spawn("sd-docker-events", move || listener.run())?;
        Ok(Events { bell, _stop: stop })
    }

    pub(super) fn bell(&self) -> Receiver<()> {
        self.bell.clone()
    }
}

struct Listener {
    client: Arc<Client>,
    url: String,
    ring: Sender<()>,
    stopped: Receiver<Infallible>,
    clock: Arc<dyn Clock>,
    jitter: Jitter,
    log: LogLimit,
    /// Whether the log knows of the trouble under way: an engine whose events are forbidden stays
    /// so.
    told: bool,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the engine answered {0}")]
    Status(String),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Listener {
    fn run(mut self) {
        let mut pause = limits::SD_RETRY_MIN;
        loop {
            let failure = match self.follow(&mut pause) {
                Ok(()) => None,
                Err(StreamError::Client(ClientError::Closed)) => return,
                Err(error) => Some(error),
            };
            let spread = pause.mul_f64(0.5 + self.jitter.fraction());
            match self.stopped.recv_timeout(spread) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
            // Not before the pause: a stream that we ended ourselves is no failure.
            if let Some(error) = failure {
                self.complain(&error);
            }
            pause = (pause * 2).min(limits::SD_RETRY_MAX);
        }
    }

    /// Listens until the stream ends. `pause` is the shortest again when it has begun.
    fn follow(&mut self, pause: &mut Duration) -> Result<(), StreamError> {
        let request = Request {
            // A compressed event would wait in a buffer for the next one.
            headers: &[("Accept-Encoding", "identity")],
            ..Request::get(&self.url, limits::SD_EVENTS_HEAD, 0)
        };
        let (head, mut stream) = self.client.stream(&request, limits::SD_EVENTS_SILENCE)?;
        if head.status != 200 {
            return Err(StreamError::Status(head.status_text()));
        }
        self.told = false;
        let _one_is_enough = self.ring.try_send(());
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(_) => {
                    *pause = limits::SD_RETRY_MIN;
                    let _one_is_enough = self.ring.try_send(());
                }
                // Nothing happened, or the peer is gone: whichever, it is asked again.
                Err(error) if is_silence(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn complain(&mut self, error: &StreamError) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        if let Some(unlogged) = self.log.allow(self.clock.mono()) {
            log::warn!(component = "discovery", mechanism = "docker", error = error.to_string().as_str(), unlogged;
                "no events from the Docker engine, changes are seen at the refresh interval only");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_asked_for_changes_of_the_wanted_kinds_only() {
        let query = query(&["container", "network"]);
        let text = query.strip_prefix("filters=").expect("a parameter");
        let text = percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .expect("text");
        assert!(
            text.ends_with(r#""type":["container","network"]}"#),
            "{text}"
        );
        assert!(
            text.contains(r#""die""#) && !text.contains("exec"),
            "{text}"
        );
    }
}
