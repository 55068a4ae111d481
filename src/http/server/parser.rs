//! Reads requests, one after another, from however the bytes arrive.
//!
//! The parser holds at most one head ([`limits::HTTP_HEAD_BYTES_MAX`]) and one body of the size
//! that the route allows. After a [`Refusal`] the connection must be closed: where the next
//! request begins is then unknown.

use crate::limits;

use super::chunked::ChunkedDecoder;
use super::request::{Method, Request, RequestHead};

/// Why a request is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not HTTP.
    #[error("malformed request")]
    Malformed,
    /// A method we have no use for at all.
    #[error("method not supported")]
    Method,
    /// A target that is no path.
    #[error("malformed request target")]
    Target,
    /// HTTP/1.1 without exactly one Host header.
    #[error("missing or repeated Host header")]
    Host,
    /// A request line that is too long.
    #[error("request line too long")]
    LineTooLong,
    /// Too many headers, or too long ones.
    #[error("request header fields too large")]
    HeadTooLarge,
    /// No length, two lengths, or a length and chunks.
    #[error("malformed or ambiguous body length")]
    Length,
    /// A transfer coding other than chunks.
    #[error("transfer coding not supported")]
    Coding,
    /// Broken chunks.
    #[error("malformed chunk")]
    BadChunk,
    /// A body beyond what the route takes.
    #[error("request body too large")]
    BodyTooLarge,
    /// An expectation other than `100-continue`.
    #[error("expectation not supported")]
    Expectation,
}

impl Refusal {
    /// The status that tells the client.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Refusal::Malformed
            | Refusal::Target
            | Refusal::Host
            | Refusal::Length
            | Refusal::BadChunk => 400,
            Refusal::BodyTooLarge => 413,
            Refusal::LineTooLong => 414,
            Refusal::Expectation => 417,
            Refusal::HeadTooLarge => 431,
            Refusal::Method | Refusal::Coding => 501,
        }
    }
}

/// What reading has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    NeedMore,
    /// The client waits for `100 Continue` before it sends its body.
    Continue,
    /// A request. The parser is ready for the next.
    Complete(Request),
}

/// How the rest of a body is found.
#[derive(Debug)]
enum Framing {
    Length(u64),
    Chunked(ChunkedDecoder),
}

/// A request whose body is still arriving.
#[derive(Debug)]
struct Partial {
    request: Request,
    framing: Framing,
    body_bytes_max: u64,
    must_continue: bool,
}

/// Reads requests.
#[derive(Debug, Default)]
pub struct RequestParser {
    /// Bytes of the input in which the end of the head was already looked for.
    searched: usize,
    /// Empty lines read over before the request.
    empty_lines: usize,
    partial: Option<Partial>,
}

impl RequestParser {
    /// Whether a request has begun: a head was read and its body is missing.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        self.partial.is_some()
    }

    /// Reads on, removing from `input` what was used. `body_bytes_max` says how large a body the
    /// route of a head takes.
    ///
    /// # Errors
    /// When the request cannot be accepted; the connection must then be closed.
    pub fn read(
        &mut self,
        input: &mut Vec<u8>,
        body_bytes_max: &dyn Fn(&RequestHead) -> u64,
    ) -> Result<Step, Refusal> {
        if self.partial.is_none() {
            let Some(partial) = self.read_head(input, body_bytes_max)? else {
                return Ok(Step::NeedMore);
            };
            self.partial = Some(partial);
        }
        self.read_body(input)
    }

    fn read_head(
        &mut self,
        input: &mut Vec<u8>,
        body_bytes_max: &dyn Fn(&RequestHead) -> u64,
    ) -> Result<Option<Partial>, Refusal> {
        if self.searched == 0 {
            // RFC 9112, 2.2: an empty line before a request is not part of it.
            let pairs = input.chunks_exact(2);
            let empty = pairs.take_while(|pair| pair == b"\r\n").count();
            self.empty_lines += empty;
            if self.empty_lines > limits::HTTP_EMPTY_LINES_MAX {
                return Err(Refusal::Malformed);
            }
            input.drain(..2 * empty);
        }
        let from = self.searched.saturating_sub(3);
        let Some(end) = memchr::memmem::find(&input[from..], b"\r\n\r\n") else {
            // A lone CR may be the first half of such a line: look at it again with its LF.
            self.searched = if input.as_slice() == b"\r" {
                0
            } else {
                input.len()
            };
            return check_unfinished(input).map(|()| None);
        };
        let end = from + end + 4;
        self.searched = 0;
        self.empty_lines = 0;
        let head = parse_head(&input[..end])?;
        let framing = framing(&head)?;
        let partial = Partial {
            must_continue: expects_continue(&head)?,
            body_bytes_max: body_bytes_max(&head.head),
            request: Request {
                head: head.head,
                body: Vec::new(),
            },
            framing,
        };
        if matches!(partial.framing, Framing::Length(length) if length > partial.body_bytes_max) {
            return Err(Refusal::BodyTooLarge);
        }
        input.drain(..end);
        Ok(Some(partial))
    }

    fn read_body(&mut self, input: &mut Vec<u8>) -> Result<Step, Refusal> {
        let Some(mut partial) = self.partial.take() else {
            return Ok(Step::NeedMore);
        };
        let asked = std::mem::take(&mut partial.must_continue);
        if partial.take_from(input)? {
            return Ok(Step::Complete(partial.request));
        }
        let silent = input.is_empty() && partial.request.body.is_empty();
        self.partial = Some(partial);
        Ok(if asked && silent {
            Step::Continue
        } else {
            Step::NeedMore
        })
    }
}

