//! What the sections of `docker` and `dockerswarm` have in common.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::http_client::HttpClientConfig;
use crate::config::{read, url};
use crate::limits;

const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
const PORT: i64 = 80;

/// Where the engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A Unix socket.
    Socket(PathBuf),
    /// The beginning of its URLs, without a slash at the end.
    Base(String),
}

/// The common part of both sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Where it listens.
    pub host: Host,
    /// Port of targets whose objects show none.
    pub port: i64,
    /// Name and values of the engine's own filters.
    pub filters: Vec<(String, Vec<String>)>,
    /// Also the time limit of a request.
    pub refresh_interval: Duration,
    /// How to talk to it.
    pub client: HttpClientConfig,
}

/// Takes the common keys; mistakes are noted there.
pub fn read(fields: &mut Fields<'_>) -> EngineConfig {
    let host = fields.string("host").unwrap_or_default();
    let host = host_of(&host).unwrap_or_else(|message| {
        fields.rule("host", message);
        Host::Base(String::new())
    });
    let port = fields.i64("port").unwrap_or(PORT);
    let filters = fields.get("filters", |at| at.list("[]moby.Filter", filter));
    let refresh_interval = fields.duration("refresh_interval");
    EngineConfig {
        host,
        port,
        filters: filters.unwrap_or_default(),
        refresh_interval: refresh_interval
            .unwrap_or(REFRESH_INTERVAL)
            .max(limits::SD_REFRESH_MIN),
        client: read::http_client::read(fields, true),
    }
}

fn filter(at: &Cursor<'_>) -> Decoded<(String, Vec<String>)> {
    let mut fields = Fields::new(at, "moby.Filter")?;
    let name = fields.string("name").unwrap_or_default();
    let values = fields.strings("values").unwrap_or_default();
    fields.finish()?;
    Ok((name, values))
}

/// Reads `unix:///path`, `tcp://host:port`, `http://...` or `https://...`.
fn host_of(text: &str) -> Result<Host, String> {
    if text.is_empty() {
        return Err("host missing".to_owned());
    }
    let parsed = url::parse(text)?;
    let rest = |text: &str| text.trim_end_matches('/').to_owned();
    match parsed.scheme.as_str() {
        "unix" => match text.split_once("://").map_or("", |(_, path)| path) {
            "" => Err("host needs the path of a socket, as in unix:///var/run/docker.sock".into()),
            path => Ok(Host::Socket(path.into())),
        },
        "tcp" | "http" | "https" if parsed.host.is_empty() => {
            Err("host needs a name or an address, as in tcp://127.0.0.1:2375".to_owned())
        }
        // As in Docker's own client, TCP means plain HTTP.
        "tcp" => Ok(Host::Base(rest(&format!("http{}", &text["tcp".len()..])))),
        "http" | "https" => Ok(Host::Base(rest(text))),
        other => Err(format!(
            "cannot talk to a Docker host by {other:?}: use unix://, tcp://, http:// or https://"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_sockets_or_urls() {
        let socket = Host::Socket("/var/run/docker.sock".into());
        assert_eq!(host_of("unix:///var/run/docker.sock"), Ok(socket));
        for (text, base) in [
            ("tcp://10.0.0.1:2375", "http://10.0.0.1:2375"),
            ("http://h:1/docker/", "http://h:1/docker"),
            ("https://u:p@h", "https://u:p@h"),
        ] {
            assert_eq!(host_of(text), Ok(Host::Base(base.to_owned())), "{text}");
        }
    }

    #[test]
    fn hosts_that_cannot_be_reached_are_refused_with_what_to_write_instead() {
        for (text, expected) in [
            ("", "host missing"),
            ("unix://", "path of a socket"),
            ("tcp://", "a name or an address"),
            ("ssh://h", "use unix://, tcp://, http:// or https://"),
            ("/var/run/docker.sock", "use unix://"),
            ("http://h:x", "invalid port"),
        ] {
            let error = host_of(text).expect_err(text);
            assert!(error.contains(expected), "{error}");
        }
    }
}
