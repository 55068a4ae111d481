//! Ordinary servers: keep-alive, redirects, proxies, many at once.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::config::http_client::{Auth, HeaderConfig, HeaderValue, ProxyConfig};
use crate::config::secret::{Secret, SecretSource};
use crate::net::testing::{Server, answer, connect_proxy, gzip, read_head, redirect};

const METRICS: &[u8] = b"up 1\n";

#[test]
fn a_page_is_fetched_and_its_connection_used_again() {
    let server = Server::http(|_| answer("200 OK", &["Content-Type: text/plain"], METRICS));
    let (mut rig, spec) = (Rig::new(), spec(&server.url("/metrics?a=b")));
    for _ in 0..3 {
        assert_eq!(rig.page(&spec), METRICS);
    }
    assert_eq!(server.connections(), 1);
    let received = &server.received()[2];
    let head = format!(
        "GET /metrics?a=b HTTP/1.1\r\nHost: {}\r\nUser-Agent: t/1\r\n\
         Accept: text/plain\r\nAccept-Encoding: gzip\r\n\r\n",
        server.address()
    );
    assert_eq!(received.head, head);
}

#[test]
fn compressed_pages_are_decoded_within_the_limit() {
    let page = vec![b'x'; 300_000];
    let body = gzip(&page);
    let server = Server::http(move |_| answer("200 OK", &["Content-Encoding: gzip"], &body));
    let mut rig = Rig::new();
    assert!(rig.page(&spec(&server.url("/"))) == page);
    let config = HttpClientConfig::default();
    let tight = rig.fetch(&spec_with(&server.url("/"), &config, 300_000));
    assert_eq!(tight, Err("body size limit exceeded".to_owned()));
    assert!(
        rig.fetch(&spec_with(&server.url("/"), &config, 300_001))
            .is_ok()
    );
}

#[test]
fn large_pages_of_many_servers_arrive_whole() {
    let page: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let sent = page.clone();
    let server = Server::http(move |_| answer("200 OK", &[], &sent));
    let mut rig = Rig::new();
    let spec = spec_with(&server.url("/"), &HttpClientConfig::default(), 0);
    for key in 0..8 {
        rig.start(key, &spec, PATIENCE);
    }
    for (key, result) in rig.collect(8) {
        assert!(result.expect("fetched").body == page, "{key}");
    }
}

#[test]
fn other_statuses_come_without_body_and_keep_the_connection() {
    let server = Server::http(|_| answer("404 Nope", &[], b"a page about nothing"));
    let (mut rig, spec) = (Rig::new(), spec(&server.url("/")));
    for _ in 0..2 {
        let outcome = rig.fetch(&spec).expect("fetched");
        assert_eq!((outcome.status, outcome.body.len()), (404, 0));
    }
    assert_eq!(server.connections(), 1);
    rig.start(1, &spec, PATIENCE);
    rig.turn(Mono::NEVER);
    while rig.fetcher.active() > 0 {
        rig.turn(Mono::NEVER);
    }
    let (_, fetched) = rig.fetcher.completed().expect("result");
    assert_eq!(fetched.expect("fetched").status_text(), "404 Nope");
}

#[test]
fn a_connection_closed_while_unused_is_replaced() {
    let server = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        stream
            .write_all(&answer("200 OK", &[], METRICS))
            .expect("sent");
    });
    let (mut rig, spec) = (Rig::new(), spec(&server.url("/")));
    for _ in 0..3 {
        assert_eq!(rig.page(&spec), METRICS);
    }
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_connection_closed_on_the_second_request_is_replaced_once() {
    let second = |close_all: bool| {
        Server::start(move |mut stream, number| {
            let _head = read_head(&mut stream);
            if number > 0 && close_all {
                return;
            }
            stream
                .write_all(&answer("200 OK", &[], METRICS))
                .expect("sent");
            // Takes the second request and says nothing to it.
            let _head = read_head(&mut stream);
        })
    };
    let (server, mut rig) = (second(false), Rig::new());
    let kind = spec(&server.url("/"));
    assert_eq!(rig.page(&kind), METRICS);
    assert_eq!(rig.page(&kind), METRICS);
    assert_eq!(server.connections(), 2);
    let server = second(true);
    let harsh = spec(&server.url("/"));
    assert_eq!(rig.page(&harsh), METRICS);
    let error = rig.fetch(&harsh).expect_err("closed twice");
    assert_eq!(error, format!("Get \"{}\": EOF", server.url("/")));
    assert_eq!(server.connections(), 2);
}

