//! Carries one question over a blocking socket, with a deadline.
//!
//! Sockets are connected, so that the kernel drops datagrams from anyone but the server. A wait
//! is cut into short slices, so that a thread that is to stop does so soon. One socket per
//! question: the kernel picks a new port each time, which is half of what makes forging hard.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use super::lookup::{Ask, Protocol, Taken};
use crate::limits;
use crate::sys::clock::Clock;

/// What a wait needs to know.
#[derive(Clone, Copy)]
pub struct Waiter<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// Whether to give up early.
    pub stopped: &'a dyn Fn() -> bool,
}

impl std::fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

impl Waiter<'_> {
    /// The next slice of waiting.
    fn slice(&self, ask: &Ask) -> io::Result<Duration> {
        if (self.stopped)() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let left = ask.deadline.since(self.clock.mono());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left.min(limits::DNS_STOP_CHECK))
    }
}

/// Asks and hands every reply to `take` until it is content.
///
/// # Errors
/// `TimedOut` at the deadline, `Interrupted` when stopped, otherwise what the system says.
pub fn carry(
    ask: &Ask,
    waiter: Waiter<'_>,
    mut take: impl FnMut(&[u8]) -> Taken,
) -> io::Result<()> {
    match ask.protocol {
        Protocol::Udp => udp(ask, waiter, &mut take),
        Protocol::Tcp => tcp(ask, waiter, &mut take),
    }
}

fn udp(ask: &Ask, waiter: Waiter<'_>, take: &mut dyn FnMut(&[u8]) -> Taken) -> io::Result<()> {
    let local: SocketAddr = match ask.server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local)?;
    socket.connect(ask.server)?;
    socket.send(&ask.message)?;
    let mut buffer = [0; limits::DNS_UDP_REPLY_BYTES as usize];
    loop {
        socket.set_read_timeout(Some(waiter.slice(ask)?))?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                if take(&buffer[..length]) == Taken::Yes {
                    return Ok(());
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn tcp(ask: &Ask, waiter: Waiter<'_>, take: &mut dyn FnMut(&[u8]) -> Taken) -> io::Result<()> {
    let left = ask.deadline.since(waiter.clock.mono());
    let mut stream = TcpStream::connect_timeout(&ask.server, left.max(Duration::from_millis(1)))?;
    let length = u16::try_from(ask.message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&ask.message);
    stream.set_write_timeout(Some(waiter.slice(ask)?))?;
    stream.write_all(&framed)?;
    loop {
        let mut head = [0; 2];
        read_exact(&mut stream, ask, waiter, &mut head)?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(head))];
        read_exact(&mut stream, ask, waiter, &mut message)?;
        if take(&message) == Taken::Yes {
            return Ok(());
        }
    }
}

fn read_exact(
    stream: &mut TcpStream,
    ask: &Ask,
    waiter: Waiter<'_>,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        stream.set_read_timeout(Some(waiter.slice(ask)?))?;
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => filled += length,
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The end of a slice, or a signal.
fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
