//! The response to one GET, from bytes to head and body: a state machine without sockets.
//!
//! Fed with whatever pieces arrive; the result does not depend on where they were cut. Interim
//! (1xx) responses are skipped. Bodies may be delimited by length, chunks or the end of the
//! connection. Only the body of a 200 is collected, undecoded, up to a limit. Any doubt about
//! framing makes the connection unfit for another request. Bounds: [`limits::HTTP_HEAD_BYTES`] for
//! all heads together, 128 headers, the caller's limit for the body.
//! Implements RFC 9112 on the state machine of `ureq-proto`.

use http::{HeaderMap, Response, header};
use ureq_proto::client::state::{Prepare, RecvBody, RecvResponse};
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::{BodyMode, Error};

use crate::limits;

/// What a scrape wants to know of a response head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code, 101 or 200 to 999.
    pub status: u16,
    /// The phrase behind it, as sent, printable ASCII only, at most 100 characters.
    pub reason: String,
    /// `Content-Type`, if it is text.
    pub content_type: Option<String>,
    /// Whether `Content-Encoding` is gzip.
    pub gzip: bool,
    /// `Location`, if it is text.
    pub location: Option<String>,
}

/// Why a response is unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// Not HTTP, or broken HTTP.
    #[error("malformed HTTP response {0:?}")]
    Malformed(String),
    /// The head, interim ones included, exceeds [`limits::HTTP_HEAD_BYTES`] or 128 headers.
    #[error(
        "server response headers exceeded {} bytes or 128 headers; aborted",
        limits::HTTP_HEAD_BYTES
    )]
    HeadTooLarge,
    /// A transfer encoding other than chunked.
    #[error("unsupported transfer encoding")]
    TransferEncoding,
    /// Broken chunks.
    #[error("malformed chunked encoding")]
    Chunks,
    /// As many body bytes as the limit, or more.
    #[error("body size limit exceeded")]
    BodyTooLarge,
    /// The connection ended before or inside the head.
    #[error("EOF")]
    Eof,
    /// The connection ended inside the body.
    #[error("unexpected EOF")]
    UnexpectedEof,
}

/// Receives one response.
pub struct Exchange {
    state: State,
    /// Bytes that are not enough yet: part of a head, of a chunk's size line or of a trailer.
    pending: Vec<u8>,
    /// How much of the pending head is known to hold no end.
    scanned: usize,
    head: Option<ResponseHead>,
    head_bytes: usize,
    /// Body bytes seen, collected or not.
    body_bytes: u64,
    /// Input used since the last body byte: bounds trailers.
    barren: usize,
    /// Limit in bytes of a plain body; 0 for none.
    limit: u64,
    started: bool,
    reusable: bool,
}

enum State {
    Head(Box<Call<RecvResponse>>),
    Body(Box<Call<RecvBody>>),
    Done,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("head", &self.head)
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// Waits for a response whose decoded body must stay below `limit` bytes; 0 for no limit.
    ///
    /// # Errors
    /// Never in practice: the fixed request it begins with is valid.
    pub fn new(limit: u64) -> Result<Exchange, ExchangeError> {
        let call = begin().ok_or_else(|| ExchangeError::Malformed(String::new()))?;
        Ok(Exchange {
            state: State::Head(Box::new(call)),
            pending: Vec::new(),
            scanned: 0,
            head: None,
            head_bytes: 0,
            body_bytes: 0,
            barren: 0,
            limit,
            started: false,
            reusable: false,
        })
    }

