//! The two ways state crosses a thread without a message.
//!
//! [`Published`] is for state with one writer and many readers that want the latest whole value:
//! the writer swaps an `Arc`. [`Shared`] is for a small value that two threads update in place;
//! its lock is held for the length of one closure that must not block, log or call out.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

/// The latest value of something, as its owner last published it.
#[derive(Clone)]
pub struct Published<T>(Arc<ArcSwap<T>>);

impl<T> Published<T> {
    /// Begins with a value.
    pub fn new(value: T) -> Published<T> {
        Published(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The latest value.
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Replaces the value. Readers that hold the old one keep it.
    pub fn publish(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

impl<T: fmt::Debug> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Published").field(&self.load()).finish()
    }
}

/// A small value behind a lock that two threads update.
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    /// Begins with a value.
    pub fn new(value: T) -> Shared<T> {
        Shared(Arc::new(Mutex::new(value)))
    }

    /// Runs `change` with the lock held. `change` must be short and must not block.
    pub fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.0.lock())
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&*self.0.lock()).finish()
    }
}
