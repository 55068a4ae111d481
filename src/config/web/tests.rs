use super::*;
use crate::config::http_client::TextSource;

const HASH: &str = "$2y$10$abcdefghijklmnopqrstuuNYVhuCzN8W/N3q6oBTpBoHaLLh6DgBG";

fn error(text: &str) -> String {
    parse("/etc/n/web.yml", text, None)
        .expect_err(text)
        .to_string()
}

#[test]
fn an_empty_file_secures_nothing() {
    for text in [
        "",
        "tls_server_config:\nbasic_auth_users: {}\n",
        "tls_server_config: {min_version: TLS13}",
    ] {
        assert_eq!(
            parse("web.yml", text, None),
            Ok(WebConfig::default()),
            "{text}"
        );
    }
}

#[test]
fn every_key_is_read_and_paths_are_joined() {
    let text = format!(
        "
tls_server_config:
  cert_file: server.crt
  key_file: /abs/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: clients.pem
  client_allowed_sans: [edge7, 10.0.0.1]
  min_version: TLS13
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]
  prefer_server_cipher_suites: false
  curve_preferences: [X25519, CurveP521]
http_server_config:
  http2: false
  headers:
    Strict-Transport-Security: max-age=31536000
    X-Frame-Options: sameorigin
rate_limit: {{interval: 1s, burst: 20}}
basic_auth_users:
  alice: {HASH}
"
    );
    let config = parse("/etc/n/web.yml", &text, None).expect("valid");
    let tls = config.tls.expect("tls");
    assert_eq!(tls.cert, TextSource::File("/etc/n/server.crt".into()));
    assert_eq!(
        tls.client_ca,
        Some(TextSource::File("/etc/n/clients.pem".into()))
    );
    assert_eq!(tls.client_auth, ClientAuth::RequireAndVerify);
    assert_eq!(
        tls.client_allowed_sans.as_deref(),
        Some(&["edge7".to_owned(), "10.0.0.1".to_owned()][..])
    );
    assert_eq!(
        (tls.min_version, tls.max_version),
        (TlsVersion::Tls13, TlsVersion::Tls13)
    );
    assert_eq!(tls.cipher_suites.len(), 2);
    assert_eq!(tls.curve_preferences, ["X25519", "CurveP521"]);
    assert!(!tls.prefer_server_cipher_suites);
    assert_eq!(
        config.headers[1],
        ("X-Frame-Options", "sameorigin".to_owned())
    );
    let limit = config.rate_limit.expect("limit");
    assert_eq!((limit.interval, limit.burst), (Duration::from_secs(1), 20));
    assert_eq!(config.users["alice"].cost, 10);
}

fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let error = error(text);
        assert!(error.contains(expected), "{text}\n{error}");
        let begins = error.starts_with("parsing YAML file /etc/n/web.yml: ");
        assert!(begins && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn mistakes_of_tls_are_named_in_the_words_of_prometheus() {
    check(&[
        (
            "tls_server_config: {key_file: k}",
            "missing one of cert or cert_file",
        ),
        (
            "tls_server_config: {cert_file: c}",
            "missing one of key or key_file",
        ),
        (
            "tls_server_config: {client_auth_type: RequireAnyClientCert}",
            "missing one of cert or cert_file",
        ),
        (
            "tls_config: {}",
            "line 1: tls_config: field tls_config not found in type web.Config",
        ),
    ]);
    for (more, expected) in [
        (
            "client_auth_type: Perhaps",
            "tls_server_config.client_auth_type: invalid ClientAuth: Perhaps",
        ),
        (
            "client_ca_file: ca",
            "client CA's have been configured without a Client Auth Policy",
        ),
        (
            "client_auth_type: RequireAndVerifyClientCert",
            "cannot be verified without client_ca",
        ),
        (
            "client_allowed_sans: [a]",
            "client_allowed_sans requires client_auth_type to be one of RequireAnyClientCert or RequireAndVerifyClientCert",
        ),
        ("min_version: TLS14", "unknown TLS version: TLS14"),
        ("max_version: TLS11", "max_version must be TLS12 or TLS13"),
        (
            "min_version: TLS13, max_version: TLS12",
            "max_version is below min_version",
        ),
        (
            "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]",
            "unknown cipher: TLS_RSA_WITH_RC4_128_SHA",
        ),
        ("curve_preferences: [CurveP1]", "unknown curve: CurveP1"),
        (
            "ca_file: x",
            "field ca_file not found in type web.TLSConfig",
        ),
    ] {
        let text = format!("tls_server_config: {{cert_file: c, key_file: k, {more}}}");
        check(&[(&text, expected)]);
    }
}

#[test]
fn mistakes_of_headers_and_users_are_named_in_the_words_of_prometheus() {
    check(&[
        (
            "http_server_config: {headers: {X-Foo: a}}",
            "HTTP header \"X-Foo\" can not be configured",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: foobar}}",
            "invalid value for X-Frame-Options. Expected one of: [\"deny\" \"sameorigin\"], but got: \"foobar\"",
        ),
        (
            "http_server_config: {headers: {X-Content-Type-Options: foobar}}",
            "invalid value for X-Content-Type-Options. Expected one of: [\"nosniff\"], but got: \"foobar\"",
        ),
        (
            "basic_auth_users: {a: hunter2}",
            "basic_auth_users.a: crypto/bcrypt: bcrypt hashes must start with '$'",
        ),
        (
            "basic_auth_users: [a]",
            "cannot unmarshal !!seq into map[string]config.Secret",
        ),
        (
            "rate_limit: {interval: often}",
            "not a valid duration string",
        ),
    ]);
}
