//! JSON as Prometheus's API writes it.
//!
//! Compact; `<`, `>`, `&` and the two Unicode line separators escaped, so that no browser takes
//! an answer for a page; floats without exponent where Go writes none. Answers end at the room that there
//! is for them ([`Site`]): what would be larger is an error instead.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::{Formatter, Serializer as JsonSerializer};

use crate::http::server::response::Response;
use crate::model::labels::Labels;

use super::Site;

/// The envelope of a success.
#[derive(serde::Serialize)]
struct Success<T> {
    status: &'static str,
    data: T,
}

/// The envelope of an error.
#[derive(serde::Serialize)]
struct Failure<'a> {
    status: &'static str,
    #[serde(rename = "errorType")]
    kind: &'static str,
    error: &'a str,
}

/// Answers with data, or says that there is no room for them.
pub(super) fn success<T: Serialize>(site: &Site, data: T) -> Response {
    let status = "success";
    respond(200, &Success { status, data }, site.room)
}

/// Answers with an error of Prometheus's type `bad_data`.
pub(super) fn bad_data(error: &str) -> Response {
    failure(400, "bad_data", error)
}

/// Answers with an error.
pub(super) fn failure(status: u16, kind: &'static str, error: &str) -> Response {
    let envelope = Failure {
        status: "error",
        kind,
        error,
    };
    respond(status, &envelope, usize::MAX)
}

/// Says that an answer would be larger than `room` bytes.
pub(super) fn too_large(room: usize) -> Response {
    let error = format!(
        "answer of more than {room} bytes: ask for less, or later, when there is memory for more"
    );
    failure(503, "unavailable", &error)
}

fn respond<T: Serialize>(status: u16, value: &T, room: usize) -> Response {
    match encode(value, room) {
        Ok(body) => Response::typed(status, "application/json", body),
        Err(error) if error.is_io() => too_large(room),
        // Our types have text keys and finite depth; this is here so that nothing can panic.
        Err(error) => Response::text(500, format!("{error}\n")),
    }
}

/// The bytes of a value; an error of I/O where they are more than `room`.
pub(super) fn encode<T: Serialize>(value: &T, room: usize) -> Result<Vec<u8>, serde_json::Error> {
    let bytes = Vec::new();
    let mut bounded = Bounded { bytes, room };
    let mut serializer = JsonSerializer::with_formatter(&mut bounded, GoFormatter);
    value.serialize(&mut serializer)?;
    Ok(bounded.bytes)
}

/// Takes bytes as long as there is room.
struct Bounded {
    bytes: Vec<u8>,
    room: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.room - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = 0;
        let special = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        for (at, found) in fragment.match_indices(special) {
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            let character = found.chars().next().map_or(0, u32::from);
            write!(writer, "\\u{character:04x}")?;
            plain = at + found.len();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }

    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let size = value.abs();
        if size != 0.0 && !(1e-6..1e21).contains(&size) {
            write!(writer, "{value:e}")
        } else {
            write!(writer, "{value}")
        }
    }
}

/// A label set as a JSON object.
pub(super) struct LabelObject<'a>(pub(super) &'a Labels);

impl Serialize for LabelObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_written_as_go_writes_them() {
        let text = |value: serde_json::Value| {
            String::from_utf8(encode(&value, usize::MAX).expect("json")).expect("utf-8")
        };
        assert_eq!(
            text("a<b>&\u{2028}\u{e9}\"\n".into()),
            r#""a\u003cb\u003e\u0026\u2028"#.to_owned() + "\u{e9}" + r#"\"\n""#
        );
        for (value, expected) in [
            (0.0, "0"),
            (0.00001, "0.00001"),
            (1e-7, "1e-7"),
            (1.5, "1.5"),
            (1e20, "100000000000000000000"),
        ] {
            assert_eq!(text(value.into()), expected);
        }
    }
}
