//! What a request may cost.

use super::*;
use crate::model::pressure::Relief;

const METADATA: &str = "/api/v1/targets/metadata";

#[test]
fn selectors_of_many_or_large_expressions_are_refused() {
    let web = web("", false, false);
    let matcher = r"a=~%60\w{40}%60";
    let ask = |selector: &str| {
        let path = format!("{METADATA}?match_target=%7B{selector}%7D");
        web.status("GET", &path, "")
    };
    let (status, body) = ask(&vec![matcher; 400].join(","));
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("more than 16 matchers"), "{body}");
    // Few, but together larger than what a selector may have.
    let (status, body) = ask(&[r"a=~%60\w{90}%60"; 16].join(","));
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("exceeds size limit"), "{body}");
    let (status, body) = ask(r"job=~%60\w{1,9}%60");
    assert!(status == 200 && body.contains("x_total"), "{body}");
}

#[test]
fn help_is_cut_in_answers() {
    let web = web("", false, true);
    for path in [METADATA, "/api/v1/metadata"] {
        let data = web.data(path);
        assert_eq!(
            data.matches("\\u003cscript").count(),
            20 + 20 * usize::from(path == METADATA)
        );
        assert!(
            data.len() < 20 * 7 * limits::WEB_HELP_BYTES_MAX,
            "{}",
            data.len()
        );
    }
}

#[test]
fn answers_beyond_what_memory_allows_are_refused_and_probes_are_answered() {
    let registry = Registry::default();
    // Answers may have a sixteenth: 1 MiB.
    let memory = MemoryBudget::new(&registry, Some(16 << 20), || 0);
    let web = web_with("", false, true, memory);
    let (status, body) = web.status("GET", METADATA, "");
    assert_eq!(status, 503);
    assert!(body.contains("answer of more than 1048576 bytes"), "{body}");
    assert_eq!(web.status("GET", "/-/healthy", "").0, 200);
    assert_eq!(web.status("GET", "/api/v1/targets", "").0, 200);
}

#[test]
fn short_memory_leaves_room_for_small_answers_only() {
    let memory = MemoryBudget::short_of(&Registry::default(), Relief::Visitors);
    let web = web_with("", false, true, memory);
    assert_eq!(web.status("GET", METADATA, "").0, 503);
    assert_eq!(web.status("GET", "/metrics", "").0, 200);
}
