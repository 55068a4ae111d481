//! Takes a body out of its chunks (RFC 9112, 7.1).
//!
//! Sizes are plain hexadecimal; extensions and trailers are read over and bounded.

use crate::limits;

use super::parser::Refusal;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the line that begins a chunk.
    Size,
    /// In data, so many bytes before its end.
    Data(u64),
    /// In the line end after data.
    DataEnd,
    /// In the lines after the last chunk.
    Trailers,
    /// Behind the body.
    Done,
}

/// Decodes one body.
#[derive(Debug)]
pub struct ChunkedDecoder {
    place: Place,
    /// The unfinished line: a size with its extensions, or a trailer.
    line: Vec<u8>,
    /// Bytes of trailers so far.
    trailer_bytes: usize,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        ChunkedDecoder {
            place: Place::Size,
            line: Vec::new(),
            trailer_bytes: 0,
        }
    }
}

impl ChunkedDecoder {
    /// Whether the last chunk and its trailers were read.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Reads from `input` into `body` and returns the number of bytes read: all of them unless
    /// the body ended before.
    ///
    /// # Errors
    /// When the coding is broken, or the body would grow beyond `body_bytes_max`.
    pub fn read(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        body_bytes_max: u64,
    ) -> Result<usize, Refusal> {
        let mut rest = input;
        while !rest.is_empty() && self.place != Place::Done {
            let read = match self.place {
                Place::Data(left) => {
                    let take = left.min(rest.len() as u64);
                    body.extend_from_slice(&rest[..take as usize]);
                    self.place = if take == left {
                        Place::DataEnd
                    } else {
                        Place::Data(left - take)
                    };
                    take as usize
                }
                _ => self.read_line(rest, body.len() as u64, body_bytes_max)?,
            };
            rest = &rest[read..];
        }
        Ok(input.len() - rest.len())
    }

    fn read_line(&mut self, rest: &[u8], have: u64, max: u64) -> Result<usize, Refusal> {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        if self.line.len() + end > limits::HTTP_CHUNK_LINE_BYTES_MAX {
            return Err(Refusal::BadChunk);
        }
        self.line.extend_from_slice(&rest[..end]);
        if self.line.last() == Some(&b'\n') {
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r\n").ok_or(Refusal::BadChunk)?;
            self.place = self.after_line(line, have, max)?;
        }
        Ok(end)
    }

    fn after_line(&mut self, line: &[u8], have: u64, max: u64) -> Result<Place, Refusal> {
        match self.place {
            Place::Size => match chunk_size(line)? {
                0 => Ok(Place::Trailers),
                size if size > max.saturating_sub(have) => Err(Refusal::BodyTooLarge),
                size => Ok(Place::Data(size)),
            },
            Place::DataEnd if line.is_empty() => Ok(Place::Size),
            Place::Trailers if line.is_empty() => Ok(Place::Done),
            Place::Trailers => {
                self.trailer_bytes += line.len();
                if self.trailer_bytes > limits::HTTP_HEAD_BYTES_MAX {
                    return Err(Refusal::BadChunk);
                }
                Ok(Place::Trailers)
            }
            _ => Err(Refusal::BadChunk),
        }
    }
}

/// The size in front of a chunk: one to fifteen hexadecimal digits, so that it fits, and perhaps
/// an extension behind a semicolon.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    let end = line
        .iter()
        .position(|byte| matches!(byte, b';' | b' ' | b'\t'))
        .unwrap_or(line.len());
    let (digits, extension) = line.split_at(end);
    let has_extension = extension.trim_ascii_start().first() == Some(&b';');
    let is_plain = extension.is_empty() || has_extension;
    if !(1..=15).contains(&digits.len()) || !is_plain {
        return Err(Refusal::BadChunk);
    }
    digits.iter().try_fold(0, |size: u64, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Refusal::BadChunk)?;
        Ok(size * 16 + u64::from(digit))
    })
}
