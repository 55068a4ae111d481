//! Recorded pages of real exporters: `tests/data/exporters.tar.xz`, sixteen consecutive ones of
//! each, unpacked with `tar` and `xz`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Pages in order of time, by `EXPORTER.KIND`: the kind is `prom` (text) or `om` (OpenMetrics).
pub(crate) fn recorded() -> BTreeMap<String, Vec<String>> {
    let folder = tempfile::tempdir().expect("folder");
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/exporters.tar.xz");
    let status = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .arg("-C")
        .arg(folder.path())
        .status()
        .expect("cannot run tar: install the Debian packages tar and xz-utils");
    assert!(status.success(), "tar failed: is xz-utils installed?");
    let mut paths: Vec<_> = std::fs::read_dir(folder.path())
        .expect("folder")
        .map(|entry| entry.expect("entry").path())
        .collect();
    paths.sort();
    let mut pages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in paths {
        let name = path.file_name().expect("name").to_string_lossy();
        let (exporter, rest) = name.split_once('.').expect("EXPORTER.NN.KIND");
        let kind = rest.split_once('.').expect("EXPORTER.NN.KIND").1;
        let text = std::fs::read_to_string(&path).expect("page");
        let series = pages.entry(format!("{exporter}.{kind}")).or_default();
        series.push(text);
    }
    pages
}

/// The page that is shown at `step` when `pages` of them are played forwards and backwards for
/// ever: two consecutive steps never show the same one.
pub(crate) fn there_and_back(pages: usize, step: usize) -> usize {
    let turn = (2 * pages).saturating_sub(2).max(1);
    let at = step % turn;
    if at < pages { at } else { turn - at }
}
