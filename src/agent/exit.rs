//! How the process ends, as service managers see it. The numbers are those of Prometheus.

/// The exit status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Ended as asked.
    Success,
    /// Failed while running.
    Failure,
    /// The command line or the configuration is wrong: starting again will not help.
    Usage,
    /// Flags of a Prometheus server were given.
    WrongMode,
}

impl ExitStatus {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Usage => 2,
            ExitStatus::WrongMode => 3,
        }
    }
}
