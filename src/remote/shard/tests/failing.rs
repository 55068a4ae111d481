//! An outage sets nothing aside; what the receiver fails at alone does not stop the rest.

use super::*;

const FAILED: Verdict = Verdict::Failed(None);

fn shard() -> Shard {
    Shard::new(ShardSettings {
        samples: 200,
        ..settings()
    })
}

/// A receiver by the clock. Sends until `until`, or nothing is left to send.
fn run(
    shard: &mut Shard,
    books: &mut Books,
    (from, until): (Mono, Mono),
    mut answer: impl FnMut(Mono, &WriteRequest) -> Verdict,
) -> Mono {
    let mut now = from;
    while now < until {
        match shard.step(now, true) {
            Step::Idle => return now,
            Step::Wait(next) => now = next,
            Step::Send => {
                let request = request(shard);
                let verdict = answer(now, &request);
                if verdict == Verdict::Accepted {
                    books.store(&request);
                }
                shard.answered(now, &verdict, 0.5);
                now = now + Duration::from_millis(10);
            }
        }
    }
    now
}

fn has(request: &WriteRequest, name: &str, time: i64) -> bool {
    request.timeseries.iter().any(|series| {
        let own = crate::remote::testing::series_name(series) == name;
        own && series.samples.iter().any(|sample| sample.timestamp == time)
    })
}

fn hours(count: u64) -> Mono {
    at(count * 3600)
}

/// Sends scrapes of a healthy target, one a minute, numbered from `first` on.
fn go_on(
    shard: &mut Shard,
    books: &mut Books,
    (from, minutes, first): (Mono, u64, u64),
    answer: impl Fn(Mono, &WriteRequest) -> Verdict,
) -> Mono {
    let mut now = from;
    for minute in 0..minutes {
        push(shard, now, first + minute, 9, 40);
        let end = now + Duration::from_secs(60);
        now = run(shard, books, (now, end), &answer).max(end);
    }
    now
}

fn push_rounds(shard: &mut Shard, rounds: std::ops::RangeInclusive<u64>, targets: u64) {
    for round in rounds {
        for target in 0..targets {
            push(shard, at(0), round * targets + target, target, 40);
        }
    }
}

#[test]
fn one_poisonous_sample_is_set_aside_and_everything_else_goes_on() {
    let mut shard = shard();
    push_rounds(&mut shard, 1..=20, 3);
    let mut books = Books::default();
    let poison = |_, request: &WriteRequest| {
        if has(request, "t1/17", 4000) {
            FAILED
        } else {
            Verdict::Accepted
        }
    };
    let end = run(&mut shard, &mut books, (at(0), at(900)), poison);
    assert_eq!(books.samples(), 20 * 3 * 40 - 1);
    books.assert_in_order();
    assert!(end >= at(300), "suspected too early");
    assert_eq!((shard.aside_samples(), shard.pending_samples()), (1, 0));
    assert!(given_up(&mut shard).is_empty());
    assert_eq!(settled(&mut shard).len(), 59);
    // The receiver was repaired.
    run(&mut shard, &mut books, (end, hours(1)), |_, _| {
        Verdict::Accepted
    });
    assert_eq!(books.samples(), 20 * 3 * 40);
    assert_eq!(settled(&mut shard), [4]);
    assert_eq!(shard.aside_samples(), 0);
}

#[test]
fn a_poisonous_series_costs_the_others_little_once_it_is_known() {
    let mut shard = shard();
    push_rounds(&mut shard, 1..=40, 3);
    let mut books = Books::default();
    let poison = |_, request: &WriteRequest| {
        let bad = (1..=200).any(|second| has(request, "t2/5", second * 1000));
        if bad { FAILED } else { Verdict::Accepted }
    };
    let now = run(&mut shard, &mut books, (at(0), at(500)), poison);
    go_on(&mut shard, &mut books, (now, 1, 1000), poison);
    assert_eq!(books.samples(), 40 * (3 * 40 - 1) + 40);
    books.assert_in_order();
    assert_eq!(shard.aside_samples(), 40);
}

#[test]
fn a_target_that_is_poisonous_as_a_whole_does_not_stop_the_others() {
    let mut shard = shard();
    push_rounds(&mut shard, 1..=12, 3);
    let mut books = Books::default();
    let poison = |_, request: &WriteRequest| {
        let bad = request
            .timeseries
            .iter()
            .any(|series| crate::remote::testing::series_name(series).starts_with("t0/"));
        if bad { FAILED } else { Verdict::Accepted }
    };
    let now = run(&mut shard, &mut books, (at(0), at(600)), poison);
    go_on(&mut shard, &mut books, (now, 5, 1000), poison);
    books.assert_in_order();
    assert_eq!(books.samples(), 12 * 2 * 40 + 5 * 40);
    let lost = given_up(&mut shard);
    let gone = lost.get(&Refusal::SetAside).copied().unwrap_or_default();
    assert_eq!(
        shard.aside_samples() + gone + shard.pending_samples(),
        12 * 40
    );
    assert!(shard.aside_samples() <= limits::REMOTE_ASIDE_SAMPLES);
}

