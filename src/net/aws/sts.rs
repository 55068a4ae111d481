//! The token service (STS): temporary keys for a role.

use std::path::Path;

use super::answers::{self, element};
use super::{Keys, Signable, signed};
use crate::config::secret::Secret;
use crate::http::aws::Scope;
use crate::http::form;
use crate::http::url::Url;
use crate::limits;
use crate::model::time::Wall;
use crate::net::blocking::{Client, Method, Request};
use crate::net::lease::Granted;
use crate::net::secrets;

/// Which role.
pub(super) struct Role<'a> {
    pub(super) arn: &'a str,
    /// Empty for none.
    pub(super) external_id: &'a str,
    /// What the session is called; empty for a name of ours.
    pub(super) session: &'a str,
}

/// The service of a region.
pub(super) struct TokenService<'a> {
    pub(super) client: &'a Client,
    pub(super) region: &'a str,
    pub(super) fips: bool,
    /// Instead of the region's own.
    pub(super) endpoint: Option<String>,
    pub(super) now: Wall,
}

impl TokenService<'_> {
    /// Temporary keys by other keys.
    pub(super) fn assume(&self, role: &Role<'_>, keys: &Keys) -> Result<Granted<Keys>, String> {
        let mut parameters = self.parameters("AssumeRole", role);
        if !role.external_id.is_empty() {
            parameters.push(("ExternalId".to_owned(), role.external_id.to_owned()));
        }
        self.ask(&parameters, Some(keys))
    }

    /// Temporary keys by a token of another identity provider, kept in a file.
    pub(super) fn assume_by_web_identity(
        &self,
        role: &Role<'_>,
        file: &Path,
    ) -> Result<Granted<Keys>, String> {
        let token = secrets::read_secret(file).map_err(|error| error.to_string())?;
        let mut parameters = self.parameters("AssumeRoleWithWebIdentity", role);
        parameters.push(("WebIdentityToken".to_owned(), token.expose().to_owned()));
        self.ask(&parameters, None)
    }

    fn parameters(&self, action: &str, role: &Role<'_>) -> Vec<(String, String)> {
        let session = match role.session {
            "" => format!("narthex-{}", self.now.0),
            name => name.to_owned(),
        };
        let pairs = [
            ("Action", action),
            ("Version", "2011-06-15"),
            ("RoleArn", role.arn),
            ("RoleSessionName", &session),
        ];
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn url(&self) -> String {
        let domain = if self.region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let host = if self.fips { "sts-fips" } else { "sts" };
        let own = format!("https://{host}.{}.{domain}/", self.region);
        self.endpoint.clone().unwrap_or(own)
    }

    fn ask(
        &self,
        parameters: &[(String, String)],
        keys: Option<&Keys>,
    ) -> Result<Granted<Keys>, String> {
        const KIND: &str = "application/x-www-form-urlencoded";
        let failed = |error: String| format!("aws: token service: {error}");
        let body = form::encode(parameters);
        let text = self.url();
        let url = Url::parse(&text).map_err(|error| failed(error.to_string()))?;
        let signable = Signable {
            method: "POST",
            url: &url,
            content_type: Some(KIND),
            body: body.as_bytes(),
        };
        let scope = Scope {
            region: self.region,
            service: "sts",
            now: self.now,
        };
        let signature = keys.map(|keys| signed(&signable, keys, scope));
        let signature = signature.unwrap_or_default();
        let mut headers = vec![("content-type", KIND)];
        headers.extend(
            signature
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        );
        let request = Request {
            method: Method::Post,
            url: &text,
            headers: &headers,
            body: body.as_bytes(),
            timeout: limits::GRANT_TIMEOUT,
            body_limit: limits::GRANT_ANSWER_BYTES,
        };
        let response = self
            .client
            .send(&request)
            .map_err(|error| failed(error.to_string()))?;
        let answer = String::from_utf8_lossy(&response.body);
        if response.head.status != 200 {
            let said = |name| answers::shown(&element(&answer, name).unwrap_or_default());
            let status = response.head.status_text();
            return Err(failed(format!(
                "{status} {} {}",
                said("Code"),
                said("Message")
            )));
        }
        let part = |name| element(&answer, name);
        let keys = Keys {
            access: part("AccessKeyId")
                .ok_or_else(|| failed("no keys in its answer".to_owned()))?,
            secret: Secret::new(part("SecretAccessKey").unwrap_or_default()),
            token: part("SessionToken").map(Secret::new),
        };
        Ok(answers::temporary(
            keys,
            part("Expiration").as_deref(),
            self.now,
        ))
    }
}
