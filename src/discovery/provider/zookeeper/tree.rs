//! The part of a ZooKeeper tree below some paths, kept true by questions and watch events. No I/O.
//!
//! A node that is new is asked for its data and its children; an event about a node has the same
//! asked again, which also renews the watch. A path that is not there is watched until it is. After a
//! new connection, whose server knows none of our watches, everything is asked again; what is known
//! stays until an answer says otherwise. So the state is always the last thing a server said about
//! each node, and once nothing is left to ask it is that of the server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::wire::{Answer, Change, Code, Question, What};
use crate::discovery::keyed::{Entry, Keyed, TooMuch};
use crate::limits;
use crate::model::sorting;
use crate::model::target_group::LabelMap;

/// Reads the data of a node: the labels of a target, or why there are none.
pub(super) type Parse = fn(&[u8], &str) -> Result<LabelMap, String>;

/// Why a tree cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TreeError {
    /// It is too large.
    #[error(transparent)]
    TooMuch(#[from] TooMuch),
    /// A path is too long.
    #[error("a path is longer than {} bytes", limits::ZK_PATH_BYTES)]
    Path,
    /// A server does not tell, for a reason that says nothing about the node.
    #[error("cannot read {path}: {code}")]
    Refused {
        /// The node.
        path: String,
        /// The server's word.
        code: Code,
    },
}

/// A node that is there.
#[derive(Debug, Default)]
struct Node {
    /// The last reading that asked for it.
    reading: u64,
    /// Names.
    children: BTreeSet<String>,
}

/// The tree.
#[derive(Debug)]
pub(super) struct Tree {
    roots: Vec<String>,
    parse: Parse,
    nodes: BTreeMap<String, Node>,
    /// Names of nodes, together.
    bytes: usize,
    /// Counts readings of the whole tree.
    reading: u64,
    queue: VecDeque<Question>,
    queued: BTreeSet<Question>,
    /// Paths that are not there, and nodes that we may not read.
    absent: BTreeSet<String>,
    denied: BTreeSet<String>,
    targets: Keyed,
}

impl Tree {
    /// Nothing is known yet. Paths that lie inside others are left out.
    #[must_use]
    pub(super) fn new(roots: &[String], parse: Parse) -> Tree {
        Tree {
            roots: outermost(roots),
            parse,
            nodes: BTreeMap::new(),
            bytes: 0,
            reading: 0,
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            absent: BTreeSet::new(),
            denied: BTreeSet::new(),
            targets: Keyed::default(),
        }
    }

    /// Has everything asked again.
    pub(super) fn read_again(&mut self) {
        self.reading += 1;
        self.queue.clear();
        self.queued.clear();
        self.denied.clear();
        for root in self.roots.clone() {
            self.ask_all(&root);
        }
    }

