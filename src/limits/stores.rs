//! Limits of discovery from key-value stores: ZooKeeper and etcd.

use std::time::Duration;

/// Nodes or keys that one provider reads below its paths or prefixes, folders included. A path such
/// as `/` in a store that others use too must not fill the memory.
pub const STORE_KEYS: usize = 50_000;

/// Bytes of keys and labels that one provider keeps. Real targets take a few hundred bytes, so this
/// is met long after the limit of targets; values without bound would meet it first.
pub const STORE_BYTES: usize = 16 * 1024 * 1024;

/// Longest text of a store that is repeated in an error.
pub const STORE_QUOTE_CHARS: usize = 200;

/// Shortest `timeout` of a ZooKeeper session; shorter ones are lengthened to it. Servers grant no
/// less than two of their ticks, usually four seconds.
pub const ZK_TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Longest `timeout` of a ZooKeeper session; the protocol counts milliseconds in 31 bits.
pub const ZK_TIMEOUT_MAX: Duration = Duration::from_hours(24);

/// Shortest time that one ZooKeeper server gets to accept a connection; else it is the session's
/// timeout shared out among the servers, so that all are tried before the session is over.
pub const ZK_CONNECT_MIN: Duration = Duration::from_secs(1);

/// Bytes of one message from a ZooKeeper server: room for a list of [`STORE_KEYS`] children. Servers
/// refuse nodes above 1 MiB unless told otherwise.
pub const ZK_FRAME_BYTES: usize = 4 * 1024 * 1024;

/// Bytes read from a ZooKeeper server at once.
pub const ZK_READ_BYTES: usize = 16 * 1024;

/// Requests under way on a ZooKeeper connection: enough to read a large tree over a slow link
/// without a round trip for every node, few enough to be no burden.
pub const ZK_IN_FLIGHT: usize = 64;

/// After this long the whole ZooKeeper tree is read again on a connection that works: mends what a
/// lost watch would spoil for ever.
pub const ZK_REREAD: Duration = Duration::from_mins(10);

/// Changes of a ZooKeeper tree that does not come to rest are passed on at most this often.
pub const ZK_UNREST: Duration = Duration::from_secs(1);

/// Longest path of a ZooKeeper node in bytes. Bounds how deep a tree can be that never ends.
pub const ZK_PATH_BYTES: usize = 4096;

/// Bytes of one answer of etcd, or of one message of its watch. A page that is larger is asked for
/// again with fewer keys.
pub const ETCD_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Keys asked of etcd at once.
pub const ETCD_PAGE_KEYS: usize = 500;

/// Time for one answer of etcd, and for the beginning of a watch.
pub const ETCD_TIMEOUT: Duration = Duration::from_secs(10);

/// A watch of etcd that says nothing for this long is replaced by a new one, which goes on where the
/// old one was. Shorter than what middle boxes allow idle connections.
pub const ETCD_SILENCE: Duration = Duration::from_secs(60);

/// A watch of etcd that ended after this long was a healthy one and is replaced at once; one that
/// ends sooner is a failure.
pub const ETCD_HEALTHY: Duration = Duration::from_secs(10);
