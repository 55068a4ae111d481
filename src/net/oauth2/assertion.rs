//! Signed assertions: JSON web tokens by which a client shows who it is (RFC 7523).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{self, RsaEncoding, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value};

use crate::config::oauth2::{Algorithm, JwtBearer, OAuth2Config};
use crate::config::secret::Secret;
use crate::limits;
use crate::model::time::Wall;

/// A signed assertion, valid from `now` on for [`limits::ASSERTION_LIFETIME`].
pub(super) fn sign(
    config: &OAuth2Config,
    own: &JwtBearer,
    key: &str,
    now: Wall,
) -> Result<Secret, String> {
    let key = key_pair(key)?;
    let mut id = [0; 16];
    let random = SystemRandom::new();
    let no_numbers = |_| "no random numbers".to_owned();
    random.fill(&mut id).map_err(no_numbers)?;
    let text = unsigned(config, own, now, u128::from_be_bytes(id));
    let encoding: &'static dyn RsaEncoding = match own.algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
    };
    let mut signed = vec![0; key.public().modulus_len()];
    key.sign(encoding, &random, text.as_bytes(), &mut signed)
        .map_err(|_| "oauth2: the assertion cannot be signed".to_owned())?;
    Ok(Secret::new(format!("{text}.{}", encode(&signed))))
}

/// Header and claims.
fn unsigned(config: &OAuth2Config, own: &JwtBearer, now: Wall, id: u128) -> String {
    let mut header = Map::new();
    header.insert("alg".to_owned(), own.algorithm.name().into());
    header.insert("typ".to_owned(), "JWT".into());
    if !own.key_id.is_empty() {
        header.insert("kid".to_owned(), own.key_id.as_str().into());
    }
    let issued = now.0 / 1000;
    let mut claims = Map::new();
    let mut claim = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    claim("iss", own.issuer.as_str().into());
    claim("sub", config.client_id.as_str().into());
    claim("aud", own.audience.as_str().into());
    claim("jti", uuid(id).into());
    claim("iat", issued.into());
    let lifetime = limits::ASSERTION_LIFETIME.as_secs() as i64;
    claim("exp", (issued + lifetime).into());
    if !config.scopes.is_empty() {
        claim("scope", config.scopes.join(" ").into());
    }
    for (name, value) in &own.claims {
        claim(name, serde_json::from_str(value).unwrap_or(Value::Null));
    }
    let part = |map: Map<String, Value>| encode(Value::Object(map).to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

/// A random number in the form of a UUID of version 4.
fn uuid(number: u128) -> String {
    let number = number & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let digits = format!("{number:032x}");
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &digits[part]);
    parts.join("-")
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn key_pair(pem: &str) -> Result<RsaKeyPair, String> {
    let wrong = || "oauth2: client_certificate_key is no RSA key in PEM".to_owned();
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
        _ => return Err(wrong()),
    };
    pair.map_err(|error| format!("{}: {error}", wrong()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::oauth2::tests::{RSA_KEY, assertion_config};

    #[test]
    fn an_assertion_can_be_checked_with_the_public_key() {
        for (algorithm, parameters) in [
            (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
            (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
            (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
        ] {
            let (config, mut own) = assertion_config();
            own.algorithm = algorithm;
            let signed = sign(&config, &own, RSA_KEY, Wall(1_700_000_000_999)).expect("signed");
            let (text, end) = signed.expose().rsplit_once('.').expect("signature");
            let signature = BASE64_URL_SAFE_NO_PAD.decode(end).expect("base64");
            let key = key_pair(RSA_KEY).expect("key");
            let public = signature::UnparsedPublicKey::new(parameters, key.public().as_ref());
            public.verify(text.as_bytes(), &signature).expect("valid");
        }
    }

    #[test]
    fn it_says_who_asks_whom_for_what_and_until_when() {
        let (config, own) = assertion_config();
        let text = unsigned(&config, &own, Wall(1_700_000_000_999), u128::MAX);
        let part = |text: &str| {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64");
            serde_json::from_slice::<Value>(&bytes).expect("json")
        };
        let (header, claims) = text.split_once('.').expect("two parts");
        let expected = serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "key 1"});
        assert_eq!(part(header), expected);
        let expected = serde_json::json!({
            "iss": "me", "sub": "me", "aud": "https://idp/", "scope": "a b", "level": 5,
            "jti": "ffffffff-ffff-4fff-bfff-ffffffffffff",
            "iat": 1_700_000_000, "exp": 1_700_000_600,
        });
        assert_eq!(part(claims), expected);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let (config, own) = assertion_config();
        for key in [
            "hunter2",
            "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n",
        ] {
            let error = sign(&config, &own, key, Wall(0)).expect_err("no key");
            assert!(error.contains("is no RSA key in PEM"), "{error}");
            assert!(
                !error.contains("hunter2") && !error.contains("aHVud"),
                "{error}"
            );
        }
    }
}
