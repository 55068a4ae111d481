//! The blocking client against real sockets.

mod bounds;
mod round_robin;
mod secure;
mod socks;
mod tokens;
mod unix;

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;

use crossbeam_channel::bounded;

use super::*;
use crate::config::http_client::{
    Auth, HeaderConfig, HeaderValue, ProxyConfig, TextSource, TlsConfig,
};
use crate::config::secret::{Secret, SecretSource};
use crate::net::testing::certificates::Authority;
use crate::net::testing::{PATIENCE, Server, answer, connect_proxy, gzip, read_head, redirect};

const LIMIT: usize = 1024;

fn client(config: &HttpClientConfig) -> Client {
    Client::new(config, ClientOptions::new("narthex/test")).expect("client")
}

fn plain() -> Client {
    client(&HttpClientConfig::default())
}

fn get(client: &Client, url: &str) -> Result<Response, ClientError> {
    client.send(&Request::get(url, PATIENCE, LIMIT))
}

fn trusting(ca: &str) -> HttpClientConfig {
    HttpClientConfig {
        tls: TlsConfig {
            ca: Some(TextSource::Inline(ca.to_owned())),
            ..TlsConfig::default()
        },
        ..HttpClientConfig::default()
    }
}

/// The same server reached by name, so that certificates and proxies have a host to look at.
fn by_name(server: &Server, scheme: &str) -> String {
    format!("{scheme}://localhost:{}/", server.address().port())
}

#[test]
fn any_status_is_an_answer_and_the_connection_is_kept() {
    let server = Server::http(|_| answer("503 Busy", &["X-A: b"], b"later"));
    let client = plain();
    for _ in 0..3 {
        let response = get(&client, &server.url("/x?y")).expect("answer");
        assert_eq!(
            (response.head.status, response.body.as_slice()),
            (503, &b"later"[..])
        );
        assert_eq!(response.head.header("x-a"), Some("b"));
        assert_eq!(response.head.status_text(), "503 Service Unavailable");
    }
    assert_eq!(server.connections(), 1);
    let received = &server.received()[0];
    assert_eq!(received.path(), "/x?y");
    assert_eq!(received.header("user-agent"), Some("narthex/test"));
    assert_eq!(received.header("accept-encoding"), Some("gzip"));
}

/// A client whose token is in a file, and a server that repeats what it was sent.
fn echoed(status: &'static str) -> (tempfile::TempDir, Client, Server) {
    let folder = tempfile::tempdir().expect("folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "FILE-TOKEN\n").expect("written");
    let server = Server::http(move |received| {
        let sent = |name: &str| received.header(name).unwrap_or_default().to_owned();
        let said = format!("no {} {}", sent("authorization"), sent("x-consul-token"));
        answer(status, &[], said.as_bytes())
    });
    let client = client(&HttpClientConfig {
        auth: Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::File(token),
        },
        ..HttpClientConfig::default()
    });
    (folder, client, server)
}

#[test]
fn a_refusal_is_read_without_the_secrets_that_it_repeats() {
    for (status, said) in [
        ("403 Forbidden", "no Bearer <secret> <secret>"),
        ("200 OK", "no Bearer FILE-TOKEN CONSUL-TOKEN"),
    ] {
        let (_folder, client, server) = echoed(status);
        let url = server.url("/");
        let request = Request {
            headers: &[("X-Consul-Token", "CONSUL-TOKEN")],
            ..Request::get(&url, PATIENCE, LIMIT)
        };
        let response = client.send(&request).expect("answer");
        assert_eq!(String::from_utf8_lossy(&response.body), said);
        let (_, mut reader) = client.stream(&request, PATIENCE).expect("answer");
        let mut streamed = String::new();
        reader.read_to_string(&mut streamed).expect("text");
        assert_eq!(streamed, said);
    }
}

