//! A mapping with known keys: reads them one by one and refuses the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Cursor, Decoded};
use crate::config::error::{Problem, ProblemKind, Problems};
use crate::config::yaml::{Node, Value};
use crate::model::sorting;

/// One key of a mapping that is being read.
#[derive(Debug)]
struct Field<'n> {
    name: &'n str,
    key: &'n Node,
    value: &'n Node,
    taken: bool,
}

/// A mapping that is being read. Every known key is asked for once; [`Fields::finish`] reports what
/// was wrong and what is left over.
#[derive(Debug)]
pub struct Fields<'n> {
    at: Cursor<'n>,
    type_name: &'static str,
    fields: Vec<Field<'n>>,
    problems: Vec<Problem>,
}

impl<'n> Fields<'n> {
    /// Begins to read a mapping; null is one without keys. `type_name` is what Prometheus calls
    /// the section in its errors, like `config.plain`.
    ///
    /// # Errors
    /// If the node is no mapping.
    pub fn new(at: &Cursor<'n>, type_name: &'static str) -> Decoded<Fields<'n>> {
        let entries: &[(Node, Node)] = match &at.node.value {
            Value::Null => &[],
            Value::Mapping(entries) => entries,
            _ => return Err(at.mistyped(type_name)),
        };
        let mut fields: Vec<Field<'n>> = Vec::with_capacity(entries.len());
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for (key, value) in entries {
            let Some(name) = key.text() else {
                problems.extend(
                    Cursor::new(key, at.path.clone())
                        .mistyped("string")
                        .into_vec(),
                );
                continue;
            };
            if !seen.insert(name) {
                let message = format!("field {name} already set in type {type_name}");
                problems.push(at.key(name, key).problem(ProblemKind::Shape, message));
                continue;
            }
            let taken = false;
            fields.push(Field {
                name,
                key,
                value,
                taken,
            });
        }
        let at = at.clone();
        Ok(Fields {
            at,
            type_name,
            fields,
            problems,
        })
    }

    /// Where the mapping stands.
    #[must_use]
    pub fn at(&self) -> &Cursor<'n> {
        &self.at
    }

    /// Whether a key was written, with whatever value. Does not take it.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.fields.iter().any(|field| field.name == key)
    }

    /// The place of a key itself, if it was written: its value may begin on a later line.
    #[must_use]
    pub fn key(&self, key: &str) -> Option<Cursor<'n>> {
        let field = self.fields.iter().find(|field| field.name == key)?;
        Some(self.at.key(key, field.key))
    }

    /// Takes a key, if it was written (null included).
    pub fn optional(&mut self, key: &str) -> Option<Cursor<'n>> {
        let field = self.fields.iter_mut().find(|field| field.name == key)?;
        field.taken = true;
        Some(self.at.key(key, field.value))
    }

    /// Takes a key that means nothing when it is null (Go's pointers).
    pub fn non_null(&mut self, key: &str) -> Option<Cursor<'n>> {
        self.optional(key).filter(|at| !at.node.is_null())
    }

    /// Takes a key and reads it; a mistake is noted and counts as not written.
    pub fn get<T>(&mut self, key: &str, read: impl FnOnce(&Cursor<'n>) -> Decoded<T>) -> Option<T> {
        let at = self.optional(key)?;
        self.note(read(&at))
    }

    /// Notes the mistakes of a result for [`Fields::finish`].
    pub fn note<T>(&mut self, result: Decoded<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(more) => {
                self.problems.extend(more.into_vec());
                None
            }
        }
    }

    /// Notes a broken rule at a key, or at the mapping if the key was not written.
    pub fn rule(&mut self, key: &str, message: impl Into<String>) {
        let at = self.key(key).unwrap_or_else(|| self.at.clone());
        self.problems.extend(at.rule(message).into_vec());
    }

    /// Notes a broken rule of the mapping as a whole.
    pub fn rule_here(&mut self, message: impl Into<String>) {
        self.problems.extend(self.at.rule(message).into_vec());
    }

    /// Takes a text.
    pub fn string(&mut self, key: &str) -> Option<String> {
        self.get(key, Cursor::string)
    }

    /// Takes a boolean.
    pub fn bool(&mut self, key: &str) -> Option<bool> {
        self.get(key, Cursor::bool)
    }

    /// Takes a whole number.
    pub fn i64(&mut self, key: &str) -> Option<i64> {
        self.get(key, Cursor::i64)
    }

    /// Takes a whole number without sign.
    pub fn u64(&mut self, key: &str) -> Option<u64> {
        self.get(key, Cursor::u64)
    }

    /// Takes a number.
    pub fn f64(&mut self, key: &str) -> Option<f64> {
        self.get(key, Cursor::f64)
    }

    /// Takes a duration.
    pub fn duration(&mut self, key: &str) -> Option<Duration> {
        self.get(key, Cursor::duration)
    }

    /// Takes a size in bytes.
    pub fn size(&mut self, key: &str) -> Option<u64> {
        self.get(key, Cursor::size)
    }

    /// Takes a list of strings.
    pub fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        self.get(key, Cursor::strings)
    }

    /// Takes a mapping from string to string.
    pub fn string_map(&mut self, key: &str) -> Option<Vec<(String, String)>> {
        self.get(key, Cursor::string_map)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// All that was noted, and every key that nobody asked for, in file order.
    pub fn finish(self) -> Decoded<()> {
        let mut problems = self.problems;
        for field in self.fields.iter().filter(|field| !field.taken) {
            let message = format!("field {} not found in type {}", field.name, self.type_name);
            let at = self.at.key(field.name, field.key);
            problems.push(at.problem(ProblemKind::Shape, message));
        }
        sorting::sort_by_key(&mut problems, |problem| (problem.line, problem.column));
        Problems::check(problems)
    }
}
