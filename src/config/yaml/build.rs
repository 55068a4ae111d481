//! From parser events to the tree: an explicit stack, so that depth costs no native stack, and
//! every copy that an alias makes is counted.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use saphyr_parser::{Event, Marker, ScalarStyle, Tag};

use super::{Document, Node, SyntaxError, Value, scalar};
use crate::limits;

/// An open list or mapping.
struct Frame {
    line: usize,
    column: usize,
    anchor: usize,
    /// Deepest nesting below, counted from this node.
    height: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<(Node, Node)>,
        key: Option<Node>,
    },
}

/// What an alias refers to.
struct Anchored {
    node: Node,
    nodes: usize,
    height: usize,
}

#[derive(Default)]
pub(super) struct Builder {
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    root: Option<Node>,
    /// Nodes made so far, copies included.
    nodes: usize,
}

impl Builder {
    pub(super) fn finish(self, ignored_from: Option<usize>) -> Document {
        let root = self.root.unwrap_or(Node {
            line: 1,
            column: 1,
            value: Value::Null,
        });
        Document { root, ignored_from }
    }

    pub(super) fn event(&mut self, event: Event<'_>, at: Marker) -> Result<(), SyntaxError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref(), at)?;
                self.count(1, at)?;
                self.close(node(at, value), anchor, 1, at)
            }
            Event::SequenceStart(anchor, _) => self.open(anchor, Content::Sequence(Vec::new()), at),
            Event::MappingStart(anchor, _) => {
                let (entries, key) = (Vec::new(), None);
                self.open(anchor, Content::Mapping { entries, key }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, content: Content, at: Marker) -> Result<(), SyntaxError> {
        self.count(1, at)?;
        check_depth(self.stack.len() + 1, at)?;
        self.stack.push(Frame {
            line: at.line(),
            column: at.col() + 1,
            anchor,
            height: 1,
            content,
        });
        Ok(())
    }

    fn end(&mut self, at: Marker) -> Result<(), SyntaxError> {
        let Some(frame) = self.stack.pop() else {
            return Err(error(at, "did not find expected node content"));
        };
        let value = match frame.content {
            Content::Sequence(items) => Value::Sequence(items),
            Content::Mapping { entries, .. } => Value::Mapping(merged(entries)?),
        };
        let node = Node {
            line: frame.line,
            column: frame.column,
            value,
        };
        self.close(node, frame.anchor, frame.height, at)
    }

    fn alias(&mut self, anchor: usize, at: Marker) -> Result<(), SyntaxError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(error(at, "anchor value contains itself"));
        };
        let (nodes, height) = (anchored.nodes, anchored.height);
        check_depth(self.stack.len() + height, at)?;
        self.nodes = counted(self.nodes, nodes, at)?;
        let node = anchored.node.clone();
        self.close(node, 0, height, at)
    }

    /// Hands a finished node to what is open around it.
    fn close(
        &mut self,
        node: Node,
        anchor: usize,
        height: usize,
        at: Marker,
    ) -> Result<(), SyntaxError> {
        if anchor != 0 {
            let nodes = count_nodes(&node);
            self.count(nodes, at)?;
            let node = node.clone();
            self.anchors.insert(
                anchor,
                Anchored {
                    node,
                    nodes,
                    height,
                },
            );
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.height = frame.height.max(height + 1);
        match &mut frame.content {
            Content::Sequence(items) => items.push(node),
            Content::Mapping { entries, key } => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }

    fn count(&mut self, more: usize, at: Marker) -> Result<(), SyntaxError> {
        self.nodes = counted(self.nodes, more, at)?;
        Ok(())
    }
}

fn counted(nodes: usize, more: usize, at: Marker) -> Result<usize, SyntaxError> {
    if nodes + more > limits::YAML_NODES {
        return Err(error(at, "document contains excessive aliasing or nodes"));
    }
    Ok(nodes + more)
}

fn node(at: Marker, value: Value) -> Node {
    Node {
        line: at.line(),
        column: at.col() + 1,
        value,
    }
}

fn error(at: Marker, message: impl Into<String>) -> SyntaxError {
    SyntaxError::new(at.line(), at.col() + 1, message)
}

fn check_depth(depth: usize, at: Marker) -> Result<(), SyntaxError> {
    if depth > limits::YAML_DEPTH {
        return Err(error(at, "exceeded max depth"));
    }
    Ok(())
}

fn count_nodes(node: &Node) -> usize {
    match &node.value {
        Value::Null | Value::Scalar { .. } => 1,
        Value::Sequence(items) => 1 + items.iter().map(count_nodes).sum::<usize>(),
        Value::Mapping(entries) => {
            let inner = entries.iter().map(|(k, v)| count_nodes(k) + count_nodes(v));
            1 + inner.sum::<usize>()
        }
    }
}

/// What a scalar is, given its quotes and its tag.
fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    at: Marker,
) -> Result<Value, SyntaxError> {
    let mut plain = style == ScalarStyle::Plain;
    let mut text = text.to_owned();
    match tag.map(|tag| (tag.is_yaml_core_schema(), tag.suffix.as_str())) {
        None => {}
        Some((true, "binary")) => {
            text = binary(&text).map_err(|message| error(at, message))?;
            plain = false;
        }
        Some((true, "null")) => return Ok(Value::Null),
        Some((true, "bool" | "int" | "float" | "merge" | "timestamp")) => plain = true,
        // `!!str` and private tags make text of anything.
        Some(_) => plain = false,
    }
    if plain && scalar::is_null(&text) {
        return Ok(Value::Null);
    }
    Ok(Value::Scalar { text, plain })
}

