//! What is fetched, and what comes of it.

use std::sync::Arc;

use super::Failure;
use super::route::Route;
use crate::http::gzip::Inflater;
use crate::http::url::{Url, UrlError};
use crate::net::context::HttpContext;

/// All that a target's fetches have in common. Immutable; shared by reference count.
#[derive(Debug)]
pub struct FetchSpec {
    /// Where to ask.
    pub(super) url: Url,
    /// The socket behind which everything is asked, whatever host a URL names.
    pub(super) unix_socket: Option<Arc<str>>,
    /// How to get there.
    pub(super) route: Route,
    /// Credentials, TLS, proxy, extra headers, redirects.
    pub(super) context: Arc<HttpContext>,
    /// Headers sent to every host, redirected or not; no credentials.
    pub(super) headers: Vec<(String, String)>,
    /// Decoded bytes at which a body is too large; 0 for no limit.
    pub(super) body_limit: u64,
}

/// Why a URL cannot be fetched at all.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// No usable URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// No way there.
    #[error(transparent)]
    Route(#[from] Failure),
}

impl FetchSpec {
    /// What the target said, with the secrets of the job replaced.
    #[must_use]
    pub fn masked(&self, text: String) -> String {
        self.context.masked(text, Vec::new())
    }

    /// Puts a spec together. `headers` are sent to wherever redirects lead: accept, accept-encoding,
    /// user-agent and the scrape timeout, never credentials, which belong into `context`. A decoded
    /// body of `body_limit` bytes or more is an error; 0 for no limit. With `unix_socket`, names and
    /// proxies play no part.
    ///
    /// # Errors
    /// When the URL cannot be asked for or reached.
    pub fn new(
        url: &str,
        unix_socket: Option<Arc<str>>,
        context: Arc<HttpContext>,
        headers: Vec<(String, String)>,
        body_limit: u64,
    ) -> Result<FetchSpec, SpecError> {
        let url = Url::parse(url)?;
        Ok(FetchSpec {
            route: Route::plan(&context, &url, unix_socket.as_ref())?,
            url,
            unix_socket,
            context,
            headers,
            body_limit,
        })
    }

    /// Where it asks; prints without user and password.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What CONNECT names as user agent: the same as the requests.
    pub(super) fn user_agent(&self) -> &str {
        let own = self.headers.iter();
        let mut own = own.filter(|(name, _)| name.eq_ignore_ascii_case("user-agent"));
        own.next().map_or("", |(_, value)| value)
    }
}

/// A complete response. Give it to [`super::Fetcher::recycle`] when done with it.
#[derive(Debug)]
pub struct Fetched {
    /// Status code. Bodies of others than 200 are dropped.
    pub status: u16,
    /// The phrase behind it, as sent.
    pub reason: String,
    /// `Content-Type`, if it is text.
    pub content_type: Option<String>,
    /// Whether the body is compressed.
    pub gzip: bool,
    /// The body as it came, empty unless the status is 200. See [`BodyDecoder`].
    pub wire_body: Vec<u8>,
    pub(super) limit: u64,
}

impl Fetched {
    /// An answer for tests, as text.
    #[cfg(test)]
    pub(crate) fn plain(status: u16, body: &[u8]) -> Fetched {
        Fetched {
            status,
            reason: String::new(),
            content_type: Some("text/plain".to_owned()),
            gzip: false,
            wire_body: body.to_vec(),
            limit: u64::MAX,
        }
    }

    /// Status code and phrase, as in `404 Not Found`.
    #[must_use]
    pub fn status_text(&self) -> String {
        format!("{} {}", self.status, self.reason)
            .trim_end()
            .to_owned()
    }
}

/// Decodes bodies into one buffer that is used again; a worker has one.
#[derive(Debug, Default)]
pub struct BodyDecoder(Inflater);

impl BodyDecoder {
    /// The decoded body, valid until the next call. A plain body is not copied.
    ///
    /// # Errors
    /// When it is no gzip although it says so, is cut off, or is too large decoded.
    pub fn decode<'a>(&'a mut self, fetched: &'a Fetched) -> Result<&'a [u8], Failure> {
        if fetched.gzip {
            return Ok(self.0.inflate(&fetched.wire_body, fetched.limit)?);
        }
        Ok(&fetched.wire_body)
    }

    /// Gives back the memory that a large body took. Call it when the body has been used.
    pub fn release(&mut self) {
        self.0.release();
    }
}
