//! Random pages, each a change of the one before, with failures and changes of the job between them,
//! against a model: what is delivered, what is refused as a duplicate, and which series get markers.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use proptest::prelude::*;

use super::*;

/// A row: few enough names that series come back.
#[derive(Clone, Copy, Debug)]
struct Row {
    family: u8,
    label: u8,
    value: u16,
    /// Another text of the same series.
    comma: bool,
}

/// What becomes of some rows of a page.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Insert(usize, Row),
    Remove(usize, usize),
    Respell(usize),
    Move(usize, usize, usize),
    Repeat(usize, usize, usize),
}

fn row() -> impl Strategy<Value = Row> {
    (0u8..6, 0u8..40, 0u16..500).prop_map(|(family, label, value)| Row {
        family,
        label,
        value,
        comma: false,
    })
}

fn edit() -> impl Strategy<Value = Edit> {
    let (at, len) = (0usize..100, 1usize..30);
    prop_oneof![
        4 => (at.clone(), row()).prop_map(|(at, row)| Edit::Insert(at, row)),
        4 => (at.clone(), 1usize..4).prop_map(|(at, len)| Edit::Remove(at, len)),
        2 => at.clone().prop_map(Edit::Respell),
        2 => (at.clone(), len.clone(), at.clone())
            .prop_map(|(from, len, to)| Edit::Move(from, len, to)),
        1 => (at.clone(), len, at).prop_map(|(from, len, to)| Edit::Repeat(from, len, to)),
    ]
}

fn edited(page: &mut Vec<Row>, edit: Edit) {
    let within = |page: &[Row], from: usize, len: usize| {
        let from = from.min(page.len());
        from..(from + len).min(page.len())
    };
    match edit {
        Edit::Insert(at, row) => page.insert(at.min(page.len()), row),
        Edit::Remove(from, len) => {
            page.drain(within(page, from, len));
        }
        Edit::Respell(at) => {
            if let Some(row) = page.get_mut(at) {
                row.comma = !row.comma;
            }
        }
        Edit::Move(from, len, to) => {
            let rows: Vec<Row> = page.drain(within(page, from, len)).collect();
            let to = to.min(page.len());
            page.splice(to..to, rows);
        }
        Edit::Repeat(from, len, to) => {
            let rows = page[within(page, from, len)].to_vec();
            let to = to.min(page.len());
            page.splice(to..to, rows);
        }
    }
}

/// Pages of which the first shows no series twice, if it is `distinct`.
fn pages() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let first = prop::collection::vec(row(), 0..100);
    let edits = prop::collection::vec(prop::collection::vec(edit(), 0..4), 1..8);
    (first, any::<(bool, bool)>(), edits).prop_map(|(mut page, (distinct, sorted), rest)| {
        if sorted {
            page.sort_by_key(|row| (row.family, row.label));
        }
        if distinct {
            let mut known = Vec::new();
            page.retain(|row| {
                let fresh = !known.contains(&(row.family, row.label));
                known.push((row.family, row.label));
                fresh
            });
        }
        let mut pages = vec![page.clone()];
        for edits in rest {
            edits.into_iter().for_each(|edit| edited(&mut page, edit));
            pages.push(page.clone());
        }
        pages
    })
}

fn text(page: &[Row]) -> String {
    let mut text = String::new();
    let mut last = None;
    for Row {
        family,
        label,
        value,
        comma,
    } in page
    {
        if last != Some(family) {
            text.push_str(&format!("# TYPE f{family} gauge\n"));
            last = Some(family);
        }
        let comma = if *comma { "," } else { "" };
        text.push_str(&format!("f{family}{{l=\"{label}\"{comma}}} {value}\n"));
    }
    text
}

/// What comes before a page.
#[derive(Clone, Copy, Debug)]
enum Incident {
    Nothing,
    /// A scrape fails.
    Failure,
    /// The job is changed: whether its rules add a label, and whether it has more report series.
    Job(bool, bool),
}

