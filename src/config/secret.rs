//! A secret that cannot be printed.

use std::fmt;

/// A password, token or key. Prints as `<secret>` everywhere; only [`Secret::expose`] gives it
/// away, at the point of use.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a secret in.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Secret {
        Secret(text.into())
    }

    /// The secret itself. Only where it goes on the wire.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A secret written in the configuration or kept in a file that is read at every use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretSource {
    /// In the configuration.
    Inline(Secret),
    /// In this file; surrounding white space is trimmed.
    File(std::path::PathBuf),
}
