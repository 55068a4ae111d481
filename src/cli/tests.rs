use super::*;
use crate::telemetry::log::Format;
use std::time::Duration;

/// What a command line leads to: the options of a run, or a status with what was written.
fn run(arguments: &[&str]) -> Result<RunOptions, (u8, String, String)> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        out: &mut out,
        err: &mut err,
    };
    match dispatch(&arguments, &mut terminal) {
        Next::Run(options) => Ok(*options),
        Next::Exit(status) => {
            let text = |bytes| String::from_utf8(bytes).expect("utf-8");
            Err((status.code(), text(out), text(err)))
        }
    }
}

fn options(arguments: &[&str]) -> RunOptions {
    run(arguments).expect("options")
}

/// The error of a wrong command line, which ends with status 2.
fn error(arguments: &[&str]) -> String {
    let (code, out, err) = run(arguments).expect_err("an error");
    assert_eq!((code, &*out), (2, ""), "{err}");
    let error = err.strip_prefix("Error parsing command line arguments: ");
    let error = error.and_then(|text| text.strip_suffix("\nTry 'narthex --help'.\n"));
    error.unwrap_or(&err).to_owned()
}

#[test]
fn without_flags_the_defaults_hold() {
    let options = options(&[]);
    assert_eq!(options.config_file.as_os_str(), "prometheus.yml");
    assert_eq!(options.storage.path.as_os_str(), "data-agent/");
    assert_eq!(options.storage.bytes_max, 512 << 20);
    assert_eq!(options.storage.sync_interval, Duration::from_secs(10));
    assert_eq!(options.listen_addresses, ["127.0.0.1:9090"]);
    assert_eq!(options.flush_deadline, Duration::from_secs(60));
    assert_eq!(options.auto_reload, None);
    assert_eq!(options.web.clients_max, crate::limits::WEB_CLIENTS_MAX);
    assert_eq!(
        options.scrape.timestamp_tolerance,
        Some(Duration::from_millis(2))
    );
    assert!(!options.web.enable_lifecycle);
    assert!(options.notices.is_empty());
}

#[test]
fn flags_are_read_in_every_form_that_prometheus_reads() {
    let options = options(&[
        "--agent",
        "--config.file=a.yml",
        "--storage.agent.path",
        "/data",
        "--web.enable-lifecycle",
        "--no-scrape.adjust-timestamps",
        "--web.listen-address=0.0.0.0:1",
        "--web.listen-address",
        "[::1]:2",
        "--web.external-url=https://x.example/edge",
        "--enable-feature=agent,extra-scrape-metrics",
        "--enable-feature=type-and-unit-labels",
        "--config.auto-reload",
        "--config.auto-reload-interval=10ms",
        "--storage.agent.no-lockfile",
        "--log.level=debug",
        "--log.format=json",
    ]);
    assert_eq!(options.config_file.as_os_str(), "a.yml");
    assert!(options.features.extra_scrape_metrics && !options.features.start_timestamps);
    assert_eq!(options.storage.path.as_os_str(), "/data");
    assert_eq!(options.listen_addresses, ["0.0.0.0:1", "[::1]:2"]);
    assert_eq!(options.web.route_prefix, "/edge");
    assert_eq!(options.auto_reload, Some(Duration::from_secs(1)));
    assert_eq!(options.scrape.timestamp_tolerance, None);
    assert_eq!(options.notices.len(), 2, "{:?}", options.notices);
    assert!(options.web.enable_lifecycle);
    assert_eq!(options.log_level, ::log::LevelFilter::Debug);
    assert_eq!(options.log_format, Format::Json);
    let flag = |name: &str| {
        let mut flags = options.web.flags.iter();
        flags.find_map(|(own, value)| (own == name).then_some(value.as_str()))
    };
    assert_eq!(flag("web.listen-address"), Some("0.0.0.0:1,[::1]:2"));
    assert_eq!(flag("storage.remote.flush-deadline"), Some("1m"));
    assert!(options.web.flags.is_sorted() && flag("storage.tsdb.path").is_none());
}

#[test]
fn an_age_of_zero_is_no_limit() {
    assert_eq!(options(&[]).storage.age_max, None);
    let limited = options(&["--storage.agent.retention.max-time=36h"]);
    let day_and_a_half = std::time::Duration::from_secs(36 * 3600);
    assert_eq!(limited.storage.age_max, Some(day_and_a_half));
}

#[test]
fn flags_without_effect_are_accepted_and_noted() {
    let options = options(&[
        "--storage.agent.retention.min-time=4h",
        "--no-auto-gomaxprocs",
        "--enable-feature=otlp-deltatocumulative",
        "--web.config.file=",
    ]);
    assert_eq!(
        options.notices,
        [
            "--storage.agent.retention.min-time has no effect: samples are kept until they are delivered or --storage.agent.max-bytes is full",
            "--auto-gomaxprocs has no effect: narthex has no Go runtime",
            "--enable-feature=otlp-deltatocumulative has no effect",
        ]
    );
}

#[test]
fn flags_of_a_server_end_with_status_three_and_their_list() {
    let answer = run(&[
        "--storage.tsdb.path=x",
        "--agent",
        "--rules.alert.resend-delay",
        "1m",
    ]);
    let text = "The following flag(s) can not be used in agent mode: \
                [\"--storage.tsdb.path\" \"--rules.alert.resend-delay\"]\n";
    assert_eq!(
        answer.expect_err("refused"),
        (3, String::new(), text.to_owned())
    );
}

