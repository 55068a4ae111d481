//! TLS server configurations from `tls_server_config`, read again when their files change.
//!
//! A server keeps what it last had when a new file cannot be used: the caller is told and says so.
//! Cipher suites that Go has and rustls has not are never offered; the settings must leave something.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::{NoClientAuth, ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::client_certificates::{AnyClient, Named};
use super::clock::HostTime;
use super::files::{self, Material, Stamp};
use super::{TlsError, between, provider};
use crate::config::http_client::TlsConfig;
use crate::config::web::{ClientAuth, ServerTls};
use crate::limits;

/// Makes server configurations and keeps the newest.
#[derive(Debug)]
pub struct ServerTlsSource {
    settings: ServerTls,
    /// The same files, as their readers know them.
    files: TlsConfig,
    stamps: Vec<Stamp>,
    digest: u64,
    server: Arc<ServerConfig>,
}

impl ServerTlsSource {
    /// Reads the files and checks the settings.
    ///
    /// # Errors
    /// When no server can be made of them.
    pub fn new(settings: &ServerTls) -> Result<ServerTlsSource, TlsError> {
        let files = TlsConfig {
            ca: settings.client_ca.clone(),
            cert: Some(settings.cert.clone()),
            key: Some(settings.key.clone()),
            ..TlsConfig::default()
        };
        let stamps = files::stamps(&files)?;
        let material = Material::read(&files)?;
        Ok(ServerTlsSource {
            server: Arc::new(build(settings, &material)?),
            digest: material.digest(),
            settings: settings.clone(),
            files,
            stamps,
        })
    }

    /// The newest configuration.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// Looks whether a file has changed, and takes its content in. True when there is a new
    /// configuration.
    ///
    /// # Errors
    /// When a changed file cannot be used; the configuration stays, and the next call tries again.
    pub fn refresh(&mut self) -> Result<bool, TlsError> {
        let stamps = files::stamps(&self.files)?;
        if stamps == self.stamps {
            return Ok(false);
        }
        let material = Material::read(&self.files)?;
        let digest = material.digest();
        let is_new = digest != self.digest;
        if is_new {
            self.server = Arc::new(build(&self.settings, &material)?);
            self.digest = digest;
        }
        self.stamps = stamps;
        Ok(is_new)
    }
}

fn build(settings: &ServerTls, material: &Material) -> Result<ServerConfig, TlsError> {
    let (Some(cert), Some(key)) = (&material.cert, &material.key) else {
        return Err(TlsError::Settings("missing certificate or key"));
    };
    let provider = Arc::new(offered(settings)?);
    let mut versions = between(settings.min_version, settings.max_version);
    let suites = &provider.cipher_suites;
    versions.retain(|version| suites.iter().any(|suite| suite.version() == *version));
    if versions.is_empty() {
        return Err(TlsError::Settings(
            "narthex has none of the configured cipher_suites: name one with GCM or CHACHA20, or allow TLS13",
        ));
    }
    let mut server = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(HostTime))
        .with_protocol_versions(&versions)
        .map_err(|error| TlsError::Verifier(error.to_string()))?
        .with_client_cert_verifier(clients(settings, material, provider)?)
        .with_single_cert(cert.certificates("server cert")?, key.private_key()?)
        .map_err(TlsError::ServerIdentity)?;
    server.ignore_client_order = settings.prefer_server_cipher_suites;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    server.session_storage = ServerSessionMemoryCache::new(limits::WEB_TLS_SESSIONS);
    Ok(server)
}

/// What is offered: the suites and groups that are configured and that there are.
fn offered(settings: &ServerTls) -> Result<CryptoProvider, TlsError> {
    let mut offered = CryptoProvider::clone(&provider());
    let names = &settings.cipher_suites;
    if !names.is_empty() {
        // As in Go, the list says nothing about TLS 1.3.
        offered.cipher_suites.retain(|suite| {
            let name = format!("{:?}", suite.suite());
            suite.version() == &rustls::version::TLS13 || names.contains(&name.as_str())
        });
    }
    let groups = &settings.curve_preferences;
    if !groups.is_empty() {
        let all = std::mem::take(&mut offered.kx_groups);
        for wanted in groups {
            let group = match *wanted {
                "CurveP256" => rustls::NamedGroup::secp256r1,
                "CurveP384" => rustls::NamedGroup::secp384r1,
                "CurveP521" => rustls::NamedGroup::secp521r1,
                _ => rustls::NamedGroup::X25519,
            };
            let found = all.iter().find(|own| own.name() == group);
            offered.kx_groups.extend(found);
        }
    }
    if offered.kx_groups.is_empty() {
        return Err(TlsError::Settings(
            "narthex has none of the configured curve_preferences: name X25519, CurveP256 or CurveP384",
        ));
    }
    Ok(offered)
}

type Verifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

/// How clients are judged.
fn clients(
    settings: &ServerTls,
    material: &Material,
    provider: Arc<CryptoProvider>,
) -> Result<Verifier, TlsError> {
    let verifier: Verifier = match settings.client_auth {
        ClientAuth::None => return Ok(Arc::new(NoClientAuth)),
        ClientAuth::Request => Arc::new(AnyClient::new(provider, false)),
        ClientAuth::RequireAny => Arc::new(AnyClient::new(provider, true)),
        ClientAuth::VerifyIfGiven | ClientAuth::RequireAndVerify => {
            let mut roots = RootCertStore::empty();
            if let Some(ca) = &material.ca {
                roots.add_parsable_certificates(ca.certificates("client CA cert")?);
            }
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let builder = match settings.client_auth {
                ClientAuth::VerifyIfGiven => builder.allow_unauthenticated(),
                _ => builder,
            };
            builder
                .build()
                .map_err(|error| TlsError::Verifier(error.to_string()))?
        }
    };
    Ok(match &settings.client_allowed_sans {
        None => verifier,
        Some(names) => Arc::new(Named::new(verifier, names.clone())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_client::{TextSource, TlsVersion};
    use crate::config::secret::{Secret, SecretSource};
    use crate::net::testing::certificates::Authority;

    fn settings() -> ServerTls {
        let identity = Authority::new().issue("edge7");
        ServerTls {
            cert: TextSource::Inline(identity.cert),
            key: SecretSource::Inline(Secret::new(identity.key)),
            client_ca: None,
            client_auth: ClientAuth::None,
            client_allowed_sans: None,
            min_version: TlsVersion::Tls12,
            max_version: TlsVersion::Tls13,
            cipher_suites: Vec::new(),
            prefer_server_cipher_suites: true,
            curve_preferences: Vec::new(),
        }
    }

    #[test]
    fn suites_and_groups_are_those_configured_that_there_are() {
        let all = offered(&settings()).expect("all");
        let some = offered(&ServerTls {
            cipher_suites: vec![
                "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            ],
            curve_preferences: vec!["CurveP521", "CurveP384", "X25519"],
            ..settings()
        })
        .expect("some");
        let of_12 = |provider: &CryptoProvider| {
            let suites = provider.cipher_suites.iter();
            suites
                .filter(|suite| suite.version() == &rustls::version::TLS12)
                .count()
        };
        assert_eq!((of_12(&all), of_12(&some)), (6, 1));
        assert_eq!(some.cipher_suites.len(), 4);
        let groups: Vec<_> = some.kx_groups.iter().map(|group| group.name()).collect();
        use rustls::NamedGroup::{X25519, secp384r1};
        assert_eq!(groups, [secp384r1, X25519]);
    }

    #[test]
    fn settings_that_leave_nothing_are_refused() {
        let foreign = vec!["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"];
        let with_13 = ServerTls {
            cipher_suites: foreign,
            ..settings()
        };
        assert!(ServerTlsSource::new(&with_13).is_ok());
        let without = ServerTls {
            max_version: TlsVersion::Tls12,
            ..with_13
        };
        let error = ServerTlsSource::new(&without).expect_err("nothing left");
        assert!(
            error
                .to_string()
                .contains("none of the configured cipher_suites")
        );
        let groups = ServerTls {
            curve_preferences: vec!["CurveP521"],
            ..settings()
        };
        let error = ServerTlsSource::new(&groups).expect_err("nothing left");
        assert!(
            error
                .to_string()
                .contains("none of the configured curve_preferences")
        );
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let wrong = ServerTls {
            key: settings().key,
            ..settings()
        };
        let error = ServerTlsSource::new(&wrong)
            .expect_err("no pair")
            .to_string();
        assert!(error.starts_with("failed to load X509KeyPair: "), "{error}");
    }
}
