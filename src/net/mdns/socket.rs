//! Sockets for the multicast groups: one per network interface and address family.
//!
//! A socket is bound to the group's own address, so that the kernel hands it nothing but what was
//! sent to the group: that is what makes a packet one of the local link (RFC 6762, section 11),
//! and it leaves what is sent to the host alone to a responder that runs beside us. A filter in
//! the kernel drops what did not come with a hop limit of 255, which no packet has that a router
//! let through.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use mio::event::Source;
use mio::net::UdpSocket;
use rustix::net::sockopt::set_ip_multicast_if_with_ifindex;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, Socket, Type};

use super::browser::PORT;

/// The IPv4 group.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The IPv6 group.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The hop limit of every packet of multicast DNS.
const HOPS: u32 = 255;
/// Where the time to live stands in an IPv4 header, and the hop limit in an IPv6 one.
const HOPS_AT: (u32, u32) = (8, 7);
/// What a filter adds to an offset that counts from the network header (`SKF_NET_OFF`).
const FROM_NETWORK_HEADER: u32 = 0xfff0_0000;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// A socket that is in the group on one interface.
#[derive(Debug)]
pub struct Port {
    socket: UdpSocket,
    group: SocketAddr,
}

impl Port {
    /// Joins the group on the interface with that index.
    ///
    /// # Errors
    /// When the system does not allow it, or the interface is not there or has no address.
    pub fn open(family: Family, interface: u32) -> io::Result<Port> {
        let domain = match family {
            Family::V4 => Domain::IPV4,
            Family::V6 => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        // Others may listen to the group too.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        let group = match family {
            Family::V4 => join_v4(&socket, interface)?,
            Family::V6 => join_v6(&socket, interface)?,
        };
        let socket = UdpSocket::from_std(socket.into());
        Ok(Port { socket, group })
    }

    /// Sends a packet to the group.
    ///
    /// # Errors
    /// What the system says; a full queue of the interface is one.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, self.group).map(drop)
    }

    /// The next packet: its length, and who sent it.
    ///
    /// # Errors
    /// `WouldBlock` when there is none; else what the system says of the interface.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer)
    }

    /// For a poll.
    pub fn source(&mut self) -> &mut impl Source {
        &mut self.socket
    }
}

fn join_v4(socket: &Socket, interface: u32) -> io::Result<SocketAddr> {
    socket.attach_filter(&only_full_hops(HOPS_AT.0))?;
    // Only what comes in on the interface that was joined, not what any other socket joined.
    socket.set_multicast_all_v4(false)?;
    let group = SocketAddr::from((GROUP_V4, PORT));
    socket.bind(&group.into())?;
    let index = InterfaceIndexOrAddress::Index(interface);
    socket.join_multicast_v4_n(&GROUP_V4, &index)?;
    let any = Ipv4Addr::UNSPECIFIED;
    set_ip_multicast_if_with_ifindex(socket, &any, &any, interface)?;
    socket.set_multicast_ttl_v4(HOPS)?;
    Ok(group)
}

fn join_v6(socket: &Socket, interface: u32) -> io::Result<SocketAddr> {
    socket.attach_filter(&only_full_hops(HOPS_AT.1))?;
    socket.set_only_v6(true)?;
    // A link-local address with its interface also binds the socket to that interface.
    let group = SocketAddr::from(SocketAddrV6::new(GROUP_V6, PORT, 0, interface));
    socket.bind(&group.into())?;
    socket.join_multicast_v6(&GROUP_V6, interface)?;
    socket.set_multicast_if_v6(interface)?;
    socket.set_multicast_hops_v6(HOPS)?;
    Ok(group)
}

/// A classic BPF program: the byte at that offset of the network header must be 255.
fn only_full_hops(offset: u32) -> [SockFilter; 4] {
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    [
        SockFilter::new(LOAD_BYTE, 0, 0, FROM_NETWORK_HEADER + offset),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, HOPS),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
