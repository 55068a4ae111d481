//! From an object as it was sent to what is kept of it.
//!
//! Texts that tend to occur again are shared by a pool. What is unique (names, addresses, ids) is
//! not worth a place in it. Pure.

use super::super::resource::Kind;
use super::super::texts::Texts;
use super::super::wire::{self, Or};
use super::{
    Address, Container, Endpoint, EndpointSlice, Endpoints, Ingress, Meta, Node, Object, Owned,
    Pairs, Pod, Port, Reference, Rule, Service, SlicePort, Subset,
};
use crate::model::text::Text;

/// Strips an object of a kind. None if it has no name, which no object of a server lacks.
pub(in super::super) fn strip(
    kind: Kind,
    object: &wire::Object,
    texts: &mut Texts,
) -> Option<Object> {
    if object.metadata.name.is_empty() {
        return None;
    }
    let mut strip = Strip { texts };
    Some(match kind {
        Kind::Pod => Object::Pod(Box::new(strip.pod(object))),
        Kind::Service => Object::Service(Box::new(strip.service(object))),
        Kind::Endpoints => Object::Endpoints(Box::new(strip.endpoints(object))),
        Kind::EndpointSlice => Object::EndpointSlice(Box::new(strip.slice(object))),
        Kind::Ingress => Object::Ingress(Box::new(strip.ingress(object))),
        Kind::Node => Object::Node(Box::new(strip.node(object))),
        Kind::Namespace => Object::Namespace(Box::new(strip.meta(&object.metadata))),
        Kind::ReplicaSet => Object::ReplicaSet(Box::new(strip.owned(object))),
        Kind::Job => Object::Job(Box::new(strip.owned(object))),
    })
}

/// Strips with a pool at hand.
struct Strip<'t> {
    texts: &'t mut Texts,
}

