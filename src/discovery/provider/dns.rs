//! DNS discovery: the records of names, `dns_sd_configs`.
//!
//! Each name is a group whose source is the name. A name that nobody has is a group without
//! targets; a name that could not be asked for keeps its last targets.
//!
//! Meta labels: `__meta_dns_name`, `__meta_dns_srv_record_target`, `__meta_dns_srv_record_port`,
//! `__meta_dns_mx_record_target`, `__meta_dns_ns_record_target`. Names in labels keep their final
//! dot, in addresses they lose it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{
    Opened, ProviderConfig, ProviderContext, ProviderError, ProviderSpec, Refresh, Runner,
};
use crate::config::decode::{Cursor, Decoded, Fields};
use crate::discovery::group::ADDRESS;
use crate::discovery::outlet::Outlet;
use crate::model::target_group::{LabelMap, TargetGroup};
use crate::net::dns::message::{Record, RecordKind};
use crate::net::dns::resolver::Resolver;
use crate::telemetry::registry::Counter;

/// The mechanism.
pub const SPEC: ProviderSpec = ProviderSpec {
    mechanism: "dns",
    parse,
};

const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
const META_NAME: &str = "__meta_dns_name";
const META_SRV_TARGET: &str = "__meta_dns_srv_record_target";
const META_SRV_PORT: &str = "__meta_dns_srv_record_port";
const META_MX_TARGET: &str = "__meta_dns_mx_record_target";
const META_NS_TARGET: &str = "__meta_dns_ns_record_target";

/// An entry of `dns_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DnsConfig {
    names: Vec<String>,
    kind: RecordKind,
    /// Port of targets whose records have none.
    port: i64,
    refresh_interval: Duration,
}

fn parse(at: &Cursor<'_>) -> Decoded<Arc<dyn ProviderConfig>> {
    let mut fields = Fields::new(at, "dns.plain")?;
    let names = fields.strings("names").unwrap_or_default();
    let kind = fields.string("type").unwrap_or_else(|| "SRV".to_owned());
    let port = fields.i64("port");
    let refresh_interval = fields.duration("refresh_interval");
    if names.is_empty() {
        fields.rule(
            "names",
            "DNS-SD config must contain at least one SRV record name",
        );
    }
    let kind = match kind.to_uppercase().as_str() {
        "SRV" => Some(RecordKind::Srv),
        "A" => Some(RecordKind::A),
        "AAAA" => Some(RecordKind::Aaaa),
        "MX" => Some(RecordKind::Mx),
        "NS" => Some(RecordKind::Ns),
        _ => {
            let message = format!("invalid DNS-SD records type {kind}");
            fields.rule("type", message);
            None
        }
    };
    let kind = kind.unwrap_or(RecordKind::Srv);
    if kind != RecordKind::Srv && port.unwrap_or(0) == 0 {
        let message = "a port is required in DNS-SD configs for all record types except SRV";
        fields.rule("port", message);
    }
    fields.finish()?;
    Ok(Arc::new(DnsConfig {
        names,
        kind,
        port: port.unwrap_or(0),
        refresh_interval: refresh_interval.unwrap_or(REFRESH_INTERVAL),
    }))
}

impl ProviderConfig for DnsConfig {
    fn open(&self, context: &ProviderContext) -> Result<Opened, ProviderError> {
        let clock = Arc::clone(&context.clock);
        let resolver = Resolver::new(context.resolver.clone(), clock, context.jitter.clone());
        let (registry, labels) = (&context.registry, &[]);
        let provider = DnsProvider {
            config: self.clone(),
            resolver,
            last: self.names.iter().map(|_| None).collect(),
            lookups: registry.counter(
                "prometheus_sd_dns_lookups_total",
                "The number of DNS-SD lookups.",
                labels,
            ),
            failures: registry.counter(
                "prometheus_sd_dns_lookup_failures_total",
                "The number of DNS-SD lookup failures.",
                labels,
            ),
        };
        let runner = Runner::Refresh(self.refresh_interval, Box::new(provider));
        Ok(Opened::new(runner))
    }
}

/// The provider. Names are asked for one after the other.
#[derive(Debug)]
struct DnsProvider {
    config: DnsConfig,
    resolver: Resolver,
    /// What is known of each name.
    last: Vec<Option<TargetGroup>>,
    lookups: Arc<Counter>,
    failures: Arc<Counter>,
}

