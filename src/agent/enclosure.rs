//! `--sandbox`: which folders the agent needs, from its flags, its configuration and the system.
//!
//! A reload cannot open others: it is refused if the new configuration needs one.

use std::path::{Path, PathBuf};

use super::config_file;
use super::options::{RunOptions, SandboxMode};
use super::settings::Settings;
use crate::config::secret::SecretSource;
use crate::config::{check, http_client::TextSource, paths, web};
use crate::sys::sandbox::{self, Folders};
use crate::telemetry::registry::Registry;

/// What libraries and the agent itself read wherever they run: names and addresses, certificate
/// authorities, plug-ins of the C library, memory and limits of the process.
const SYSTEM: [&str; 12] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys",
    "/dev/null",
    "/dev/urandom",
    // Where the file of name servers leads to.
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/var/run/secrets/kubernetes.io",
];

/// Variables that name a file that is read.
const VARIABLES: [&str; 5] = [
    "SSL_CERT_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Variables that name a folder.
const FOLDER_VARIABLES: [&str; 2] = ["SSL_CERT_DIR", paths::CREDENTIALS];

/// Enters the sandbox if flags ask for it. The stage, and the folder of the data, must be there.
///
/// # Errors
/// When it is required and part of it cannot be had.
pub(super) fn enter(
    options: &RunOptions,
    settings: &Settings,
    stage: Option<&Path>,
    registry: &Registry,
) -> Result<(), String> {
    let outcome = match options.sandbox.mode {
        SandboxMode::Off => None,
        _ => Some(sandbox::enter(&folders(options, settings, stage))),
    };
    let off = Err(String::new());
    let halves = [
        ("folders", outcome.as_ref().map_or(&off, |own| &own.folders)),
        ("calls", outcome.as_ref().map_or(&off, |own| &own.calls)),
    ];
    for (part, result) in halves {
        let help =
            "Whether the process can only open folders that it needs, or make calls that it needs.";
        let gauge = registry.gauge("narthex_sandbox_active", help, &[("part", part)]);
        gauge.set(f64::from(u8::from(result.is_ok())));
        match (result, options.sandbox.mode) {
            (_, SandboxMode::Off) => {}
            (Ok(()), _) => log::info!(component = "main", part = part; "In the sandbox"),
            (Err(reason), SandboxMode::Required) => {
                return Err(format!("--sandbox=required: {part}: {reason}"));
            }
            (Err(reason), SandboxMode::Auto) => {
                log::warn!(component = "main", part = part, reason = reason.as_str(); "Without this part of the sandbox");
            }
        }
    }
    Ok(())
}

/// Whether the sandbox lets this configuration work.
///
/// # Errors
/// The first file that it hides, and what to do.
pub(super) fn check(settings: &Settings) -> Result<(), String> {
    for reference in check::references(&settings.config) {
        if sandbox::hides(&reference.path) {
            let advice = sandbox::advice(&reference.path);
            return Err(format!("{}: {advice}", reference.owner));
        }
    }
    for (owner, path) in failure_logs(settings) {
        if sandbox::locks(path) {
            return Err(format!("job {owner:?}: {}", sandbox::advice(path)));
        }
    }
    Ok(())
}

fn failure_logs(settings: &Settings) -> impl Iterator<Item = (&str, &Path)> {
    let jobs = settings.config.scrape_configs.iter();
    jobs.filter_map(|job| Some((&*job.job_name, job.scrape_failure_log_file.as_deref()?)))
}

fn folders(options: &RunOptions, settings: &Settings, stage: Option<&Path>) -> Folders {
    let mut folders = Folders::default();
    folders.read.extend(SYSTEM.iter().map(PathBuf::from));
    folders.read.extend(options.sandbox.read.iter().cloned());
    let named = |name: &&str| std::env::var_os(name).filter(|text| !text.is_empty());
    folders
        .read
        .extend(FOLDER_VARIABLES.iter().filter_map(named).map(PathBuf::from));
    for file in VARIABLES.iter().filter_map(named) {
        folders.add_read(Path::new(&file));
    }
    if let Some(home) = std::env::home_dir() {
        folders.read.push(home.join(".aws"));
    }
    folders.add_read(&options.config_file);
    for file in &settings.files {
        folders.add_read(Path::new(file));
    }
    for reference in check::references(&settings.config) {
        folders.add_read(&reference.path);
    }
    if let Some(file) = &options.web_config_file {
        folders.add_read(file);
        web_files(file)
            .iter()
            .for_each(|named| folders.add_read(named));
    }
    folders.add_volume(&options.storage.path);
    folders.write.extend(stage.map(Path::to_owned));
    failure_logs(settings).for_each(|(_, path)| folders.add_write(path));
    folders
}

/// The files that the web configuration names. What is wrong with it is said where it is used.
fn web_files(file: &Path) -> Vec<PathBuf> {
    let name = file.to_string_lossy();
    let credentials = std::env::var(paths::CREDENTIALS).ok();
    let text = config_file::read(&name).unwrap_or_default();
    let tls = match web::parse(&name, &text, credentials.as_deref()) {
        Ok(config) => config.tls,
        Err(_) => None,
    };
    let Some(tls) = tls else {
        return Vec::new();
    };
    let texts = [Some(tls.cert), tls.client_ca].into_iter().flatten();
    let mut files: Vec<PathBuf> = texts
        .filter_map(|source| match source {
            TextSource::File(path) => Some(path),
            TextSource::Inline(_) => None,
        })
        .collect();
    if let SecretSource::File(path) = tls.key {
        files.push(path);
    }
    files
}
