//! TLS client configurations (rustls with ring) from `tls_config`.
//!
//! Certificate and key files are looked at before every use and read again when the file system
//! says that they changed; a new configuration is built when a content did. Callers notice by
//! comparing the `Arc`. Without configured authorities those of the system are trusted, or
//! Mozilla's if the system has none. Only TLS 1.2 and 1.3 can be spoken. A server certificate that
//! is itself one of the configured authorities is accepted, as Go does: that is how self-signed
//! exporters are set up.

mod client_certificates;
mod clock;
mod files;
mod names;
pub mod server;
mod verify;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use self::files::Material;
pub(crate) use self::files::{Stamp, stamp};
use super::secrets::FileError;
use crate::config::http_client::{TlsConfig, TlsVersion};
use crate::limits;
use crate::sys::published::Published;

/// Why there is no TLS client configuration. Key material is never repeated.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// `max_version` below 1.2.
    #[error("TLS 1.0 and 1.1 are not supported: raise tls_config.max_version to TLS12 or TLS13")]
    Version,
    /// No certificate in the text.
    #[error("unable to use specified {what}: no valid certificate in {origin}")]
    NoCertificate {
        /// `CA cert` or `client cert`.
        what: &'static str,
        /// The file, or `the configuration`.
        origin: String,
    },
    /// No private key in the text.
    #[error("unable to use specified client key: no usable private key in {origin}")]
    NoKey {
        /// The file, or `the configuration`.
        origin: String,
    },
    /// Certificate and key refused, for example because they do not belong together.
    #[error("unable to use specified client cert and key: {0}")]
    Identity(rustls::Error),
    /// A server's certificate and key refused.
    #[error("failed to load X509KeyPair: {0}")]
    ServerIdentity(rustls::Error),
    /// Settings that leave nothing to offer.
    #[error("{0}")]
    Settings(&'static str),
    /// The verifier cannot be built.
    #[error("cannot verify certificates: {0}")]
    Verifier(String),
    /// Neither a host name nor an address.
    #[error("{name:?} is no name that a certificate can have")]
    ServerName {
        /// The configured name or the host of the URL.
        name: String,
    },
}

/// Makes client configurations and keeps the newest.
#[derive(Debug)]
pub struct TlsSource {
    config: TlsConfig,
    built: Published<Option<Built>>,
}

#[derive(Debug)]
struct Built {
    stamps: Vec<Stamp>,
    digest: u64,
    client: Arc<ClientConfig>,
}

impl TlsSource {
    /// Checks the settings and, if they name files, reads them.
    ///
    /// # Errors
    /// When no client configuration can be built from them.
    pub fn new(config: &TlsConfig) -> Result<TlsSource, TlsError> {
        versions(config)?;
        let source = TlsSource {
            config: config.clone(),
            built: Published::new(None),
        };
        let silent = config.ca.is_none() && config.cert.is_none();
        if !silent {
            // What needs no material is built at the first use: roots cost memory.
            source.current()?;
        }
        Ok(source)
    }

    /// The client configuration of this moment. The same `Arc` as before unless a file changed.
    ///
    /// # Errors
    /// When a file cannot be read any more or holds nothing usable.
    pub fn current(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let stamps = files::stamps(&self.config)?;
        let built = self.built.load();
        if let Some(built) = &*built
            && built.stamps == stamps
        {
            return Ok(Arc::clone(&built.client));
        }
        let material = Material::read(&self.config)?;
        let digest = material.digest();
        let client = match &*built {
            Some(built) if built.digest == digest => Arc::clone(&built.client),
            _ => Arc::new(self.build(&material)?),
        };
        // Two threads may both get here; either result is right and the later one stays.
        self.built.publish(Some(Built {
            stamps,
            digest,
            client: Arc::clone(&client),
        }));
        Ok(client)
    }

