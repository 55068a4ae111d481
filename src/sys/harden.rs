//! What the process gives up at its start, because it never needs it, and what it takes: all file
//! descriptors that it may have.
//!
//! Anything that fails is left as it is: an old kernel or a strict sandbox around us is no reason not
//! to run.

use std::fmt;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};
use rustix::thread::{clear_ambient_capability_set, set_no_new_privs};

/// What could not be given up, or taken.
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
/// files that others can read, capabilities and privileges for programs that it would start. Takes as many
/// file descriptors as the hard limit allows: connections to many targets need more than the 1024 that
/// are usual, a figure for programs that wait with `select`, which nothing here does.
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
        ("few file descriptors", raise_descriptors()),
    ];
    let failed = done
        .into_iter()
        .filter_map(|(what, result)| result.err().map(|error| Kept { what, error }));
    failed.collect()
}

/// Raises the limit of open files to the hard one.
fn raise_descriptors() -> Result<(), Errno> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_raised_to_the_hard_one() {
        let before = getrlimit(Resource::Nofile);
        let most = before.maximum.unwrap_or(1 << 20);
        // Low enough to tell, and harmless to the tests beside this one.
        let lower = Rlimit {
            current: Some(most - 1),
            ..before
        };
        setrlimit(Resource::Nofile, lower).expect("lowered");
        raise_descriptors().expect("raised");
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
