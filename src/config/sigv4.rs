//! `sigv4` of `remote_write`: signing requests for Amazon's services.

use super::secret::Secret;

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SigV4Config {
    /// The region; empty for the one of the environment, the profile or the instance.
    pub region: String,
    /// Access key and secret key; none for where the environment says that they are.
    pub keys: Option<(String, Secret)>,
    /// Profile in the shared files; empty for the one of the environment.
    pub profile: String,
    /// A role to assume with the credentials; empty for none.
    pub role_arn: String,
    /// What the role may want to know; empty for nothing.
    pub external_id: String,
    /// Ask the FIPS endpoint of the token service.
    pub use_fips_sts_endpoint: bool,
    /// The service that is signed for.
    pub service_name: String,
}