fn binary(text: &str) -> Result<String, &'static str> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .map_err(|_| "!!binary value contains invalid base64 data")?;
    String::from_utf8(bytes).map_err(|_| "!!binary value is not UTF-8")
}

fn is_merge(key: &Node) -> bool {
    matches!(&key.value, Value::Scalar { text, plain: true } if text == "<<")
}

/// Where an entry of a mapping with merge keys came from.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Written,
    Merged,
}

/// Folds merge keys in. As in go-yaml v2 the later of a written and a merged key wins (so merge
/// keys belong first); within one merge key the earlier mapping wins.
fn merged(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, SyntaxError> {
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let mut folded: Vec<(Node, Node, Origin)> = Vec::new();
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for (key, value) in entries {
        if is_merge(&key) {
            for (key, value) in merge_sources(value)? {
                fold(&mut folded, &mut index, (key, value, Origin::Merged));
            }
        } else {
            fold(&mut folded, &mut index, (key, value, Origin::Written));
        }
    }
    Ok(folded
        .into_iter()
        .map(|(key, value, _)| (key, value))
        .collect())
}

fn fold(
    folded: &mut Vec<(Node, Node, Origin)>,
    index: &mut BTreeMap<String, usize>,
    entry: (Node, Node, Origin),
) {
    let name = entry.0.text().unwrap_or_default().to_owned();
    match index.get(&name) {
        // Written twice: kept twice, for the reader to refuse.
        Some(&at) if (folded[at].2, entry.2) != (Origin::Written, Origin::Written) => {
            folded[at] = entry;
        }
        _ => {
            index.insert(name, folded.len());
            folded.push(entry);
        }
    }
}

/// The entries that one merge key brings.
fn merge_sources(value: Node) -> Result<Vec<(Node, Node)>, SyntaxError> {
    let (line, column) = (value.line, value.column);
    let sources = match value.value {
        Value::Sequence(items) => items,
        _ => vec![value],
    };
    let mut known = BTreeSet::new();
    let mut inherited = Vec::new();
    for source in sources {
        let Value::Mapping(entries) = source.value else {
            let message = "map merge requires map or sequence of maps as the value";
            return Err(SyntaxError::new(line, column, message));
        };
        for (key, value) in entries {
            if known.insert(key.text().unwrap_or_default().to_owned()) {
                inherited.push((key, value));
            }
        }
    }
    Ok(inherited)
}
