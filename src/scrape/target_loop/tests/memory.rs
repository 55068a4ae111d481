//! What a target's loop gives up while memory runs short.

use super::*;
use crate::model::pressure::Relief;
use crate::telemetry::registry::Registry;

/// What is shared while measures up to `relief` are in force.
fn short_of(relief: Relief) -> Shared {
    let memory = MemoryBudget::short_of(&Registry::default(), relief);
    Shared { memory, ..shared() }
}

#[test]
fn known_series_go_on_while_there_is_no_memory_for_new_ones() {
    let mut harness = Harness::new(|_| {});
    harness.page("a 1\nb 2\n");
    let list = Arc::clone(harness.target.list());
    harness.target.shared = short_of(Relief::NewSeries);
    let got = harness.page("# TYPE a gauge\na 3\nnew 1\nb 4\nother{x=\"1\"} 5\n");
    let has = |name: &str, value: &str| got.contains(&series(name, value));
    assert!(has("a", "3") && has("b", "4"), "{got:?}");
    assert!(
        !got.iter()
            .any(|line| line.contains("new") || line.contains("other"))
    );
    let memory = harness.target.memory().clone();
    assert_eq!(memory.counted(Relief::NewSeries), 2.0);
    // What goes still gets its marker, and makes room.
    let got = harness.page("a 3\nnew 1\n");
    assert!(got.contains(&series("b", "stale")), "{got:?}");
    assert!(harness.target.list().len() < list.len());
    harness.target.shared = shared();
    let got = harness.page("a 3\nnew 1\n");
    assert!(got.contains(&series("new", "1")), "{got:?}");
}

#[test]
fn a_target_that_was_never_seen_fails_while_there_is_no_memory() {
    let mut harness = Harness::sharing(|_| {}, short_of(Relief::NewSeries));
    let outcome = harness.outcome("a 1\nb 2\n");
    assert_eq!(outcome.error, Some(PageError::Memory));
    assert!(lines(&outcome.blocks).contains(&up(0)));
    assert_eq!(harness.target.memory().counted(Relief::NewSeries), 2.0);
}

#[test]
fn exemplars_are_left_out_while_memory_runs_short() {
    let page = "# TYPE a counter\na_total 1 # {t=\"1\"} 0.5\n# EOF\n";
    for (shared, expected) in [(shared(), 1), (short_of(Relief::Extras), 0)] {
        let mut harness = Harness::sharing(|_| {}, shared);
        let at = harness.time();
        let outcome = harness.target.page(
            at,
            &PageView::as_sent(Format::OpenMetrics, page.as_bytes()),
            Duration::ZERO,
        );
        let side = outcome.blocks[0].side.as_ref();
        assert_eq!(side.map_or(0, |side| side.exemplars.len()), expected);
        let shed = harness.target.memory().counted(Relief::Extras);
        assert_eq!(shed, 1.0 - expected as f64);
    }
}