impl Partial {
    /// Moves body bytes over; true when the body is whole.
    fn take_from(&mut self, input: &mut Vec<u8>) -> Result<bool, Refusal> {
        let body = &mut self.request.body;
        match &mut self.framing {
            Framing::Length(length) => {
                let missing = *length - body.len() as u64;
                let take = missing.min(input.len() as u64) as usize;
                body.extend(input.drain(..take));
                Ok(body.len() as u64 == *length)
            }
            Framing::Chunked(decoder) => {
                let read = decoder.read(input, body, self.body_bytes_max)?;
                input.drain(..read);
                Ok(decoder.is_done())
            }
        }
    }
}

/// Whether the beginning of a head may still become one.
fn check_unfinished(input: &[u8]) -> Result<(), Refusal> {
    let line_end = memchr::memchr(b'\n', input);
    let line = line_end.unwrap_or(input.len());
    if line > limits::HTTP_REQUEST_LINE_BYTES_MAX {
        return Err(Refusal::LineTooLong);
    }
    if input.len() > limits::HTTP_HEAD_BYTES_MAX {
        return Err(Refusal::HeadTooLarge);
    }
    // A TLS handshake or other noise is told at once, not after the header deadline.
    let is_noise = input
        .first()
        .is_some_and(|byte| !byte.is_ascii_graphic() && *byte != b'\r');
    if is_noise {
        Err(Refusal::Malformed)
    } else {
        Ok(())
    }
}

/// A head and the version it was sent with.
struct ParsedHead {
    head: RequestHead,
    is_1_1: bool,
}

fn parse_head(bytes: &[u8]) -> Result<ParsedHead, Refusal> {
    let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    if line > limits::HTTP_REQUEST_LINE_BYTES_MAX {
        return Err(Refusal::LineTooLong);
    }
    if bytes.len() > limits::HTTP_HEAD_BYTES_MAX {
        return Err(Refusal::HeadTooLarge);
    }
    let bare = memchr::memchr_iter(b'\n', bytes).any(|at| at == 0 || bytes[at - 1] != b'\r');
    if bare {
        return Err(Refusal::Malformed);
    }
    let mut headers = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) if used == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLarge),
        _ => return Err(Refusal::Malformed),
    }
    let is_1_1 = request.version == Some(1);
    let (path, query) = split_target(request.path.unwrap_or(""))?;
    let method = request.method.unwrap_or("");
    if matches!(method, "CONNECT" | "TRACE") {
        return Err(Refusal::Method);
    }
    let mut head = RequestHead {
        method: Method::from_name(method),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: owned_headers(request.headers),
        keep_alive: is_1_1,
    };
    head.keep_alive = keeps_alive(&head, is_1_1);
    let hosts = head.header_values("host").count();
    if hosts > 1 || (is_1_1 && hosts == 0) {
        return Err(Refusal::Host);
    }
    Ok(ParsedHead { head, is_1_1 })
}

fn owned_headers(headers: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let pairs = headers.iter().map(|header| {
        let value = header.value.trim_ascii().to_vec();
        (header.name.to_ascii_lowercase(), value)
    });
    pairs.collect()
}

/// Path and query of a target in origin form, or in absolute form, whose host does not matter to
/// a server with one site.
fn split_target(target: &str) -> Result<(&str, &str), Refusal> {
    let scheme_end = target.find("://").filter(|_| !target.starts_with('/'));
    let origin = match scheme_end {
        Some(end) if matches!(&target[..end], "http" | "https") => {
            let authority = &target[end + 3..];
            authority.find('/').map_or("/", |slash| &authority[slash..])
        }
        _ => target,
    };
    if origin != "*" && !origin.starts_with('/') {
        return Err(Refusal::Target);
    }
    let origin = origin.split('#').next().unwrap_or(origin);
    Ok(origin.split_once('?').unwrap_or((origin, "")))
}

fn keeps_alive(head: &RequestHead, is_1_1: bool) -> bool {
    let says = |option: &str| {
        let mut values = head.header_values("connection");
        values.any(|value| {
            let mut options = value.split(|byte| *byte == b',');
            options.any(|own| own.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
        })
    };
    !says("close") && (is_1_1 || says("keep-alive"))
}

fn framing(parsed: &ParsedHead) -> Result<Framing, Refusal> {
    let mut codings = parsed.head.header_values("transfer-encoding");
    let mut lengths = parsed.head.header_values("content-length");
    match (codings.next(), lengths.next(), lengths.next()) {
        (None, None, _) => Ok(Framing::Length(0)),
        (None, Some(length), None) => content_length(length),
        (Some(coding), None, _) if parsed.is_1_1 => {
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
            let chunked = || Framing::Chunked(ChunkedDecoder::default());
            is_chunked.then(chunked).ok_or(Refusal::Coding)
        }
        _ => Err(Refusal::Length),
    }
}

fn content_length(text: &[u8]) -> Result<Framing, Refusal> {
    let is_plain = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    if !is_plain {
        return Err(Refusal::Length);
    }
    let length = text
        .iter()
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(Framing::Length(length))
}

fn expects_continue(parsed: &ParsedHead) -> Result<bool, Refusal> {
    match parsed.head.header("expect") {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("100-continue") => Ok(parsed.is_1_1),
        Some(_) => Err(Refusal::Expectation),
    }
}
