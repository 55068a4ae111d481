//! Reads the configuration from disk, with the files and variables it refers to.
//!
//! Used at the start, at every reload and by `narthex check config`, so that they cannot differ.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::error::ConfigError;
use crate::config::load::{Files, Loaded, Source, load};
use crate::config::{Features, check, glob};
use crate::discovery::group::{self, GroupError};
use crate::discovery::plan::{Plan, plan};
use crate::limits;
use crate::sys::sandbox;

/// A configuration that can be put in force.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What was read.
    pub loaded: Loaded,
    /// Which providers it needs.
    pub plan: Plan,
    /// A digest of every file that was read, as it was read: a change in one is a change of the
    /// configuration. What [`digest`] gives as long as none changes.
    pub digest: u64,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// The main file cannot be read.
    #[error("open {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A file is wrong.
    #[error(transparent)]
    Invalid(#[from] ConfigError),
    /// A file that the configuration needs is not there.
    #[error("{owner} needs {}: {error}", path.display())]
    Missing {
        /// The job or endpoint.
        owner: String,
        /// The file.
        path: PathBuf,
        /// Why it cannot be opened.
        error: io::Error,
    },
    /// A file with targets is wrong.
    #[error("checking targets of {owner} in {path}: {error}")]
    Targets {
        /// The job.
        owner: String,
        /// The file.
        path: String,
        /// What is wrong.
        error: GroupError,
    },
}

/// Reads and checks a configuration file and those it names.
///
/// # Errors
/// When a file cannot be read or is wrong.
pub fn load_file(path: &str, features: Features) -> Result<Configuration, ConfigFileError> {
    let text = read(path).map_err(|error| ConfigFileError::Read {
        path: path.to_owned(),
        error,
    })?;
    load_text(&Disk, (path, &text), features)
}

/// The same with the main file's text, and further files from `files`.
fn load_text(
    files: &dyn Files,
    (path, text): (&str, &str),
    features: Features,
) -> Result<Configuration, ConfigFileError> {
    let main = BTreeMap::from([(path.to_owned(), text_digest(text))]);
    let seen = Seen {
        files,
        digests: RefCell::new(main),
    };
    let loaded = load(&Source {
        file: path,
        text,
        files: &seen,
        environment: &|name| std::env::var(name).ok(),
        features,
    })?;
    let plan = plan(&loaded.config)?;
    let digests = seen.digests.into_inner();
    let digest = digest_of(&loaded.files, |file| {
        digests.get(file).copied().unwrap_or_default()
    });
    Ok(Configuration {
        loaded,
        plan,
        digest,
    })
}

/// The digest that [`load_file`] would give; a file that cannot be read counts as empty.
#[must_use]
pub fn digest(files: &[String]) -> u64 {
    digest_of(files, |file| text_digest(&read(file).unwrap_or_default()))
}

fn digest_of(files: &[String], text: impl Fn(&str) -> u64) -> u64 {
    let mut hasher = xxhash_rust::xxh64::Xxh64::new(0);
    for file in files {
        hasher.update(file.as_bytes());
        hasher.update(&[0]);
        hasher.update(&text(file).to_le_bytes());
    }
    hasher.digest()
}

fn text_digest(text: &str) -> u64 {
    xxhash_rust::xxh64::xxh64(text.as_bytes(), 0)
}

/// Files, and what was read of them: reading them again later would tell of another text.
struct Seen<'a> {
    files: &'a dyn Files,
    digests: RefCell<BTreeMap<String, u64>>,
}

impl Files for Seen<'_> {
    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        self.files.glob(pattern)
    }

    fn read(&self, path: &str) -> Result<String, String> {
        let text = self.files.read(path)?;
        let mut digests = self.digests.borrow_mut();
        digests.insert(path.to_owned(), text_digest(&text));
        Ok(text)
    }
}

