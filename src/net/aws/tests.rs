use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::model::calendar::Rfc3339;
use crate::model::time::Mono;
use crate::net::testing::{Received, Server, answer};
use crate::sys::clock::ManualClock;

const NOW: Wall = Wall(1_795_319_602_000);

fn config() -> SigV4Config {
    SigV4Config {
        region: "eu-west-1".to_owned(),
        keys: None,
        profile: String::new(),
        role_arn: String::new(),
        external_id: String::new(),
        use_fips_sts_endpoint: false,
        service_name: "aps".to_owned(),
    }
}

/// A signer with an environment of its own.
struct Scene {
    clock: Arc<ManualClock>,
    signer: Signer,
}

fn scene(config: &SigV4Config, variables: &[(&str, &str)]) -> Scene {
    let pairs = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut map: BTreeMap<String, String> = pairs.collect();
    // Nothing of the machine that runs the tests.
    map.entry("HOME".to_owned())
        .or_insert_with(|| "/nowhere".to_owned());
    let clock = Arc::new(ManualClock::new(Mono(1), NOW));
    let environment: Environment = Arc::new(move |name| map.get(name).cloned());
    let signer = Signer::new(config, environment, Arc::<ManualClock>::clone(&clock));
    Scene {
        clock,
        signer: signer.expect("signer"),
    }
}

impl Scene {
    fn access(&self) -> Result<Access, String> {
        match self.signer.source().wait(Mono(u64::MAX / 2), || false) {
            Standing::Ready(access) => Ok(access),
            Standing::Failed(error) => Err(error.to_string()),
            Standing::Pending => panic!("not over"),
        }
    }

    fn keys(&self) -> Result<(String, String, Option<String>), String> {
        let keys = self.access()?.keys;
        let token = keys.token.map(|token| token.expose().to_owned());
        Ok((keys.access, keys.secret.expose().to_owned(), token))
    }
}

fn three(access: &str, secret: &str, token: &str) -> (String, String, Option<String>) {
    (access.to_owned(), secret.to_owned(), Some(token.to_owned()))
}

/// An answer of the token service, good for so many seconds.
fn assumed(access: &str, seconds: i64) -> Vec<u8> {
    let until = Rfc3339(Wall(NOW.0 + seconds * 1000));
    let text = format!(
        "<R><Credentials><AccessKeyId>{access}</AccessKeyId><SecretAccessKey>S2</SecretAccessKey>\
         <SessionToken>T2</SessionToken><Expiration>{until}</Expiration></Credentials></R>"
    );
    answer("200 OK", &["Content-Type: text/xml"], text.as_bytes())
}

fn parameter(received: &Received, name: &str) -> Option<String> {
    crate::http::form::value(&String::from_utf8_lossy(&received.body), name)
}

/// Whether the request is signed by these keys for the token service at [`NOW`].
fn is_signed(received: &Received, access: &str, secret: &str) -> bool {
    let header = |name| received.header(name).unwrap_or_default();
    let unsigned = Unsigned {
        method: "POST",
        host: header("host"),
        target: received.path(),
        headers: &[
            ("x-amz-date", header("x-amz-date")),
            ("content-type", header("content-type")),
        ],
        body: &received.body,
    };
    let scope = Scope {
        region: "eu-west-1",
        service: "sts",
        now: NOW,
    };
    header("authorization") == aws::sign(&unsigned, access, secret, scope)
}

#[test]
fn written_keys_sign_and_are_not_shown() {
    let own = SigV4Config {
        keys: Some(("AK".to_owned(), Secret::new("hunter2"))),
        ..config()
    };
    let scene = scene(&own, &[]);
    scene.access().expect("keys");
    let url = Url::parse("https://aps.example/workspaces/ws/api/v1/remote_write").expect("url");
    let request = Signable {
        method: "POST",
        url: &url,
        content_type: Some("application/x-protobuf"),
        body: b"x",
    };
    let headers = scene.signer.sign(&request, NOW).expect("signed");
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["x-amz-date", "authorization"]);
    assert_eq!(headers[0].1, "20261122T035322Z");
    let begin = "AWS4-HMAC-SHA256 Credential=AK/20261122/eu-west-1/aps/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(headers[1].1.starts_with(begin), "{headers:?}");
    assert!(!format!("{:?} {headers:?}", scene.signer).contains("hunter2"));
    assert_eq!(scene.signer.secrets()[0].expose(), "hunter2");
}

