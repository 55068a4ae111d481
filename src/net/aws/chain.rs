//! Where keys come from, in the order of AWS's own libraries: the configuration; a profile that it
//! names; environment variables; a web identity; the default profile; the container's agent (ECS,
//! EKS); the instance's metadata service (EC2). A role is assumed with what was found.

use std::sync::Arc;
use std::time::Duration;

use super::metadata::{Container, Instance};
use super::profiles::{Profile, Profiles};
use super::sts::{Role, TokenService};
use super::{Access, Environment, Keys};
use crate::config::http_client::{HttpClientConfig, ProxyConfig};
use crate::config::secret::Secret;
use crate::config::sigv4::SigV4Config;
use crate::limits;
use crate::model::time::Wall;
use crate::net::blocking::{Client, ClientError, ClientOptions};
use crate::net::lease::{Granted, Issuer};
use crate::sys::clock::Clock;

/// What finds keys.
pub(super) struct Chain {
    config: SigV4Config,
    environment: Environment,
    clock: Arc<dyn Clock>,
    /// For the token service.
    outside: Client,
    /// For services on this host or link; never through a proxy.
    inside: Client,
}

impl Chain {
    pub(super) fn new(
        config: SigV4Config,
        environment: Environment,
        clock: Arc<dyn Clock>,
    ) -> Result<Chain, ClientError> {
        let options = || ClientOptions {
            follow_redirects: Some(false),
            ..ClientOptions::new(concat!("narthex/", env!("CARGO_PKG_VERSION")))
        };
        let proxied = HttpClientConfig {
            proxy: ProxyConfig::Environment {
                connect_headers: Vec::new(),
            },
            ..HttpClientConfig::default()
        };
        Ok(Chain {
            config,
            environment,
            clock,
            outside: Client::new(&proxied, options())?,
            inside: Client::new(&HttpClientConfig::default(), options())?,
        })
    }
}

impl Issuer<Access> for Chain {
    fn issue(&self) -> Result<Granted<Access>, String> {
        let profiles = Profiles::read(&*self.environment)?;
        let search = Search {
            chain: self,
            profiles: &profiles,
            now: self.clock.wall(),
            region: self.region(&profiles)?,
        };
        let mut granted = search.keys()?;
        if !self.config.role_arn.is_empty() {
            let role = Role {
                arn: &self.config.role_arn,
                external_id: &self.config.external_id,
                session: "",
            };
            granted = search.service().assume(&role, &granted.grant)?;
        }
        Ok(Granted {
            grant: Access {
                keys: granted.grant,
                region: search.region,
            },
            lasts: granted.lasts,
        })
    }
}

impl Chain {
    fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }

    /// The profile that is meant where none is named.
    fn default_profile(&self) -> String {
        let named = self.variable("AWS_PROFILE");
        named.unwrap_or_else(|| "default".to_owned())
    }

    fn region(&self, profiles: &Profiles) -> Result<String, String> {
        if !self.config.region.is_empty() {
            return Ok(self.config.region.clone());
        }
        let named = match self.config.profile.as_str() {
            "" => self.default_profile(),
            name => name.to_owned(),
        };
        let found = self
            .variable("AWS_REGION")
            .or_else(|| self.variable("AWS_DEFAULT_REGION"))
            .or_else(|| profiles.get(&named)?.get("region").map(str::to_owned));
        match found {
            Some(region) => Ok(region),
            None => self.instance().region().map_err(|error| {
                format!("region not configured in sigv4 or in default credentials chain ({error})")
            }),
        }
    }

    fn instance(&self) -> Instance<'_> {
        Instance {
            client: &self.inside,
            base: self
                .variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
                .unwrap_or_else(|| "http://169.254.169.254".to_owned()),
            disabled: self
                .variable("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }
    }

    fn container(&self) -> Option<Container<'_>> {
        let relative = self.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
        let url = match relative {
            Some(path) => format!("http://169.254.170.2{path}"),
            None => self.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")?,
        };
        Some(Container {
            client: &self.inside,
            url,
            token: self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            token_file: self.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        })
    }

    fn environment_keys(&self) -> Option<Keys> {
        let access = self
            .variable("AWS_ACCESS_KEY_ID")
            .or_else(|| self.variable("AWS_ACCESS_KEY"))?;
        let secret = self
            .variable("AWS_SECRET_ACCESS_KEY")
            .or_else(|| self.variable("AWS_SECRET_KEY"))?;
        Some(Keys {
            access,
            secret: Secret::new(secret),
            token: self.variable("AWS_SESSION_TOKEN").map(Secret::new),
        })
    }
}