#[test]
fn refused_unknown_and_overdue_are_told_in_the_words_of_prometheus() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let mut rig = Rig::new();
    let refused = rig.fetch(&spec(&format!("http://{address}/metrics")));
    let text = format!(
        "Get \"http://{address}/metrics\": dial tcp {address}: connect: connection refused"
    );
    assert_eq!(refused, Err(text));
    let unknown = rig.fetch(&spec("http://nowhere.invalid/"));
    let text = "Get \"http://nowhere.invalid/\": dial tcp: lookup nowhere.invalid: no such host";
    assert_eq!(unknown, Err(text.to_owned()));
    let silent = Server::start(|mut stream, _| while read_head(&mut stream).is_some() {});
    rig.start(1, &spec(&silent.url("/")), Duration::from_millis(50));
    let text = format!("Get \"{}\": context deadline exceeded", silent.url("/"));
    assert_eq!(rig.collect(1)[&1], Err(text));
}

#[test]
fn the_next_address_is_tried_when_one_does_not_answer() {
    let server = Server::http(|_| answer("200 OK", &[], METRICS));
    let url = format!("http://two-addresses:{}/", server.address().port());
    let mut rig = Rig::new();
    assert_eq!(rig.page(&spec(&url)), METRICS);
    let host = format!("two-addresses:{}", server.address().port());
    assert_eq!(server.received()[0].header("host"), Some(host.as_str()));
}

#[test]
fn a_cancelled_exchange_has_no_result() {
    let silent = Server::start(|mut stream, _| while read_head(&mut stream).is_some() {});
    let server = Server::http(|_| answer("200 OK", &[], METRICS));
    let mut rig = Rig::new();
    rig.start(1, &spec(&silent.url("/")), PATIENCE);
    rig.fetcher.cancel(1);
    rig.start(2, &spec(&server.url("/")), PATIENCE);
    assert_eq!(rig.collect(1).into_keys().collect::<Vec<_>>(), [2]);
    assert_eq!(rig.fetcher.active(), 0);
}

#[test]
fn targets_that_hang_delay_nobody() {
    let server = Server::http(|_| answer("200 OK", &[], METRICS));
    let silent = Server::start(|mut stream, _| while read_head(&mut stream).is_some() {});
    let (good, hangs) = (spec(&server.url("/")), spec(&silent.url("/")));
    let mut rig = Rig::new();
    let timeout = Duration::from_secs(2);
    let began = SystemClock.mono();
    for key in 0..200 {
        rig.start(key, if key % 10 == 0 { &hangs } else { &good }, timeout);
    }
    let healthy = rig.collect(180);
    assert!(SystemClock.mono().since(began) < timeout, "delayed");
    assert!(
        healthy
            .iter()
            .all(|(key, result)| key % 10 != 0 && result.is_ok())
    );
    let hung = rig.collect(20);
    assert!(hung.values().all(|result| {
        result
            .as_ref()
            .is_err_and(|text| text.ends_with("context deadline exceeded"))
    }));
    let late = SystemClock.mono().since(began);
    assert!(late < timeout + timeout / 10, "{late:?}");
}

#[test]
fn waiting_does_not_turn_in_circles() {
    let silent = Server::start(|mut stream, _| while read_head(&mut stream).is_some() {});
    let mut rig = Rig::new();
    let timeout = Duration::from_millis(200);
    for key in 0..20 {
        rig.start(key, &spec(&silent.url("/")), timeout);
    }
    let mut turns = 0;
    while rig.fetcher.active() > 0 {
        rig.turn(Mono::NEVER);
        // A result that nobody takes lets the poll return at once, as it should.
        while rig.fetcher.completed().is_some() {}
        turns += 1;
    }
    // Refused, connected, request sent, overdue: a few events each, and on a busy machine no two
    // of them together. Turning in circles would be thousands.
    assert!(turns < 20 * 10, "{turns} turns");
}

fn with_secrets() -> HttpClientConfig {
    let secret = |text: &str| SecretSource::Inline(Secret::new(text));
    HttpClientConfig {
        auth: Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: secret("hunter2"),
        },
        headers: vec![HeaderConfig {
            name: "X-Token".to_owned(),
            values: vec![HeaderValue::Secret(secret("hunter3"))],
        }],
        ..HttpClientConfig::default()
    }
}

fn told_secrets(server: &Server) -> bool {
    let received = server.received();
    received.iter().any(|one| one.head.contains("hunter"))
}

#[test]
fn redirects_lose_credentials_for_good_when_the_host_changes() {
    let home = Server::http(|_| answer("200 OK", &[], METRICS));
    let home_port = home.address().port();
    let away = Server::http(move |_| redirect(&format!("http://127.0.0.1:{home_port}/")));
    let away_port = away.address().port();
    let start = Server::http(move |request| match request.path() {
        "/" => redirect("/next"),
        _ => redirect(&format!("http://elsewhere:{away_port}/")),
    });
    let mut rig = Rig::new();
    assert_eq!(
        rig.page(&spec_of(&start.url("/"), &with_secrets())),
        METRICS
    );
    assert!(
        start
            .received()
            .iter()
            .all(|one| one.head.contains("hunter2"))
    );
    assert!(!told_secrets(&away) && !told_secrets(&home));
}