#[test]
fn a_role_is_assumed_and_again_before_its_keys_end() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let service = Server::http(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assumed(&format!("A{number}"), 3600)
    });
    let own = SigV4Config {
        role_arn: "arn:aws:iam::1:role/r".to_owned(),
        external_id: "ext".to_owned(),
        ..config()
    };
    let scene = scene(
        &own,
        &[
            ("AWS_ACCESS_KEY_ID", "AK"),
            ("AWS_SECRET_ACCESS_KEY", "SK"),
            ("AWS_ENDPOINT_URL_STS", &service.url("/")),
        ],
    );
    assert_eq!(scene.keys(), Ok(three("A0", "S2", "T2")));
    let received = service.received();
    assert!(is_signed(&received[0], "AK", "SK"), "{received:?}");
    for (name, value) in [
        ("Action", "AssumeRole"),
        ("RoleArn", "arn:aws:iam::1:role/r"),
        ("ExternalId", "ext"),
    ] {
        assert_eq!(parameter(&received[0], name).as_deref(), Some(value));
    }
    scene.clock.advance_ms(3_595_000);
    assert_eq!(scene.keys().map(|keys| keys.0), Ok("A1".to_owned()));
}

#[test]
fn a_web_identity_is_shown_without_a_signature() {
    let service = Server::http(|_| assumed("A", 3600));
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "web-token\n").expect("written");
    let scene = scene(
        &config(),
        &[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", &file.to_string_lossy()),
            ("AWS_ROLE_ARN", "arn:r"),
            ("AWS_ROLE_SESSION_NAME", "me"),
            ("AWS_ENDPOINT_URL_STS", &service.url("/")),
        ],
    );
    assert_eq!(scene.keys(), Ok(three("A", "S2", "T2")));
    let received = service.received();
    assert_eq!(received[0].header("authorization"), None);
    for (name, value) in [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("WebIdentityToken", "web-token"),
        ("RoleSessionName", "me"),
    ] {
        assert_eq!(parameter(&received[0], name).as_deref(), Some(value));
    }
}

/// Variables that name a credentials and a config file with these texts.
fn files(folder: &std::path::Path, credentials: &str, config: &str) -> [(&'static str, String); 2] {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    };
    [
        (
            "AWS_SHARED_CREDENTIALS_FILE",
            write("credentials", credentials),
        ),
        ("AWS_CONFIG_FILE", write("config", config)),
    ]
}

#[test]
fn profiles_lead_to_keys_roles_and_regions() {
    let service = Server::http(|_| assumed("A", 3600));
    let folder = tempfile::tempdir().expect("folder");
    let files = files(
        folder.path(),
        "[base]\naws_access_key_id=AK\naws_secret_access_key=SK\n[round]\nrole_arn=r\nsource_profile=round2\n\
         [round2]\nrole_arn=r\nsource_profile=round\n[half]\nrole_arn=r\n",
        "[profile base]\nregion=eu-west-1\n[profile edge]\nrole_arn=arn:e\nsource_profile=base\nregion=eu-west-1\n\
         [profile sso]\nsso_session=x\nregion=r\n",
    );
    let mut variables: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let url = service.url("/");
    variables.push(("AWS_ENDPOINT_URL_STS", &url));
    let of = |name: &str, region: &str| {
        let own = SigV4Config {
            profile: name.to_owned(),
            region: region.to_owned(),
            ..config()
        };
        scene(&own, &variables).access()
    };
    let base = of("base", "").expect("keys");
    assert_eq!((&*base.keys.access, &*base.region), ("AK", "eu-west-1"));
    let edge = of("edge", "").expect("keys");
    assert_eq!(edge.keys.access, "A");
    assert!(is_signed(&service.received()[0], "AK", "SK"));
    for (name, expected) in [
        ("none", "there is no profile \"none\""),
        ("sso", "sso_session in profile \"sso\" is not supported"),
        ("round", "leads to too many others"),
        ("half", "neither source_profile nor credential_source"),
    ] {
        let error = of(name, "eu-west-1").expect_err(name);
        assert!(error.contains(expected), "{error}");
    }
}

const JSON: &[u8] = br#"{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2026-11-22T09:53:22Z"}"#;

#[test]
fn a_container_asks_its_agent_and_nobody_far_away() {
    let agent = Server::http(|_| answer("200 OK", &[], JSON));
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "pod-token\n").expect("written");
    let file = file.to_string_lossy();
    let near = scene(
        &config(),
        &[
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                &agent.url("/v1/credentials"),
            ),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &file),
        ],
    );
    assert_eq!(near.keys(), Ok(three("A", "S", "T")));
    assert_eq!(
        agent.received()[0].header("authorization"),
        Some("pod-token")
    );
    let far = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/")];
    let error = scene(&config(), &far).keys().expect_err("far");
    assert!(
        error.contains("192.0.2.1 is neither on this host"),
        "{error}"
    );
}

