//! JSON as Prometheus's API writes it.
//!
//! Compact; `<`, `>`, `&` and the two Unicode line separators escaped, so that no browser takes
//! an answer for a page; floats without exponent where Go writes none.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::{Formatter, Serializer as JsonSerializer};

use crate::http::server::response::Response;
use crate::model::labels::Labels;

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

/// Answers with data.
pub(super) fn success<T: Serialize>(data: T) -> Response {
    let status = "success";
    respond(200, &Success { status, data })
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
    respond(status, &envelope)
}

fn respond<T: Serialize>(status: u16, value: &T) -> Response {
    match encode(value) {
        Ok(body) => Response::typed(status, "application/json", body),
        // Our types have text keys and finite depth; this is here so that nothing can panic.
        Err(error) => Response::text(500, format!("{error}\n")),
    }
}

/// The bytes of a value.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut serializer = JsonSerializer::with_formatter(&mut bytes, GoFormatter);
    value.serialize(&mut serializer)?;
    Ok(bytes)
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
            String::from_utf8(encode(&value).expect("json")).expect("utf-8")
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
