//! Scenarios, command lines, promises and tables.

use std::path::Path;
use std::time::Duration;

use crate::agent::{Program, configuration};
use crate::figures::{Figures, table};
use crate::options::Options;
use crate::promises::{self, Promise};
use crate::scenario::{Scenario, Shape};
use crate::{outage, steady};

fn options(line: &str) -> Result<Options, String> {
    Options::parse(line.split_whitespace().map(str::to_owned), "narthex")
}

fn specification() -> Vec<Promise> {
    promises::read(include_str!("../../SPECIFICATION.md")).expect("a table of promises")
}

#[test]
fn a_scenario_is_what_it_says() {
    let read = Scenario::parse("200x1500:own:churn=5:plain:tls:every=1:outage=60").expect("good");
    assert_eq!(
        (read.targets, read.series, read.shape),
        (200, 1500, Shape::Own)
    );
    assert_eq!((read.churn, read.gzip, read.tls), (5, false, true));
    assert_eq!((read.interval, read.outage), (1, Some(60)));
    let plain = Scenario::parse("5x1000").expect("good");
    assert_eq!(
        (plain.shape, plain.churn, plain.gzip),
        (Shape::Alike, 0, true)
    );
    assert_eq!((plain.interval, plain.outage), (15, None));
    for bad in [
        "5",
        "0x5",
        "5x",
        "5x1:owned",
        "5x1:churn=3",
        "5x1:every",
        "5x1:tls=1",
        "60000x1",
    ] {
        let error = Scenario::parse(bad).expect_err(bad);
        assert!(error.starts_with(bad), "{error}");
    }
}

#[test]
fn the_command_line_is_understood_or_refused() {
    let all = options("--bench --quick --seconds 9").expect("good");
    assert_eq!(
        (all.warmup, all.window),
        (Duration::from_secs(3), Duration::from_secs(9))
    );
    assert!(all.scenarios.len() > 4 && all.programs.len() == 2);
    let one = options("--agents narthex --scenarios 5x10").expect("good");
    assert_eq!((one.scenarios.len(), one.programs.len()), (1, 1));
    for bad in [
        "--nonsense",
        "--seconds",
        "--seconds x",
        "--agents vmagent",
        "--agent x=true",
    ] {
        assert!(options(bad).is_err(), "{bad}");
    }
}

#[test]
fn any_program_can_be_an_agent() {
    let text = "other=/opt/other -c={config} -d={data} -p=127.0.0.1:{port} -u={url}";
    let other = Program::template(text).expect("good");
    let words = other.words(Path::new("C"), Path::new("D"), 7, "U");
    assert_eq!(
        words,
        ["/opt/other", "-c=C", "-d=D", "-p=127.0.0.1:7", "-u=U"]
    );
    let scenario = Scenario::parse("1x10:tls:every=2").expect("good");
    let text = |program: &Program| {
        configuration(program, &scenario, &["a:1".to_owned()], Path::new("P"), "U")
    };
    assert!(
        !text(&other).contains("remote_write"),
        "the receiver is on its command line"
    );
    let narthex = text(&Program::known("narthex", "narthex").expect("known"));
    let prometheus = text(&Program::known("prometheus", "narthex").expect("known"));
    assert!(narthex.contains("- url: U") && prometheus.contains("- url: U"));
    assert!(narthex.contains("scrape_interval: 2s") && narthex.contains("ca_file: P"));
    assert_eq!(
        narthex.replace("    enable_compression: true\n", ""),
        prometheus
    );
}

/// Every promise names a scenario that is measured unless asked otherwise, and a figure of it.
#[test]
fn every_promise_is_measured_by_default() {
    let all = options("").expect("good").scenarios;
    for promise in specification() {
        let scenario = all.iter().find(|scenario| scenario.name == promise.fleet);
        let scenario = scenario.unwrap_or_else(|| panic!("{} is not measured", promise.fleet));
        let names: &[&str] = match scenario.outage {
            None => &steady::NAMES,
            Some(_) => &outage::NAMES,
        };
        assert!(
            names.contains(&promise.figure.as_str()),
            "{}",
            promise.figure
        );
    }
}

#[test]
fn a_broken_promise_is_marked_where_it_is_broken() {
    let rows = "## Side by side\n\n| Fleet | Figure | Must |\n|---|---|---|\n\
        | `5x10` | RSS | <= 6 |\n| `5x10` | rate | >= 1,000 |\n\n## Next\n| a | b | c |\n";
    let promises = promises::read(rows).expect("two");
    assert_eq!(promises.len(), 2);
    let agent = |name: &str, rss, rate| Figures {
        agent: name.to_owned(),
        promised: name == "narthex",
        figures: vec![("RSS", rss), ("rate", rate)],
    };
    let held: Vec<&Promise> = promises.iter().collect();
    let agents = [
        agent("prometheus", 60.0, 10.0),
        agent("narthex", 6.0, 1000.0),
    ];
    let good = table(&agents, &held);
    assert!(!good.contains("FAILS"), "{good}");
    assert!(good.contains("| RSS | 60.00 | 6.00 | 0.100 |"), "{good}");
    let bad = table(
        &[
            agent("prometheus", 60.0, 10.0),
            agent("narthex", 6.1, 999.0),
        ],
        &held,
    );
    assert!(
        bad.contains("| RSS | 60.00 | 6.10 **FAILS <= 6** | 0.102 |"),
        "{bad}"
    );
    assert!(bad.contains("**FAILS >= 1000**"), "{bad}");
    let none = table(
        &[agent("prometheus", 0.0, 1.0), agent("narthex", 5.0, 1000.0)],
        &held,
    );
    assert!(none.contains("| RSS | 0.0000 | 5.00 | - |"), "{none}");
    assert!(!promises[0].holds(f64::NAN) && !promises[1].holds(f64::NAN));
    for broken in ["", "## Side by side\n", &rows.replace("<= 6", "about 6")] {
        assert!(promises::read(broken).is_err(), "{broken}");
    }
}
