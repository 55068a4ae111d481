//! The filter of system calls (seccomp): a program for the kernel's packet filter.
//!
//! A call that is not on the list fails with ENOSYS, as on a kernel that does not have it, for which C
//! libraries have another way. Killing the process instead would make an update of one of them an
//! outage of a host that nobody logs into, and would stop an intruder no better. Four calls depend on
//! their arguments: sockets only of the families that peers have, threads but no processes, and no
//! memory that can be both written to and executed, now or later.
//!
//! seccompiler would write this program, but not for 32-bit ARM.

use std::io;

use libc::{sock_filter, sock_fprog};
use linux_raw_sys::general as nr;
use linux_raw_sys::ptrace as audit;

use super::calls::ANSWERED;

#[cfg(target_arch = "x86_64")]
const MACHINE: u32 = audit::AUDIT_ARCH_X86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: u32 = audit::AUDIT_ARCH_AARCH64;
#[cfg(target_arch = "arm")]
const MACHINE: u32 = audit::AUDIT_ARCH_ARM;

#[cfg(target_arch = "arm")]
const MMAP: u32 = nr::__NR_mmap2;
#[cfg(not(target_arch = "arm"))]
const MMAP: u32 = nr::__NR_mmap;

/// Where the kernel shows the program the call: its number, the machine, the arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Where the lower half of an argument stands; the calls here have no more.
const fn argument(index: u32) -> u32 {
    let lower = if cfg!(target_endian = "big") { 4 } else { 0 };
    16 + 8 * index + lower
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

const ANSWER: u32 = libc::SECCOMP_RET_ALLOW;

const fn error(number: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | number as u32
}

const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Goes on with the next step if the number in hand is `k`, else skips `skipped` steps.
const fn unless(k: u32, skipped: u8) -> sock_filter {
    sock_filter {
        code: IF_EQUAL,
        jt: 0,
        jf: skipped,
        k,
    }
}

/// A call whose answer depends on bits of an argument: with one of `values` it is `then`, else
/// `otherwise`.
struct Depends {
    call: u32,
    argument: u32,
    mask: u32,
    values: &'static [u32],
    then: u32,
    otherwise: u32,
}

const WRITE_AND_EXECUTE: u32 = (libc::PROT_WRITE | libc::PROT_EXEC) as u32;

const DEPENDING: [Depends; 4] = [
    Depends {
        call: nr::__NR_socket,
        argument: 0,
        mask: u32::MAX,
        values: &[
            libc::AF_UNIX as u32,
            libc::AF_INET as u32,
            libc::AF_INET6 as u32,
            libc::AF_NETLINK as u32,
        ],
        then: ANSWER,
        otherwise: error(libc::EAFNOSUPPORT),
    },
    Depends {
        call: nr::__NR_clone,
        argument: 0,
        mask: libc::CLONE_THREAD as u32,
        values: &[libc::CLONE_THREAD as u32],
        then: ANSWER,
        otherwise: error(libc::EPERM),
    },
    Depends {
        call: MMAP,
        argument: 2,
        mask: WRITE_AND_EXECUTE,
        values: &[WRITE_AND_EXECUTE],
        then: error(libc::EPERM),
        otherwise: ANSWER,
    },
    Depends {
        call: nr::__NR_mprotect,
        argument: 2,
        mask: libc::PROT_EXEC as u32,
        values: &[0],
        then: ANSWER,
        otherwise: error(libc::EPERM),
    },
];

/// The whole program.
fn program() -> Vec<sock_filter> {
    let mut steps = vec![
        step(LOAD, ARCHITECTURE),
        // The same numbers mean other calls to a process of another width.
        sock_filter {
            jt: 1,
            ..unless(MACHINE, 0)
        },
        step(RETURN, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, NUMBER),
    ];
    for call in ANSWERED.iter().copied().flatten() {
        steps.extend([unless(*call, 1), step(RETURN, ANSWER)]);
    }
    for own in &DEPENDING {
        let values = own.values.iter();
        let decided: Vec<sock_filter> = values
            .flat_map(|value| [unless(*value, 1), step(RETURN, own.then)])
            .collect();
        steps.push(unless(own.call, decided.len() as u8 + 3));
        steps.extend([step(LOAD, argument(own.argument)), step(AND, own.mask)]);
        steps.extend(decided);
        steps.push(step(RETURN, own.otherwise));
    }
    steps.push(step(RETURN, error(libc::ENOSYS)));
    steps
}

/// Puts the filter before the calling thread and those that it starts. New privileges must have been
/// given up.
#[allow(
    unsafe_code,
    reason = "the kernel copies the program that the structure points to, during the call"
)]
pub(super) fn install() -> Result<(), String> {
    let mut steps = program();
    let program = sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: `steps` outlives the call, and its length is that of the structure.
    let result = unsafe {
        libc::syscall(
            nr::__NR_seccomp as libc::c_long,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(match error.raw_os_error() {
        Some(libc::EINVAL | libc::ENOSYS) => "this kernel has no seccomp filters".to_owned(),
        _ => format!("seccomp: {error}"),
    })
}

#[cfg(test)]
mod tests;
