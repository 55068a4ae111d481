//! A non-blocking connection, by TCP or a Unix socket, with TLS or without, and the bytes waiting to be sent on it.
//!
//! Knows edge-triggered readiness: after an event the socket counts as ready until the system says
//! "would block", and only then another event comes. TLS handshakes happen inside reading and
//! flushing. Knows nothing of HTTP.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// What carries the bytes.
#[derive(Debug)]
enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for Carrier {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Carrier::Tcp(stream) => stream.read(buffer),
            Carrier::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Carrier {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Carrier::Tcp(stream) => stream.write(bytes),
            Carrier::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Socket {
    carrier: Carrier,
    tls: Option<Box<ClientConnection>>,
    out: Vec<u8>,
    sent: usize,
    readable: bool,
    writable: bool,
    ended: bool,
}

impl Socket {
    /// Begins to connect; events come as `token`.
    pub(super) fn connect(
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Socket> {
        let mut tcp = TcpStream::connect(address)?;
        registry.register(&mut tcp, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket::over(Carrier::Tcp(tcp)))
    }

    /// Connects to a socket of this host; events come as `token`.
    pub(super) fn connect_unix(
        path: &str,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Socket> {
        let mut stream = UnixStream::connect(path)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Socket::over(Carrier::Unix(stream)))
    }

    fn over(carrier: Carrier) -> Socket {
        Socket {
            carrier,
            tls: None,
            out: Vec::new(),
            sent: 0,
            readable: false,
            writable: false,
            ended: false,
        }
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// Whether the connection is made. No answer yet is no error.
    pub(super) fn connected(&mut self) -> io::Result<bool> {
        if !self.writable {
            return Ok(false);
        }
        let tcp = match &self.carrier {
            Carrier::Tcp(tcp) => tcp,
            Carrier::Unix(stream) => {
                return stream.take_error()?.map_or(Ok(true), Err);
            }
        };
        if let Some(error) = tcp.take_error()? {
            return Err(error);
        }
        match tcp.peer_addr() {
            Ok(_) => {
                // Requests are small and answered at once; waiting to fill packets helps nobody.
                tcp.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => {
                self.writable = false;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// From here on everything goes through TLS.
    pub(super) fn start_tls(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> Result<(), rustls::Error> {
        self.tls = Some(Box::new(ClientConnection::new(config, name)?));
        Ok(())
    }

    /// Queues bytes; [`Socket::flush`] sends them.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends what can be sent now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            if !self.out.is_empty() {
                tls.writer().write_all(&self.out)?;
                self.out.clear();
            }
            while tls.wants_write() && self.writable {
                if let Err(error) = tls.write_tls(&mut self.carrier) {
                    later(error, &mut self.writable)?;
                }
            }
            return Ok(());
        }
        while self.sent < self.out.len() && self.writable {
            match self.carrier.write(&self.out[self.sent..]) {
                Ok(amount) => self.sent += amount,
                Err(error) => later(error, &mut self.writable)?,
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Reads decoded bytes; 0 at the end, `WouldBlock` when an event must be waited for.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.tls.is_some() {
            return self.read_tls(buffer);
        }
        while self.readable {
            match self.carrier.read(buffer) {
                Ok(amount) => return Ok(amount),
                Err(error) => later(error, &mut self.readable)?,
            }
        }
        Err(ErrorKind::WouldBlock.into())
    }

    fn read_tls(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(tls) = &mut self.tls else {
                return Err(ErrorKind::NotConnected.into());
            };
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                done => return done,
            }
            if self.ended {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if !self.readable {
                return Err(ErrorKind::WouldBlock.into());
            }
            match tls.read_tls(&mut self.carrier) {
                Ok(amount) => {
                    self.ended = amount == 0;
                    let processed = tls.process_new_packets();
                    // What came may want an answer: the next flight, or an alert.
                    let flushed = self.flush();
                    processed.map_err(io::Error::other)?;
                    flushed?;
                }
                Err(error) => later(error, &mut self.readable)?,
            }
        }
    }

    /// Whether TLS is spoken.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// "Would block" lowers the flag, "interrupted" means once more, anything else is an error.
fn later(error: io::Error, ready: &mut bool) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock => {
            *ready = false;
            Ok(())
        }
        ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
