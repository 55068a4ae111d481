//! Names of remote-write endpoints that were given none.
//!
//! A name stands for the endpoint's position in the log, so it must survive edits that do not make
//! it another endpoint. It is the beginning of an MD5 sum, as in Prometheus, but over what says
//! where samples go (URL, user name, headers) and not over the whole entry: changing a queue
//! setting, a relabelling rule or a password keeps the position.

use std::collections::BTreeSet;

use md5::{Digest, Md5};

use crate::config::http_client::Auth;
use crate::config::remote_write::RemoteWriteConfig;
use crate::config::secret::SecretSource;

/// Hex digits of a derived name, as in Prometheus.
const DIGITS: usize = 6;

/// The derived name of an endpoint that is not among `taken`.
pub(super) fn name(endpoint: &RemoteWriteConfig, taken: &BTreeSet<String>) -> String {
    let mut hasher = Md5::new();
    for part in parts(endpoint) {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    // Several endpoints at one place are told apart by their order.
    for ordinal in 0_u64.. {
        let mut own = hasher.clone();
        if ordinal > 0 {
            own.update(ordinal.to_le_bytes());
        }
        let digits: String = own
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = digits[..DIGITS].to_owned();
        if !taken.contains(&name) {
            return name;
        }
    }
    String::new()
}

fn parts(endpoint: &RemoteWriteConfig) -> Vec<String> {
    let mut parts = vec![endpoint.url.clone(), user(&endpoint.http_client.auth)];
    for (name, value) in &endpoint.headers {
        parts.push(name.to_ascii_lowercase());
        parts.push(value.clone());
    }
    parts
}

fn user(auth: &Auth) -> String {
    let Auth::Basic { username, .. } = auth else {
        return String::new();
    };
    match username {
        SecretSource::Inline(name) => name.expose().to_owned(),
        SecretSource::File(path) => path.display().to_string(),
    }
}
