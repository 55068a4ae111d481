//! The protocol of service managers: telling what the process does, taking sockets from them.
//!
//! That of systemd, which others speak as well: datagrams to `NOTIFY_SOCKET`, and open sockets
//! from descriptor 3 on. Without the variables nothing is told and nothing taken.

use std::env::{self, VarError};
use std::io;
use std::net::TcpListener;
use std::os::fd::FromRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::sockopt::socket_acceptconn;
use rustix::time::{ClockId, clock_gettime};

use crate::limits;

/// A line to the service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Notifier {
    /// The manager that started this process; none when nobody listens.
    ///
    /// # Errors
    /// When the variable names something that cannot be an address, or the system gives no socket.
    pub fn from_environment() -> io::Result<Option<Notifier>> {
        match env::var("NOTIFY_SOCKET") {
            Err(VarError::NotPresent) => Ok(None),
            Ok(name) if name.is_empty() => Ok(None),
            Ok(name) => Notifier::to(&name).map(Some),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn to(name: &str) -> io::Result<Notifier> {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not hold up the agent.
        socket.set_nonblocking(true)?;
        Ok(Notifier { socket, address })
    }

    /// Sends one message: lines of `NAME=value`.
    ///
    /// # Errors
    /// When the manager is gone or does not read.
    pub fn send(&self, message: &str) -> io::Result<()> {
        let bytes = message.as_bytes();
        self.socket.send_to_addr(bytes, &self.address).map(drop)
    }
}

/// How often the service manager wants to hear that the process is well; none when it does not.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let own = u64::from(std::process::id());
    if env::var_os("WATCHDOG_PID").is_some() && number("WATCHDOG_PID") != Some(own) {
        return None;
    }
    let interval = number("WATCHDOG_USEC").filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(interval))
}

/// Microseconds on the clock by which systemd tells which reload a message belongs to. It is not
/// the boot-time clock.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000
}

/// Why sockets that were handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// More than will ever be served.
    #[error("LISTEN_FDS={0}: at most {max} sockets can be handed over", max = limits::HANDED_SOCKETS_MAX)]
    TooMany(String),
    /// Not open, or no listening TCP socket.
    #[error(
        "descriptor {0} is not a listening TCP socket: a socket unit for narthex has ListenStream= with a port, and no Accept=yes"
    )]
    NotListening(i32),
}

/// The listening sockets that the service manager has opened for this process, in its order. Gives
/// them once: later calls find none.
///
/// # Errors
/// When something else was handed over.
pub fn handed_listeners() -> Result<Vec<TcpListener>, HandedError> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let own = std::process::id().to_string();
    let count = env::var("LISTEN_FDS").unwrap_or_default();
    if count.is_empty() || env::var("LISTEN_PID").ok().as_deref() != Some(own.as_str()) {
        return Ok(Vec::new());
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let number = count.parse::<i32>().ok();
    let number = number.filter(|number| (0..=limits::HANDED_SOCKETS_MAX).contains(number));
    let number = number.ok_or(HandedError::TooMany(count))?;
    (FIRST_HANDED..FIRST_HANDED + number).map(adopt).collect()
}

/// `SD_LISTEN_FDS_START`.
const FIRST_HANDED: i32 = 3;

fn adopt(descriptor: i32) -> Result<TcpListener, HandedError> {
    // Of a descriptor that is not open nobody may be made the owner.
    if !std::path::Path::new(&format!("/proc/self/fd/{descriptor}")).exists() {
        return Err(HandedError::NotListening(descriptor));
    }
    #[expect(unsafe_code, reason = "a number from another process becomes a socket")]
    // SAFETY: the descriptor is open and, by the protocol, meant for this process alone; the only
    // caller does this once, before anything else could own it.
    let listener = unsafe { TcpListener::from_raw_fd(descriptor) };
    let usable = fcntl_getfd(&listener)
        .and_then(|flags| fcntl_setfd(&listener, flags | FdFlags::CLOEXEC))
        .and_then(|()| socket_acceptconn(&listener))
        .unwrap_or(false);
    if usable && listener.local_addr().is_ok() {
        Ok(listener)
    } else {
        Err(HandedError::NotListening(descriptor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn messages_arrive_at_a_path_and_at_an_abstract_name() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("bind");
        let notifier = Notifier::to(&path.to_string_lossy()).expect("address");
        notifier.send("READY=1").expect("sent");
        assert_eq!(received(&manager), "READY=1");

        let name = format!("narthex-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("name");
        let manager = UnixDatagram::bind_addr(&address).expect("bind");
        let notifier = Notifier::to(&format!("@{name}")).expect("address");
        notifier.send("STATUS=x").expect("sent");
        assert_eq!(received(&manager), "STATUS=x");
        drop(manager);
        notifier.send("STATUS=y").expect_err("nobody listens");
    }

    #[test]
    fn a_manager_that_does_not_read_makes_nobody_wait() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).expect("bind");
        let notifier = Notifier::to(&path.to_string_lossy()).expect("address");
        let full = (0..1_000_000).find_map(|_| notifier.send("STATUS=x").err());
        let kind = full.expect("its queue is full").kind();
        assert_eq!(kind, io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_descriptor_that_is_not_open_is_refused() {
        let error = adopt(1_000_000).expect_err("not open").to_string();
        assert!(error.starts_with("descriptor 1000000 is not"), "{error}");
    }
}
