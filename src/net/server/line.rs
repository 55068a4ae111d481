//! A client's connection, plain or inside TLS, with the reads and writes of a socket.
//!
//! Inside TLS, bytes count as written once the last of their ciphertext is with the system: whoever
//! closes the connection then loses nothing. A client that speaks plain HTTP to a TLS port is told so.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{ServerConfig, ServerConnection};

use crate::limits;

/// Plaintext that is encrypted at a time: one record of TLS.
const RECORD_BYTES: usize = 16 * 1024;

/// First byte of every conversation in TLS: the type of a handshake record.
const HANDSHAKE: u8 = 0x16;

/// What Go's server says to it.
const NOT_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

#[derive(Debug)]
pub(super) enum Line {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

#[derive(Debug)]
pub(super) struct Secure {
    stream: TcpStream,
    session: ServerConnection,
    /// Plaintext whose ciphertext is not all with the system yet.
    unreported: usize,
    has_spoken: bool,
}

/// Why a line broke before a request could be read: no agreement about TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("client sent an HTTP request to an HTTPS server")]
    NotTls,
    #[error("tls: {0}")]
    Tls(rustls::Error),
}

impl Line {
    /// A line over a new connection.
    pub(super) fn new(
        stream: TcpStream,
        tls: Option<Arc<ServerConfig>>,
    ) -> Result<Line, rustls::Error> {
        let Some(tls) = tls else {
            return Ok(Line::Plain(stream));
        };
        Ok(Line::Secure(Box::new(Secure {
            stream,
            session: ServerConnection::new(tls)?,
            unreported: 0,
            has_spoken: false,
        })))
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.read(buffer),
            Line::Secure(secure) => secure.read(buffer),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.write(bytes),
            Line::Secure(secure) => secure.write(bytes),
        }
    }

    /// Whether something is to be written beside what the conversation says.
    pub(super) fn wants_write(&self) -> bool {
        match self {
            Line::Plain(_) => false,
            Line::Secure(secure) => secure.unreported == 0 && secure.session.wants_write(),
        }
    }

    /// Writes that.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(_) => Ok(()),
            Line::Secure(secure) => secure.flush(),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let stream = match self {
            Line::Plain(stream) => stream,
            Line::Secure(secure) => {
                secure.session.send_close_notify();
                // A client that takes nothing any more need not be told.
                let _full = secure.flush();
                &mut secure.stream
            }
        };
        stream.shutdown(Shutdown::Write)
    }
}

impl Secure {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.has_spoken {
            self.listen_first(buffer)?;
        }
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Gone without a farewell; the request says itself whether it is whole.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if self.session.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let was_handshaking = self.session.is_handshaking();
            let taken = self.session.process_new_packets();
            match self.flush() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                flushed => flushed?,
            }
            if let Err(error) = taken {
                self.drain(buffer);
                return Err(if was_handshaking {
                    io::Error::new(ErrorKind::InvalidData, HandshakeError::Tls(error))
                } else {
                    io::Error::new(ErrorKind::InvalidData, error)
                });
            }
        }
    }

    /// Looks at the first byte.
    fn listen_first(&mut self, scratch: &mut [u8]) -> io::Result<()> {
        let mut first = [HANDSHAKE];
        if self.stream.peek(&mut first)? == 1 && first[0].is_ascii_uppercase() {
            self.drain(scratch);
            // Best effort: the connection is closed either way.
            let _unread = self.stream.write(NOT_TLS);
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                HandshakeError::NotTls,
            ));
        }
        self.has_spoken = true;
        Ok(())
    }

    /// Throws away what has arrived: unread, it would turn the end of the connection into a reset,
    /// and the client would not read why.
    fn drain(&mut self, scratch: &mut [u8]) {
        for _ in 0..limits::HTTP_ROUNDS {
            if !matches!(self.stream.read(scratch), Ok(1..)) {
                return;
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.unreported == 0 {
            let piece = &bytes[..bytes.len().min(RECORD_BYTES)];
            self.unreported = self.session.writer().write(piece)?;
        }
        self.flush()?;
        Ok(std::mem::take(&mut self.unreported))
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.stream)?;
        }
        Ok(())
    }
}