    /// The next question.
    pub(super) fn question(&mut self) -> Option<Question> {
        let question = self.queue.pop_front()?;
        self.queued.remove(&question);
        Some(question)
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// The targets found.
    pub(super) fn targets(&mut self) -> &mut Keyed {
        &mut self.targets
    }

    /// A word on what could not be read though nothing failed.
    #[must_use]
    pub(super) fn remark(&self) -> Option<String> {
        if let Some(path) = self.absent.first() {
            return Some(format!("path {path} does not exist"));
        }
        if let Some(path) = self.denied.first() {
            return Some(format!(
                "not allowed to read {path}; what was known of it stays"
            ));
        }
        self.targets
            .broken()
            .map(|broken| format!("nodes: {broken}"))
    }

    /// Takes an answer in.
    ///
    /// # Errors
    /// When the tree is too large, or the server has trouble of its own.
    pub(super) fn answer(
        &mut self,
        question: Question,
        answer: Result<Answer, Code>,
    ) -> Result<(), TreeError> {
        let Question { what, path } = question;
        match answer {
            Ok(Answer::Exists) => self.appeared(&path),
            Ok(Answer::Data(data)) => self.data(&path, &data)?,
            Ok(Answer::Children(names)) => self.children(&path, names)?,
            Err(Code::NO_NODE) => self.missing(what, &path),
            Err(Code::NO_AUTH) if self.is_known(&path) => {
                self.denied.insert(path);
            }
            Err(Code::NO_AUTH) => {}
            Err(code) => return Err(TreeError::Refused { path, code }),
        }
        Ok(())
    }

    /// Takes a watch event in.
    pub(super) fn event(&mut self, change: Change, path: &str) {
        match change {
            Change::Created => self.appeared(path),
            Change::Deleted => self.missing(What::Data, path),
            Change::Data if self.is_known(path) => self.ask(What::Data, path),
            Change::Children if self.is_known(path) => self.ask(What::Children, path),
            // It is gone again, or was never ours.
            Change::Data | Change::Children => {}
        }
    }

    fn is_root(&self, path: &str) -> bool {
        self.roots.iter().any(|root| root == path)
    }

    /// Roots count as known, or their first answers would be taken for late ones.
    fn is_known(&self, path: &str) -> bool {
        self.nodes.contains_key(path) || self.is_root(path)
    }

    fn ask(&mut self, what: What, path: &str) {
        let question = Question {
            what,
            path: path.to_owned(),
        };
        if self.queued.insert(question.clone()) {
            self.queue.push_back(question);
        }
    }

    fn ask_all(&mut self, path: &str) {
        self.ask(What::Data, path);
        self.ask(What::Children, path);
    }

    /// A path that was waited for is there. It may have come between two questions, so both are asked.
    fn appeared(&mut self, path: &str) {
        if self.is_root(path) {
            self.ask_all(path);
        }
    }

    /// A node is not there. If it is one we were told to look at, its coming is watched for. Any other
    /// counts as new when its parent lists it again.
    fn missing(&mut self, what: What, path: &str) {
        self.forget(path);
        if self.is_root(path) {
            let first = self.absent.insert(path.to_owned());
            if first || what == What::Data {
                self.ask(What::Exists, path);
            }
        }
    }

    fn data(&mut self, path: &str, data: &[u8]) -> Result<(), TreeError> {
        if !self.is_known(path) {
            return Ok(());
        }
        self.enter(path)?;
        let folder = self
            .nodes
            .get(path)
            .is_some_and(|node| !node.children.is_empty());
        let entry = match (self.parse)(data, path) {
            Ok(labels) => Some(Entry::Targets(LabelMap::new(), vec![labels])),
            // Folders hold what they like.
            Err(_) if folder || data.is_empty() => None,
            Err(reason) => Some(Entry::Broken(reason)),
        };
        Ok(self.targets.set(path, entry)?)
    }

    fn children(&mut self, path: &str, names: Vec<String>) -> Result<(), TreeError> {
        if !self.is_known(path) {
            return Ok(());
        }
        self.enter(path)?;
        let reading = self.reading;
        let names: BTreeSet<String> = sorting::set(names.into_iter().filter(|name| is_name(name)));
        let node = self.nodes.entry(path.to_owned()).or_default();
        let old = std::mem::replace(&mut node.children, names.clone());
        for gone in old.difference(&names) {
            self.forget(&join(path, gone));
        }
        if !names.is_empty() {
            self.targets.forgive(path);
        }
        for name in names {
            let child = join(path, &name);
            self.enter(&child)?;
            let node = self.nodes.entry(child.clone()).or_default();
            if node.reading != reading {
                node.reading = reading;
                self.ask_all(&child);
            }
        }
        Ok(())
    }

    /// Makes room for a node that is there.
    fn enter(&mut self, path: &str) -> Result<(), TreeError> {
        self.absent.remove(path);
        self.denied.remove(path);
        if self.nodes.contains_key(path) {
            return Ok(());
        }
        if path.len() > limits::ZK_PATH_BYTES {
            return Err(TreeError::Path);
        }
        if self.nodes.len() >= limits::STORE_KEYS {
            return Err(TooMuch::Keys.into());
        }
        self.bytes += path.len();
        if self.bytes > limits::STORE_BYTES {
            return Err(TooMuch::Bytes.into());
        }
        let node = Node {
            reading: if self.is_root(path) { self.reading } else { 0 },
            children: BTreeSet::new(),
        };
        self.nodes.insert(path.to_owned(), node);
        Ok(())
    }

    /// Forgets a node and everything below it.
    fn forget(&mut self, path: &str) {
        let mut doomed = vec![path.to_owned()];
        while let Some(path) = doomed.pop() {
            let Some(node) = self.nodes.remove(&path) else {
                continue;
            };
            self.bytes -= path.len();
            self.denied.remove(&path);
            self.targets.remove(&path);
            doomed.extend(node.children.iter().map(|name| join(&path, name)));
        }
    }
}

/// Without paths that lie inside others, sorted.
fn outermost(roots: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let sorted: BTreeSet<&String> = sorting::set(roots);
    for root in sorted {
        let inside = |outer: &String| {
            let rest = root.strip_prefix(outer.as_str());
            outer == "/" || rest.is_some_and(|rest| rest.starts_with('/'))
        };
        if !kept.iter().any(inside) {
            kept.push(root.clone());
        }
    }
    kept
}

/// Names that ZooKeeper gives out hold no slash; one from a server that does must not lead astray.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

fn join(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        parent => format!("{parent}/{name}"),
    }
}

#[cfg(test)]
mod tests;