impl Refresh for DnsProvider {
    fn refresh(&mut self, outlet: &Outlet) -> Result<Option<Vec<TargetGroup>>, ProviderError> {
        let stopped = || outlet.stopped();
        let mut answered = false;
        let mut failure = None;
        for (name, last) in self.config.names.iter().zip(&mut self.last) {
            self.lookups.inc();
            match self.resolver.lookup(name, self.config.kind, &stopped) {
                Ok(records) => {
                    *last = Some(group_from(name, &records, self.config.port));
                    answered = true;
                }
                Err(error) if outlet.stopped() => return Err(error.into()),
                Err(error) => {
                    self.failures.inc();
                    failure = Some(error);
                }
            }
        }
        match failure {
            Some(error) if !answered => Err(error.into()),
            failure => {
                if let Some(error) = failure {
                    outlet.complain(&error);
                }
                Ok(Some(self.last.iter().flatten().cloned().collect()))
            }
        }
    }
}

/// The targets that the records of a name stand for.
fn group_from(name: &str, records: &[Record], port: i64) -> TargetGroup {
    let target = |record: &Record| {
        let mut labels = LabelMap::from([(META_NAME.to_owned(), name.to_owned())]);
        let mut set = |label: &str, value: String| labels.insert(label.to_owned(), value);
        let address = match record {
            Record::Srv { target, port } => {
                set(META_SRV_TARGET, target.clone());
                set(META_SRV_PORT, port.to_string());
                host_port(target, i64::from(*port))
            }
            Record::A(address) => ip_port(IpAddr::V4(*address), port),
            Record::Aaaa(address) => ip_port(IpAddr::V6(*address), port),
            Record::Mx(target) => {
                set(META_MX_TARGET, target.clone());
                host_port(target, port)
            }
            Record::Ns(target) => {
                set(META_NS_TARGET, target.clone());
                host_port(target, port)
            }
        };
        set(ADDRESS, address);
        labels
    };
    TargetGroup {
        source: name.to_owned(),
        labels: LabelMap::new(),
        targets: records.iter().map(target).collect(),
    }
}

fn host_port(target: &str, port: i64) -> String {
    format!("{}:{port}", target.trim_end_matches('.'))
}

fn ip_port(address: IpAddr, port: i64) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;

    fn read(text: &str) -> Result<Arc<dyn ProviderConfig>, String> {
        let document = yaml::parse(text).expect("yaml");
        parse(&Cursor::new(&document.root, "d")).map_err(|error| error.to_string())
    }

    fn dns(text: &str) -> DnsConfig {
        let config = read(text).expect("valid");
        let config: &dyn ProviderConfig = &*config;
        config
            .as_any()
            .downcast_ref::<DnsConfig>()
            .expect("dns")
            .clone()
    }

    #[test]
    fn defaults_are_those_of_prometheus() {
        let config = dns("names: [a, b.]");
        assert_eq!(config.names, ["a", "b."]);
        assert_eq!(config.kind, RecordKind::Srv);
        assert_eq!(config.refresh_interval, Duration::from_secs(30));
        let config = dns("{names: [a], type: aaaa, port: 80, refresh_interval: 5s}");
        assert_eq!((config.kind, config.port), (RecordKind::Aaaa, 80));
    }

    #[test]
    fn mistakes_are_told_in_prometheus_words() {
        for (text, expected) in [
            (
                "{}",
                "DNS-SD config must contain at least one SRV record name",
            ),
            (
                "{names: [a], type: MX}",
                "a port is required in DNS-SD configs for all record types except SRV",
            ),
            ("{names: [a], type: PTR}", "invalid DNS-SD records type PTR"),
            (
                "{names: [a], nmes: 1}",
                "field nmes not found in type dns.plain",
            ),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn addresses_lose_the_final_dot_and_labels_keep_it() {
        let srv = Record::Srv {
            target: "h.test.".into(),
            port: 9100,
        };
        let group = group_from("_p._tcp.test", &[srv], 0);
        assert_eq!(group.source, "_p._tcp.test");
        let expected = [
            (ADDRESS, "h.test:9100"),
            (META_NAME, "_p._tcp.test"),
            (META_SRV_PORT, "9100"),
            (META_SRV_TARGET, "h.test."),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(group.targets, [LabelMap::from(expected)]);
    }

    #[test]
    fn addresses_of_every_kind_carry_the_configured_port() {
        let records = [
            Record::A([192, 0, 2, 1].into()),
            Record::Aaaa("2001:db8::1".parse().expect("address")),
            Record::Mx("mx.test.".into()),
            Record::Ns("ns.test.".into()),
        ];
        let group = group_from("n", &records, 81);
        let addresses: Vec<_> = group.targets.iter().map(|t| t[ADDRESS].as_str()).collect();
        let expected = [
            "192.0.2.1:81",
            "[2001:db8::1]:81",
            "mx.test:81",
            "ns.test:81",
        ];
        assert_eq!(addresses, expected);
        assert_eq!(group.targets[2][META_MX_TARGET], "mx.test.");
        assert_eq!(group.targets[3][META_NS_TARGET], "ns.test.");
    }
}
