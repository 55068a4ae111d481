use std::time::Duration;

use super::*;
use crate::config::http_client::{ProxyConfig, TextSource, TlsConfig};
use crate::config::oauth2::{Algorithm, JwtBearer};
use crate::config::secret::SecretSource;
use crate::model::time::{Mono, Wall};
use crate::net::lease::Standing;
use crate::net::testing::certificates::Authority;
use crate::net::testing::{PATIENCE, Received, Server as Fake, answer};
use crate::sys::clock::ManualClock;

/// Made for these tests by openssl.
pub(super) const RSA_KEY: &str = include_str!("tests/rsa.pem");

const JSON: [&str; 1] = ["Content-Type: application/json"];

fn config(token_url: &str) -> OAuth2Config {
    OAuth2Config {
        client_id: "me and you".to_owned(),
        grant: Grant::ClientCredentials(SecretSource::Inline(Secret::new("hunter2/"))),
        scopes: vec!["a".to_owned(), "b".to_owned()],
        token_url: token_url.to_owned(),
        endpoint_params: vec![("resource".to_owned(), "x y".to_owned())],
        tls: TlsConfig::default(),
        proxy: ProxyConfig::None,
    }
}

pub(super) fn assertion_config() -> (OAuth2Config, JwtBearer) {
    let own = JwtBearer {
        key: SecretSource::Inline(Secret::new(RSA_KEY)),
        key_id: "key 1".to_owned(),
        algorithm: Algorithm::Rs256,
        issuer: "me".to_owned(),
        audience: "https://idp/".to_owned(),
        claims: vec![("level".to_owned(), "5".to_owned())],
    };
    let config = OAuth2Config {
        client_id: "me".to_owned(),
        grant: Grant::JwtBearer(own.clone()),
        ..config("https://idp/token")
    };
    (config, own)
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Mono(1), Wall(1_700_000_000_000)))
}

fn token(tokens: &Tokens) -> Result<String, String> {
    let late = Mono(u64::MAX / 2);
    match tokens.source().wait(late, || false) {
        Standing::Ready(Token(header)) => Ok(header.expose().to_owned()),
        Standing::Failed(error) => Err(error.to_string()),
        Standing::Pending => panic!("not over"),
    }
}

fn body(received: &Received) -> String {
    String::from_utf8_lossy(&received.body).into_owned()
}

#[test]
fn a_token_is_asked_for_once_and_again_before_it_ends() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let server = Fake::http(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let text = format!(r#"{{"access_token":"t{number}","expires_in":100}}"#);
        answer("200 OK", &JSON, text.as_bytes())
    });
    let clock = clock();
    let tokens = Tokens::new(
        &config(&server.url("/token")),
        Arc::<ManualClock>::clone(&clock),
    );
    let tokens = tokens.expect("tokens");
    for _ in 0..3 {
        assert_eq!(token(&tokens).as_deref(), Ok("Bearer t0"));
    }
    let received = server.received();
    assert_eq!(received.len(), 1);
    let expected = auth::basic("me+and+you", "hunter2%2F");
    assert_eq!(received[0].header("authorization"), Some(&*expected));
    let expected = "grant_type=client_credentials&resource=x+y&scope=a+b";
    assert_eq!(body(&received[0]), expected);
    assert!(
        received[0]
            .header("user-agent")
            .is_some_and(|own| own.starts_with("narthex/"))
    );
    clock.advance_ms(95_000);
    assert_eq!(token(&tokens).as_deref(), Ok("Bearer t1"));
    assert_eq!(tokens.secrets()[0].expose(), "t1");
    assert!(!format!("{tokens:?}").contains("t1") && !format!("{tokens:?}").contains("hunter2"));
}

