//! What a target is asked for: `accept.txt` has configurations and their `Accept` headers.

use std::fs;
use std::path::Path;

use narthex::config::Features;
use narthex::config::load::{Files, Source, load};
use narthex::exposition::protocol::{EscapingScheme, ScrapeProtocol, accept_header};

struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} does not exist"))
    }
}

/// The header for a job with these keys, under these of `global`.
fn accept(global: &str, job: &str, start_timestamps: bool) -> Result<String, String> {
    let comma = if job.is_empty() { "" } else { ", " };
    let text = format!("global: {{{global}}}\nscrape_configs:\n- {{job_name: j{comma}{job}}}\n");
    let source = Source {
        file: "/etc/prometheus.yml",
        text: &text,
        files: &NoFiles,
        environment: &|_| None,
        features: Features {
            start_timestamps,
            ..Features::default()
        },
    };
    let config = load(&source).map_err(|error| error.to_string())?;
    let job = &config.config.scrape_configs[0];
    Ok(accept_header(&job.scrape_protocols, job.escaping))
}

#[test]
fn configurations_ask_for_what_the_golden_file_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/accept.txt");
    let golden = fs::read_to_string(path).expect("the golden file");
    let (mut cases, mut wrong) = (0, String::new());
    for case in golden.split("\n\n") {
        let key = |name: &str| {
            let mut lines = case.lines();
            let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.unwrap_or_default()
        };
        let header = accept(key("global"), key("job"), key("feature") == "st-storage");
        cases += 1;
        if header.as_deref() != Ok(key("accept")) {
            wrong += &format!("{case}\nis: {header:?}\n\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 20, "{cases}");
}

/// All lists of different protocols.
fn lists() -> Vec<Vec<ScrapeProtocol>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    while from < all.len() {
        for protocol in ScrapeProtocol::ALL {
            if !all[from].contains(&protocol) {
                let mut longer = all[from].clone();
                longer.push(protocol);
                all.push(longer);
            }
        }
        from += 1;
    }
    all
}

#[test]
fn every_list_of_protocols_is_asked_for_in_its_order_with_falling_weights() {
    let lists = lists();
    assert_eq!(lists.len(), 1 + 5 + 20 + 60 + 120 + 120);
    for list in lists {
        for escaping in [
            EscapingScheme::AllowUtf8,
            EscapingScheme::Underscores,
            EscapingScheme::Dots,
            EscapingScheme::Values,
        ] {
            let escaped = format!(";escaping={}", escaping.as_str());
            let mut parts: Vec<String> = list
                .iter()
                .map(|protocol| match protocol {
                    ScrapeProtocol::PrometheusProto => "application/vnd.google.protobuf;\
                        proto=io.prometheus.client.MetricFamily;encoding=delimited"
                        .to_owned(),
                    ScrapeProtocol::OpenMetricsText0_0_1 => {
                        "application/openmetrics-text;version=0.0.1".to_owned()
                    }
                    ScrapeProtocol::OpenMetricsText1_0_0 => {
                        format!("application/openmetrics-text;version=1.0.0{escaped}")
                    }
                    ScrapeProtocol::PrometheusText0_0_4 => "text/plain;version=0.0.4".to_owned(),
                    ScrapeProtocol::PrometheusText1_0_0 => {
                        format!("text/plain;version=1.0.0{escaped}")
                    }
                })
                .collect();
            parts.push("*/*".to_owned());
            let weighted = parts.iter().zip([6, 5, 4, 3, 2, 1]);
            let weighted: Vec<_> = weighted
                .map(|(part, weight)| format!("{part};q=0.{weight}"))
                .collect();
            assert_eq!(accept_header(&list, escaping), weighted.join(","));
        }
    }
}
