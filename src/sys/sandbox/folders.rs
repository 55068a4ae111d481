//! Closes the file system but for some folders, and TCP ports for listening, by Landlock.
//!
//! What is open already stays usable, listening sockets too. Local sockets, and connecting, are left
//! alone: peers are everywhere.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, make_bitflags,
};

use super::Folders;

/// The newest rights that are asked for; the kernel grants those that it knows.
const RIGHTS: ABI = ABI::V5;

/// Reading.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// Keeping files: no sockets, devices or links, and nothing to execute.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
});

/// Closes everything but `folders` to the calling thread and those that it starts.
pub(super) fn close(folders: &Folders) -> Result<(), String> {
    let status = restrict(folders).map_err(|error| error.to_string())?;
    match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented) => {
            Err("this kernel has no Landlock (Linux 5.13 has)".to_owned())
        }
        (RulesetStatus::NotEnforced, _) => {
            Err("Landlock is switched off in this kernel (its parameter lsm=)".to_owned())
        }
        _ => Ok(()),
    }
}

fn restrict(folders: &Folders) -> Result<landlock::RestrictionStatus, RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(RIGHTS))?
        .handle_access(AccessNet::BindTcp)?
        .create()?;
    let rules = open(rules, &folders.read, READ)?;
    open(rules, &folders.write, WRITE)?.restrict_self()
}

fn open(
    mut rules: RulesetCreated,
    paths: &[PathBuf],
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        // Gone since it was found: then it stays closed.
        let Ok(opened) = PathFd::new(path) else {
            continue;
        };
        let rights = match path.is_dir() {
            true => rights,
            false => rights & AccessFs::from_file(RIGHTS),
        };
        rules = rules.add_rule(PathBeneath::new(opened, rights))?;
    }
    Ok(rules)
}
