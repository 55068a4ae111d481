use super::*;

fn reflector() -> Reflector {
    Reflector::new(Jitter::seeded(1))
}

/// One that watches from that version.
fn watching(version: &str) -> (Reflector, Duration) {
    let mut one = reflector();
    assert!(one.page_ended(version, ""));
    let time = watch(&mut one, version);
    (one, time)
}

fn list(one: &mut Reflector, expected: &str) {
    match one.ask() {
        Ask::List { query, first } => {
            assert_eq!(query, expected);
            assert_eq!(first, !expected.contains("continue"));
        }
        watch => panic!("{watch:?}"),
    }
}

fn watch(one: &mut Reflector, version: &str) -> Duration {
    match one.ask() {
        Ask::Watch { query, time } => {
            let begin = format!(
                "watch=true&allowWatchBookmarks=true&resourceVersion={version}&timeoutSeconds="
            );
            assert_eq!(query, format!("{begin}{}", time.as_secs()));
            assert!(
                (limits::K8S_WATCH..limits::K8S_WATCH * 2).contains(&time),
                "{time:?}"
            );
            time
        }
        list => panic!("{list:?}"),
    }
}

const OTHER: Failure = Failure::Other(None);

#[test]
fn pages_follow_one_another_and_then_a_watch() {
    let mut one = reflector();
    list(&mut one, "limit=500");
    assert!(!one.page_ended("7", "a/b="));
    list(&mut one, "limit=500&continue=a%2Fb%3D");
    assert!(one.page_ended("7", ""));
    watch(&mut one, "7");
}

#[test]
fn a_watch_goes_on_from_its_last_event_or_bookmark() {
    let (mut one, time) = watching("7");
    one.event("9");
    one.event("");
    let verdict = one.watch_ended(&Ended::After(Duration::from_secs(1)), time);
    assert!(!verdict.failed && verdict.pause < Duration::from_secs(2));
    watch(&mut one, "9");
}

#[test]
fn a_version_that_expired_leads_to_a_list_at_once_but_not_in_a_loop() {
    let (mut one, time) = watching("7");
    let verdict = one.watch_ended(&Ended::Badly(Failure::Expired), time);
    assert_eq!(verdict, Verdict::GO_ON);
    list(&mut one, "limit=500");
    one.page_ended("8", "");
    watch(&mut one, "8");
    let verdict = one.watch_ended(&Ended::Badly(Failure::Expired), time);
    assert!(verdict.failed && !verdict.pause.is_zero());
    list(&mut one, "limit=500");
}

#[test]
fn a_token_that_expired_leads_to_a_list_of_one_page() {
    let mut one = reflector();
    one.page_ended("7", "token");
    assert_eq!(one.page_failed(&Failure::Expired), Verdict::GO_ON);
    list(&mut one, "");
    // A server that pages although it was not asked to does not lead us into a loop.
    assert!(one.page_ended("8", "surprise"));
    watch(&mut one, "8");
    one.watch_ended(&Ended::Badly(Failure::Expired), Duration::ZERO);
    list(&mut one, "limit=500");
    // What cannot expire, and is said to have, is a failure.
    assert!(one.page_failed(&Failure::Expired).failed);
}

#[test]
fn a_failed_page_begins_the_list_anew_after_a_pause() {
    let mut one = reflector();
    one.page_ended("7", "token");
    assert!(one.page_failed(&OTHER).failed);
    list(&mut one, "limit=500");
}

#[test]
fn a_watch_that_lasted_its_time_in_silence_is_not_believed() {
    let (mut one, time) = watching("99999");
    let verdict = one.watch_ended(&Ended::After(time), time);
    assert!(!verdict.failed);
    list(&mut one, "limit=500");
}

#[test]
fn watches_that_are_cut_off_go_on_but_not_for_ever() {
    let (mut one, time) = watching("7");
    let cut = Ended::After(Duration::from_secs(1));
    for _ in 1..limits::K8S_FRUITLESS_WATCHES {
        assert!(!one.watch_ended(&cut, time).failed);
        watch(&mut one, "7");
    }
    one.watch_ended(&cut, time);
    list(&mut one, "limit=500");
    // News in between count the watches from one again.
    let (mut one, time) = watching("7");
    for _ in 0..10 {
        one.watch_ended(&cut, time);
        watch(&mut one, "7");
        one.event("7");
        one.watch_ended(&cut, time);
        watch(&mut one, "7");
    }
}

#[test]
fn a_watch_that_cannot_be_opened_is_tried_again_where_it_was() {
    let (mut one, time) = watching("7");
    let ended = Ended::Badly(OTHER);
    assert!(one.watch_ended(&ended, time).failed);
    watch(&mut one, "7");
}

#[test]
fn pauses_double_up_to_a_bound_are_spread_and_heed_the_server() {
    let mut one = reflector();
    let mut pauses = Vec::new();
    for _ in 0..20 {
        pauses.push(one.page_failed(&OTHER).pause);
    }
    let plain = [1, 2, 4, 8, 16, 32].map(Duration::from_secs);
    for (pause, plain) in pauses.iter().zip(plain) {
        assert!(
            (plain / 2..=plain * 3 / 2).contains(pause),
            "{pause:?} {plain:?}"
        );
    }
    assert!(pauses.iter().all(|pause| *pause <= limits::K8S_BACKOFF_MAX));
    assert!(
        pauses[10..].iter().any(|pause| *pause != pauses[10]),
        "spread"
    );
    let mut one = reflector();
    let wait = |seconds| Failure::Other(Some(Duration::from_secs(seconds)));
    assert_eq!(one.page_failed(&wait(17)).pause, Duration::from_secs(17));
    assert_eq!(
        one.page_failed(&wait(100_000)).pause,
        limits::K8S_BACKOFF_MAX
    );
    one.page_ended("1", "");
    let time = watch(&mut one, "1");
    let first = one.watch_ended(&Ended::Badly(OTHER), time).pause;
    assert!(first < Duration::from_secs(2), "a success begins anew");
}

#[test]
fn giving_up_leads_to_a_list_after_a_pause() {
    let (mut one, _) = watching("7");
    assert!(one.give_up().failed);
    list(&mut one, "limit=500");
}