#[test]
fn redirects_end_and_may_be_switched_off() {
    let server = Server::http(|request| match request.path() {
        "/meta" => redirect("http://169.254.169.254/latest"),
        "/file" => redirect("file:///etc/passwd"),
        _ => redirect("/again"),
    });
    let mut rig = Rig::new();
    let error = rig.fetch(&spec(&server.url("/"))).expect_err("endless");
    assert!(error.ends_with("stopped after 10 redirects"), "{error}");
    let error = rig
        .fetch(&spec(&server.url("/meta")))
        .expect_err("link-local");
    assert!(error.ends_with("link-local address refused"), "{error}");
    let error = rig.fetch(&spec(&server.url("/file"))).expect_err("no http");
    assert!(error.contains("unsupported protocol scheme"), "{error}");
    let config = HttpClientConfig {
        follow_redirects: false,
        ..HttpClientConfig::default()
    };
    let still = rig
        .fetch(&spec_of(&server.url("/"), &config))
        .expect("fetched");
    assert_eq!(still.status, 302);
    // One per configuration, however many redirects.
    assert_eq!(server.connections(), 4);
}

#[test]
fn an_http_proxy_is_asked_with_the_whole_url() {
    let proxy = connect_proxy(SocketAddr::from(([127, 0, 0, 1], 1)));
    let config = HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new(format!("http://us:pw@{}", proxy.address())),
            no_proxy: String::new(),
            connect_headers: Vec::new(),
        },
        ..HttpClientConfig::default()
    };
    let mut rig = Rig::new();
    let spec = spec_of("http://target.example:81/m", &config);
    for _ in 0..2 {
        assert_eq!(rig.page(&spec), b"GET http://target.example:81/m HTTP/1.1");
    }
    assert_eq!(proxy.connections(), 1);
    assert!(proxy.received()[0].header("proxy-authorization").is_some());
}

#[test]
fn secrets_are_read_for_each_request_and_missing_ones_fail_it() {
    let server = Server::http(|_| answer("200 OK", &[], METRICS));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("token");
    let config = HttpClientConfig {
        auth: Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::File(path.clone()),
        },
        ..HttpClientConfig::default()
    };
    let (mut rig, spec) = (Rig::new(), spec_of(&server.url("/"), &config));
    for token in ["one", "two"] {
        std::fs::write(&path, token).expect("written");
        rig.page(&spec);
        let received = server.received();
        let last = received.last().expect("request");
        assert_eq!(
            last.header("authorization"),
            Some(format!("Bearer {token}").as_str())
        );
    }
    std::fs::remove_file(&path).expect("removed");
    let error = rig.fetch(&spec).expect_err("no token");
    assert!(error.contains("token: No such file"), "{error}");
}

#[test]
fn unused_connections_are_bounded_and_close_in_time() {
    let server = Server::http(|_| answer("200 OK", &[], METRICS));
    let (mut rig, spec) = (Rig::new(), spec(&server.url("/")));
    rig.page(&spec);
    assert_eq!(rig.fetcher.pool.idle(), [1, 0]);
    let later = SystemClock.mono() + limits::IDLE_CONNECTION;
    rig.fetcher.turn(later);
    assert_eq!(rig.fetcher.pool.idle(), [0, 0]);
    assert_eq!(rig.fetcher.wait(later), None);
}

#[test]
fn the_longest_unused_connection_can_be_closed_for_another() {
    let server = Server::http(|_| answer("200 OK", &[], METRICS));
    let other = Server::http(|_| answer("200 OK", &[], METRICS));
    let (first, second) = (spec(&server.url("/")), spec(&other.url("/")));
    let mut rig = Rig::new();
    rig.page(&first);
    rig.page(&second);
    assert!(rig.fetcher.pool.close_oldest());
    rig.page(&second);
    rig.page(&first);
    assert_eq!((server.connections(), other.connections()), (2, 1));
    assert!(rig.fetcher.pool.close_oldest() && rig.fetcher.pool.close_oldest());
    assert!(!rig.fetcher.pool.close_oldest());
}

#[test]
fn exchanges_are_bounded() {
    let silent = Server::start(|mut stream, _| while read_head(&mut stream).is_some() {});
    let spec = spec(&silent.url("/"));
    let mut rig = Rig::new();
    // Names that never resolve cost no descriptor, so that the bound can be reached.
    let counter = AtomicUsize::new(0);
    let now = SystemClock.mono();
    for key in 0..=limits::FETCH_EXCHANGES as u64 {
        rig.fetcher.fetches.entry(key).or_insert_with(|| {
            counter.fetch_add(1, Ordering::Relaxed);
            Box::new(Fetch {
                trail: Trail::new(&spec.url),
                spec: Arc::clone(&spec),
                moved: None,
                deadline: now + PATIENCE,
                alarm: now + PATIENCE,
                retried: false,
                work: Work::Nothing,
                body: Vec::new(),
            })
        });
    }
    rig.start(u64::MAX, &spec, PATIENCE);
    let (key, result) = rig.fetcher.completed().expect("refused");
    let error = result.expect_err("refused");
    assert!(key == u64::MAX && matches!(error.failure, Failure::Busy));
}
