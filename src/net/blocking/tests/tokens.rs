//! Requests whose credentials must be fetched first.

use std::sync::Arc;

use super::*;
use crate::config::oauth2::{Grant, OAuth2Config};
use crate::config::sigv4::SigV4Config;
use crate::http::aws;
use crate::model::calendar::parse_utc;

fn with_tokens(token_url: &str) -> HttpClientConfig {
    HttpClientConfig {
        auth: Auth::OAuth2(Box::new(OAuth2Config {
            client_id: "them".to_owned(),
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
fn a_token_is_sent_to_the_host_of_the_url_only() {
    let idp = Server::http(|_| answer("200 OK", &[], br#"{"access_token":"t1"}"#));
    let away = Server::http(|_| answer("200 OK", &[], b"away"));
    let away_port = away.address().port();
    let home = Server::http(move |_| redirect(&format!("http://localhost:{away_port}/")));
    let client = client(&with_tokens(&idp.url("/")));
    get(&client, &home.url("/")).expect("answer");
    get(&client, &home.url("/")).expect("answer");
    assert_eq!(
        home.received()[1].header("authorization"),
        Some("Bearer t1")
    );
    assert!(!leaked(&away));
    assert_eq!(idp.received().len(), 1);
}

#[test]
fn a_hanging_token_server_costs_the_time_limit_and_a_shutdown_ends_the_wait() {
    let hanging = Server::start(|mut stream, _| {
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    let server = Server::http(|_| answer("200 OK", &[], b""));
    let client = Arc::new(client(&with_tokens(&format!(
        "http://{}/",
        hanging.address()
    ))));
    let url = server.url("/");
    let request = Request::get(&url, Duration::from_millis(100), 10);
    let error = client.send(&request).expect_err("no token");
    assert!(error.is_timeout(), "{error}");
    assert_eq!(
        error.to_string(),
        "timed out after 100ms while waiting for credentials"
    );
    let other = Arc::clone(&client);
    let waiting = crate::sys::thread::spawn("waits", move || {
        other.send(&Request::get(&url, PATIENCE, 10)).map(drop)
    });
    client.shutdown();
    let ended = waiting.expect("thread").join().expect("no panic");
    assert!(matches!(ended, Err(ClientError::Closed)));
    assert!(server.received().is_empty());
}

#[test]
fn requests_are_signed_for_aws_as_they_are_sent() {
    let server = Server::http(|_| answer("204 No Content", &[], b""));
    let own = SigV4Config {
        region: "eu-west-1".to_owned(),
        keys: Some(("AK".to_owned(), Secret::new("SK"))),
        profile: String::new(),
        role_arn: String::new(),
        external_id: String::new(),
        use_fips_sts_endpoint: false,
        service_name: "aps".to_owned(),
    };
    let client = client(&HttpClientConfig {
        auth: Auth::SigV4(Box::new(own)),
        ..HttpClientConfig::default()
    });
    let url = server.url("/ws/a%20b?x=1");
    let request = Request {
        method: Method::Post,
        headers: &[("Content-Type", "application/x-protobuf")],
        body: b"compressed",
        ..Request::get(&url, PATIENCE, 10)
    };
    client.send(&request).expect("answer");
    let received = &server.received()[0];
    let header = |name| received.header(name).unwrap_or_default();
    let date = header("x-amz-date");
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        &date[4..6],
        &date[6..8],
        &date[9..11],
        &date[11..13],
        &date[13..15]
    );
    let unsigned = aws::Unsigned {
        method: "POST",
        host: header("host"),
        target: received.path(),
        headers: &[
            ("x-amz-date", date),
            ("content-type", header("content-type")),
        ],
        body: &received.body,
    };
    let scope = aws::Scope {
        region: "eu-west-1",
        service: "aps",
        now: parse_utc(&text).expect("a date"),
    };
    assert_eq!(received.body, b"compressed");
    assert_eq!(
        header("authorization"),
        aws::sign(&unsigned, "AK", "SK", scope)
    );
}
