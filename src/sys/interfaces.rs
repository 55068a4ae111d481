//! The network interfaces of this host, and word of their changes, from the kernel (rtnetlink(7)).
//!
//! A listing is one request and its answer; messages of kinds that are not needed, and attributes
//! likewise, are skipped. What cannot be read ends the message it stands in, not the listing.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto, socket_with,
};

/// Kinds of messages.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
/// A request for everything there is.
const REQUEST_DUMP: u16 = 0x301;
/// Groups of messages about interfaces, IPv4 addresses, IPv6 addresses.
const CHANGES: u32 = 0x1 | 0x10 | 0x100;
/// Bytes of a message's head and of what follows it in messages about interfaces and addresses.
const HEAD: usize = 16;
const LINK_HEAD: usize = 16;
const ADDRESS_HEAD: usize = 8;
/// Attributes: the name of an interface, how often it was connected or not, its address, its own address where there is a peer.
const LINK_NAME: u16 = 3;
const CARRIER_CHANGES: u16 = 35;
const ADDRESS: u16 = 1;
const LOCAL_ADDRESS: u16 = 2;
/// Flags of interfaces.
const UP: u32 = 0x1;
const LOOPBACK: u32 = 0x8;
const RUNNING: u32 = 0x40;
const MULTICAST: u32 = 0x1000;
/// An address that the kernel is still trying out.
const TENTATIVE: u8 = 0x40;
/// Bytes read at once; the kernel fills at most half of it in one go.
const BUFFER: usize = 64 * 1024;

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Interface {
    /// Its index; another one when it was gone and is back.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is switched on and connected.
    pub is_up: bool,
    /// How often it was connected or disconnected: another number means that it was away,
    /// however shortly.
    pub carrier_changes: u32,
    /// Whether it can send to groups.
    pub is_multicast: bool,
    /// Whether it leads to this host only.
    pub is_loopback: bool,
    /// Its addresses with the lengths of their prefixes, in the order of the kernel.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// All interfaces by index.
///
/// # Errors
/// When the system gives no netlink socket, as in a sandbox without `AF_NETLINK`.
pub fn list() -> io::Result<Vec<Interface>> {
    let mut interfaces = BTreeMap::new();
    for request in [GET_LINK, GET_ADDRESS] {
        let socket = open(0)?;
        // The kernel answers while the request is made, so reading does not wait.
        sendto(
            &socket,
            &dump_request(request),
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        let mut buffer = vec![0; BUFFER];
        while read(&socket, &mut buffer, &mut interfaces)? {}
    }
    Ok(interfaces.into_values().collect())
}

/// One read of an answer. False when it was the last.
fn read(
    socket: &OwnedFd,
    buffer: &mut [u8],
    interfaces: &mut BTreeMap<u32, Interface>,
) -> io::Result<bool> {
    let (length, _) = recv(socket, &mut *buffer, RecvFlags::empty())?;
    for message in messages(&buffer[..length]) {
        match message.kind {
            DONE => return Ok(false),
            ERROR => return Err(error_of(message.body)),
            NEW_LINK => note_link(interfaces, message.body),
            NEW_ADDRESS => note_address(interfaces, message.body),
            _ => {}
        }
    }
    Ok(length > 0)
}

/// Word of changes: readable when an interface or an address came, went or changed.
#[derive(Debug)]
pub struct Changes(OwnedFd);

impl Changes {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the system gives no netlink socket.
    pub fn listen() -> io::Result<Changes> {
        Ok(Changes(open(CHANGES)?))
    }

    /// Takes all words that have come. True when there was any, or too many to be kept.
    #[must_use]
    pub fn drain(&self) -> bool {
        let mut buffer = vec![0; BUFFER];
        let mut any = false;
        loop {
            match recv(&self.0, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok(_) | Err(rustix::io::Errno::NOBUFS) => any = true,
                Err(_) => return any,
            }
        }
    }
}

impl AsRawFd for Changes {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn open(groups: u32) -> io::Result<OwnedFd> {
    // No protocol is the one for routes, which has the interfaces too.
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn dump_request(kind: u16) -> Vec<u8> {
    let length = HEAD + LINK_HEAD;
    let mut request = Vec::with_capacity(length);
    request.extend(u32::try_from(length).unwrap_or_default().to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    // Number and sender do not matter; of every family.
    request.resize(length, 0);
    request
}

struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

/// The part of `bytes` that a length at its beginning spans, and what follows it, aligned to four.
fn split(bytes: &[u8], length: usize, head: usize) -> Option<(&[u8], &[u8])> {
    let whole = bytes.get(..length).filter(|_| length >= head)?;
    let next = length.next_multiple_of(4).min(bytes.len());
    Some((&whole[head..], &bytes[next..]))
}

fn messages(mut rest: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(rest, 0)?).ok()?;
        let kind = u16_at(rest, 4)?;
        let (body, after) = split(rest, length, HEAD)?;
        rest = after;
        Some(Message { kind, body })
    })
}

fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = (usize::from(u16_at(rest, 0)?), u16_at(rest, 2)?);
        let (value, after) = split(rest, length, 4)?;
        rest = after;
        Some((kind, value))
    })
}

