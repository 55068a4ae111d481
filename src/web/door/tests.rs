use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::*;
use crate::http::server::request::RequestHead;
use crate::model::time::Wall;
use crate::net::server::{self, Handler, ServerHandle, ServerOptions};
use crate::sys::clock::ManualClock;
use crate::telemetry::budget::MemoryBudget;

/// Of `hunter2`, made by crypt(3).
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuV3duMsC0HpUex6N9qapiuOHHWkwRXVm";

/// A room behind the door.
struct Room(Door);

impl Room {
    fn receive(&mut self, request: Request, promises: &Promises<'_>, is_first: bool) -> Answer {
        match self.0.enter(request, promises, is_first) {
            Entry::Admitted(_) => {
                let response = Response::text(200, "inside").with("X-Frame-Options", "DENY");
                Answer::Now(dressed(response, &self.0.headers()))
            }
            Entry::Answered(answer) => answer,
        }
    }
}

impl Handler for Room {
    fn body_bytes_max(&self, _head: &RequestHead) -> u64 {
        0
    }

    fn handle(&mut self, request: Request, promises: &Promises<'_>) -> Answer {
        self.receive(request, promises, true)
    }

    fn handle_again(&mut self, request: Request, promises: &Promises<'_>) -> Answer {
        self.receive(request, promises, false)
    }
}

struct House {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    registry: Registry,
    server: Option<ServerHandle>,
}

impl House {
    fn new(text: &str) -> House {
        let mut house = House {
            folder: tempfile::tempdir().expect("folder"),
            clock: Arc::new(ManualClock::new(Mono(1), Wall(1_795_319_692_000))),
            registry: Registry::default(),
            server: None,
        };
        house.write(text);
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&house.clock);
        let door = Door::guarded(&house.path(), &clock, &house.registry).expect("door");
        let options = ServerOptions {
            thread_name: "door-test",
            clients_max: 4,
            idle_timeout: Duration::from_secs(5),
            memory: MemoryBudget::unlimited(),
        };
        let listeners = vec![server::bind("127.0.0.1:0").expect("bind")];
        let server = server::start(listeners, Box::new(Room(door)), options, clock);
        house.server = Some(server.expect("start"));
        house
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("web.yml")
    }

    fn write(&self, text: &str) {
        let beside = self.folder.path().join("new");
        std::fs::write(&beside, text).expect("write");
        std::fs::rename(beside, self.path()).expect("rename");
    }

    /// The status and the whole answer.
    fn ask(&self, user: Option<(&str, &str)>) -> (u16, String) {
        let address = self.server.as_ref().expect("server").addresses()[0];
        let mut stream = TcpStream::connect(address).expect("connect");
        let credentials = user.map(|(user, password)| {
            let value = crate::http::auth::basic(user, password);
            format!("Authorization: {value}\r\n")
        });
        let credentials = credentials.unwrap_or_default();
        let request =
            format!("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{credentials}\r\n");
        stream.write_all(request.as_bytes()).expect("write");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("read");
        (answer[9..12].parse().expect("status"), answer)
    }

    fn counted(&self, reason: &str) -> f64 {
        let name = "narthex_web_refused_requests_total";
        self.registry.counter(name, "", &[("reason", reason)]).get()
    }

    fn is_current(&self) -> bool {
        let name = "narthex_web_config_last_reload_successful";
        self.registry.gauge(name, "", &[]).get() > 0.0
    }
}

#[test]
fn only_who_knows_the_password_comes_in() {
    let house = House::new(&format!("basic_auth_users: {{bob: {HASH}}}"));
    let (status, answer) = house.ask(None);
    assert_eq!(status, 401);
    assert!(
        answer.contains("\r\nWWW-Authenticate: Basic\r\n"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\nUnauthorized\n"), "{answer}");
    for _ in 0..2 {
        assert_eq!(house.ask(Some(("bob", "hunter2"))).0, 200);
        assert_eq!(house.ask(Some(("bob", "hunter3"))).0, 401);
        assert_eq!(house.ask(Some(("eve", "hunter2"))).0, 401);
    }
    assert_eq!(
        (house.counted("missing"), house.counted("password")),
        (1.0, 4.0)
    );
}

#[test]
fn a_guesser_is_rationed_and_a_known_user_never() {
    let house = House::new(&format!("basic_auth_users: {{bob: {HASH}}}"));
    assert_eq!(house.ask(Some(("bob", "hunter2"))).0, 200);
    for number in 0..limits::WEB_WRONG_PASSWORDS {
        assert_eq!(house.ask(Some(("bob", &format!("guess{number}")))).0, 401);
    }
    let (status, answer) = house.ask(Some(("bob", "last")));
    assert_eq!(status, 429);
    assert!(answer.contains("\r\nRetry-After: 2\r\n"), "{answer}");
    assert_eq!(house.ask(Some(("bob", "hunter2"))).0, 200);
    assert_eq!(house.counted("rationed"), 1.0);
}

#[test]
fn headers_are_set_on_every_answer_and_instead_of_our_own() {
    let headers = "http_server_config: {headers: {X-Frame-Options: sameorigin, Content-Security-Policy: none}}";
    let house = House::new(&format!("{headers}\nbasic_auth_users: {{bob: {HASH}}}"));
    for user in [None, Some(("bob", "hunter2")), Some(("bob", "no"))] {
        let (_, answer) = house.ask(user);
        assert!(
            answer.contains("\r\nContent-Security-Policy: none\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("\r\nX-Frame-Options: sameorigin\r\n"),
            "{answer}"
        );
        assert_eq!(answer.matches("X-Frame-Options").count(), 1, "{answer}");
    }
}

#[test]
fn requests_are_limited_and_a_check_of_a_password_counts_once() {
    let house = House::new(&format!(
        "rate_limit: {{interval: 1h, burst: 2}}\nbasic_auth_users: {{bob: {HASH}}}"
    ));
    let user = Some(("bob", "hunter2"));
    let statuses = [user, user, user].map(|user| house.ask(user).0);
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(house.counted("limit"), 1.0);
}

#[test]
fn what_changes_is_taken_in_and_what_is_wrong_is_not() {
    let house = House::new(&format!("basic_auth_users: {{bob: {HASH}}}"));
    let bob = Some(("bob", "hunter2"));
    let eve = Some(("eve", "hunter2"));
    assert_eq!((house.ask(bob).0, house.ask(eve).0), (200, 401));
    for wrong in [
        "",
        "basic_auth_users: {eve: x}",
        "tls_server_config: {}\nbasic_auth_users: {}",
    ] {
        house.write(wrong);
        assert_eq!((house.ask(bob).0, house.ask(eve).0), (200, 401), "{wrong}");
        assert!(!house.is_current(), "{wrong}");
    }
    house.write(&format!("basic_auth_users: {{eve: {HASH}}}"));
    assert_eq!((house.ask(bob).0, house.ask(eve).0), (401, 200));
    assert!(house.is_current());
    std::fs::remove_file(house.path()).expect("removed");
    assert_eq!((house.ask(bob).0, house.ask(eve).0), (401, 200));
    assert!(!house.is_current());
}
