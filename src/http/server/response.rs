//! A response and its bytes.

use std::io::Write;

use crate::model::calendar::HttpDate;
use crate::model::time::Wall;

/// What a handler answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, three digits.
    pub status: u16,
    /// Headers beside `Date`, `Content-Length` and `Connection`, which the encoder writes.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// What the encoder must know of the exchange.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Whether the request was HEAD: the length is told, the body left out.
    pub head_only: bool,
    /// Whether the connection stays open.
    pub keep_alive: bool,
    /// For the `Date` header.
    pub now: Wall,
}

impl Response {
    /// A response without body.
    #[must_use]
    pub const fn empty(status: u16) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A response of that content type.
    #[must_use]
    pub fn typed(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            headers: vec![("Content-Type", content_type.to_owned())],
            body: body.into(),
        }
    }

    /// A response of plain text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response::typed(status, "text/plain; charset=utf-8", body)
    }

    /// The response with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Response {
        self.headers.push((name, value.into()));
        self
    }

    /// Appends the head's bytes, and gives the body that is to follow them; empty where there is none.
    #[must_use]
    pub fn encode(self, exchange: Exchange, out: &mut Vec<u8>) -> Vec<u8> {
        let reason = ::http::StatusCode::from_u16(self.status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Unknown");
        // Writing to a Vec cannot fail.
        let _infallible = write!(
            out,
            "HTTP/1.1 {} {reason}\r\nDate: {}\r\n",
            self.status,
            HttpDate(exchange.now)
        );
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            // A value may quote what a client sent; it must not end the header.
            out.extend(
                value
                    .bytes()
                    .map(|b| if b.is_ascii_control() { b' ' } else { b }),
            );
            out.extend_from_slice(b"\r\n");
        }
        // 204 and 304 have no body and no length (RFC 9110, 8.6).
        if !matches!(self.status, 204 | 304) {
            let _infallible = write!(out, "Content-Length: {}\r\n", self.body.len());
        }
        if !exchange.keep_alive {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        if exchange.head_only || matches!(self.status, 204 | 304) {
            return Vec::new();
        }
        self.body
    }
}
