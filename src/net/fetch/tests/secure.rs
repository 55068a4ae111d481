//! TLS: trust, names, dates, client certificates, rotation, tunnels.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::config::http_client::{ProxyConfig, TextSource, TlsConfig};
use crate::config::secret::{Secret, SecretSource};
use crate::net::testing::certificates::{Authority, Identity, self_signed};
use crate::net::testing::{Server, answer, connect_proxy, read_head, relay};

fn serving(identity: &Identity) -> Server {
    Server::https(identity.server(), |_| answer("200 OK", &[], b"secret 1\n"))
}

fn url(server: &Server, host: &str) -> String {
    format!("https://{host}:{}/", server.address().port())
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

#[test]
fn a_trusted_server_is_fetched_and_its_connection_used_again() {
    let authority = Authority::new();
    let server = serving(&authority.issue("host.example"));
    let mut rig = Rig::new();
    let spec = spec_of(&url(&server, "host.example"), &trusting(&authority.pem));
    for _ in 0..3 {
        assert_eq!(rig.page(&spec), b"secret 1\n");
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(rig.fetcher.pool.idle(), [0, 1]);
}

#[test]
fn faults_of_certificates_are_named() {
    let authority = Authority::new();
    let mut rig = Rig::new();
    let config = trusting(&authority.pem);
    let mut fault = |identity: &Identity| {
        let server = serving(identity);
        rig.fetch(&spec_of(&url(&server, "host.example"), &config))
            .expect_err("fault")
    };
    let stranger = fault(&Authority::new().issue("host.example"));
    assert!(
        stranger.contains("tls: invalid peer certificate"),
        "{stranger}"
    );
    let name = fault(&authority.issue("other.example"));
    assert!(name.contains("not valid for name"), "{name}");
    let date = fault(&authority.issue_expired("host.example"));
    assert!(date.contains("expired"), "{date}");
}

#[test]
fn skipping_verification_and_naming_the_server_work() {
    let server = serving(&self_signed("other.example"));
    let mut rig = Rig::new();
    let mut config = HttpClientConfig::default();
    config.tls.insecure_skip_verify = true;
    assert_eq!(
        rig.page(&spec_of(&url(&server, "127.0.0.1"), &config)),
        b"secret 1\n"
    );
    let identity = self_signed("other.example");
    let server = serving(&identity);
    let mut config = trusting(&identity.cert);
    config.tls.server_name = "other.example".to_owned();
    assert_eq!(
        rig.page(&spec_of(&url(&server, "127.0.0.1"), &config)),
        b"secret 1\n"
    );
}

#[test]
fn mutual_tls_presents_the_certificate_and_rotates_it_on_disk() {
    let (old, new) = (Authority::new(), Authority::new());
    let identity = old.issue("host.example");
    let reply = |_: &_| answer("200 OK", &[], b"secret 1\n");
    let server = Server::https(identity.mutual_server(&new), reply);
    let folder = tempfile::tempdir().expect("folder");
    let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
    let store = |identity: Identity| {
        std::fs::write(&cert, identity.cert).expect("written");
        std::fs::write(&key, identity.key).expect("written");
    };
    store(old.issue("client"));
    let mut config = trusting(&old.pem);
    config.tls.cert = Some(TextSource::File(cert.clone()));
    config.tls.key = Some(SecretSource::File(key.clone()));
    let (mut rig, spec) = (Rig::new(), spec_of(&url(&server, "host.example"), &config));
    assert!(rig.fetch(&spec).is_err());
    store(new.issue("client"));
    assert_eq!(rig.page(&spec), b"secret 1\n");
    store(new.issue("client"));
    assert_eq!(rig.page(&spec), b"secret 1\n");
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_plain_server_at_an_https_url_is_a_tls_error() {
    let server = Server::start(|mut stream, _| {
        let _gone = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _end = stream.read(&mut [0; 1024]);
    });
    let mut config = HttpClientConfig::default();
    config.tls.insecure_skip_verify = true;
    let error = Rig::new().fetch(&spec_of(&url(&server, "127.0.0.1"), &config));
    assert!(error.expect_err("no TLS").contains(": tls: "));
}

#[test]
fn a_tls_stream_that_ends_without_farewell_is_cut() {
    let authority = Authority::new();
    let ending = |farewell: bool| {
        let config = authority.issue("host.example").server();
        Server::start(move |stream, _| {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("tls");
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let _head = read_head(&mut stream);
            // No length: only the end of the stream ends it, and a cut must not pass for one.
            stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nup 1\n")
                .expect("sent");
            if farewell {
                stream.conn.send_close_notify();
            }
            stream.flush().expect("sent");
        })
    };
    let config = trusting(&authority.pem);
    let mut rig = Rig::new();
    let whole = rig.page(&spec_of(&url(&ending(true), "host.example"), &config));
    assert_eq!(whole, b"up 1\n");
    let error = rig.fetch(&spec_of(&url(&ending(false), "host.example"), &config));
    assert_eq!(error, Err("unexpected EOF".to_owned()));
}

#[test]
fn https_goes_through_the_tunnel_of_a_proxy() {
    let authority = Authority::new();
    let server = serving(&authority.issue("target.example"));
    let proxy = connect_proxy(server.address());
    let config = HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new(format!("http://{}", proxy.address())),
            no_proxy: "direct.example".to_owned(),
            connect_headers: vec![("X-Via".to_owned(), vec![Secret::new("edge")])],
        },
        ..trusting(&authority.pem)
    };
    let (mut rig, spec) = (Rig::new(), spec_of("https://target.example/", &config));
    // Loopback is never proxied where no_proxy is set, but the target has a name.
    for _ in 0..2 {
        assert_eq!(rig.page(&spec), b"secret 1\n");
    }
    assert_eq!(proxy.connections(), 1);
    let asked = &proxy.received()[0];
    assert!(
        asked
            .head
            .starts_with("CONNECT target.example:443 HTTP/1.1\r\n")
    );
    assert_eq!(
        (asked.header("x-via"), asked.header("user-agent")),
        (Some("edge"), Some("t/1"))
    );
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let proxy = Server::start(|mut stream, _| {
        let _head = read_head(&mut stream);
        let _gone = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    });
    let config = HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new(format!("http://{}", proxy.address())),
            no_proxy: String::new(),
            connect_headers: Vec::new(),
        },
        ..HttpClientConfig::default()
    };
    let error = Rig::new().fetch(&spec_of("https://target.example/", &config));
    let error = error.expect_err("refused");
    assert!(
        error.ends_with("proxy refused CONNECT: HTTP status 407"),
        "{error}"
    );
}

