//! What comes over the network besides pages: responses, remote-write requests, snappy.

use prost::Message as _;

use crate::http::exchange::{Exchange, ExchangeError, ResponseHead};
use crate::limits;
use crate::receive::decode::{decode, decode_v2};
use crate::receive::message::{Message, Series};
use crate::receive::resolve::resolve;
use crate::wire::compress::{CompressedBody, DecompressError, decompress};

use super::choices;

/// The largest message that is tried, in bytes.
const MESSAGE_BYTES: usize = 1 << 20;

/// Series whose samples are written as lines.
const SERIES_SHOWN: usize = 1000;

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut body = CompressedBody::default();
    body.raw().extend_from_slice(message);
    body.finish().expect("far below 4 GiB").to_vec()
}

/// A request to the receiver: as it comes, and as the message inside of a sound body.
pub(super) fn remote_write(data: &[u8]) {
    for body in [data, &compressed(data)] {
        check_request(body);
        check_request_v2(body);
    }
}

fn check_request_v2(body: &[u8]) {
    let Ok(message) = decode_v2(body) else {
        return;
    };
    let Ok(resolved) = resolve(&message, |_| {}) else {
        return;
    };
    // What it unfolds to is bounded, however small it was.
    let exemplars = resolved.series.iter().flat_map(|own| &own.exemplars);
    let series = resolved.series.iter().map(|own| &own.labels);
    let labels = series.chain(exemplars.map(|own| &own.labels)).flatten();
    let unfolded: usize = labels.map(|own| own.name.len() + own.value.len()).sum();
    assert!(unfolded <= limits::RECEIVE_UNFOLDED_BYTES_MAX);
    assert_eq!(resolved.series.len(), message.timeseries.len());
    check_lines(&resolved);
}

fn check_lines(message: &Message) {
    let series = message.series.iter().take(SERIES_SHOWN);
    for text in series.flat_map(Series::lines) {
        assert!(!text.contains(['\n', '\r', '\u{1b}']), "{text:?}");
    }
}

fn check_request(body: &[u8]) {
    let Ok(request) = decode(body) else {
        return;
    };
    let message = request.encode_to_vec();
    assert!(message.len() <= 2 * limits::RECEIVE_MESSAGE_BYTES_MAX);
    let again = decode(&compressed(&message)).expect("what was decoded");
    // NaN is not equal to itself; its bytes are.
    assert_eq!(again.encode_to_vec(), message);
    check_lines(&request.into());
}

type Outcome = (
    Result<(), ExchangeError>,
    Option<ResponseHead>,
    Vec<u8>,
    bool,
);

fn exchange(limit: u64, pieces: &mut dyn Iterator<Item = &[u8]>) -> Outcome {
    let mut exchange = Exchange::new(limit).expect("begun");
    let mut body = Vec::new();
    let run = || {
        for piece in pieces {
            exchange.receive(piece, &mut body)?;
        }
        if exchange.is_done() {
            return Ok(());
        }
        exchange.end()
    };
    // The text shows as much of the response as had arrived.
    let outcome = run().map_err(|error| match error {
        ExchangeError::Malformed(_) => ExchangeError::Malformed(String::new()),
        other => other,
    });
    let head = exchange.head().cloned();
    // What has arrived of a response that is then found wrong depends on the cuts.
    let is_good = outcome.is_ok();
    let body = if is_good { body } else { Vec::new() };
    (
        outcome,
        head.filter(|_| is_good),
        body,
        is_good && exchange.is_reusable(),
    )
}

/// A response; the first byte says how it is cut, the second how large a body may be.
pub(super) fn http_response(data: &[u8]) {
    let ([step, limit], input) = choices(data);
    let limit = u64::from(limit) * 16;
    let whole = exchange(limit, &mut [input].into_iter());
    let cut = exchange(limit, &mut input.chunks(usize::from(step).max(1)));
    assert_eq!(whole, cut);
    let (outcome, head, body, _) = whole;
    assert!(body.len() <= input.len(), "a body is not made up");
    if let (Ok(()), Some(head)) = (outcome, head) {
        assert!(head.status >= 101 && head.reason.chars().all(|c| (' '..='~').contains(&c)));
        assert!(body.is_empty() || head.status == 200);
        assert!(limit == 0 || head.gzip || (body.len() as u64) < limit);
    }
}

/// A body in snappy's block format.
pub(super) fn snappy(data: &[u8]) {
    let mut out = Vec::new();
    match decompress(data, &mut out, MESSAGE_BYTES) {
        Ok(()) => {
            assert!(out.len() <= MESSAGE_BYTES);
            let announced = snap::raw::decompress_len(data).expect("it was decompressed");
            assert_eq!(out.len(), announced);
            survives(&out);
        }
        Err(DecompressError::TooLarge { announced, limit }) => {
            assert!(
                announced > limit && out.capacity() == 0,
                "taken before it was refused"
            );
        }
        Err(DecompressError::Damaged(_)) => {}
    }
    survives(data);
}

fn survives(message: &[u8]) {
    let mut back = Vec::new();
    decompress(&compressed(message), &mut back, message.len()).expect("what was compressed");
    assert_eq!(back, message);
}
