//! The messages of ZooKeeper's protocol that reading a tree takes, and how they are framed.
//!
//! Every message has its length before it. The first in each direction opens the session; later ones
//! have a header with the number of the request (`xid`), which tells answers, pings and watch events
//! apart. Nothing here reads or writes a socket. Pure.

use super::jute::{JuteError, Reader, Writer};
use crate::limits;

/// The number of pings.
pub(super) const XID_PING: i32 = -2;
/// The number of watch events.
pub(super) const XID_EVENT: i32 = -1;

const OP_EXISTS: i32 = 3;
const OP_GET_DATA: i32 = 4;
const OP_GET_CHILDREN: i32 = 8;
const OP_PING: i32 = 11;
const OP_CLOSE: i32 = -11;

/// Bytes of a session's password. Servers make 16.
const PASSWORD_MAX: usize = 64;

/// What is asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum What {
    /// Whether it is there. The only question that leaves a watch on a node that is not.
    Exists,
    /// Its data.
    Data,
    /// The names of its children.
    Children,
}

/// A question about a node. All leave a watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Question {
    /// What is asked.
    pub(super) what: What,
    /// The path of the node.
    pub(super) path: String,
}

/// What a server says of a node that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// That it is.
    Exists,
    /// Its data.
    Data(Vec<u8>),
    /// The names of its children, in no order.
    Children(Vec<String>),
}

/// An error code of a server. The numbers are ZooKeeper's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(pub i32);

impl Code {
    /// The node does not exist.
    pub(super) const NO_NODE: Code = Code(-101);
    /// We may not look at the node.
    pub(super) const NO_AUTH: Code = Code(-102);
    /// The session is over.
    pub(super) const SESSION_EXPIRED: Code = Code(-112);
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            -1 => "system error",
            -3 => "data inconsistency",
            -4 => "connection loss",
            -5 => "marshalling error",
            -6 => "unimplemented",
            -7 => "operation timeout",
            -8 => "bad arguments",
            -101 => "no node",
            -102 => "not authorised",
            -112 => "session expired",
            -115 => "authentication failed",
            -118 => "session moved",
            _ => "error",
        };
        write!(f, "{name} ({})", self.0)
    }
}

/// What happened to a node that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is there now.
    Created,
    /// It is gone.
    Deleted,
    /// It has other data.
    Data,
    /// It has other children.
    Children,
}

/// A session that is to be opened, or gone on with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening<'s> {
    /// The newest state that we have seen. A server that is behind it turns us away.
    pub(super) zxid: i64,
    /// The timeout we would like, in milliseconds.
    pub(super) timeout: i32,
    /// The session; 0 for a new one.
    pub(super) id: i64,
    /// Its password; empty for a new one.
    pub(super) password: &'s [u8],
}

/// The frame that opens a session.
#[must_use]
pub(super) fn open(opening: &Opening<'_>) -> Vec<u8> {
    Writer::default()
        .i32(0)
        .i64(opening.zxid)
        .i32(opening.timeout)
        .i64(opening.id)
        .buffer(opening.password)
        .bool(false)
        .frame()
}

/// The frame of a question.
#[must_use]
pub(super) fn ask(xid: i32, question: &Question) -> Vec<u8> {
    let op = match question.what {
        What::Exists => OP_EXISTS,
        What::Data => OP_GET_DATA,
        What::Children => OP_GET_CHILDREN,
    };
    let header = Writer::default().i32(xid).i32(op);
    header.buffer(question.path.as_bytes()).bool(true).frame()
}

/// The frame of a ping.
#[must_use]
pub(super) fn ping() -> Vec<u8> {
    Writer::default().i32(XID_PING).i32(OP_PING).frame()
}

/// The frame that ends a session.
#[must_use]
pub(super) fn close(xid: i32) -> Vec<u8> {
    Writer::default().i32(xid).i32(OP_CLOSE).frame()
}

/// What a server granted.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Granted {
    /// The session's timeout in milliseconds; 0 or less when the session is over.
    pub(super) timeout: i32,
    /// The session.
    pub(super) id: i64,
    /// Its password.
    pub(super) password: Vec<u8>,
}

impl std::fmt::Debug for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Granted {{ timeout: {}, id: {:#x} }}",
            self.timeout, self.id
        )
    }
}

/// Reads the answer to [`open`].
///
/// # Errors
/// When it is none.
pub(super) fn granted(message: &[u8]) -> Result<Granted, JuteError> {
    let mut reader = Reader::new(message);
    let _version = reader.i32()?;
    let (timeout, id) = (reader.i32()?, reader.i64()?);
    let password = reader.buffer()?;
    if password.len() > PASSWORD_MAX {
        return Err(JuteError::Length(
            i32::try_from(password.len()).unwrap_or(i32::MAX),
        ));
    }
    Ok(Granted {
        timeout,
        id,
        password: password.to_vec(),
    })
}

/// The header of what follows the first message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Which request it answers, [`XID_PING`] or [`XID_EVENT`].
    pub(super) xid: i32,
    /// The newest state that the server had applied; not positive where it does not say.
    pub(super) zxid: i64,
    /// The error; none if all is well.
    pub(super) error: Option<Code>,
}

/// Reads the header and returns what follows it.
///
/// # Errors
/// When the message is too short.
pub(super) fn header(message: &[u8]) -> Result<(Header, Reader<'_>), JuteError> {
    let mut reader = Reader::new(message);
    let (xid, zxid, error) = (reader.i32()?, reader.i64()?, reader.i32()?);
    let error = (error != 0).then_some(Code(error));
    Ok((Header { xid, zxid, error }, reader))
}

