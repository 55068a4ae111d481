use crate::config::dump::dump;
use crate::config::load::{Files, Loaded, Source, load};

struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("{path} does not exist"))
    }
}

fn loaded(text: &str) -> Loaded {
    let source = Source {
        file: "/etc/prometheus/prometheus.yml",
        text,
        files: &NoFiles,
        environment: &|_| None,
    };
    load(&source).unwrap_or_else(|error| panic!("{error}"))
}

const SECRETS: &str = r#"
scrape_configs:
- job_name: a
  basic_auth: {username: u, password: HUNTER2}
  tls_config: {cert: c, key: HUNTER2}
  proxy_url: http://me:HUNTER2@proxy
  proxy_connect_header: {X-Token: [HUNTER2]}
  http_headers: {X-Key: {secrets: [HUNTER2], values: [shown]}}
  http_sd_configs:
  - url: http://me:HUNTER2@host/x
    authorization: {credentials: HUNTER2}
    http_headers: {X-Key: {secrets: [HUNTER2]}}
    proxy_connect_header: {X-Token: [HUNTER2]}
    some_future_field: HUNTER2
    some_future_list: [[HUNTER2]]
  consul_sd_configs:
  - {server: 'https://me:HUNTER2@consul', token: HUNTER2}
  - {server: consul, username: shown, password: HUNTER2}
  docker_sd_configs:
  - {host: 'http://me:HUNTER2@docker', authorization: {credentials: HUNTER2}}
- job_name: b
  bearer_token: HUNTER2
remote_write:
- url: http://me:HUNTER2@host/write
  headers: {X-Tenant: HUNTER2}
- url: http://host/other
  authorization: {type: Token, credentials: HUNTER2}
"#;

#[test]
fn no_secret_is_ever_shown() {
    let config = loaded(SECRETS).config;
    let text = dump(&config);
    assert!(!text.contains("HUNTER2"), "{text}");
    assert!(text.contains("shown") && text.contains("<secret>") && text.contains("me:xxxxx@"));
    let debug = format!("{:?}", config.remote_write);
    assert!(!debug.contains("me:HUNTER2"), "{debug}");
}

#[test]
fn dollar_signs_of_external_labels_survive() {
    let config = loaded("global: {external_labels: {a: 'x$$y'}}").config;
    assert_eq!(config.global.external_labels.get("a"), Some("x$y"));
    assert_eq!(loaded(&dump(&config)).config, config);
}

#[test]
fn an_empty_configuration_dumps_to_an_empty_mapping() {
    let config = loaded("").config;
    assert_eq!(dump(&config), "{}\n");
    assert_eq!(loaded("{}").config, config);
}
