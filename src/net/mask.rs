//! Keeps secrets out of what servers say: some echo the credentials that they refuse.
//!
//! Secrets in files are read when something has to be masked, as they are for each request: masking
//! is for errors, which are rare.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::aws::Signer;
use super::oauth2::Tokens;
use super::secrets;
use crate::config::http_client::{Auth, HeaderValue, HttpClientConfig, ProxyConfig};
use crate::config::secret::{Secret, SecretSource};
use crate::config::url;
use crate::model::sorting;

/// Shorter texts are no secrets, and would be found everywhere.
const SECRET_BYTES_MIN: usize = 4;

/// What must not be shown of what a server says: passwords, tokens and values of headers of a
/// client section, and the token or temporary keys that it uses.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    client: HttpClientConfig,
    further: Vec<Secret>,
    tokens: Option<Arc<Tokens>>,
    signer: Option<Arc<Signer>>,
}

impl Mask {
    /// The secrets of a client section, and further ones.
    #[must_use]
    pub fn new(client: &HttpClientConfig, further: Vec<Secret>) -> Mask {
        let (mut tokens, mut signer) = (None, None);
        match &client.auth {
            Auth::OAuth2(own) => tokens = Tokens::shared(own).ok(),
            Auth::SigV4(own) => signer = Signer::shared(own).ok(),
            _ => {}
        }
        Mask {
            client: client.clone(),
            further,
            tokens,
            signer,
        }
    }

    /// The text with every secret replaced.
    #[must_use]
    pub fn apply(&self, text: String) -> String {
        let mut secrets = self.further.clone();
        secrets.extend(written(&self.client));
        secrets.extend(fetched(self.tokens.as_deref(), self.signer.as_deref()));
        hide(text, secrets)
    }
}

/// The secrets of a client section as they are now; a file that cannot be read has none.
pub(super) fn written(client: &HttpClientConfig) -> Vec<Secret> {
    let now = |source: &SecretSource| {
        let secret = secrets::resolve(source);
        secret.map_or_else(|_| Secret::default(), Cow::into_owned)
    };
    let mut found = of_proxy(&client.proxy);
    match &client.auth {
        Auth::Basic { username, password } => {
            found.extend(basic(now(username).expose(), now(password).expose()));
        }
        Auth::Header { credentials, .. } => found.push(now(credentials)),
        Auth::None | Auth::OAuth2(_) | Auth::SigV4(_) => {}
    }
    let headers = client.headers.iter().flat_map(|header| &header.values);
    found.extend(headers.map(|value| match value {
        HeaderValue::Plain(text) => Secret::new(text.as_str()),
        HeaderValue::Secret(source) => now(source),
    }));
    found
}

/// A password, and how basic authentication puts it on the wire.
pub(super) fn basic(user: &str, password: &str) -> [Secret; 2] {
    let pair = STANDARD.encode(format!("{user}:{password}"));
    [Secret::new(pair), Secret::new(password)]
}

/// The password in a URL, decoded and as written.
pub(super) fn of_url(text: &str) -> Vec<Secret> {
    let user = url::parse(text).ok().and_then(|url| url.user);
    let pair = user.map(|(user, password)| basic(&user, &password.unwrap_or_default()));
    let mut found: Vec<Secret> = pair.into_iter().flatten().collect();
    found.extend(url::password_as_written(text).map(Secret::new));
    found
}

/// What a proxy is sent.
fn of_proxy(proxy: &ProxyConfig) -> Vec<Secret> {
    let (mut found, headers) = match proxy {
        ProxyConfig::None => return Vec::new(),
        ProxyConfig::Environment { connect_headers } => (Vec::new(), connect_headers),
        ProxyConfig::Url {
            url,
            connect_headers,
            ..
        } => (of_url(url.expose()), connect_headers),
    };
    found.extend(headers.iter().flat_map(|(_, values)| values.clone()));
    found
}

/// What was fetched for requests.
pub(super) fn fetched(tokens: Option<&Tokens>, signer: Option<&Signer>) -> Vec<Secret> {
    let mut found = tokens.map(Tokens::secrets).unwrap_or_default();
    found.extend(signer.map(Signer::secrets).into_iter().flatten());
    found
}

