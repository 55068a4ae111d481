//! From objects to target groups: one file for each role, each a pure function.

pub(super) mod backing;
pub(super) mod endpoints;
pub(super) mod endpointslice;
pub(super) mod ingress;
pub(super) mod node;
pub(super) mod pod;
pub(super) mod service;
#[cfg(test)]
mod tests;

use super::joined::Joined;
use super::labels::Names;
use super::objects::Object;
use super::resource::Kind;
use crate::model::target_group::TargetGroup;

/// The group of an object; none for kinds that are only joined to others.
pub(super) fn group(
    object: &Object,
    joined: &Joined<'_>,
    names: &mut Names,
) -> Option<TargetGroup> {
    let (labels, targets) = match object {
        Object::Pod(pod) => pod::group(pod, joined, names),
        Object::Service(service) => service::group(service, joined, names),
        Object::Endpoints(endpoints) => endpoints::group(endpoints, joined, names),
        Object::EndpointSlice(slice) => endpointslice::group(slice, joined, names),
        Object::Ingress(ingress) => ingress::group(ingress, joined, names),
        Object::Node(node) => node::group(node, names),
        Object::Namespace(_) | Object::ReplicaSet(_) | Object::Job(_) => return None,
    };
    let meta = object.meta();
    Some(TargetGroup {
        source: source(object.kind(), &meta.namespace, &meta.name),
        labels,
        targets,
    })
}

/// The source of an object's group.
pub(super) fn source(kind: Kind, namespace: &str, name: &str) -> String {
    match kind {
        Kind::Node => format!("node/{name}"),
        Kind::Service => format!("svc/{namespace}/{name}"),
        kind => format!("{}/{namespace}/{name}", kind.role()),
    }
}
