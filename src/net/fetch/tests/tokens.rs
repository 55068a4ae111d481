//! Exchanges whose credentials must be fetched first.

use super::*;
use crate::config::http_client::Auth;
use crate::config::oauth2::{Grant, OAuth2Config};
use crate::config::secret::{Secret, SecretSource};
use crate::net::testing::{Server, answer};

const SOON: Duration = Duration::from_millis(300);

/// Tokens come from that URL.
fn with_tokens(token_url: &str) -> HttpClientConfig {
    HttpClientConfig {
        auth: Auth::OAuth2(Box::new(OAuth2Config {
            client_id: "me".to_owned(),
            grant: Grant::ClientCredentials(SecretSource::Inline(Secret::new("hunter2"))),
            scopes: Vec::new(),
            token_url: token_url.to_owned(),
            endpoint_params: Vec::new(),
            tls: Default::default(),
            proxy: Default::default(),
        })),
        ..HttpClientConfig::default()
    }
}

#[test]
fn a_token_is_fetched_once_for_many_exchanges() {
    let idp = Server::http(|_| answer("200 OK", &[], br#"{"access_token":"t1"}"#));
    let target = Server::http(|_| answer("200 OK", &[], b"page"));
    let mut rig = Rig::new();
    let config = with_tokens(&idp.url("/token"));
    for key in 0..5 {
        rig.start(key, &spec_of(&target.url("/"), &config), PATIENCE);
    }
    let results = rig.collect(5);
    assert!(results.values().all(Result::is_ok), "{results:?}");
    let received = target.received();
    assert_eq!(received.len(), 5);
    let sent =
        |one: &crate::net::testing::Received| one.header("authorization") == Some("Bearer t1");
    assert!(received.iter().all(sent));
    assert_eq!(idp.received().len(), 1);
}

#[test]
fn a_token_server_that_hangs_costs_its_own_targets_only() {
    let hanging = Server::start(|mut stream, _| {
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    let target = Server::http(|_| answer("200 OK", &[], b"page"));
    let mut rig = Rig::new();
    let config = with_tokens(&format!("http://{}/", hanging.address()));
    let own = spec_of(&target.url("/"), &config);
    rig.start(1, &own, SOON);
    rig.start(2, &spec(&target.url("/")), PATIENCE);
    let results = rig.collect(2);
    assert!(results[&2].is_ok());
    let error = results[&1].as_ref().expect_err("no token");
    assert!(error.contains("context deadline exceeded"), "{error}");
    assert_eq!(rig.fetcher.active(), 0);
}

#[test]
fn a_refused_token_fails_the_exchange_with_the_reason() {
    let idp = Server::http(|_| {
        let headers = ["Content-Type: application/json"];
        answer(
            "401 Unauthorized",
            &headers,
            br#"{"error":"invalid_client"}"#,
        )
    });
    let target = Server::http(|_| answer("200 OK", &[], b"page"));
    let mut rig = Rig::new();
    let own = spec_of(&target.url("/"), &with_tokens(&idp.url("/")));
    for _ in 0..3 {
        let error = rig.fetch(&own).expect_err("no token");
        assert!(
            error.contains("oauth2: \"invalid_client\" (401 Unauthorized)"),
            "{error}"
        );
    }
    // Header and parameters once; the next try has to wait.
    assert_eq!((idp.received().len(), target.received().len()), (2, 0));
}
