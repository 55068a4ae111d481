//! `--licenses`: what the program is made of, and under which terms.

use std::io::Read;

use flate2::read::GzDecoder;

/// The crates and the texts of their licences, written by `packaging/scripts/licenses.sh`.
const THIRD_PARTY: &[u8] = include_bytes!("../../packaging/licenses/third-party.txt.gz");

/// The list with all texts.
pub(super) fn text() -> String {
    let mut text = String::new();
    // Packed at build time: a test reads it whole.
    let _sound = GzDecoder::new(THIRD_PARTY).read_to_string(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::process::Command;

    use super::*;

    #[test]
    fn every_crate_in_the_program_is_listed() {
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--edges", "normal"])
            .args(["--target", "x86_64-unknown-linux-musl"])
            .args(["--prefix", "none", "--format", "{p}"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo");
        let tree = String::from_utf8(tree.stdout).expect("UTF-8");
        let name = |line: &str| {
            let mut words = line.split(' ');
            let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
            (name != "narthex").then(|| format!("{name} {version}"))
        };
        let needed: BTreeSet<String> = tree.lines().filter_map(name).collect();
        assert!(needed.len() > 50, "{tree}");
        let text = text();
        let listed = text.split("\n====").next().expect("a list");
        let is_listed = |wanted: &String| listed.contains(&format!("\n{wanted} "));
        let missing: Vec<&String> = needed.iter().filter(|wanted| !is_listed(wanted)).collect();
        assert!(
            missing.is_empty(),
            "run packaging/scripts/licenses.sh: {missing:?}"
        );
        assert!(text.contains("Permission is hereby granted"));
    }
}
