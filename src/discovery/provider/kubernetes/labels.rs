//! Builds label sets whose names begin with `__meta_kubernetes_`.
//!
//! Names are made from the keys of users: every character that a label name cannot have becomes an
//! underscore. They are shared between all groups of a provider. Of two labels with the same name
//! the later one counts, and one whose value is empty is none: as in Prometheus. Pure.

use std::collections::HashSet;
use std::sync::Arc;

use super::objects::{Meta, Pairs};
use super::texts::Texts;
use crate::discovery::group::ADDRESS;
use crate::limits;
use crate::model::target_group::LabelMap;
use crate::model::text::Text;

const PREFIX: &str = "__meta_kubernetes_";

/// The texts of a provider's groups.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Texts,
    /// The name being made.
    name: String,
    /// The lists of names: objects of an application have the same.
    lists: HashSet<Arc<[Text]>, foldhash::fast::RandomState>,
    sweep_at: usize,
}

impl Names {
    /// The shared text that says this.
    pub(super) fn share(&mut self, text: &str) -> Text {
        self.texts.share(text)
    }

    /// The shared list of these names.
    fn share_list(&mut self, list: &Arc<[Text]>) -> Arc<[Text]> {
        if let Some(known) = self.lists.get(list) {
            return Arc::clone(known);
        }
        if self.lists.len() >= self.sweep_at {
            self.lists.retain(|list| Arc::strong_count(list) > 1);
            self.sweep_at = (self.lists.len() * 2).max(limits::K8S_TEXTS);
        }
        self.lists.insert(Arc::clone(list));
        Arc::clone(list)
    }

    fn meta(&mut self, parts: [&str; 3]) -> Text {
        self.name.clear();
        self.name.push_str(PREFIX);
        let [prefix, middle, key] = parts;
        self.name.push_str(prefix);
        self.name.push_str(middle);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        self.name
            .extend(key.chars().map(|c| if plain(c) { c } else { '_' }));
        self.texts.share(&self.name)
    }
}

/// A label set under construction.
#[derive(Debug)]
pub(super) struct Labels<'n> {
    names: &'n mut Names,
    pairs: Vec<(Text, Text)>,
}

impl<'n> Labels<'n> {
    /// An empty one.
    pub(super) fn new(names: &'n mut Names) -> Labels<'n> {
        let pairs = Vec::new();
        Labels { names, pairs }
    }

    /// Sets the meta label of that name.
    pub(super) fn set(&mut self, name: &str, value: &Text) {
        let name = self.names.meta([name, "", ""]);
        self.pairs.push((name, value.clone()));
    }

    /// Sets the meta label of that name to a value that tends to occur again.
    pub(super) fn set_str(&mut self, name: &str, value: &str) {
        let value = self.names.share(value);
        self.set(name, &value);
    }

    /// Sets a label of that very name.
    pub(super) fn set_plain(&mut self, name: &str, value: &Text) {
        let name = self.names.share(name);
        self.pairs.push((name, value.clone()));
    }

    /// Sets the meta label if there is a value.
    pub(super) fn set_some(&mut self, name: &str, value: Option<&Text>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Sets a meta label whose name ends in a key of the user.
    pub(super) fn set_key(&mut self, name: &str, key: &str, value: &Text) {
        let name = self.names.meta([name, "_", key]);
        self.pairs.push((name, value.clone()));
    }

    /// The shared lower-case form of a text.
    pub(super) fn lower(&mut self, text: &str) -> Text {
        self.names.share(&text.to_lowercase())
    }

    /// Sets a number.
    pub(super) fn set_number(&mut self, name: &str, number: i32) {
        self.set_str(name, &number.to_string());
    }

    /// Sets `true` or `false`.
    pub(super) fn set_bool(&mut self, name: &str, value: bool) {
        self.set_str(name, if value { "true" } else { "false" });
    }

    /// Sets where to scrape.
    pub(super) fn address(&mut self, address: &str) {
        self.set_plain(ADDRESS, &Text::from(address));
    }

    /// Sets one label for each pair and one that says it is there, whatever its value.
    pub(super) fn pairs(&mut self, names: [&str; 2], pairs: &Pairs) {
        let present = self.names.share("true");
        for (key, value) in pairs {
            self.set_key(names[0], key, value);
            self.set_key(names[1], key, &present);
        }
    }

    /// Sets name, labels and annotations of an object; `role` begins their names.
    pub(super) fn object(&mut self, role: &str, meta: &Meta) {
        self.set(&format!("{role}_name"), &meta.name);
        self.metadata(role, meta);
    }

    /// Sets labels and annotations of an object.
    pub(super) fn metadata(&mut self, role: &str, meta: &Meta) {
        let name = |what: &str| format!("{role}_{what}");
        self.pairs([&name("label"), &name("labelpresent")], &meta.labels);
        let annotations = [&*name("annotation"), &*name("annotationpresent")];
        self.pairs(annotations, &meta.annotations);
    }

    /// The finished set.
    pub(super) fn finish(self) -> LabelMap {
        let mut labels: LabelMap = self.pairs.into_iter().collect();
        labels.retain(|_, value| !value.is_empty());
        labels.share_names(|list| self.names.share_list(list));
        labels
    }
}

/// Host and port, an IPv6 address in brackets.
pub(super) fn join_host_port(host: &str, port: i32) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sanitised_and_later_labels_win() {
        let mut names = Names::default();
        let mut labels = Labels::new(&mut names);
        let (one, two) = (Text::from("1"), Text::from("2"));
        labels.set_key("pod_label", "app.kubernetes.io/n\u{e4}me-x", &one);
        labels.set("pod_ip", &one);
        labels.set("pod_ip", &two);
        labels.set("pod_uid", &one);
        labels.set("pod_uid", &Text::default());
        labels.set_plain("instance", &two);
        let labels = labels.finish();
        let found: Vec<_> = labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(
            found,
            [
                "__meta_kubernetes_pod_ip=2",
                "__meta_kubernetes_pod_label_app_kubernetes_io_n_me_x=1",
                "instance=2",
            ]
        );
    }

    #[test]
    fn lists_of_names_are_shared_and_forgotten_with_their_last_set() {
        let mut names = Names::default();
        let mut make = |key: &str| {
            let mut labels = Labels::new(&mut names);
            labels.set_key("pod_label", key, &Text::from("1"));
            labels.finish()
        };
        let (mut one, mut two) = (make("a"), make("a"));
        let mut lists = Vec::new();
        for labels in [&mut one, &mut two] {
            labels.share_names(|list| {
                lists.push(Arc::clone(list));
                Arc::clone(list)
            });
        }
        assert!(Arc::ptr_eq(&lists[0], &lists[1]));
        for number in 0..10 * limits::K8S_TEXTS {
            make(&number.to_string());
        }
        assert!(names.lists.len() <= limits::K8S_TEXTS);
    }

    #[test]
    fn hosts_are_joined_as_in_go() {
        assert_eq!(join_host_port("10.0.0.1", 80), "10.0.0.1:80");
        assert_eq!(join_host_port("fd00::1", 80), "[fd00::1]:80");
    }
}
