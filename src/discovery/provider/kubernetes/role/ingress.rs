//! Role `ingress`: one target for each host and path of an ingress.
//!
//! The scheme is https where an entry of `tls` covers the host, wildcards included. Source
//! `ingress/<namespace>/<name>`.

use super::super::joined::Joined;
use super::super::labels::{Labels, Names};
use super::super::objects::Ingress;
use crate::model::target_group::LabelMap;

/// Labels and targets of an ingress.
pub(in super::super) fn group(
    ingress: &Ingress,
    joined: &Joined<'_>,
    names: &mut Names,
) -> (LabelMap, Vec<LabelMap>) {
    let mut labels = Labels::new(names);
    labels.set("namespace", &ingress.meta.namespace);
    labels.object("ingress", &ingress.meta);
    labels.set_some("ingress_class_name", ingress.class.as_ref());
    joined.add_namespace(&ingress.meta.namespace, &mut labels);
    let labels = labels.finish();
    let mut targets = Vec::new();
    for rule in &ingress.rules {
        let mut patterns = ingress.tls_hosts.iter();
        let secure = patterns.any(|pattern| covers(pattern, &rule.host));
        for path in &rule.paths {
            let mut labels = Labels::new(names);
            labels.address(&rule.host);
            labels.set_str("ingress_scheme", if secure { "https" } else { "http" });
            labels.set("ingress_host", &rule.host);
            labels.set("ingress_path", path);
            targets.push(labels.finish());
        }
    }
    (labels, targets)
}

/// Whether a host of a certificate is that host, `*` standing for its first label.
fn covers(pattern: &str, host: &str) -> bool {
    let wildcard = match (pattern.split_once('.'), host.split_once('.')) {
        (Some(("*", rest)), Some((_, own))) => rest == own,
        (None, None) => pattern == "*",
        _ => false,
    };
    pattern == host || wildcard
}

#[test]
fn a_wildcard_stands_for_the_first_label() {
    for (pattern, host) in [
        ("a.test", "a.test"),
        ("*.test", "a.test"),
        ("*.b.c", "*.b.c"),
        ("*", "a"),
    ] {
        assert!(covers(pattern, host), "{pattern} {host}");
    }
    for (pattern, host) in [
        ("*.test", "a.b.test"),
        ("*.test", "test"),
        ("a.*", "a.b"),
        ("*", "a.b"),
    ] {
        assert!(!covers(pattern, host), "{pattern} {host}");
    }
}
