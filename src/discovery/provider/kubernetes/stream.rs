//! Reads lists and watches as they arrive, one object at a time.
//!
//! Neither a list nor an event list is ever held whole: an object is decoded, handed over and
//! forgotten. The bytes of each object are bounded, so that no answer can fill the memory. Needs
//! nothing but a reader.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use serde_json::error::Category;

use super::wire::{Metadata, Object, Or};
use crate::limits;

/// Why a stream could not be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    /// The connection ended or was cut, in the middle of something.
    #[error("answer was cut off: {0}")]
    Cut(io::Error),
    /// Not what an API server writes.
    #[error("answer cannot be read: {0}")]
    Malformed(String),
    /// An object beyond all measure.
    #[error("an object is larger than {} bytes", limits::K8S_OBJECT_BYTES)]
    TooLarge,
    /// Whoever is handed the objects wants no more.
    #[error("stopped")]
    Stopped,
}

/// A reader that gives out as many bytes as are left, and then fails.
///
/// The reader inside is behind a pointer, so that the decoder exists once in the program.
struct Metered<'r> {
    inner: BufReader<&'r mut dyn Read>,
    left: Rc<Cell<usize>>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("too large"));
        }
        let size = buffer.len().min(left);
        let amount = self.inner.read(&mut buffer[..size])?;
        self.left.set(left - amount);
        Ok(amount)
    }
}

fn metered(reader: &mut dyn Read) -> (Metered<'_>, Rc<Cell<usize>>) {
    let left = Rc::new(Cell::new(limits::K8S_OBJECT_BYTES));
    let inner = BufReader::with_capacity(limits::BLOCKING_BUFFER_BYTES, reader);
    let meter = Metered {
        inner,
        left: Rc::clone(&left),
    };
    (meter, left)
}

/// Says what an error means; `left` is what was left of the measure when it happened.
fn translate(error: &serde_json::Error, left: &Cell<usize>) -> StreamError {
    let text = || {
        let text = error.to_string();
        let short = text.chars().take(limits::K8S_REASON_CHARS);
        short.collect::<String>()
    };
    match error.classify() {
        Category::Eof => StreamError::Cut(io::ErrorKind::UnexpectedEof.into()),
        Category::Io if left.get() == 0 => StreamError::TooLarge,
        Category::Io => StreamError::Cut(io::Error::other(text())),
        Category::Syntax | Category::Data => StreamError::Malformed(text()),
    }
}

/// Reads a list. Gives every object to `take`, which says whether it wants more, and returns the
/// metadata of the list.
///
/// # Errors
/// When the answer ended too soon or is no list.
pub(super) fn read_list(
    reader: &mut dyn Read,
    take: &mut dyn FnMut(Object) -> bool,
) -> Result<Metadata, StreamError> {
    let (meter, left) = metered(reader);
    let mut stopped = false;
    let mut decoder = Deserializer::from_reader(meter);
    let list = List {
        left: &left,
        stopped: &mut stopped,
        take,
    };
    let read = decoder.deserialize_map(list);
    match read {
        _ if stopped => Err(StreamError::Stopped),
        Ok(metadata) => Ok(metadata),
        Err(error) => Err(translate(&error, &left)),
    }
}

struct List<'l> {
    left: &'l Cell<usize>,
    stopped: &'l mut bool,
    take: &'l mut dyn FnMut(Object) -> bool,
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Metadata, A::Error> {
        let mut metadata = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metadata" => metadata = Some(map.next_value::<Or<Metadata>>()?.0),
                "items" => map.next_value_seed(Items(&mut self))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        metadata.ok_or_else(|| serde::de::Error::custom("a list without metadata"))
    }
}

/// The items; null for none.
struct Items<'i, 'l>(&'i mut List<'l>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<Or<Object>>()? {
            self.0.left.set(limits::K8S_OBJECT_BYTES);
            if !(self.0.take)(item.0) {
                *self.0.stopped = true;
                return Err(serde::de::Error::custom("stopped"));
            }
        }
        Ok(())
    }
}

/// One event of a watch.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    #[serde(rename = "type")]
    pub(super) kind: Or<String>,
    pub(super) object: Or<Object>,
}

