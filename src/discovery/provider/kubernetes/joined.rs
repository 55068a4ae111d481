//! The other objects that a group takes labels from.

use super::config::Attach;
use super::labels::Labels;
use super::objects::{Meta, Node, Object, Owned, Pod, Reference, Service};
use super::resource::Kind;
use super::store::Objects;
use crate::discovery::targets::label_bytes;
use crate::limits;
use crate::model::target_group::LabelMap;

/// What may be looked up, and what the configuration wants attached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined<'s> {
    pub(super) objects: &'s Objects,
    pub(super) attach: Attach,
    /// How much of it a group may be. What is more is cut short: it is refused in any case.
    pub(super) room: Room,
}

/// Targets, and bytes of their labels, those of a group counted for each of its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) targets: usize,
    pub(super) bytes: usize,
}

impl Room {
    /// What a provider may have.
    pub(super) const ALL: Room = Room {
        targets: limits::SD_TARGETS_PER_PROVIDER,
        bytes: limits::SD_LABEL_BYTES_PER_PROVIDER,
    };

    /// Both together.
    pub(super) fn with(self, other: Room) -> Room {
        Room {
            targets: self.targets.saturating_add(other.targets),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left of it beside the other; nothing is the least.
    pub(super) fn without(self, other: Room) -> Room {
        Room {
            targets: self.targets.saturating_sub(other.targets),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// Whether it is more than a provider may have.
    pub(super) fn exceeds(self) -> bool {
        self.targets > Room::ALL.targets || self.bytes > Room::ALL.bytes
    }
}

/// The targets of a group whose objects can stand for any number, while they are being made.
pub(super) struct Made {
    targets: Vec<LabelMap>,
    shared: usize,
    left: Room,
    full: bool,
}

impl Made {
    /// None so far of a group with these labels.
    pub(super) fn new(joined: &Joined<'_>, labels: &LabelMap) -> Made {
        Made {
            targets: Vec::new(),
            shared: label_bytes(labels),
            left: joined.room,
            full: false,
        }
    }

    /// Whether there are more than there is room for.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Adds a target.
    pub(super) fn push(&mut self, target: LabelMap) {
        let bytes = label_bytes(&target) + self.shared;
        self.full |= self.left.targets == 0 || self.left.bytes < bytes;
        self.left.targets = self.left.targets.saturating_sub(1);
        self.left.bytes = self.left.bytes.saturating_sub(bytes);
        self.targets.push(target);
    }

    /// The targets.
    pub(super) fn finish(self) -> Vec<LabelMap> {
        self.targets
    }
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
