//! TERM, INT and HUP as messages; XFSZ is nobody's end.
//!
//! # Thread
//! - Owns: the registration with the operating system.
//! - Inbox: the signals themselves.
//! - Outbox: a channel of [`limits::SIGNALS_CAPACITY`] messages. A reload is dropped while another
//!   one waits, which asks for the same; so there is always room for the two kinds of stop.
//! - Waits on: a pipe that the signal handler writes to.
//! - Deadlines: none.
//! - Stops when: the process ends.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::limits;
use crate::sys::thread;

/// What the user or the service manager wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// HUP: read the configuration again.
    Reload,
    /// The first TERM or INT: stop in good order.
    Stop,
    /// The second TERM or INT: stop now.
    Force,
}

/// Starts listening. From here on TERM, INT and HUP no longer end the process; a third TERM or
/// INT does, whatever the rest of the program is doing. Nor does a file that reaches a limit of
/// its size: the write fails, as on a full disk.
///
/// # Errors
/// When the system gives no pipe or no thread.
pub fn listen() -> io::Result<Receiver<Signal>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    // Nobody asks for the flag: what counts is that the signal is handled.
    signal_hook::flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let (sender, receiver) = bounded(limits::SIGNALS_CAPACITY);
    thread::spawn("signals", move || {
        let mut stops = 0;
        for signal in signals.forever() {
            forward(&sender, signal, &mut stops);
        }
    })?;
    Ok(receiver)
}

fn forward(sender: &Sender<Signal>, signal: i32, stops: &mut u32) {
    let message = if signal == SIGHUP {
        Signal::Reload
    } else {
        *stops += 1;
        match stops {
            1 => Signal::Stop,
            2 => Signal::Force,
            _ => signal_hook::low_level::exit(1),
        }
    };
    // What waits is a reload, unless the end has been asked for, and then a reload has no point.
    let covered = message == Signal::Reload && !sender.is_empty();
    if covered || sender.try_send(message).is_err() {
        log::debug!("signal dropped, earlier ones are still waiting");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn many_reloads_leave_room_for_the_end() {
        let (sender, receiver) = bounded(limits::SIGNALS_CAPACITY);
        let mut stops = 0;
        for signal in [
            SIGHUP, SIGHUP, SIGHUP, SIGHUP, SIGHUP, SIGTERM, SIGHUP, SIGINT,
        ] {
            forward(&sender, signal, &mut stops);
        }
        let waiting: Vec<Signal> = receiver.try_iter().collect();
        assert_eq!(waiting, [Signal::Reload, Signal::Stop, Signal::Force]);
    }

    #[test]
    fn signals_arrive_as_messages_and_the_second_stop_forces() {
        let receiver = listen().expect("listen");
        let next = || receiver.recv_timeout(Duration::from_secs(5));
        signal_hook::low_level::raise(SIGXFSZ).expect("survived");
        for (signal, message) in [
            (SIGHUP, Signal::Reload),
            (SIGINT, Signal::Stop),
            (SIGTERM, Signal::Force),
        ] {
            signal_hook::low_level::raise(signal).expect("raise");
            assert_eq!(next(), Ok(message));
        }
    }
}
