//! Role `node`: one target for each node, its kubelet.
//!
//! `instance` is the node's name. Source `node/<name>`.

use super::super::labels::{Labels, Names, join_host_port};
use super::super::objects::Node;
use crate::model::target_group::LabelMap;

/// Types of addresses, the one to scrape first.
const PREFERRED: [&str; 6] = [
    "InternalIP",
    "InternalDNS",
    "ExternalIP",
    "ExternalDNS",
    "LegacyHostIP",
    "Hostname",
];

/// Labels and targets of a node; no target when it has no address.
pub(in super::super) fn group(node: &Node, names: &mut Names) -> (LabelMap, Vec<LabelMap>) {
    let first = |kind: &str| node.addresses.iter().find(|(own, _)| *own == kind);
    let Some((_, address)) = PREFERRED.iter().find_map(|kind| first(kind)) else {
        return (LabelMap::new(), Vec::new());
    };
    let mut labels = Labels::new(names);
    labels.set("node_provider_id", &node.provider_id);
    for (kind, state) in &node.conditions {
        let state = labels.lower(state);
        labels.set_key("node_condition", &kind.to_lowercase(), &state);
    }
    labels.object("node", &node.meta);
    let group = labels.finish();
    let mut labels = Labels::new(names);
    labels.address(&join_host_port(address, node.kubelet_port));
    labels.set_plain("instance", &node.meta.name);
    // Of several addresses of a type the first counts.
    for (kind, address) in node.addresses.iter().rev() {
        labels.set_key("node_address", kind, address);
    }
    (group, vec![labels.finish()])
}
