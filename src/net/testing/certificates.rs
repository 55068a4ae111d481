//! Certificates for tests: an authority and what it signs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// A certificate authority.
pub(crate) struct Authority {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Authority {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for one name or address.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new([name.to_owned()]).expect("params"))
    }

    /// The same, out of date since 2001.
    pub(crate) fn issue_expired(&self, name: &str) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).expect("params");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.sign(&params)
    }

    /// A certificate with a mail address or a URI for a name.
    pub(crate) fn issue_for(&self, kinds: &[&str]) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.subject_alt_names = kinds
            .iter()
            .map(|kind| match *kind {
                "uri" => SanType::URI("spiffe://example.org/a".try_into().expect("text")),
                _ => SanType::Rfc822Name("a@example.org".try_into().expect("text")),
            })
            .collect();
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("key");
        Identity {
            cert: params.signed_by(&key, &self.issuer).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A certificate that is its own authority, as `openssl req -x509` makes it.
pub(crate) fn self_signed(name: &str) -> Identity {
    let mut params = CertificateParams::new([name.to_owned()]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("key");
    Identity {
        cert: params.self_signed(&key).expect("signed").pem(),
        key: key.serialize_pem(),
    }
}

impl Identity {
    /// A server with this certificate.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.server_with(None)
    }

    /// A server that wants client certificates of an authority.
    pub(crate) fn mutual_server(&self, clients: &Authority) -> Arc<ServerConfig> {
        self.server_with(Some(clients))
    }

    fn server_with(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let provider = crate::net::tls::provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(certificate(&authority.pem)).expect("root");
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().expect("verifier"))
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("key");
        let chain = vec![certificate(&self.cert)];
        Arc::new(builder.with_single_cert(chain, key).expect("identity"))
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("certificate")
}
