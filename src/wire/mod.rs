//! The remote-write protocol: messages, encoders, compression. No sockets.

pub mod compress;
pub mod prompb;
pub mod remote_write_v1;
