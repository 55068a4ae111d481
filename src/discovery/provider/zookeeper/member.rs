//! What the data of a node means: the member of a serverset, or of a nerve service.
//!
//! A serverset member is written by Finagle and Aurora, a nerve member by Airbnb's nerve; both are
//! JSON objects. They are read as Go reads them, because that is what decides which nodes Prometheus
//! takes for members: names of fields in any case, `null` for nothing, unknown fields skipped, whole
//! numbers only. Pure.
//!
//! Meta labels: `__meta_serverset_path`, `__meta_serverset_endpoint_host`,
//! `__meta_serverset_endpoint_port`, `__meta_serverset_endpoint_host_<name>`,
//! `__meta_serverset_endpoint_port_<name>`, `__meta_serverset_status`, `__meta_serverset_shard`;
//! `__meta_nerve_path`, `__meta_nerve_endpoint_host`, `__meta_nerve_endpoint_port`,
//! `__meta_nerve_endpoint_name`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::discovery::group::ADDRESS;
use crate::limits;
use crate::model::target_group::LabelMap;
use crate::model::text::Text;

const SERVERSET: &str = "__meta_serverset_";
const NERVE: &str = "__meta_nerve_";

/// Host and port of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Endpoint {
    host: String,
    port: i64,
}

/// The labels of a serverset member.
///
/// # Errors
/// What is wrong with the data.
pub(super) fn serverset(data: &[u8], path: &str) -> Result<LabelMap, String> {
    let mut endpoint = Endpoint::default();
    let mut more = BTreeMap::new();
    let (mut status, mut shard) = (String::new(), 0);
    read(data, |name, value| {
        match name {
            "serviceendpoint" => endpoint.read(value)?,
            "additionalendpoints" => additional(value, &mut more)?,
            "status" => update(value, &mut status)?,
            "shard" => update(value, &mut shard)?,
            _ => {}
        }
        Ok(())
    })?;
    let mut labels = Vec::with_capacity(2 * more.len() + 6);
    let mut set = |name: &str, value: String| {
        labels.push((Text::from(format!("{SERVERSET}{name}")), Text::from(value)));
    };
    for (name, endpoint) in more {
        let name = label_name(&name);
        set(&format!("endpoint_host_{name}"), endpoint.host);
        set(&format!("endpoint_port_{name}"), endpoint.port.to_string());
    }
    set("path", path.to_owned());
    set("endpoint_host", endpoint.host.clone());
    set("endpoint_port", endpoint.port.to_string());
    set("status", status);
    set("shard", shard.to_string());
    labels.push((ADDRESS.into(), endpoint.address().into()));
    Ok(labels.into_iter().collect())
}

/// The labels of a nerve member.
///
/// # Errors
/// What is wrong with the data.
pub(super) fn nerve(data: &[u8], path: &str) -> Result<LabelMap, String> {
    let mut endpoint = Endpoint::default();
    let mut name = String::new();
    read(data, |field, value| match field {
        "name" => update(value, &mut name),
        _ => endpoint.field(field, value),
    })?;
    let mut labels = LabelMap::new();
    let mut set = |name: &str, value: String| labels.insert(format!("{NERVE}{name}"), value);
    set("path", path.to_owned());
    set("endpoint_host", endpoint.host.clone());
    set("endpoint_port", endpoint.port.to_string());
    set("endpoint_name", name);
    labels.insert(ADDRESS.to_owned(), endpoint.address());
    Ok(labels)
}

impl Endpoint {
    /// Takes one field in; others are skipped.
    fn field(&mut self, name: &str, value: &RawValue) -> Result<(), serde_json::Error> {
        match name {
            "host" => update(value, &mut self.host),
            "port" => update(value, &mut self.port),
            _ => Ok(()),
        }
    }

    fn read(&mut self, value: &RawValue) -> Result<(), serde_json::Error> {
        let fields = serde_json::from_slice::<Option<Fields>>(value.get().as_bytes())?;
        for (name, value) in fields.unwrap_or_default().0 {
            self.field(&name.to_ascii_lowercase(), &value)?;
        }
        Ok(())
    }

    fn address(&self) -> String {
        let Endpoint { host, port } = self;
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

/// Adds the endpoints that have a name.
fn additional(
    value: &RawValue,
    endpoints: &mut BTreeMap<String, Endpoint>,
) -> Result<(), serde_json::Error> {
    let fields = serde_json::from_slice::<Option<Fields>>(value.get().as_bytes())?;
    for (name, value) in fields.unwrap_or_default().0 {
        let mut endpoint = Endpoint::default();
        endpoint.read(&value)?;
        endpoints.insert(name, endpoint);
    }
    Ok(())
}

/// Sets a value unless null is written.
fn update<'v, T: Deserialize<'v>>(
    value: &'v RawValue,
    place: &mut T,
) -> Result<(), serde_json::Error> {
    if let Some(value) = serde_json::from_slice::<Option<T>>(value.get().as_bytes())? {
        *place = value;
    }
    Ok(())
}

/// Hands over the fields of an object one by one, their names in lower case.
fn read(
    data: &[u8],
    mut take: impl FnMut(&str, &RawValue) -> Result<(), serde_json::Error>,
) -> Result<(), String> {
    let text = String::from_utf8_lossy(data);
    let told = |error: serde_json::Error| {
        let text = error.to_string();
        text.chars()
            .take(limits::STORE_QUOTE_CHARS)
            .collect::<String>()
    };
    let fields = serde_json::from_slice::<Option<Fields>>(text.as_bytes()).map_err(told)?;
    for (name, value) in fields.unwrap_or_default().0 {
        let name = name.to_ascii_lowercase();
        take(&name, &value).map_err(|error| format!("{name}: {}", told(error)))?;
    }
    Ok(())
}

/// The fields of an object in their order, repeated ones included.
#[derive(Default)]
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A name as part of a label's: every character that cannot stand in one becomes `_`.
fn label_name(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(kept).collect()
}

#[cfg(test)]
mod tests;