fn error_of(body: &[u8]) -> io::Error {
    let code = u32_at(body, 0).map_or(0, |code| code.cast_signed().saturating_neg());
    io::Error::from_raw_os_error(code)
}

fn note_link(interfaces: &mut BTreeMap<u32, Interface>, body: &[u8]) {
    let (Some(index), Some(flags)) = (u32_at(body, 4), u32_at(body, 8)) else {
        return;
    };
    let interface = interfaces.entry(index).or_default();
    interface.index = index;
    for (kind, value) in attributes(body.get(LINK_HEAD..).unwrap_or_default()) {
        match kind {
            LINK_NAME => interface.name = text(value),
            CARRIER_CHANGES => interface.carrier_changes = u32_at(value, 0).unwrap_or_default(),
            _ => {}
        }
    }
    interface.is_up = flags & (UP | RUNNING) == UP | RUNNING;
    interface.is_multicast = flags & MULTICAST != 0;
    interface.is_loopback = flags & LOOPBACK != 0;
}

/// Texts of the kernel end with a zero.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

fn note_address(interfaces: &mut BTreeMap<u32, Interface>, body: &[u8]) {
    let (Some(index), Some(head)) = (u32_at(body, 4), body.first_chunk::<4>()) else {
        return;
    };
    let [_, prefix, flags, _] = *head;
    let (mut address, mut local) = (None, None);
    for (kind, value) in attributes(body.get(ADDRESS_HEAD..).unwrap_or_default()) {
        match kind {
            ADDRESS => address = ip(value),
            LOCAL_ADDRESS => local = ip(value),
            _ => {}
        }
    }
    if flags & TENTATIVE == 0
        && let Some(address) = local.or(address)
        && let Some(interface) = interfaces.get_mut(&index)
    {
        interface.addresses.push((address, prefix));
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).expect("short");
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn every_host_has_a_loopback_interface_with_its_address() {
        let interfaces = list().expect("netlink");
        let loopback = interfaces.iter().find(|one| one.is_loopback);
        let loopback = loopback.expect("a loopback interface");
        assert_eq!((loopback.name.as_str(), loopback.index), ("lo", 1));
        assert!(!loopback.is_multicast);
        let address = ("127.0.0.1".parse().expect("address"), 8);
        assert!(!loopback.is_up || loopback.addresses.contains(&address));
    }

    #[test]
    fn messages_are_read_attribute_by_attribute() {
        let mut interfaces = BTreeMap::new();
        let flags = (UP | RUNNING | MULTICAST).to_ne_bytes();
        let mut link = vec![0, 0, 0, 0];
        link.extend(7u32.to_ne_bytes());
        link.extend(flags);
        link.extend([0; 4]);
        link.extend(attribute(99, b"x"));
        link.extend(attribute(LINK_NAME, b"eth0\0"));
        link.extend(attribute(CARRIER_CHANGES, &5u32.to_ne_bytes()));
        note_link(&mut interfaces, &link);
        let mut address = vec![2, 24, 0, 0];
        address.extend(7u32.to_ne_bytes());
        address.extend(attribute(ADDRESS, &[192, 0, 2, 9]));
        address.extend(attribute(LOCAL_ADDRESS, &[192, 0, 2, 1]));
        note_address(&mut interfaces, &address);
        // A tentative one, and one of an interface that is not known.
        address[2] = TENTATIVE;
        note_address(&mut interfaces, &address);
        address[2] = 0;
        address[4] = 8;
        note_address(&mut interfaces, &address);
        let expected = Interface {
            index: 7,
            name: "eth0".to_owned(),
            is_up: true,
            carrier_changes: 5,
            is_multicast: true,
            is_loopback: false,
            addresses: vec![("192.0.2.1".parse().expect("address"), 24)],
        };
        assert_eq!(interfaces.into_values().collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn changes_can_be_listened_to() {
        let changes = Changes::listen().expect("netlink");
        assert!(changes.as_raw_fd() >= 0);
        // Nothing that this test could count on: only that it returns.
        let _any = changes.drain();
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut interfaces = BTreeMap::new();
            note_link(&mut interfaces, &bytes);
            note_address(&mut interfaces, &bytes);
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }
    }
}
