//! What is kept of an object: that which labels are made of, and nothing else.
//!
//! A pod of 11 KB on the wire is about 1 KiB here; most of its texts are shared with its siblings.
//! Two objects are equal when no label can tell them apart, so that an update which only moved a
//! heartbeat is seen to be none. Pure.

mod strip;

pub(super) use self::strip::strip;
use super::resource::Kind;
use crate::model::text::Text;

/// Keys and values of labels or annotations, sorted by key.
pub(super) type Pairs = Box<[(Text, Text)]>;

/// What all objects have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// Empty for objects of the cluster.
    pub(super) namespace: Text,
    pub(super) name: Text,
    pub(super) labels: Pairs,
    pub(super) annotations: Pairs,
}

impl Meta {
    /// The value of a label.
    pub(super) fn label(&self, key: &str) -> Option<&Text> {
        let found = self.labels.iter().find(|(own, _)| *own == key);
        found.map(|(_, value)| value)
    }
}

/// Another object that this one belongs to or points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) kind: Text,
    pub(super) namespace: Text,
    pub(super) name: Text,
}

impl Reference {
    /// Whether it points at a pod.
    pub(super) fn is_pod(&self) -> bool {
        self.kind == "Pod"
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) meta: Meta,
    pub(super) uid: Text,
    pub(super) ip: Text,
    pub(super) host_ip: Text,
    pub(super) node: Text,
    pub(super) phase: Text,
    /// `true`, `false` or `unknown`.
    pub(super) ready: Text,
    /// What made it. Its namespace is the pod's.
    pub(super) controller: Option<(Text, Text)>,
    /// The containers first, then the init containers.
    pub(super) containers: Box<[Container]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    pub(super) name: Text,
    pub(super) image: Text,
    /// Empty before it was started.
    pub(super) id: Text,
    pub(super) init: bool,
    pub(super) ports: Box<[Port]>,
}

/// A port that has all its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) name: Text,
    pub(super) number: i32,
    pub(super) protocol: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) meta: Meta,
    pub(super) kind: Text,
    pub(super) cluster_ip: Text,
    pub(super) external_name: Text,
    pub(super) load_balancer_ip: Text,
    /// The first IP family of a service that may have two.
    pub(super) primary_family: Option<Text>,
    pub(super) ports: Box<[Port]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) meta: Meta,
    pub(super) subsets: Box<[Subset]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subset {
    /// The ready ones first.
    pub(super) addresses: Box<[Address]>,
    pub(super) ports: Box<[Port]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: Text,
    pub(super) ready: bool,
    pub(super) hostname: Text,
    pub(super) node: Option<Text>,
    pub(super) target: Option<Reference>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EndpointSlice {
    pub(super) meta: Meta,
    pub(super) address_type: Text,
    pub(super) endpoints: Box<[Endpoint]>,
    pub(super) ports: Box<[SlicePort]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) addresses: Box<[Text]>,
    /// `ready`, `serving`, `terminating`.
    pub(super) conditions: [Option<bool>; 3],
    pub(super) hostname: Option<Text>,
    pub(super) node: Option<Text>,
    pub(super) zone: Option<Text>,
    pub(super) target: Option<Reference>,
    pub(super) topology: Pairs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlicePort {
    pub(super) name: Option<Text>,
    pub(super) number: Option<i32>,
    pub(super) protocol: Option<Text>,
    pub(super) app_protocol: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ingress {
    pub(super) meta: Meta,
    pub(super) class: Option<Text>,
    pub(super) tls_hosts: Box<[Text]>,
    pub(super) rules: Box<[Rule]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) host: Text,
    /// Never empty texts.
    pub(super) paths: Box<[Text]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) meta: Meta,
    pub(super) provider_id: Text,
    pub(super) kubelet_port: i32,
    /// Types and addresses.
    pub(super) addresses: Pairs,
    /// Types and states.
    pub(super) conditions: Pairs,
}

/// A replica set or a job: of interest is what made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) meta: Meta,
    pub(super) controller: Option<(Text, Text)>,
}

/// Any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Pod(Box<Pod>),
    Service(Box<Service>),
    Endpoints(Box<Endpoints>),
    EndpointSlice(Box<EndpointSlice>),
    Ingress(Box<Ingress>),
    Node(Box<Node>),
    Namespace(Box<Meta>),
    ReplicaSet(Box<Owned>),
    Job(Box<Owned>),
}

impl Object {
    pub(super) fn meta(&self) -> &Meta {
        match self {
            Object::Pod(one) => &one.meta,
            Object::Service(one) => &one.meta,
            Object::Endpoints(one) => &one.meta,
            Object::EndpointSlice(one) => &one.meta,
            Object::Ingress(one) => &one.meta,
            Object::Node(one) => &one.meta,
            Object::Namespace(meta) => meta,
            Object::ReplicaSet(one) | Object::Job(one) => &one.meta,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Object::Pod(_) => Kind::Pod,
            Object::Service(_) => Kind::Service,
            Object::Endpoints(_) => Kind::Endpoints,
            Object::EndpointSlice(_) => Kind::EndpointSlice,
            Object::Ingress(_) => Kind::Ingress,
            Object::Node(_) => Kind::Node,
            Object::Namespace(_) => Kind::Namespace,
            Object::ReplicaSet(_) => Kind::ReplicaSet,
            Object::Job(_) => Kind::Job,
        }
    }
}
