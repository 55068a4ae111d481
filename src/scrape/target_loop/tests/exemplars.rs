//! Exemplars of a target from page to page.

use super::*;

impl Harness {
    fn open_metrics(&mut self, page: &str) -> Outcome {
        let at = self.time();
        let page = format!("{page}# EOF\n");
        self.target.page(
            at,
            &PageView::as_sent(Format::OpenMetrics, page.as_bytes()),
            Duration::from_millis(5),
        )
    }
}

/// Values of the exemplars that a page brought, in order.
fn taken(outcome: &Outcome) -> Vec<f64> {
    let sides = outcome
        .blocks
        .iter()
        .filter_map(|block| block.side.as_ref());
    let exemplars = sides.flat_map(|side| side.exemplars.iter());
    exemplars.map(|(_, exemplar)| exemplar.value).collect()
}

#[test]
fn an_exemplar_that_pages_go_on_showing_is_taken_once() {
    let mut harness = Harness::new(|_| {});
    let first = "a_total 1 # {t=\"x\"} 0.5\nb_total 1 # {t=\"x\"} 0.25 3.5\n";
    assert_eq!(taken(&harness.open_metrics(first)), [0.5, 0.25]);
    let outcome = harness.open_metrics(first);
    assert!(outcome.blocks[0].side.is_none(), "nothing beside values");
    // A page of another shape, a failed scrape and a page that is refused change nothing.
    let longer = format!("{first}c_total 1\n");
    assert_eq!(taken(&harness.open_metrics(&longer)), [0.0; 0]);
    harness.failed();
    let refused = "a_total 2 # {t=\"z\"} 9\n\n";
    assert!(harness.open_metrics(refused).error.is_some());
    let newer = "a_total 2 # {t=\"y\"} 0.5\nb_total 1 # {t=\"x\"} 0.25 3.5\n";
    assert_eq!(taken(&harness.open_metrics(newer)), [0.5]);
}

#[test]
fn a_series_that_comes_back_brings_its_exemplar_again() {
    let mut harness = Harness::new(|_| {});
    let page = "a_total 1 # {t=\"x\"} 0.5\n";
    assert_eq!(taken(&harness.open_metrics(page)), [0.5]);
    harness.open_metrics("");
    assert_eq!(taken(&harness.open_metrics(page)), [0.5]);
}

#[test]
fn exemplars_with_too_long_labels_are_counted_once() {
    let mut harness = Harness::new(|_| {});
    let long = "x".repeat(128);
    let page = format!("a_total 1 # {{t=\"{long}\"}} 0.5\n");
    let counted = |outcome: &Outcome| outcome.counts.exemplars_rejected;
    let outcome = harness.open_metrics(&page);
    assert_eq!((taken(&outcome), counted(&outcome)), (vec![], 1));
    assert_eq!(counted(&harness.open_metrics(&page)), 0);
}

#[test]
fn an_exemplar_without_a_time_has_that_of_its_sample() {
    let mut harness = Harness::new(|_| {});
    let outcome = harness.open_metrics("a_total 1 7.5 # {t=\"x\"} 0.5\n");
    let side = outcome.blocks[0].side.as_ref().expect("an exemplar");
    assert_eq!(side.exemplars[0].1.timestamp_ms, Some(7500));
}
