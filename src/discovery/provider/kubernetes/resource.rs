//! The kinds of objects, where the API has them, and which of them a provider watches. Pure.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::config::{KubernetesConfig, Role};

/// What may stand in a query as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Escapes a value of a query or a segment of a path.
pub(super) fn escape(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// A kind of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Ingress,
    Node,
    Namespace,
    ReplicaSet,
    Job,
}

impl Kind {
    /// The path of the API and the name of the collection there.
    fn collection(self) -> (&'static str, &'static str) {
        match self {
            Kind::Pod => ("/api/v1", "pods"),
            Kind::Service => ("/api/v1", "services"),
            Kind::Endpoints => ("/api/v1", "endpoints"),
            Kind::EndpointSlice => ("/apis/discovery.k8s.io/v1", "endpointslices"),
            Kind::Ingress => ("/apis/networking.k8s.io/v1", "ingresses"),
            Kind::Node => ("/api/v1", "nodes"),
            Kind::Namespace => ("/api/v1", "namespaces"),
            Kind::ReplicaSet => ("/apis/apps/v1", "replicasets"),
            Kind::Job => ("/apis/batch/v1", "jobs"),
        }
    }

    /// The collection's name, for messages.
    pub(super) fn plural(self) -> &'static str {
        self.collection().1
    }

    /// The label `role` of the event counter.
    pub(super) fn role(self) -> &'static str {
        match self {
            Kind::Pod => "pod",
            Kind::Service => "service",
            Kind::Endpoints => "endpoints",
            Kind::EndpointSlice => "endpointslice",
            Kind::Ingress => "ingress",
            Kind::Node => "node",
            Kind::Namespace => "namespace",
            Kind::ReplicaSet => "replicaset",
            Kind::Job => "job",
        }
    }

    /// Whether nothing but its metadata is of interest, so that the server need not send more.
    pub(super) fn only_metadata(self) -> bool {
        matches!(self, Kind::Namespace | Kind::ReplicaSet | Kind::Job)
    }
}

/// A collection that is listed and watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Watched {
    pub(super) kind: Kind,
    /// None for the whole cluster.
    pub(super) namespace: Option<String>,
    /// Label selector, empty for none.
    pub(super) label: String,
    /// Field selector, empty for none.
    pub(super) field: String,
}

impl Watched {
    /// Path of the collection.
    pub(super) fn path(&self) -> String {
        let (api, plural) = self.kind.collection();
        match &self.namespace {
            None => format!("{api}/{plural}"),
            Some(namespace) => format!("{api}/namespaces/{}/{plural}", escape(namespace)),
        }
    }

    /// The part of a query that selects, with `&` before each parameter.
    pub(super) fn selection(&self) -> String {
        let mut query = String::new();
        for (key, value) in [
            ("labelSelector", &self.label),
            ("fieldSelector", &self.field),
        ] {
            if !value.is_empty() {
                query.push_str(&format!("&{key}={}", escape(value)));
            }
        }
        query
    }
}

impl Role {
    /// The objects that become targets.
    pub(super) fn kind(self) -> Kind {
        match self {
            Role::Node => Kind::Node,
            Role::Service => Kind::Service,
            Role::Pod => Kind::Pod,
            Role::Endpoints => Kind::Endpoints,
            Role::EndpointSlice => Kind::EndpointSlice,
            Role::Ingress => Kind::Ingress,
        }
    }
}

/// The collections that a configuration makes us watch, in namespaces that may have been found out
/// only now; none for all namespaces.
pub(super) fn watched(config: &KubernetesConfig, namespaces: &[String]) -> Vec<Watched> {
    let (role, attach) = (config.role, config.attach);
    let select = |kind, role: Option<Role>, namespace: Option<&String>| {
        let (label, field) = role.map_or(("", ""), |role| config.selector(role));
        Watched {
            kind,
            namespace: namespace.cloned(),
            label: label.to_owned(),
            field: field.to_owned(),
        }
    };
    if role == Role::Node {
        return vec![select(Kind::Node, Some(Role::Node), None)];
    }
    let has_pods = matches!(role, Role::Pod | Role::Endpoints | Role::EndpointSlice);
    let mut kinds = vec![(role.kind(), Some(role))];
    if has_pods && role != Role::Pod {
        kinds.push((Kind::Service, Some(Role::Service)));
        kinds.push((Kind::Pod, Some(Role::Pod)));
    }
    if has_pods && attach.deployment {
        kinds.push((Kind::ReplicaSet, None));
    }
    if has_pods && attach.cronjob {
        kinds.push((Kind::Job, None));
    }
    let mut found = Vec::new();
    for (kind, role) in kinds {
        match namespaces {
            [] => found.push(select(kind, role, None)),
            some => found.extend(some.iter().map(|one| select(kind, role, Some(one)))),
        }
    }
    if has_pods && attach.node {
        found.push(select(Kind::Node, Some(Role::Node), None));
    }
    if attach.namespace {
        found.push(select(Kind::Namespace, None, None));
    }
    found
}
