//! Which groups an object that changed has a part in.
//!
//! Kept is only what changed since the last update; the objects that refer to it are found by
//! going through them once per update. An index the other way round would cost as much memory as
//! the references themselves. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::objects::{EndpointSlice, Endpoints, Object, Pod, Reference};
use super::resource::Kind;
use super::role::endpoints;
use super::role::endpointslice::{SERVICE_NAME, node_of};
use super::store::{Key, Objects};
use crate::model::text::Text;

/// Objects that changed, by kind, namespace and name.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeMap<Kind, BTreeMap<Text, BTreeSet<Text>>>);

impl Touched {
    /// Notes an object.
    pub(super) fn add(&mut self, kind: Kind, (namespace, name): Key) {
        let namespaces = self.0.entry(kind).or_default();
        namespaces.entry(namespace).or_default().insert(name);
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, kind: Kind, namespace: &str, name: &str) -> bool {
        let names = self.0.get(&kind).and_then(|all| all.get(namespace));
        names.is_some_and(|names| names.contains(name))
    }

    fn has_node(&self, name: Option<&str>) -> bool {
        name.is_some_and(|name| self.has(Kind::Node, "", name))
    }

    /// Notes the pods whose controllers changed: what refers to the pods shows their owners, too.
    pub(super) fn add_pods_of_owners(&mut self, objects: &Objects) {
        if !self.0.contains_key(&Kind::ReplicaSet) && !self.0.contains_key(&Kind::Job) {
            return;
        }
        let pods = objects.of(Kind::Pod).filter_map(|object| match object {
            Object::Pod(pod) if self.owns(pod) => {
                Some((pod.meta.namespace.clone(), pod.meta.name.clone()))
            }
            _ => None,
        });
        for key in pods.collect::<Vec<_>>() {
            self.add(Kind::Pod, key);
        }
    }

    fn owns(&self, pod: &Pod) -> bool {
        pod.controller.as_ref().is_some_and(|(kind, name)| {
            let kind = match kind.as_str() {
                "ReplicaSet" => Kind::ReplicaSet,
                "Job" => Kind::Job,
                _ => return false,
            };
            self.has(kind, &pod.meta.namespace, name)
        })
    }

    /// Whether the group of an object shows anything of what changed.
    pub(super) fn concerns(&self, object: &Object) -> bool {
        let meta = object.meta();
        if self.has(Kind::Namespace, "", &meta.namespace) {
            return true;
        }
        match object {
            Object::Pod(pod) => {
                self.has(Kind::Pod, &meta.namespace, &meta.name) || self.has_node(Some(&pod.node))
            }
            Object::Endpoints(endpoints) => self.concerns_endpoints(endpoints),
            Object::EndpointSlice(slice) => self.concerns_slice(slice),
            _ => false,
        }
    }

    fn has_pod(&self, target: Option<&Reference>) -> bool {
        let pod = target.filter(|target| target.is_pod());
        pod.is_some_and(|pod| self.has(Kind::Pod, &pod.namespace, &pod.name))
    }

    fn concerns_endpoints(&self, object: &Endpoints) -> bool {
        let meta = &object.meta;
        let mut addresses = object.subsets.iter().flat_map(|one| one.addresses.iter());
        self.has(Kind::Service, &meta.namespace, &meta.name)
            || addresses.any(|address| {
                self.has_node(endpoints::node_of(address)) || self.has_pod(address.target.as_ref())
            })
    }

    fn concerns_slice(&self, slice: &EndpointSlice) -> bool {
        let meta = &slice.meta;
        let service = meta.label(SERVICE_NAME);
        service.is_some_and(|name| self.has(Kind::Service, &meta.namespace, name))
            || slice.endpoints.iter().any(|endpoint| {
                self.has_node(node_of(endpoint)) || self.has_pod(endpoint.target.as_ref())
            })
    }
}