/// Reads a watch to its end. Gives every event to `take`, which says whether it wants more.
///
/// # Errors
/// When the stream ended inside an event or is no watch. A stream that ends between two events
/// ended well.
pub(super) fn read_watch(
    reader: &mut dyn Read,
    take: &mut dyn FnMut(WatchEvent) -> bool,
) -> Result<(), StreamError> {
    let (meter, left) = metered(reader);
    for event in Deserializer::from_reader(meter).into_iter::<WatchEvent>() {
        match event {
            Ok(event) => {
                left.set(limits::K8S_OBJECT_BYTES);
                if !take(event) {
                    return Err(StreamError::Stopped);
                }
            }
            Err(error) => return Err(translate(&error, &left)),
        }
    }
    Ok(())
}

/// Reads one object, say the reason of a refusal. None if it is none.
pub(super) fn read_object(reader: &mut dyn Read) -> Option<Object> {
    let (meter, _) = metered(reader);
    Deserializer::from_reader(meter).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"{"kind":"PodList","items":[
        {"metadata":{"name":"a","managedFields":[{"x":{"y":[1,2,{"z":null}]}}]},"status":null},
        {"metadata":{"name":"b","labels":null},"spec":{"containers":null}}
        ],"metadata":{"resourceVersion":"7","continue":"next"}}"#;

    fn names(text: &str) -> (Vec<String>, Result<Metadata, StreamError>) {
        let mut names = Vec::new();
        let read = read_list(&mut text.as_bytes(), &mut |object| {
            names.push(object.metadata.name.0.clone());
            true
        });
        (names, read)
    }

    #[test]
    fn a_list_gives_its_objects_and_says_where_it_goes_on() {
        let (found, read) = names(LIST);
        let metadata = read.expect("whole");
        assert_eq!(found, ["a", "b"]);
        assert_eq!(*metadata.resource_version, "7");
        assert_eq!(*metadata.continue_token, "next");
        let (none, read) = names(r#"{"items":null,"metadata":{}}"#);
        assert!(none.is_empty() && read.is_ok());
    }

    #[test]
    fn a_list_that_ends_anywhere_is_cut_off_and_never_complete() {
        for end in 1..LIST.len() {
            let (_, read) = names(&LIST[..end]);
            assert!(matches!(read, Err(StreamError::Cut(_))), "{end}: {read:?}");
        }
        for bad in [
            "[]",
            "{\"items\":[]}",
            "{\"items\":{}}",
            "<html>",
            "{\"items\":[5]}",
        ] {
            let (_, read) = names(bad);
            assert!(
                matches!(read, Err(StreamError::Malformed(_))),
                "{bad}: {read:?}"
            );
        }
    }

    #[test]
    fn events_are_read_one_by_one_and_a_clean_end_is_one() {
        let text = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n\
                    {\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\
                    \"code\":410}}\n";
        let read = |text: &str| {
            let mut kinds = Vec::new();
            let ended = read_watch(&mut text.as_bytes(), &mut |event| {
                kinds.push((event.kind.0.clone(), event.object.code.0));
                true
            });
            (kinds, ended)
        };
        let (kinds, ended) = read(text);
        let expected = [("ADDED".to_owned(), 0), ("ERROR".to_owned(), 410)];
        assert_eq!(kinds, expected);
        assert!(ended.is_ok());
        let (kinds, ended) = read(&text[..text.len() - 5]);
        assert_eq!(kinds.len(), 1);
        assert!(matches!(ended, Err(StreamError::Cut(_))));
    }

    #[test]
    fn an_object_beyond_all_measure_is_refused_without_being_read() {
        let head = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"";
        let mut endless = head.as_bytes().chain(io::repeat(b'x'));
        let read = read_watch(&mut endless, &mut |_| true);
        assert!(matches!(read, Err(StreamError::TooLarge)), "{read:?}");
        let head = "{\"items\":[{\"spec\":";
        let mut endless = head.as_bytes().chain(io::repeat(b'['));
        let read = read_list(&mut endless, &mut |_| true);
        assert!(read.is_err(), "{read:?}");
    }

    #[test]
    fn many_objects_may_be_larger_together_than_one_may_be() {
        let one = format!("{{\"metadata\":{{\"name\":\"{}\"}}}}", "n".repeat(100_000));
        let items = vec![one; 100].join(",");
        let (found, read) = names(&format!("{{\"metadata\":{{}},\"items\":[{items}]}}"));
        assert!(read.is_ok() && found.len() == 100);
    }
}
