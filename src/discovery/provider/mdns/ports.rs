//! The sockets of a provider: up to two for each interface, opened and closed as interfaces come
//! and go.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use mio::{Interest, Registry, Token};

use crate::net::mdns::socket::{Family, Port};
use crate::sys::interfaces::Interface;

/// A socket on an interface.
#[derive(Debug)]
pub(super) struct OpenPort {
    /// The name of the interface.
    pub(super) interface: String,
    index: u32,
    carrier_changes: u32,
    family: Family,
    port: Port,
}

/// What came of following the interfaces.
#[derive(Debug, Default)]
pub(super) struct Followed {
    /// Interfaces that were away, or are.
    pub(super) interrupted: Vec<String>,
    /// Interfaces on which no family could be opened, and why.
    pub(super) failures: Vec<(String, io::Error)>,
}

impl OpenPort {
    /// As [`Port::receive`].
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, std::net::SocketAddr)> {
        self.port.receive(buffer)
    }
}

/// All of them. Each has a number, also its token; numbers are not used again.
#[derive(Debug)]
pub(super) struct Ports {
    open: BTreeMap<usize, OpenPort>,
    next: usize,
}

impl Default for Ports {
    /// The first numbers are those of the waker and of the kernel's word.
    fn default() -> Ports {
        Ports {
            open: BTreeMap::new(),
            next: 2,
        }
    }
}

impl Ports {
    /// Opens what `interfaces` need and closes everything else.
    pub(super) fn follow(&mut self, interfaces: &[&Interface], registry: &Registry) -> Followed {
        let before: BTreeSet<String> = self.interfaces();
        self.open.retain(|_, port| {
            let needs = |one: &&Interface| {
                let same = one.index == port.index && one.name == port.interface;
                same && one.carrier_changes == port.carrier_changes && has(one, port.family)
            };
            interfaces.iter().any(needs)
        });
        let mut followed = Followed::default();
        let still = self.interfaces();
        followed.interrupted = before.difference(&still).cloned().collect();
        for interface in interfaces {
            let mut failure = None;
            for family in [Family::V4, Family::V6] {
                if has(interface, family)
                    && !self.is_open(&interface.name, family)
                    && let Err(error) = self.open(interface, family, registry)
                {
                    failure = Some(error);
                }
            }
            if let Some(error) = failure.filter(|_| !self.has(&interface.name)) {
                followed.failures.push((interface.name.clone(), error));
            }
        }
        followed
    }

    fn open(
        &mut self,
        interface: &Interface,
        family: Family,
        registry: &Registry,
    ) -> io::Result<()> {
        let mut port = Port::open(family, interface.index)?;
        let number = self.next;
        registry.register(port.source(), Token(number), Interest::READABLE)?;
        self.next += 1;
        let port = OpenPort {
            interface: interface.name.clone(),
            index: interface.index,
            carrier_changes: interface.carrier_changes,
            family,
            port,
        };
        self.open.insert(number, port);
        Ok(())
    }

    fn is_open(&self, interface: &str, family: Family) -> bool {
        let mut ports = self.open.values();
        ports.any(|port| port.interface == interface && port.family == family)
    }

    /// The interfaces that have a socket.
    fn interfaces(&self) -> BTreeSet<String> {
        let ports = self.open.values();
        ports.map(|port| port.interface.clone()).collect()
    }

    /// Whether an interface has a socket.
    pub(super) fn has(&self, interface: &str) -> bool {
        self.open.values().any(|port| port.interface == interface)
    }

    /// The socket of that number, unless it was closed.
    pub(super) fn get(&self, number: usize) -> Option<&OpenPort> {
        self.open.get(&number)
    }

    /// Sends on every socket of an interface; returns how many packets that were.
    ///
    /// # Errors
    /// When no socket could send; the last reason.
    pub(super) fn send(&self, interface: &str, packet: &[u8]) -> io::Result<usize> {
        let ports = self.open.values();
        let mut sent = 0;
        let mut failure = None;
        for port in ports.filter(|port| port.interface == interface) {
            match port.port.send(packet) {
                Ok(()) => sent += 1,
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) if sent == 0 => Err(error),
            _ => Ok(sent),
        }
    }

    /// Has the poll tell again what is readable.
    pub(super) fn look_again(&mut self, number: usize, registry: &Registry) {
        if let Some(port) = self.open.get_mut(&number) {
            // Fails only for a socket that is not registered, and then nothing is lost.
            let source = port.port.source();
            let _failed = registry.reregister(source, Token(number), Interest::READABLE);
        }
    }
}

/// Whether an interface has an address of a family.
fn has(interface: &Interface, family: Family) -> bool {
    let of_family = |address: &IpAddr| match family {
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    };
    interface.addresses.iter().any(|(own, _)| of_family(own))
}
