//! The formats that targets expose: Prometheus text (0.0.4, 1.0.0), OpenMetrics text (0.0.1, 1.0.0)
//! and protobuf.
//!
//! What is not text becomes rows first ([`transcode`]), which are read like it.
//!
//! A page is read item by item with [`line::LineParser`], over whatever bytes have arrived, and
//! never copied. Leniency and strictness are those of Prometheus's own parsers, and so are the
//! words of errors; any error is meant to fail the whole page. Nothing here keeps series, labels
//! or state beyond the page.

pub mod created;
pub mod error;
pub mod exemplar;
pub mod key;
pub mod line;
pub mod normalize;
pub mod protocol;
pub mod rows;
pub mod transcode;

mod classic_text;
mod lexer;
mod meta;
mod number;
mod proto;
mod quoted;
mod series;
mod tail;
mod view;
mod words;

#[cfg(test)]
pub(crate) use proto::testing as proto_messages;
#[cfg(test)]
mod tests;
