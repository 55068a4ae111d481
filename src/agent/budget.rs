//! How much memory the agent may hold: what the user wrote, else what its cgroup allows.

use crate::limits;
use crate::sys::{cgroup, memory};
use crate::telemetry::budget::MemoryBudget;
use crate::telemetry::registry::Registry;

/// The budget, measured by what the allocator holds.
pub(super) fn measured(written: Option<u64>, registry: &Registry) -> MemoryBudget {
    let bytes = bytes(written, cgroup::memory_limit());
    if let Some(bytes) = bytes {
        log::info!(component = "memory", budget = bytes; "Load is shed when so many bytes are held");
    }
    MemoryBudget::new(registry, bytes, memory::held_bytes)
}

/// A written zero is no budget.
fn bytes(written: Option<u64>, limit: Option<u64>) -> Option<u64> {
    match written {
        Some(bytes) => Some(bytes).filter(|bytes| *bytes > 0),
        None => limit.map(|limit| limit / 100 * limits::MEMORY_BUDGET_PERCENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_counts_before_the_cgroup() {
        assert_eq!(bytes(None, None), None);
        assert_eq!(bytes(None, Some(16_000_000)), Some(12_000_000));
        assert_eq!(bytes(Some(5), Some(16_000_000)), Some(5));
        assert_eq!(bytes(Some(0), Some(16_000_000)), None);
    }
}
