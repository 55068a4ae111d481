//! A small HTTP client for looking at the program from outside.
//!
//! One connection per request, HTTP/1.0, so that the end of the connection is the end of the
//! answer whatever the server thinks of chunks.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Time for one whole exchange.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head, as it came.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }
}

/// Sends bytes to a port of 127.0.0.1 and returns everything that comes back.
pub(crate) fn raw(port: u16, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// One request without a body.
pub(crate) fn request(port: u16, method: &str, path: &str) -> io::Result<Answer> {
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Length: 0\r\n\r\n"
    );
    answer(&raw(port, head.as_bytes())?)
}

/// A request of remote write in that version, or of 1.0 with zstd.
pub(crate) fn write(port: u16, version: &str, body: &[u8]) -> io::Result<Answer> {
    let (message, encoding, number) = match version {
        "1.0" => (
            "prometheus.WriteRequest",
            "snappy",
            "Prometheus-Remote-Write-Version: 0.1.0",
        ),
        "zstd" => (
            "prometheus.WriteRequest",
            "zstd",
            "VictoriaMetrics-Remote-Write-Version: 1",
        ),
        _ => (
            "io.prometheus.write.v2.Request",
            "snappy",
            "Prometheus-Remote-Write-Version: 2.0.0",
        ),
    };
    let head = format!(
        "POST /api/v1/write HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/x-protobuf;proto={message}\r\nContent-Encoding: {encoding}\r\n\
         X-{number}\r\nUser-Agent: test\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    answer(&raw(port, &[head.as_bytes(), body].concat())?)
}

fn answer(bytes: &[u8]) -> io::Result<Answer> {
    let text = std::str::from_utf8(bytes).map_err(io::Error::other)?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other("no head"))?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok(Answer {
        status: status.ok_or_else(|| io::Error::other("no status"))?,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

/// `GET`.
pub(crate) fn get(port: u16, path: &str) -> io::Result<Answer> {
    request(port, "GET", path)
}

/// Escapes a query value.
pub(crate) fn escape(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