#[test]
fn a_server_that_wants_the_secret_as_a_parameter_gets_it_and_is_remembered() {
    let server = Fake::http(|received| {
        if received.header("authorization").is_some() {
            return answer("401 Unauthorized", &JSON, br#"{"error":"invalid_client"}"#);
        }
        answer("200 OK", &JSON, br#"{"access_token":"t","expires_in":10}"#)
    });
    let clock = clock();
    let tokens = Tokens::new(&config(&server.url("/")), Arc::<ManualClock>::clone(&clock));
    let tokens = tokens.expect("tokens");
    assert_eq!(token(&tokens).as_deref(), Ok("Bearer t"));
    clock.advance_ms(20_000);
    assert_eq!(token(&tokens).as_deref(), Ok("Bearer t"));
    let received = server.received();
    let with_header = received
        .iter()
        .filter(|own| own.header("authorization").is_some());
    assert_eq!((received.len(), with_header.count()), (3, 1));
    let last = body(&received[2]);
    assert!(
        last.starts_with("client_id=me+and+you&client_secret=hunter2%2F&"),
        "{last}"
    );
}

#[test]
fn a_refusal_is_told_without_secrets_and_not_repeated_at_once() {
    let server = Fake::http(|_| {
        let text = br#"{"error":"invalid_client","error_description":"secret hunter2/ is wrong"}"#;
        answer("400 Bad Request", &JSON, text)
    });
    let clock = clock();
    let tokens = Tokens::new(&config(&server.url("/")), Arc::<ManualClock>::clone(&clock));
    let tokens = tokens.expect("tokens");
    let expected =
        "oauth2: \"invalid_client\" \"secret <secret> is wrong\" (400 Bad Request)".to_owned();
    for _ in 0..3 {
        assert_eq!(token(&tokens), Err(expected.clone()));
    }
    // Both styles, once.
    assert_eq!(server.received().len(), 2);
    clock.advance_ms(1000);
    assert_eq!(token(&tokens), Err(expected));
    assert_eq!(server.received().len(), 4);
}

#[test]
fn secrets_in_files_are_read_for_each_token_and_must_be_there() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("secret");
    let server =
        Fake::http(|_| answer("200 OK", &JSON, br#"{"access_token":"t","expires_in":10}"#));
    let clock = clock();
    let config = OAuth2Config {
        grant: Grant::ClientCredentials(SecretSource::File(path.clone())),
        ..config(&server.url("/"))
    };
    let tokens = Tokens::new(&config, Arc::<ManualClock>::clone(&clock)).expect("tokens");
    let error = token(&tokens).expect_err("no file");
    assert!(error.starts_with("cannot read "), "{error}");
    for secret in ["one", "two"] {
        std::fs::write(&path, format!("{secret}\n")).expect("written");
        clock.advance_ms(20_000);
        assert_eq!(token(&tokens).as_deref(), Ok("Bearer t"));
        let expected = auth::basic("me+and+you", secret);
        let received = server.received();
        let last = received.last().expect("a request");
        assert_eq!(last.header("authorization"), Some(&*expected));
    }
}

#[test]
fn an_assertion_goes_through_tls_of_its_own() {
    let authority = Authority::new();
    let server = Fake::https(authority.issue("127.0.0.1").server(), |_| {
        answer("200 OK", &JSON, br#"{"access_token":"t"}"#)
    });
    let (mut config, _) = assertion_config();
    config.token_url = server.url("/").replace("http:", "https:");
    let untrusted = Tokens::new(&config, clock()).expect("tokens");
    let error = token(&untrusted).expect_err("not trusted");
    assert!(
        error.starts_with("oauth2: cannot fetch token: tls: "),
        "{error}"
    );
    config.tls.ca = Some(TextSource::Inline(authority.pem));
    let tokens = Tokens::new(&config, clock()).expect("tokens");
    assert_eq!(token(&tokens).as_deref(), Ok("Bearer t"));
    let received = server.received();
    let form = body(received.last().expect("a request"));
    let kind = crate::http::form::value(&form, "grant_type");
    assert_eq!(
        kind.as_deref(),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer")
    );
    let assertion = crate::http::form::value(&form, "assertion").expect("an assertion");
    assert_eq!(assertion.split('.').count(), 3);
    assert!(
        received
            .iter()
            .all(|own| own.header("authorization").is_none())
    );
}

#[test]
fn equal_configurations_share_and_unused_ones_are_forgotten() {
    let one = config("http://127.0.0.1:9/one");
    let tokens = Tokens::shared(&one).expect("tokens");
    assert!(Arc::ptr_eq(&tokens, &Tokens::shared(&one).expect("tokens")));
    assert!(Tokens::known(&config("http://127.0.0.1:9/two")).is_none());
    drop(tokens);
    assert!(Tokens::known(&one).is_none());
}

#[test]
fn a_server_that_hangs_holds_up_nobody_else() {
    let server = Fake::start(|stream, _| {
        let mut stream = stream;
        let _nothing = std::io::Read::read(&mut stream, &mut [0; 1024]);
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    let own = config(&format!("http://{}/", server.address()));
    let tokens = Tokens::new(&own, Arc::new(SystemClock)).expect("tokens");
    let soon = SystemClock.mono() + Duration::from_millis(50);
    assert!(matches!(
        tokens.source().wait(soon, || false),
        Standing::Pending
    ));
    assert!(SystemClock.mono().since(soon) < PATIENCE);
}
