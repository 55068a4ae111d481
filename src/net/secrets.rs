//! Secrets kept in files: read at each use, trimmed, bounded.
//!
//! Errors name the file and the reason, never the content.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::config::secret::{Secret, SecretSource};
use crate::limits;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Larger than the limit for its kind.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not UTF-8.
    #[error("{} is not UTF-8 text", path.display())]
    NotText {
        /// Which file.
        path: PathBuf,
    },
}

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read or is larger.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut content))
        .map_err(|source| FileError::Read {
            path: path.to_owned(),
            source,
        })?;
    if content.len() as u64 > limit {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(content)
}

/// Reads a secret, without the white space around it.
///
/// # Errors
/// When the file cannot be read, is larger than [`limits::SECRET_FILE_BYTES`] or is no text.
pub fn read_secret(path: &Path) -> Result<Secret, FileError> {
    let content = read_bounded(path, limits::SECRET_FILE_BYTES)?;
    match std::str::from_utf8(&content) {
        Ok(text) => Ok(Secret::new(text.trim())),
        Err(_) => Err(FileError::NotText {
            path: path.to_owned(),
        }),
    }
}

/// The secret as it is now.
///
/// # Errors
/// When its file cannot be used.
pub fn resolve(source: &SecretSource) -> Result<Cow<'_, Secret>, FileError> {
    match source {
        SecretSource::Inline(secret) => Ok(Cow::Borrowed(secret)),
        SecretSource::File(path) => read_secret(path).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_anew_and_trimmed() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("token");
        let source = SecretSource::File(path.clone());
        for (content, secret) in [(" one\n", "one"), ("two", "two")] {
            std::fs::write(&path, content).expect("written");
            assert_eq!(resolve(&source).expect("read").expose(), secret);
        }
    }

    #[test]
    fn errors_name_the_file_but_not_its_content() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("token");
        let missing = read_secret(&path).expect_err("missing").to_string();
        assert!(missing.contains("token") && missing.contains("No such file"));
        std::fs::write(&path, b"hunter2\xff").expect("written");
        let text = read_secret(&path).expect_err("no text").to_string();
        assert!(text.ends_with("is not UTF-8 text") && !text.contains("hunter2"));
        std::fs::write(&path, vec![b'x'; 70_000]).expect("written");
        assert!(matches!(
            read_secret(&path),
            Err(FileError::TooLarge { .. })
        ));
    }
}
