//! The files that AWS's tools share: `~/.aws/credentials` and `~/.aws/config`.

use std::collections::BTreeMap;
use std::path::Path;

use super::Keys;
use crate::config::secret::Secret;
use crate::limits;
use crate::net::secrets::{FileError, read_bounded};

/// One profile: its keys and values from both files, those of the credentials file first.
#[derive(Clone, Default)]
pub(super) struct Profile(BTreeMap<String, String>);

impl Profile {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?;
        (!value.is_empty()).then_some(value)
    }

    pub(super) fn keys(&self) -> Option<Keys> {
        Some(Keys {
            access: self.get("aws_access_key_id")?.to_owned(),
            secret: Secret::new(self.get("aws_secret_access_key")?),
            token: self.get("aws_session_token").map(Secret::new),
        })
    }

    /// Whether it is meant to give keys.
    pub(super) fn has_credentials(&self) -> bool {
        self.keys().is_some() || self.get("role_arn").is_some() || self.unsupported().is_some()
    }

    /// A way to get keys that is not gone here.
    pub(super) fn unsupported(&self) -> Option<&'static str> {
        let ways = [
            "credential_process",
            "sso_session",
            "sso_start_url",
            "login_session",
        ];
        ways.into_iter()
            .find(|key| self.get(key).is_some() && self.keys().is_none())
    }
}

/// All profiles.
#[derive(Default)]
pub(super) struct Profiles(BTreeMap<String, Profile>);

impl Profiles {
    /// Reads both files; one that does not exist is empty.
    pub(super) fn read(environment: &dyn Fn(&str) -> Option<String>) -> Result<Profiles, String> {
        let home = environment("HOME").unwrap_or_default();
        let path = |variable: &str, name: &str| {
            environment(variable).unwrap_or_else(|| format!("{home}/.aws/{name}"))
        };
        let mut profiles = Profiles::default();
        profiles.add(
            &text(&path("AWS_SHARED_CREDENTIALS_FILE", "credentials"))?,
            false,
        );
        profiles.add(&text(&path("AWS_CONFIG_FILE", "config"))?, true);
        Ok(profiles)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// Adds what is not there yet. In the config file sections are called `profile NAME`, but
    /// for the default one.
    fn add(&mut self, text: &str, is_config: bool) {
        let mut current: Option<&mut Profile> = None;
        for line in text.lines() {
            // Indented lines belong to settings of single services.
            let is_nested = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) || is_nested {
                continue;
            }
            if let Some(title) = line.strip_prefix('[') {
                let title = title.split(']').next().unwrap_or_default().trim();
                current = section(title, is_config).map(|name| self.0.entry(name).or_default());
            } else if let (Some(profile), Some((key, value))) = (&mut current, line.split_once('='))
            {
                let value = value.split(" #").next().unwrap_or_default().trim();
                let key = key.trim().to_ascii_lowercase();
                profile.0.entry(key).or_insert_with(|| value.to_owned());
            }
        }
    }
}

/// The profile that a section is about.
fn section(title: &str, is_config: bool) -> Option<String> {
    let named = title.strip_prefix("profile ").map(str::trim);
    match named {
        Some(name) if is_config => Some(name.to_owned()),
        Some(_) => None,
        None if is_config && title != "default" => None,
        None => Some(title.to_owned()),
    }
}

fn text(path: &str) -> Result<String, String> {
    match read_bounded(Path::new(path), limits::AWS_FILE_BYTES) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| format!("{path} is not UTF-8 text")),
        Err(FileError::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(String::new())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_make_a_profile_and_the_credentials_win() {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let credentials = "# comment\n[default]\naws_access_key_id = A\naws_secret_access_key=S=/+\n\
                           [edge]\nAWS_ACCESS_KEY_ID=E\naws_secret_access_key = T # comment\n[profile x]\nregion = no\n";
        let config = "[default]\nregion = eu-west-1\naws_access_key_id = other\ns3 =\n  region = nested\n\
                      [profile edge]\nregion = us-east-2\n[sso-session y]\nregion = z\n";
        std::fs::write(path("credentials"), credentials).expect("written");
        std::fs::write(path("config"), config).expect("written");
        let environment = |name: &str| match name {
            "AWS_SHARED_CREDENTIALS_FILE" => Some(path("credentials")),
            "AWS_CONFIG_FILE" => Some(path("config")),
            _ => None,
        };
        let profiles = Profiles::read(&environment).expect("read");
        let default = profiles.get("default").expect("default");
        let keys = default.keys().expect("keys");
        assert_eq!((&*keys.access, keys.secret.expose()), ("A", "S=/+"));
        assert_eq!(default.get("region"), Some("eu-west-1"));
        let edge = profiles.get("edge").expect("edge");
        assert_eq!(edge.keys().expect("keys").secret.expose(), "T");
        assert_eq!(edge.get("region"), Some("us-east-2"));
        assert!(profiles.get("x").is_none() && profiles.get("sso-session y").is_none());
        let nowhere = Profiles::read(&|_| Some("/none".to_owned())).expect("empty");
        assert!(nowhere.get("default").is_none());
    }
}
