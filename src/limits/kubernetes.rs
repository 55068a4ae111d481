//! Limits of Kubernetes discovery: what an API server can make us keep, and how we ask it.

use std::time::Duration;

/// Objects asked for in one page of a list; what kubectl asks for. Keeps the server's answers at a
/// few megabytes; here a page costs nothing, because objects are stripped as they arrive.
pub const K8S_PAGE_OBJECTS: usize = 500;

/// Objects of one kind kept by one provider. Twice the targets that a provider may have, because
/// not every pod behind an endpoint is a target of its own; about 1 KiB each.
pub const K8S_OBJECTS: usize = 20_000;

/// Bytes of one object on the wire. etcd refuses objects above 1.5 MiB, and the server's JSON can
/// be larger than what etcd holds.
pub const K8S_OBJECT_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of the answer to a failed request that are read for its reason.
pub const K8S_STATUS_BYTES: usize = 64 * 1024;

/// Characters of a reason that are shown.
pub const K8S_REASON_CHARS: usize = 300;

/// Lists and watches of one provider: kinds times namespaces. Each has a thread and a connection,
/// about 100 KiB.
pub const K8S_REFLECTORS: usize = 128;

/// Reports between the watching threads and their provider. When full, the threads wait: the
/// server's stream then backs up, which it is made for.
pub const K8S_REPORTS: usize = 16;

/// Objects of a list handed over together.
pub const K8S_BATCH: usize = 64;

/// Changes that come within this time of the first are sent together; a rollout changes a few
/// objects a second, and targets are published every few seconds anyway.
pub const K8S_LINGER: Duration = Duration::from_millis(250);

/// Time for the head of an answer.
pub const K8S_ANSWER: Duration = Duration::from_secs(30);

/// Longest silence inside the answer to a list.
pub const K8S_LIST_SILENCE: Duration = Duration::from_secs(30);

/// Shortest watch that is asked for; up to half as long again is added at random, so that watches
/// do not end together. client-go asks for 5 to 10 minutes; a connection that died unseen is
/// noticed at the end of a watch, which should be sooner here.
pub const K8S_WATCH: Duration = Duration::from_secs(240);

/// A watch that is silent for longer than it was asked to last, plus this, is given up.
pub const K8S_WATCH_GRACE: Duration = Duration::from_secs(15);

/// First pause after a failed request, before it is spread at random; doubles up to
/// [`K8S_BACKOFF_MAX`]. client-go's figures are 0.8 and 30 seconds.
pub const K8S_BACKOFF_MIN: Duration = Duration::from_secs(1);

/// See [`K8S_BACKOFF_MIN`]. Also the longest pause that a server can ask for.
pub const K8S_BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Watches that may end without any news before their time, one after the other, before everything
/// is listed again. One that lasts its time without news leads to a list at once.
pub const K8S_FRUITLESS_WATCHES: u32 = 3;

/// Shared texts that are kept before those that nobody uses any more are looked for.
pub const K8S_TEXTS: usize = 1024;

/// Bytes of a kubeconfig file, certificates included. Real ones have a few KiB for each cluster.
pub const K8S_KUBECONFIG_BYTES: u64 = 1024 * 1024;
