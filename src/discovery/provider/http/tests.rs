use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::config::yaml;
use crate::discovery::plan::plan;
use crate::discovery::testing::{SOON, addresses, config, env};
use crate::discovery::{DiscoveryHandle, start};
use crate::net::testing::{Received, Server};
use crate::telemetry::registry::Registry;

fn read_entry(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
    let document = yaml::parse(text).expect("yaml");
    parse(&Cursor::new(&document.root, "h")).map_err(|error| error.to_string())
}

#[test]
fn mistakes_are_told_in_prometheus_words() {
    for (text, expected) in [
        ("{}", "URL is missing"),
        ("{url: 'ftp://a/b'}", "URL scheme must be 'http' or 'https'"),
        ("{url: 'http:///b'}", "host is missing in URL"),
        (
            "{url: 'http://a', x: 1}",
            "field x not found in type http.plain",
        ),
        (
            "{url: 'http://a', bearer_token: x, basic_auth: {username: y}}",
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file",
        ),
    ] {
        let error = read_entry(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
    assert!(read_entry("url: https://a/b").is_ok());
}

#[test]
fn the_content_type_is_checked_as_prometheus_checks_it() {
    for good in [
        "application/json",
        "application/json;charset=utf-8",
        "Application/JSON; charset=\"UTF-8\"",
        " application/json ",
    ] {
        assert!(is_json(good), "{good}");
    }
    for bad in [
        "",
        "text/json",
        "application/json; charset=latin1",
        "application/json;",
        "application/jsonx",
        "application/json; charset=utf-8; x=y",
    ] {
        assert!(!is_json(bad), "{bad}");
    }
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn json(body: &str) -> Vec<u8> {
    answer(
        "200 OK\r\nContent-Type: application/json; charset=utf-8",
        body,
    )
}

/// Discovery of one server as job `h`, asked ten times a second.
struct Asked {
    handle: DiscoveryHandle,
    registry: Registry,
}

impl Asked {
    fn start(url: &str, interval: &str) -> Asked {
        let entry = format!("{{url: '{url}', refresh_interval: {interval}}}");
        let jobs = format!("- job_name: h\n  http_sd_configs: [{entry}]\n");
        let env = env();
        let registry = env.registry.clone();
        Asked {
            handle: start(plan(&config(&jobs)).expect("valid"), env).expect("started"),
            registry,
        }
    }

    fn wait_for(&self, expected: &[&str]) {
        let (sets, wake) = self.handle.output();
        while addresses(&sets.load(), "h") != expected {
            wake.recv_timeout(SOON)
                .unwrap_or_else(|_| panic!("not {expected:?}: {:?}", sets.load()));
        }
    }

    /// Waits until so many refreshes failed.
    fn wait_for_failures(&self, count: f64) {
        let name = "prometheus_sd_http_failures_total";
        let failures = self.registry.counter(name, "", &[]);
        let ticks = crossbeam_channel::tick(Duration::from_millis(10));
        let gave_up = crossbeam_channel::after(SOON);
        while failures.get() < count {
            crossbeam_channel::select! {
                recv(ticks) -> _ => {}
                recv(gave_up) -> _ => panic!("{} failures", failures.get()),
            }
        }
    }
}

/// Gives the answers one after the other, the last one for ever.
fn script(answers: Vec<Vec<u8>>) -> Server {
    let next = AtomicUsize::new(0);
    Server::http(move |_: &Received| {
        let index = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        answers[index].clone()
    })
}

const TWO: &str = r#"[{"targets":["a"],"labels":{"x":"y"}},{"targets":["b"]}]"#;

#[test]
fn groups_come_with_source_and_url_and_vanish_with_the_answer() {
    let server = script(vec![json(TWO), json(r#"[{"targets":["c"]}]"#)]);
    let url = server.url("/sd").replace("http://", "http://me:secret@");
    let asked = Asked::start(&url, "100ms");
    asked.wait_for(&["a", "b"]);
    let shown = url.replace("secret", "xxxxx");
    let sets = asked.handle.output().0.load();
    if let [first, second] = sets["h"].as_slice() {
        assert_eq!(first.source, format!("{shown}:0"));
        assert_eq!(second.source, format!("{shown}:1"));
        assert_eq!(first.labels[META_URL], shown);
        assert_eq!(first.labels["x"], "y");
    }
    asked.wait_for(&["c"]);
    let request = server.received().remove(0);
    assert_eq!(request.header("accept"), Some("application/json"));
    let interval = request.header("x-prometheus-refresh-interval-seconds");
    assert_eq!(interval, Some("0.1"));
    assert_eq!(request.header("user-agent"), Some("narthex-test"));
    let authorization = request.header("authorization");
    assert_eq!(authorization, Some("Basic bWU6c2VjcmV0"));
    asked.handle.stop().expect("stopped");
}

#[test]
fn answers_of_no_use_keep_the_last_groups() {
    let html = "200 OK\r\nContent-Type: text/html";
    let server = script(vec![
        json(TWO),
        answer("500 Internal Server Error", ""),
        answer(html, "<html>log in</html>"),
        json(r#"[{"targets":["a"]},{"#),
        json(r#"[{"targets":["a"],"unknown":1}]"#),
        answer("204 No Content", ""),
    ]);
    let asked = Asked::start(&server.url("/"), "100ms");
    asked.wait_for(&["a", "b"]);
    asked.wait_for_failures(5.0);
    assert_eq!(addresses(&asked.handle.output().0.load(), "h"), ["a", "b"]);
    let labels = [("config", "h"), ("mechanism", "http")];
    let name = "prometheus_sd_refresh_failures_total";
    assert!(asked.registry.counter(name, "", &labels).get() >= 4.0);
    let (_, error) = asked.handle.status()[0].last_error.clone().expect("shown");
    assert!(!error.is_empty());
    asked.handle.stop().expect("stopped");
}

#[test]
fn a_server_that_names_its_answers_is_asked_for_changes_only() {
    let server = Server::http(|request| match request.header("if-none-match") {
        Some("\"v1\"") => answer("304 Not Modified", ""),
        _ => answer(
            "200 OK\r\nContent-Type: application/json\r\nETag: \"v1\"",
            TWO,
        ),
    });
    let asked = Asked::start(&server.url("/"), "100ms");
    asked.wait_for(&["a", "b"]);
    let ticks = crossbeam_channel::tick(Duration::from_millis(10));
    while server.received().len() < 4 {
        ticks.recv().expect("tick");
    }
    let conditional = |request: &Received| request.header("if-none-match").is_some();
    let received = server.received();
    assert_eq!(received.iter().filter(|r| !conditional(r)).count(), 1);
    assert_eq!(addresses(&asked.handle.output().0.load(), "h"), ["a", "b"]);
    assert_eq!(asked.handle.status()[0].last_error, None);
    asked.handle.stop().expect("stopped");
}

#[test]
fn an_endless_answer_is_cut_and_refused() {
    use std::io::Write;
    let server = Server::start(|mut stream, _| {
        let _request = crate::net::testing::receive(&mut stream);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[";
        let _gone = stream.write_all(head.as_bytes());
        while stream.write_all(&[b' '; 65_536]).is_ok() {}
    });
    let asked = Asked::start(&server.url("/"), "100ms");
    asked.wait_for_failures(1.0);
    asked.handle.stop().expect("stopped");
}

#[test]
fn stopping_ends_a_request_that_hangs() {
    let (asked_tx, was_asked) = crossbeam_channel::bounded(1);
    let (release, held) = crossbeam_channel::bounded::<()>(0);
    let server = Server::http(move |_| {
        let _first = asked_tx.try_send(());
        let _released = held.recv();
        Vec::new()
    });
    let asked = Asked::start(&server.url("/"), "1h");
    was_asked.recv_timeout(SOON).expect("asked");
    asked.handle.stop().expect("stopped");
    drop(release);
}
