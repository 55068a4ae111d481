//! What is refused is found, and nothing else is lost.

use super::*;

pub(super) const INVALID: Verdict = Verdict::Refused { repeated: false };
pub(super) const REPEATED: Verdict = Verdict::Refused { repeated: true };

/// A series and a time.
pub(super) type Name = (String, i64);

pub(super) fn names(request: &WriteRequest) -> Vec<Name> {
    let of_series = |series: &crate::wire::prompb::TimeSeries| {
        let name = crate::remote::testing::series_name(series);
        let times = series.samples.iter().map(|sample| sample.timestamp);
        times.map(|time| (name.clone(), time)).collect::<Vec<_>>()
    };
    request.timeseries.iter().flat_map(of_series).collect()
}

/// Answers as a receiver that refuses whole requests with a bad sample in them. Returns the
/// number of requests.
pub(super) fn send_all(
    shard: &mut Shard,
    books: &mut Books,
    bad: impl Fn(&str, i64) -> Option<Verdict>,
) -> usize {
    let mut requests = 0;
    while shard.step(at(0), true) == Step::Send {
        requests += 1;
        let request = request(shard);
        let refused = names(&request)
            .iter()
            .find_map(|(name, time)| bad(name, *time));
        if refused.is_none() {
            books.store(&request);
        }
        shard.answered(at(0), &refused.unwrap_or(Verdict::Accepted), 0.0);
    }
    requests
}

/// The samples that were given up for a reason.
pub(super) fn lost(shard: &mut Shard) -> BTreeSet<(Refusal, u64, String)> {
    let mut all = BTreeSet::new();
    for own in shard.take_given_up() {
        let block = &own.piece.item.block;
        let instance = block
            .series
            .target()
            .labels
            .get("instance")
            .unwrap_or_default();
        for slot in own
            .piece
            .slots
            .clone()
            .filter(|slot| own.piece.item.sends(*slot as usize))
        {
            let name = format!("{instance}/{slot}");
            assert!(
                all.insert((own.refusal, block.sequence.0, name)),
                "given up twice"
            );
        }
    }
    all
}

pub(super) fn of_samples(samples: u64) -> Shard {
    Shard::new(ShardSettings {
        samples,
        ..settings()
    })
}

#[test]
fn one_bad_series_costs_itself_and_few_requests() {
    for bad in 0..64 {
        for (verdict, again, refusal) in [
            (INVALID, false, Refusal::Invalid),
            (REPEATED, false, Refusal::OutOfOrder),
            (REPEATED, true, Refusal::Repeated),
        ] {
            let mut shard = of_samples(256);
            for sequence in 1..=4 {
                let push = if again { push_again } else { push };
                push(&mut shard, at(0), sequence, sequence, 64);
            }
            let mut books = Books::default();
            let name = format!("t3/{bad}");
            let rule = |series: &str, _| (series == name).then(|| verdict.clone());
            let requests = send_all(&mut shard, &mut books, rule);
            // 256 samples: eight halvings, two requests each, and the first one.
            assert!(requests <= 17, "series {bad}: {requests} requests");
            assert_eq!(books.samples(), 255, "series {bad}");
            assert_eq!(settled(&mut shard).len(), 4);
            assert_eq!(
                lost(&mut shard),
                BTreeSet::from([(refusal, 3, name.clone())])
            );
        }
    }
}

#[test]
fn bad_series_in_every_block_cost_themselves() {
    // A series that is bad for good is in each of ten blocks of one request.
    let mut shard = of_samples(10_000);
    for sequence in 1..=10 {
        push(&mut shard, at(0), sequence, sequence % 2, 500);
    }
    let mut books = Books::default();
    let bad = ["t0/17", "t1/499"];
    let rule = |series: &str, _| bad.contains(&series).then_some(INVALID);
    let requests = send_all(&mut shard, &mut books, rule);
    assert!(requests <= 200, "{requests} requests");
    let expected = (1..=10).map(|sequence: u64| {
        let name = bad[(sequence % 2) as usize].to_owned();
        (Refusal::Invalid, sequence, name)
    });
    assert_eq!(lost(&mut shard), expected.collect());
    assert_eq!(books.samples(), 10 * 499);
    books.assert_in_order();
}

