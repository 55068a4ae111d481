use std::time::Duration;

use super::*;
use crate::config::yaml::parse;

/// A section as a discovery mechanism would define one.
#[derive(Debug, PartialEq)]
struct Sample {
    url: String,
    refresh: Duration,
    ports: Vec<u64>,
    labels: Vec<(String, String)>,
    ratio: f64,
    on: bool,
}

fn read(at: &Cursor<'_>) -> Decoded<Sample> {
    let mut fields = Fields::new(at, "sample.plain")?;
    let sample = Sample {
        url: fields.string("url").unwrap_or_default(),
        refresh: fields
            .duration("refresh_interval")
            .unwrap_or(Duration::from_secs(60)),
        ports: fields
            .get("ports", |at| at.list("[]uint", Cursor::u64))
            .unwrap_or_default(),
        labels: fields.string_map("labels").unwrap_or_default(),
        ratio: fields.f64("ratio").unwrap_or(0.5),
        on: fields.bool("on").unwrap_or(true),
    };
    if sample.url.is_empty() {
        fields.rule("url", "URL is missing");
    }
    fields.finish()?;
    Ok(sample)
}

fn sample(text: &str) -> Result<Sample, String> {
    let document = parse(text).map_err(|error| error.to_string())?;
    read(&Cursor::new(&document.root, "jobs[0]")).map_err(|problems| problems.to_string())
}

#[test]
fn unwritten_keys_get_defaults_and_null_is_zero() {
    let defaults = sample("url: x").expect("valid");
    assert_eq!(defaults.refresh, Duration::from_secs(60));
    assert!(defaults.on && defaults.ports.is_empty());
    let nulls = sample("url: x\nrefresh_interval:\non: ~\nratio:\nports:\n").expect("valid");
    assert_eq!(nulls.refresh, Duration::ZERO);
    assert!(!nulls.on && nulls.ratio == 0.0);
}

#[test]
fn values_follow_the_words_of_yaml_1_1() {
    let found = sample("url: 5\non: off\nports: [0x50, 9.0]\nratio: 2\nlabels: {a: 1, b: yes}")
        .expect("valid");
    assert_eq!(found.url, "5");
    assert!(!found.on);
    assert_eq!(found.ports, [80, 9]);
    let labels = [("a", "1"), ("b", "yes")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(found.labels, labels);
}

#[test]
fn a_single_broken_rule_stands_on_one_line() {
    assert_eq!(
        sample("url: x\nrefresh_interval: 5x"),
        Err("line 2: jobs[0].refresh_interval: unknown unit \"x\" in duration \"5x\"".to_owned())
    );
    assert_eq!(
        sample("on: yes"),
        Err("line 1: jobs[0]: URL is missing".to_owned())
    );
}

#[test]
fn all_mistakes_of_a_section_are_reported_in_file_order() {
    let text =
        "url: x\non: \"true\"\nports: [1, abc, -1]\nbogus: 1\nurl: y\nlabels: {a: 1, a: 2}\n";
    let expected = [
        "yaml: unmarshal errors:",
        "  line 2: jobs[0].on: cannot unmarshal !!str `true` into bool",
        "  line 3: jobs[0].ports[1]: cannot unmarshal !!str `abc` into uint",
        "  line 3: jobs[0].ports[2]: cannot unmarshal !!int `-1` into uint",
        "  line 4: jobs[0].bogus: field bogus not found in type sample.plain",
        "  line 5: jobs[0].url: field url already set in type sample.plain",
        "  line 6: jobs[0].labels.a: key \"a\" already set in map",
    ];
    assert_eq!(sample(text), Err(expected.join("\n")));
}

#[test]
fn wrong_shapes_are_named_as_go_yaml_names_them() {
    for (text, expected) in [
        ("[1]", "cannot unmarshal !!seq into sample.plain"),
        (
            "a text that is long",
            "cannot unmarshal !!str `a text ...` into sample.plain",
        ),
        ("url: {a: 1}", "cannot unmarshal !!map into string"),
        ("url: x\nports: 5", "cannot unmarshal !!int `5` into []uint"),
        (
            "url: x\nratio: much",
            "cannot unmarshal !!str `much` into float64",
        ),
    ] {
        let error = sample(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_second_reading_of_a_taken_key_finds_it_again() {
    let document = parse("a: 1").expect("valid");
    let mut fields = Fields::new(&Cursor::new(&document.root, ""), "t").expect("mapping");
    assert!(fields.has("a") && !fields.has("b"));
    assert_eq!(fields.u64("a"), Some(1));
    assert_eq!(fields.i64("a"), Some(1));
    assert_eq!(fields.u64("b"), None);
    assert_eq!(fields.finish(), Ok(()));
}
