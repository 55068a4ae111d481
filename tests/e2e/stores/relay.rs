//! A door to a server that can be shut: connections are cut and new ones refused.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use narthex::sys::thread::spawn;
use parking_lot::Mutex;

use crate::support::ports;

/// The door.
pub(crate) struct Relay {
    pub(crate) port: u16,
    to: u16,
    open: Option<Open>,
}

struct Open {
    stop: Arc<AtomicBool>,
    streams: Arc<Mutex<Vec<TcpStream>>>,
    thread: JoinHandle<()>,
}

impl Relay {
    /// An open door to a port of 127.0.0.1.
    pub(crate) fn open(to: u16) -> Relay {
        let mut relay = Relay {
            port: ports::free(),
            to,
            open: None,
        };
        relay.reopen();
        relay
    }

    /// Opens it again.
    pub(crate) fn reopen(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).expect("the port is ours");
        let stop = Arc::new(AtomicBool::new(false));
        let streams = Arc::new(Mutex::new(Vec::new()));
        let (stopped, list, to) = (Arc::clone(&stop), Arc::clone(&streams), self.to);
        let thread = spawn("relay", move || serve(&listener, to, &stopped, &list));
        self.open = Some(Open {
            stop,
            streams,
            thread: thread.expect("a thread"),
        });
    }

    /// Shuts it. Connections are refused when this returns.
    pub(crate) fn shut(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        open.stop.store(true, Ordering::Release);
        // Wakes the thread.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        open.thread.join().expect("no panic");
        for stream in open.streams.lock().drain(..) {
            let _gone = stream.shutdown(Shutdown::Both);
        }
    }

    /// The ports from which it is connected to the server.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let open = self.open.as_ref().expect("open");
        let streams = open.streams.lock();
        let to_server = streams.iter().filter(|one| {
            let peer = one.peer_addr();
            peer.is_ok_and(|peer| peer.port() == self.to)
        });
        let locals = to_server.filter_map(|one| one.local_addr().ok());
        locals.map(|local| local.port()).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shut();
    }
}

fn serve(listener: &TcpListener, to: u16, stop: &AtomicBool, streams: &Mutex<Vec<TcpStream>>) {
    while let Ok((client, _)) = listener.accept() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        // A client of a server that is away is cut off as well.
        let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
            continue;
        };
        let pair = [&client, &server].map(|stream| stream.try_clone().expect("a second handle"));
        streams.lock().extend(pair);
        let (back, there) = (
            (
                server.try_clone().expect("a handle"),
                client.try_clone().expect("a handle"),
            ),
            (client, server),
        );
        for (from, to) in [back, there] {
            drop(spawn("relay-copy", move || copy(from, to)).expect("a thread"));
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ended = io::copy(&mut from, &mut to);
    let _gone = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
