//! Ports of 127.0.0.1 that nothing else takes.
//!
//! They lie below the range that the kernel hands out for outgoing connections, so a port that
//! is given up for a while (a receiver that is away) is still free when its owner comes back.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port nobody listens on, never given twice by this process.
pub(crate) fn free() -> u16 {
    // Processes that run at the same time start far from one another.
    let start = std::process::id().wrapping_mul(617);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(
            step < COUNT,
            "no free port between {FIRST} and {}",
            FIRST + COUNT
        );
        let port = FIRST + (start.wrapping_add(step)) % COUNT;
        let port = u16::try_from(port).expect("below 65536");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
