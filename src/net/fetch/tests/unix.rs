//! Servers behind a Unix socket.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;
use crate::config::http_client::ProxyConfig;
use crate::config::secret::Secret;
use crate::net::testing::{answer, receive};

/// Answers each request with its head; counts connections.
fn serve(path: &Path) -> Arc<std::sync::atomic::AtomicUsize> {
    let listener = UnixListener::bind(path).expect("bound");
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    crate::sys::thread::spawn("test-server", move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            while let Some(request) = receive(&mut stream) {
                let reply = match request.path() {
                    "/moved" => answer("302 Found", &["Location: /there"], b""),
                    _ => answer("200 OK", &[], request.head.as_bytes()),
                };
                if stream.write_all(&reply).is_err() {
                    break;
                }
            }
        }
    })
    .expect("thread");
    connections
}

fn spec_at(path: &Path, url: &str) -> Arc<FetchSpec> {
    // A proxy plays no part.
    let config = HttpClientConfig {
        proxy: ProxyConfig::Url {
            url: Secret::new("http://127.0.0.1:9"),
            no_proxy: String::new(),
            connect_headers: Vec::new(),
        },
        ..HttpClientConfig::default()
    };
    let context = Arc::new(HttpContext::new(&config).expect("context"));
    let socket = Some(path.to_string_lossy().into());
    Arc::new(FetchSpec::new(url, socket, context, Vec::new(), 0).expect("spec"))
}

#[test]
fn the_socket_is_asked_whatever_the_url_names_and_its_connection_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("s");
    let connections = serve(&path);
    let mut rig = Rig::new();
    let own = spec_at(&path, "http://name.invalid:81/moved");
    for _ in 0..3 {
        let head = String::from_utf8(rig.page(&own)).expect("text");
        assert!(head.starts_with("GET /there HTTP/1.1\r\n"), "{head}");
        assert!(
            head.to_lowercase().contains("host: name.invalid:81\r\n"),
            "{head}"
        );
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[test]
fn a_socket_that_is_not_there_or_not_served_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("s");
    let mut rig = Rig::new();
    let own = spec_at(&path, "http://localhost/");
    let error = rig.fetch(&own).expect_err("absent");
    let expected = format!(
        "dial unix {}: connect: no such file or directory",
        path.display()
    );
    assert!(error.ends_with(&expected), "{error}");
    drop(UnixListener::bind(&path).expect("bound"));
    let error = rig.fetch(&own).expect_err("not served");
    assert!(error.ends_with("connect: connection refused"), "{error}");
}
