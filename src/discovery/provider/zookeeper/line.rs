//! A connection to a ZooKeeper server that another thread can interrupt while it connects, waits or
//! reads.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::limits;

const SOCKET: Token = Token(0);
const STOP: Token = Token(1);
/// Reads between two looks at whether to stop, from a server that never pauses.
const READS: usize = 64;

/// What a thread waits on: its socket, and a call from another thread.
#[derive(Debug)]
pub(super) struct Waiting {
    poll: Poll,
    events: Events,
    /// Kept as long as the poll: a waker that is dropped right after its call takes the call along.
    waker: Arc<Waker>,
}

impl Waiting {
    /// Makes one.
    ///
    /// # Errors
    /// When the system has no descriptors left.
    pub(super) fn new() -> io::Result<Waiting> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), STOP)?);
        let events = Events::with_capacity(8);
        Ok(Waiting {
            poll,
            events,
            waker,
        })
    }

    /// What ends a wait from another thread.
    pub(super) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Waits for the socket, the other thread or the end of the time, whichever is first. May return
    /// early.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub(super) fn wait(&mut self, time: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(time)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            done => done,
        }
    }
}

/// A socket, and what is still to be sent.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    out: Vec<u8>,
    buffer: Box<[u8]>,
}

/// How far reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// There is nothing more for now.
    Done,
    /// There may be more.
    More,
}

impl Line {
    /// Begins to connect.
    ///
    /// # Errors
    /// When the system refuses at once.
    pub(super) fn connect(address: SocketAddr, waiting: &Waiting) -> io::Result<Line> {
        let mut stream = TcpStream::connect(address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        waiting
            .poll
            .registry()
            .register(&mut stream, SOCKET, interest)?;
        Ok(Line {
            stream,
            out: Vec::new(),
            buffer: vec![0; limits::ZK_READ_BYTES].into_boxed_slice(),
        })
    }

    /// Whether it is connected by now.
    ///
    /// # Errors
    /// When it will never be.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds to what is to be sent.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends as much as goes without waiting.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Hands over what came, without waiting.
    ///
    /// # Errors
    /// When the connection is broken or closed, and what `take` returns.
    pub(super) fn read<E: From<io::Error>>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<Reading, E> {
        for _ in 0..READS {
            match self.stream.read(&mut self.buffer) {
                Ok(0) => {
                    let closed = io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed");
                    return Err(closed.into());
                }
                Ok(length) => take(&self.buffer[..length])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Reading::Done);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Reading::More)
    }
}
