//! Answers requests as a real receiver does.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::http::server::request::{Method, Request, RequestHead};
use crate::http::server::response::Response;
use crate::limits;
use crate::net::server::{Answer, Handler, Promises};
use crate::sys::published::Shared;
use crate::wire::prompb::WriteRequest;

use super::decode::decode;
use super::ledger::{Findings, Ledger, write_line};
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

impl ReceiveHandler {
    fn receive(&mut self, request: &Request) -> Response {
        let mut findings = Findings::default();
        check_head(&request.head, |broken| findings.add(broken));
        let message = match decode(&request.body) {
            Ok(message) => message,
            Err(error) => {
                self.ledger.with(|ledger| {
                    ledger.requests += 1;
                    ledger.undecodable += 1;
                });
                return Response::text(400, format!("{error}\n"));
            }
        };
        let strict = self.strict;
        let refusal = self.ledger.with(|ledger| {
            ledger.requests += 1;
            ledger.bytes += request.body.len() as u64;
            ledger.judge(&message, &mut findings);
            let refusal = findings.first().filter(|_| strict);
            match refusal {
                Some(_) => ledger.refuse(&findings),
                None => ledger.take(&message, &findings),
            }
            refusal
        });
        match refusal {
            Some(broken) => refuse(broken),
            None => self.store(&message),
        }
    }

    fn store(&mut self, message: &WriteRequest) -> Response {
        let Some(file) = &mut self.file else {
            return Response::empty(204);
        };
        let mut line = String::new();
        for series in &message.timeseries {
            for sample in &series.samples {
                line.clear();
                write_line(&mut line, &series.labels, sample);
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
