//! `kubeconfig_file`: the file by which kubectl finds its server.
//!
//! The current context names a cluster and a user. Understood are what a program without a keyboard
//! can use: tokens, token files, client certificates, passwords. Plug-ins that have to be run
//! (`exec`, `auth-provider`) and acting as somebody else are refused by name. Keys that are not
//! known are left alone, as kubectl leaves them. Relative paths are relative to the file. Nothing
//! secret is in any error.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::http_client::{Auth, HttpClientConfig, ProxyConfig, TextSource, TlsConfig};
use crate::config::paths;
use crate::config::secret::{Secret, SecretSource};
use crate::config::url;
use crate::config::yaml::{self, Node, Value};
use crate::limits;
use crate::net::secrets::{FileError, read_bounded};

/// Why a kubeconfig file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum KubeConfigError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It does not say what it has to.
    #[error("kubeconfig {}: {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Reads a file: the server's address, and how to talk to it.
///
/// # Errors
/// What is missing or cannot be used.
pub(super) fn load(path: &Path) -> Result<(String, HttpClientConfig), KubeConfigError> {
    let content = read_bounded(path, limits::K8S_KUBECONFIG_BYTES)?;
    let folder = path.parent().unwrap_or(Path::new(".")).to_string_lossy();
    read(&content, &folder).map_err(|reason| KubeConfigError::Content {
        path: path.to_owned(),
        reason,
    })
}

fn read(content: &[u8], folder: &str) -> Result<(String, HttpClientConfig), String> {
    let text = std::str::from_utf8(content).map_err(|_| "not UTF-8".to_owned())?;
    let document = yaml::parse(text).map_err(|error| error.to_string())?;
    let root = Section::new(&document.root, folder);
    let current = root.text("current-context").ok_or("no current-context")?;
    let context = root.named("contexts", current, "context")?;
    let name = context
        .text("cluster")
        .ok_or("the context has no cluster")?;
    let cluster = root.named("clusters", name, "cluster")?;
    let server = cluster.text("server").ok_or("the cluster has no server")?;
    let parsed = url::parse(server)?;
    if !parsed.is_http() {
        return Err("server must be an http or https URL".to_owned());
    }
    let user = match context.text("user") {
        Some(name) => root.named("users", name, "user")?,
        None => Section::new(&NOTHING, folder),
    };
    Ok((server.to_owned(), client(&cluster, &user)?))
}

fn client(cluster: &Section<'_>, user: &Section<'_>) -> Result<HttpClientConfig, String> {
    for key in [
        "exec",
        "auth-provider",
        "as",
        "as-uid",
        "as-groups",
        "as-user-extra",
    ] {
        if user.get(key).is_some() {
            return Err(format!(
                "{key} is not supported: use a token, a tokenFile or a client certificate"
            ));
        }
    }
    let text = |source: Option<Found>| {
        source.map(|found| match found {
            Found::Inline(text) => TextSource::Inline(text),
            Found::File(path) => TextSource::File(path.into()),
        })
    };
    let key = user.data_or_file("client-key")?.map(|found| match found {
        Found::Inline(text) => SecretSource::Inline(Secret::new(text)),
        Found::File(path) => SecretSource::File(path.into()),
    });
    let proxy = cluster.text("proxy-url").map(|proxy| ProxyConfig::Url {
        url: Secret::new(proxy),
        no_proxy: String::new(),
        connect_headers: Vec::new(),
    });
    Ok(HttpClientConfig {
        auth: auth(user),
        tls: TlsConfig {
            ca: text(cluster.data_or_file("certificate-authority")?),
            cert: text(user.data_or_file("client-certificate")?),
            key,
            server_name: cluster
                .text("tls-server-name")
                .unwrap_or_default()
                .to_owned(),
            insecure_skip_verify: cluster.text("insecure-skip-tls-verify") == Some("true"),
            ..TlsConfig::default()
        },
        proxy: proxy.unwrap_or(ProxyConfig::Environment {
            connect_headers: Vec::new(),
        }),
        ..HttpClientConfig::default()
    })
}

/// A file of a token wins over the token, as in client-go: it is the one that is renewed.
fn auth(user: &Section<'_>) -> Auth {
    let inline = |text: &str| SecretSource::Inline(Secret::new(text));
    let bearer = |credentials| Auth::Header {
        kind: "Bearer".to_owned(),
        credentials,
    };
    if let Some(path) = user.text("tokenFile") {
        return bearer(SecretSource::File(user.path(path).into()));
    }
    if let Some(token) = user.text("token") {
        return bearer(inline(token));
    }
    match (user.text("username"), user.text("password")) {
        (None, None) => Auth::None,
        (name, password) => Auth::Basic {
            username: inline(name.unwrap_or_default()),
            password: inline(password.unwrap_or_default()),
        },
    }
}

/// A user that is nobody.
const NOTHING: Node = Node {
    line: 0,
    column: 0,
    value: Value::Null,
};

