//! The bodies of the fuzz targets: arbitrary bytes into each decoder of bytes from outside.
//!
//! Each asserts what must hold of whatever is accepted, not only that nothing panics. `fuzz/`
//! drives them with libFuzzer; the tests here replay its corpus, and variations of it, on the
//! stable compiler, so that what was found once stays found.

mod messages;
mod pages;
mod records;
mod segments;
mod values;
mod wire;

#[cfg(test)]
mod tests;

/// A fuzz target: its name, which is that of its file and of its corpus, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("segment", segments::segment),
    ("position", segments::position),
    ("definitions", records::definitions),
    ("values", values::values),
    ("exposition", pages::exposition),
    ("openmetrics", pages::openmetrics),
    ("protobuf", messages::protobuf),
    ("remote_write", wire::remote_write),
    ("http_response", wire::http_response),
    ("snappy", wire::snappy),
];

/// Runs the target of that name; false if there is none.
#[must_use]
pub fn run(name: &str, data: &[u8]) -> bool {
    let target = TARGETS.iter().find(|(own, _)| *own == name);
    let Some((_, body)) = target else {
        return false;
    };
    body(data);
    true
}

/// Takes the first bytes of an input as choices, zero where there are none.
fn choices<const N: usize>(data: &[u8]) -> ([u8; N], &[u8]) {
    let (head, rest) = data.split_at(data.len().min(N));
    let mut chosen = [0; N];
    chosen[..head.len()].copy_from_slice(head);
    (chosen, rest)
}
