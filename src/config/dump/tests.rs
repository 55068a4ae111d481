use crate::config::dump::dump;
use crate::config::load::{Files, Loaded, Source, load};
use crate::config::remote_write::Unauthorized;
use crate::wire::compress::Compression;

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
        features: crate::config::Features::default(),
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
  - {server: 'me:HUNTER2@consul', username: shown, password: HUNTER2}
  docker_sd_configs:
  - {host: 'http://me:HUNTER2@docker', authorization: {credentials: HUNTER2}}
  etcd_sd_configs:
  - {endpoints: ['http://etcd:2379'], prefixes: [/t/], username: shown, password: HUNTER2}
  static_configs:
  - targets: ['me:HUNTER2@host:9100']
- job_name: b
  bearer_token: HUNTER2
- job_name: c
  oauth2: {client_id: a, client_secret: HUNTER2, token_url: 'http://me:HUNTER2@idp/'}
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
fn no_error_shows_the_password_of_a_url() {
    for text in [
        "remote_write:\n- url: ftp://me:HUNTER2@host/write\n",
        "remote_write:\n- url: http://me:HUNTER2@host:port/write\n",
        "remote_write:\n- &a {url: 'http://me:HUNTER2@host/'}\n- *a\n",
        "scrape_configs:\n- {job_name: a, proxy_url: 'ftp://me:HUNTER2@proxy'}\n",
        "scrape_configs:\n- {job_name: a, proxy_url: 'http://me:HUNTER2@a b'}\n",
        "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['http://me:HUNTER2@a']}]\n",
        "scrape_configs:\n- job_name: a\n  oauth2: {client_id: a, token_url: 'me:HUNTER2@idp'}\n",
        "scrape_configs:\n- job_name: a\n  oauth2: {client_id: a, token_url: 'http://me:HUNTER2@:x'}\n",
    ] {
        let source = Source {
            file: "a.yml",
            text,
            files: &NoFiles,
            environment: &|_| None,
            features: crate::config::Features::default(),
        };
        let error = load(&source).expect_err(text).to_string();
        assert!(!error.contains("HUNTER2"), "{error}");
    }
}

#[test]
fn dollar_signs_of_external_labels_survive() {
    let config = loaded("global: {external_labels: {a: 'x$$y'}}").config;
    assert_eq!(config.global.external_labels.get("a"), Some("x$y"));
    assert_eq!(loaded(&dump(&config)).config, config);
}

#[test]
fn narthex_settings_of_an_endpoint_survive_and_defaults_do_not_show() {
    let text = "remote_write:\n- url: http://a/w\n  narthex: {max_bytes_per_second: 64KB, unauthorized: drop, compression: zstd}\n";
    let config = loaded(text).config;
    let own = config.remote_write[0].narthex;
    assert_eq!(own.max_bytes_per_second, Some(64 << 10));
    assert_eq!(own.unauthorized, Unauthorized::Drop);
    assert_eq!(own.compression, Compression::Zstd);
    let dumped = dump(&config);
    assert!(dumped.contains("max_bytes_per_second: 64KB"), "{dumped}");
    assert_eq!(loaded(&dumped).config, config);
    let plain = loaded(
        "remote_write:\n- url: http://a/w\n  narthex: {unauthorized: hold, compression: snappy}\n",
    )
    .config;
    assert!(!dump(&plain).contains("narthex"), "{}", dump(&plain));
}

#[test]
fn mistakes_in_narthex_settings_are_told_with_line_and_key() {
    for (line, words) in [
        ("max_bytes_per_second: 0", "must be positive"),
        ("max_bytes_per_second: 100", "units: unknown unit"),
        (
            "unauthorized: maybe",
            "must be \"hold\" or \"drop\", not \"maybe\"",
        ),
        (
            "compression: gzip",
            "must be \"snappy\" or \"zstd\", not \"gzip\"",
        ),
        ("max_age: 5m", "field max_age not found in type narthex"),
    ] {
        let text = format!("remote_write:\n- url: http://a/w\n  narthex:\n    {line}\n");
        let source = Source {
            file: "a.yml",
            text: &text,
            files: &NoFiles,
            environment: &|_| None,
            features: crate::config::Features::default(),
        };
        let error = load(&source).expect_err("refused").to_string();
        let key = line.split(':').next().expect("a key");
        assert!(error.contains(words) && error.contains(key), "{error}");
        assert!(
            error.contains("line 4: remote_write[0].narthex."),
            "{error}"
        );
    }
}

#[test]
fn an_empty_configuration_dumps_to_an_empty_mapping() {
    let config = loaded("").config;
    assert_eq!(dump(&config), "{}\n");
    assert_eq!(loaded("{}").config, config);
}
