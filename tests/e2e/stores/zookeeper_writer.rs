//! A client that writes to ZooKeeper: made for the tests alone, so that what reads is not checked by
//! itself.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::wait;

const READ: i32 = 1;
const EVERYTHING: i32 = 31;

/// A session.
pub(crate) struct Writer {
    stream: TcpStream,
    xid: i32,
}

fn text(message: &mut Vec<u8>, bytes: &[u8]) {
    message.extend(i32::try_from(bytes.len()).expect("short").to_be_bytes());
    message.extend(bytes);
}

impl Writer {
    /// Opens a session that the server ends this long after it last heard of it.
    pub(crate) fn open(port: u16, timeout_ms: i32) -> Writer {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a server");
        stream
            .set_read_timeout(Some(wait::LONG))
            .expect("a timeout");
        let mut writer = Writer { stream, xid: 0 };
        let mut hello = vec![0; 12];
        hello.extend(timeout_ms.to_be_bytes());
        hello.extend([0; 8]);
        text(&mut hello, &[0; 16]);
        writer.send(&hello);
        let answer = writer.receive();
        assert!(
            answer.len() >= 16 && answer[8..16] != [0; 8],
            "no session: {answer:?}"
        );
        writer
    }

    fn send(&mut self, message: &[u8]) {
        let mut frame = Vec::new();
        text(&mut frame, message);
        self.stream.write_all(&frame).expect("sent");
    }

    fn receive(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("an answer");
        let mut message = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
        self.stream.read_exact(&mut message).expect("an answer");
        message
    }

    fn call(&mut self, op: i32, path: &str, rest: &[u8]) {
        self.xid += 1;
        let mut message = [self.xid.to_be_bytes(), op.to_be_bytes()].concat();
        text(&mut message, path.as_bytes());
        message.extend(rest);
        self.send(&message);
        let answer = self.receive();
        assert_eq!(answer[..4], self.xid.to_be_bytes(), "the answer to this");
        let error = i32::from_be_bytes(answer[12..16].try_into().expect("four bytes"));
        assert_eq!(error, 0, "operation {op} on {path}");
    }

    fn create_as(&mut self, path: &str, data: &str, rights: i32, flags: i32) {
        let mut rest = Vec::new();
        text(&mut rest, data.as_bytes());
        // One rule: what everybody may do.
        rest.extend([1i32.to_be_bytes(), rights.to_be_bytes()].concat());
        text(&mut rest, b"world");
        text(&mut rest, b"anyone");
        rest.extend(flags.to_be_bytes());
        self.call(1, path, &rest);
    }

    /// Makes a node.
    pub(crate) fn create(&mut self, path: &str, data: &str) {
        self.create_as(path, data, EVERYTHING, 0);
    }

    /// Makes a node that nobody may read.
    pub(crate) fn create_hidden(&mut self, path: &str, data: &str) {
        self.create_as(path, data, EVERYTHING & !READ, 0);
    }

    /// Makes a node that goes with this session.
    pub(crate) fn create_ephemeral(&mut self, path: &str, data: &str) {
        self.create_as(path, data, EVERYTHING, 1);
    }

    /// Keeps the session from ending.
    pub(crate) fn ping(&mut self) {
        self.send(&[(-2i32).to_be_bytes(), 11i32.to_be_bytes()].concat());
        let answer = self.receive();
        assert_eq!(answer[..4], (-2i32).to_be_bytes(), "a ping");
    }

    /// Replaces the data of a node.
    pub(crate) fn set(&mut self, path: &str, data: &str) {
        let mut rest = Vec::new();
        text(&mut rest, data.as_bytes());
        rest.extend((-1i32).to_be_bytes());
        self.call(5, path, &rest);
    }

    /// Removes a node without children.
    pub(crate) fn delete(&mut self, path: &str) {
        self.call(2, path, &(-1i32).to_be_bytes());
    }
}