impl Strip<'_> {
    fn share(&mut self, text: &str) -> Text {
        self.texts.share(text)
    }

    fn shared(&mut self, text: Option<&String>) -> Option<Text> {
        text.map(|text| self.share(text))
    }

    fn pairs<'p>(&mut self, pairs: impl Iterator<Item = (&'p String, &'p Or<String>)>) -> Pairs {
        pairs
            .map(|(key, value)| (self.share(key), self.share(value)))
            .collect()
    }

    fn meta(&mut self, meta: &wire::Metadata) -> Meta {
        Meta {
            namespace: self.share(&meta.namespace),
            name: Text::from(meta.name.as_str()),
            labels: self.pairs(meta.labels.iter()),
            annotations: self.pairs(meta.annotations.iter()),
        }
    }

    fn controller(&mut self, meta: &wire::Metadata) -> Option<(Text, Text)> {
        let owner = meta
            .owner_references
            .iter()
            .find(|owner| owner.controller.0)?;
        Some((self.share(&owner.kind), self.share(&owner.name)))
    }

    fn owned(&mut self, object: &wire::Object) -> Owned {
        // Its labels and annotations never show.
        let meta = Meta {
            namespace: self.share(&object.metadata.namespace),
            name: Text::from(object.metadata.name.as_str()),
            ..Meta::default()
        };
        Owned {
            meta,
            controller: self.controller(&object.metadata),
        }
    }

    fn pod(&mut self, object: &wire::Object) -> Pod {
        let (spec, status) = (&object.spec, &object.status);
        let ready = status.conditions.iter().find(|one| *one.kind == "Ready");
        let ready = ready.map_or("Unknown", |one| one.status.as_str());
        let main = self.containers(&spec.containers, &status.container_statuses, false);
        let init = self.containers(&spec.init_containers, &status.init_container_statuses, true);
        Pod {
            meta: self.meta(&object.metadata),
            uid: Text::from(object.metadata.uid.as_str()),
            ip: Text::from(status.pod_ip.as_str()),
            host_ip: self.share(&status.host_ip),
            node: self.share(&spec.node_name),
            phase: self.share(&status.phase),
            ready: self.share(&ready.to_lowercase()),
            controller: self.controller(&object.metadata),
            containers: main.into_iter().chain(init).collect(),
        }
    }

    fn containers(
        &mut self,
        containers: &[wire::Container],
        states: &[wire::ContainerStatus],
        init: bool,
    ) -> Vec<Container> {
        let mut found = Vec::with_capacity(containers.len());
        for container in containers {
            let state = states.iter().find(|state| *state.name == *container.name);
            let id = state.map_or("", |state| state.container_id.as_str());
            let ports = container.ports.iter();
            found.push(Container {
                name: self.share(&container.name),
                image: self.share(&container.image),
                id: if id.is_empty() {
                    self.share("")
                } else {
                    Text::from(id)
                },
                init,
                ports: ports
                    .map(|port| Port {
                        name: self.share(&port.name),
                        number: port.container_port.0,
                        protocol: self.share(&port.protocol),
                    })
                    .collect(),
            });
        }
        found
    }

    fn ports(&mut self, ports: &[wire::Port]) -> Box<[Port]> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        ports
            .iter()
            .map(|port| Port {
                name: self.share(&text(&port.name)),
                number: port.port.unwrap_or(0),
                protocol: self.share(&text(&port.protocol)),
            })
            .collect()
    }

    fn service(&mut self, object: &wire::Object) -> Service {
        let spec = &object.spec;
        let dual = matches!(
            spec.ip_family_policy.as_str(),
            "PreferDualStack" | "RequireDualStack"
        );
        let primary = spec.ip_families.first().filter(|_| dual);
        Service {
            meta: self.meta(&object.metadata),
            kind: self.share(&spec.kind),
            cluster_ip: self.share(&spec.cluster_ip),
            external_name: self.share(&spec.external_name),
            load_balancer_ip: self.share(&spec.load_balancer_ip),
            primary_family: self.shared(primary),
            ports: self.ports(&spec.ports),
        }
    }

    fn reference(&mut self, reference: Option<&wire::Reference>) -> Option<Reference> {
        reference.map(|reference| Reference {
            kind: self.share(&reference.kind),
            namespace: self.share(&reference.namespace),
            name: Text::from(reference.name.as_str()),
        })
    }

    fn endpoints(&mut self, object: &wire::Object) -> Endpoints {
        let mut subsets = Vec::with_capacity(object.subsets.len());
        for subset in object.subsets.iter() {
            let ready = subset.addresses.iter().map(|address| (address, true));
            let unready = subset
                .not_ready_addresses
                .iter()
                .map(|address| (address, false));
            let addresses = ready.chain(unready).map(|(address, ready)| Address {
                ip: Text::from(address.ip.as_str()),
                ready,
                hostname: self.share(&address.hostname),
                node: self.shared(address.node_name.as_ref()),
                target: self.reference(address.target_ref.as_ref()),
            });
            subsets.push(Subset {
                addresses: addresses.collect(),
                ports: self.ports(&subset.ports),
            });
        }
        Endpoints {
            meta: self.meta(&object.metadata),
            subsets: subsets.into(),
        }
    }

    fn slice(&mut self, object: &wire::Object) -> EndpointSlice {
        let ports = object.ports.iter().map(|port| SlicePort {
            name: self.shared(port.name.as_ref()),
            number: port.port,
            protocol: self.shared(port.protocol.as_ref()),
            app_protocol: self.shared(port.app_protocol.as_ref()),
        });
        let ports = ports.collect();
        let endpoints = object.endpoints.iter().map(|endpoint| {
            let wire::Conditions {
                ready,
                serving,
                terminating,
            } = endpoint.conditions.0;
            Endpoint {
                addresses: endpoint
                    .addresses
                    .iter()
                    .map(|ip| Text::from(ip.as_str()))
                    .collect(),
                conditions: [ready, serving, terminating],
                hostname: self.shared(endpoint.hostname.as_ref()),
                node: self.shared(endpoint.node_name.as_ref()),
                zone: self.shared(endpoint.zone.as_ref()),
                target: self.reference(endpoint.target_ref.as_ref()),
                topology: self.pairs(endpoint.deprecated_topology.iter()),
            }
        });
        EndpointSlice {
            endpoints: endpoints.collect(),
            ports,
            meta: self.meta(&object.metadata),
            address_type: self.share(&object.address_type),
        }
    }

    fn ingress(&mut self, object: &wire::Object) -> Ingress {
        let spec = &object.spec;
        let hosts = spec.tls.iter().flat_map(|tls| tls.hosts.iter());
        let tls_hosts = hosts.map(|host| self.share(host)).collect();
        let rules = spec.rules.iter().map(|rule| {
            let paths = rule.http.as_ref().map_or(&[][..], |http| &http.paths);
            let mut paths: Vec<Text> = paths.iter().map(|one| self.path(one)).collect();
            if paths.is_empty() {
                paths.push(self.share("/"));
            }
            Rule {
                host: self.share(&rule.host),
                paths: paths.into(),
            }
        });
        Ingress {
            rules: rules.collect(),
            tls_hosts,
            meta: self.meta(&object.metadata),
            class: self.shared(spec.ingress_class_name.as_ref()),
        }
    }

    fn path(&mut self, path: &wire::Path) -> Text {
        match path.path.as_str() {
            "" => self.share("/"),
            path => self.share(path),
        }
    }

    fn node(&mut self, object: &wire::Object) -> Node {
        let status = &object.status;
        let addresses = status
            .addresses
            .iter()
            .map(|one| (&one.kind.0, &one.address));
        let addresses = self.pairs(addresses);
        let conditions = status
            .conditions
            .iter()
            .map(|one| (&one.kind.0, &one.status));
        Node {
            conditions: self.pairs(conditions),
            addresses,
            meta: self.meta(&object.metadata),
            provider_id: self.share(&object.spec.provider_id),
            kubelet_port: status.daemon_endpoints.kubelet_endpoint.port.0,
        }
    }
}
