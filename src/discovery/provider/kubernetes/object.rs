//! Decoding JSON objects of which some fields are known.
//!
//! What serde derives also reads each struct from an array and refuses a field that comes twice. The API
//! server writes neither, Go takes the last of two fields, and twenty structs read in this way are half
//! as large in the program.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// Longest name of a field that is known, in bytes.
const NAME_BYTES_MAX: usize = 32;

/// A struct whose fields have defaults.
pub(super) trait Object: Default {
    /// Reads the value of a field; false if it has no such field, and nothing was read.
    ///
    /// # Errors
    /// When the value is of another kind.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error>;
}

/// The name of a field, as far as it can be one that is known; otherwise empty.
struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    length: usize,
}

impl Name {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Name, E> {
                let mut name = Name {
                    bytes: [0; NAME_BYTES_MAX],
                    length: 0,
                };
                if let Some(room) = name.bytes.get_mut(..text.len()) {
                    room.copy_from_slice(text.as_bytes());
                    name.length = text.len();
                }
                Ok(name)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Reads all fields.
///
/// # Errors
/// When the text is damaged, or a value of another kind.
pub(super) fn read<'de, T: Object, A: MapAccess<'de>>(mut map: A) -> Result<T, A::Error> {
    let mut object = T::default();
    while let Some(name) = map.next_key::<Name>()? {
        if !object.field(name.as_str(), &mut map)? {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(object)
}

/// Reads an object.
pub(super) struct Fields<T>(pub(super) PhantomData<T>);

impl<'de, T: Object> Visitor<'de> for Fields<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        read(map)
    }
}

/// Defines a struct and how it is read: each field behind the name that it has in JSON.
macro_rules! object {
    ($(#[$meta:meta])* $type:ident {
        $($(#[$field_meta:meta])* $name:literal => $field:ident: $kind:ty,)*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $type {
            $($(#[$field_meta])* pub(super) $field: $kind,)*
        }

        impl $crate::discovery::provider::kubernetes::object::Object for $type {
            fn field<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<bool, A::Error> {
                match name {
                    $($name => self.$field = map.next_value()?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        impl<'de> serde::de::Deserialize<'de> for $type {
            fn deserialize<D: serde::de::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                let fields = $crate::discovery::provider::kubernetes::object::Fields(
                    std::marker::PhantomData,
                );
                deserializer.deserialize_map(fields)
            }
        }
    };
}

pub(super) use object;

#[cfg(test)]
mod tests {
    object! {
        Known {
            "someName" => some_name: Option<String>,
            "other" => other: Vec<u8>,
        }
    }

    fn read(text: &str) -> Result<(Option<String>, Vec<u8>), String> {
        let known: Result<Known, _> = serde_json::from_str(text);
        known
            .map(|known| (known.some_name, known.other))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn known_fields_are_read_and_others_skipped() {
        let long = "x".repeat(100);
        let text = format!(
            r#"{{"a": {{"other": [9]}}, "someName": "n", "": 1, "{long}": null, "other": [1, 2]}}"#
        );
        assert_eq!(read(&text), Ok((Some("n".to_owned()), vec![1, 2])));
        assert_eq!(read("{}"), Ok((None, Vec::new())));
        assert_eq!(
            read(r#"{"other": [1], "oth\u0065r": [2]}"#),
            Ok((None, vec![2])),
            "the last of two counts"
        );
    }

    #[test]
    fn what_is_no_object_and_values_of_another_kind_are_refused() {
        for (text, words) in [
            ("[null, []]", "expected an object"),
            (r#"{"other": 5}"#, "expected a sequence"),
            (r#"{"other": [1]"#, "EOF"),
        ] {
            let error = read(text).expect_err("refused");
            assert!(error.contains(words), "{error}");
        }
    }
}
