//! The API server on the wire: requests, answers in chunks, lists and watches.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

use super::{Cluster, Event, Fault, Seen, wait};

/// Kind and API version of a collection's objects.
pub(super) fn kind_of(collection: &str) -> (&'static str, &'static str) {
    match collection {
        "pods" => ("Pod", "v1"),
        "services" => ("Service", "v1"),
        "endpoints" => ("Endpoints", "v1"),
        "nodes" => ("Node", "v1"),
        "namespaces" => ("Namespace", "v1"),
        "endpointslices" => ("EndpointSlice", "discovery.k8s.io/v1"),
        "ingresses" => ("Ingress", "networking.k8s.io/v1"),
        "replicasets" => ("ReplicaSet", "apps/v1"),
        "jobs" => ("Job", "batch/v1"),
        other => panic!("no collection {other}"),
    }
}

type Shared = Arc<(Mutex<Cluster>, Condvar)>;

pub(super) fn accept(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming().flatten() {
        if shared.0.lock().closed {
            return;
        }
        let shared = Arc::clone(shared);
        wait::spawn("kube-client", move || {
            let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
            while let Some(seen) = read_request(&mut reader) {
                if serve(&stream, &seen, &shared).is_err() {
                    break;
                }
            }
            drop(stream.shutdown(Shutdown::Both));
        });
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = String::new();
    loop {
        let begin = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if head[begin..].trim().is_empty() {
            break;
        }
    }
    let target = head.split(' ').nth(1)?.to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    Some(Seen {
        path: path.to_owned(),
        query: pairs
            .map(|(key, value)| (decode(key), decode(value)))
            .collect(),
        head,
    })
}

/// Writes an answer in chunks.
struct Chunked<'s>(&'s TcpStream);

impl Chunked<'_> {
    fn head(&mut self) -> std::io::Result<()> {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\n\r\n";
        self.0.write_all(head.as_bytes())
    }

    fn piece(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let size = format!("{:x}\r\n", bytes.len());
        self.0
            .write_all(&[size.as_bytes(), bytes, b"\r\n"].concat())
    }

    fn end(&mut self) -> std::io::Result<()> {
        self.0.write_all(b"0\r\n\r\n")
    }
}

fn answer(mut stream: &TcpStream, status: u16, body: &[u8], headers: &str) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         {headers}\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())
}

fn cut() -> std::io::Error {
    std::io::Error::other("cut on purpose")
}

fn serve(stream: &TcpStream, seen: &Seen, shared: &Shared) -> std::io::Result<()> {
    let collection = seen.path.rsplit('/').next().unwrap_or_default().to_owned();
    let (fault, allowed) = {
        let mut cluster = shared.0.lock();
        cluster.seen.push(seen.clone());
        let key = (collection.clone(), seen.is_watch());
        let fault = cluster.faults.get_mut(&key).and_then(VecDeque::pop_front);
        let allowed = cluster
            .token
            .as_ref()
            .is_none_or(|token| seen.head.contains(&format!("Bearer {token}\r\n")));
        (fault, allowed)
    };
    if !allowed {
        let body = include_bytes!("../../../data/kubernetes/error-401.json");
        return answer(stream, 401, body, "");
    }
    if collection == "version" {
        let body = include_bytes!("../../../data/kubernetes/version.json");
        return answer(stream, 200, body, "");
    }
    match fault {
        Some(Fault::Status(status, body, headers)) => {
            answer(stream, status, body.to_string().as_bytes(), headers)
        }
        Some(Fault::Body(text)) => answer(stream, 200, text.as_bytes(), ""),
        Some(Fault::Hang) => wait_for_end(shared),
        Some(fault) if seen.is_watch() && !matches!(fault, Fault::Pass) => {
            watch(stream, seen, (&collection, Some(fault)), shared)
        }
        Some(Fault::Cut(bytes)) => {
            let (_, body) = list(seen, &collection, shared);
            let mut chunks = Chunked(stream);
            chunks.head()?;
            chunks.piece(&body[..bytes.min(body.len())])?;
            Err(cut())
        }
        _ if seen.is_watch() => watch(stream, seen, (&collection, None), shared),
        _ => {
            let (status, body) = list(seen, &collection, shared);
            if status != 200 {
                return answer(stream, status, &body, "");
            }
            let mut chunks = Chunked(stream);
            chunks.head()?;
            for piece in body.chunks(16 * 1024) {
                chunks.piece(piece)?;
            }
            chunks.end()
        }
    }
}

fn wait_for_end(shared: &Shared) -> std::io::Result<()> {
    let mut cluster = shared.0.lock();
    while !cluster.closed {
        shared.1.wait(&mut cluster);
    }
    Err(cut())
}

/// The namespace that a path is about.
fn namespace_of(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once("/namespaces/")?;
    rest.split_once('/').map(|(namespace, _)| namespace)
}

