//! Through a SOCKS5 proxy.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;

/// A proxy that wants `us` and `pw` and connects to `target`, whatever it is asked for; the first
/// answer names what it was asked for.
fn proxy(target: std::net::SocketAddr) -> Server {
    Server::start(move |mut client, _| {
        let mut greeting = [0; 4];
        client.read_exact(&mut greeting).expect("greeting");
        assert!(greeting[2..].contains(&2), "offers a password");
        client.write_all(&[5, 2]).expect("sent");
        let mut login = [0; 7];
        client.read_exact(&mut login).expect("login");
        assert_eq!(&login, b"\x01\x02us\x02pw");
        client.write_all(&[1, 0]).expect("sent");
        let mut request = [0; 7 + 14];
        client.read_exact(&mut request).expect("request");
        assert_eq!(&request[5..19], b"target.example");
        client
            .write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
            .expect("sent");
        let server = TcpStream::connect(target).expect("connected");
        relay(client, server);
    })
}

fn relay(client: TcpStream, server: TcpStream) {
    let (mut from, mut to) = (
        client.try_clone().expect("clone"),
        server.try_clone().expect("clone"),
    );
    crate::sys::thread::spawn("relay", move || {
        let _ended = std::io::copy(&mut from, &mut to);
    })
    .expect("thread");
    let (mut server, mut client) = (server, client);
    let _ended = std::io::copy(&mut server, &mut client);
}

fn through(proxy: &Server) -> HttpClientConfig {
    HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new(format!("socks5://us:pw@{}", proxy.address())),
            no_proxy: String::new(),
            connect_headers: Vec::new(),
        },
        ..HttpClientConfig::default()
    }
}

#[test]
fn both_schemes_go_through_by_name_and_with_the_password() {
    let plain = Server::http(|_| answer("200 OK", &[], b"plain"));
    let to_plain = proxy(plain.address());
    let through_plain = client(&through(&to_plain));
    let response = get(&through_plain, "http://target.example/").expect("answer");
    assert_eq!(response.body, b"plain");
    let received = &plain.received()[0];
    assert!(received.head.starts_with("GET / HTTP/1.1\r\n"));
    assert_eq!(received.header("proxy-authorization"), None);

    let authority = Authority::new();
    let identity = authority.issue("target.example");
    let secure = Server::https(identity.server(), |_| answer("200 OK", &[], b"secure"));
    let to_secure = proxy(secure.address());
    let config = HttpClientConfig {
        tls: trusting(&authority.pem).tls,
        ..through(&to_secure)
    };
    let response = get(&client(&config), "https://target.example/").expect("answer");
    assert_eq!(response.body, b"secure");
}