/// One search.
struct Search<'a> {
    chain: &'a Chain,
    profiles: &'a Profiles,
    now: Wall,
    region: String,
}

type Found = Result<Granted<Keys>, String>;

/// Keys that change only when somebody edits a file or a configuration.
fn lasting(keys: Keys, lasts: Option<Duration>) -> Found {
    Ok(Granted { grant: keys, lasts })
}

impl Search<'_> {
    fn service(&self) -> TokenService<'_> {
        TokenService {
            client: &self.chain.outside,
            region: &self.region,
            fips: self.chain.config.use_fips_sts_endpoint,
            endpoint: self
                .chain
                .variable("AWS_ENDPOINT_URL_STS")
                .or_else(|| self.chain.variable("AWS_ENDPOINT_URL")),
            now: self.now,
        }
    }

    fn keys(&self) -> Found {
        let chain = self.chain;
        if let Some((access, secret)) = &chain.config.keys {
            let keys = Keys {
                access: access.clone(),
                secret: secret.clone(),
                token: None,
            };
            return lasting(keys, None);
        }
        if !chain.config.profile.is_empty() {
            return self.of_profile(&chain.config.profile, 0);
        }
        if let Some(keys) = chain.environment_keys() {
            return lasting(keys, None);
        }
        if let (Some(file), Some(role)) = (
            chain.variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
            chain.variable("AWS_ROLE_ARN"),
        ) {
            let session = chain.variable("AWS_ROLE_SESSION_NAME").unwrap_or_default();
            return self.by_web_identity(&file, &role, &session);
        }
        let default = chain.default_profile();
        let profile = self.profiles.get(&default);
        if profile.is_some_and(Profile::has_credentials) {
            return self.of_profile(&default, 0);
        }
        if let Some(container) = chain.container() {
            return container.keys(self.now);
        }
        chain.instance().keys(self.now).map_err(|error| {
            format!("aws: no keys in the configuration, the environment or a profile, and {error}")
        })
    }

    fn by_web_identity(&self, file: &str, arn: &str, session: &str) -> Found {
        let role = Role {
            arn,
            external_id: "",
            session,
        };
        self.service().assume_by_web_identity(&role, file.as_ref())
    }

    /// Keys of a profile; `depth` counts the profiles that led here.
    fn of_profile(&self, name: &str, depth: usize) -> Found {
        let profile = self
            .profiles
            .get(name)
            .ok_or_else(|| format!("aws: there is no profile {name:?}"))?;
        if let Some(unknown) = profile.unsupported() {
            return Err(format!(
                "aws: {unknown} in profile {name:?} is not supported by this version of narthex"
            ));
        }
        let file_keys = || {
            let keys = profile.keys();
            let missing = || format!("aws: profile {name:?} has no keys");
            lasting(
                keys.ok_or_else(missing)?,
                Some(limits::AWS_FILE_KEYS_LIFETIME),
            )
        };
        let Some(arn) = profile.get("role_arn") else {
            return file_keys();
        };
        let role = Role {
            arn,
            external_id: profile.get("external_id").unwrap_or_default(),
            session: profile.get("role_session_name").unwrap_or_default(),
        };
        if let Some(file) = profile.get("web_identity_token_file") {
            return self.service().assume_by_web_identity(&role, file.as_ref());
        }
        let base = match (
            profile.get("source_profile"),
            profile.get("credential_source"),
        ) {
            (Some(source), _) if source == name => file_keys()?,
            (Some(_), _) if depth >= limits::AWS_PROFILE_DEPTH => {
                return Err(format!("aws: profile {name:?} leads to too many others"));
            }
            (Some(source), _) => self.of_profile(source, depth + 1)?,
            (None, Some(source)) => self.of_source(source)?,
            (None, None) => {
                return Err(format!(
                    "aws: profile {name:?} has a role_arn and neither source_profile nor credential_source"
                ));
            }
        };
        self.service().assume(&role, &base.grant)
    }

    /// `credential_source` of a profile.
    fn of_source(&self, source: &str) -> Found {
        match source {
            "Environment" => {
                let keys = self.chain.environment_keys();
                lasting(keys.ok_or("aws: no keys in the environment")?, None)
            }
            "EcsContainer" => {
                let container = self.chain.container();
                container
                    .ok_or("aws: no container's agent in the environment")?
                    .keys(self.now)
            }
            "Ec2InstanceMetadata" => self.chain.instance().keys(self.now),
            other => Err(format!("aws: unknown credential_source {other:?}")),
        }
    }
}
