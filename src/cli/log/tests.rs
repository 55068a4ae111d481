use std::path::Path;

use super::*;

/// Exit status, output, complaints.
fn run(arguments: &[&str]) -> (u8, String, String) {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = main(
        &arguments,
        &mut Terminal {
            out: &mut out,
            err: &mut err,
        },
    );
    let text = |bytes| String::from_utf8(bytes).expect("utf-8");
    (status.code(), text(out), text(err))
}

fn recorded(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/data/log/v1")
        .join(name)
        .display()
        .to_string()
}

#[test]
fn a_wrong_command_line_ends_with_2_and_says_where_help_is() {
    for (arguments, part) in [
        (&[][..], "expected command"),
        (&["nosuch"][..], "\"nosuch\""),
        (&["inspect"][..], "'folder' not provided"),
        (&["dump", "--from=x", "a"][..], "\"x\""),
        (&["dump", "--json", "a"][..], "--json"),
        (&["verify", "a", "b"][..], "\"b\""),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &*out), (2, ""), "{arguments:?}");
        assert!(err.contains(part), "{arguments:?}: {err}");
        assert!(err.ends_with("Try 'narthex log --help'.\n"), "{err}");
    }
    for arguments in [&["--help"][..], &["dump", "-h"][..]] {
        let (code, out, _) = run(arguments);
        assert_eq!(code, 0);
        assert!(out.starts_with("usage: narthex log inspect"), "{out}");
    }
}

#[test]
fn a_folder_without_a_log_ends_with_2_and_says_what_was_expected() {
    let empty = tempfile::tempdir().expect("a scratch folder");
    let path = empty.path().display().to_string();
    for command in ["inspect", "verify", "dump"] {
        let (code, out, err) = run(&[command, &path]);
        assert_eq!((code, &*out), (2, ""));
        assert!(
            err.contains(&path) && err.contains("--storage.agent.path"),
            "{err}"
        );
        let (code, _, err) = run(&[command, "no/such/folder"]);
        assert_eq!(code, 2);
        assert!(err.contains("no/such/folder: No such file"), "{err}");
    }
}

#[test]
fn a_sound_log_gives_0_and_a_damaged_one_1() {
    let (code, out, err) = run(&["verify", &recorded("whole")]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert!(out.contains(": sound: "), "{out}");
    let (code, out, _) = run(&["verify", &recorded("flipped")]);
    assert_eq!(code, 1, "{out}");
    let (code, out, _) = run(&["verify", "--json", &recorded("flipped")]);
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, 1);
    assert!(report["damages"][0]["offset"].is_u64(), "{out}");
}

#[test]
fn all_three_ways_to_name_the_folder_lead_to_the_same_log() {
    let texts = ["whole", "whole/narthex", "whole/narthex/segments"].map(|name| {
        let (code, out, err) = run(&["inspect", "--json", &recorded(name)]);
        assert_eq!((code, &*err), (0, ""));
        let survey: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(survey["queues"].as_array().map(Vec::len), Some(2), "{out}");
        (survey["segments"].to_string(), survey["queues"].to_string())
    });
    assert!(texts.iter().all(|text| *text == texts[0]), "{texts:#?}");
}

/// Takes so many bytes, then fails.
struct Full(usize, io::ErrorKind);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            Err(self.1.into())
        } else {
            Ok(taken)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let arguments = ["dump".into(), recorded("whole").into()];
    for (kind, code) in [
        (io::ErrorKind::BrokenPipe, 0),
        (io::ErrorKind::StorageFull, 1),
    ] {
        let (mut out, mut err) = (Full(100, kind), Vec::new());
        let mut terminal = Terminal {
            out: &mut out,
            err: &mut err,
        };
        assert_eq!(main(&arguments, &mut terminal).code(), code);
        let err = String::from_utf8(err).expect("utf-8");
        assert_eq!(err.is_empty(), code == 0, "{err}");
    }
}