fn incident() -> impl Strategy<Value = Incident> {
    prop_oneof![
        6 => Just(Incident::Nothing),
        1 => Just(Incident::Failure),
        2 => any::<(bool, bool)>().prop_map(|(ruled, extra)| Incident::Job(ruled, extra)),
    ]
}

/// A series: family, label, and whether the rules added one.
type Key = (u8, u8, bool);

fn line((family, label, ruled): &Key, value: &str) -> String {
    let rule = if *ruled { ", r=\"1\"" } else { "" };
    format!("{{__name__=\"f{family}\", l=\"{label}\"{rule}}} {value}")
}

fn configured(ruled: bool, extra: bool) -> Arc<ScrapeConfig> {
    let mut config = job("j");
    config.extra_scrape_metrics = extra;
    if ruled {
        config.metric_relabel_configs = vec![Rule {
            action: Action::Replace,
            source_labels: vec!["__name__".to_owned()],
            separator: ";".to_owned(),
            regex: crate::relabel::regex::compile(".*").expect("regex"),
            modulus: 0,
            target_label: "r".to_owned(),
            replacement: "1".to_owned(),
            scheme: NameScheme::Utf8,
        }];
    }
    Arc::new(config)
}

/// Every slot has a value, and a family has its own series alone.
fn assert_aligned(blocks: &[ScrapeBlock]) {
    for block in blocks {
        assert_eq!(block.series.len(), block.values.len());
        for (chunk, index) in block.series.iter() {
            let name = chunk
                .own_labels(index)
                .find(|(name, _)| *name == "__name__");
            let family = chunk.family().map(|family| family.name());
            // The synthetic series are one family.
            if let Some(family) = family.filter(|family| *family != "scrape") {
                assert_eq!(name.map(|(_, value)| value), Some(family));
            }
        }
    }
}

proptest! {
    #[test]
    fn blocks_hold_what_the_pages_say_and_markers_what_vanished(
        pages in pages(),
        incidents in prop::collection::vec((incident(), incident()), 10),
    ) {
        let mut harness = Harness::new(|_| {});
        let mut before: BTreeMap<Key, u16> = BTreeMap::new();
        let mut ruled = false;
        for (page, (one, two)) in pages.iter().zip(incidents) {
            for incident in [one, two] {
                match incident {
                    Incident::Nothing => {}
                    Incident::Failure => {
                        let at = harness.time();
                        let blocks = harness.target.failed(at, Duration::from_millis(5), Some(0));
                        assert_aligned(&blocks);
                        let mut expected: Vec<_> =
                            before.keys().map(|key| line(key, "stale")).collect();
                        expected.push(up(0));
                        expected.sort();
                        prop_assert_eq!(lines(&blocks), expected);
                        before.clear();
                    }
                    Incident::Job(rules, extra) => {
                        ruled = rules;
                        harness.target.reconfigure(configured(rules, extra), Duration::from_secs(9));
                    }
                }
            }
            let mut now = BTreeMap::new();
            let mut repeated = 0;
            for Row { family, label, value, .. } in page {
                match now.entry((*family, *label, ruled)) {
                    Entry::Vacant(free) => {
                        free.insert(*value);
                    }
                    Entry::Occupied(_) => repeated += 1,
                }
            }
            let outcome = harness.outcome(&text(page));
            prop_assert_eq!(outcome.counts.duplicate, repeated);
            let mut expected: Vec<String> =
                now.iter().map(|(key, value)| line(key, &value.to_string())).collect();
            let gone = before.keys().filter(|key| !now.contains_key(*key));
            expected.extend(gone.map(|key| line(key, "stale")));
            expected.push(up(1));
            expected.sort();
            prop_assert_eq!(lines(&outcome.blocks), expected);
            assert_aligned(&outcome.blocks);
            before = now;
        }
    }
}
