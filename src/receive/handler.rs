//! Answers requests as a real receiver does.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::http::server::request::{Method, Request, RequestHead};
use crate::http::server::response::Response;
use crate::limits;
use crate::net::server::{Answer, Handler, Promises};
use crate::sys::published::Shared;
use crate::wire::version::{Protocol, Version, WRITTEN_HEADERS};

use super::decode::{DecodeError, decode, decode_v2, decode_zstd};
use super::ledger::{Findings, Ledger};
use super::message::Message;
use super::resolve::resolve;
use super::rules::{Broken, check_head};

/// The receiver behind the server.
pub(super) struct ReceiveHandler {
    pub(super) ledger: Shared<Ledger>,
    pub(super) strict: bool,
    pub(super) file: Option<BufWriter<File>>,
}

impl Handler for ReceiveHandler {
    fn body_bytes_max(&self, head: &RequestHead) -> u64 {
        if head.method == Method::Post {
            limits::RECEIVE_BODY_BYTES_MAX
        } else {
            0
        }
    }

    fn handle(&mut self, request: Request, _promises: &Promises<'_>) -> Answer {
        Answer::Now(match (&*request.head.path, request.head.method) {
            ("/" | "/api/v1/write", Method::Post) => self.receive(&request),
            ("/" | "/api/v1/write", _) => {
                Response::text(405, "remote write is sent by POST\n").with("Allow", "POST")
            }
            _ => Response::text(404, "404 page not found\n"),
        })
    }
}

fn message(
    protocol: Protocol,
    body: &[u8],
    findings: &mut Findings,
) -> Result<Message, DecodeError> {
    match protocol {
        Protocol::V1 => Ok(decode(body)?.into()),
        Protocol::V1Zstd => Ok(decode_zstd(body)?.into()),
        Protocol::V2 => resolve(&decode_v2(body)?, |broken| findings.add(broken)),
    }
}

/// Says how much of a message is written, as 2.0 demands whatever the status.
fn answer(message: &Message, response: Response) -> Response {
    let all = (200..300).contains(&response.status);
    let counts = message.counts();
    with_counts(
        response,
        message.version,
        counts.map(|count| if all { count } else { 0 }),
    )
}

fn with_counts(response: Response, version: Version, counts: [u64; 3]) -> Response {
    if version == Version::V1 {
        return response;
    }
    let headers = WRITTEN_HEADERS.into_iter().zip(counts);
    headers.fold(response, |response, (name, count)| {
        response.with(name, count.to_string())
    })
}

impl ReceiveHandler {
    fn receive(&mut self, request: &Request) -> Response {
        let mut findings = Findings::default();
        let Some(protocol) = check_head(&request.head, |broken| findings.add(broken)) else {
            self.ledger.with(|ledger| {
                ledger.requests += 1;
                ledger.refuse(&findings);
            });
            return refuse(findings.first().unwrap_or(Broken::ContentType));
        };
        let message = match message(protocol, &request.body, &mut findings) {
            Ok(message) => message,
            Err(error) => {
                self.ledger.with(|ledger| {
                    ledger.requests += 1;
                    ledger.undecodable += 1;
                });
                let response = Response::text(400, format!("{error}\n"));
                return with_counts(response, protocol.version(), [0; 3]);
            }
        };
        let strict = self.strict;
        let refusal = self.ledger.with(|ledger| {
            ledger.requests += 1;
            ledger.requests_v2 += u64::from(protocol == Protocol::V2);
            ledger.requests_zstd += u64::from(protocol == Protocol::V1Zstd);
            ledger.bytes += request.body.len() as u64;
            ledger.judge(&message, &mut findings);
            let refusal = findings.first().filter(|_| strict);
            match refusal {
                Some(_) => ledger.refuse(&findings),
                None => ledger.take(&message, &findings),
            }
            refusal
        });
        let response = match refusal {
            Some(broken) => refuse(broken),
            None => self.store(&message),
        };
        answer(&message, response)
    }

    fn store(&mut self, message: &Message) -> Response {
        let Some(file) = &mut self.file else {
            return Response::empty(204);
        };
        for series in &message.series {
            for mut line in series.lines() {
                line.push('\n');
                if let Err(error) = file.write_all(line.as_bytes()) {
                    return unwritten(&error);
                }
            }
        }
        match file.flush() {
            Ok(()) => Response::empty(204),
            Err(error) => unwritten(&error),
        }
    }
}

fn refuse(broken: Broken) -> Response {
    Response::text(broken.status(), format!("{}\n", broken.text()))
}

/// The sender keeps what we could not write and tries again.
fn unwritten(error: &std::io::Error) -> Response {
    Response::text(503, format!("cannot write the file: {error}\n"))
}
