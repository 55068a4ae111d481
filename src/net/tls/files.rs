//! Where certificates and keys come from, and how a change of their files is noticed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh64::Xxh64;

use super::Pem;
use crate::config::http_client::{TextSource, TlsConfig};
use crate::config::secret::SecretSource;
use crate::limits;
use crate::net::secrets::{FileError, read_bounded};

/// What the file system knows about one file. The change time moves with every write and every
/// rename, also when a copy keeps the modification time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// All texts of one `tls_config`.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) ca: Option<Pem>,
    pub(super) cert: Option<Pem>,
    pub(super) key: Option<Pem>,
}

impl Material {
    /// Reads everything anew.
    pub(super) fn read(config: &TlsConfig) -> Result<Material, FileError> {
        let key = match &config.key {
            Some(SecretSource::Inline(secret)) => Some(inline(secret.expose())),
            Some(SecretSource::File(path)) => Some(from_file(path)?),
            None => None,
        };
        Ok(Material {
            ca: config.ca.as_ref().map(load).transpose()?,
            cert: config.cert.as_ref().map(load).transpose()?,
            key,
        })
    }
}

impl Material {
    /// Tells contents apart without keeping them: a bundle of authorities is 250 KiB of text.
    pub(super) fn digest(&self) -> u64 {
        let mut hash = Xxh64::new(0);
        for pem in [&self.ca, &self.cert, &self.key] {
            let text = pem.as_ref().map_or(&[][..], |pem| &pem.text);
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.digest()
    }
}

fn load(source: &TextSource) -> Result<Pem, FileError> {
    match source {
        TextSource::Inline(text) => Ok(inline(text)),
        TextSource::File(path) => from_file(path),
    }
}

fn inline(text: &str) -> Pem {
    Pem {
        text: text.as_bytes().to_vec(),
        path: None,
    }
}

fn from_file(path: &Path) -> Result<Pem, FileError> {
    Ok(Pem {
        text: read_bounded(path, limits::CERTIFICATE_FILE_BYTES)?,
        path: Some(path.to_owned()),
    })
}

/// The stamps of all files of a `tls_config`, in a fixed order.
pub(super) fn stamps(config: &TlsConfig) -> Result<Vec<Stamp>, FileError> {
    let text = |source: &Option<TextSource>| match source {
        Some(TextSource::File(path)) => Some(path.clone()),
        _ => None,
    };
    let key = match &config.key {
        Some(SecretSource::File(path)) => Some(path.clone()),
        _ => None,
    };
    let paths = [text(&config.ca), text(&config.cert), key];
    paths.into_iter().flatten().map(stamp).collect()
}

/// What is known about one file.
pub(crate) fn stamp(path: PathBuf) -> Result<Stamp, FileError> {
    match std::fs::metadata(&path) {
        Ok(data) => Ok(Stamp {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            changed: (data.ctime(), data.ctime_nsec()),
        }),
        Err(source) => Err(FileError::Read { path, source }),
    }
}
