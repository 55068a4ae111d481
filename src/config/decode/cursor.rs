//! A node with its key path: typed readings of single values.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Decoded;
use crate::config::error::{Problem, ProblemKind, Problems};
use crate::config::yaml::scalar::{Resolved, resolve};
use crate::config::yaml::{Node, Value};
use crate::model::{duration, size};

/// A node and the way to it.
#[derive(Clone, Debug)]
pub struct Cursor<'n> {
    /// The node.
    pub node: &'n Node,
    /// Keys and indices from the root, like `scrape_configs[0].job_name`; empty at the root.
    pub path: String,
}

impl<'n> Cursor<'n> {
    /// A node with the path that leads to it.
    #[must_use]
    pub fn new(node: &'n Node, path: impl Into<String>) -> Cursor<'n> {
        let path = path.into();
        Cursor { node, path }
    }

    /// The way to a key below this node.
    #[must_use]
    pub fn key(&self, key: &str, node: &'n Node) -> Cursor<'n> {
        let separator = if self.path.is_empty() { "" } else { "." };
        Cursor::new(node, format!("{}{separator}{key}", self.path))
    }

    /// The way to an item of this list.
    #[must_use]
    pub fn index(&self, index: usize, node: &'n Node) -> Cursor<'n> {
        Cursor::new(node, format!("{}[{index}]", self.path))
    }

    /// A broken rule at this place.
    #[must_use]
    pub fn rule(&self, message: impl Into<String>) -> Problems {
        self.problem(ProblemKind::Rule, message.into()).into()
    }

    /// A wrong shape at this place, in go-yaml's words; `go_type` is what was expected.
    #[must_use]
    pub fn mistyped(&self, go_type: &str) -> Problems {
        let found = match &self.node.value {
            Value::Null => "!!null".to_owned(),
            Value::Sequence(_) => "!!seq".to_owned(),
            Value::Mapping(_) => "!!map".to_owned(),
            Value::Scalar { text, plain } => {
                let tag = resolve(text, *plain).tag();
                match text.char_indices().nth(7) {
                    Some((cut, _)) if text.len() > 10 => format!("{tag} `{}...`", &text[..cut]),
                    _ => format!("{tag} `{text}`"),
                }
            }
        };
        let message = format!("cannot unmarshal {found} into {go_type}");
        self.problem(ProblemKind::Shape, message).into()
    }

    pub(super) fn problem(&self, kind: ProblemKind, message: String) -> Problem {
        Problem {
            kind,
            line: self.node.line,
            column: self.node.column,
            path: self.path.clone(),
            message,
        }
    }

    fn resolved(&self) -> Option<Resolved> {
        match &self.node.value {
            Value::Null => Some(Resolved::Null),
            Value::Scalar { text, plain } => Some(resolve(text, *plain)),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Any scalar as text; empty for null.
    ///
    /// # Errors
    /// For lists and mappings.
    pub fn string(&self) -> Decoded<String> {
        let text = self.node.text().ok_or_else(|| self.mistyped("string"))?;
        Ok(text.to_owned())
    }

    /// A boolean of YAML 1.1; false for null.
    ///
    /// # Errors
    /// For anything else, quoted booleans included.
    pub fn bool(&self) -> Decoded<bool> {
        match self.resolved() {
            Some(Resolved::Bool(value)) => Ok(value),
            Some(Resolved::Null) => Ok(false),
            _ => Err(self.mistyped("bool")),
        }
    }

    /// A whole number (Go's `int`); 0 for null. A fraction is cut off, as go-yaml does.
    ///
    /// # Errors
    /// For anything else and for what does not fit.
    pub fn i64(&self) -> Decoded<i64> {
        match self.resolved() {
            Some(Resolved::Null) => Ok(0),
            Some(Resolved::Int(value)) => Ok(value),
            Some(Resolved::Float(value)) if value.abs() < i64::MAX as f64 => Ok(value as i64),
            _ => Err(self.mistyped("int")),
        }
    }

    /// A whole number without sign (Go's `uint`); 0 for null.
    ///
    /// # Errors
    /// For anything else and for what does not fit.
    pub fn u64(&self) -> Decoded<u64> {
        let mistyped = || self.mistyped("uint");
        match self.resolved() {
            Some(Resolved::Null) => Ok(0),
            Some(Resolved::Int(value)) => u64::try_from(value).map_err(|_| mistyped()),
            Some(Resolved::Uint(value)) => Ok(value),
            Some(Resolved::Float(value)) if (0.0..u64::MAX as f64).contains(&value) => {
                Ok(value as u64)
            }
            _ => Err(mistyped()),
        }
    }

    /// A number; 0 for null.
    ///
    /// # Errors
    /// For anything else.
    pub fn f64(&self) -> Decoded<f64> {
        match self.resolved() {
            Some(Resolved::Null) => Ok(0.0),
            Some(Resolved::Int(value)) => Ok(value as f64),
            Some(Resolved::Uint(value)) => Ok(value as f64),
            Some(Resolved::Float(value)) => Ok(value),
            _ => Err(self.mistyped("float64")),
        }
    }

    /// A duration like `1h30m`; zero for null.
    ///
    /// # Errors
    /// In Prometheus's words.
    pub fn duration(&self) -> Decoded<Duration> {
        if self.node.is_null() {
            return Ok(Duration::ZERO);
        }
        duration::parse(&self.string()?).map_err(|error| self.rule(error.to_string()))
    }

    /// A size like `10MB` in bytes; 0 for null.
    ///
    /// # Errors
    /// In Prometheus's words.
    pub fn size(&self) -> Decoded<u64> {
        if self.node.is_null() {
            return Ok(0);
        }
        size::parse(&self.string()?).map_err(|error| self.rule(error))
    }

    /// The items of a list; none for null. A single scalar or mapping is no list.
    ///
    /// # Errors
    /// For anything else; `go_type` names the expected list.
    pub fn items(&self, go_type: &str) -> Decoded<Vec<Cursor<'n>>> {
        match &self.node.value {
            Value::Null => Ok(Vec::new()),
            Value::Sequence(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| self.index(index, item))
                .collect()),
            _ => Err(self.mistyped(go_type)),
        }
    }

    /// A list whose items `read` understands; mistakes of all items are gathered.
    ///
    /// # Errors
    /// Those of the items, or that it is no list.
    pub fn list<T>(
        &self,
        go_type: &str,
        mut read: impl FnMut(&Cursor<'n>) -> Decoded<T>,
    ) -> Decoded<Vec<T>> {
        let mut problems = Vec::new();
        let mut values = Vec::new();
        for item in self.items(go_type)? {
            match read(&item) {
                Ok(value) => values.push(value),
                Err(more) => problems.extend(more.into_vec()),
            }
        }
        Problems::check(problems)?;
        Ok(values)
    }

    /// The keys and values of a mapping with free keys; none for null.
    ///
    /// # Errors
    /// For anything else, and for a key that occurs twice.
    pub fn entries(&self, go_type: &str) -> Decoded<Vec<(String, Cursor<'n>)>> {
        let entries = match &self.node.value {
            Value::Null => return Ok(Vec::new()),
            Value::Mapping(entries) => entries,
            _ => return Err(self.mistyped(go_type)),
        };
        let mut problems = Vec::new();
        let mut found: Vec<(String, Cursor<'n>)> = Vec::with_capacity(entries.len());
        let mut seen = BTreeSet::new();
        for (key, value) in entries {
            match Cursor::new(key, self.path.clone()).string() {
                Ok(name) if !seen.insert(name.clone()) => {
                    let message = format!("key {name:?} already set in map");
                    let at = self.key(&name, key);
                    problems.push(at.problem(ProblemKind::Shape, message));
                }
                Ok(name) => {
                    let at = self.key(&name, value);
                    found.push((name, at));
                }
                Err(more) => problems.extend(more.into_vec()),
            }
        }
        Problems::check(problems)?;
        Ok(found)
    }

    /// A list of strings; empty for null.
    ///
    /// # Errors
    /// For anything else.
    pub fn strings(&self) -> Decoded<Vec<String>> {
        self.list("[]string", Cursor::string)
    }

    /// A mapping from string to string, in file order; empty for null.
    ///
    /// # Errors
    /// For anything else, and for a key that occurs twice.
    pub fn string_map(&self) -> Decoded<Vec<(String, String)>> {
        let mut problems = Vec::new();
        let mut pairs = Vec::new();
        for (name, at) in self.entries("map[string]string")? {
            match at.string() {
                Ok(value) => pairs.push((name, value)),
                Err(more) => problems.extend(more.into_vec()),
            }
        }
        Problems::check(problems)?;
        Ok(pairs)
    }
}
