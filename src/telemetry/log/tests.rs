use super::*;
use crate::model::time::Wall;

const TIME: Millis = Millis(Wall(1_795_319_602_123));

/// What a call of the log's macros would write.
fn written(format: Format, message: &str, fields: &[(&str, &str)], lost: u64) -> String {
    let args = format_args!("{message}");
    let record = Record::builder()
        .args(args)
        .level(Level::Info)
        .target("narthex::scrape")
        .file(Some("src/scrape/pool.rs"))
        .line(Some(7))
        .key_values(&fields)
        .build();
    line(format, TIME, &record, lost)
}

#[test]
fn logfmt_lines_read_like_those_of_prometheus() {
    let fields = [("component", "file discovery"), ("file", "/etc/a.yml")];
    assert_eq!(
        written(Format::Logfmt, "cannot read", &fields, 0),
        "time=2026-11-22T03:53:22.123Z level=INFO source=pool.rs:7 msg=\"cannot read\" \
         component=\"file discovery\" file=/etc/a.yml\n"
    );
}

#[test]
fn json_lines_are_json_with_the_same_fields() {
    let text = written(Format::Json, "a \"b\"", &[("path", "c:\\d\u{1}")], 3);
    let value: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(value["time"], "2026-11-22T03:53:22.123Z");
    assert_eq!(value["msg"], "a \"b\"");
    assert_eq!(value["path"], "c:\\d\u{1}");
    assert_eq!(value["log_lines_lost"], "3");
}

#[test]
fn control_characters_cannot_forge_a_line() {
    let hostile = "x\nlevel=ERROR msg=\u{1b}[2Jgone\u{202e}";
    for format in [Format::Logfmt, Format::Json] {
        let text = written(format, "m", &[("peer", hostile)], 0);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        assert!(text.contains("\\n") && text.contains("\\u001b") && text.contains("\\u202e"));
    }
}

#[test]
fn lines_are_bounded_and_stay_well_formed() {
    let long = "\u{1}".repeat(10_000);
    for format in [Format::Logfmt, Format::Json] {
        let text = written(format, &long, &[("more", &long), ("end", "1")], 0);
        assert!(text.len() <= limits::LOG_LINE_BYTES_MAX, "{}", text.len());
        assert!(text.ends_with(if format == Format::Json {
            "}\n"
        } else {
            "\"\n"
        }));
    }
    let json = written(Format::Json, &long, &[], 0);
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

#[test]
fn other_crates_are_heard_from_warnings_upward() {
    let logger = Logger {
        level: LevelFilter::Debug,
        format: Format::Logfmt,
        clock: Arc::new(crate::sys::clock::ManualClock::default()),
        lost: AtomicU64::new(0),
    };
    let heard = |target: &str, level| {
        logger.enabled(&Metadata::builder().target(target).level(level).build())
    };
    assert!(heard("narthex::wal", Level::Debug));
    assert!(!heard("ureq", Level::Info) && heard("rustls", Level::Warn));
}

#[test]
fn a_stuck_reader_costs_lines_but_never_blocks() {
    use std::io::{Read, Write};
    let (mut reader, mut writer) = std::io::pipe().expect("pipe");
    // What a pipe of Linux holds.
    writer.write_all(&[b'x'; 65_536]).expect("fill");
    assert!(!write_out(&mut writer, b"lost\n", 0));
    reader.read_exact(&mut [0; 8192]).expect("read");
    assert!(write_out(&mut writer, b"kept\n", 0));
    drop(reader);
    assert!(write_out(&mut writer, b"nobody\n", 0));
}