#[test]
fn when_the_requests_are_spent_what_is_refused_is_told_apart() {
    // Every seventh series of 9,000 is bad: far more than can be searched for.
    let mut shard = of_samples(10_000);
    for sequence in 1..=3 {
        push(&mut shard, at(0), sequence, sequence, 3000);
    }
    let mut books = Books::default();
    let is_bad = |series: &str| {
        let number: u64 = series
            .rsplit('/')
            .next()
            .expect("a part")
            .parse()
            .expect("a number");
        number % 7 == 3
    };
    let requests = send_all(&mut shard, &mut books, |series, _| {
        is_bad(series).then_some(INVALID)
    });
    assert!(
        requests as u32 <= 1 + 2 * limits::REMOTE_BISECT_REQUESTS,
        "{requests}"
    );
    let lost = lost(&mut shard);
    let count = |refusal| lost.iter().filter(|own| own.0 == refusal).count();
    assert!(count(Refusal::Unsearched) > 0);
    let invalid = lost.iter().filter(|own| own.0 == Refusal::Invalid);
    assert!(
        invalid.into_iter().all(|own| is_bad(&own.2)),
        "a good sample is called invalid"
    );
    assert_eq!(books.samples() + lost.len(), 9000);
    assert_eq!(settled(&mut shard), [1, 2, 3]);
}

