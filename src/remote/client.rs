//! The real transport: remote write 1.0 requests over the blocking HTTP client.
//!
//! One client per endpoint, shared by its shards; one connection each is kept. Redirects are not
//! followed, answers are read to [`crate::limits::REMOTE_ANSWER_BYTES`].

use std::io;
use std::time::Duration;

use super::transport::{Answer, HttpAnswer, Transport};
use crate::config::remote_write::RemoteWriteConfig;
use crate::limits;
use crate::net::blocking::{Client, ClientOptions, Method, Request, Response};
use crate::net::resolve::Resolver;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;

/// Headers of the protocol.
const PROTOCOL: [(&str, &str); 3] = [
    ("Content-Encoding", "snappy"),
    ("Content-Type", "application/x-protobuf"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// An endpoint, as the network sees it.
#[derive(Debug)]
pub struct HttpTransport {
    client: Client,
    url: String,
    headers: Vec<(String, String)>,
}

impl HttpTransport {
    /// Prepares the client; nothing is connected yet. `jitter` orders addresses where
    /// `round_robin_dns` is written.
    ///
    /// # Errors
    /// When certificates or a proxy URL of the configuration cannot be used.
    pub fn new(
        config: &RemoteWriteConfig,
        user_agent: &str,
        resolver: Option<Resolver>,
        jitter: Jitter,
    ) -> io::Result<HttpTransport> {
        let options = ClientOptions {
            max_idle_connections: config.queue.max_shards.unwrap_or(limits::REMOTE_SHARDS_MAX)
                as usize,
            follow_redirects: Some(false),
            resolver,
            round_robin: config.round_robin_dns.then(|| Shared::new(jitter)),
            ..ClientOptions::new(user_agent)
        };
        let client = Client::new(&config.http_client, options).map_err(io::Error::other)?;
        Ok(HttpTransport {
            client,
            url: config.url.clone(),
            headers: config.headers.clone(),
        })
    }
}

impl Transport for HttpTransport {
    fn post(&self, body: &[u8], attempt: u32, timeout: Duration) -> Answer {
        let number = attempt.to_string();
        let mut headers = PROTOCOL.to_vec();
        if attempt > 0 {
            headers.push(("Retry-Attempt", &number));
        }
        let own = self.headers.iter();
        headers.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        let request = Request {
            method: Method::Post,
            url: &self.url,
            headers: &headers,
            body,
            timeout,
            body_limit: limits::REMOTE_ANSWER_BYTES,
        };
        match self.client.send(&request) {
            Ok(response) => Answer::Http(answer(response)),
            Err(error) => Answer::Network(error.to_string()),
        }
    }

    fn cut(&self) {
        self.client.shutdown();
    }
}

fn answer(response: Response) -> HttpAnswer {
    let header = |name: &str| response.head.header(name).map(str::to_owned);
    HttpAnswer {
        status: response.head.status,
        content_type: header("content-type").unwrap_or_default(),
        retry_after: header("retry-after"),
        body: response.body,
    }
}
