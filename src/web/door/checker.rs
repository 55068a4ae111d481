//! Hashes passwords, one at a time, so that the web server's thread never waits for it.
//!
//! # Thread
//! - Owns: nothing; outcomes go to the gate's memory.
//! - Inbox: passwords with the requests that wait for them, at most [`limits::WEB_CHECKS`]; full
//!   means that the request is refused.
//! - Outbox: the requests, back to the server.
//! - Waits on: its inbox.
//! - Deadlines: none; the server's own end a request that waits too long.
//! - Stops when: the web server is gone.

use std::io;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::gate::{self, Check, Verdicts};
use crate::http::server::request::Request;
use crate::limits;
use crate::net::server::Reply;
use crate::sys::published::Shared;
use crate::sys::thread;

/// A request that waits for the outcome.
#[derive(Debug)]
struct Waiting {
    check: Check,
    request: Request,
    reply: Reply,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Checker(Sender<Waiting>);

impl Checker {
    /// Starts the thread.
    pub(super) fn start(verdicts: Shared<Verdicts>) -> io::Result<Checker> {
        let (sender, inbox) = bounded(limits::WEB_CHECKS);
        // It ends by itself; a check under way must not hold up the end of the process.
        let _detached = thread::spawn("web-auth", move || run(&inbox, &verdicts))?;
        Ok(Checker(sender))
    }

    /// Has a password checked and the request handed to the server again. False when too many
    /// wait; the reply is dropped then.
    pub(super) fn ask(&self, check: Check, request: Request, reply: Reply) -> bool {
        let waiting = Waiting {
            check,
            request,
            reply,
        };
        match self.0.try_send(waiting) {
            Ok(()) => true,
            Err(TrySendError::Full(waiting) | TrySendError::Disconnected(waiting)) => {
                drop(waiting);
                false
            }
        }
    }
}

fn run(inbox: &Receiver<Waiting>, verdicts: &Shared<Verdicts>) {
    for waiting in inbox {
        let Waiting {
            check,
            request,
            reply,
        } = waiting;
        // Several requests may have come with the same password.
        if verdicts.with(|verdicts| verdicts.get(&check.tag)).is_none() {
            let is_right = gate::is_right(&check);
            verdicts.with(|verdicts| verdicts.settle(check.tag, is_right));
        }
        reply.again(request);
    }
}
