//! Signs requests for AWS with keys from wherever its tools would take them.
//!
//! [`chain`] says where that is. Keys are kept and renewed as other grants are ([`super::lease`]).

mod answers;
mod chain;
mod metadata;
mod profiles;
mod sts;

use std::sync::Arc;

use self::chain::Chain;
use super::context::ContextError;
use super::lease::{Kind, Shared, Source, Standing};
use crate::config::secret::Secret;
use crate::config::sigv4::SigV4Config;
use crate::http::aws::{self, Scope, Unsigned};
use crate::http::url::Url;
use crate::model::time::Wall;
use crate::sys::clock::{Clock, SystemClock};

/// An access key with its secret, and the token of temporary ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The access key: no secret.
    pub access: String,
    /// The secret key.
    pub secret: Secret,
    /// What temporary keys are sent with.
    pub token: Option<Secret>,
}

/// What a signature is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The keys.
    pub keys: Keys,
    /// The region, found with them.
    pub region: String,
}

/// A request to be signed.
#[derive(Clone, Copy, Debug)]
pub struct Signable<'a> {
    /// Its method.
    pub method: &'a str,
    /// Where it goes.
    pub url: &'a Url,
    /// Its `Content-Type`, if it has one.
    pub content_type: Option<&'a str>,
    /// Its body.
    pub body: &'a [u8],
}

/// Environment variables.
pub type Environment = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Signs for one configuration.
#[derive(Debug)]
pub struct Signer {
    config: SigV4Config,
    source: Source<Access>,
}

/// All that are in use.
static SHARED: Shared<Signer> = Shared::new();

impl Signer {
    /// The signer of a configuration, the same one for everybody who has an equal one.
    ///
    /// # Errors
    /// When no client can be made for the services that give keys.
    pub fn shared(config: &SigV4Config) -> Result<Arc<Signer>, ContextError> {
        if let Some(known) = SHARED.find(|signer| signer.config == *config) {
            return Ok(known);
        }
        let environment: Environment = Arc::new(|name| std::env::var(name).ok());
        let signer = Signer::new(config, environment, Arc::new(SystemClock))?;
        Ok(SHARED.add(signer))
    }

    /// A signer of its own, with another environment and clock.
    ///
    /// # Errors
    /// As [`Signer::shared`].
    pub fn new(
        config: &SigV4Config,
        environment: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Signer, ContextError> {
        let name = match (&*config.role_arn, &*config.profile) {
            ("", "") => config.service_name.clone(),
            ("", profile) => format!("profile {profile}"),
            (role, _) => role.to_owned(),
        };
        let chain = Chain::new(config.clone(), environment, Arc::clone(&clock))
            .map_err(|error| ContextError::Grant(error.to_string().into()))?;
        Ok(Signer {
            config: config.clone(),
            source: Source::new(Kind::Aws, name, Box::new(chain), clock),
        })
    }

    /// Where its keys come from.
    #[must_use]
    pub fn source(&self) -> &Source<Access> {
        &self.source
    }

    /// Texts that must not be shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<Secret> {
        let Some(access) = self.source.held() else {
            return self.config.keys.iter().map(|own| own.1.clone()).collect();
        };
        let mut secrets = vec![access.keys.secret];
        secrets.extend(access.keys.token);
        secrets
    }

    /// The headers that sign a request at a time.
    ///
    /// # Errors
    /// When there are no keys.
    pub fn sign(
        &self,
        request: &Signable<'_>,
        now: Wall,
    ) -> Result<Vec<(&'static str, String)>, ContextError> {
        let access = match self.source.standing() {
            Standing::Ready(access) => access,
            Standing::Failed(error) => return Err(ContextError::Grant(error)),
            Standing::Pending => return Err(ContextError::Grant("aws: no keys yet".into())),
        };
        let scope = Scope {
            region: &access.region,
            service: &self.config.service_name,
            now,
        };
        Ok(signed(request, &access.keys, scope))
    }
}

/// The headers that sign a request.
fn signed(request: &Signable<'_>, keys: &Keys, scope: Scope<'_>) -> Vec<(&'static str, String)> {
    let mut own = vec![("x-amz-date", aws::date(scope.now))];
    if let Some(token) = &keys.token {
        own.push(("x-amz-security-token", token.expose().to_owned()));
    }
    let mut headers: Vec<(&str, &str)> = own
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    headers.extend(request.content_type.map(|kind| ("content-type", kind)));
    let unsigned = Unsigned {
        method: request.method,
        host: &request.url.authority,
        target: &request.url.target,
        headers: &headers,
        body: request.body,
    };
    let value = aws::sign(&unsigned, &keys.access, keys.secret.expose(), scope);
    own.push(("authorization", value));
    own
}

#[cfg(test)]
mod tests;