#[test]
fn a_refusal_does_not_repeat_the_password_of_its_url() {
    let (_folder, _, server) = echoed("401 Unauthorized");
    let url = server.url("/").replace("http://", "http://me:HUNTER2@");
    let response = plain().send(&Request::get(&url, PATIENCE, LIMIT));
    let body = response.expect("answer").body;
    assert_eq!(String::from_utf8_lossy(&body), "no Basic <secret> ");
}

#[test]
fn a_post_carries_its_body_and_is_never_redirected() {
    let server = Server::http(|_| redirect("/elsewhere"));
    let url = server.url("/write");
    let request = Request {
        method: Method::Post,
        headers: &[("Content-Type", "application/x-protobuf")],
        body: b"samples",
        ..Request::get(&url, PATIENCE, LIMIT)
    };
    let response = plain().send(&request).expect("answer");
    assert_eq!(response.head.status, 302);
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, b"samples");
    assert_eq!(
        received[0].header("content-type"),
        Some("application/x-protobuf")
    );
    assert_eq!(received[0].header("accept-encoding"), None);
}

#[test]
fn gzip_is_decoded_and_cut_at_the_limit() {
    let server = Server::http(|_| {
        let bomb = gzip(&vec![b'a'; 10_000_000]);
        answer("200 OK", &["Content-Encoding: gzip"], &bomb)
    });
    let response = get(&plain(), &server.url("/")).expect("answer");
    assert_eq!(response.body, vec![b'a'; LIMIT]);
    assert!(response.truncated);
}

#[test]
fn secret_files_are_read_at_each_request() {
    let server = Server::http(|_| answer("200 OK", &[], b""));
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("token");
    std::fs::write(&path, "one\n").expect("written");
    let client = client(&HttpClientConfig {
        auth: Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::File(path.clone()),
        },
        ..HttpClientConfig::default()
    });
    get(&client, &server.url("/")).expect("answer");
    std::fs::write(&path, "two").expect("written");
    get(&client, &server.url("/")).expect("answer");
    let sent: Vec<_> = server.received();
    let sent: Vec<_> = sent.iter().map(|one| one.header("authorization")).collect();
    assert_eq!(sent, [Some("Bearer one"), Some("Bearer two")]);
    std::fs::remove_file(&path).expect("removed");
    let error = get(&client, &server.url("/")).expect_err("no token");
    assert!(error.is_configuration(), "{error}");
}

/// Basic credentials and a custom header, the two things that must not leak.
fn with_secrets() -> HttpClientConfig {
    let secret = |text: &str| SecretSource::Inline(Secret::new(text));
    HttpClientConfig {
        auth: Auth::Basic {
            username: secret("user"),
            password: secret("hunter2"),
        },
        headers: vec![HeaderConfig {
            name: "X-Token".to_owned(),
            values: vec![HeaderValue::Secret(secret("hunter3"))],
        }],
        ..HttpClientConfig::default()
    }
}

fn leaked(server: &Server) -> bool {
    server.received().iter().any(|one| {
        one.header("authorization").is_some()
            || one.header("x-token").is_some()
            || one.header("x-own").is_some()
    })
}

#[test]
fn credentials_do_not_follow_to_another_host_and_stay_away() {
    let home = Server::http(|_| answer("200 OK", &[], b"home"));
    let home_port = home.address().port();
    // "localhost" is another host than "127.0.0.1", and leads back.
    let away = Server::http(move |_| redirect(&format!("http://127.0.0.1:{home_port}/")));
    let away_port = away.address().port();
    let start = Server::http(move |_| redirect(&format!("http://localhost:{away_port}/")));
    let client = client(&with_secrets());
    let url = start.url("/");
    let request = Request {
        headers: &[("X-Own", "1"), ("Accept", "text/plain")],
        ..Request::get(&url, PATIENCE, LIMIT)
    };
    let response = client.send(&request).expect("answer");
    assert_eq!(response.body, b"home");
    assert_eq!(
        response.head.final_url,
        format!("http://127.0.0.1:{home_port}/")
    );
    assert!(leaked(&start) && !leaked(&away) && !leaked(&home));
    assert_eq!(home.received()[0].header("accept"), Some("text/plain"));
}