#[test]
fn what_is_set_aside_is_given_up_after_hours_in_which_others_were_taken() {
    let mut shard = shard();
    let mut books = Books::default();
    let poison = |_, request: &WriteRequest| {
        if has(request, "t0/3", 1000) {
            FAILED
        } else {
            Verdict::Accepted
        }
    };
    push(&mut shard, at(0), 1, 0, 40);
    push(&mut shard, at(0), 2, 1, 40);
    let mut now = run(&mut shard, &mut books, (at(0), at(400)), poison);
    assert_eq!(shard.aside_samples(), 1);
    // Hours in which nothing else is sent prove nothing.
    now = run(&mut shard, &mut books, (now, hours(8)), poison);
    assert_eq!((shard.aside_samples(), given_up(&mut shard).len()), (1, 0));
    push(&mut shard, now, 3, 1, 40);
    run(&mut shard, &mut books, (now, hours(9)), poison);
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::SetAside, 1)])
    );
    assert_eq!(settled(&mut shard), [2, 3, 1]);
    assert_eq!(shard.step(hours(9), true), Step::Idle);
}

#[test]
fn what_was_overtaken_and_is_refused_then_is_lost_and_counted() {
    let mut shard = shard();
    push(&mut shard, at(0), 1, 0, 40);
    push(&mut shard, at(0), 2, 1, 40);
    let mut books = Books::default();
    let mut well = false;
    let mut answer = |now: Mono, request: &WriteRequest| {
        well |= now >= at(500);
        match has(request, "t0/3", 1000) {
            false => Verdict::Accepted,
            true if well => Verdict::Refused { repeated: true },
            true => FAILED,
        }
    };
    run(&mut shard, &mut books, (at(0), at(900)), &mut answer);
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::SetAside, 1)])
    );
    assert_eq!(books.samples(), 79);
}

#[test]
fn the_number_of_batches_set_aside_is_bounded() {
    let mut shard = shard();
    push_rounds(&mut shard, 1..=100, 1);
    let mut books = Books::default();
    let poison = |_, request: &WriteRequest| {
        let bad = (1..=200).any(|second| has(request, "t0/7", second * 1000));
        if bad { FAILED } else { Verdict::Accepted }
    };
    let now = run(&mut shard, &mut books, (at(0), at(600)), poison);
    go_on(&mut shard, &mut books, (now, 3, 1000), poison);
    assert_eq!(books.samples(), 100 * 39 + 3 * 40);
    assert_eq!(shard.aside_samples(), limits::REMOTE_ASIDE_BATCHES as u64);
    let lost = 100 - limits::REMOTE_ASIDE_BATCHES as u64;
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::SetAside, lost)])
    );
}

#[test]
fn what_is_set_aside_stays_aside_when_shards_change() {
    let mut shard = shard();
    push_rounds(&mut shard, 1..=2, 2);
    let mut books = Books::default();
    let poison = |_, request: &WriteRequest| {
        if has(request, "t1/3", 3000) {
            FAILED
        } else {
            Verdict::Accepted
        }
    };
    let now = run(&mut shard, &mut books, (at(0), at(500)), poison);
    let _done = settled(&mut shard);
    let mut fresh = Shard::new(settings());
    for piece in shard.into_pieces() {
        fresh.push(piece);
    }
    assert_eq!((fresh.aside_samples(), fresh.pending_samples()), (1, 0));
    push(&mut fresh, now, 9, 1, 40);
    let now = run(
        &mut fresh,
        &mut books,
        (now, now + Duration::from_secs(30)),
        poison,
    );
    assert_eq!(settled(&mut fresh), [9]);
    run(&mut fresh, &mut books, (now, hours(1)), |_, _| {
        Verdict::Accepted
    });
    assert_eq!(settled(&mut fresh), [3]);
}

#[test]
fn a_block_that_comes_in_parts_is_settled_after_the_last() {
    let mut whole = piece(at(0), block(1, &list(1, 4)));
    whole.aside = Some(at(0));
    let (first, second) = whole.cut(2);
    let mut pieces = Vec::new();
    // The oldest of all, though it comes last, makes room for itself.
    for sequence in 101..=100 + limits::REMOTE_ASIDE_BATCHES as u64 {
        let mut aside = piece(at(0), block(sequence, &list(2, 1)));
        aside.aside = Some(at(5));
        pieces.push(aside);
    }
    pieces.extend([first, second]);
    Piece::link(&mut pieces);
    let mut shard = shard();
    let last = pieces.pop().expect("a piece");
    for piece in pieces {
        shard.push(piece);
    }
    assert_eq!(given_up(&mut shard)[&Refusal::SetAside], 2);
    assert_eq!(settled(&mut shard), [0u64; 0]);
    shard.push(last);
    assert_eq!(given_up(&mut shard)[&Refusal::SetAside], 2);
    assert_eq!(settled(&mut shard), [1]);
}

