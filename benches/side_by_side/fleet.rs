//! A fleet of exporters in this process: bodies rendered ahead from recorded pages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Port of every target; each has its own loopback address.
const PORT: u16 = 19_100;

/// Running targets; they serve until the process ends.
pub(crate) struct Fleet {
    /// `address:port` of each.
    pub(crate) addresses: Vec<String>,
}

/// A page, plain and gzipped.
struct Body {
    plain: Vec<u8>,
    gzip: Vec<u8>,
}

impl Fleet {
    /// Starts `targets` exporters of `series` series each.
    pub(crate) fn start(targets: usize, series: usize) -> Fleet {
        // Targets of an earlier fleet still listen: each fleet has addresses of its own.
        static FLEETS: AtomicUsize = AtomicUsize::new(20);
        let network = FLEETS.fetch_add(1, Ordering::Relaxed);
        let bodies: Arc<Vec<Body>> = Arc::new(render(series));
        let mut addresses = Vec::new();
        for number in 0..targets {
            let host = format!("127.{network}.{}.{}", number / 250, number % 250 + 1);
            let listener = TcpListener::bind((host.as_str(), PORT)).expect("loopback address");
            addresses.push(format!("{host}:{PORT}"));
            let bodies = Arc::clone(&bodies);
            spawn(move || serve(&listener, &bodies, number));
        }
        Fleet { addresses }
    }
}

/// Starts a thread with a small stack: there are hundreds.
#[expect(clippy::disallowed_methods, reason = "a bench, not the agent")]
pub(crate) fn spawn(body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(body)
        .expect("thread");
}

fn serve(listener: &TcpListener, bodies: &Arc<Vec<Body>>, number: usize) {
    let scrapes = Arc::new(AtomicUsize::new(number));
    for stream in listener.incoming().flatten() {
        let (bodies, scrapes) = (Arc::clone(bodies), Arc::clone(&scrapes));
        spawn(move || {
            // A client that goes away ends its connection, nothing else.
            let _gone = converse(stream, &bodies, &scrapes);
        });
    }
}

fn converse(stream: TcpStream, bodies: &[Body], scrapes: &AtomicUsize) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(4096, stream);
    loop {
        let mut gzip = false;
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            gzip |= lower.starts_with("accept-encoding:") && lower.contains("gzip");
            if line.trim().is_empty() {
                break;
            }
        }
        let body = &bodies[scrapes.fetch_add(1, Ordering::Relaxed) % bodies.len()];
        let (bytes, encoding) = if gzip {
            (&body.gzip, "Content-Encoding: gzip\r\n")
        } else {
            (&body.plain, "")
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n{encoding}\
             Content-Length: {}\r\n\r\n",
            bytes.len()
        );
        writer.write_all(&[head.as_bytes(), bytes].concat())?;
    }
}

/// Consecutive node_exporter pages, widened or cut to `series` series.
fn render(series: usize) -> Vec<Body> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pages");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("recorded pages")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains("/node"))
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| body(widen(&read_page(path), series)))
        .collect()
}

/// Reads a recorded page, gzipped or not.
pub(crate) fn read_page(path: &std::path::Path) -> String {
    let bytes = std::fs::read(path).expect("page");
    if path.extension().is_none_or(|extension| extension != "gz") {
        return String::from_utf8(bytes).expect("text");
    }
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut text)
        .expect("gzip");
    text
}

fn body(plain: String) -> Body {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(plain.as_bytes()).expect("gzip");
    Body {
        gzip: encoder.finish().expect("gzip"),
        plain: plain.into_bytes(),
    }
}

/// Repeats the rows of each family with a further label until the page has `series` rows.
fn widen(page: &str, series: usize) -> String {
    let rows = page.lines().filter(|line| !line.starts_with('#')).count();
    let copies = series.div_ceil(rows.max(1));
    let mut out = String::new();
    let mut family: Vec<&str> = Vec::new();
    let mut left = series;
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        family.push(line);
        if lines.peek().is_none_or(|next| next.starts_with('#')) {
            for copy in 0..copies {
                for row in family.iter().take(left) {
                    out.push_str(&labelled(row, copy));
                }
                left = left.saturating_sub(family.len());
            }
            family.clear();
        }
    }
    out
}

fn labelled(row: &str, copy: usize) -> String {
    if copy == 0 {
        return format!("{row}\n");
    }
    match row.find('{') {
        Some(brace) => format!("{}part=\"{copy}\",{}\n", &row[..=brace], &row[brace + 1..]),
        None => {
            let (name, value) = row.split_once(' ').expect("a name and a value");
            format!("{name}{{part=\"{copy}\"}} {value}\n")
        }
    }
}
