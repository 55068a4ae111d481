//! Pages for scripted targets.

use std::io::Read;
use std::path::PathBuf;

use super::http::Reply;

/// The media type of the classic text format.
pub(crate) const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The media type of OpenMetrics.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A page in the classic text format.
pub(crate) fn text(page: impl Into<String>) -> Reply {
    Reply::ok(TEXT, page.into())
}

/// A page in OpenMetrics; the closing line is added.
pub(crate) fn openmetrics(page: &str) -> Reply {
    Reply::ok(OPENMETRICS, format!("{page}# EOF\n"))
}

/// A page recorded from a real exporter, for example `node_exporter.00.prom`.
pub(crate) fn recorded(name: &str) -> Vec<u8> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/pages/{name}.gz"));
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut page = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(file);
    decoder.read_to_end(&mut page).expect("a gzip file");
    page
}
