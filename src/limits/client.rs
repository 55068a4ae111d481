//! Limits of what we ask others: HTTP exchanges, names, certificates.

use std::time::Duration;

/// Bytes of a UDP reply that we offer to take: what passes every path without fragments (DNS flag
/// day 2020). Longer replies come over TCP.
pub const DNS_UDP_REPLY_BYTES: u16 = 1232;

/// Bytes of a `resolv.conf` that are read. Real ones have a few hundred.
pub const DNS_RESOLV_CONF_BYTES: u64 = 64 * 1024;

/// Servers that are asked; the C library stops at 3.
pub const DNS_SERVERS_MAX: usize = 6;

/// Suffixes of the search list that are tried; the C library has no bound since 2.26.
pub const DNS_SEARCH_MAX: usize = 16;

/// Highest `ndots`; as in the C library.
pub const DNS_NDOTS_MAX: u32 = 15;

/// Longest wait for one reply; as in the C library.
pub const DNS_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Most rounds over all servers; as in the C library.
pub const DNS_ATTEMPTS_MAX: u32 = 5;

/// Time for one name, all suffixes, servers and rounds together: the refresh interval of DNS
/// discovery unless written, so that dead servers never make rounds overlap.
pub const DNS_LOOKUP_DEADLINE: Duration = Duration::from_secs(30);

/// How often a thread that waits for a reply looks whether it is to stop.
pub const DNS_STOP_CHECK: Duration = Duration::from_millis(250);

/// Response head: status line and all headers. Prometheus's client allows 1 MiB; no exporter or
/// receiver needs a tenth of this.
pub const HTTP_HEAD_BYTES: usize = 64 * 1024;

/// Bytes read of the body of an answer that is a refusal where a stream was wanted.
pub const HTTP_REFUSAL_BYTES: u64 = 64 * 1024;

/// Bytes read of the body of an answer that is not wanted, so that its connection can be used
/// again; beyond that the connection is closed.
pub const HTTP_UNWANTED_BODY_BYTES: u64 = 4 * 1024;

/// How much larger than the decoded limit a compressed body may be: gzip adds at most 5 bytes per
/// 16 KiB block and its header.
pub const GZIP_SLACK_BYTES: u64 = 1024;

/// Buffer for decoded bodies that is kept between uses; a larger one is given back to the system.
pub const DECODED_KEPT_BYTES: usize = 1024 * 1024;

/// Redirects followed in one exchange, as Go's client does.
pub const HTTP_REDIRECTS: u32 = 10;

/// Longest URL that is accepted, from the configuration, discovery or a redirect.
pub const URL_BYTES: usize = 8 * 1024;

/// How long an unused keep-alive connection is kept: Prometheus's figure.
pub const IDLE_CONNECTION: Duration = Duration::from_mins(5);

/// Largest secret file: tokens and passwords are a few hundred bytes, JSON web tokens a few KiB.
pub const SECRET_FILE_BYTES: u64 = 64 * 1024;

/// Largest certificate or key file: a system-wide bundle is about 250 KiB.
pub const CERTIFICATE_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Each of the two buffers of a blocking connection. The default of the library, 128 KiB, is most
/// of what an endpoint costs.
pub const BLOCKING_BUFFER_BYTES: usize = 16 * 1024;

/// TLS sessions remembered per client configuration, for cheap reconnects.
pub const TLS_SESSIONS: usize = 256;

/// Proxy answers to CONNECT larger than this are refused.
pub const PROXY_HEAD_BYTES: usize = 8 * 1024;

/// Resolver threads. The second never takes a name that is known to be slow, so that names which
/// hang cannot stop the others.
pub const RESOLVER_THREADS: usize = 2;

/// Names waiting for a resolver thread. When full, a new name is refused and counted.
pub const RESOLVER_QUEUE: usize = 256;

/// Requests waiting for the answer about one name; more are refused and counted.
pub const RESOLVER_WAITERS: usize = 1024;

/// Names remembered; the one that was not asked for longest makes room.
pub const RESOLVER_NAMES: usize = 4096;

/// How long addresses count as fresh. The system's resolver does not tell the record's own time
/// to live; Go asks at every new connection.
pub const RESOLVER_FRESH: Duration = Duration::from_secs(30);

/// Addresses that stopped being fresh less than this ago are used at once while they are looked up
/// again; older ones only when that fails.
pub const RESOLVER_STALE_AT_ONCE: Duration = Duration::from_mins(5);

/// How long after a failed lookup the name is not looked up again.
pub const RESOLVER_RETRY: Duration = Duration::from_secs(5);

/// A lookup that takes longer, or fails, makes its name a slow one.
pub const RESOLVER_SLOW: Duration = Duration::from_secs(1);

/// Addresses kept of one name.
pub const RESOLVER_ADDRESSES: usize = 16;

/// Exchanges under way on one fetcher; more are refused. Also the room for answers of the
/// resolver, of which each exchange waits for at most one.
pub const FETCH_EXCHANGES: usize = 4096;

/// The fetcher's read buffer, shared by all its connections, and what is read from one connection
/// before the others have their turn.
pub const FETCH_READ_BYTES: usize = 64 * 1024;

/// Bodies being received by one fetcher, all together. When it is exceeded the largest fails, unless
/// it is the only one: a body limit the user set above this must still be reachable.
pub const FETCH_BODIES_BYTES: usize = 64 * 1024 * 1024;

/// Unused TLS connections kept open by one fetcher, about 36 KiB each; beyond it the one unused
/// longest is closed and its session resumed when it is needed again.
pub const FETCH_IDLE_TLS: usize = 64;

/// Unused plain connections kept open by one fetcher, less than 1 KiB each and a descriptor.
pub const FETCH_IDLE_PLAIN: usize = 4096;

/// Body buffers kept for the next exchange, and the largest that is kept.
pub const FETCH_SPARE_BODIES: usize = 4;

/// See [`FETCH_SPARE_BODIES`].
pub const FETCH_SPARE_BYTES: usize = 256 * 1024;

/// Least time an address gets before the next one of the same name is tried.
pub const FETCH_ADDRESS_PATIENCE: Duration = Duration::from_millis(300);

/// Bytes of the path of a Unix socket: what the system's address has room for, but for the zero.
pub const UNIX_SOCKET_PATH_BYTES: usize = 107;
