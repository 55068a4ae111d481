//! A multicast DNS querier that browses for services: who on the local links offers what.
//!
//! [`message`] turns packets into records and questions into packets, [`cache`] keeps records as
//! long as they live, [`questions`] says what to ask when, [`link`] joins them for one network
//! interface and [`browser`] for all of them; these are pure. [`socket`] is the way to the wire.
//!
//! It asks and listens, it never answers: a responder on the same host goes on undisturbed.
//! Implements RFC 6762 (multicast DNS) as a continuous querier and RFC 6763 (DNS-SD). Left out on
//! purpose: unicast questions, suppression of duplicate questions, NSEC, and domains other than
//! `local`.

pub mod browser;
pub mod cache;
pub mod link;
pub mod message;
pub mod name;
pub mod questions;
pub mod service;
pub mod socket;
#[cfg(test)]
mod testing;
