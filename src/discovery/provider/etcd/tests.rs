use super::*;
use crate::config::yaml;

fn read(text: &str) -> Result<EtcdConfig, String> {
    let document = yaml::parse(text).expect("yaml");
    let config = parse(&Cursor::new(&document.root, "e")).map_err(|it| it.to_string())?;
    let config: &dyn ProviderConfig = &*config;
    let config = config.as_any().downcast_ref::<EtcdConfig>();
    Ok(config.expect("etcd").clone())
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let config = read("{endpoints: ['http://a:2379/'], prefixes: [/t/]}").expect("valid");
    assert_eq!(config.endpoints, ["http://a:2379"]);
    assert_eq!(config.format, Format::Auto);
    assert_eq!(config.pace.refresh, Duration::from_secs(300));
    assert_eq!(config.pace.silence, Duration::from_secs(60));
    assert_eq!(config.login, None);
    let text = "{endpoints: ['https://a/b', 'https://c'], prefixes: [/t/, x], format: skydns, \
                username: u, password: p, refresh_interval: 1m, tls_config: {server_name: e}}";
    let config = read(text).expect("valid");
    assert_eq!(config.format, Format::Skydns);
    assert_eq!(config.client.tls.server_name, "e");
    let login = config.login.expect("a login");
    assert_eq!(login.username, "u");
    assert_eq!(login.password, SecretSource::Inline(Secret::new("p")));
    let shown = format!("{:?}", read(text));
    assert!(!shown.contains("\"p\""), "{shown}");
}

#[test]
fn mistakes_are_told() {
    let with = |more: &str| format!("{{endpoints: ['http://a'], prefixes: [/t/], {more}}}");
    for (text, expected) in [
        ("{prefixes: [a]}".to_owned(), "at least one endpoint"),
        (
            "{endpoints: ['http://a']}".to_owned(),
            "at least one prefix",
        ),
        (
            "{endpoints: ['http://a'], prefixes: ['']}".to_owned(),
            "none that is empty",
        ),
        (
            "{endpoints: ['a:2379'], prefixes: [a]}".to_owned(),
            "is not a URL such as",
        ),
        (
            "{endpoints: ['http://a?b'], prefixes: [a]}".to_owned(),
            "has a query",
        ),
        (
            with("format: yaml"),
            "unknown format \"yaml\"; write auto, address, json or skydns",
        ),
        (with("password: p"), "a password needs a username"),
        (
            with("username: u, password: p, password_file: f"),
            "at most one of password",
        ),
        (
            with("username: u, bearer_token: t"),
            "username cannot be combined with",
        ),
        (
            with("prefix: /a"),
            "field prefix not found in type etcd.plain",
        ),
    ] {
        let error = read(&text).expect_err(&text);
        assert!(error.contains(expected), "{error}");
    }
    let error = read("{endpoints: ['http://me:hunter2@a'], prefixes: [a]}").expect_err("a user");
    assert!(
        error.contains("write username and password instead"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}