#[test]
fn redirects_on_the_same_host_keep_credentials() {
    let server = Server::http(|request| match request.path() {
        "/" => redirect("/moved"),
        _ => answer("200 OK", &[], b""),
    });
    get(&client(&with_secrets()), &server.url("/")).expect("answer");
    let received = server.received();
    assert!(
        received
            .iter()
            .all(|one| one.header("authorization").is_some())
    );
    assert_eq!(received[1].path(), "/moved");
}

#[test]
fn endless_and_forbidden_redirects_end_in_an_error() {
    let server = Server::http(|request| match request.path() {
        "/file" => redirect("file:///etc/passwd"),
        "/meta" => redirect("http://169.254.169.254/latest/"),
        _ => redirect("/again"),
    });
    let client = plain();
    let text = |path| {
        get(&client, &server.url(path))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(text("/loop"), "stopped after 10 redirects");
    assert!(text("/file").contains("unsupported protocol scheme"));
    assert!(text("/meta").contains("link-local"));
    let mut options = ClientOptions::new("t");
    options.follow_redirects = Some(false);
    let still = Client::new(&HttpClientConfig::default(), options).expect("client");
    assert_eq!(
        get(&still, &server.url("/loop"))
            .expect("answer")
            .head
            .status,
        302
    );
}

#[test]
fn errors_say_what_was_being_done() {
    let silent = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _end = read_head(&mut stream);
    });
    let short = Duration::from_millis(50);
    let error = plain().send(&Request::get(&silent.url("/"), short, LIMIT));
    let text = error.expect_err("timeout").to_string();
    assert_eq!(text, "timed out after 50ms while waiting for the response");

    let dripping = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        let _end = read_head(&mut stream);
    });
    let error = plain().send(&Request::get(&dripping.url("/"), short, LIMIT));
    let text = error.expect_err("timeout").to_string();
    assert_eq!(text, "timed out after 50ms while reading the body");

    let cut = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    });
    let error = get(&plain(), &cut.url("/")).expect_err("cut");
    assert!(
        matches!(
            error,
            ClientError::Io {
                during: Phase::Body,
                ..
            }
        ),
        "{error}"
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("address");
    drop(listener);
    let error = get(&plain(), &format!("http://{address}/")).expect_err("refused");
    assert!(
        error
            .to_string()
            .starts_with("connecting: Connection refused"),
        "{error}"
    );
}

#[test]
fn garbage_is_a_protocol_error() {
    for garbage in [
        &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n",
    ] {
        let server = Server::start(move |mut stream, _| {
            let _head = read_head(&mut stream);
            let _sent = stream.write_all(garbage);
        });
        let error = get(&plain(), &server.url("/")).expect_err("garbage");
        assert!(matches!(error, ClientError::Protocol(_)), "{error}");
    }
    let server = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(&[b'a'; 1024]).is_ok() {}
    });
    assert!(get(&plain(), &server.url("/")).is_err());
}

#[test]
fn shutdown_ends_a_blocked_call_and_refuses_later_ones() {
    let (arrived, arrival) = bounded(1);
    let server = Server::start(move |mut stream, _| {
        let _head = read_head(&mut stream);
        let _sent = arrived.send(());
        let _end = read_head(&mut stream);
    });
    let client = Arc::new(plain());
    let (caller, url) = (Arc::clone(&client), server.url("/"));
    let thread = crate::sys::thread::spawn("blocked", move || get(&caller, &url)).expect("thread");
    arrival.recv_timeout(PATIENCE).expect("request");
    client.shutdown();
    let result = thread.join().expect("joined");
    assert!(matches!(result, Err(ClientError::Closed)), "{result:?}");
    assert!(matches!(
        get(&client, &server.url("/")),
        Err(ClientError::Closed)
    ));
}

