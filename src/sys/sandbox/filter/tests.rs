//! What the filter answers on this machine, worked out without its kernel: emulators of foreign
//! machines pass no filter on.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const ANSWERED_CALLS: &str = include_str!("../../../../tests/data/sandbox/answered.txt");
const REFUSED_CALLS: &str = include_str!("../../../../tests/data/sandbox/refused.txt");

/// The kernel's limit of steps (BPF_MAXINSNS).
const MOST_STEPS: usize = 4096;

/// Names and numbers of a table, of those that this machine has.
fn of_this_machine(table: &str) -> BTreeMap<&str, u32> {
    let column = match MACHINE {
        audit::AUDIT_ARCH_X86_64 => 1,
        audit::AUDIT_ARCH_AARCH64 => 2,
        _ => 3,
    };
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 4, "{line}");
        (words[0], words[column])
    });
    let named = rows.filter(|(_, number)| *number != "-");
    named
        .map(|(name, number)| (name, number.parse().expect("a number")))
        .collect()
}

fn number(name: &str) -> u32 {
    let (answered, refused) = (
        of_this_machine(ANSWERED_CALLS),
        of_this_machine(REFUSED_CALLS),
    );
    *answered.get(name).or(refused.get(name)).expect(name)
}

/// Runs the program as the kernel does, with arguments whose upper halves are not zero.
fn verdict(machine: u32, call: u32, arguments: [u32; 6]) -> u32 {
    let steps = program();
    let (mut at, mut hand) = (0, 0);
    loop {
        let step = &steps[at];
        at += 1;
        match step.code {
            LOAD if step.k == NUMBER => hand = call,
            LOAD if step.k == ARCHITECTURE => hand = machine,
            LOAD => {
                let place = (0..6)
                    .find(|index| step.k == argument(*index))
                    .expect("an argument");
                hand = arguments[place as usize];
            }
            AND => hand &= step.k,
            IF_EQUAL => at += usize::from(if hand == step.k { step.jt } else { step.jf }),
            RETURN => return step.k,
            other => panic!("a step {other} that the filter does not use"),
        }
    }
}

fn answer(name: &str, index: usize, value: i32) -> u32 {
    let mut arguments = [0; 6];
    arguments[index] = value as u32;
    verdict(MACHINE, number(name), arguments)
}

#[test]
fn the_lists_hold_the_numbers_of_this_machine_and_no_others() {
    let own = DEPENDING.iter().map(|own| own.call);
    let listed: BTreeSet<u32> = ANSWERED
        .iter()
        .copied()
        .flatten()
        .copied()
        .chain(own)
        .collect();
    let known: BTreeSet<u32> = of_this_machine(ANSWERED_CALLS).into_values().collect();
    assert_eq!(listed, known);
}

#[test]
fn every_listed_call_is_answered() {
    let depending = DEPENDING.map(|own| own.call);
    for (name, number) in of_this_machine(ANSWERED_CALLS) {
        if !depending.contains(&number) {
            assert_eq!(verdict(MACHINE, number, [u32::MAX; 6]), ANSWER, "{name}");
        }
    }
}

#[test]
fn what_starts_processes_or_reaches_for_others_is_unknown() {
    for (name, number) in of_this_machine(REFUSED_CALLS) {
        let verdict = verdict(MACHINE, number, [0; 6]);
        assert_eq!(verdict, error(libc::ENOSYS), "{name}");
    }
    assert_eq!(verdict(MACHINE, u32::MAX, [0; 6]), error(libc::ENOSYS));
}

#[test]
fn calls_of_another_machine_end_the_process() {
    let read = number("read");
    for other in [
        audit::AUDIT_ARCH_X86_64,
        audit::AUDIT_ARCH_AARCH64,
        audit::AUDIT_ARCH_ARM,
    ] {
        if other != MACHINE {
            let verdict = verdict(other, read, [0; 6]);
            assert_eq!(verdict, libc::SECCOMP_RET_KILL_PROCESS);
        }
    }
    assert_eq!(verdict(MACHINE, read, [0; 6]), ANSWER);
}

#[test]
fn four_calls_depend_on_their_arguments() {
    let mmap = if cfg!(target_arch = "arm") {
        "mmap2"
    } else {
        "mmap"
    };
    let (allowed, forbidden) = (ANSWER, error(libc::EPERM));
    for family in [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ] {
        assert_eq!(answer("socket", 0, family), allowed);
    }
    assert_eq!(
        answer("socket", 0, libc::AF_PACKET),
        error(libc::EAFNOSUPPORT)
    );
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SETTLS;
    assert_eq!(answer("clone", 0, thread), allowed);
    assert_eq!(
        answer("clone", 0, libc::CLONE_VM | libc::SIGCHLD),
        forbidden
    );
    for (protection, mapped, changed) in [
        (libc::PROT_READ | libc::PROT_WRITE, allowed, allowed),
        (libc::PROT_READ | libc::PROT_EXEC, allowed, forbidden),
        (libc::PROT_WRITE | libc::PROT_EXEC, forbidden, forbidden),
    ] {
        assert_eq!(answer(mmap, 2, protection), mapped);
        assert_eq!(answer("mprotect", 2, protection), changed);
    }
}

#[test]
fn the_program_fits() {
    assert!(program().len() <= MOST_STEPS);
    // A jump is one byte.
    let jumps = DEPENDING.iter().map(|own| 2 * own.values.len() + 3);
    assert!(jumps.max().is_some_and(|most| most <= usize::from(u8::MAX)));
}
