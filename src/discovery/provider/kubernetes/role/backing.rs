//! The pods behind endpoints, in the roles `endpoints` and `endpointslice`.
//!
//! A target whose address belongs to a pod has that pod's labels, and those of the container whose
//! port it is. Ports of such a pod that no endpoint covers become targets of their own.

use super::super::joined::{Joined, Made};
use super::super::labels::{Labels, Names, join_host_port};
use super::super::objects::Pod;
use super::pod::{add_container, add_pod, add_port};
use crate::model::text::Text;

/// The pods seen so far, in the order of their first endpoint, with the ports covered.
#[derive(Debug, Default)]
pub(super) struct Backing<'s> {
    seen: Vec<(&'s Pod, Vec<i32>)>,
}

impl<'s> Backing<'s> {
    /// Adds the labels of the pod behind a target at that port; `protocol` is that of the endpoint,
    /// where it counts more than the container's.
    pub(super) fn add(
        &mut self,
        pod: &'s Pod,
        (port, protocol): (Option<i32>, Option<&Text>),
        joined: &Joined<'_>,
        labels: &mut Labels<'_>,
    ) {
        add_pod(pod, joined, labels);
        if let Some(port) = port {
            for container in &pod.containers {
                let declared = container.ports.iter().find(|own| own.number == port);
                if let Some(declared) = declared {
                    add_container(container, labels);
                    add_port(declared, labels);
                    labels.set_some("pod_container_port_protocol", protocol);
                }
            }
        }
        let index = self
            .seen
            .iter()
            .rposition(|(own, _)| std::ptr::eq(*own, pod));
        match index {
            Some(index) => self.seen[index].1.extend(port),
            None => self.seen.push((pod, port.into_iter().collect())),
        }
    }

    /// Adds targets for the ports that no endpoint covers.
    pub(super) fn add_uncovered(self, joined: &Joined<'_>, names: &mut Names, made: &mut Made) {
        let seen = self.seen.iter().filter(|(pod, _)| !pod.ip.is_empty());
        for (pod, covered) in seen {
            for container in &pod.containers {
                let ports = container.ports.iter();
                for port in ports.filter(|port| !covered.contains(&port.number)) {
                    let mut labels = Labels::new(names);
                    labels.address(&join_host_port(&pod.ip, port.number));
                    add_container(container, &mut labels);
                    add_port(port, &mut labels);
                    add_pod(pod, joined, &mut labels);
                    made.push(labels.finish());
                    if made.is_full() {
                        return;
                    }
                }
            }
        }
    }
}
