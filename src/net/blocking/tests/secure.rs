//! TLS: trust, names, dates, client certificates, rotation.

use super::*;
use crate::config::http_client::TlsVersion;
use crate::net::testing::certificates::self_signed;

#[test]
fn tls_trusts_the_configured_authority_alone() {
    let authority = Authority::new();
    let server = Server::https(authority.issue("localhost").server(), |_| {
        answer("200 OK", &[], b"s")
    });
    let url = by_name(&server, "https");
    let trusted = client(&trusting(&authority.pem));
    assert_eq!(get(&trusted, &url).expect("answer").body, b"s");
    let stranger = client(&trusting(&Authority::new().pem));
    let error = get(&stranger, &url).expect_err("untrusted").to_string();
    assert!(
        error.starts_with("tls: invalid peer certificate"),
        "{error}"
    );
    let mut careless = HttpClientConfig::default();
    careless.tls.insecure_skip_verify = true;
    assert_eq!(get(&client(&careless), &url).expect("answer").body, b"s");
}

#[test]
fn tls_wants_the_right_name_and_a_date_in_range() {
    let authority = Authority::new();
    let reply = |_: &_| answer("200 OK", &[], b"");
    let other = Server::https(authority.issue("other.example").server(), reply);
    let mut config = trusting(&authority.pem);
    let error = get(&client(&config), &by_name(&other, "https")).expect_err("name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
    config.tls.server_name = "other.example".to_owned();
    get(&client(&config), &by_name(&other, "https")).expect("named");
    let expired = Server::https(authority.issue_expired("localhost").server(), reply);
    let error = get(
        &client(&trusting(&authority.pem)),
        &by_name(&expired, "https"),
    );
    let error = error.expect_err("expired").to_string();
    assert!(error.contains("expired"), "{error}");
}

#[test]
fn a_self_signed_certificate_may_be_its_own_authority() {
    let identity = self_signed("localhost");
    let server = Server::https(identity.server(), |_| answer("200 OK", &[], b""));
    let trusted = client(&trusting(&identity.cert));
    get(&trusted, &by_name(&server, "https")).expect("trusted");
    let error = get(&trusted, &format!("https://{}/", server.address())).expect_err("name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[test]
fn mutual_tls_presents_the_client_certificate() {
    let authority = Authority::new();
    let identity = authority.issue("localhost");
    let server = Server::https(identity.mutual_server(&authority), |_| {
        answer("200 OK", &[], b"")
    });
    let mut config = trusting(&authority.pem);
    assert!(get(&client(&config), &by_name(&server, "https")).is_err());
    let own = authority.issue("client");
    config.tls.cert = Some(TextSource::Inline(own.cert));
    config.tls.key = Some(SecretSource::Inline(Secret::new(own.key)));
    get(&client(&config), &by_name(&server, "https")).expect("answer");
}

#[test]
fn a_rotated_authority_takes_effect_without_a_new_client() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = Server::https(new.issue("localhost").server(), |_| {
        answer("200 OK", &[], b"")
    });
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, &old.pem).expect("written");
    let mut config = HttpClientConfig::default();
    config.tls.ca = Some(TextSource::File(path.clone()));
    let client = client(&config);
    assert!(get(&client, &by_name(&server, "https")).is_err());
    std::fs::write(&path, &new.pem).expect("written");
    get(&client, &by_name(&server, "https")).expect("rotated");
    std::fs::remove_file(&path).expect("removed");
    let error = get(&client, &by_name(&server, "https")).expect_err("no file");
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

#[test]
fn unusable_tls_settings_are_refused_at_once() {
    let refused = |tls: TlsConfig| {
        let config = HttpClientConfig {
            tls,
            ..HttpClientConfig::default()
        };
        Client::new(&config, ClientOptions::new("t"))
            .expect_err("refused")
            .to_string()
    };
    let old = TlsConfig {
        max_version: Some(TlsVersion::Tls11),
        ..TlsConfig::default()
    };
    assert!(refused(old).contains("TLS 1.0 and 1.1 are not supported"));
    let missing = TlsConfig {
        ca: Some(TextSource::File("/nonexistent/ca.pem".into())),
        ..TlsConfig::default()
    };
    assert!(refused(missing).contains("/nonexistent/ca.pem"));
    let empty = TlsConfig {
        ca: Some(TextSource::Inline("no certificate".to_owned())),
        ..TlsConfig::default()
    };
    assert!(refused(empty).contains("unable to use specified CA cert"));
}