/// Looks into the files that the configuration refers to: certificates, keys and secrets must be
/// there, files with targets must be right. Returns what else there is to say.
///
/// # Errors
/// The first file that is wrong.
pub fn check_references(loaded: &Loaded) -> Result<Vec<String>, ConfigFileError> {
    let mut warnings = exposed_secrets(loaded);
    for reference in check::references(&loaded.config) {
        let check::Reference { owner, path, .. } = reference;
        if reference.purpose == check::Purpose::Targets {
            check_targets(owner, &path.to_string_lossy(), &mut warnings)?;
        } else if let Err(error) = File::open(&path) {
            return Err(ConfigFileError::Missing { owner, path, error });
        }
    }
    Ok(warnings)
}

/// Secrets that every user of the host can read, one sentence each.
#[must_use]
pub fn exposed_secrets(loaded: &Loaded) -> Vec<String> {
    let secret = |reference: &check::Reference| {
        matches!(
            reference.purpose,
            check::Purpose::Secret | check::Purpose::Key
        )
    };
    let references = check::references(&loaded.config).into_iter().filter(secret);
    let exposed = references.filter(|reference| is_exposed(&reference.path));
    let sentence = |reference: check::Reference| {
        format!(
            "everybody on this host can read {}, a secret of {}: chmod o-r makes it one",
            reference.path.display(),
            reference.owner
        )
    };
    exposed.map(sentence).collect()
}

/// Whether others than owner and group can read a file. Where container runtimes put secrets nobody
/// else lives, and they choose the mode.
fn is_exposed(path: &Path) -> bool {
    let in_container = ["/run/secrets", "/var/run/secrets"];
    let mode = std::fs::metadata(path).map(|file| file.permissions().mode());
    mode.is_ok_and(|mode| mode & OTHERS_READ != 0)
        && !in_container.iter().any(|folder| path.starts_with(folder))
}

/// Others may read.
const OTHERS_READ: u32 = 0o004;

fn check_targets(
    owner: String,
    pattern: &str,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigFileError> {
    let paths = Disk.glob(pattern).unwrap_or_default();
    if paths.is_empty() {
        warnings.push(format!(
            "file {pattern:?} with targets of {owner} does not exist"
        ));
    }
    for path in paths {
        let text = match read(&path) {
            Ok(text) => text,
            Err(error) => {
                let path = path.into();
                return Err(ConfigFileError::Missing { owner, path, error });
            }
        };
        let groups = if path.to_ascii_lowercase().ends_with(".json") {
            group::list_from_json(text.as_bytes())
        } else {
            group::list_from_yaml(text.as_bytes())
        };
        if let Err(error) = groups {
            return Err(ConfigFileError::Targets { owner, path, error });
        }
    }
    Ok(())
}

/// The file system.
struct Disk;

impl Files for Disk {
    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        let (folder, name) = glob::split(pattern);
        if !glob::has_meta(name) {
            let exists = std::path::Path::new(pattern).exists();
            return Ok(exists.then(|| pattern.to_owned()).into_iter().collect());
        }
        let listed = match std::fs::read_dir(if folder.is_empty() { "." } else { folder }) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(sandbox::explained(error, Path::new(pattern)).to_string()),
        };
        let mut found = Vec::new();
        for entry in listed {
            let entry = entry.map_err(|error| error.to_string())?;
            let Ok(own) = entry.file_name().into_string() else {
                continue;
            };
            // One more than allowed, so that the loader sees that there are too many.
            if glob::matches(name, &own) && found.len() <= limits::SCRAPE_CONFIG_FILES {
                found.push(pattern[..pattern.len() - name.len()].to_owned() + &own);
            }
        }
        Ok(found)
    }

    fn read(&self, path: &str) -> Result<String, String> {
        read(path).map_err(|error| error.to_string())
    }
}

