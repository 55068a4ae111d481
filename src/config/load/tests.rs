use super::*;

struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Err("permission denied".to_owned())
    }

    fn read(&self, _: &str) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

fn source(text: &str) -> Source<'_> {
    Source {
        file: "conf/prometheus.yml",
        text,
        files: &NoFiles,
        environment: &|_| None,
        features: Features::default(),
    }
}

fn loaded(text: &str) -> Result<Loaded, ConfigError> {
    load(&source(text))
}

#[test]
fn features_change_what_is_not_written() {
    let jobs = "scrape_configs: [{job_name: a}, {job_name: b, extra_scrape_metrics: false, \
                scrape_protocols: [PrometheusText0.0.4]}]\n";
    for global in ["", "global: {scrape_interval: 5s}\n"] {
        let text = format!("{global}{jobs}");
        let features = Features {
            start_timestamps: true,
            extra_scrape_metrics: true,
            ..Features::default()
        };
        let loaded = load(&Source {
            features,
            ..source(&text)
        });
        let jobs = loaded.expect("sound").config.scrape_configs;
        let of = |job: usize| {
            let first = jobs[job].scrape_protocols[0].as_str();
            (jobs[job].extra_scrape_metrics, first)
        };
        assert_eq!(of(0), (true, "PrometheusProto"));
        assert_eq!(of(1), (false, "PrometheusText0.0.4"));
        assert!(jobs.iter().all(|job| job.start_timestamps));
    }
    let zeros = load(&Source {
        features: Features {
            start_zeros: true,
            ..Features::default()
        },
        ..source(jobs)
    });
    let zeros = zeros.expect("sound").config.scrape_configs;
    assert_eq!(zeros[0].scrape_protocols[0].as_str(), "PrometheusProto");
    assert!(zeros[0].takes_starts() && !zeros[0].start_timestamps);
    let plain = loaded(jobs).expect("sound").config.scrape_configs;
    let first = plain[0].scrape_protocols[0].as_str();
    assert_eq!(first, "OpenMetricsText1.0.0");
    assert!(!plain[0].start_timestamps && !plain[0].extra_scrape_metrics);
}

#[test]
fn a_path_of_a_credential_without_credentials_is_warned_of() {
    let text = "remote_write: [{url: 'http://x', basic_auth: {username: u, \
                password_file: $CREDENTIALS_DIRECTORY/p}}]\n";
    let warnings = loaded(text).expect("sound").warnings;
    assert!(
        warnings[0].contains("$CREDENTIALS_DIRECTORY is not set"),
        "{warnings:?}"
    );
}

fn config(text: &str) -> Config {
    loaded(text)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

fn names(text: &str) -> Vec<String> {
    let config = config(text);
    config
        .remote_write
        .iter()
        .map(|endpoint| endpoint.name.clone())
        .collect()
}

const JOB: &str = "scrape_configs: [{job_name: a, static_configs: [{targets: [x]}]}]\n";

#[test]
fn a_job_that_moves_in_its_file_stays_the_same() {
    let moved = format!("# a comment\n\n{}", JOB.replace("[x]", "['x']"));
    assert_eq!(config(JOB), config(&moved));
    assert_ne!(config(JOB), config(&JOB.replace("[x]", "[y]")));
}

#[test]
fn an_unnamed_endpoint_keeps_its_name_unless_it_becomes_another_place() {
    let before =
        names("remote_write: [{url: 'http://r/w', basic_auth: {username: u, password: p}}]");
    assert_eq!(before[0].len(), 6);
    let edited = "remote_write: [{url: 'http://u:other@r/w', queue_config: {max_shards: 3},
        write_relabel_configs: [{action: labeldrop, regex: x}]}]";
    assert_eq!(names(edited), before);
    for other in [
        "remote_write: [{url: 'http://r/w'}]",
        "remote_write: [{url: 'http://r/v', basic_auth: {username: u}}]",
        "remote_write: [{url: 'http://r/w', basic_auth: {username: v}}]",
        "remote_write: [{url: 'http://r/w', basic_auth: {username: u}, headers: {X-Scope-OrgID: a}}]",
    ] {
        assert_ne!(names(other), before, "{other}");
    }
}

#[test]
fn endpoints_at_one_place_get_names_of_their_own() {
    let names =
        names("remote_write: [{url: 'http://r/w'}, {url: 'http://r/w', remote_timeout: 5s}]");
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_password_in_the_url_moves_into_basic_auth() {
    let config = config("remote_write: [{url: 'http://me:p%40ss@r/w'}]");
    let endpoint = &config.remote_write[0];
    assert_eq!(endpoint.url, "http://r/w");
    let crate::config::http_client::Auth::Basic { password, .. } = &endpoint.http_client.auth
    else {
        panic!("no basic auth")
    };
    let crate::config::secret::SecretSource::Inline(password) = password else {
        panic!("not inline")
    };
    assert_eq!(password.expose(), "p@ss");
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error_of_the_main_file() {
    let error = loaded("scrape_config_files: [jobs/*.yml]").expect_err("no folder");
    assert_eq!(
        error.to_string(),
        "parsing YAML file conf/prometheus.yml: error retrieving scrape config files for \
         \"conf/jobs/*.yml\": permission denied"
    );
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = config(
        "scrape_configs: [{job_name: a, tls_config: {ca_file: ca}, \
         file_sd_configs: [{files: [../t.json]}]}]",
    );
    let job = &config.scrape_configs[0];
    let ca = crate::config::http_client::TextSource::File("conf/ca".into());
    assert_eq!(job.http_client.tls.ca, Some(ca));
    assert!(format!("{:?}", job.discovery[0].node).contains("\"t.json\""));
    assert_eq!(
        job.discovery[0].path,
        "scrape_configs[0].file_sd_configs[0]"
    );
}
