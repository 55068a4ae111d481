//! HTTP/1.1 without sockets: URLs, credentials, redirects, the bytes of requests and responses.
//!
//! Everything here is a function of its input: sockets, files and clocks belong to `net`. Nothing
//! here knows what is fetched or why.

pub mod auth;
pub mod aws;
pub mod exchange;
pub mod form;
pub mod gzip;
pub mod redirect;
pub mod request;
pub mod server;
pub mod tunnel;
pub mod url;
