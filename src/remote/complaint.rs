//! Keeps a failing peer from filling the log: one line a minute, and how many were left out.

use crate::limits;
use crate::model::time::Mono;

/// Decides whether to log.
#[derive(Debug, Default)]
pub struct Complaint {
    quiet_until: Option<Mono>,
    suppressed: u64,
}

impl Complaint {
    /// Whether to log now: then how many lines were left out since the last one.
    pub fn due(&mut self, now: Mono) -> Option<u64> {
        if self.quiet_until.is_some_and(|until| now < until) {
            self.suppressed += 1;
            return None;
        }
        self.quiet_until = Some(now + limits::REMOTE_COMPLAINT_INTERVAL);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_says_how_many_were_left_out() {
        let mut complaint = Complaint::default();
        let at = |seconds: u64| Mono::from_millis(seconds * 1000);
        assert_eq!(complaint.due(at(1)), Some(0));
        assert_eq!(complaint.due(at(2)), None);
        assert_eq!(complaint.due(at(60)), None);
        assert_eq!(complaint.due(at(61)), Some(2));
        assert_eq!(complaint.due(at(122)), Some(0));
    }
}
