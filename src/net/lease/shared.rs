//! Sources by their configuration: equal ones are one, as long as somebody uses it.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// What is in use.
#[derive(Debug)]
pub struct Shared<V>(Mutex<Vec<Weak<V>>>);

impl<V> Default for Shared<V> {
    fn default() -> Shared<V> {
        Shared::new()
    }
}

impl<V> Shared<V> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Shared<V> {
        Shared(Mutex::new(Vec::new()))
    }

    /// The one that `is_it`, if it is in use.
    pub fn find(&self, is_it: impl Fn(&V) -> bool) -> Option<Arc<V>> {
        let mut all = self.0.lock();
        all.retain(|own| own.strong_count() > 0);
        let mut used = all.iter().filter_map(Weak::upgrade);
        used.find(|own| is_it(own))
    }

    /// Adds one.
    pub fn add(&self, value: V) -> Arc<V> {
        let value = Arc::new(value);
        self.0.lock().push(Arc::downgrade(&value));
        value
    }
}