/// Reads a file that is no larger than a configuration can be.
pub(super) fn read(path: &str) -> io::Result<String> {
    let mut text = String::new();
    let limit = limits::CONFIG_FILE_BYTES as u64;
    let bytes = File::open(path)
        .map_err(|error| sandbox::explained(error, Path::new(path)))?
        .take(limit + 1)
        .read_to_string(&mut text)?;
    if bytes as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A further file whose text is another at each look.
    struct Restless(RefCell<u32>);

    impl Files for Restless {
        fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
            Ok(vec![pattern.to_owned()])
        }

        fn read(&self, _path: &str) -> Result<String, String> {
            let mut look = self.0.borrow_mut();
            *look += 1;
            Ok(format!("scrape_configs: [{{job_name: job{look}}}]"))
        }
    }

    #[test]
    fn the_digest_is_that_of_what_was_read() {
        let main = ("main.yml", "scrape_config_files: [more.yml]");
        let load = |look: u32| {
            let files = Restless(RefCell::new(look));
            load_text(&files, main, Features::default()).expect("loaded")
        };
        let (first, same, other) = (load(0), load(0), load(1));
        assert_eq!(first.loaded.config.scrape_configs[0].job_name, "job1");
        assert_eq!(first.digest, same.digest);
        assert_ne!(first.digest, other.digest);
        let first_text = "scrape_configs: [{job_name: job1}]";
        let expected = digest_of(&first.loaded.files, |file| {
            text_digest(if file == main.0 { main.1 } else { first_text })
        });
        assert_eq!(first.digest, expected);
    }

    #[test]
    fn files_that_stay_as_they_are_have_the_digest_of_when_they_were_read() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::write(path("main.yml"), "scrape_config_files: [more*.yml]").expect("written");
        let more = |job: &str| {
            let text = format!("scrape_configs: [{{job_name: {job}}}]");
            std::fs::write(path("more.yml"), text).expect("written");
        };
        more("a");
        let read = load_file(&path("main.yml"), Features::default()).expect("loaded");
        assert_eq!(digest(&read.loaded.files), read.digest);
        more("b");
        assert_ne!(digest(&read.loaded.files), read.digest);
    }

    #[test]
    fn a_configuration_is_read_with_the_files_it_names() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let main = "scrape_config_files: ['jobs/*.yml', 'none/*.yml']\n";
        std::fs::write(path("main.yml"), main).expect("write");
        std::fs::create_dir(path("jobs")).expect("create");
        let job = "scrape_configs:\n- job_name: b\n  bearer_token_file: token\n  \
                   file_sd_configs: [{files: [targets.json]}]\n";
        std::fs::write(path("jobs/b.yml"), job).expect("write");
        std::fs::write(path("jobs/b.txt"), "{").expect("write");
        let Configuration { loaded, plan, .. } =
            load_file(&path("main.yml"), Features::default()).expect("loaded");
        assert_eq!(plan.providers.len(), 1);
        assert_eq!(loaded.files, [path("main.yml"), path("jobs/b.yml")]);
        assert_eq!(loaded.config.scrape_configs[0].job_name, "b");
        let error = check_references(&loaded).expect_err("no token").to_string();
        assert!(
            error.starts_with(&format!("job \"b\" needs {}: ", path("jobs/token"))),
            "{error}"
        );
        std::fs::write(path("jobs/token"), "t").expect("write");
        let allow = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path("jobs/token"), mode).expect("its mode");
        };
        allow(0o644);
        let warnings = exposed_secrets(&loaded);
        let exposed = format!(
            "everybody on this host can read {}, a secret of job \"b\"",
            path("jobs/token")
        );
        assert!(warnings[0].starts_with(&exposed), "{warnings:?}");
        allow(0o640);
        assert_eq!(exposed_secrets(&loaded), Vec::<String>::new());
        let warnings = check_references(&loaded).expect("all there");
        assert!(warnings[0].contains("jobs/targets.json") && warnings.len() == 1);
        std::fs::write(path("jobs/targets.json"), "[{\"targets\": 1}]").expect("write");
        let error = check_references(&loaded).expect_err("wrong").to_string();
        assert!(
            error.starts_with("checking targets of job \"b\" in "),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load_file("/no/such.yml", Features::default())
            .expect_err("absent")
            .to_string();
        assert!(error.starts_with("open /no/such.yml: "), "{error}");
    }
}
