//! The fetcher against real sockets.

mod hostile;
mod plain;
mod redirects;
mod secure;
mod tokens;
mod unix;

use std::collections::BTreeMap;

use mio::{Events, Poll};

use super::*;
use crate::config::http_client::HttpClientConfig;
use crate::net::context::HttpContext;
use crate::net::testing::PATIENCE;
use crate::sys::clock::{Clock, SystemClock};

/// The fetcher with its poll, as a worker has them.
struct Rig {
    poll: Poll,
    events: Events,
    fetcher: Fetcher,
    decoder: BodyDecoder,
}

/// A result with its body decoded.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    body: Vec<u8>,
}

/// The address of a name in tests: loopback, whatever the name, unless it ends in `.invalid`; that
/// of a cloud's metadata service for names that end in `.metadata` and for numbers.
fn resolver() -> Resolver {
    let lookup: Arc<crate::net::resolve::Lookup> = Arc::new(|name: &str| {
        let name = name.to_owned();
        if name.ends_with(".metadata") || name.ends_with("9166") || name.starts_with("0x") {
            return Ok(vec![[169, 254, 169, 254].into()]);
        }
        match name.strip_suffix(".invalid") {
            Some(_) => Err(crate::net::resolve::ResolveError::NotFound { name }),
            // The first address answers nothing, as 127.1.1.1 has no listener at the port.
            None => Ok(vec![[127, 1, 1, 1].into(), [127, 0, 0, 1].into()]),
        }
    });
    let registry = crate::telemetry::registry::Registry::default();
    let started = Resolver::start_with(Arc::new(SystemClock), &registry, &lookup);
    started.expect("resolver").0
}

impl Rig {
    fn new() -> Rig {
        let poll = Poll::new().expect("poll");
        let fetcher = {
            let bell = Doorbell::new(poll.registry(), mio::Token(9)).expect("doorbell");
            Fetcher::new(poll.registry(), &bell, 10, resolver()).expect("fetcher")
        };
        Rig {
            poll,
            events: Events::with_capacity(256),
            fetcher,
            decoder: BodyDecoder::default(),
        }
    }

    fn start(&mut self, key: u64, spec: &Arc<FetchSpec>, timeout: Duration) {
        let now = SystemClock.mono();
        self.fetcher
            .start(now, key, Arc::clone(spec), now + timeout);
    }

    /// Turns until `count` results are there.
    fn collect(&mut self, count: usize) -> BTreeMap<u64, Result<Outcome, String>> {
        let mut results = BTreeMap::new();
        let end = SystemClock.mono() + PATIENCE;
        while results.len() < count {
            self.turn(end);
            while let Some((key, result)) = self.fetcher.completed() {
                results.insert(key, self.decoded(result));
            }
        }
        results
    }

    fn turn(&mut self, end: Mono) {
        let now = SystemClock.mono();
        assert!(now < end, "not done in time");
        let wait = self.fetcher.wait(now).unwrap_or(PATIENCE);
        self.poll.poll(&mut self.events, Some(wait)).expect("poll");
        for event in &self.events {
            let ours = event.token() != mio::Token(9);
            assert_eq!(self.fetcher.event(event), ours);
        }
        self.fetcher.turn(SystemClock.mono());
    }

    fn decoded(&mut self, result: Result<Fetched, FetchError>) -> Result<Outcome, String> {
        let fetched = result.map_err(|error| error.to_string())?;
        let body = self.decoder.decode(&fetched).map(<[u8]>::to_vec);
        let outcome = body.map(|body| Outcome {
            status: fetched.status,
            body,
        });
        self.fetcher.recycle(fetched);
        outcome.map_err(|failure| failure.to_string())
    }

    /// Fetches once.
    fn fetch(&mut self, spec: &Arc<FetchSpec>) -> Result<Outcome, String> {
        self.start(1, spec, PATIENCE);
        self.collect(1).remove(&1).expect("result")
    }

    /// Fetches a page that must be there.
    fn page(&mut self, spec: &Arc<FetchSpec>) -> Vec<u8> {
        let outcome = self.fetch(spec).expect("fetched");
        assert_eq!(outcome.status, 200);
        outcome.body
    }
}

/// A spec with a limit of 1 MiB.
fn spec_of(url: &str, config: &HttpClientConfig) -> Arc<FetchSpec> {
    spec_with(url, config, 1 << 20)
}

fn spec_with(url: &str, config: &HttpClientConfig, limit: u64) -> Arc<FetchSpec> {
    let context = Arc::new(HttpContext::new(config).expect("context"));
    let headers = [
        ("User-Agent", "t/1"),
        ("Accept", "text/plain"),
        ("Accept-Encoding", "gzip"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Arc::new(FetchSpec::new(url, None, context, headers.to_vec(), limit).expect("spec"))
}

fn spec(url: &str) -> Arc<FetchSpec> {
    spec_of(url, &HttpClientConfig::default())
}