#[test]
fn repeated_blocks_after_a_crash_cost_eight_requests_each() {
    let mut shard = of_samples(10_000);
    for sequence in 1..=8 {
        push_again(&mut shard, at(0), sequence, 1, 500);
    }
    let mut books = Books::default();
    let stored = |_: &str, time| (time <= 3000).then_some(REPEATED);
    let requests = send_all(&mut shard, &mut books, stored);
    assert!(requests <= 3 * 8 + 2 * 3 + 1, "{requests} requests");
    assert_eq!(books.samples(), 5 * 500);
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::Repeated, 1500)])
    );
    assert_eq!(settled(&mut shard), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_crash_before_many_small_targets_loses_nothing_behind_them() {
    // Ten seconds of 150 targets: more than the requests for invalid samples would do for.
    let mut shard = of_samples(10_000);
    for sequence in 1..=200 {
        push_again(&mut shard, at(0), sequence, sequence, 50);
    }
    let mut books = Books::default();
    let stored = |_: &str, time| (time <= 150_000).then_some(REPEATED);
    let requests = send_all(&mut shard, &mut books, stored);
    println!("150 repeated blocks of 200: {requests} requests");
    assert!(requests <= 150 * 10, "{requests} requests");
    assert_eq!(books.samples(), 50 * 50);
    assert_eq!(
        given_up(&mut shard),
        HashMap::from([(Refusal::Repeated, 150 * 50)])
    );
}

#[test]
fn a_block_that_arrived_up_to_a_cut_is_completed() {
    for arrived in [1, 100, 399, 400, 401, 799] {
        let mut shard = of_samples(10_000);
        push_again(&mut shard, at(0), 1, 1, 800);
        push_again(&mut shard, at(0), 2, 2, 100);
        let mut books = Books::default();
        let stored = |series: &str, _| {
            let number: u32 = series.strip_prefix("t1/")?.parse().ok()?;
            (number < arrived).then_some(REPEATED)
        };
        send_all(&mut shard, &mut books, stored);
        assert_eq!(books.samples() as u32, 900 - arrived);
        let repeated = u64::from(arrived);
        assert_eq!(
            given_up(&mut shard),
            HashMap::from([(Refusal::Repeated, repeated)])
        );
    }
}

#[test]
fn a_receiver_that_refuses_everything_cannot_ask_for_endless_requests() {
    for (verdict, most) in [
        (INVALID, limits::REMOTE_BISECT_REQUESTS),
        (REPEATED, limits::REMOTE_REPEATED_REQUESTS),
    ] {
        let mut shard = of_samples(10_000);
        push(&mut shard, at(0), 1, 1, 5000);
        push(&mut shard, at(0), 2, 1, 5000);
        let mut books = Books::default();
        let requests = send_all(&mut shard, &mut books, |_, _| Some(verdict.clone()));
        assert!(requests as u32 <= 1 + 2 * most, "{requests}");
        assert_eq!(given_up(&mut shard).values().sum::<u64>(), 10_000);
        assert_eq!(settled(&mut shard), [1, 2]);
    }
}

/// A receiver as Prometheus is one: a request is taken as a whole or not at all; a sample that is
/// older than the newest of its series is refused, the newest one may come again if it is lenient.
#[derive(Default)]
struct Strict {
    lenient: bool,
    newest: HashMap<String, i64>,
    stored: BTreeSet<Name>,
}

impl Strict {
    fn take(&mut self, request: &WriteRequest) -> Verdict {
        let mut newest = self.newest.clone();
        let names = names(request);
        for (series, time) in &names {
            let own = newest.entry(series.clone()).or_insert(i64::MIN);
            if time < own || time == own && !self.lenient {
                return REPEATED;
            }
            *own = *time;
        }
        self.newest = newest;
        self.stored.extend(names);
        Verdict::Accepted
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    /// It has to wait before it goes.
    NotSent,
    NotTaken,
    AnswerLost,
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        4 => Just(Mishap::None),
        1 => Just(Mishap::NotSent),
        1 => Just(Mishap::NotTaken),
        1 => Just(Mishap::AnswerLost),
    ]
}

/// A block of 800 samples, of which the first 750 are there. Its tail, the first request of one
/// sample, is answered so.
fn tail_answered(
    shard: &mut Shard,
    books: &mut Books,
    mut tail: impl FnMut(Mono) -> Option<Verdict>,
) {
    push_again(shard, at(0), 1, 1, 800);
    push_again(shard, at(0), 2, 2, 100);
    let mut now = at(0);
    let mut tail_answered = false;
    loop {
        match shard.step(now, true) {
            Step::Send => {}
            Step::Wait(until) => {
                now = until;
                continue;
            }
            Step::Idle => return,
        }
        let request = request(shard);
        let names = names(&request);
        tail_answered |= names.len() == 1;
        let refused = tail_answered.then(|| tail(now)).flatten();
        let refused = refused.or_else(|| {
            let is_there = |name: &Name| {
                let number = name
                    .0
                    .strip_prefix("t1/")
                    .and_then(|own| own.parse::<u32>().ok());
                number.is_some_and(|number| number < 750)
            };
            names.iter().any(is_there).then_some(REPEATED)
        });
        if refused.is_none() {
            books.store(&request);
        }
        shard.answered(now, &refused.unwrap_or(Verdict::Accepted), 0.0);
    }
}

#[test]
fn a_block_whose_tail_falls_into_an_outage_is_completed() {
    for minutes in [0, 1, 10, 60] {
        let (mut shard, mut books) = (of_samples(10_000), Books::default());
        let mut first = None;
        tail_answered(&mut shard, &mut books, |now| {
            let end = *first.get_or_insert(now) + Duration::from_secs(60 * minutes);
            (now <= end).then_some(Verdict::Failed(None))
        });
        assert_eq!(books.samples(), 150, "{minutes} minutes");
        let repeated = HashMap::from([(Refusal::Repeated, 750)]);
        assert_eq!(given_up(&mut shard), repeated, "{minutes} minutes");
    }
}

#[test]
fn a_tail_that_is_lost_says_nothing_of_its_block() {
    for (verdict, refusal) in [
        (INVALID, Refusal::Invalid),
        (Verdict::Split, Refusal::TooLarge),
        (Verdict::Throttled, Refusal::Throttled),
        (Verdict::Unauthorized, Refusal::Unauthorized),
    ] {
        let (mut shard, mut books) = (of_samples(10_000), Books::default());
        let mut once = Some(verdict);
        tail_answered(&mut shard, &mut books, |_| once.take());
        assert_eq!(books.samples(), 149, "{refusal:?}");
        let expected = HashMap::from([(Refusal::Repeated, 750), (refusal, 1)]);
        assert_eq!(given_up(&mut shard), expected);
    }
}

#[test]
fn tails_that_are_lost_do_not_cost_a_request_each() {
    let (mut shard, mut books) = (of_samples(10_000), Books::default());
    let mut requests = 0;
    tail_answered(&mut shard, &mut books, |_| {
        requests += 1;
        Some(Verdict::Unauthorized)
    });
    assert!(requests <= 10, "{requests} requests");
    assert_eq!(given_up(&mut shard)[&Refusal::Unauthorized], 900);
}

proptest! {
    #[test]
    fn exactly_the_bad_samples_are_lost_wherever_they_are(
        sizes in prop::collection::vec((1u64..4, 1usize..90), 1..14),
        bad in prop::collection::btree_set((1u64..14, 0u64..90), 0..9),
        samples in 20u64..600,
    ) {
        let mut shard = of_samples(samples);
        let mut expected = BTreeSet::new();
        let mut total = 0;
        for (index, (target, series)) in sizes.iter().enumerate() {
            let sequence = index as u64 + 1;
            push(&mut shard, at(0), sequence, *target, *series);
            total += series;
            let own = bad.iter().filter(|(block, slot)| *block == sequence && *slot < *series as u64);
            expected.extend(own.map(|(block, slot)| {
                (Refusal::Invalid, *block, format!("t{target}/{slot}"))
            }));
        }
        let mut books = Books::default();
        let rule = |series: &str, time: i64| {
            let own = (Refusal::Invalid, time.unsigned_abs() / 1000, series.to_owned());
            expected.contains(&own).then_some(INVALID)
        };
        send_all(&mut shard, &mut books, rule);
        books.assert_in_order();
        prop_assert_eq!(books.samples() + expected.len(), total);
        prop_assert_eq!(lost(&mut shard), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Whatever was sent before a crash, and however often, and whichever requests get no answer: in
    /// the end a strict receiver has everything, and all that was called repeated it really had.
    #[test]
    fn replays_after_crashes_lose_nothing_at_a_strict_receiver(
        sizes in prop::collection::vec((1u64..4, 1usize..40), 1..14),
        crashes in prop::collection::vec((1usize..30, 0usize..8), 0..6),
        samples in 5u64..60,
        mishaps in prop::collection::vec(mishap(), 1..40),
        lenient in any::<bool>(),
    ) {
        let mut receiver = Strict { lenient, ..Strict::default() };
        let mut mishaps = mishaps.into_iter().chain(std::iter::repeat(Mishap::None));
        let mut now = at(0);
        let mut done = BTreeSet::new();
        let total: usize = sizes.iter().map(|(_, series)| series).sum();
        let crashes = crashes.into_iter().map(Some).chain([None]);
        let mut is_first = true;
        for crash in crashes {
            let mut shard = of_samples(samples);
            for (index, (target, series)) in sizes.iter().enumerate() {
                if !done.contains(&(index as u64 + 1)) {
                    // Before the first crash nobody has sent anything.
                    let push = if is_first { push } else { push_again };
                    push(&mut shard, now, index as u64 + 1, *target, *series);
                }
            }
            is_first = false;
            let (limit, unstored) = crash.unwrap_or((usize::MAX, 0));
            let (mut requests, mut finished) = (0, Vec::new());
            while requests < limit && shard.step(now, true) == Step::Send {
                requests += 1;
                let mishap = mishaps.next().expect("without end");
                if mishap == Mishap::NotSent {
                    prop_assert_eq!(shard.step(now, true), Step::Send);
                }
                let silence = Verdict::Retry(None);
                let verdict = match mishap {
                    Mishap::NotTaken => silence,
                    Mishap::AnswerLost => { receiver.take(&request(&shard)); silence }
                    Mishap::None | Mishap::NotSent => receiver.take(&request(&shard)),
                };
                shard.answered(now, &verdict, 0.0);
                now = now + shard.wait_left(now);
                finished.extend(settled(&mut shard));
                for (refusal, block, series) in lost(&mut shard) {
                    prop_assert_eq!(refusal, Refusal::Repeated);
                    let name = (series, block as i64 * 1000);
                    prop_assert!(receiver.stored.contains(&name), "{:?} is not there", name);
                }
            }
            // The last few positions did not get to disk.
            finished.truncate(finished.len().saturating_sub(unstored));
            done.extend(finished);
        }
        prop_assert_eq!(receiver.stored.len(), total);
    }
}