enum Found {
    Inline(String),
    File(String),
}

/// A mapping whose other keys are of no interest.
struct Section<'n> {
    node: &'n Node,
    folder: &'n str,
}

impl<'n> Section<'n> {
    fn new(node: &'n Node, folder: &'n str) -> Section<'n> {
        Section { node, folder }
    }

    fn get(&self, key: &str) -> Option<&'n Node> {
        let Value::Mapping(entries) = &self.node.value else {
            return None;
        };
        let found = entries.iter().find(|(own, _)| own.text() == Some(key));
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Option<&'n str> {
        self.get(key)?.text().filter(|text| !text.is_empty())
    }

    fn path(&self, path: &str) -> String {
        paths::join(self.folder, path)
    }

    /// The content of the item of a list that has that name.
    fn named(&self, list: &str, name: &str, content: &str) -> Result<Section<'n>, String> {
        let missing = || format!("{list} has no {content} named {name:?}");
        let items = match self.get(list).map(|node| &node.value) {
            Some(Value::Sequence(items)) => items.as_slice(),
            _ => &[],
        };
        let sections = items.iter().map(|item| Section::new(item, self.folder));
        let mut found = sections.filter(|item| item.text("name") == Some(name));
        let content = found.next().and_then(|item| item.get(content));
        let content = content.ok_or_else(missing)?;
        Ok(Section::new(content, self.folder))
    }

    /// `<key>-data` in base64, or else the file `<key>`.
    fn data_or_file(&self, key: &str) -> Result<Option<Found>, String> {
        let name = format!("{key}-data");
        if let Some(data) = self.text(&name) {
            let packed: String = data.split_whitespace().collect();
            let bytes = STANDARD.decode(packed).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| format!("{name} is not base64 of a PEM text"))?;
            return Ok(Some(Found::Inline(text)));
        }
        Ok(self.text(key).map(|path| Found::File(self.path(path))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
apiVersion: v1
kind: Config
current-context: edge
preferences: {}
contexts:
- {name: other, context: {cluster: x, user: y}}
- name: edge
  context: {cluster: c, user: u, namespace: ignored}
clusters:
- name: c
  cluster:
    server: https://10.0.0.1:6443
    certificate-authority-data: UEVN
    tls-server-name: kubernetes
users:
- name: u
  user: {token: hunter2}
- name: files
  user: {client-certificate: cert.pem, client-key: /abs/key.pem, tokenFile: token}
- name: basic
  user: {username: me, password: hunter2}
- name: plugin
  user: {exec: {command: aws}}
";

    fn of_user(name: &str) -> Result<HttpClientConfig, String> {
        let text = FILE.replace("user: u,", &format!("user: {name},"));
        read(text.as_bytes(), "/etc/k").map(|(_, client)| client)
    }

    #[test]
    fn the_current_context_names_server_and_user() {
        let (server, client) = read(FILE.as_bytes(), "/etc/k").expect("valid");
        assert_eq!(server, "https://10.0.0.1:6443");
        assert_eq!(client.tls.ca, Some(TextSource::Inline("PEM".to_owned())));
        assert_eq!(client.tls.server_name, "kubernetes");
        let token = SecretSource::Inline(Secret::new("hunter2"));
        let kind = "Bearer".to_owned();
        assert_eq!(
            client.auth,
            Auth::Header {
                kind,
                credentials: token
            }
        );
        assert!(!client.tls.insecure_skip_verify);
    }

    #[test]
    fn every_kind_of_credentials_is_taken() {
        let client = of_user("files").expect("valid");
        let cert = TextSource::File("/etc/k/cert.pem".into());
        assert_eq!(client.tls.cert, Some(cert));
        assert_eq!(
            client.tls.key,
            Some(SecretSource::File("/abs/key.pem".into()))
        );
        let Auth::Header { credentials, .. } = client.auth else {
            panic!("a header");
        };
        assert_eq!(credentials, SecretSource::File("/etc/k/token".into()));
        assert!(matches!(
            of_user("basic").expect("valid").auth,
            Auth::Basic { .. }
        ));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_nothing_secret_is() {
        for (from, to, expected) in [
            ("user: u,", "user: plugin,", "exec is not supported"),
            (
                "user: u,",
                "user: nobody,",
                "users has no user named \"nobody\"",
            ),
            ("current-context: edge", "", "no current-context"),
            (
                "cluster: c,",
                "cluster: d,",
                "clusters has no cluster named \"d\"",
            ),
            ("https://10.0.0.1", "ftp://10.0.0.1", "http or https"),
            ("UEVN", "'%%%'", "certificate-authority-data is not base64"),
            ("clusters:", "clusters: [", "yaml: line"),
        ] {
            let text = FILE.replacen(from, to, 1);
            let error = read(text.as_bytes(), "/").expect_err(from);
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let missing = load(Path::new("/nonexistent/kubeconfig")).expect_err("missing");
        assert!(missing.to_string().contains("/nonexistent/kubeconfig"));
    }
}
