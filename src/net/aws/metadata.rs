//! Services beside the agent that give it keys: a container's agent (ECS, EKS), an instance's
//! metadata service (EC2, version 2).

use std::net::IpAddr;

use super::Keys;
use super::answers::keys_of_json;
use crate::http::url::Url;
use crate::limits;
use crate::model::time::Wall;
use crate::net::blocking::{Client, Method, Request};
use crate::net::lease::Granted;
use crate::net::secrets;

/// Where agents of containers are, beside loopback.
const AGENTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// How long a session with the metadata service may last, in seconds: six hours, its maximum. One
/// is begun for each set of keys.
const SESSION_SECONDS: &str = "21600";

fn send(
    client: &Client,
    method: Method,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Vec<u8>, String> {
    let request = Request {
        method,
        url,
        headers,
        body: &[],
        timeout: limits::AWS_METADATA_TIMEOUT,
        body_limit: limits::GRANT_ANSWER_BYTES,
    };
    let response = client.send(&request).map_err(|error| error.to_string())?;
    match response.head.status {
        200 => Ok(response.body),
        _ => Err(response.head.status_text()),
    }
}

/// The agent of a container.
pub(super) struct Container<'a> {
    pub(super) client: &'a Client,
    pub(super) url: String,
    pub(super) token: Option<String>,
    pub(super) token_file: Option<String>,
}

impl Container<'_> {
    pub(super) fn keys(&self, now: Wall) -> Result<Granted<Keys>, String> {
        let failed = |error: String| format!("aws: the container's agent: {error}");
        self.check().map_err(failed)?;
        let token = match &self.token_file {
            Some(file) => {
                let read = secrets::read_secret(file.as_ref());
                Some(
                    read.map_err(|error| failed(error.to_string()))?
                        .expose()
                        .to_owned(),
                )
            }
            None => self.token.clone(),
        };
        let headers: Vec<(&str, &str)> = token
            .iter()
            .map(|token| ("authorization", token.as_str()))
            .collect();
        let body = send(self.client, Method::Get, &self.url, &headers).map_err(failed)?;
        keys_of_json(&body, now).ok_or_else(|| failed("no keys in its answer".to_owned()))
    }

    /// Without TLS, keys are taken from this host and from AWS's own addresses only.
    fn check(&self) -> Result<(), String> {
        let url = Url::parse(&self.url).map_err(|error| error.to_string())?;
        let host = url.host.trim_matches(['[', ']']);
        let is_near = host == "localhost"
            || AGENTS.contains(&host)
            || host.parse::<IpAddr>().is_ok_and(|own| own.is_loopback());
        if url.tls || is_near {
            return Ok(());
        }
        Err(format!("{host} is neither on this host nor asked by https"))
    }
}

/// The metadata service of an instance.
pub(super) struct Instance<'a> {
    pub(super) client: &'a Client,
    pub(super) base: String,
    pub(super) disabled: bool,
}

impl Instance<'_> {
    pub(super) fn keys(&self, now: Wall) -> Result<Granted<Keys>, String> {
        const PATH: &str = "/latest/meta-data/iam/security-credentials/";
        let session = self.session()?;
        let roles = self.get(&session, PATH)?;
        let roles = String::from_utf8_lossy(&roles).into_owned();
        let role = roles.lines().next().unwrap_or_default();
        let body = self.get(&session, &format!("{PATH}{role}"))?;
        let no_keys = || self.failed("no keys in its answer");
        keys_of_json(&body, now).ok_or_else(no_keys)
    }

    pub(super) fn region(&self) -> Result<String, String> {
        let session = self.session()?;
        let body = self.get(&session, "/latest/meta-data/placement/region")?;
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }

    fn failed(&self, error: &str) -> String {
        format!("the instance's metadata service: {error}")
    }

    fn session(&self) -> Result<String, String> {
        if self.disabled {
            return Err(self.failed("disabled by AWS_EC2_METADATA_DISABLED"));
        }
        let url = format!("{}/latest/api/token", self.base.trim_end_matches('/'));
        let headers = [("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS)];
        let body = send(self.client, Method::Put, &url, &headers);
        let body = body.map_err(|error| self.failed(&error))?;
        Ok(String::from_utf8_lossy(&body).trim().to_owned())
    }

    fn get(&self, session: &str, path: &str) -> Result<Vec<u8>, String> {
        let url = format!("{}{path}", self.base.trim_end_matches('/'));
        let headers = [("x-aws-ec2-metadata-token", session)];
        send(self.client, Method::Get, &url, &headers).map_err(|error| self.failed(&error))
    }
}
