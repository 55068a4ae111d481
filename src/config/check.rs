//! What a configuration refers to, for `narthex check config`: files that should exist.
//!
//! Only lists them, once each; looking is the caller's part. Files that are created at run time
//! (failure logs) and patterns without a match are no mistake and are not listed as required.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::Config;
use super::http_client::{Auth, HeaderValue, HttpClientConfig, TextSource, TlsConfig};
use super::oauth2::Grant;
use super::scrape::DiscoveryConfig;
use super::secret::SecretSource;
use super::yaml::{Node, Value};

/// Why a file is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Certificate authorities.
    CertificateAuthority,
    /// A client certificate.
    Certificate,
    /// A private key.
    Key,
    /// A password, token, user name or header value.
    Secret,
    /// Target groups, named or matched by a pattern (see [`super::glob`]). It may appear later.
    Targets,
}

/// A file that the configuration refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The section that needs it: `job "x"` or `remote_write "x"`.
    pub owner: String,
    /// What for.
    pub purpose: Purpose,
    /// Its path, relative ones joined already; for [`Purpose::Targets`] possibly a pattern.
    pub path: PathBuf,
}

/// Every file the configuration refers to, sorted.
#[must_use]
pub fn references(config: &Config) -> Vec<Reference> {
    let mut found = BTreeSet::new();
    for job in &config.scrape_configs {
        let owner = format!("job {:?}", job.job_name);
        let mut add = adder(&mut found, &owner);
        client(&job.http_client, &mut add);
        for entry in &*job.discovery {
            discovery(entry, &mut add);
        }
    }
    for endpoint in &config.remote_write {
        let owner = format!("remote_write {:?}", endpoint.name);
        client(&endpoint.http_client, &mut adder(&mut found, &owner));
    }
    found.into_iter().collect()
}

fn adder<'a>(
    found: &'a mut BTreeSet<Reference>,
    owner: &'a str,
) -> impl FnMut(Purpose, PathBuf) + 'a {
    move |purpose, path| {
        let owner = owner.to_owned();
        found.insert(Reference {
            owner,
            purpose,
            path,
        });
    }
}

fn tls(tls: &TlsConfig, add: &mut impl FnMut(Purpose, PathBuf)) {
    for (purpose, source) in [
        (Purpose::CertificateAuthority, &tls.ca),
        (Purpose::Certificate, &tls.cert),
    ] {
        if let Some(TextSource::File(path)) = source {
            add(purpose, path.clone());
        }
    }
    if let Some(SecretSource::File(path)) = &tls.key {
        add(Purpose::Key, path.clone());
    }
}

fn client(client: &HttpClientConfig, add: &mut impl FnMut(Purpose, PathBuf)) {
    tls(&client.tls, add);
    let auth = match &client.auth {
        Auth::None | Auth::SigV4(_) => Vec::new(),
        Auth::OAuth2(config) => {
            tls(&config.tls, add);
            match &config.grant {
                Grant::ClientCredentials(secret) => vec![secret],
                Grant::JwtBearer(own) => vec![&own.key],
            }
        }
        Auth::Basic { username, password } => vec![username, password],
        Auth::Header { credentials, .. } => vec![credentials],
    };
    let values = client.headers.iter().flat_map(|header| &header.values);
    let secrets = values.filter_map(|value| match value {
        HeaderValue::Plain(_) => None,
        HeaderValue::Secret(source) => Some(source),
    });
    for source in auth.into_iter().chain(secrets) {
        if let SecretSource::File(path) = source {
            add(Purpose::Secret, path.clone());
        }
    }
}

fn discovery(entry: &DiscoveryConfig, add: &mut impl FnMut(Purpose, PathBuf)) {
    // A static group holds nothing but targets and labels, whatever the labels are called.
    if entry.mechanism != "static" {
        let listed = match entry.mechanism.as_str() {
            "file" => Purpose::Targets,
            _ => Purpose::Secret,
        };
        walk(&entry.node, listed, add);
    }
}

/// Finds the keys that name files, as relative paths are joined (see [`super::paths`]).
fn walk(node: &Node, listed: Purpose, add: &mut impl FnMut(Purpose, PathBuf)) {
    match &node.value {
        Value::Null | Value::Scalar { .. } => {}
        Value::Sequence(items) => items.iter().for_each(|item| walk(item, listed, add)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.text().unwrap_or_default();
                match &value.value {
                    Value::Scalar { text, .. } if key.ends_with("_file") && !text.is_empty() => {
                        add(purpose(key), text.into());
                    }
                    Value::Sequence(items) if key == "files" => {
                        for path in items.iter().filter_map(Node::text) {
                            add(listed, path.into());
                        }
                    }
                    _ => walk(value, listed, add),
                }
            }
        }
    }
}

fn purpose(key: &str) -> Purpose {
    match key {
        "ca_file" => Purpose::CertificateAuthority,
        "cert_file" => Purpose::Certificate,
        "key_file" => Purpose::Key,
        _ => Purpose::Secret,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::{Files, Source, load};

    struct NoFiles;

    impl Files for NoFiles {
        fn glob(&self, _: &str) -> Result<Vec<String>, String> {
            Ok(Vec::new())
        }

        fn read(&self, _: &str) -> Result<String, String> {
            Err("no files".to_owned())
        }
    }

    #[test]
    fn every_file_is_listed_once_with_its_purpose() {
        let text = "
scrape_configs:
- job_name: a
  scrape_failure_log_file: later.log
  tls_config: {ca_file: ca, cert_file: cert, key_file: key}
  basic_auth: {username_file: user, password_file: /abs/password}
  http_headers: {X-A: {files: [header, header]}}
  static_configs: [{targets: [x], labels: {a_file: b}}]
  file_sd_configs: [{files: ['t/*.json']}]
  http_sd_configs:
  - url: http://x
    authorization: {credentials_file: token}
    tls_config: {ca_file: ca}
remote_write:
- url: http://x
  name: main
  oauth2: {client_id: a, client_secret_file: token, token_url: 'http://i', tls_config: {ca_file: idp}}
";
        let source = Source {
            file: "/d/p.yml",
            text,
            files: &NoFiles,
            environment: &|_| None,
            features: crate::config::Features::default(),
        };
        let config = load(&source).expect("valid").config;
        let listed: Vec<String> = references(&config)
            .into_iter()
            .map(|r| format!("{} {:?} {}", r.owner, r.purpose, r.path.display()))
            .collect();
        assert_eq!(
            listed,
            [
                "job \"a\" CertificateAuthority /d/ca",
                "job \"a\" Certificate /d/cert",
                "job \"a\" Key /d/key",
                "job \"a\" Secret /abs/password",
                "job \"a\" Secret /d/header",
                "job \"a\" Secret /d/token",
                "job \"a\" Secret /d/user",
                "job \"a\" Targets /d/t/*.json",
                "remote_write \"main\" CertificateAuthority /d/idp",
                "remote_write \"main\" Secret /d/token",
            ]
        );
    }
}
