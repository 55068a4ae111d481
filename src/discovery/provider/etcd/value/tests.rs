use proptest::prelude::*;

use super::*;

fn read(format: Format, key: &str, value: &str) -> Entry {
    entry(format, "/t/", key, value.as_bytes())
}

fn found(format: Format, key: &str, value: &str) -> Vec<LabelMap> {
    match read(format, key, value) {
        Entry::Targets(_, targets) => targets,
        Entry::Broken(reason) => panic!("{value}: {reason}"),
    }
}

fn broken(format: Format, key: &str, value: &str) -> String {
    match read(format, key, value) {
        Entry::Broken(reason) => reason,
        Entry::Targets(_, targets) => panic!("{value}: {targets:?}"),
    }
}

fn labels(pairs: &[(&str, &str)]) -> LabelMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn every_target_knows_its_key() {
    let Entry::Targets(shared, targets) = read(Format::Auto, "/t/web/1", " a:1 \n") else {
        panic!("broken");
    };
    let expected = [
        ("__meta_etcd_key", "/t/web/1"),
        ("__meta_etcd_name", "web/1"),
        ("__meta_etcd_prefix", "/t/"),
    ];
    assert_eq!(shared, labels(&expected));
    assert_eq!(targets, [labels(&[("__address__", "a:1")])]);
    let lie = r#"{"address":"a:1","labels":{"__meta_etcd_key":"/x","k":"v"}}"#;
    let expected = labels(&[("__address__", "a:1"), ("k", "v")]);
    assert_eq!(found(Format::Auto, "/t/a", lie), [expected]);
}

#[test]
fn json_is_one_target_a_group_or_a_list_of_groups() {
    let group = r#"{"targets":["a:1","b:2"],"labels":{"k":"v"}}"#;
    let one = labels(&[("__address__", "a:1"), ("k", "v")]);
    let two = labels(&[("__address__", "b:2"), ("k", "v")]);
    for format in [Format::Auto, Format::Json] {
        assert_eq!(found(format, "/t/a", group), [one.clone(), two.clone()]);
        let list = format!("[{group},{{\"targets\":[\"c:3\"]}}]");
        let three = labels(&[("__address__", "c:3")]);
        assert_eq!(
            found(format, "/t/a", &list),
            [one.clone(), two.clone(), three]
        );
        let single = r#"{"address":"a:1","labels":{"k":"v"}}"#;
        assert_eq!(found(format, "/t/a", single), std::slice::from_ref(&one));
    }
    assert_eq!(found(Format::Auto, "/t/a", "[]"), []);
    let address = r#"{"address":"a:1","labels":{"__address__":"b:2"}}"#;
    assert_eq!(
        found(Format::Json, "/t/a", address),
        [labels(&[("__address__", "a:1")])]
    );
}

#[test]
fn skydns_names_are_read_from_the_back() {
    let key = "/skydns/local/skydns/east/rails/x1";
    let value = r#"{"host":"192.0.2.1","port":8080,"priority":10,"weight":5,"ttl":60,"text":"t","group":"g","targetstrip":1}"#;
    let expected = labels(&[
        ("__address__", "192.0.2.1:8080"),
        ("__meta_etcd_skydns_group", "g"),
        ("__meta_etcd_skydns_host", "192.0.2.1"),
        ("__meta_etcd_skydns_name", "x1.rails.east.skydns.local"),
        ("__meta_etcd_skydns_port", "8080"),
        ("__meta_etcd_skydns_priority", "10"),
        ("__meta_etcd_skydns_text", "t"),
        ("__meta_etcd_skydns_ttl", "60"),
        ("__meta_etcd_skydns_weight", "5"),
    ]);
    for format in [Format::Auto, Format::Skydns] {
        assert_eq!(found(format, key, value), std::slice::from_ref(&expected));
    }
    for (value, address) in [
        (r#"{"host":"a.test"}"#, "a.test"),
        (r#"{"host":"a.test","port":0}"#, "a.test"),
        (r#"{"host":"::1","port":1}"#, "[::1]:1"),
    ] {
        assert_eq!(found(Format::Skydns, key, value)[0]["__address__"], address);
    }
}

#[test]
fn values_that_are_no_targets_are_told() {
    for (format, value, expected) in [
        (Format::Auto, "", "value is empty"),
        (Format::Auto, "two words", "neither an address nor JSON"),
        (
            Format::Address,
            "{\"address\": \"a:1\"}",
            "neither an address nor JSON",
        ),
        (Format::Auto, "{", "EOF"),
        (Format::Auto, "[{", "EOF"),
        (
            Format::Auto,
            r#"{"targets":["a"],"x":1}"#,
            "unknown field `x`",
        ),
        (
            Format::Auto,
            r#"{"address":"a","x":1}"#,
            "unknown field `x`",
        ),
        (
            Format::Auto,
            r#"{"address":"a","labels":{"":"v"}}"#,
            "not a valid label name",
        ),
        (Format::Json, "a:1", "expected value"),
        (Format::Skydns, r#"{"port":1}"#, "record has no host"),
        (
            Format::Skydns,
            r#"{"host":"a","port":70000}"#,
            "expected u16",
        ),
    ] {
        let reason = broken(format, "/t/a", value);
        assert!(reason.contains(expected), "{value}: {reason}");
    }
    let reason = broken(Format::Skydns, "/a", r#"{"host":"a"}"#);
    assert!(reason.contains("no domain name"), "{reason}");
    let long = "x".repeat(5000);
    let reason = broken(
        Format::Json,
        "/t/a",
        &format!("{{\"address\":\"a\",\"{long}\":1}}"),
    );
    assert!(reason.len() <= limits::STORE_QUOTE_CHARS);
    let not_text = entry(Format::Auto, "/t/", "/t/a", &[0xff]);
    assert_eq!(not_text, Entry::Broken("value is not UTF-8".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_is_read_or_broken(
        value in prop::collection::vec(any::<u8>(), 0..100),
        key in ".{0,30}",
        number in 0..4usize,
    ) {
        let formats = [Format::Auto, Format::Address, Format::Json, Format::Skydns];
        if let Entry::Targets(_, targets) = entry(formats[number], "/t/", &key, &value) {
            prop_assert!(targets.iter().all(|target| target.contains_key(ADDRESS)));
        }
    }
}
