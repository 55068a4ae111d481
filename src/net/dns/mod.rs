//! A stub resolver that asks the servers of `resolv.conf` for SRV, A, AAAA, MX and NS records.
//!
//! The system's own resolver cannot ask for SRV, MX or NS, and cannot tell "this name does not
//! exist" from "nobody could say": service discovery needs both. [`message`] turns questions into
//! bytes and bytes into answers, [`conf`] reads `resolv.conf`, [`lookup`] decides whom to ask
//! what next (pure), [`transport`] carries one question over UDP or TCP, [`resolver`] joins them.
//!
//! It does not cache, follow CNAMEs (recursive servers do), validate DNSSEC or read `hosts`.
//! Implements RFC 1035 (messages), RFC 2782 (SRV), RFC 6891 (EDNS0, size only) as a client.

pub mod conf;
pub mod lookup;
pub mod message;
pub mod resolver;
pub mod transport;
