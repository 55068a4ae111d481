//! What keeping the log wears of a flash disk, said when it is opened.

use std::time::Duration;

use crate::limits;

/// Bytes that reach the device for one sync after frames were appended once a second, and for one
/// after all of them were written at once: data, inode and journal of ext4 with blocks of 4 KiB
/// (measured, `docs/adr/0008-stage.md`).
const SYNC_OF_APPENDED: u64 = 39_300;
const SYNC_OF_STAGED: u64 = 19_700;

const DAY_MS: u128 = 24 * 3_600_000;

/// Bytes a day that syncs take while everything is delivered in time, without the samples
/// themselves. At the interval zero every frame is synced, one a second.
#[must_use]
pub(super) fn daily_bytes(sync_interval: Duration, staged: bool) -> u64 {
    let interval = sync_interval.max(Duration::from_millis(limits::FRAME_AGE_MS));
    let (interval, each) = if staged {
        (
            interval.saturating_mul(limits::LOG_SYNC_PUT_OFF),
            SYNC_OF_STAGED,
        )
    } else {
        (interval, SYNC_OF_APPENDED)
    };
    let syncs = DAY_MS / interval.as_millis().max(1);
    u64::try_from(syncs)
        .unwrap_or(u64::MAX)
        .saturating_mul(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_costs_what_was_measured() {
        let ten = Duration::from_secs(10);
        assert_eq!(daily_bytes(ten, false) / 1_000_000, 339);
        assert_eq!(daily_bytes(ten, true) / 1_000_000, 5);
        let each = daily_bytes(Duration::ZERO, false);
        assert_eq!(each, 86_400 * SYNC_OF_APPENDED);
        assert_eq!(daily_bytes(Duration::MAX, true), 0);
    }
}
