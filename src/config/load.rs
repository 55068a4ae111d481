//! From text to a valid configuration: the main file and those it names.
//!
//! Reads nothing itself: files and environment are handed in.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::decode::Cursor;
use super::error::{ConfigError, Problem, ProblemKind, Problems};
use super::expand::expand;
use super::read::top::{self, MainFile};
use super::yaml::{self, Node};
use super::{Config, Features, Global, paths};
use crate::limits;
use crate::model::labels::Labels;
use crate::model::sorting;

/// Where files come from.
pub trait Files {
    /// The existing files that match a pattern (see [`crate::config::glob`]), in any order.
    ///
    /// # Errors
    /// Why the folder cannot be listed; a folder that does not exist is empty.
    fn glob(&self, pattern: &str) -> Result<Vec<String>, String>;

    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &str) -> Result<String, String>;
}

/// What a configuration is made from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The main file, as it was named. Relative paths in it start at its folder.
    pub file: &'a str,
    /// Its text.
    pub text: &'a str,
    /// Where further files come from.
    pub files: &'a dyn Files,
    /// Environment variables, for external labels.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// What the command line adds to the defaults.
    pub features: Features,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// A configuration and what there is to say about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
    /// Files that were read, the main file first: a change in one of them is a change of the
    /// configuration.
    pub files: Vec<String>,
}

/// Reads and checks a configuration.
///
/// # Errors
/// All mistakes of the first file that has any.
pub fn load(source: &Source<'_>) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let root = tree(source, source.file, source.text, &mut warnings)?;
    let file: Arc<str> = source.file.into();
    let main = top::read_main(&Cursor::new(&root, ""), &file, source.features)
        .map_err(|problems| fault(source.file, problems))?;
    let mut files = vec![source.file.to_owned()];
    let mut jobs = further_jobs(source, &main, &mut files, &mut warnings)?;
    let external_labels = external_labels(source, &main, &mut warnings);
    for section in &main.idle {
        warnings.push(format!(
            "section {section} is checked but has no effect in narthex"
        ));
    }
    let mut scrape_configs: Vec<_> = main.scrape_configs.into_iter().map(Arc::new).collect();
    scrape_configs.append(&mut jobs);
    let config = Config {
        global: Global {
            external_labels,
            out_of_order_window_ms: main.out_of_order_window_ms,
        },
        scrape_configs,
        remote_write: main.remote_write.into_iter().map(Arc::new).collect(),
    };
    Ok(Loaded {
        config,
        warnings,
        files,
    })
}

fn fault(file: &str, problems: Problems) -> ConfigError {
    let file = file.to_owned();
    ConfigError { file, problems }
}

/// A mistake of a whole file.
fn unreadable(file: &str, message: String) -> ConfigError {
    let problem = Problem {
        kind: ProblemKind::Rule,
        line: 0,
        column: 0,
        path: String::new(),
        message,
    };
    fault(file, problem.into())
}

/// Parses a file and finishes its paths.
fn tree(
    source: &Source<'_>,
    file: &str,
    text: &str,
    warnings: &mut Vec<String>,
) -> Result<Node, ConfigError> {
    let document = yaml::parse(text).map_err(|error| fault(file, error.into()))?;
    if let Some(line) = document.ignored_from {
        warnings.push(format!(
            "{file}: only the first YAML document is read, what begins at line {line} is ignored"
        ));
    }
    let mut root = document.root;
    let credentials = (source.environment)(paths::CREDENTIALS);
    let places = paths::Places {
        folder: paths::folder(file),
        credentials: credentials.as_deref(),
    };
    if paths::resolve(&mut root, places) && credentials.is_none() {
        warnings.push(format!(
            "{file}: ${} is not set: a service has it, with LoadCredential= in its unit",
            paths::CREDENTIALS
        ));
    }
    Ok(root)
}

type Jobs = Vec<Arc<super::scrape::ScrapeConfig>>;

/// The jobs of `scrape_config_files`.
fn further_jobs(
    source: &Source<'_>,
    main: &MainFile,
    files: &mut Vec<String>,
    warnings: &mut Vec<String>,
) -> Result<Jobs, ConfigError> {
    let main_jobs = main.scrape_configs.iter();
    let mut owners: BTreeMap<String, String> =
        sorting::map(main_jobs.map(|job| (job.job_name.clone(), "main config file".to_owned())));
    let mut jobs = Jobs::new();
    for pattern in &main.scrape_config_files {
        for path in matching(source, pattern)? {
            let text = source.files.read(&path);
            let text = text.map_err(|error| unreadable(&path, error))?;
            let root = tree(source, &path, &text, warnings)?;
            let file: Arc<str> = path.as_str().into();
            let known = |name: &str| owners.get(name).cloned();
            let found = top::read_jobs_file(&Cursor::new(&root, ""), &main.global, &file, known)
                .map_err(|problems| fault(&path, problems))?;
            for job in found {
                owners.insert(job.job_name.clone(), format!("{path:?}"));
                jobs.push(Arc::new(job));
            }
            files.push(path);
        }
    }
    Ok(jobs)
}

fn matching(source: &Source<'_>, pattern: &str) -> Result<Vec<String>, ConfigError> {
    let pattern = paths::join(paths::folder(source.file), pattern);
    let retrieving = |error: String| {
        let message = format!("error retrieving scrape config files for {pattern:?}: {error}");
        unreadable(source.file, message)
    };
    let mut found = source.files.glob(&pattern).map_err(retrieving)?;
    if found.len() > limits::SCRAPE_CONFIG_FILES {
        let most = limits::SCRAPE_CONFIG_FILES;
        return Err(retrieving(format!("more than {most} files match")));
    }
    sorting::sort(&mut found);
    Ok(found)
}

fn external_labels(source: &Source<'_>, main: &MainFile, warnings: &mut Vec<String>) -> Labels {
    let mut missing = Vec::new();
    let labels = main.global.external_labels.iter().map(|(name, value)| {
        let value = expand(value, source.environment, &mut missing);
        (name.clone(), value)
    });
    let labels = Labels::from_pairs(labels.collect::<Vec<_>>());
    for name in missing {
        warnings.push(format!(
            "environment variable {name:?} of global.external_labels is empty or not set"
        ));
    }
    labels
}

#[cfg(test)]
mod tests;