fn is_selected(seen: &Seen, object: &Value) -> bool {
    let here = namespace_of(&seen.path).is_none_or(|one| object["metadata"]["namespace"] == one);
    let label = seen.parameter("labelSelector").split_once('=');
    let labelled = label.is_none_or(|(key, value)| object["metadata"]["labels"][key] == value);
    let field = seen.parameter("fieldSelector").split_once('=');
    let fielded = field.is_none_or(|(path, value)| {
        let found = path.split('.').fold(object, |node, key| &node[key]);
        found == value
    });
    here && labelled && fielded
}

fn list(seen: &Seen, collection: &str, shared: &Shared) -> (u16, Vec<u8>) {
    let cluster = shared.0.lock();
    // A token is the version of the list and where it goes on.
    let token = seen.parameter("continue").split_once('@');
    let (version, skip) = token.map_or((cluster.version, 0), |(version, skip)| {
        (
            version.parse().expect("a token"),
            skip.parse().expect("a token"),
        )
    });
    if version < cluster.oldest {
        let body = json!({"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410,
            "message": "The provided continue parameter is too old", "metadata": {"continue": "x"}});
        return (410, body.to_string().into_bytes());
    }
    // As on real servers the limit does not hold for lists at version 0.
    let limit = match (seen.parameter("resourceVersion"), seen.parameter("limit")) {
        ("0", _) | (_, "") => usize::MAX,
        (_, limit) => limit.parse().expect("a number"),
    };
    let all = cluster
        .objects
        .get(collection)
        .into_iter()
        .flat_map(BTreeMap::values);
    let selected: Vec<&Value> = all.filter(|object| is_selected(seen, object)).collect();
    let page: Vec<&&Value> = selected.iter().skip(skip).take(limit).collect();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    let end = skip + page.len();
    if end < selected.len() {
        metadata["continue"] = json!(format!("{version}@{end}"));
        metadata["remainingItemCount"] = json!(selected.len() - end);
    }
    let (kind, api) = kind_of(collection);
    let body = json!({"kind": format!("{kind}List"), "apiVersion": api, "metadata": metadata,
        "items": page});
    (200, body.to_string().into_bytes())
}

fn line(kind: &str, object: &Value) -> Vec<u8> {
    format!("{}\n", json!({"type": kind, "object": object})).into_bytes()
}

fn watch(
    stream: &TcpStream,
    seen: &Seen,
    (collection, fault): (&str, Option<Fault>),
    shared: &Shared,
) -> std::io::Result<()> {
    let mut chunks = Chunked(stream);
    chunks.head()?;
    let mut cluster = shared.0.lock();
    let begin = wait::now();
    let seconds = seen.parameter("timeoutSeconds").parse().unwrap_or(1800);
    let limit = Duration::from_secs(seconds).min(cluster.watch_limit);
    let mut version: u64 = seen.parameter("resourceVersion").parse().unwrap_or(0);
    match fault {
        Some(Fault::Silent) => return chunks.end(),
        Some(Fault::Error(object)) => {
            chunks.piece(&line("ERROR", &object))?;
            return chunks.end();
        }
        Some(Fault::Cut(bytes)) => {
            let event = line(
                "ADDED",
                &json!({"metadata": {"name": "torn", "namespace": "demo"}}),
            );
            chunks.piece(&event[..bytes.min(event.len() - 1)])?;
            return Err(cut());
        }
        _ => {}
    }
    if version < cluster.oldest {
        let message = format!("too old resource version: {version} ({})", cluster.oldest);
        let status = json!({"kind": "Status", "status": "Failure", "reason": "Expired",
            "code": 410, "message": message});
        chunks.piece(&line("ERROR", &status))?;
        return chunks.end();
    }
    let epoch = cluster.epoch;
    // Nothing is known of versions that are still to come: silence until the end.
    let future = version > cluster.version;
    while !cluster.closed && begin.elapsed() < limit {
        if cluster.epoch != epoch {
            return Err(cut());
        }
        let news = cluster
            .log
            .iter()
            .filter(|event| !future && event.version > version && event.collection == collection);
        let news: Vec<Event> = news.cloned().collect();
        for event in news {
            version = event.version;
            if is_selected(seen, &event.object) {
                chunks.piece(&line(event.kind, &event.object))?;
            }
        }
        let left = limit.saturating_sub(begin.elapsed());
        shared.1.wait_for(&mut cluster, left);
    }
    if cluster.closed {
        return Err(cut());
    }
    if !future {
        let (kind, api) = kind_of(collection);
        let bookmark = json!({"kind": kind, "apiVersion": api,
            "metadata": {"resourceVersion": version.max(cluster.version).to_string()}});
        chunks.piece(&line("BOOKMARK", &bookmark))?;
    }
    chunks.end()
}
