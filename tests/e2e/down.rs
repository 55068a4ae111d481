//! Targets that are down for a while: what is said of them meanwhile, and when they are back.

use super::support::agent::{Agent, Kind};
use super::support::ledger::Ledger;
use super::support::receiver::{Books, Receiver};
use super::support::{config, wait};

const TARGETS: u64 = 40;

/// Whether the last `count` samples of `up` are zero for every target.
fn are_down(books: &Books, count: usize) -> bool {
    let ups: Vec<_> = books.named("up").map(|(_, points)| points).collect();
    let zero = |bits: u64| f64::from_bits(bits) == 0.0;
    ups.len() == TARGETS as usize
        && ups.iter().all(|points| {
            let last = points.iter().rev().take(count);
            last.filter(|own| zero(own.bits)).count() == count
        })
}

/// Attempts at targets that are down are begun together, some ahead of their time.
#[test]
fn pages_of_targets_that_are_back_are_not_from_the_future() {
    let receiver = Receiver::start();
    let ledger = Ledger::start(TARGETS, 2);
    let mut agent = Agent::with_config(&config(&receiver.url(), &[ledger.job("ledger", "1s")]));
    agent.start();
    ledger.wait_for(2);
    ledger.go_away();
    receiver.until("all down, three times", wait::LONG, |books| {
        are_down(books, 3).then_some(())
    });
    ledger.come_back();
    ledger.wait_for(3);
    let audit = ledger.settle(&receiver, wait::LONG);
    println!("{:?}: {audit}", agent.kind);
    assert_eq!((audit.invented, audit.reordered), (0, 0), "{audit}");
    receiver.books(|books| {
        for (labels, points) in books.named("up") {
            let grow = points
                .windows(2)
                .all(|two| two[0].timestamp < two[1].timestamp);
            assert!(grow, "{labels:?}: {points:?}");
        }
        let errors = ledger.stamp_errors(books);
        let worst = errors.values().max().expect("samples");
        // A poll's step, and another where milliseconds are cut off. Late ones are busy machines.
        let most = match agent.kind {
            Kind::Narthex => 2,
            // Its own alignment, which goes both ways.
            Kind::Prometheus => 4,
        };
        assert!(*worst <= most, "stamped {worst} ms after it was given out");
    });
}
