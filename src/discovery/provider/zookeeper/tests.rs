use super::*;
use crate::config::yaml;

fn read(text: &str, kind: Kind) -> Result<TreeConfig, String> {
    let document = yaml::parse(text).expect("yaml");
    let config = parse(&Cursor::new(&document.root, "z"), kind).map_err(|it| it.to_string())?;
    let config: &dyn ProviderConfig = &*config;
    let config = config.as_any().downcast_ref::<TreeConfig>();
    Ok(config.expect("a tree").clone())
}

#[test]
fn defaults_are_those_of_prometheus() {
    let config = read("{servers: [a], paths: [/b/c, /]}", Kind::Nerve).expect("valid");
    assert_eq!(config.timeout, Duration::from_secs(10));
    assert_eq!(config.servers[0].to_string(), "a:2181");
    assert_eq!(config.paths, ["/b/c", "/"]);
    let text = "{servers: ['a:1', '[::1]:2'], paths: [/b], timeout: 1ms}";
    let config = read(text, Kind::Nerve).expect("valid");
    assert_eq!(config.timeout, limits::ZK_TIMEOUT_MIN);
    let other = read(text, Kind::Serverset).expect("valid");
    assert_ne!(config, other, "they never share a provider");
}

#[test]
fn mistakes_are_told_in_prometheus_words() {
    for (text, expected) in [
        (
            "{paths: [/a]}",
            "serverset SD config must contain at least one Zookeeper server",
        ),
        (
            "{servers: [a]}",
            "serverset SD config must contain at least one path",
        ),
        (
            "{servers: [a], paths: [b]}",
            "serverset SD config paths must begin with '/': b",
        ),
        (
            "{servers: [a], paths: [/b/]}",
            "\"/b/\" is not a path of ZooKeeper",
        ),
        ("{servers: [a], paths: [//b]}", "is not a path of ZooKeeper"),
        (
            "{servers: [a], paths: [/b/../c]}",
            "is not a path of ZooKeeper",
        ),
        (
            "{servers: ['a:x'], paths: [/b]}",
            "\"a:x\" is not a ZooKeeper server",
        ),
        (
            "{servers: [a], paths: [/b], path: 1}",
            "field path not found in type zookeeper.plain",
        ),
    ] {
        let error = read(text, Kind::Serverset).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
    let error = read("{}", Kind::Nerve).expect_err("empty");
    assert!(
        error.contains("nerve SD config must contain at least one path"),
        "{error}"
    );
}
