//! The server's half of HTTP/1.1 (RFC 9112), without sockets.
//!
//! [`parser::RequestParser`] turns bytes into a [`request::Request`] or a [`parser::Refusal`];
//! [`response::Response`] turns itself into bytes. Framing is strict, because a proxy in front
//! may read a sloppy request otherwise: lines end in CRLF, a request has at most one length, and
//! never both a length and chunks. No trailers, no upgrades, no ranges, no HTTP/2.

pub mod chunked;
pub mod parser;
pub mod request;
pub mod response;

#[cfg(test)]
mod tests;