/// The text with every secret replaced.
#[must_use]
pub fn hide(text: String, mut secrets: Vec<Secret>) -> String {
    secrets.retain(|secret| secret.expose().len() >= SECRET_BYTES_MIN);
    // A secret that contains another one goes first, or a part of it would stay.
    sorting::sort_by_key(&mut secrets, |own| std::cmp::Reverse(own.expose().len()));
    secrets.iter().fold(text, |text, secret| {
        if text.contains(secret.expose()) {
            text.replace(secret.expose(), "<secret>")
        } else {
            text
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http_client::HeaderConfig;
    use crate::config::oauth2::{Grant, OAuth2Config};
    use crate::net::lease::Standing;
    use crate::net::testing::{PATIENCE, Server, answer};
    use crate::sys::clock::{Clock, SystemClock};

    #[test]
    fn what_a_receiver_echoes_holds_no_secret() {
        let further = vec![Secret::new("HUNTER2"), Secret::new("a")];
        let secret = |text: &str| SecretSource::Inline(Secret::new(text));
        let client = HttpClientConfig {
            auth: Auth::Basic {
                username: secret("me"),
                password: secret("HUNTER2HUNTER2"),
            },
            ..HttpClientConfig::default()
        };
        let mask = Mask::new(&client, further);
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
    fn what_a_proxy_echoes_holds_no_secret() {
        let client = HttpClientConfig {
            proxy: ProxyConfig::Url {
                url: Secret::new("http://me:HUNT%40ER2@proxy"),
                no_proxy: String::new(),
                connect_headers: vec![("X-Token".to_owned(), vec![Secret::new("TOKEN")])],
            },
            ..HttpClientConfig::default()
        };
        let basic = STANDARD.encode("me:HUNT@ER2");
        let text = format!("407: {basic} is not HUNT@ER2 or HUNT%40ER2, nor TOKEN");
        let masked = Mask::new(&client, Vec::new()).apply(text);
        assert_eq!(
            masked,
            "407: <secret> is not <secret> or <secret>, nor <secret>"
        );
    }

    #[test]
    fn secrets_in_files_are_hidden_as_they_are_now() {
        let folder = tempfile::tempdir().expect("folder");
        let file = |name: &str| SecretSource::File(folder.path().join(name));
        let header = HeaderConfig {
            name: "X-Scope".to_owned(),
            values: vec![HeaderValue::Secret(file("scope"))],
        };
        let client = HttpClientConfig {
            auth: Auth::Basic {
                username: file("user"),
                password: file("password"),
            },
            headers: vec![header],
            ..HttpClientConfig::default()
        };
        let mask = Mask::new(&client, Vec::new());
        let said = |text: &str| mask.apply(text.to_owned());
        assert_eq!(said("FIRST"), "FIRST", "no files, no secrets");
        for password in ["FIRST-1", "SECOND-2"] {
            for (name, text) in [("user", "me"), ("password", password), ("scope", "TENANT")] {
                std::fs::write(folder.path().join(name), format!("{text}\n")).expect("written");
            }
            let basic = STANDARD.encode(format!("me:{password}"));
            let text = format!("no {password} for TENANT, Basic {basic}");
            assert_eq!(said(&text), "no <secret> for <secret>, Basic <secret>");
        }
    }

    #[test]
    fn a_token_that_was_fetched_is_hidden_too() {
        let idp = Server::http(|_| answer("200 OK", &[], br#"{"access_token":"TOKEN-1"}"#));
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("client-secret");
        std::fs::write(&file, "CLIENT-SECRET\n").expect("written");
        let oauth2 = OAuth2Config {
            client_id: "mask".to_owned(),
            grant: Grant::ClientCredentials(SecretSource::File(file)),
            scopes: Vec::new(),
            token_url: idp.url("/"),
            endpoint_params: Vec::new(),
            tls: Default::default(),
            proxy: Default::default(),
        };
        let client = HttpClientConfig {
            auth: Auth::OAuth2(Box::new(oauth2.clone())),
            ..HttpClientConfig::default()
        };
        let mask = Mask::new(&client, Vec::new());
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
