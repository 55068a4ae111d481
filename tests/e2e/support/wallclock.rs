//! The wall clock of one process, set from outside; its other clocks and the machine's stay true.
//!
//! Programs read clocks by a function that the kernel maps into them (the vDSO). It is replaced,
//! in the memory of that one process and before its first instruction that could read a clock, by
//! one that asks the kernel and adds a number of seconds, which stands beside it and can be
//! changed while the process runs. Works on any program, linked statically or not. Needs root.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::process::{Signal, kill_process};

use super::agent::Agent;
use super::{strace, wait};

/// The number of the kernel's entry that says where the vDSO is (`AT_SYSINFO_EHDR`).
const VDSO_ADDRESS: u64 = 33;

/// Bytes of the vDSO that are looked through: it has two pages.
const VDSO_BYTES: usize = 8192;

/// Where in [`CODE`] the seconds stand.
const SECONDS_AT: u64 = 32;

/// `clock_gettime` for `x86_64`: the system call; seconds added if it was about the wall clock.
const CODE: [u8; 40] = [
    0xb8, 0xe4, 0, 0, 0, // mov eax, 228
    0x0f, 0x05, // syscall
    0x85, 0xff, // test edi, edi
    0x75, 0x0a, // jne over the next two
    0x48, 0x8b, 0x0d, 14, 0, 0, 0, // mov rcx, [rip + 14]: the seconds
    0x48, 0x01, 0x0e, // add [rsi], rcx
    0xc3, // ret
    0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
    0x90, // to the next multiple of eight
    0, 0, 0, 0, 0, 0, 0, 0, // the seconds
];

/// The clock of an agent's process.
pub(crate) struct WallClock {
    memory: File,
    seconds_at: u64,
}

impl WallClock {
    /// Starts an agent whose wall clock is `ahead` seconds ahead, and waits until it is ready.
    pub(crate) fn start(agent: &mut Agent, ahead: i64) -> WallClock {
        assert_eq!(std::env::consts::ARCH, "x86_64", "written for that alone");
        // It stops itself while its libraries are loaded.
        let stop = ["arch_prctl:signal=SIGSTOP:when=1".to_owned()];
        let log = agent.dir().join("strace");
        agent.launch_under(&strace::command(&log, "arch_prctl", &stop));
        let pid = agent.pid();
        let program = std::fs::canonicalize(agent.program()).expect("the program");
        wait::until_true("the agent to be loaded", wait::LONG, || {
            let loaded = std::fs::read_link(format!("/proc/{pid}/exe"));
            loaded.is_ok_and(|own| own == program) && is_stopped(pid)
        });
        let clock = WallClock::install(pid);
        clock.set(ahead);
        wait::until_true("the agent to go on", wait::LONG, || {
            agent.signal(Signal::CONT);
            !is_stopped(pid)
        });
        release(pid);
        agent.wait_until_ready();
        clock
    }

    fn install(pid: i32) -> WallClock {
        let auxiliary = std::fs::read(format!("/proc/{pid}/auxv")).expect("its auxiliary vector");
        let vdso = find_pair(&auxiliary, VDSO_ADDRESS).expect("a vDSO");
        let memory = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/mem"))
            .expect("its memory");
        let mut image = vec![0; VDSO_BYTES];
        memory.read_exact_at(&mut image, vdso).expect("the vDSO");
        let (offset, size) = function(&image, "__vdso_clock_gettime").expect("the function");
        assert!(
            size >= CODE.len() as u64 && offset.is_multiple_of(8),
            "no room"
        );
        let at = vdso + offset;
        memory.write_all_at(&CODE, at).expect("to write there");
        WallClock {
            memory,
            seconds_at: at + SECONDS_AT,
        }
    }

    /// Steps the clock: so many seconds ahead of the machine's, or behind it.
    pub(crate) fn set(&self, ahead: i64) {
        let bytes = ahead.to_le_bytes();
        self.memory
            .write_all_at(&bytes, self.seconds_at)
            .expect("a running process");
    }
}

/// Whether a process is stopped.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    matches!(state, Some('t' | 'T'))
}

/// Sends the tracer home: every system call would cost time.
fn release(pid: i32) {
    wait::until_true("strace to leave", wait::LONG, || {
        let Some(tracer) = tracer(pid) else {
            return true;
        };
        let pid = rustix::process::Pid::from_raw(tracer).expect("a process");
        // It may have gone by itself.
        let _gone = kill_process(pid, Signal::TERM);
        false
    });
}

fn tracer(pid: i32) -> Option<i32> {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    let status = status.unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"))?;
    line.trim().parse().ok().filter(|tracer| *tracer != 0)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The value of a key in a list of pairs of words.
fn find_pair(bytes: &[u8], key: u64) -> Option<u64> {
    let mut pairs = (0..bytes.len() / 16).map(|pair| 16 * pair);
    let at = pairs.find(|at| word(bytes, *at) == Some(key))?;
    word(bytes, at + 8)
}

/// Offset and size of a function in an ELF image of 64 bits: by its section of dynamic symbols.
fn function(image: &[u8], name: &str) -> Option<(u64, u64)> {
    const DYNAMIC_SYMBOLS: u64 = 11;
    let half = |at: usize| Some(u16::from_le_bytes(image.get(at..at + 2)?.try_into().ok()?));
    let place = |at: usize| usize::try_from(word(image, at)?).ok();
    let sections = place(0x28)?;
    let (size, count) = (usize::from(half(0x3a)?), usize::from(half(0x3c)?));
    let mut headers = (0..count).map(|section| sections + section * size);
    let symbols =
        headers.find(|at| word(image, *at).is_some_and(|own| own >> 32 == DYNAMIC_SYMBOLS))?;
    let link = word(image, symbols + 0x28)? & 0xffff_ffff;
    let names = place(sections + usize::try_from(link).ok()? * size + 0x18)?;
    let (first, bytes) = (place(symbols + 0x18)?, place(symbols + 0x20)?);
    (0..bytes / 24)
        .map(|symbol| first + 24 * symbol)
        .find_map(|at| {
            let start = names + usize::try_from(word(image, at)? & 0xffff_ffff).ok()?;
            let text = image.get(start..)?.split(|byte| *byte == 0).next()?;
            (text == name.as_bytes()).then_some((word(image, at + 8)?, word(image, at + 16)?))
        })
}