    /// Takes in bytes from the connection; appends those of a wanted body to `body`.
    ///
    /// # Errors
    /// When the response is unusable; the connection is then to be closed.
    pub fn receive(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<(), ExchangeError> {
        self.started |= !input.is_empty();
        if self.pending.is_empty() {
            let used = self.take(input, body)?;
            self.pending.extend_from_slice(&input[used..]);
        } else if matches!(self.state, State::Body(_)) && !ends_line(&self.pending, input) {
            // A line between chunks: looked at again only when it ends, or single bytes would cost the
            // square of their number.
            self.pending.extend_from_slice(input);
        } else {
            let mut joined = std::mem::take(&mut self.pending);
            joined.extend_from_slice(input);
            let used = self.take(&joined, body)?;
            joined.drain(..used);
            self.pending = joined;
        }
        if self.pending.len() > limits::HTTP_HEAD_BYTES {
            return Err(match self.state {
                State::Head(_) => ExchangeError::HeadTooLarge,
                _ => ExchangeError::Chunks,
            });
        }
        Ok(())
    }

    /// Takes in the end of the connection.
    ///
    /// # Errors
    /// When the response was not complete.
    pub fn end(&mut self) -> Result<(), ExchangeError> {
        match &self.state {
            State::Head(_) => Err(ExchangeError::Eof),
            State::Body(call) if call.body_mode() == BodyMode::CloseDelimited => {
                self.finish(false);
                Ok(())
            }
            State::Body(_) => Err(ExchangeError::UnexpectedEof),
            State::Done => {
                self.reusable = false;
                Ok(())
            }
        }
    }

    /// Status and headers, once they are there.
    #[must_use]
    pub fn head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }

    /// Whether any byte has been received.
    #[must_use]
    pub fn started(&self) -> bool {
        self.started
    }

    /// Whether the response is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the connection can carry another request.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.is_done() && self.reusable
    }

    /// Uses as much of `input` as makes sense by itself; gives how much.
    fn take(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, ExchangeError> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let step = match self.state {
                State::Head(_) => self.take_head(rest)?,
                State::Body(_) => self.take_body(rest, body)?,
                State::Done => {
                    // Nobody asked for more: whose bytes are they?
                    self.reusable &= rest.is_empty();
                    return Ok(input.len());
                }
            };
            used += step;
            if step == 0 {
                return Ok(used);
            }
        }
    }

    fn take_head(&mut self, input: &[u8]) -> Result<usize, ExchangeError> {
        if !is_plausible(input) {
            return Err(ExchangeError::Malformed(first_line(input)));
        }
        let Some(end) = head_end(input, self.scanned) else {
            self.scanned = input.len();
            return Ok(0);
        };
        self.scanned = 0;
        self.head_bytes += end;
        if self.head_bytes > limits::HTTP_HEAD_BYTES {
            return Err(ExchangeError::HeadTooLarge);
        }
        let State::Head(call) = &mut self.state else {
            return Ok(0);
        };
        let malformed = |error| match error {
            Error::HttpParseTooManyHeaders => ExchangeError::HeadTooLarge,
            _ => ExchangeError::Malformed(first_line(input)),
        };
        match call.try_response(&input[..end], false).map_err(malformed)? {
            (used, Some(response)) => {
                self.accept(&input[..used], &response)?;
                Ok(used)
            }
            (0, None) => Err(ExchangeError::Malformed(first_line(input))),
            (used, None) => Ok(used),
        }
    }

    fn accept(&mut self, bytes: &[u8], response: &Response<()>) -> Result<(), ExchangeError> {
        let headers = response.headers();
        let chunked = is_chunked(headers)?;
        let head = ResponseHead {
            status: response.status().as_u16(),
            reason: reason(bytes),
            content_type: text(headers, &header::CONTENT_TYPE),
            gzip: text(headers, &header::CONTENT_ENCODING).as_deref() == Some("gzip"),
            location: text(headers, &header::LOCATION),
        };
        self.head = Some(head);
        let doubtful = chunked && headers.contains_key(header::CONTENT_LENGTH);
        let State::Head(call) = std::mem::replace(&mut self.state, State::Done) else {
            return Ok(());
        };
        match call.proceed() {
            Some(RecvResponseResult::RecvBody(call)) => {
                if let BodyMode::LengthDelimited(length) = call.body_mode() {
                    self.check_size(length)?;
                }
                self.state = State::Body(Box::new(call));
                self.reusable = !doubtful;
                self.finish_if_ended();
            }
            Some(RecvResponseResult::Redirect(call)) => self.finish(!call.must_close_connection()),
            Some(RecvResponseResult::Cleanup(call)) => self.finish(!call.must_close_connection()),
            None => self.finish(false),
        }
        Ok(())
    }

    fn take_body(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, ExchangeError> {
        let State::Body(call) = &mut self.state else {
            return Ok(0);
        };
        let start = body.len();
        body.resize(start + input.len(), 0);
        let read = call.read(input, &mut body[start..]);
        let (used, made) = read.map_err(|_| ExchangeError::Chunks)?;
        let wanted = self.is_wanted();
        body.truncate(if wanted { start + made } else { start });
        self.body_bytes += made as u64;
        self.barren = if made > 0 { 0 } else { self.barren + used };
        if self.barren > limits::HTTP_HEAD_BYTES {
            return Err(ExchangeError::Chunks);
        }
        self.check_size(self.body_bytes)?;
        if !wanted && self.body_bytes > limits::HTTP_UNWANTED_BODY_BYTES {
            self.finish(false);
        } else {
            self.finish_if_ended();
        }
        Ok(used)
    }

    fn is_wanted(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.status == 200)
    }

    /// Refuses a wanted body of `size` bytes on the wire if its decoded form must be too large.
    fn check_size(&self, size: u64) -> Result<(), ExchangeError> {
        let gzip = self.head.as_ref().is_some_and(|head| head.gzip);
        let slack = self.limit / 1024 + limits::GZIP_SLACK_BYTES;
        let bound = self.limit.saturating_add(if gzip { slack } else { 0 });
        if self.limit > 0 && self.is_wanted() && size >= bound {
            return Err(ExchangeError::BodyTooLarge);
        }
        Ok(())
    }

    fn finish_if_ended(&mut self) {
        let State::Body(call) = &self.state else {
            return;
        };
        if !call.can_proceed() || call.body_mode() == BodyMode::CloseDelimited {
            return;
        }
        let State::Body(call) = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        let must_close = match call.proceed() {
            Some(RecvBodyResult::Redirect(call)) => call.must_close_connection(),
            Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
            None => true,
        };
        self.reusable &= !must_close;
    }

    fn finish(&mut self, reusable: bool) {
        self.state = State::Done;
        self.reusable = reusable;
    }
}

