//! `sigv4` of `remote_write`.

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::secret::Secret;
use crate::config::sigv4::SigV4Config;

/// Amazon's managed service for Prometheus.
const SERVICE: &str = "aps";

pub(super) fn read(at: &Cursor<'_>) -> Decoded<SigV4Config> {
    let mut fields = Fields::new(at, "sigv4.plain")?;
    let mut text = |key: &str| fields.string(key).unwrap_or_default();
    let (access, secret) = (text("access_key"), text("secret_key"));
    let service = text("service_name");
    let mut config = SigV4Config {
        region: text("region"),
        keys: None,
        profile: text("profile"),
        role_arn: text("role_arn"),
        external_id: text("external_id"),
        use_fips_sts_endpoint: false,
        service_name: if service.is_empty() {
            SERVICE.to_owned()
        } else {
            service
        },
    };
    config.use_fips_sts_endpoint = fields.bool("use_fips_sts_endpoint").unwrap_or(false);
    if access.is_empty() != secret.is_empty() {
        fields.rule_here("must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config");
    }
    if !config.external_id.is_empty() && config.role_arn.is_empty() {
        fields.rule("external_id", "external_id can only be used with role_arn");
    }
    if !access.is_empty() && !secret.is_empty() {
        config.keys = Some((access, Secret::new(secret)));
    }
    fields.finish()?;
    Ok(config)
}
