//! A receiver that says it has samples already is believed where it may have got them from here.

use super::searching::*;
use super::*;

#[test]
fn what_nobody_sent_before_is_lost_when_the_receiver_says_that_it_is_there() {
    // The clock was ahead for a while and is right again.
    let mut shard = of_samples(10_000);
    for sequence in 1..=3 {
        push(&mut shard, at(0), sequence, sequence, 500);
    }
    let mut books = Books::default();
    let ahead = |_: &str, _| Some(REPEATED);
    let requests = send_all(&mut shard, &mut books, ahead);
    assert!(requests <= 3 * 10, "{requests} requests");
    let lost = HashMap::from([(Refusal::OutOfOrder, 1500)]);
    assert_eq!(given_up(&mut shard), lost);
    assert_eq!(settled(&mut shard), [1, 2, 3]);
}

#[test]
fn what_had_no_clear_answer_may_be_there() {
    for (unclear, refusal) in [
        (Verdict::Retry(None), Refusal::Repeated),
        (Verdict::Failed(None), Refusal::Repeated),
        (Verdict::Hold, Refusal::OutOfOrder),
    ] {
        let mut shard = of_samples(10_000);
        push(&mut shard, at(0), 1, 1, 1);
        assert_eq!(shard.step(at(0), true), Step::Send);
        shard.answered(at(0), &unclear, 0.0);
        assert_eq!(shard.step(at(100), true), Step::Send);
        shard.answered(at(100), &REPEATED, 0.0);
        assert_eq!(given_up(&mut shard), HashMap::from([(refusal, 1)]));
    }
}

/// As Mimir: stores what is good in a request that it refuses.
#[test]
fn what_a_receiver_stored_of_a_request_that_it_refused_is_not_lost() {
    for bad in [INVALID, REPEATED] {
        let mut shard = of_samples(10_000);
        for sequence in 1..=4 {
            push(&mut shard, at(0), sequence, 1, 30);
        }
        push(&mut shard, at(0), 5, 2, 30);
        let mut newest: HashMap<String, i64> = HashMap::new();
        let mut stored = BTreeSet::new();
        while shard.step(at(0), true) == Step::Send {
            let mut verdict = Verdict::Accepted;
            for (series, time) in names(&request(&shard)) {
                let own = newest.entry(series.clone()).or_insert(i64::MIN);
                if series == "t2/7" {
                    verdict = bad.clone();
                } else if time < *own {
                    verdict = REPEATED;
                } else {
                    *own = time;
                    stored.insert((series, time));
                }
            }
            shard.answered(at(0), &verdict, 0.0);
        }
        assert_eq!(stored.len(), 149);
        let own = if bad == INVALID {
            Refusal::Invalid
        } else {
            Refusal::OutOfOrder
        };
        let lost = lost(&mut shard).into_iter();
        let lost: Vec<_> = lost.filter(|own| own.0 != Refusal::Repeated).collect();
        assert_eq!(lost, [(own, 5, "t2/7".to_owned())]);
    }
}
