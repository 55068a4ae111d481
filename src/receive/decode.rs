//! From a request's body to its message.

use prost::Message;

use crate::limits;
use crate::wire::compress::zstd::{self, ZstdError};
use crate::wire::prompb::WriteRequest;
use crate::wire::prompb_v2;

/// Why a body is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("snappy: {0}")]
    Snappy(snap::Error),
    #[error("{0}")]
    Zstd(#[from] ZstdError),
    #[error("message of {0} bytes is too large")]
    TooLarge(usize),
    /// Also where a text is not UTF-8.
    #[error("protobuf: {0}")]
    Protobuf(prost::DecodeError),
    #[error("reference to symbol {at}, there are {symbols}")]
    Reference { at: u32, symbols: usize },
    #[error("the labels of all series are more than {0} bytes")]
    Unfolds(usize),
}

/// Decompresses and decodes a body of 1.0, no further than the limit.
pub(crate) fn decode(body: &[u8]) -> Result<WriteRequest, DecodeError> {
    message(body)
}

/// As [`decode`], for a body with zstd.
pub(crate) fn decode_zstd(body: &[u8]) -> Result<WriteRequest, DecodeError> {
    let mut message = Vec::new();
    zstd::decompress(body, &mut message, limits::RECEIVE_MESSAGE_BYTES_MAX)?;
    WriteRequest::decode(message.as_slice()).map_err(DecodeError::Protobuf)
}

/// Decompresses and decodes a body of 2.0, no further than the limit.
pub(crate) fn decode_v2(body: &[u8]) -> Result<prompb_v2::Request, DecodeError> {
    message(body)
}

fn message<M: Message + Default>(body: &[u8]) -> Result<M, DecodeError> {
    let bytes = snap::raw::decompress_len(body).map_err(DecodeError::Snappy)?;
    if bytes > limits::RECEIVE_MESSAGE_BYTES_MAX {
        return Err(DecodeError::TooLarge(bytes));
    }
    let message = snap::raw::Decoder::new().decompress_vec(body);
    let message = message.map_err(DecodeError::Snappy)?;
    M::decode(message.as_slice()).map_err(DecodeError::Protobuf)
}
