//! The time by which certificates and tickets are judged.

use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::model::time::Wall;
use crate::sys::clock::{Clock, SystemClock};

/// The clock of the host. The standard library's own ends in 2038 where the C library that it is built
/// for counts seconds in 32 bits, as musl does for it on 32-bit ARM; this one asks the kernel for 64.
#[derive(Debug)]
pub(super) struct HostTime;

impl TimeProvider for HostTime {
    fn current_time(&self) -> Option<UnixTime> {
        since_epoch(SystemClock.wall())
    }
}

/// None before 1970.
fn since_epoch(Wall(millis): Wall) -> Option<UnixTime> {
    let millis = u64::try_from(millis).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_of_the_clock_beyond_2038_too() {
        let seconds = |millis| since_epoch(Wall(millis)).map(|time| time.as_secs());
        assert_eq!(seconds(1_700_000_000_999), Some(1_700_000_000));
        assert_eq!(seconds((1 << 32) * 1000), Some(1 << 32));
        assert_eq!(seconds(-1), None);
        assert!(HostTime.current_time().is_some());
    }
}
