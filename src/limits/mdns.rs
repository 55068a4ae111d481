//! Limits of discovery by multicast DNS: anybody on the link can send it anything.

use std::time::Duration;

/// Bytes of one packet, the most that RFC 6762 allows (section 17); longer ones are dropped.
pub const MDNS_PACKET_BYTES: usize = 9000;

/// Bytes of one question packet before compression: fits into an Ethernet frame with any header.
pub const MDNS_QUERY_BYTES: usize = 1400;

/// Records taken from one packet; a full packet of the smallest useful ones holds about as many.
pub const MDNS_RECORDS_PER_PACKET: usize = 500;

/// Instances known at once on all links: far more than a link with people on it has, a tenth of
/// what a provider may have ([`super::SD_TARGETS_PER_PROVIDER`]), and about a megabyte.
pub const MDNS_INSTANCES: usize = 1000;

/// Records of one name and kind, other than instances: addresses of a host, mostly.
pub const MDNS_RECORDS_PER_NAME: usize = 16;

/// Bytes of the attributes of one instance; further ones are not taken. RFC 6763 advises against
/// more (section 6.2).
pub const MDNS_TXT_BYTES: usize = 1300;

/// Longest life of a record, the longest that RFC 6762 recommends (section 10). What lives longer
/// is asked for again earlier.
pub const MDNS_TTL_MAX: Duration = Duration::from_secs(4500);

/// Time for records to be confirmed after their interface was away.
pub const MDNS_CONFIRM: Duration = Duration::from_secs(10);

/// An interface that is away keeps its services this long: as long as an instance lives that
/// nobody asks about, about.
pub const MDNS_AWAY: Duration = Duration::from_secs(3600);

/// Questions sent at once on one link; more wait for [`MDNS_SEND_PAUSE`]. Some ten packets.
pub const MDNS_QUESTIONS_PER_TURN: usize = 200;

/// Pause between two lots of questions on one link: they are gathered.
pub const MDNS_SEND_PAUSE: Duration = Duration::from_millis(100);

/// Pause between two reports of the services: a link that answers all at once is one report.
pub const MDNS_REPORT_PAUSE: Duration = Duration::from_millis(100);

/// Packets of one link that may come at once: every host of a large link answers to the first
/// question within a tenth of a second.
pub const MDNS_PACKETS_BURST: u16 = 1000;

/// Packets of one link per second, after a burst; more are dropped. A busy link has about ten.
pub const MDNS_PACKETS_RATE: u16 = 100;

/// Packets taken from one socket before the others have their turn.
pub const MDNS_PACKETS_PER_TURN: usize = 64;

/// Interfaces browsed at once, the first by index: each costs two sockets.
pub const MDNS_INTERFACES: usize = 32;

/// Service types of one provider: each is asked for on every link.
pub const MDNS_TYPES: usize = 16;

/// The host's interfaces are looked at again this often, should a change not have been told.
pub const MDNS_SURVEY: Duration = Duration::from_secs(60);
