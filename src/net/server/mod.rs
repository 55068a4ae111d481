//! An HTTP/1.1 server for few clients: one thread, many connections, nothing that can hang it.
//!
//! Used for the status pages and by the embedded receiver. Every client has a deadline in every
//! phase (`HTTP_*_TIMEOUT` in [`crate::limits`]); with all places taken, new clients wait in the
//! kernel's queue and the client that has been idle longest, or whose request or answer stands still, is
//! sent away for them. What answers hold that nobody takes is bounded: handlers are told what room
//! there is. A panic of the
//! handler costs that request only. The handler says whether a client is spoken to inside TLS. No
//! HTTP/2, no compression.

mod conversation;
mod line;
mod shell;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Poll, Token};
use rustls::ServerConfig;

use crate::http::server::request::{Request, RequestHead};
use crate::http::server::response::Response;
use crate::limits;
use crate::sys::clock::Clock;
use crate::sys::mailbox::{Doorbell, MailReceiver, MailSender, mailbox};
use crate::sys::thread;
use crate::telemetry::budget::MemoryBudget;

/// Answers requests, on the server's thread.
pub trait Handler: Send {
    /// Bytes of body that the route of this head takes.
    fn body_bytes_max(&self, head: &RequestHead) -> u64;

    /// Answers a request. Must be quick: every other client waits. What takes long is promised
    /// and answered later, from any thread.
    fn handle(&mut self, request: Request, promises: &Promises<'_>) -> Answer;

    /// Answers a request that was handed back by [`Reply::again`].
    fn handle_again(&mut self, request: Request, promises: &Promises<'_>) -> Answer {
        self.handle(request, promises)
    }

    /// How to speak TLS with a client that was just accepted; none for plain HTTP.
    fn tls(&mut self) -> Option<Arc<ServerConfig>> {
        None
    }

    /// Takes note that no TLS came about with a client.
    fn handshake_failed(&mut self, peer: SocketAddr, error: &str) {
        log::debug!(peer:% = peer, err = error; "no TLS with a client");
    }
}

/// What a handler says to a request.
#[derive(Debug)]
pub enum Answer {
    /// The response.
    Now(Response),
    /// It was promised: a [`Reply`] was taken and will be kept.
    Later,
}

/// Gives out the promise to answer the request at hand later.
#[derive(Debug)]
pub struct Promises<'a> {
    mail: &'a MailSender<Mail>,
    client: Token,
    peer: SocketAddr,
    room: usize,
}

impl Promises<'_> {
    /// Where the client is.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes that the answer should have at most: what others have not taken yet, and a shortage of
    /// memory, leave little. At least [`limits::HTTP_ANSWER_BYTES_MIN`].
    #[must_use]
    pub fn room(&self) -> usize {
        self.room
    }

    /// Promises an answer; return [`Answer::Later`] then.
    #[must_use]
    pub fn promise(&self) -> Reply {
        Reply {
            mail: Some(self.mail.clone()),
            client: self.client,
        }
    }
}

/// A promised answer. Dropping it unanswered tells the client that the server stops.
#[derive(Debug)]
pub struct Reply {
    mail: Option<MailSender<Mail>>,
    client: Token,
}

impl Reply {
    /// Answers.
    pub fn send(mut self, response: Response) {
        self.deliver(response);
    }

    /// Hands the request to the handler once more, instead of an answer: what it waited for is
    /// there.
    pub fn again(mut self, request: Request) {
        if let Some(mail) = self.mail.take() {
            // As for answers.
            let _nobody_waits = mail.try_send(Mail::Again(self.client, request));
        }
    }

    fn deliver(&mut self, response: Response) {
        if let Some(mail) = self.mail.take() {
            // Never full: it holds one answer per client. Gone means nobody waits any more.
            let _nobody_waits = mail.try_send(Mail::Answer(self.client, response));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.deliver(Response::text(503, "Service Unavailable"));
    }
}

/// What reaches the server's thread from outside.
#[derive(Debug)]
enum Mail {
    Answer(Token, Response),
    Again(Token, Request),
    Stop,
}

/// How a server behaves.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Name of its thread.
    pub thread_name: &'static str,
    /// Clients at once.
    pub clients_max: usize,
    /// How long a client may stay connected between two requests.
    pub idle_timeout: Duration,
    /// The memory budget: when it runs short, new clients are turned away.
    pub memory: MemoryBudget,
}

/// A running server. Dropping it stops the server without waiting for it.
#[derive(Debug)]
pub struct ServerHandle {
    mail: MailSender<Mail>,
    thread: Option<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

impl ServerHandle {
    /// The addresses it listens on, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether the thread has ended though nobody stopped it.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Stops: nothing new is accepted, requests under way are answered within
    /// [`limits::HTTP_STOP_TIMEOUT`]. Returns when the thread has ended; false if it panicked.
    pub fn stop(mut self) -> bool {
        let _already_gone = self.mail.send(Mail::Stop);
        self.thread
            .take()
            .is_none_or(|thread| thread.join().is_ok())
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        let _already_gone = self.mail.try_send(Mail::Stop);
    }
}

/// Listens on `host:port`. An empty host means every address, over IPv6 and IPv4.
///
/// # Errors
/// When the address cannot be resolved or is taken.
pub fn bind(address: &str) -> io::Result<TcpListener> {
    match address.strip_prefix(':') {
        Some(port) => {
            TcpListener::bind(format!("[::]:{port}")).or_else(|error| match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ => TcpListener::bind(format!("0.0.0.0:{port}")),
            })
        }
        None => {
            let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
            TcpListener::bind(addresses.as_slice())
        }
    }
}

/// Starts a server on listeners that are already bound, so that a taken port is known early.
///
/// # Errors
/// When the system gives no poll or no thread.
pub fn start(
    listeners: Vec<TcpListener>,
    handler: Box<dyn Handler>,
    options: ServerOptions,
    clock: Arc<dyn Clock>,
) -> io::Result<ServerHandle> {
    let poll = Poll::new()?;
    let capacity = options.clients_max + limits::HTTP_MAIL_SPARE;
    let (mail, inbox): (MailSender<Mail>, MailReceiver<Mail>) =
        mailbox(&Doorbell::new(poll.registry(), shell::MAIL)?, capacity);
    let mut addresses = Vec::new();
    for listener in &listeners {
        addresses.push(listener.local_addr()?);
    }
    let doors = shell::Doors {
        poll,
        inbox,
        mail: mail.clone(),
        clock,
    };
    let thread_name = options.thread_name;
    let server = shell::Server::new(doors, listeners, handler, options)?;
    let thread = thread::spawn(thread_name, move || server.run())?;
    Ok(ServerHandle {
        mail,
        thread: Some(thread),
        addresses,
    })
}

#[cfg(test)]
mod tests;
