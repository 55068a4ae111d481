//! What a peer can neither stretch nor reach: the time limit, and addresses behind a redirect.

use super::*;

/// A proxy that answers CONNECT one byte at a time, for as long as it is listened to.
fn dripping_proxy() -> Server {
    Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nX: ");
        let (_never, pause) = bounded::<()>(0);
        for _ in 0..200 {
            let _pause = pause.recv_timeout(Duration::from_millis(20));
            if stream.write_all(b"x").is_err() {
                return;
            }
        }
    })
}

#[test]
fn a_proxy_that_drips_costs_the_time_limit_and_no_more() {
    let proxy = dripping_proxy();
    let client = client(&through(&proxy));
    let limit = Duration::from_millis(200);
    let began = SystemClock.mono();
    let error = client
        .send(&Request::get("https://localhost:1/", limit, LIMIT))
        .expect_err("timeout");
    let took = SystemClock.mono().since(began);
    assert!(error.is_timeout(), "{error}");
    // The drip alone lasts four seconds.
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn names_do_not_lead_to_link_local_addresses_behind_a_redirect() {
    let server = Server::http(|_| redirect("http://evil.test:1/latest"));
    let lookup: Arc<crate::net::resolve::Lookup> =
        Arc::new(|_: &str| Ok(vec![[169, 254, 169, 254].into()]));
    let registry = crate::telemetry::registry::Registry::default();
    let started = Resolver::start_with(Arc::new(SystemClock), &registry, &lookup);
    let options = ClientOptions {
        resolver: Some(started.expect("resolver").0),
        ..ClientOptions::new("t")
    };
    let client = Client::new(&HttpClientConfig::default(), options).expect("client");
    let url = server.url("/");
    let limit = Duration::from_secs(5);
    let error = client
        .send(&Request::get(&url, limit, LIMIT))
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "redirect to a link-local address refused"
    );
}
