//! TLS for targets: one certificate, made on the spot, that is its own authority.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The name in the certificate; agents are told to expect it (`server_name`).
pub(crate) const NAME: &str = "bench.example.com";

/// What every target presents.
pub(crate) struct Tls {
    /// The certificate in PEM, for the agents to trust.
    pub(crate) pem: String,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Makes the certificate.
    pub(crate) fn new() -> Tls {
        let mut params = rcgen::CertificateParams::new([NAME.to_owned()]).expect("params");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("signed").pem();
        let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).expect("certificate")];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("identity");
        Tls {
            pem,
            config: Arc::new(config),
        }
    }

    /// The server's side of a connection; the handshake happens at the first read.
    pub(crate) fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
        let connection =
            ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}
