//! The real transport: remote write requests over the blocking HTTP client.
//!
//! One client per endpoint, shared by its shards; one connection each is kept. Redirects are not
//! followed, answers are read to [`crate::limits::REMOTE_ANSWER_BYTES`].

use std::io;

use super::transport::{Answer, HttpAnswer, Post, Transport, Written};
use crate::config::remote_write::RemoteWriteConfig;
use crate::limits;
use crate::net::blocking::{Client, ClientOptions, Method, Request, Response};
use crate::net::resolve::Resolver;
use crate::sys::jitter::Jitter;
use crate::sys::published::Shared;
use crate::wire::version::WRITTEN_HEADERS;

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
    fn post(&self, post: Post<'_>) -> Answer {
        let number = post.attempt.to_string();
        let mut headers = vec![
            ("Content-Encoding", post.protocol.compression().as_str()),
            ("Content-Type", post.protocol.version().content_type()),
            post.protocol.version_header(),
        ];
        if post.attempt > 0 {
            headers.push(("Retry-Attempt", &number));
        }
        let own = self.headers.iter();
        headers.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        let request = Request {
            method: Method::Post,
            url: &self.url,
            headers: &headers,
            body: post.body,
            timeout: post.timeout,
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
        written: written(WRITTEN_HEADERS.map(|name| response.head.header(name))),
        body: response.body,
    }
}

/// The counts of samples, histograms and exemplars; none if not one of them was sent. A count that
/// is no number says nothing.
fn written(headers: [Option<&str>; 3]) -> Option<Written> {
    let [samples, histograms, exemplars] = headers.map(|text| text?.trim().parse().ok());
    let any = samples.or(histograms).or(exemplars);
    any.map(|_: u64| Written {
        samples: samples.unwrap_or(0),
        histograms: histograms.unwrap_or(0),
        exemplars: exemplars.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_count_is_zero_unless_all_are_missing() {
        assert_eq!(written([None, None, None]), None);
        assert_eq!(written([Some("many"), None, Some("-1")]), None);
        let some = Written {
            samples: 7,
            histograms: 0,
            exemplars: 2,
        };
        assert_eq!(written([Some(" 7"), None, Some("2")]), Some(some));
        assert_eq!(written([Some("0"), None, None]), Some(Written::default()));
    }
}
