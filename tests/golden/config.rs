//! Configurations: `NAME.good.yml` loads, dumps to `NAME.effective.yml` and loads again from that to
//! the same; `NAME.bad.yml` is refused with exactly `NAME.bad.txt`.

use std::fs;
use std::path::{Path, PathBuf};

use narthex::config::dump::dump;
use narthex::config::error::ConfigError;
use narthex::config::glob;
use narthex::config::load::{Files, Loaded, Source, load};

/// Where the configurations pretend to stand; `files/` of the golden folder is seen below it.
const PRETENDED: &str = "/etc/prometheus";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/config")
}

struct GoldenFiles;

impl GoldenFiles {
    fn real(path: &str) -> PathBuf {
        let below = path.strip_prefix(PRETENDED).unwrap_or(path);
        folder().join(below.trim_start_matches('/'))
    }
}

impl Files for GoldenFiles {
    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (dir, names) = glob::split(pattern);
        let Ok(entries) = fs::read_dir(Self::real(dir)) else {
            return Ok(Vec::new());
        };
        let names = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| glob::matches(names, name));
        Ok(names.map(|name| format!("{dir}/{name}")).collect())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(Self::real(path)).map_err(|error| error.to_string())
    }
}

fn load_text(name: &str, text: &str) -> Result<Loaded, ConfigError> {
    load(&Source {
        file: &format!("{PRETENDED}/{name}"),
        text,
        files: &GoldenFiles,
        environment: &|name| (name == "REGION").then(|| "eu-1".to_owned()),
        features: narthex::config::Features::default(),
    })
}

/// The files whose names end in `suffix`: name without it, and text.
fn cases(suffix: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(folder())
        .expect("golden folder")
        .filter_map(|entry| {
            let path = entry.expect("entry").path();
            let name = path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned();
            Some((name, fs::read_to_string(&path).expect("readable")))
        })
        .collect();
    found.sort();
    found
}

/// Compares with the golden file, or writes it.
fn check(file: &str, actual: &str, failures: &mut Vec<String>) {
    let path = folder().join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).expect("writable");
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected != actual {
        failures.push(format!(
            "{file}:\n--- expected\n{expected}\n--- actual\n{actual}"
        ));
    }
}

#[test]
fn bad_configurations_are_refused_with_these_words() {
    let mut failures = Vec::new();
    let cases = cases(".bad.yml");
    assert!(cases.len() >= 60, "only {} cases found", cases.len());
    for (name, text) in cases {
        match load_text(&format!("{name}.bad.yml"), &text) {
            Ok(_) => failures.push(format!("{name}.bad.yml loads")),
            Err(error) => check(
                &format!("{name}.bad.txt"),
                &format!("{error}\n"),
                &mut failures,
            ),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn good_configurations_load_and_their_dumps_load_to_the_same() {
    let mut failures = Vec::new();
    let cases = cases(".good.yml");
    assert!(cases.len() >= 10, "only {} cases found", cases.len());
    for (name, text) in cases {
        let file = format!("{name}.good.yml");
        let loaded = load_text(&file, &text).unwrap_or_else(|error| panic!("{error}"));
        let effective = dump(&loaded.config);
        let mut shown: String = loaded.warnings.iter().map(|w| format!("# {w}\n")).collect();
        shown.push_str(&effective);
        check(&format!("{name}.effective.yml"), &shown, &mut failures);
        match load_text(&file, &effective) {
            Ok(again) if again.config == loaded.config => {}
            Ok(again) => failures.push(format!(
                "{file}: the dump loads to something else, which dumps as\n{}",
                dump(&again.config)
            )),
            Err(error) => failures.push(format!("{file}: the dump does not load: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
