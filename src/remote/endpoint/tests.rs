use super::*;
use crate::model::block::EpochId;
use crate::model::time::Wall;
use crate::model::timeline::Epoch;
use crate::model::value::ABSENT;
use crate::relabel::regex::compile;
use crate::relabel::rule::{Action, NameScheme};
use crate::remote::testing::{block, list, new_list};

const NOW: Now = Now {
    mono: Mono(0),
    oldest_ms: i64::MIN,
};

fn timeline(id: u32, frozen: bool) -> Timeline {
    let mut timeline = Timeline::default();
    timeline.insert(Epoch {
        id: EpochId(id),
        base_wall: Wall(1_000_000),
        frozen,
    });
    timeline
}

fn endpoint(rules: Vec<Rule>) -> Endpoint {
    let external = Labels::from_pairs([("site", "s")]);
    Endpoint::new(Sequence(0), AckRanges::default(), external, rules)
}

fn drop_rule(regex: &str) -> Rule {
    Rule {
        action: Action::Drop,
        source_labels: vec!["n".to_owned()],
        separator: ";".to_owned(),
        regex: compile(regex).expect("valid"),
        modulus: 0,
        target_label: String::new(),
        replacement: "$1".to_owned(),
        scheme: NameScheme::Utf8,
    }
}

#[test]
fn only_what_was_in_the_log_at_the_start_may_have_been_sent_before() {
    let mut endpoint = endpoint(Vec::new()).sent_before(Sequence(2));
    let mut uncertain = Vec::new();
    for sequence in 1..=4 {
        let own = Arc::new(block(sequence, &list(1, 4)));
        let Taken::Piece(piece) = endpoint.take(NOW, &own, &timeline(1, true)) else {
            panic!("not taken");
        };
        let (first, second) = piece.cut(2);
        assert_eq!(first.uncertain, second.uncertain);
        let renewed = endpoint.renew(&second).expect("a piece");
        assert_eq!(renewed.uncertain, piece.uncertain);
        uncertain.push(piece.uncertain);
    }
    assert_eq!(uncertain, [true, true, false, false]);
}

#[test]
fn a_block_waits_until_its_epoch_is_frozen() {
    let mut endpoint = endpoint(Vec::new());
    let own = Arc::new(block(1, &list(1, 2)));
    for unknown in [Timeline::default(), timeline(1, false)] {
        assert!(matches!(endpoint.take(NOW, &own, &unknown), Taken::NotYet));
        assert_eq!(endpoint.position(), Sequence(0));
    }
    let Taken::Piece(piece) = endpoint.take(NOW, &own, &timeline(1, true)) else {
        panic!("not taken");
    };
    assert_eq!(piece.item.wall_ms, 1_001_000);
    assert_eq!(endpoint.position(), Sequence(1));
    let gone = Arc::new(block(2, &list(1, 2)));
    let taken = endpoint.take(NOW, &gone, &timeline(2, true));
    assert!(matches!(taken, Taken::UnknownTime));
    assert_eq!(endpoint.position(), Sequence(2));
}

#[test]
fn what_was_settled_before_the_start_is_skipped() {
    let mut before = AckRanges::up_to(Sequence(3));
    before.insert(Sequence(5), Sequence(5));
    let mut endpoint = Endpoint::new(Sequence(3), before, Labels::default(), Vec::new());
    let mut sent = Vec::new();
    for sequence in 4..=6 {
        let own = Arc::new(block(sequence, &list(1, 1)));
        match endpoint.take(NOW, &own, &timeline(1, true)) {
            Taken::Piece(piece) => sent.push(piece.sequence().0),
            taken => assert!(matches!(taken, Taken::Known)),
        }
    }
    assert_eq!(sent, [4, 6]);
}

#[test]
fn dropped_old_and_absent_samples_are_counted_apart() {
    let mut endpoint = endpoint(vec![drop_rule("[12]")]);
    let series = list(1, 4);
    let mut sparse = block(1, &series);
    sparse.values[1] = ABSENT;
    let Taken::Piece(piece) = endpoint.take(NOW, &Arc::new(sparse), &timeline(1, true)) else {
        panic!("not taken");
    };
    assert_eq!(piece.samples, 2);
    let later = Now {
        oldest_ms: 1_003_000,
        ..NOW
    };
    let old = Arc::new(block(2, &series));
    assert!(matches!(
        endpoint.take(later, &old, &timeline(1, true)),
        Taken::Settled
    ));
    let expected = Intake {
        samples: 7,
        histograms: 0,
        exemplars: 0,
        dropped: 3,
        too_old: 2,
    };
    assert_eq!(endpoint.take_intake(), expected);
    let mut all = endpoint;
    all.reconfigure(Labels::default(), vec![drop_rule(".*")]);
    let own = Arc::new(block(3, &series));
    assert!(matches!(
        all.take(NOW, &own, &timeline(1, true)),
        Taken::Settled
    ));
}

#[test]
fn results_are_kept_per_list_and_freed_with_it() {
    let mut endpoint = endpoint(vec![drop_rule("0")]);
    let series = new_list(1, 5);
    let mut outgoing = Vec::new();
    for sequence in 1..=2 {
        let own = Arc::new(block(sequence, &series));
        if let Taken::Piece(piece) = endpoint.take(NOW, &own, &timeline(1, true)) {
            outgoing.push(Arc::clone(&piece.item.outgoing));
        }
    }
    assert!(Arc::ptr_eq(&outgoing[0], &outgoing[1]));
    assert_eq!(endpoint.cache.len(), 1);
    drop((series, outgoing));
    endpoint.sweep();
    assert!(endpoint.cache.is_empty());
}

#[test]
fn new_rules_apply_to_what_is_still_unsent() {
    let mut endpoint = endpoint(Vec::new());
    let own = Arc::new(block(1, &list(1, 6)));
    let Taken::Piece(piece) = endpoint.take(NOW, &own, &timeline(1, true)) else {
        panic!("not taken");
    };
    let (left, right) = piece.cut(2);
    endpoint.reconfigure(Labels::default(), vec![drop_rule("[012]")]);
    assert!(endpoint.renew(&left).is_none());
    let right = endpoint.renew(&right).expect("something is left");
    assert_eq!((right.slots, right.samples), (2..6, 3));
}