#[test]
fn socks_proxies_are_asked_by_name() {
    let server = Server::http(|_| answer("200 OK", &[], b"up 1\n"));
    let target = server.address();
    let proxy = Server::start(move |mut client, _| {
        let mut greeting = [0; 3];
        client.read_exact(&mut greeting).expect("greeting");
        client.write_all(&[5, 0]).expect("sent");
        let mut request = [0; 7 + 14];
        client.read_exact(&mut request).expect("request");
        assert_eq!(&request[5..19], b"target.example");
        client
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .expect("sent");
        relay(client, TcpStream::connect(target).expect("connected"));
    });
    let config = HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new(format!("socks5://{}", proxy.address())),
            no_proxy: String::new(),
            connect_headers: Vec::new(),
        },
        ..HttpClientConfig::default()
    };
    let mut rig = Rig::new();
    assert_eq!(
        rig.page(&spec_of("http://target.example/", &config)),
        b"up 1\n"
    );
}

#[test]
fn unused_tls_connections_are_capped() {
    let authority = Authority::new();
    let server = serving(&authority.issue("host.example"));
    let spec = spec_of(&url(&server, "host.example"), &trusting(&authority.pem));
    let mut rig = Rig::new();
    let count = limits::FETCH_IDLE_TLS + 6;
    for key in 0..count {
        rig.start(key as u64, &spec, PATIENCE);
    }
    assert!(rig.collect(count).values().all(Result::is_ok));
    assert_eq!(rig.fetcher.pool.idle(), [0, limits::FETCH_IDLE_TLS]);
}
