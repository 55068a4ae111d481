use proptest::prelude::*;

use super::*;

fn yaml(text: &str) -> Result<Vec<TargetGroup>, String> {
    list_from_yaml(text.as_bytes()).map_err(|error| error.to_string())
}

fn json(text: &str) -> Result<Vec<TargetGroup>, String> {
    list_from_json(text.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn yaml_and_json_say_the_same() {
    let groups = yaml("- targets: ['a:1', b:2]\n  labels: {port: 9100, x: y}\n- {}\n");
    let same = json(r#"[{"targets":["a:1","b:2"],"labels":{"port":"9100","x":"y"}},{}]"#);
    assert_eq!(groups, same);
    let groups = groups.expect("valid");
    assert_eq!(groups[0].targets[1][ADDRESS], "b:2");
    assert_eq!(groups[0].labels["port"], "9100");
    assert!(groups[1].targets.is_empty());
}

#[test]
fn nothing_is_an_empty_list() {
    assert_eq!(yaml(""), Ok(Vec::new()));
    assert_eq!(json("null"), Ok(Vec::new()));
    assert_eq!(
        json(r#"[{"targets":null,"labels":null}]"#).map(|g| g.len()),
        Ok(1)
    );
}

#[test]
fn anything_unexpected_refuses_the_whole_text() {
    for (text, expected) in [
        (
            "- targets: [a]\n  label: {}\n",
            "field label not found in type",
        ),
        ("- ~\n", "nil target group item found (index 0)"),
        (
            "- targets: [a]\n  labels: {'': x}\n",
            "is not a valid label name",
        ),
        ("- targets: a\n", "cannot unmarshal !!str `a` into []string"),
        ("targets: [a]\n", "cannot unmarshal !!map"),
        ("- targets: [a\n", "line 2"),
    ] {
        let error = yaml(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    for (text, expected) in [
        (r#"[{"targets":["a"],"label":{}}]"#, "unknown field `label`"),
        ("[null]", "nil target group item found (index 0)"),
        (r#"[{"labels":{"":"x"}}]"#, "is not a valid label name"),
        (r#"[{"labels":{"a":1}}]"#, "invalid type: integer `1`"),
        (r#"{"targets":[]}"#, "a list of target groups"),
        (r#"[{"targets":["a"]}"#, "EOF while parsing"),
        (r#"[] x"#, "trailing characters"),
        ("", "EOF while parsing"),
    ] {
        let error = json(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn too_many_targets_are_refused() {
    let many = |count| vec!["a"; count];
    let most = limits::SD_TARGETS_PER_PROVIDER;
    let text = |count| serde_json::json!([{ "targets": many(count) }]).to_string();
    assert!(json(&text(most)).is_ok());
    assert_eq!(json(&text(most * 2)), Err(GroupError::TooMany.to_string()));
    assert_eq!(yaml(&text(most + 1)), Err(GroupError::TooMany.to_string()));
}

#[test]
fn labels_of_a_group_count_for_each_of_its_targets() {
    let text = |targets: usize, bytes: usize| {
        let labels = serde_json::json!({ "l": "x".repeat(bytes) });
        serde_json::json!([{ "targets": vec!["a"; targets], "labels": labels }]).to_string()
    };
    let refused = GroupError::TooMany.to_string();
    for (targets, bytes, fits) in [(10_000, 100_000, false), (600, 100_000, true)] {
        let text = text(targets, bytes);
        assert_eq!(json(&text).is_ok(), fits);
        assert_eq!(yaml(&text).is_ok(), fits);
        let one = text.trim_matches(['[', ']']).as_bytes();
        assert_eq!(from_json(one).is_ok(), fits);
        assert!(fits || json(&text).expect_err("too much") == refused);
    }
}

#[test]
fn no_more_groups_are_made_than_there_may_be_targets() {
    let text = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    let most = limits::SD_TARGETS_PER_PROVIDER;
    let refused = Err(GroupError::TooMany.to_string());
    let json = |text: &str| json(text).map(|groups| groups.len());
    assert_eq!(json(&text(most)), Ok(most));
    assert_eq!(json(&text(300_000)), refused);
    let yaml = yaml(&text(most + 1)).map(|groups| groups.len());
    assert_eq!(yaml, refused);
    let full = format!("{{\"targets\":[{}]}}", vec!["\"a\""; most].join(","));
    assert_eq!(json(&format!("[{full},{full},null]")), refused);
    assert!(json(&text(most + 1).replace(']', "")).is_err(), "cut short");
}

#[test]
fn bombs_are_refused() {
    let deep = format!("[{{\"targets\":{}", "[".repeat(100_000));
    assert!(json(&deep).is_err());
    assert!(yaml(&deep).is_err());
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let (name, below) = (char::from(b'a' + level), char::from(b'a' + level - 1));
        let aliases = format!("*{below}, ").repeat(9);
        bomb.push_str(&format!("{name}: &{name} [{aliases}*{below}]\n"));
    }
    assert!(yaml(&bomb).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = (list_from_json(&bytes), list_from_yaml(&bytes));
    }

    #[test]
    fn a_text_cut_short_is_never_a_smaller_list(cut in 0usize..70) {
        let text = r#"[{"targets":["a:1","b:2"],"labels":{"x":"y"}},{"targets":["c:3"]}]"#;
        prop_assert!(list_from_json(&text.as_bytes()[..cut.min(text.len() - 1)]).is_err());
    }
}