#[test]
fn a_stream_delivers_lines_as_they_come() {
    let (next, wait) = bounded::<()>(1);
    let server = Server::start(move |mut stream, _| {
        let _head = read_head(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("sent");
        for line in ["4\r\none\n\r\n", "4\r\ntwo\n\r\n"] {
            stream.write_all(line.as_bytes()).expect("sent");
            wait.recv_timeout(PATIENCE).expect("go on");
        }
    });
    let client = plain();
    let url = server.url("/watch");
    let request = Request::get(&url, PATIENCE, 0);
    let (head, reader) = client.stream(&request, PATIENCE).expect("stream");
    assert_eq!(head.status, 200);
    let mut lines = BufReader::new(reader).lines();
    for expected in ["one", "two"] {
        assert_eq!(lines.next().expect("line").expect("read"), expected);
        next.send(()).expect("sent");
    }
}

fn through(proxy: &Server) -> HttpClientConfig {
    HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new(format!("http://us:pw@{}", proxy.address())),
            no_proxy: String::new(),
            connect_headers: vec![("X-Via".to_owned(), vec![Secret::new("edge")])],
        },
        ..HttpClientConfig::default()
    }
}

#[test]
fn https_goes_through_a_tunnel_by_name() {
    let authority = Authority::new();
    let identity = authority.issue("target.example");
    let server = Server::https(identity.server(), |_| answer("200 OK", &[], b"inside"));
    let proxy = connect_proxy(server.address());
    let config = HttpClientConfig {
        tls: trusting(&authority.pem).tls,
        ..through(&proxy)
    };
    let response = get(&client(&config), "https://target.example/x").expect("answer");
    assert_eq!(response.body, b"inside");
    let asked = &proxy.received()[0];
    assert!(
        asked
            .head
            .starts_with("CONNECT target.example:443 HTTP/1.1\r\n")
    );
    assert_eq!(asked.header("x-via"), Some("edge"));
    assert!(asked.header("proxy-authorization").is_some());
    assert_eq!(server.received()[0].header("proxy-authorization"), None);
}

#[test]
fn http_asks_the_proxy_with_the_whole_url() {
    let unused = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let proxy = connect_proxy(unused);
    let client = client(&through(&proxy));
    for path in ["/a", "/b"] {
        let response = get(&client, &format!("http://target.example:81{path}")).expect("answer");
        let line = format!("GET http://target.example:81{path} HTTP/1.1");
        assert_eq!(String::from_utf8_lossy(&response.body), line);
    }
    assert_eq!(proxy.connections(), 1);
    let received = &proxy.received()[1];
    assert!(received.header("proxy-authorization").is_some());
    assert_eq!(received.header("host"), Some("target.example:81"));
}

#[test]
fn names_are_resolved_with_a_deadline() {
    let (_release, hang) = bounded::<()>(0);
    let lookup: Arc<crate::net::resolve::Lookup> = Arc::new(move |name: &str| {
        if name == "hangs" {
            let _released = hang.recv_timeout(PATIENCE);
        }
        Ok(vec![[127, 0, 0, 1].into()])
    });
    let registry = crate::telemetry::registry::Registry::default();
    let started = Resolver::start_with(Arc::new(SystemClock), &registry, &lookup);
    let options = ClientOptions {
        resolver: Some(started.expect("resolver").0),
        ..ClientOptions::new("t")
    };
    let client = Client::new(&HttpClientConfig::default(), options).expect("client");
    let server = Server::http(|_| answer("200 OK", &[], b""));
    let port = server.address().port();
    get(&client, &format!("http://answers:{port}/")).expect("answer");
    let short = Duration::from_millis(50);
    let url = format!("http://hangs:{port}/");
    let error = client
        .send(&Request::get(&url, short, LIMIT))
        .expect_err("timeout");
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.to_string(), "lookup hangs: i/o timeout");
}
