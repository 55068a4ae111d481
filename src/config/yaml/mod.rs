//! YAML as a tree of nodes that know their line and column.
//!
//! Reads the dialect that Prometheus reads (go-yaml v2): YAML 1.1 words for booleans and null,
//! anchors and aliases, merge keys, `!!binary`. Size, depth and the number of nodes are bounded,
//! so that no file can take the machine's memory. What a scalar means (number, boolean, text) is
//! decided by who asks for it: [`scalar`] says what go-yaml would see. Duplicate keys are kept
//! here and refused by [`crate::config::decode`], which knows how the section is called. Comments,
//! styles and unknown tags are not kept, and only the first document of a stream is read.

mod build;
pub mod scalar;
#[cfg(test)]
mod tests;
pub mod write;

use saphyr_parser::{Event, Parser, ScanError};

use self::build::Builder;
use self::scalar::Resolved;
use crate::limits;

/// A node of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What stands there.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text; `plain` when it was not quoted, so that `5` and `"5"` differ.
    Scalar {
        /// The text.
        text: String,
        /// Not quoted, not a block scalar.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in file order, merge keys already folded in. A key may occur twice: whoever
    /// reads the mapping refuses that.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar, the empty text of null, nothing for lists and mappings.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Null => Some(""),
            Value::Scalar { text, .. } => Some(text),
            Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Whether nothing stands there.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// Whether both hold the same, wherever they stand and whether quotes that change nothing are
    /// written or not.
    #[must_use]
    pub fn same_content(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Sequence(one), Value::Sequence(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(a, b)| a.same_content(b))
            }
            (Value::Mapping(one), Value::Mapping(two)) => {
                one.len() == two.len()
                    && one
                        .iter()
                        .zip(two)
                        .all(|(a, b)| a.0.same_content(&b.0) && a.1.same_content(&b.1))
            }
            (
                Value::Scalar {
                    text: one,
                    plain: a,
                },
                Value::Scalar {
                    text: two,
                    plain: b,
                },
            ) => one == two && (a == b || scalar::resolve(one, true) == Resolved::Text),
            (one, two) => one == two,
        }
    }
}

/// What [`parse`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The first document; null for an empty text.
    pub root: Node,
    /// Line of a second document, which Prometheus ignores without a word.
    pub ignored_from: Option<usize>,
}

/// Why a text is no YAML that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("yaml: line {line}: {message}")]
pub struct SyntaxError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl SyntaxError {
    fn new(line: usize, column: usize, message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            line,
            column,
            message: message.into(),
        }
    }
}

impl From<ScanError> for SyntaxError {
    fn from(error: ScanError) -> SyntaxError {
        let marker = error.marker();
        SyntaxError::new(marker.line(), marker.col() + 1, error.info())
    }
}

/// Reads the first document of a text.
///
/// # Errors
/// The first violation of YAML's grammar or of a bound, with its position.
pub fn parse(text: &str) -> Result<Document, SyntaxError> {
    if text.len() > limits::CONFIG_FILE_BYTES {
        let most = limits::CONFIG_FILE_BYTES;
        return Err(SyntaxError::new(
            1,
            1,
            format!("file is larger than {most} bytes"),
        ));
    }
    let mut builder = Builder::default();
    let mut ended = false;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            // What stands behind the first document is not looked at.
            Err(_) if ended => break,
            Err(error) => return Err(error.into()),
        };
        match event {
            Event::DocumentEnd => ended = true,
            Event::DocumentStart(_) if ended => {
                return Ok(builder.finish(Some(span.start.line())));
            }
            event => builder.event(event, span.start)?,
        }
    }
    Ok(builder.finish(None))
}
