use super::*;

use std::fs::File;
use std::thread;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

/// On a thread of its own, which alone is restricted.
fn inside<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let enclosed = move || {
        rustix::thread::set_no_new_privs(true).expect("given up");
        test()
    };
    #[allow(clippy::disallowed_methods, reason = "ends with the test")]
    let thread = thread::spawn(enclosed);
    thread.join().expect("no panic")
}

#[test]
fn only_the_folders_that_are_named_can_be_opened() {
    let root = tempfile::tempdir().expect("folder");
    let path = |name: &str| root.path().join(name);
    for name in ["read", "write", "other"] {
        std::fs::create_dir(path(name)).expect("create");
        std::fs::write(path(name).join("a"), "a").expect("write");
    }
    std::os::unix::fs::symlink(path("other").join("a"), path("read").join("link")).expect("link");
    let folders = Folders {
        read: vec![path("read"), path("absent")],
        write: vec![path("write")],
    };
    let names = ["read/a", "read/link", "write/a", "other/a"].map(path);
    let moved = (path("write").join("a"), path("write").join("b"));
    let forbidden = path("read").join("b");
    let (read, written, refused) = inside(move || {
        folders::close(&folders).expect("a kernel with Landlock");
        let read = names.map(|name| File::open(name).map_err(|error| error.kind()).map(drop));
        let written = std::fs::rename(moved.0, moved.1);
        (read, written, File::create(forbidden).map(drop))
    });
    let denied = Err(io::ErrorKind::PermissionDenied);
    assert_eq!(read, [Ok(()), denied, Ok(()), denied]);
    written.expect("renamed");
    let refused = refused.map_err(|error| error.kind());
    assert_eq!(refused, Err(io::ErrorKind::PermissionDenied));
}

#[test]
fn calls_beside_the_list_are_unknown() {
    let (priority, packet, internet, thread) = inside(|| {
        filter::install().expect("a kernel with seccomp");
        let socket = |family| rustix::net::socket(family, SocketType::STREAM, None).map(drop);
        (
            rustix::process::getpriority_process(None),
            socket(AddressFamily::PACKET),
            socket(AddressFamily::INET),
            crate::sys::thread::spawn("inside", || {}).map(thread::JoinHandle::join),
        )
    });
    assert_eq!(priority, Err(Errno::NOSYS));
    assert_eq!(packet, Err(Errno::AFNOSUPPORT));
    assert_eq!(internet, Ok(()));
    thread.expect("threads may start").expect("no panic");
}

#[test]
fn no_process_and_no_code_comes_of_a_filtered_thread() {
    let (process, code) = inside(|| {
        use rustix::mm::{MapFlags, ProtFlags};
        filter::install().expect("a kernel with seccomp");
        let process = std::process::Command::new("/bin/true").status();
        let both = ProtFlags::WRITE | ProtFlags::EXEC;
        #[allow(unsafe_code, reason = "an address of the kernel's choice")]
        // SAFETY: maps nothing that is in use.
        let code = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), 4096, both, MapFlags::PRIVATE)
        };
        (process.is_err(), code.map(drop))
    });
    assert!(process);
    assert_eq!(code, Err(Errno::PERM));
}

#[test]
fn what_a_disk_is_mounted_in_is_opened_but_never_the_root() {
    // Shared memory is mounted in /dev, which is mounted in the root.
    let memory = tempfile::tempdir_in("/dev/shm").expect("folder");
    let mut folders = Folders::default();
    folders.add_volume(memory.path());
    assert_eq!(folders.write, [memory.path(), Path::new("/dev")]);
    for path in ["/", "/proc/self", "/dev", "/usr/lib", "/not/there"] {
        let mut folders = Folders::default();
        folders.add_volume(Path::new(path));
        assert_eq!(folders.write, [Path::new(path)]);
    }
}

#[test]
fn the_folders_of_a_name_and_of_what_it_leads_to_are_opened() {
    let root = tempfile::tempdir().expect("folder");
    let path = |name: &str| root.path().join(name);
    std::fs::create_dir(path("a")).expect("create");
    std::fs::create_dir(path("b")).expect("create");
    std::fs::write(path("b/real"), "").expect("write");
    std::os::unix::fs::symlink(path("b/real"), path("a/name")).expect("link");
    let mut folders = Folders::default();
    folders.add_read(&path("a/name"));
    folders.add_read(&path("a/other"));
    assert_eq!(folders.read, [path("a"), path("b")]);
    folders.read.push(path("later"));
    let folders = folders.found();
    std::fs::create_dir(path("later")).expect("create");
    assert!(!folders.show(&path("later/file")));
    assert!(folders.show(&path("a/not yet")) && folders.show(&path("b/real")));
    assert!(!folders.show(&path("c")) && !folders.show(Path::new("/etc/passwd")));
    let mut root = Folders::default();
    root.add_read(Path::new("/in-the-root"));
    root.add_read(Path::new("relative"));
    assert_eq!(root.read, [Path::new("/in-the-root"), Path::new(".")]);
}
