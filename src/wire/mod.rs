//! The remote-write protocol: messages, encoders, compression. No sockets.

pub mod compress;
pub mod native_histogram;
pub mod prompb;
pub mod prompb_histogram;
pub mod prompb_v2;
pub mod remote_write_v1;
pub mod remote_write_v2;
pub mod version;
