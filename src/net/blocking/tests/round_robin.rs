//! Which of a name's addresses is connected to.

use std::collections::BTreeMap;
use std::net::{IpAddr, TcpListener};

use super::*;

/// A server on every loopback address; how many connections came to which.
struct Everywhere {
    port: u16,
    seen: Arc<Mutex<BTreeMap<IpAddr, usize>>>,
}

impl Everywhere {
    fn start() -> Everywhere {
        let listener = TcpListener::bind("0.0.0.0:0").expect("bound");
        let port = listener.local_addr().expect("address").port();
        let seen: Arc<Mutex<BTreeMap<IpAddr, usize>>> = Arc::default();
        let own = Arc::clone(&seen);
        crate::sys::thread::spawn("test-everywhere", move || {
            for mut stream in listener.incoming().flatten() {
                if read_head(&mut stream).is_some() {
                    let to = stream.local_addr().expect("address").ip();
                    *own.lock().entry(to).or_default() += 1;
                    let answer = answer("200 OK", &["Connection: close"], b"");
                    stream.write_all(&answer).expect("sent");
                }
            }
        })
        .expect("thread");
        Everywhere { port, seen }
    }
}

/// Connections by the last byte of their address, after 40 requests to a name with four addresses.
fn spread(round_robin: Option<Shared<Jitter>>) -> Vec<usize> {
    let server = Everywhere::start();
    let lookup: Arc<crate::net::resolve::Lookup> =
        Arc::new(|_: &str| Ok((1..=4).map(|last| [127, 0, 0, last].into()).collect()));
    let registry = crate::telemetry::registry::Registry::default();
    let started = Resolver::start_with(Arc::new(SystemClock), &registry, &lookup);
    let options = ClientOptions {
        resolver: Some(started.expect("resolver").0),
        round_robin,
        ..ClientOptions::new("t")
    };
    let client = Client::new(&HttpClientConfig::default(), options).expect("client");
    let url = format!("http://name:{}/", server.port);
    for _ in 0..40 {
        let response = get(&client, &url).expect("answer");
        assert_eq!(response.head.status, 200);
    }
    let seen = server.seen.lock();
    seen.values().copied().collect()
}

#[test]
fn new_connections_go_to_the_first_address_unless_told_to_spread() {
    assert_eq!(spread(None), [40]);
    let spread = spread(Some(Shared::new(Jitter::seeded(1))));
    assert_eq!(spread.len(), 4, "{spread:?}");
    assert!(spread.iter().all(|times| *times >= 4), "{spread:?}");
}
