//! Where the API server is, and who we are there: an address and an HTTP client section.
//!
//! In a pod it is the service account that Kubernetes mounts: a token, read anew for every request
//! because it is renewed under way, and a certificate authority, looked at anew when it changes.

use std::path::{Path, PathBuf};

use super::config::{KubernetesConfig, Server};
use super::kubeconfig::{self, KubeConfigError};
use crate::config::http_client::{Auth, HttpClientConfig, TextSource, TlsConfig};
use crate::config::secret::{Secret, SecretSource};
use crate::limits;
use crate::model::sorting;
use crate::net::secrets::{FileError, read_bounded};

/// Where Kubernetes mounts the service account of a pod.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Variables by which a pod is told where the API server is.
const HOST: &str = "KUBERNETES_SERVICE_HOST";
/// See [`HOST`].
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub(super) enum AccessError {
    /// The variables are missing.
    #[error(
        "not in a Kubernetes pod ({HOST} and {PORT} are not set): \
         write api_server or kubeconfig_file"
    )]
    NotInCluster,
    /// A file of the service account.
    #[error("service account: {0}")]
    ServiceAccount(#[from] FileError),
    /// The file that names our own namespace is empty.
    #[error("could not read own namespace name (empty file)")]
    NoNamespace,
    /// The kubeconfig file.
    #[error(transparent)]
    KubeConfig(#[from] KubeConfigError),
}

/// How to reach the API server.
#[derive(Debug)]
pub(super) struct Access {
    /// `http` or `https`, host, perhaps a path; no slash at the end. May hold a password.
    pub(super) server: Secret,
    /// Credentials, certificates, proxies.
    pub(super) client: HttpClientConfig,
    /// Namespaces to look at; none for all.
    pub(super) namespaces: Vec<String>,
}

/// What a pod is told about itself.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
    pub(super) service_account: PathBuf,
}

impl Surroundings {
    /// The real ones.
    pub(super) fn real() -> Surroundings {
        let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
        Surroundings {
            host: variable(HOST),
            port: variable(PORT),
            service_account: SERVICE_ACCOUNT.into(),
        }
    }
}

impl Access {
    /// Finds out how to reach the server of a configuration.
    ///
    /// # Errors
    /// When something is missing that only the surroundings or the file can give.
    pub(super) fn find(
        config: &KubernetesConfig,
        around: &Surroundings,
    ) -> Result<Access, AccessError> {
        let (server, client) = match &config.server {
            Server::InCluster => in_cluster(around)?,
            Server::Explicit(server, client) => (server.expose().to_owned(), (**client).clone()),
            Server::KubeConfig(path) => kubeconfig::load(path)?,
        };
        let mut namespaces = config.namespaces.names.clone();
        if config.namespaces.own {
            namespaces.push(own_namespace(&around.service_account)?);
        }
        sorting::sort(&mut namespaces);
        namespaces.dedup();
        Ok(Access {
            server: Secret::new(server.trim_end_matches('/')),
            client,
            namespaces,
        })
    }
}

fn in_cluster(around: &Surroundings) -> Result<(String, HttpClientConfig), AccessError> {
    let (Some(host), Some(port)) = (&around.host, &around.port) else {
        return Err(AccessError::NotInCluster);
    };
    let token = around.service_account.join("token");
    read_bounded(&token, limits::SECRET_FILE_BYTES)?;
    let authority = around.service_account.join("ca.crt");
    let client = HttpClientConfig {
        auth: Auth::Header {
            kind: "Bearer".to_owned(),
            credentials: SecretSource::File(token),
        },
        tls: TlsConfig {
            // Without the file the host's own authorities count, as in client-go.
            ca: authority.exists().then_some(TextSource::File(authority)),
            ..TlsConfig::default()
        },
        ..HttpClientConfig::default()
    };
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.clone(),
    };
    Ok((format!("https://{host}:{port}"), client))
}

fn own_namespace(service_account: &Path) -> Result<String, AccessError> {
    let path = service_account.join("namespace");
    let content = read_bounded(&path, limits::SECRET_FILE_BYTES)?;
    match String::from_utf8_lossy(&content).trim() {
        "" => Err(AccessError::NoNamespace),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::provider::kubernetes::config::{Attach, Namespaces, Role};

    fn config(server: Server, own: bool, names: &[&str]) -> KubernetesConfig {
        KubernetesConfig {
            role: Role::Pod,
            server,
            namespaces: Namespaces {
                own,
                names: names.iter().map(|name| (*name).to_owned()).collect(),
            },
            selectors: Vec::new(),
            attach: Attach::default(),
        }
    }

    fn account(files: &[(&str, &str)]) -> (tempfile::TempDir, Surroundings) {
        let folder = tempfile::tempdir().expect("folder");
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).expect("written");
        }
        let around = Surroundings {
            host: Some("fd00::1".to_owned()),
            port: Some("6443".to_owned()),
            service_account: folder.path().to_owned(),
        };
        (folder, around)
    }

    #[test]
    fn a_pod_uses_its_service_account() {
        let files = [("token", "t"), ("ca.crt", "x"), ("namespace", "mine\n")];
        let (folder, around) = account(&files);
        let config = config(Server::InCluster, true, &["other", "mine"]);
        let access = Access::find(&config, &around).expect("found");
        assert_eq!(access.server.expose(), "https://[fd00::1]:6443");
        assert_eq!(access.namespaces, ["mine", "other"]);
        let file = |name| folder.path().join(name);
        assert_eq!(access.client.tls.ca, Some(TextSource::File(file("ca.crt"))));
        let Auth::Header { kind, credentials } = access.client.auth else {
            panic!("a header");
        };
        assert_eq!(
            (kind.as_str(), credentials),
            ("Bearer", SecretSource::File(file("token")))
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let (_folder, around) = account(&[("token", "t"), ("namespace", " \n")]);
        let error = |config, around: &Surroundings| {
            Access::find(&config, around)
                .expect_err("missing")
                .to_string()
        };
        let own = config(Server::InCluster, true, &[]);
        assert!(error(own, &around).contains("empty file"));
        let outside = Surroundings {
            host: None,
            ..around.clone()
        };
        let message = error(config(Server::InCluster, false, &[]), &outside);
        assert!(
            message.contains("write api_server or kubeconfig_file"),
            "{message}"
        );
        let (_empty, around) = account(&[]);
        let message = error(config(Server::InCluster, false, &[]), &around);
        assert!(message.contains("token"), "{message}");
    }

    #[test]
    fn an_explicit_server_loses_its_last_slash() {
        let (_folder, around) = account(&[]);
        let client = Box::new(HttpClientConfig::default());
        let server = Server::Explicit(Secret::new("http://a/k8s/"), client);
        let access = Access::find(&config(server, false, &[]), &around).expect("found");
        assert_eq!(
            (access.server.expose(), access.namespaces.len()),
            ("http://a/k8s", 0)
        );
    }
}
