//! A bounded channel into a thread that waits in a mio poll.
//!
//! The sender wakes the poll only when the mailbox was empty, because a wake is a system call and
//! a context switch. The receiver therefore drains the mailbox completely after each wake.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use mio::{Registry, Token, Waker};

/// The outside end. Dropping the last one wakes the receiver, which then sees `Disconnected`.
#[derive(Debug)]
pub struct MailSender<T> {
    sender: Option<Sender<T>>,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    waker: Waker,
    /// Set between a wake and the drain that answers it.
    rung: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        // Both sides write, then look at what the other wrote: without a common order of all four
        // the sender could see a bell that rings and the receiver an empty mailbox.
        fence(Ordering::SeqCst);
        if !self.rung.swap(true, Ordering::SeqCst) {
            // A failing wake means the poll is gone; its thread is ending and drains nothing.
            let _gone = self.waker.wake();
        }
    }
}

/// The inside end.
#[derive(Debug)]
pub struct MailReceiver<T> {
    receiver: Receiver<T>,
    bell: Arc<Bell>,
}

/// What wakes a poll. A poll can have only one, so all mailboxes of a thread share it.
#[derive(Clone, Debug)]
pub struct Doorbell(Arc<Bell>);

impl Doorbell {
    /// A doorbell whose wake-ups arrive as `token` at the poll of `registry`.
    ///
    /// # Errors
    /// When the system gives no eventfd.
    ///
    /// # Panics
    /// When the poll has one already.
    pub fn new(registry: &Registry, token: Token) -> io::Result<Doorbell> {
        let waker = Waker::new(registry, token)?;
        Ok(Doorbell(Arc::new(Bell {
            waker,
            rung: AtomicBool::new(false),
        })))
    }
}

/// Makes a mailbox of `capacity` messages that rings `bell`.
#[must_use]
pub fn mailbox<T>(bell: &Doorbell, capacity: usize) -> (MailSender<T>, MailReceiver<T>) {
    let (sender, receiver) = bounded(capacity);
    let bell = &bell.0;
    let mail_sender = MailSender {
        sender: Some(sender),
        bell: Arc::clone(bell),
    };
    let mail_receiver = MailReceiver {
        receiver,
        bell: Arc::clone(bell),
    };
    (mail_sender, mail_receiver)
}

impl<T> MailSender<T> {
    /// Puts a message in unless the mailbox is full or its thread is gone; then gives it back.
    ///
    /// # Errors
    /// The message, when it was not taken.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let Some(sender) = &self.sender else {
            return Err(TrySendError::Disconnected(message));
        };
        sender.try_send(message)?;
        self.bell.ring();
        Ok(())
    }

    /// Puts a message in, waiting for room. False when the receiving thread is gone.
    pub fn send(&self, message: T) -> bool {
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|sender| sender.send(message).is_ok());
        self.bell.ring();
        sent
    }
}

impl<T> Clone for MailSender<T> {
    fn clone(&self) -> Self {
        MailSender {
            sender: self.sender.clone(),
            bell: Arc::clone(&self.bell),
        }
    }
}

impl<T> Drop for MailSender<T> {
    fn drop(&mut self) {
        // The channel must be disconnected before the wake, or the receiver may look too early.
        self.sender = None;
        self.bell.rung.store(false, Ordering::SeqCst);
        self.bell.ring();
    }
}

impl<T> MailReceiver<T> {
    /// Call after each wake, before draining: from here on senders wake again. Mailboxes that
    /// share a doorbell must all be drained after it.
    pub fn answer_bell(&self) {
        self.bell.rung.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// The next message, if there is one.
    ///
    /// # Errors
    /// `Empty` when drained, `Disconnected` when every sender is gone too.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.receiver.try_recv()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};
    use std::time::Duration;

    #[test]
    fn two_mailboxes_share_one_doorbell() {
        let mut poll = Poll::new().expect("poll");
        let mut events = Events::with_capacity(4);
        let bell = Doorbell::new(poll.registry(), Token(7)).expect("doorbell");
        let (one, first) = mailbox(&bell, 1);
        let (two, second) = mailbox(&bell, 1);
        for round in 0..3 {
            assert!(one.send(round) && two.send(round));
            poll.poll(&mut events, Some(Duration::from_secs(5)))
                .expect("poll");
            assert!(!events.is_empty(), "not woken in time");
            first.answer_bell();
            assert_eq!(
                (first.try_recv(), second.try_recv()),
                (Ok(round), Ok(round))
            );
        }
    }

    #[test]
    fn messages_and_the_end_wake_the_poll() {
        let mut poll = Poll::new().expect("poll");
        let mut events = Events::with_capacity(4);
        let bell = Doorbell::new(poll.registry(), Token(7)).expect("doorbell");
        let (sender, receiver) = mailbox(&bell, 2);
        let other = sender.clone();
        let thread = crate::sys::thread::spawn("mail-test", move || {
            assert!(other.send(1));
            assert!(other.send(2));
            assert!(other.send(3));
        })
        .expect("spawn");
        let mut got = Vec::new();
        while got.len() < 3 {
            poll.poll(&mut events, Some(Duration::from_secs(5)))
                .expect("poll");
            assert!(!events.is_empty(), "not woken in time");
            receiver.answer_bell();
            while let Ok(message) = receiver.try_recv() {
                got.push(message);
            }
        }
        thread.join().expect("joined");
        drop(sender);
        poll.poll(&mut events, Some(Duration::from_secs(5)))
            .expect("poll");
        receiver.answer_bell();
        assert_eq!(got, [1, 2, 3]);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}
