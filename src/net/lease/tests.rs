use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::*;
use crate::model::time::Wall;
use crate::sys::clock::{ManualClock, SystemClock};

const LONG: Duration = Duration::from_secs(20);

/// Gives what the test sends, and hangs until it does.
struct Scripted(Receiver<Result<Granted<u8>, String>>);

impl Issuer<u8> for Scripted {
    fn issue(&self) -> Result<Granted<u8>, String> {
        self.0.recv_timeout(LONG).expect("an outcome")
    }
}

type Outcomes = Sender<Result<Granted<u8>, String>>;

fn source(clock: Arc<dyn Clock>) -> (Source<u8>, Outcomes) {
    let (sender, receiver) = bounded(8);
    let issuer = Box::new(Scripted(receiver));
    let name = "http://idp/token".to_owned();
    (Source::new(Kind::OAuth2, name, issuer, clock), sender)
}

fn granted(grant: u8) -> Result<Granted<u8>, String> {
    Ok(Granted {
        grant,
        lasts: Some(Duration::from_secs(100)),
    })
}

#[test]
fn waiters_are_called_once_and_find_the_grant() {
    let (source, outcomes) = source(Arc::new(SystemClock));
    let (bell, rings) = bounded(8);
    for number in 0..3 {
        let bell = bell.clone();
        let waiter = Box::new(move || bell.send(number).expect("heard"));
        assert_eq!(source.standing_or(waiter), Standing::Pending);
    }
    outcomes.send(granted(7)).expect("sent");
    for number in 0..3 {
        assert_eq!(rings.recv_timeout(LONG), Ok(number));
    }
    let never = Box::new(|| panic!("not called"));
    assert_eq!(source.standing_or(never), Standing::Ready(7));
    assert_eq!(source.held(), Some(7));
}

#[test]
fn a_source_that_hangs_costs_the_waiting_time_and_no_more() {
    let (source, outcomes) = source(Arc::new(SystemClock));
    let soon = SystemClock.mono() + Duration::from_millis(20);
    assert_eq!(source.wait(soon, || false), Standing::Pending);
    let late = SystemClock.mono() + LONG;
    assert_eq!(source.wait(late, || true), Standing::Pending);
    outcomes.send(Err("refused".to_owned())).expect("sent");
    let failed = source.wait(late, || false);
    assert_eq!(failed, Standing::Failed("refused".into()));
}

#[test]
fn a_grant_is_renewed_behind_the_back_of_its_users() {
    let clock = Arc::new(ManualClock::new(Mono(1), Wall(1)));
    let (source, outcomes) = source(Arc::<ManualClock>::clone(&clock));
    outcomes.send(granted(1)).expect("sent");
    let late = Mono(1) + LONG;
    assert_eq!(source.wait(late, || false), Standing::Ready(1));
    clock.advance_ms(81_000);
    // The one there is while the next is fetched, which here takes until it is sent.
    assert_eq!(source.standing(), Standing::Ready(1));
    outcomes.send(granted(2)).expect("sent");
    clock.advance_ms(10_000);
    let late = clock.mono() + LONG;
    assert_eq!(source.wait(late, || false), Standing::Ready(2));
}

#[test]
fn what_has_ended_when_it_is_granted_is_a_failure() {
    struct Ended(Arc<AtomicU64>, Duration);
    impl Issuer<u8> for Ended {
        fn issue(&self) -> Result<Granted<u8>, String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(Granted {
                grant: 1,
                lasts: Some(self.1),
            })
        }
    }
    for lasts in [Duration::ZERO, Duration::from_millis(1)] {
        let clock = Arc::new(ManualClock::new(Mono(1), Wall(1)));
        let asked = Arc::<AtomicU64>::default();
        let issuer = Box::new(Ended(Arc::clone(&asked), lasts));
        let handed = Arc::<ManualClock>::clone(&clock);
        let source = Source::new(Kind::Aws, String::new(), issuer, handed);
        let count = || asked.load(Ordering::Relaxed);
        let late = clock.mono() + LONG;
        for _ in 0..10 {
            let standing = source.wait(late, || count() > 2);
            assert!(
                matches!(&standing, Standing::Failed(error) if error.contains("clock")),
                "{standing:?}"
            );
            clock.advance_ms(100);
        }
        assert_eq!(count(), 1);
        clock.advance_ms(1000);
        let standing = source.wait(late, || count() > 2);
        assert!(matches!(standing, Standing::Failed(_)), "{standing:?}");
        assert_eq!(count(), 2);
    }
}

#[test]
fn a_panic_is_a_failure() {
    struct Broken;
    impl Issuer<u8> for Broken {
        fn issue(&self) -> Result<Granted<u8>, String> {
            panic!("as asked")
        }
    }
    let clock = Arc::new(SystemClock);
    let source = Source::new(Kind::Aws, String::new(), Box::new(Broken), clock);
    let late = SystemClock.mono() + LONG;
    let standing = source.wait(late, || false);
    assert_eq!(standing, Standing::Failed("internal error".into()));
}
