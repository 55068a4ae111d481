//! The system calls that the agent makes, by what they are for.
//!
//! The C library decides which of several calls it takes, so a family is listed whole. Whoever adds a
//! call sees it fail in `tests/e2e/sandbox.rs` when it is missing here.

use linux_raw_sys::general as nr;

/// Calls that are answered whatever their arguments are.
pub(super) const ANSWERED: &[&[u32]] = &[
    FILES, SOCKETS, WAITING, THREADS, MEMORY, PROCESS, WIDTH, OLD, MACHINE,
];

/// Files and folders.
const FILES: &[u32] = &[
    nr::__NR_read,
    nr::__NR_write,
    nr::__NR_readv,
    nr::__NR_writev,
    nr::__NR_pread64,
    nr::__NR_pwrite64,
    nr::__NR_preadv,
    nr::__NR_pwritev,
    nr::__NR_close,
    nr::__NR_openat,
    nr::__NR_lseek,
    nr::__NR_statx,
    nr::__NR_faccessat,
    nr::__NR_faccessat2,
    nr::__NR_getdents64,
    nr::__NR_readlinkat,
    nr::__NR_getcwd,
    nr::__NR_mkdirat,
    nr::__NR_unlinkat,
    nr::__NR_renameat,
    nr::__NR_renameat2,
    nr::__NR_fchmod,
    nr::__NR_flock,
    nr::__NR_fsync,
    nr::__NR_fdatasync,
    nr::__NR_fallocate,
    nr::__NR_copy_file_range,
    nr::__NR_ioctl,
    nr::__NR_dup,
    nr::__NR_dup3,
    nr::__NR_pipe2,
];

/// Sockets that are there. Making one depends on its family.
const SOCKETS: &[u32] = &[
    nr::__NR_socketpair,
    nr::__NR_bind,
    nr::__NR_listen,
    nr::__NR_accept,
    nr::__NR_accept4,
    nr::__NR_connect,
    nr::__NR_getsockname,
    nr::__NR_getpeername,
    nr::__NR_sendto,
    nr::__NR_recvfrom,
    nr::__NR_sendmsg,
    nr::__NR_recvmsg,
    nr::__NR_sendmmsg,
    nr::__NR_recvmmsg,
    nr::__NR_setsockopt,
    nr::__NR_getsockopt,
    nr::__NR_shutdown,
];

/// Waiting for several things at once.
const WAITING: &[u32] = &[
    nr::__NR_epoll_create1,
    nr::__NR_epoll_ctl,
    nr::__NR_epoll_pwait,
    nr::__NR_epoll_pwait2,
    nr::__NR_ppoll,
    nr::__NR_pselect6,
    nr::__NR_eventfd2,
    nr::__NR_inotify_init1,
    nr::__NR_inotify_add_watch,
    nr::__NR_inotify_rm_watch,
];

/// Threads and their time. Making one depends on the flags.
const THREADS: &[u32] = &[
    nr::__NR_futex,
    nr::__NR_set_robust_list,
    nr::__NR_set_tid_address,
    nr::__NR_rseq,
    nr::__NR_sched_yield,
    nr::__NR_sched_getaffinity,
    nr::__NR_nanosleep,
    nr::__NR_clock_nanosleep,
    nr::__NR_clock_gettime,
    nr::__NR_clock_getres,
    nr::__NR_gettimeofday,
    nr::__NR_restart_syscall,
    nr::__NR_membarrier,
    nr::__NR_prctl,
    nr::__NR_gettid,
    nr::__NR_exit,
    nr::__NR_exit_group,
];

/// Memory that does not become code.
const MEMORY: &[u32] = &[
    nr::__NR_munmap,
    nr::__NR_mremap,
    nr::__NR_madvise,
    nr::__NR_brk,
    nr::__NR_mincore,
];

/// The process itself, and its signals: it can send none to others by these.
const PROCESS: &[u32] = &[
    nr::__NR_getpid,
    nr::__NR_getuid,
    nr::__NR_geteuid,
    nr::__NR_getgid,
    nr::__NR_getegid,
    nr::__NR_umask,
    nr::__NR_getrusage,
    nr::__NR_prlimit64,
    nr::__NR_uname,
    nr::__NR_sysinfo,
    nr::__NR_getrandom,
    nr::__NR_sigaltstack,
    nr::__NR_rt_sigaction,
    nr::__NR_rt_sigprocmask,
    nr::__NR_rt_sigreturn,
    nr::__NR_tkill,
    nr::__NR_tgkill,
];

/// What has another name where numbers are narrow.
#[cfg(target_pointer_width = "64")]
const WIDTH: &[u32] = &[
    nr::__NR_fcntl,
    nr::__NR_fstat,
    nr::__NR_newfstatat,
    nr::__NR_ftruncate,
    nr::__NR_statfs,
    nr::__NR_fstatfs,
    nr::__NR_sendfile,
    nr::__NR_fadvise64,
    nr::__NR_sync_file_range,
];

/// The same for 32-bit machines, with times that last beyond 2038.
#[cfg(target_pointer_width = "32")]
const WIDTH: &[u32] = &[
    nr::__NR_fcntl64,
    nr::__NR_fstat64,
    nr::__NR_stat64,
    nr::__NR_lstat64,
    nr::__NR_fstatat64,
    nr::__NR_ftruncate64,
    nr::__NR_statfs64,
    nr::__NR_fstatfs64,
    nr::__NR_sendfile64,
    nr::__NR__llseek,
    nr::__NR_ugetrlimit,
    nr::__NR_getuid32,
    nr::__NR_geteuid32,
    nr::__NR_getgid32,
    nr::__NR_getegid32,
    nr::__NR__newselect,
    nr::__NR_futex_time64,
    nr::__NR_clock_gettime64,
    nr::__NR_clock_getres_time64,
    nr::__NR_clock_nanosleep_time64,
    nr::__NR_ppoll_time64,
    nr::__NR_pselect6_time64,
    nr::__NR_recvmmsg_time64,
];

/// Calls from before the newer machines were thought of; C libraries still make them.
#[cfg(any(target_arch = "x86_64", target_arch = "arm"))]
const OLD: &[u32] = &[
    nr::__NR_open,
    nr::__NR_access,
    nr::__NR_readlink,
    nr::__NR_unlink,
    nr::__NR_mkdir,
    nr::__NR_rmdir,
    nr::__NR_rename,
    nr::__NR_dup2,
    nr::__NR_pipe,
    nr::__NR_poll,
    nr::__NR_epoll_wait,
];

#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const OLD: &[u32] = &[];

/// Of one machine alone.
#[cfg(target_arch = "x86_64")]
const MACHINE: &[u32] = &[
    nr::__NR_stat,
    nr::__NR_lstat,
    nr::__NR_select,
    nr::__NR_getrlimit,
    nr::__NR_time,
    nr::__NR_arch_prctl,
];

#[cfg(target_arch = "arm")]
const MACHINE: &[u32] = &[
    nr::__NR_arm_fadvise64_64,
    nr::__NR_send,
    nr::__NR_recv,
    nr::__NR_sigreturn,
    nr::__ARM_NR_set_tls,
    nr::__ARM_NR_cacheflush,
];

#[cfg(not(any(target_arch = "x86_64", target_arch = "arm")))]
const MACHINE: &[u32] = &[];
