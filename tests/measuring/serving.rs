//! What the fleet serves: as many series as asked for, other values each time, and the series that
//! the scenario says.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::churn::replaced;
use crate::fleet::Fleet;
use crate::fleet::bodies::{Bodies, prefixed, widen};
use crate::pages::{recorded, there_and_back};
use crate::scenario::Scenario;

/// Everything before the value, for each row.
fn series(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| !line.starts_with('#'));
    let key = |row: &str| row.rsplit_once(' ').expect("a value").0.to_owned();
    rows.map(key).collect()
}

fn body(bodies: &Bodies, target: usize, scrape: usize) -> String {
    String::from_utf8(bodies.get(target, scrape).to_vec()).expect("text")
}

fn rendered(scenario: &str) -> Bodies {
    Bodies::render(&Scenario::parse(scenario).expect("good"))
}

#[test]
fn pages_go_there_and_back() {
    let order: Vec<usize> = (0..8).map(|step| there_and_back(4, step)).collect();
    assert_eq!(order, [0, 1, 2, 3, 2, 1, 0, 1]);
}

#[test]
fn pages_have_the_series_that_were_asked_for() {
    let recorded = recorded();
    assert_eq!(
        recorded.len(),
        7,
        "six exporters, one of them in two formats"
    );
    for pages in recorded.values() {
        assert_eq!(pages.len(), 16);
    }
    for (name, pages) in recorded.iter().filter(|(name, _)| name.ends_with(".prom")) {
        for size in [100, 1000, 3000] {
            assert_eq!(series(&widen(&pages[0], size)).len(), size, "{name}");
        }
    }
}

#[test]
fn each_target_begins_at_its_own_page_and_no_page_repeats_the_last() {
    let bodies = rendered("40x600:plain");
    let first = body(&bodies, 0, 0);
    assert_ne!(first, body(&bodies, 1, 0));
    assert_ne!(first, body(&bodies, 0, 1));
    assert_eq!(
        body(&bodies, 0, 1),
        body(&bodies, 1, 0),
        "a few scrapes apart"
    );
    let common = series(&first)
        .intersection(&series(&body(&bodies, 0, 1)))
        .count();
    assert!(common > 590, "{common} of 600 series stay");
}

#[test]
fn targets_of_their_own_share_no_name() {
    let bodies = rendered("3x200:own:plain");
    let (one, two) = (series(&body(&bodies, 0, 0)), series(&body(&bodies, 1, 0)));
    assert_eq!((one.len(), two.len()), (200, 200));
    assert!(one.iter().all(|key| key.starts_with("t0_")));
    assert!(two.iter().all(|key| key.starts_with("t1_")));
    let page = prefixed("# HELP a b\n# TYPE a counter\na{b=\"c\"} 1\n", "x_");
    assert_eq!(page, "# HELP x_a b\n# TYPE x_a counter\nx_a{b=\"c\"} 1\n");
}

#[test]
fn a_mixed_fleet_shows_all_exporters() {
    let bodies = rendered("6x100:mixed:plain");
    let kinds: BTreeSet<_> = (0..6)
        .map(|target| series(&body(&bodies, target, 0)))
        .collect();
    assert_eq!(kinds.len(), 6);
}

#[test]
fn churn_replaces_its_share_of_the_series() {
    let page = widen(&recorded()["node_exporter.prom"][0], 2000);
    for step in 0..60 {
        let (before, after) = (replaced(&page, 20, step), replaced(&page, 20, step + 1));
        let (before, after) = (series(&before), series(&after));
        assert_eq!((before.len(), after.len()), (2000, 2000));
        let new = after.difference(&before).count();
        assert!(
            (60..=140).contains(&new),
            "{new} of 2000 at step {step}, five percent are 100"
        );
    }
    let bodies = rendered("2x300:churn=10:plain");
    let (before, after) = (series(&body(&bodies, 0, 0)), series(&body(&bodies, 0, 1)));
    assert!((10..=60).contains(&after.difference(&before).count()));
}

/// Asks a target for its page; returns the whole answer.
fn get(fleet: &Fleet, target: usize, headers: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(fleet.addresses[target].as_str()).expect("a target");
    let limit = Some(std::time::Duration::from_secs(30));
    stream.set_read_timeout(limit).expect("a limit");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("no more requests");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    answer
}

#[test]
fn every_target_answers_at_its_own_address() {
    let fleet = Fleet::start(&Scenario::parse("300x50:own").expect("good"));
    assert!(fleet.first_request().is_none());
    for target in [0, 7, 251, 299] {
        let answer = get(&fleet, target, "Accept-Encoding: gzip\r\n");
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .expect("a head")
            + 4;
        let mut page = String::new();
        flate2::read::GzDecoder::new(&answer[end..])
            .read_to_string(&mut page)
            .expect("gzip");
        assert!(page.contains(&format!("\nt{target}_")), "{page}");
    }
    assert_eq!((fleet.served(), fleet.refused()), (4, 0));
    assert!(fleet.first_request().is_some());
    // What is not what the scenario measures is not served.
    assert!(get(&fleet, 0, "").starts_with(b"HTTP/1.1 406"));
    assert_eq!((fleet.served(), fleet.refused()), (4, 1));
}
