//! The URL under which users reach the agent, and what follows from it.

use std::fmt;

use crate::config::url::redacted;

/// A parsed `--web.external-url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// Host and perhaps a port.
    pub host: String,
    /// Path without a slash at its end; empty for the root.
    pub path: String,
}

/// Why a URL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalUrlError {
    /// Quotes from a shell or a unit file.
    #[error("URL must not begin or end with quotes")]
    Quotes,
    /// Neither `http://host/path` nor `/path`.
    #[error("not an http URL: {0:?}")]
    Invalid(String),
}

impl ExternalUrl {
    /// Understands the flag's value; an empty one means the host itself.
    ///
    /// # Errors
    /// When the value is no URL.
    pub fn parse(
        flag: &str,
        listen_address: &str,
        hostname: &str,
    ) -> Result<ExternalUrl, ExternalUrlError> {
        let port = listen_address.rsplit(':').next().unwrap_or("9090");
        let own = ExternalUrl {
            scheme: "http".to_owned(),
            host: format!("{hostname}:{port}"),
            path: String::new(),
        };
        if flag.is_empty() {
            return Ok(own);
        }
        if flag.starts_with(['"', '\'']) || flag.ends_with(['"', '\'']) {
            return Err(ExternalUrlError::Quotes);
        }
        let invalid = || ExternalUrlError::Invalid(redacted(flag));
        let uri: ::http::Uri = flag.parse().map_err(|_| invalid())?;
        let path = uri.path().trim_end_matches('/').to_owned();
        match (uri.scheme_str(), uri.authority()) {
            (None, None) => Ok(ExternalUrl { path, ..own }),
            (Some(scheme @ ("http" | "https")), Some(authority)) => Ok(ExternalUrl {
                scheme: scheme.to_owned(),
                host: authority.host().to_owned()
                    + &authority
                        .port()
                        .map_or(String::new(), |port| format!(":{port}")),
                path,
            }),
            _ => Err(invalid()),
        }
    }

    /// The prefix of all our paths: the flag's value, or the external URL's path. Begins with a
    /// slash and does not end with one; empty for the root.
    #[must_use]
    pub fn route_prefix(&self, flag: &str) -> String {
        let prefix = if flag.is_empty() { &self.path } else { flag };
        match prefix.trim_matches('/') {
            "" => String::new(),
            inner => format!("/{inner}"),
        }
    }

    /// A scrape URL as users can reach it: local hosts become ours, and our own address becomes
    /// the external one.
    #[must_use]
    pub fn globalize(&self, scrape_url: &str, own_port: u16) -> String {
        let Some((scheme, rest)) = scrape_url.split_once("://") else {
            return scrape_url.to_owned();
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let Some((host, port)) = authority.rsplit_once(':') else {
            return scrape_url.to_owned();
        };
        if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
            return scrape_url.to_owned();
        }
        if port.parse() == Ok(own_port) {
            return format!("{}://{}{tail}", self.scheme, self.host);
        }
        let own_host = self
            .host
            .rsplit_once(':')
            .map_or(&*self.host, |(host, _)| host);
        format!("{scheme}://{own_host}:{port}{tail}")
    }
}

impl fmt::Display for ExternalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flag: &str) -> Result<ExternalUrl, ExternalUrlError> {
        ExternalUrl::parse(flag, "0.0.0.0:9090", "edge7")
    }

    #[test]
    fn the_flag_is_read_as_prometheus_reads_it() {
        for (flag, text, prefix) in [
            ("", "http://edge7:9090", ""),
            ("https://x.org/", "https://x.org", ""),
            ("http://x.org:1/a/b/", "http://x.org:1/a/b", "/a/b"),
            ("/prom", "http://edge7:9090/prom", "/prom"),
        ] {
            let url = parse(flag).expect(flag);
            assert_eq!(url.to_string(), text);
            assert_eq!(url.route_prefix(""), prefix);
            assert_eq!(url.route_prefix("/"), "");
            assert_eq!(url.route_prefix("x/"), "/x");
        }
        assert_eq!(parse("\"http://x\""), Err(ExternalUrlError::Quotes));
        assert!(parse("ftp://x/").is_err() && parse("http://").is_err());
    }

    #[test]
    fn local_targets_get_a_name_that_others_can_use() {
        let url = parse("https://x.org/prom").expect("url");
        for (local, global) in [
            ("http://127.0.0.1:9090/metrics", "https://x.org/metrics"),
            (
                "http://localhost:1/metrics?a=b",
                "http://x.org:1/metrics?a=b",
            ),
            ("http://[::1]:1/", "http://x.org:1/"),
            ("http://10.0.0.1:1/", "http://10.0.0.1:1/"),
            ("http://localhost/", "http://localhost/"),
        ] {
            assert_eq!(url.globalize(local, 9090), global);
        }
    }
}
