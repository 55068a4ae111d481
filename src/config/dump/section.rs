//! A mapping under construction.

use std::path::Path;
use std::time::Duration;

use super::SECRET;
use crate::config::secret::SecretSource;
use crate::config::yaml::{Node, write};
use crate::model::duration::Pretty;

/// Keys and values in the order they are added.
#[derive(Default)]
pub(super) struct Section(Vec<(String, Node)>);

impl Section {
    pub(super) fn node(self) -> Node {
        write::mapping(self.0)
    }

    pub(super) fn put(&mut self, key: &str, value: Node) {
        self.0.push((key.to_owned(), value));
    }

    /// A text that may be shown.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.put(key, write::text(text));
    }

    /// A text that may be shown, unless it is empty.
    pub(super) fn text_if(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.text(key, text);
        }
    }

    pub(super) fn path(&mut self, key: &str, path: &Path) {
        self.text(key, &path.to_string_lossy());
    }

    pub(super) fn word(&mut self, key: &str, word: impl ToString + Copy) {
        self.put(key, write::word(word));
    }

    /// A limit, unless it is zero.
    pub(super) fn number_if(&mut self, key: &str, number: u64) {
        if number != 0 {
            self.word(key, number);
        }
    }

    pub(super) fn duration(&mut self, key: &str, duration: Duration) {
        self.word(key, Pretty(duration));
    }

    /// A list, unless it is empty.
    pub(super) fn list(&mut self, key: &str, items: impl Iterator<Item = Node>) {
        let items: Vec<Node> = items.collect();
        if !items.is_empty() {
            self.put(key, write::list(items));
        }
    }

    /// A mapping with free keys, unless it is empty.
    pub(super) fn mapping(&mut self, key: &str, entries: impl Iterator<Item = (String, Node)>) {
        let entries: Vec<(String, Node)> = entries.collect();
        if !entries.is_empty() {
            self.put(key, write::mapping(entries));
        }
    }

    /// A section, unless it is empty.
    pub(super) fn section(&mut self, key: &str, section: Section) {
        self.mapping(key, section.0.into_iter());
    }

    /// A secret as `<secret>` or the file that holds it; nothing for an empty one.
    pub(super) fn secret(&mut self, key: &str, file_key: &str, source: &SecretSource) {
        match source {
            SecretSource::Inline(secret) if secret.is_empty() => {}
            SecretSource::Inline(_) => self.text(key, SECRET),
            SecretSource::File(path) => self.path(file_key, path),
        }
    }
}
