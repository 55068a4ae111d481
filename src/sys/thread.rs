//! The only way to start a thread: named, with a stack of stated size.

use std::io;
use std::thread::{Builder, JoinHandle};

use crate::limits;

/// Starts a thread. `name` is what `ps -L` shows; the kernel keeps its first 15 bytes.
///
/// A panic ends the thread and is reported by `join`; whoever holds the handle decides what that
/// means for the process.
///
/// # Errors
/// When the system gives no thread.
pub fn spawn<T, F>(name: &str, body: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts threads"
    )]
    Builder::new()
        .name(name.to_owned())
        .stack_size(limits::THREAD_STACK_BYTES)
        .spawn(body)
}