#[test]
fn wrong_command_lines_end_with_status_two_and_a_hint() {
    for (arguments, text) in [
        (
            &["--config.fil=x"][..],
            "unknown long flag '--config.fil', did you mean '--config.file'?",
        ),
        (&["--nope"], "unknown long flag '--nope'"),
        (&["-x"], "unknown short flag '-x'"),
        (&["foo"], "unexpected foo"),
        (
            &["--config.file"],
            "expected argument for flag '--config.file'",
        ),
        (
            &["--config.file", "--agent"],
            "expected argument for flag '--config.file'",
        ),
        (
            &["--config.file=a", "--config.file=b"],
            "flag 'config.file' cannot be repeated",
        ),
        (
            &["--agent=maybe"],
            "unexpected value \"maybe\" for flag '--agent'",
        ),
        (&["--log.level=loud"], "unrecognized log level \"loud\""),
        (&["--log.format=xml"], "unrecognized log format \"xml\""),
        (
            &["--storage.agent.max-bytes=5"],
            "units: unknown unit  in 5, flag '--storage.agent.max-bytes'",
        ),
        (
            &["--storage.remote.flush-deadline=zz"],
            "not a valid duration string: \"zz\", flag '--storage.remote.flush-deadline'",
        ),
        (
            &["--web.listen-address=9090"],
            "not an address of the form host:port: \"9090\", flag '--web.listen-address'",
        ),
        (
            &["--web.max-connections=0"],
            "not a positive number: \"0\", flag '--web.max-connections'",
        ),
        (
            &["--web.external-url=\"x\""],
            "parse external URL \"\\\"x\\\"\": URL must not begin or end with quotes",
        ),
    ] {
        assert_eq!(error(arguments), text, "{arguments:?}");
    }
}

#[test]
fn help_is_the_golden_text() {
    let (code, out, err) = run(&["--help"]).expect_err("help");
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out, include_str!("tests/help.txt"));
    assert_eq!(run(&["-h"]), run(&["--help"]));
}

#[test]
fn the_version_has_the_shape_of_prometheus() {
    let (code, out, _) = run(&["--version"]).expect_err("version");
    assert_eq!(code, 0);
    let first = format!("narthex, version {} (branch: ", env!("CARGO_PKG_VERSION"));
    assert!(out.starts_with(&first), "{out}");
    assert!(out.contains("\n  build user:       ") && out.contains("\n  platform:         linux/"));
    let target = format!("\n  target:           {}-", std::env::consts::ARCH);
    assert!(
        out.contains(&target) && out.contains("\n  features:         "),
        "{out}"
    );
    assert!(out.ends_with("(narthex --licenses shows all)\n"), "{out}");
}

#[test]
fn the_table_of_flags_is_consistent() {
    let mut names: Vec<_> = flags::FLAGS.iter().map(|flag| flag.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), flags::FLAGS.len());
    for flag in flags::FLAGS {
        assert_eq!(
            flag.help.is_empty(),
            flag.role != flags::Role::Used,
            "{}",
            flag.name
        );
    }
}

#[test]
fn commands_explain_themselves() {
    let (code, out, _) = run(&["receive", "--help"]).expect_err("help");
    assert!(code == 0 && out.starts_with("usage: narthex receive"));
    let (code, _, err) = run(&["receive", "--nope"]).expect_err("error");
    assert!(
        code == 2 && err.contains("invalid option '--nope'"),
        "{err}"
    );
    let (code, out, _) = run(&["discover", "--help"]).expect_err("help");
    assert!(code == 0 && out.starts_with("usage: narthex discover"));
    for (arguments, expected) in [
        (
            &["discover"][..],
            "required argument 'config file' not provided",
        ),
        (&["discover", "a", "b"], "unexpected argument \"b\""),
        (&["discover", "--timeout=x", "a"], "flag '--timeout'"),
    ] {
        let (code, _, err) = run(arguments).expect_err("error");
        assert!(code == 2 && err.contains(expected), "{err}");
    }
    let (code, _, err) = run(&["discover", "/no/such.yml"]).expect_err("error");
    assert!(code == 1 && err.contains("open /no/such.yml"), "{err}");
    let (code, _, err) = run(&["check", "config"]).expect_err("error");
    assert!(
        code == 2 && err.contains("required argument 'config-files' not provided"),
        "{err}"
    );
    let (code, _, err) = run(&["check", "rules", "x"]).expect_err("error");
    assert!(code == 2 && err.contains("unexpected rules"), "{err}");
}

#[test]
fn checking_a_configuration_says_what_promtool_says() {
    let folder = tempfile::tempdir().expect("folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.to_string_lossy().into_owned()
    };
    let good = file("good.yml", "scrape_configs:\n- job_name: a\n");
    let bad = file("bad.yml", "a: b\n");
    let missing = "remote_write:\n- url: http://h/\n  basic_auth: {password_file: none}\n";
    let missing = file("missing.yml", missing);
    let success = |path| {
        format!("Checking {path}\n SUCCESS: {path} is valid prometheus config file syntax\n\n")
    };
    let (code, out, err) = run(&["check", "config", &good]).expect_err("status");
    assert_eq!((code, out, &*err), (0, success(&good), ""));
    let (code, out, err) = run(&["check", "config", &bad, &good]).expect_err("status");
    assert_eq!(
        (code, out),
        (1, format!("Checking {bad}\n\n") + &success(&good))
    );
    let expected = format!(
        "  FAILED: parsing YAML file {bad}: yaml: unmarshal errors:\n  line 1: a: field a not found in type config.plain\n"
    );
    assert_eq!(err, expected);
    let (code, _, err) = run(&["check", "config", &missing]).expect_err("status");
    assert!(code == 1 && err.contains("none: No such file"), "{err}");
    let (code, ..) = run(&["check", "config", "--syntax-only", &missing]).expect_err("status");
    assert_eq!(code, 0);
}
