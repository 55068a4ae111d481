//! What the process gives up at its start, because it never needs it.
//!
//! Anything that fails is left as it is: an old kernel or a strict sandbox around us is no reason not
//! to run.

use std::fmt;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};
use rustix::thread::{clear_ambient_capability_set, set_no_new_privs};

/// What could not be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What.
    pub what: &'static str,
    /// Why.
    pub error: Errno,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

/// Gives up: core dumps (they would hold secrets) and being looked at by others of the same user,
/// files that others can read, capabilities and privileges for programs that it would start.
///
/// To be called before the first thread starts: threads inherit it.
#[must_use]
pub fn harden() -> Vec<Kept> {
    // Cannot fail. Others of the group are kept out too: the log is samples, not configuration.
    umask(Mode::RWXG | Mode::RWXO);
    let no_core = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let done = [
        ("core dumps", setrlimit(Resource::Core, no_core)),
        (
            "being traced",
            set_dumpable_behavior(DumpableBehavior::NotDumpable),
        ),
        ("ambient capabilities", clear_ambient_capability_set()),
        ("new privileges", set_no_new_privs(true)),
    ];
    let failed = done
        .into_iter()
        .filter_map(|(what, result)| result.err().map(|error| Kept { what, error }));
    failed.collect()
}
