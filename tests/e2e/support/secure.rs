//! TLS for tests: authorities, certificates, and a client that speaks it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::wait;

/// A certificate and its key, in PEM.
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
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("signed").pem();
        Authority {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for one name or address.
    pub(crate) fn issue(&self, name: &str) -> Identity {
        let params = CertificateParams::new([name.to_owned()]).expect("params");
        let key = KeyPair::generate().expect("key");
        Identity {
            cert: params.signed_by(&key, &self.issuer).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A client of a server on 127.0.0.1.
pub(crate) struct Client<'a> {
    pub(crate) port: u16,
    /// Who must have issued the server's certificate.
    pub(crate) trusts: &'a Authority,
    pub(crate) identity: Option<&'a Identity>,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<String>,
}

impl Client<'_> {
    /// Status and whole answer of a GET, or why there is none.
    pub(crate) fn get(&self, path: &str) -> io::Result<(u16, String)> {
        let authorization = self.authorization.as_ref();
        let header = authorization.map(|value| format!("Authorization: {value}\r\n"));
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{}\r\n",
            header.unwrap_or_default()
        );
        let mut stream = self.connect()?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.get(9..12).and_then(|code| code.parse().ok());
        Ok((status.ok_or_else(|| io::Error::other("no status"))?, answer))
    }

    fn connect(&self) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("certificate");
        let mut roots = RootCertStore::empty();
        roots.add(der(&self.trusts.pem)).expect("root");
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("versions")
                .with_root_certificates(roots);
        let config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("key");
                builder
                    .with_client_auth_cert(vec![der(&own.cert)], key)
                    .expect("identity")
            }
        };
        let name = ServerName::try_from("127.0.0.1").expect("name");
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let stream = TcpStream::connect_timeout(&address, wait::LONG)?;
        stream.set_read_timeout(Some(wait::LONG))?;
        Ok(StreamOwned::new(session, stream))
    }
}

/// The value of `Authorization` for a user and a password.
pub(crate) fn basic(user: &str, password: &str) -> String {
    narthex::http::auth::basic(user, password)
}
