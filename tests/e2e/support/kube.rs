//! An API server of Kubernetes, as far as discovery can tell: lists, pages, watches, bookmarks.
//!
//! It holds objects in memory and behaves as real servers were seen to: lists without a version
//! are paged, tokens and versions expire, a watch replays what happened since its version and ends
//! with a bookmark. A script makes it misbehave: each [`Fault`] spoils one request of a collection.
//! Agents under test connect to it as they would to the real one.

use std::collections::{BTreeMap, VecDeque};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use super::{ports, wait};

mod serve;

/// Something that spoils a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is wrong with this one.
    Pass,
    /// This status and body, with these headers.
    Status(u16, Value, &'static str),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// These bytes take the place of the body.
    Body(&'static str),
    /// Nothing is answered.
    Hang,
    /// A watch that says nothing at all and then ends.
    Silent,
    /// A watch that begins with an error event of that object, and ends with it.
    Error(Value),
}

/// A request that was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) head: String,
}

impl Seen {
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains_key("watch")
    }
}

/// A change, as a watch tells it.
#[derive(Clone)]
struct Event {
    version: u64,
    collection: String,
    kind: &'static str,
    object: Value,
}

#[derive(Default)]
struct Cluster {
    version: u64,
    /// Collection, then namespace and name.
    objects: BTreeMap<String, BTreeMap<(String, String), Value>>,
    log: Vec<Event>,
    /// Watches and tokens from before this version have expired.
    oldest: u64,
    faults: BTreeMap<(String, bool), VecDeque<Fault>>,
    seen: Vec<Seen>,
    /// Watches last no longer than this.
    watch_limit: Duration,
    /// Number of the epoch: watches of an earlier one end at once, in the middle of things.
    epoch: u64,
    closed: bool,
    token: Option<String>,
}

/// The server. Stops when dropped.
pub(crate) struct KubeApi {
    port: u16,
    shared: Arc<(Mutex<Cluster>, Condvar)>,
}

impl KubeApi {
    /// Starts an empty one on a free port.
    pub(crate) fn start() -> KubeApi {
        let cluster = Cluster {
            version: 100,
            watch_limit: Duration::from_secs(3600),
            ..Cluster::default()
        };
        let api = KubeApi {
            port: ports::free(),
            shared: Arc::new((Mutex::new(cluster), Condvar::new())),
        };
        let listener = TcpListener::bind(("127.0.0.1", api.port)).expect("the port");
        let shared = Arc::clone(&api.shared);
        wait::spawn("kube-api", move || serve::accept(&listener, &shared));
        api
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn with<R>(&self, act: impl FnOnce(&mut Cluster) -> R) -> R {
        let result = act(&mut self.shared.0.lock());
        self.shared.1.notify_all();
        result
    }

    /// Puts all items of a recorded list into a collection.
    pub(crate) fn load(&self, collection: &str, list: &str) {
        let list: Value = serde_json::from_str(list).expect("a recorded list");
        for item in list["items"].as_array().expect("items") {
            self.put(collection, item.clone());
        }
    }

    /// Adds or changes an object.
    pub(crate) fn put(&self, collection: &str, object: Value) {
        self.with(|cluster| cluster.put(collection, object));
    }

    /// Changes an object with a closure.
    pub(crate) fn change(&self, collection: &str, key: (&str, &str), act: impl FnOnce(&mut Value)) {
        self.with(|cluster| {
            let key = (key.0.to_owned(), key.1.to_owned());
            let mut object = cluster.objects[collection][&key].clone();
            act(&mut object);
            cluster.put(collection, object);
        });
    }

    /// Removes an object.
    pub(crate) fn delete(&self, collection: &str, (namespace, name): (&str, &str)) {
        self.with(|cluster| {
            let key = (namespace.to_owned(), name.to_owned());
            let objects = cluster.objects.get_mut(collection).expect("a collection");
            let object = objects.remove(&key).expect("an object");
            cluster.note(collection, "DELETED", object);
        });
    }

    /// Adds and removes objects so that no watch tells of it, as if nobody had looked.
    pub(crate) fn change_unseen(
        &self,
        collection: &str,
        added: Value,
        (namespace, name): (&str, &str),
    ) {
        self.with(|cluster| {
            cluster.put(collection, added);
            let key = (namespace.to_owned(), name.to_owned());
            let objects = cluster.objects.get_mut(collection).expect("a collection");
            objects.remove(&key).expect("an object");
            cluster.log.clear();
        });
    }

    /// Forgets all that happened so far: older versions and tokens have expired.
    pub(crate) fn compact(&self) {
        self.with(|cluster| {
            cluster.version += 1;
            cluster.oldest = cluster.version;
            cluster.log.clear();
        });
    }

    /// Sets how long watches last at most.
    pub(crate) fn limit_watches(&self, limit: Duration) {
        self.with(|cluster| cluster.watch_limit = limit);
    }

    /// Ends all watches in the middle of things.
    pub(crate) fn cut_watches(&self) {
        self.with(|cluster| cluster.epoch += 1);
    }

    /// Wants a bearer token from now on.
    pub(crate) fn want_token(&self, token: &str) {
        self.with(|cluster| cluster.token = Some(token.to_owned()));
    }

    /// Spoils the next list of a collection that is not spoilt yet.
    pub(crate) fn spoil_list(&self, collection: &str, fault: Fault) {
        self.spoil(collection, false, fault);
    }

    /// Spoils the next watch of a collection that is not spoilt yet.
    pub(crate) fn spoil_watch(&self, collection: &str, fault: Fault) {
        self.spoil(collection, true, fault);
    }

    fn spoil(&self, collection: &str, watch: bool, fault: Fault) {
        let key = (collection.to_owned(), watch);
        self.with(|cluster| cluster.faults.entry(key).or_default().push_back(fault));
    }

    /// The requests for a collection so far.
    pub(crate) fn seen(&self, collection: &str) -> Vec<Seen> {
        let mut seen = self.with(|cluster| cluster.seen.clone());
        seen.retain(|one| one.path.ends_with(&format!("/{collection}")));
        seen
    }

    /// Whether every fault for a collection was used up.
    pub(crate) fn is_healed(&self, collection: &str) -> bool {
        let empty = |(key, faults): (&(String, bool), &VecDeque<Fault>)| {
            key.0 != collection || faults.is_empty()
        };
        self.with(|cluster| cluster.faults.iter().all(empty))
    }
}

impl Drop for KubeApi {
    fn drop(&mut self) {
        self.with(|cluster| cluster.closed = true);
        // Wakes the listener.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl Cluster {
    fn put(&mut self, collection: &str, mut object: Value) {
        let meta = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let key = (text(&meta["namespace"]), text(&meta["name"]));
        object["metadata"]["resourceVersion"] = json!((self.version + 1).to_string());
        let objects = self.objects.entry(collection.to_owned()).or_default();
        let known = objects.insert(key, object.clone()).is_some();
        let kind = if known { "MODIFIED" } else { "ADDED" };
        self.note(collection, kind, object);
    }

    fn note(&mut self, collection: &str, kind: &'static str, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let (kind_of, api) = serve::kind_of(collection);
        object["kind"] = json!(kind_of);
        object["apiVersion"] = json!(api);
        self.log.push(Event {
            version: self.version,
            collection: collection.to_owned(),
            kind,
            object,
        });
    }
}
