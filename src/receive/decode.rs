//! From a request's body to its message.

use prost::Message;

use crate::limits;
use crate::wire::prompb::WriteRequest;

/// Why a body is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("snappy: {0}")]
    Snappy(snap::Error),
    #[error("message of {0} bytes is too large")]
    TooLarge(usize),
    /// Also where a text is not UTF-8.
    #[error("protobuf: {0}")]
    Protobuf(prost::DecodeError),
}

/// Decompresses and decodes a body, no further than the limit.
pub(crate) fn decode(body: &[u8]) -> Result<WriteRequest, DecodeError> {
    let bytes = snap::raw::decompress_len(body).map_err(DecodeError::Snappy)?;
    if bytes > limits::RECEIVE_MESSAGE_BYTES_MAX {
        return Err(DecodeError::TooLarge(bytes));
    }
    let message = snap::raw::Decoder::new().decompress_vec(body);
    let message = message.map_err(DecodeError::Snappy)?;
    WriteRequest::decode(message.as_slice()).map_err(DecodeError::Protobuf)
}
