//! `static_configs` and `*_sd_configs`: kept as they stand, for the mechanism to read.

use std::sync::Arc;

use crate::config::decode::{Cursor, Decoded, Fields};
use crate::config::scrape::DiscoveryConfig;
use crate::config::url;
use crate::config::yaml::Value;

/// Mechanisms that exist here, beside `static`, in Prometheus's order. `etcd` and `mdns` are ours
/// alone.
const SUPPORTED: &[&str] = &[
    "consul",
    "dns",
    "docker",
    "dockerswarm",
    "etcd",
    "file",
    "http",
    "kubernetes",
    "mdns",
    "nerve",
    "serverset",
];

/// Mechanisms that Prometheus knows and we do not serve yet.
const UNSUPPORTED: &[&str] = &[
    "aws",
    "azure",
    "digitalocean",
    "ec2",
    "ecs",
    "elasticache",
    "eureka",
    "gce",
    "hetzner",
    "ionos",
    "kuma",
    "lightsail",
    "linode",
    "marathon",
    "msk",
    "nomad",
    "oci",
    "openstack",
    "outscale",
    "ovhcloud",
    "puppetdb",
    "rds",
    "scaleway",
    "stackit",
    "triton",
    "uyuni",
    "vultr",
];

/// Takes every discovery section; the entries come in the order of their mechanisms, `static` last. `check_targets` holds when the job has no relabelling that could
/// repair a target that is not host and port.
pub(super) fn read(
    fields: &mut Fields<'_>,
    check_targets: bool,
    file: &Arc<str>,
) -> Vec<DiscoveryConfig> {
    let mut found = Vec::new();
    for mechanism in SUPPORTED {
        let key = format!("{mechanism}_sd_configs");
        let list = fields.get(&key, |at| entries(at, &key, mechanism, file));
        found.extend(list.unwrap_or_default());
    }
    let static_targets = fields.get("static_configs", |at| {
        entries(at, "static_configs", "static", file)
    });
    for entry in static_targets.unwrap_or_default() {
        if check_targets {
            fields.note(check_static(&entry.cursor()));
        }
        found.push(entry);
    }
    for mechanism in UNSUPPORTED {
        let key = format!("{mechanism}_sd_configs");
        let written = fields.get(&key, |at| at.items("[]*discovery.Config"));
        // An empty list asks for nothing and may stay.
        if written.is_some_and(|items| !items.is_empty()) {
            fields.rule(&key, "not supported by this version of narthex");
        }
    }
    found
}

fn entries(
    at: &Cursor<'_>,
    key: &str,
    mechanism: &str,
    file: &Arc<str>,
) -> Decoded<Vec<DiscoveryConfig>> {
    let list = match mechanism {
        "static" => "[]*targetgroup.Group".to_owned(),
        mechanism => format!("[]*{mechanism}.SDConfig"),
    };
    at.list(&list, |item| {
        if item.node.is_null() {
            return Err(item.rule(format!("empty or null section in {key}")));
        }
        if !matches!(item.node.value, Value::Mapping(_)) {
            return Err(item.mistyped(&format!("{mechanism}.plain")));
        }
        Ok(DiscoveryConfig {
            mechanism: mechanism.to_owned(),
            node: item.node.clone(),
            file: Arc::clone(file),
            path: item.path.clone(),
        })
    })
}

/// Finds URLs where host and port are meant. What else a group holds is the mechanism's to check.
fn check_static(at: &Cursor<'_>) -> Decoded<()> {
    let mut fields = Fields::new(at, "targetgroup.Group")?;
    let Some(targets) = fields.optional("targets") else {
        return Ok(());
    };
    for target in targets.items("[]string")? {
        let text = target.string()?;
        if text.contains('/') {
            let shown = url::redacted(&text);
            return Err(target.rule(format!("{shown:?} is not a valid hostname")));
        }
    }
    Ok(())
}
