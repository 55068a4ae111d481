use super::*;
use proptest::prelude::*;

fn key(queue: &str, job: &str, reason: LossReason) -> LossKey {
    LossKey {
        queue: queue.to_owned(),
        job: job.to_owned(),
        reason,
    }
}

fn loss(samples: u64, at: i64) -> Loss {
    Loss {
        samples,
        first: Wall(at),
        last: Wall(at),
    }
}

fn sum(losses: &Losses, reason: LossReason) -> u64 {
    let own = losses.iter().filter(|(key, _)| key.reason == reason);
    own.map(|(_, loss)| loss.samples).sum()
}

#[test]
fn lines_add_up_and_remember_first_and_last() {
    let mut losses = Losses::default();
    losses.add(key("q", "j", LossReason::Invalid), loss(3, 50));
    losses.add(key("q", "j", LossReason::Invalid), loss(4, 20));
    losses.add(key("q", "j", LossReason::Budget), loss(0, 10));
    let expected = Loss {
        samples: 7,
        first: Wall(20),
        last: Wall(50),
    };
    let lines: Vec<_> = losses.iter().collect();
    assert_eq!(lines, [(&key("q", "j", LossReason::Invalid), &expected)]);
    assert_eq!((losses.total("q"), losses.total("other")), (7, 0));
}

#[test]
fn numbers_and_names_of_reasons_are_distinct() {
    for reason in LossReason::ALL {
        assert_eq!(LossReason::from_number(reason as u8), Some(reason));
        let named = LossReason::ALL
            .iter()
            .filter(|own| own.name() == reason.name());
        assert_eq!(named.count(), 1);
    }
    assert_eq!(LossReason::from_number(0), None);
}

#[test]
fn a_flood_of_names_stays_bounded_and_keeps_its_sum() {
    let mut losses = Losses::default();
    for number in 0..3 * limits::LOSS_LINES {
        let name = format!("{number}{}", "\u{e4}".repeat(200));
        losses.add(key(&name, &name, LossReason::Invalid), loss(1, 0));
    }
    assert!(losses.iter().count() <= limits::LOSS_LINES + LossReason::ALL.len());
    assert_eq!(
        sum(&losses, LossReason::Invalid),
        3 * limits::LOSS_LINES as u64
    );
    let bytes = losses.encode(limits::LOSS_BYTES_MIN);
    assert!(bytes.len() <= limits::LOSS_BYTES_MIN, "{}", bytes.len());
    let back = Losses::decode(&bytes).expect("valid");
    assert_eq!(
        sum(&back, LossReason::Invalid),
        sum(&losses, LossReason::Invalid)
    );
}

#[test]
fn the_lines_with_most_samples_keep_their_names() {
    let mut losses = Losses::default();
    for number in 0..200 {
        let job = format!("job-{number:03}-{}", "x".repeat(40));
        losses.add(key("q", &job, LossReason::Budget), loss(number + 1, 0));
    }
    let back = Losses::decode(&losses.encode(4096)).expect("valid");
    let named = |number: u64| {
        let begin = format!("job-{number:03}-");
        back.iter().any(|(key, _)| key.job.starts_with(&begin))
    };
    assert!(named(199) && !named(0));
    assert!(back.iter().any(|(key, _)| key.job == OTHER));
    assert_eq!(back.total("q"), losses.total("q"));
}

fn lines() -> impl Strategy<Value = Vec<(LossKey, Loss)>> {
    let reason = prop::sample::select(LossReason::ALL.to_vec());
    let key = ("[a-c]{0,2}", "[a-z]{0,40}", reason).prop_map(|(queue, job, reason)| LossKey {
        queue,
        job,
        reason,
    });
    let loss = (0u64..1 << 40, any::<i64>(), any::<i64>()).prop_map(|(samples, one, two)| Loss {
        samples,
        first: Wall(one.min(two)),
        last: Wall(one.max(two)),
    });
    prop::collection::vec((key, loss), 0..60)
}

proptest! {
    #[test]
    fn books_survive_encoding_and_fit(lines in lines(), max in limits::LOSS_BYTES_MIN..8000) {
        let mut losses = Losses::default();
        for (key, loss) in lines {
            losses.add(key, loss);
        }
        prop_assert_eq!(&Losses::decode(&losses.encode(1 << 20)).expect("valid"), &losses);
        let tight = losses.encode(max);
        prop_assert!(tight.len() <= max);
        let back = Losses::decode(&tight).expect("valid");
        for reason in LossReason::ALL {
            prop_assert_eq!(sum(&back, reason), sum(&losses, reason));
        }
    }

    #[test]
    fn damaged_bytes_never_panic(bytes: Vec<u8>) {
        let _any = Losses::decode(&bytes);
    }

    #[test]
    fn merging_adds(one in lines(), two in lines()) {
        let books = |lines: &[(LossKey, Loss)]| {
            let mut losses = Losses::default();
            for (key, loss) in lines {
                losses.add(key.clone(), *loss);
            }
            losses
        };
        let mut merged = books(&one);
        merged.merge(&books(&two));
        let all = [one, two].concat();
        prop_assert_eq!(merged, books(&all));
    }
}
