//! Targets behind a Unix socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

use super::support::agent::{Agent, Kind};
use super::support::receiver::Receiver;
use super::support::{config, wait};

#[test]
fn a_target_behind_a_socket_is_scraped_as_any_other() {
    if Kind::under_test().is_excused("Debian's does not know __unix_socket__") {
        return;
    }
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    wait::spawn("app", move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let copy = stream.try_clone().expect("a second handle");
            // One request a connection.
            let lines = BufReader::new(copy).lines();
            let read = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty());
            assert!(read.count() > 1);
            let page = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nvalue 7\n";
            let _gone = stream.write_all(page.as_bytes());
        }
    });
    let receiver = Receiver::start();
    let job = format!(
        "- job_name: app\n  scrape_interval: 200ms\n  static_configs:\n  \
         - {{targets: [app], labels: {{__unix_socket__: '{}'}}}}\n",
        path.display()
    );
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job]));
    agent.start();
    receiver.until("the page", wait::LONG, |books| {
        (books.last("value", ("instance", "app")) == Some(7.0)).then_some(())
    });
    let ups = receiver.books(|books| books.last("up", ("job", "app")));
    assert_eq!(ups, Some(1.0));
}