#[test]
fn parts_of_a_block_may_come_between_turns() {
    let (first, second) = piece(at(0), block(1, &list(1, 4))).cut(2);
    let mut pieces = [first, second];
    Piece::link(&mut pieces);
    let mut shard = shard();
    for (piece, expected) in pieces.into_iter().zip([vec![], vec![1]]) {
        shard.push(piece);
        assert_eq!(shard.step(at(1), true), Step::Send);
        shard.answered(at(1), &Verdict::Accepted, 0.0);
        assert_eq!(settled(&mut shard), expected);
    }
}

#[test]
fn what_goes_once_more_before_it_is_judged_is_not_changed_for_what_is_set_aside() {
    let mut shard = shard();
    push(&mut shard, at(0), 1, 0, 40);
    let mut aside = piece(at(0), block(2, &list(1, 1)));
    aside.aside = Some(at(60));
    shard.push(aside);
    assert_eq!(shard.step(at(59), true), Step::Send);
    shard.send_again();
    for _ in 0..2 {
        assert_eq!(shard.step(at(61), true), Step::Send);
        assert_eq!(sequences(&shard), [1]);
    }
    shard.answered(at(61), &Verdict::Accepted, 0.0);
    assert_eq!(settled(&mut shard), [1]);
    assert_eq!(shard.step(at(61), true), Step::Send);
    assert_eq!(sequences(&shard), [2]);
    // Nor the other way round.
    shard.send_again();
    push(&mut shard, at(61), 3, 0, 40);
    assert_eq!(shard.step(at(62), true), Step::Send);
    shard.answered(at(62), &Verdict::Accepted, 0.0);
    assert_eq!(settled(&mut shard), [2]);
}

/// One thing that a receiver does for a while.
#[derive(Clone, Debug)]
enum Weather {
    Outage,
    Unreachable,
    Well,
}

fn weather() -> impl Strategy<Value = (Weather, u64)> {
    let kind = prop_oneof![
        3 => Just(Weather::Outage),
        1 => Just(Weather::Unreachable),
        1 => Just(Weather::Well),
    ];
    (kind, 1u64..3_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However long and however often everything fails: nothing is set aside, lost, doubled or
    /// reordered, and all arrives once the receiver is well.
    #[test]
    fn an_outage_sets_nothing_aside(
        sizes in prop::collection::vec((1u64..4, 1usize..60), 1..20),
        phases in prop::collection::vec(weather(), 1..8), samples in 10u64..300,
    ) {
        let mut shard = Shard::new(ShardSettings { samples, ..settings() });
        let mut total = 0;
        for (index, (target, series)) in sizes.iter().enumerate() {
            push(&mut shard, at(0), index as u64 + 1, *target, *series);
            total += series;
        }
        let mut books = Books::default();
        let (mut now, mut end) = (at(0), at(0));
        for (kind, seconds) in phases {
            end = end + Duration::from_secs(seconds);
            now = run(&mut shard, &mut books, (now, end), |_, _| match kind {
                Weather::Outage => FAILED,
                Weather::Unreachable => Verdict::Retry(None),
                Weather::Well => Verdict::Accepted,
            });
            prop_assert_eq!(shard.aside_samples(), 0);
        }
        run(&mut shard, &mut books, (now, Mono::NEVER), |_, _| Verdict::Accepted);
        prop_assert_eq!(books.samples(), total);
        books.assert_in_order();
        prop_assert!(given_up(&mut shard).is_empty());
    }

    /// Any samples may be poisonous: the others arrive in order, and every block ends.
    #[test]
    fn poison_costs_itself_alone(
        sizes in prop::collection::vec((1u64..4, 1usize..40), 2..12),
        bad in prop::collection::btree_set((1u64..12, 0u64..40), 0..4), samples in 10u64..300,
    ) {
        let mut shard = Shard::new(ShardSettings { samples, ..settings() });
        let (mut total, mut poison) = (0, BTreeSet::new());
        for (index, (target, series)) in sizes.iter().enumerate() {
            let sequence = index as u64 + 1;
            push(&mut shard, at(0), sequence, *target, *series);
            total += series;
            let own = bad.iter().filter(|(block, slot)| *block == sequence && *slot < *series as u64);
            poison.extend(own.map(|(block, slot)| (format!("t{target}/{slot}"), *block as i64 * 1000)));
        }
        let mut books = Books::default();
        run(&mut shard, &mut books, (at(0), hours(5)), |_, request| {
            if poison.iter().any(|(name, time)| has(request, name, *time)) {
                FAILED
            } else {
                Verdict::Accepted
            }
        });
        books.assert_in_order();
        let aside = shard.aside_samples() as usize;
        let waiting = shard.pending_samples() as usize;
        prop_assert_eq!(books.samples() + aside + waiting, total);
        prop_assert!(aside <= poison.len(), "{} aside, {} are poison", aside, poison.len());
    }
}
