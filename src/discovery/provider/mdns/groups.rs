//! From a service to a target group: one group with one target for each instance and interface.
//! Pure.

use std::net::{IpAddr, SocketAddr};

use crate::discovery::group::ADDRESS;
use crate::model::target_group::{LabelMap, TargetGroup};
use crate::model::text::Text;
use crate::net::mdns::service::Service;

const METRICS_PATH: &str = "__metrics_path__";
const INSTANCE: &str = "__meta_mdns_instance";
const SERVICE: &str = "__meta_mdns_service";
const HOST: &str = "__meta_mdns_host";
const PORT: &str = "__meta_mdns_port";
const HOST_ADDRESS: &str = "__meta_mdns_address";
const INTERFACE: &str = "__meta_mdns_interface";
/// Before the value of an attribute, and before the mark that it is there.
const TXT: &str = "__meta_mdns_txt_";
const TXT_PRESENT: &str = "__meta_mdns_txtpresent_";
/// The attribute that says where the metrics are.
const PATH: &str = "path";

/// The group of a service. `by_name` has it scraped by the name of its host.
pub(super) fn group(service: &Service, by_name: bool) -> TargetGroup {
    let mut labels: Vec<(Text, Text)> = Vec::new();
    let mut set = |name: &str, value: &str| labels.push((name.into(), value.into()));
    set(ADDRESS, &address(service, by_name));
    set(INSTANCE, &service.instance);
    set(SERVICE, &service.kind);
    set(HOST, &service.host);
    set(PORT, &service.port.to_string());
    set(INTERFACE, &service.interface);
    if let Some(address) = service.address {
        set(HOST_ADDRESS, &address.to_string());
    }
    for (key, value) in &service.attributes {
        let value = value.as_deref().unwrap_or_default();
        let key_label = label_part(key);
        set(&format!("{TXT}{key_label}"), value);
        set(&format!("{TXT_PRESENT}{key_label}"), "true");
        if key == PATH && !value.is_empty() {
            set(METRICS_PATH, value);
        }
    }
    TargetGroup {
        source: format!("{}/{}", service.interface, service.name),
        labels: LabelMap::new(),
        targets: vec![labels.into_iter().collect()],
    }
}

fn address(service: &Service, by_name: bool) -> String {
    match service.address.filter(|_| !by_name) {
        Some(IpAddr::V6(v6)) => SocketAddr::from((v6, service.port)).to_string(),
        Some(v4) => format!("{v4}:{}", service.port),
        None => format!("{}:{}", service.host, service.port),
    }
}

/// A key as part of a label name, as Prometheus forms them: what cannot stand there is an
/// underscore.
fn label_part(key: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    key.chars().map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        let attribute = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        Service {
            interface: "eth0".to_owned(),
            name: "Boiler \\. 1._prometheus-http._tcp.local".to_owned(),
            instance: "Boiler . 1".to_owned(),
            kind: "_prometheus-http._tcp".to_owned(),
            host: "boiler.local".to_owned(),
            port: 9100,
            address: Some("192.0.2.7".parse().expect("address")),
            attributes: vec![
                attribute("path", Some("/m")),
                attribute("fw.version", Some("1")),
                attribute("tls", None),
            ],
        }
    }

    fn labels(service: &Service, by_name: bool) -> LabelMap {
        let mut group = group(service, by_name);
        assert_eq!((group.targets.len(), group.labels.len()), (1, 0));
        group.targets.remove(0)
    }

    #[test]
    fn everything_that_is_known_becomes_a_label() {
        let expected = [
            ("__address__", "192.0.2.7:9100"),
            ("__meta_mdns_address", "192.0.2.7"),
            ("__meta_mdns_host", "boiler.local"),
            ("__meta_mdns_instance", "Boiler . 1"),
            ("__meta_mdns_interface", "eth0"),
            ("__meta_mdns_port", "9100"),
            ("__meta_mdns_service", "_prometheus-http._tcp"),
            ("__meta_mdns_txt_fw_version", "1"),
            ("__meta_mdns_txt_path", "/m"),
            ("__meta_mdns_txt_tls", ""),
            ("__meta_mdns_txtpresent_fw_version", "true"),
            ("__meta_mdns_txtpresent_path", "true"),
            ("__meta_mdns_txtpresent_tls", "true"),
            ("__metrics_path__", "/m"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(labels(&service(), false), LabelMap::from(expected));
        let source = group(&service(), false).source;
        assert_eq!(source, "eth0/Boiler \\. 1._prometheus-http._tcp.local");
    }

    #[test]
    fn the_address_is_a_name_or_in_brackets() {
        let mut service = service();
        assert_eq!(labels(&service, true)["__address__"], "boiler.local:9100");
        service.address = Some("2001:db8::7".parse().expect("address"));
        assert_eq!(labels(&service, false)["__address__"], "[2001:db8::7]:9100");
        service.address = None;
        let labels = labels(&service, true);
        assert_eq!(labels["__address__"], "boiler.local:9100");
        assert!(!labels.contains_key("__meta_mdns_address"));
    }

    #[test]
    fn without_a_path_the_job_says_where_the_metrics_are() {
        let mut service = service();
        service.attributes[0].1 = Some(String::new());
        assert!(!labels(&service, false).contains_key("__metrics_path__"));
        service.attributes.clear();
        assert!(!labels(&service, false).contains_key("__metrics_path__"));
    }
}
