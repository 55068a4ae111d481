//! Keeps secrets out of what a receiver says: some echo the credentials that they refuse.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::http_client::{Auth, HeaderValue};
use crate::config::remote_write::RemoteWriteConfig;
use crate::config::secret::{Secret, SecretSource};
use crate::model::sorting;
use crate::net::aws::Signer;
use crate::net::oauth2::Tokens;

/// Shorter texts are no secrets, and would be found everywhere.
const SECRET_BYTES_MIN: usize = 4;

/// What must not be shown of an endpoint: the secrets that stand in its configuration, and the token
/// or temporary keys that it uses. Those in files change and are not known here; a receiver that echoes them gets past
/// this.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    written: Vec<Secret>,
    tokens: Option<Arc<Tokens>>,
    signer: Option<Arc<Signer>>,
}

impl Mask {
    /// The secrets of an endpoint: passwords, tokens, values of headers.
    #[must_use]
    pub fn new(config: &RemoteWriteConfig) -> Mask {
        let mut texts: Vec<String> = config.headers.iter().map(|own| own.1.clone()).collect();
        let (mut tokens, mut signer) = (None, None);
        match &config.http_client.auth {
            Auth::None => {}
            Auth::Basic { username, password } => {
                let (user, password) = (inline(username), inline(password));
                texts.push(STANDARD.encode(format!("{user}:{password}")));
                texts.push(password.to_owned());
            }
            Auth::Header { credentials, .. } => texts.push(inline(credentials).to_owned()),
            Auth::OAuth2(own) => tokens = Tokens::shared(own).ok(),
            Auth::SigV4(own) => signer = Signer::shared(own).ok(),
        }
        for header in &config.http_client.headers {
            texts.extend(header.values.iter().map(|value| match value {
                HeaderValue::Plain(text) => text.clone(),
                HeaderValue::Secret(source) => inline(source).to_owned(),
            }));
        }
        texts.retain(|text| text.len() >= SECRET_BYTES_MIN);
        // A secret that contains another one goes first, or a part of it would stay.
        sorting::sort_by_key(&mut texts, |text| std::cmp::Reverse(text.len()));
        Mask {
            written: texts.into_iter().map(Secret::new).collect(),
            tokens,
            signer,
        }
    }

    /// The text with every secret replaced.
    #[must_use]
    pub fn apply(&self, text: String) -> String {
        let tokens = self.tokens.as_ref().map(|tokens| tokens.secrets());
        let keys = self.signer.as_ref().map(|signer| signer.secrets());
        let fetched = tokens.iter().chain(&keys).flatten();
        let fetched = fetched.filter(|secret| secret.expose().len() >= SECRET_BYTES_MIN);
        fetched.chain(&self.written).fold(text, |text, secret| {
            if text.contains(secret.expose()) {
                text.replace(secret.expose(), "<secret>")
            } else {
                text
            }
        })
    }
}

fn inline(source: &SecretSource) -> &str {
    match source {
        SecretSource::Inline(secret) => secret.expose(),
        SecretSource::File(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::oauth2::{Grant, OAuth2Config};
    use crate::net::lease::Standing;
    use crate::net::testing::{PATIENCE, Server, answer};
    use crate::remote::testing::config;
    use crate::sys::clock::{Clock, SystemClock};

    #[test]
    fn what_a_receiver_echoes_holds_no_secret() {
        let mut own = config("http://a/");
        own.headers = vec![
            ("X-Scope".to_owned(), "HUNTER2".to_owned()),
            ("X-Short".to_owned(), "a".to_owned()),
        ];
        let secret = |text: &str| SecretSource::Inline(Secret::new(text));
        own.http_client.auth = Auth::Basic {
            username: secret("me"),
            password: secret("HUNTER2HUNTER2"),
        };
        let mask = Mask::new(&own);
        let basic = STANDARD.encode("me:HUNTER2HUNTER2");
        let text = format!("bad token HUNTER2HUNTER2, header HUNTER2, Basic {basic}, a");
        let masked = mask.apply(text);
        assert_eq!(
            masked,
            "bad token <secret>, header <secret>, Basic <secret>, a"
        );
        assert!(!format!("{mask:?}").contains("HUNTER2"));
    }

    #[test]
    fn a_token_that_was_fetched_is_hidden_too() {
        let idp = Server::http(|_| answer("200 OK", &[], br#"{"access_token":"TOKEN-1"}"#));
        let oauth2 = OAuth2Config {
            client_id: "mask".to_owned(),
            grant: Grant::ClientCredentials(SecretSource::Inline(Secret::new("CLIENT-SECRET"))),
            scopes: Vec::new(),
            token_url: idp.url("/"),
            endpoint_params: Vec::new(),
            tls: Default::default(),
            proxy: Default::default(),
        };
        let mut own = config("http://a/");
        own.http_client.auth = Auth::OAuth2(Box::new(oauth2.clone()));
        let mask = Mask::new(&own);
        let tokens = Tokens::shared(&oauth2).expect("tokens");
        let late = SystemClock.mono() + PATIENCE;
        assert!(matches!(
            tokens.source().wait(late, || false),
            Standing::Ready(_)
        ));
        let masked = mask.apply("Bearer TOKEN-1 is not CLIENT-SECRET".to_owned());
        assert_eq!(masked, "Bearer <secret> is not <secret>");
    }
}