#[test]
fn an_instance_is_asked_in_a_session_for_role_keys_and_region() {
    let service = Server::http(|received| match received.path() {
        "/latest/api/token" if received.head.starts_with("PUT ") => answer("200 OK", &[], b"sess"),
        _ if received.header("x-aws-ec2-metadata-token") != Some("sess") => {
            answer("401 Unauthorized", &[], b"")
        }
        "/latest/meta-data/placement/region" => answer("200 OK", &[], b"ap-south-1"),
        "/latest/meta-data/iam/security-credentials/" => answer("200 OK", &[], b"edge-role\n"),
        "/latest/meta-data/iam/security-credentials/edge-role" => answer("200 OK", &[], JSON),
        _ => answer("404 Not Found", &[], b""),
    });
    let own = SigV4Config {
        region: String::new(),
        ..config()
    };
    let url = service.url("");
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str())];
    let access = scene(&own, &variables).access().expect("keys");
    assert_eq!((&*access.keys.access, &*access.region), ("A", "ap-south-1"));
}

#[test]
fn nothing_anywhere_is_said() {
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let error = scene(&config(), &disabled).keys().expect_err("none");
    let expected = "aws: no keys in the configuration, the environment or a profile, and the instance's \
                    metadata service: disabled by AWS_EC2_METADATA_DISABLED";
    assert_eq!(error, expected);
    let own = SigV4Config {
        region: String::new(),
        ..config()
    };
    let error = scene(&own, &disabled).keys().expect_err("none");
    assert!(
        error.starts_with("region not configured in sigv4"),
        "{error}"
    );
}

#[test]
fn a_refused_role_is_told_with_the_words_of_the_service() {
    let service = Server::http(|_| {
        let text = b"<E><Error><Code>AccessDenied</Code><Message>not\nyou</Message></Error></E>";
        answer("403 Forbidden", &[], text)
    });
    let own = SigV4Config {
        keys: Some(("AK".to_owned(), Secret::new("hunter2"))),
        role_arn: "arn:r".to_owned(),
        ..config()
    };
    let scene = scene(&own, &[("AWS_ENDPOINT_URL_STS", &service.url("/"))]);
    for _ in 0..2 {
        let error = scene.keys().expect_err("refused");
        assert_eq!(
            error,
            "aws: token service: 403 Forbidden AccessDenied notyou"
        );
    }
    assert_eq!(service.received().len(), 1);
    scene
        .clock
        .advance_ms(Duration::from_secs(1).as_millis() as u64);
    assert!(scene.keys().is_err());
    assert_eq!(service.received().len(), 2);
}