/// Reads the answer to a question that has no error.
///
/// # Errors
/// When it is none.
pub(super) fn answer(what: What, mut reader: Reader<'_>) -> Result<Answer, JuteError> {
    Ok(match what {
        What::Exists => Answer::Exists,
        What::Data => Answer::Data(reader.buffer()?.to_vec()),
        What::Children => Answer::Children(reader.texts()?),
    })
}

/// Reads a watch event: what happened to which node. Nothing for events about the session, which is
/// known from the connection anyway.
///
/// # Errors
/// When it is none.
pub(super) fn event(mut reader: Reader<'_>) -> Result<Option<(Change, String)>, JuteError> {
    let (kind, _state) = (reader.i32()?, reader.i32()?);
    let path = reader.text()?;
    let change = match kind {
        1 => Change::Created,
        2 => Change::Deleted,
        3 => Change::Data,
        4 => Change::Children,
        _ => return Ok(None),
    };
    Ok(Some((change, path.to_owned())))
}

/// A message longer than [`limits::ZK_FRAME_BYTES`], or one of negative length: what is there speaks
/// another protocol, or means ill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message of {length} bytes; {limit} are allowed", length = .0, limit = limits::ZK_FRAME_BYTES)]
pub(super) struct FrameError(pub i32);

/// Cuts a stream of bytes into messages. They hold a password, so they are not printed.
#[derive(Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
}

impl std::fmt::Debug for Frames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frames({} bytes)", self.bytes.len() - self.start)
    }
}

impl Frames {
    /// Takes bytes in, however the stream was cut.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.start));
        if self.bytes.is_empty() && self.bytes.capacity() > limits::ZK_READ_BYTES {
            // A large message is rare; its room is not kept.
            self.bytes = Vec::new();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if it is there as a whole.
    ///
    /// # Errors
    /// When its length cannot be right. The stream is then of no use any more.
    pub(super) fn message(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let Some((head, rest)) = self.bytes[self.start..].split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = i32::from_be_bytes(*head);
        let size = usize::try_from(length).map_err(|_| FrameError(length))?;
        if size > limits::ZK_FRAME_BYTES {
            return Err(FrameError(length));
        }
        if rest.len() < size {
            return Ok(None);
        }
        let begin = self.start + 4;
        self.start = begin + size;
        Ok(Some(&self.bytes[begin..self.start]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(stream: &[u8], pieces: &[usize]) -> Result<Vec<Vec<u8>>, FrameError> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        let mut rest = stream;
        let mut sizes = pieces.iter().copied().chain(std::iter::repeat(7));
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(7).clamp(1, rest.len());
            let (piece, more) = rest.split_at(size);
            rest = more;
            frames.push(piece);
            while let Some(message) = frames.message()? {
                found.push(message.to_vec());
            }
        }
        Ok(found)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_cut_of_the_stream_gives_the_same_messages(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
            pieces in prop::collection::vec(0..40usize, 0..40),
        ) {
            let framed = |message: &Vec<u8>| Writer::default().buffer(message).frame()[4..].to_vec();
            let stream: Vec<u8> = messages.iter().flat_map(framed).collect();
            prop_assert_eq!(cut(&stream, &pieces), Ok(messages));
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _framed = cut(&bytes, &[]);
            let _granted = granted(&bytes);
            if let Ok((_, reader)) = header(&bytes) {
                let _event = event(reader);
                for what in [What::Exists, What::Data, What::Children] {
                    let _answer = answer(what, reader);
                }
            }
        }
    }

    #[test]
    fn lengths_beyond_the_limit_end_the_stream() {
        let mut frames = Frames::default();
        frames.push(&(limits::ZK_FRAME_BYTES as i32 + 1).to_be_bytes());
        assert!(frames.message().is_err());
        let mut frames = Frames::default();
        frames.push(&(-5i32).to_be_bytes());
        assert_eq!(frames.message(), Err(FrameError(-5)));
        let mut frames = Frames::default();
        frames.push(b"HTTP/1.1 400 Bad Request\r\n");
        assert!(frames.message().is_err(), "another protocol");
    }

    #[test]
    fn questions_look_as_servers_expect_them() {
        let question = Question {
            what: What::Children,
            path: "/ab".to_owned(),
        };
        let expected = [
            &[0, 0, 0, 16][..],
            &[0, 0, 0, 9],
            &[0, 0, 0, 8],
            &[0, 0, 0, 3],
            b"/ab",
            &[1],
        ];
        assert_eq!(ask(9, &question), expected.concat());
        assert_eq!(ping(), [0, 0, 0, 8, 255, 255, 255, 254, 0, 0, 0, 11]);
        assert_eq!(close(3), [0, 0, 0, 8, 0, 0, 0, 3, 255, 255, 255, 245]);
        let opening = Opening {
            zxid: 1,
            timeout: 2,
            id: 3,
            password: b"pw",
        };
        assert_eq!(open(&opening).len(), 4 + 4 + 8 + 4 + 8 + (4 + 2) + 1);
    }

    #[test]
    fn passwords_are_not_printed() {
        let granted = Granted {
            timeout: 1,
            id: 2,
            password: b"hunter2".to_vec(),
        };
        assert!(!format!("{granted:?}").contains("hunter"));
        assert!(!format!("{granted:?}").contains("104"));
    }
}