/// The state machine of a GET whose request has been sent. What the request says matters only for
/// its method and version, so that a fixed one will do.
fn begin() -> Option<Call<RecvResponse>> {
    let mut request = http::Request::new(());
    *request.uri_mut() = http::Uri::from_static("http://h/");
    let mut call = Call::<Prepare>::new(request).ok()?.proceed();
    call.write(&mut [0; 128]).ok()?;
    match call.proceed().ok()?? {
        SendRequestResult::RecvResponse(call) => Some(call),
        _ => None,
    }
}

/// Whether the line that `pending` begins ends in `input`.
fn ends_line(pending: &[u8], input: &[u8]) -> bool {
    let is_split = pending.last() == Some(&b'\r') && input.first() == Some(&b'\n');
    is_split || memchr::memmem::find(input, b"\r\n").is_some()
}

/// Whether the bytes can be the beginning of a response. Tells a wrong port at once, where waiting
/// for the end of the head would take until the deadline.
fn is_plausible(input: &[u8]) -> bool {
    let length = input.len().min(7);
    input[..length] == b"HTTP/1."[..length]
}

/// Behind the empty line that ends a head.
fn head_end(input: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(3);
    memchr::memchr_iter(b'\n', &input[from..]).find_map(|at| {
        let next = from + at + 1;
        match &input[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

fn is_chunked(headers: &HeaderMap) -> Result<bool, ExchangeError> {
    let mut values = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(value), None) if value.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(true),
        _ => Err(ExchangeError::TransferEncoding),
    }
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// The first line, printable, for an error.
fn first_line(input: &[u8]) -> String {
    let line = input.split(|byte| *byte == b'\n').next().unwrap_or(input);
    printable(line.strip_suffix(b"\r").unwrap_or(line))
}

/// The phrase of the status line.
fn reason(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or(head);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    printable(line.get(13..).unwrap_or(b"")).trim().to_owned()
}

fn printable(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(100);
    shown
        .map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        })
        .collect()
}

#[cfg(test)]
mod tests;