    /// The name the server's certificate must bear: `server_name`, or the host of the URL.
    ///
    /// # Errors
    /// When that is neither a host name nor an address.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = match self.config.server_name.as_str() {
            "" => host,
            name => name,
        };
        ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName {
            name: name.to_owned(),
        })
    }

    fn build(&self, material: &Material) -> Result<ClientConfig, TlsError> {
        let verifier: Arc<dyn rustls::client::danger::ServerCertVerifier> =
            if self.config.insecure_skip_verify {
                Arc::new(verify::AcceptAny::new(provider()))
            } else if let Some(ca) = &material.ca {
                let authorities = ca.certificates("CA cert")?;
                Arc::new(verify::Pinned::new(authorities, provider())?)
            } else {
                verify::web_pki(system_roots(), provider())?
            };
        let builder = ClientConfig::builder_with_details(provider(), Arc::new(clock::HostTime))
            .with_protocol_versions(&versions(&self.config)?)
            .map_err(|error| TlsError::Verifier(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut client = match (&material.cert, &material.key) {
            (Some(cert), Some(key)) => builder
                .with_client_auth_cert(cert.certificates("client cert")?, key.private_key()?)
                .map_err(TlsError::Identity)?,
            _ => builder.with_no_client_auth(),
        };
        client.resumption = Resumption::in_memory_sessions(limits::TLS_SESSIONS);
        Ok(client)
    }
}

/// The versions to offer.
fn versions(config: &TlsConfig) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let lowest = config.min_version.unwrap_or(TlsVersion::Tls12);
    let highest = config.max_version.unwrap_or(TlsVersion::Tls13);
    let offered = between(lowest, highest);
    if offered.is_empty() {
        return Err(TlsError::Version);
    }
    Ok(offered)
}

/// The versions that can be spoken, the newest first.
fn between(lowest: TlsVersion, highest: TlsVersion) -> Vec<&'static SupportedProtocolVersion> {
    let all = [
        (TlsVersion::Tls13, &rustls::version::TLS13),
        (TlsVersion::Tls12, &rustls::version::TLS12),
    ];
    let within = all
        .into_iter()
        .filter(|(version, _)| (lowest..=highest).contains(version));
    within.map(|(_, protocol)| protocol).collect()
}

/// The one cryptography provider of the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// The authorities of the system, read once for the process as Go does, about 70 KiB.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| Arc::new(load_roots())))
}

fn load_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        log::info!(component = "tls", certificates = added, ignored;
            "trusting the certificate authorities of the system");
    } else {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        log::info!(component = "tls", certificates = roots.len();
            "the system has no certificate authorities, trusting the built-in ones of Mozilla");
    }
    roots
}

/// The text of a certificate or key and where it came from.
struct Pem {
    text: Vec<u8>,
    path: Option<PathBuf>,
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pem")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Pem {
    fn origin(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "the configuration".to_owned(),
        }
    }

    fn certificates(&self, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.text)
            .filter_map(Result::ok)
            .collect();
        if found.is_empty() {
            return Err(TlsError::NoCertificate {
                what,
                origin: self.origin(),
            });
        }
        Ok(found)
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|_| TlsError::NoKey {
            origin: self.origin(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_client::TextSource;
    use crate::config::secret::{Secret, SecretSource};
    use crate::net::testing::certificates::Authority;

    #[test]
    fn versions_are_those_between_the_bounds() {
        let offered = |min_version, max_version| {
            versions(&TlsConfig {
                min_version,
                max_version,
                ..TlsConfig::default()
            })
            .map(|offered| offered.len())
        };
        use TlsVersion::{Tls10, Tls11, Tls12, Tls13};
        assert_eq!(offered(None, None).expect("both"), 2);
        assert_eq!(offered(Some(Tls13), None).expect("1.3"), 1);
        assert_eq!(offered(Some(Tls10), Some(Tls12)).expect("1.2"), 1);
        assert!(matches!(offered(None, Some(Tls11)), Err(TlsError::Version)));
    }

    #[test]
    fn the_same_configuration_is_kept_until_a_content_changes() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("ca.pem");
        let (one, two) = (Authority::new(), Authority::new());
        std::fs::write(&path, &one.pem).expect("written");
        let config = TlsConfig {
            ca: Some(TextSource::File(path.clone())),
            ..TlsConfig::default()
        };
        let source = TlsSource::new(&config).expect("source");
        let first = source.current().expect("built");
        std::fs::write(&path, &one.pem).expect("written again");
        assert!(Arc::ptr_eq(&first, &source.current().expect("kept")));
        std::fs::write(&path, &two.pem).expect("changed");
        assert!(!Arc::ptr_eq(&first, &source.current().expect("rebuilt")));
    }

    #[test]
    fn a_bad_key_is_refused_without_being_shown() {
        let identity = Authority::new().issue("client");
        let key = |text: &str| TlsConfig {
            cert: Some(TextSource::Inline(identity.cert.clone())),
            key: Some(SecretSource::Inline(Secret::new(text))),
            ..TlsConfig::default()
        };
        let broken = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";
        for text in [broken, "hunter2"] {
            let error = TlsSource::new(&key(text)).expect_err("no key").to_string();
            assert!(
                error.starts_with("unable to use specified client"),
                "{error}"
            );
            assert!(!error.contains("hunter2"), "{error}");
        }
        let other = Authority::new().issue("other");
        assert!(TlsSource::new(&key(&other.key)).is_err());
        assert!(TlsSource::new(&key(&identity.key)).is_ok());
    }
}
