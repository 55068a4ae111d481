//! The other objects that a group takes labels from.

use super::config::Attach;
use super::labels::Labels;
use super::objects::{Meta, Node, Object, Owned, Pod, Reference, Service};
use super::resource::Kind;
use super::store::Objects;

/// What may be looked up, and what the configuration wants attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined<'s> {
    pub(super) objects: &'s Objects,
    pub(super) attach: Attach,
}

impl<'s> Joined<'s> {
    fn node(&self, name: &str) -> Option<&'s Node> {
        match self.objects.get(Kind::Node, "", name)? {
            Object::Node(node) => Some(node),
            _ => None,
        }
    }

    fn namespace(&self, name: &str) -> Option<&'s Meta> {
        match self.objects.get(Kind::Namespace, "", name)? {
            Object::Namespace(meta) => Some(meta),
            _ => None,
        }
    }

    fn owned(&self, kind: Kind, namespace: &str, name: &str) -> Option<&'s Owned> {
        match self.objects.get(kind, namespace, name)? {
            Object::ReplicaSet(owned) | Object::Job(owned) => Some(owned),
            _ => None,
        }
    }

    /// A service.
    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&'s Service> {
        match self.objects.get(Kind::Service, namespace, name)? {
            Object::Service(service) => Some(service),
            _ => None,
        }
    }

    /// The pod that a reference points at, if it points at one that is known.
    pub(super) fn pod(&self, reference: Option<&Reference>) -> Option<&'s Pod> {
        let to = reference.filter(|to| to.is_pod())?;
        match self.objects.get(Kind::Pod, &to.namespace, &to.name)? {
            Object::Pod(pod) => Some(pod),
            _ => None,
        }
    }

    /// Whether labels of nodes are wanted and this node is not known.
    pub(super) fn lacks_node(&self, name: &str) -> bool {
        self.attach.node && self.node(name).is_none()
    }

    /// Adds the labels of a node, if that is wanted and the node is known.
    pub(super) fn add_node(&self, name: Option<&str>, labels: &mut Labels<'_>) {
        if !self.attach.node {
            return;
        }
        if let Some(node) = name.and_then(|name| self.node(name)) {
            labels.object("node", &node.meta);
        }
    }

    /// Adds the labels of a namespace, if that is wanted and the namespace is known.
    pub(super) fn add_namespace(&self, name: &str, labels: &mut Labels<'_>) {
        if !self.attach.namespace {
            return;
        }
        if let Some(namespace) = self.namespace(name) {
            labels.metadata("namespace", namespace);
        }
    }

    /// Adds the names of what stands behind a pod's controller, as far as that is wanted.
    pub(super) fn add_owners(&self, pod: &Pod, labels: &mut Labels<'_>) {
        let Some((kind, name)) = &pod.controller else {
            return;
        };
        let namespace = &pod.meta.namespace;
        match kind.as_str() {
            "ReplicaSet" if self.attach.deployment => {
                let set = self.owned(Kind::ReplicaSet, namespace, name);
                let owner = set.and_then(|set| set.controller.as_ref());
                if let Some((_, name)) = owner.filter(|(kind, _)| *kind == "Deployment") {
                    labels.set("pod_deployment_name", name);
                }
            }
            "Job" => {
                if self.attach.job {
                    labels.set("pod_job_name", name);
                }
                let job = self
                    .owned(Kind::Job, namespace, name)
                    .filter(|_| self.attach.cronjob);
                let owner = job.and_then(|job| job.controller.as_ref());
                if let Some((_, name)) = owner.filter(|(kind, _)| *kind == "CronJob") {
                    labels.set("pod_cronjob_name", name);
                }
            }
            _ => {}
        }
    }
}
