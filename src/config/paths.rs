//! Relative paths: joined to the folder of the file that holds them, before anything is read.
//!
//! Works on the tree, so that every section and every discovery mechanism gets finished paths: a
//! key that ends in `_file`, and the lists `files`. Maps with free keys are left alone.
//!
//! A path that begins with `$CREDENTIALS_DIRECTORY` or `${CREDENTIALS_DIRECTORY}` lies in the folder
//! where systemd shows a service its credentials. No other variable stands for anything.

use super::yaml::{Node, Value};

/// Keys whose content is not ours: free names and plain values.
const FREE: [&str; 9] = [
    "labels",
    "external_labels",
    "params",
    "static_configs",
    "headers",
    "proxy_connect_header",
    "claims",
    "endpoint_params",
    "node_meta",
];

/// The environment variable with the folder of credentials.
pub const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where paths lead.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The folder of relative paths.
    pub folder: &'a str,
    /// The folder of credentials, if there is one.
    pub credentials: Option<&'a str>,
}

impl Places<'_> {
    fn path(self, text: &str) -> String {
        match (in_credentials(text), self.credentials) {
            (Some(rest), Some(folder)) => format!("{}{rest}", folder.trim_end_matches('/')),
            // Stays as it is written: whoever needs the file says that it is not there.
            (Some(_), None) => text.to_owned(),
            (None, _) => join(self.folder, text),
        }
    }
}

/// What follows the folder of credentials, from the slash on, in a path that begins with it.
#[must_use]
pub fn in_credentials(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('$')?;
    let plain = rest.strip_prefix(CREDENTIALS);
    let braced = rest.strip_prefix("{CREDENTIALS_DIRECTORY}");
    plain.or(braced).filter(|rest| rest.starts_with('/'))
}

/// Finishes every path below `node`. True if one needs the folder of credentials.
pub fn resolve(node: &mut Node, places: Places<'_>) -> bool {
    let mut needed = false;
    walk(node, &mut |text: &mut String| {
        needed |= in_credentials(text).is_some();
        *text = places.path(text);
    });
    needed
}

fn walk(node: &mut Node, finish: &mut dyn FnMut(&mut String)) {
    match &mut node.value {
        Value::Null | Value::Scalar { .. } => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| walk(item, finish)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.text().unwrap_or_default();
                if FREE.contains(&key) {
                    continue;
                }
                match &mut value.value {
                    Value::Scalar { text, .. } if key.ends_with("_file") => {
                        finish(text);
                    }
                    Value::Sequence(items) if key == "files" => {
                        for item in items {
                            if let Value::Scalar { text, .. } = &mut item.value {
                                finish(text);
                            }
                        }
                    }
                    _ => walk(value, finish),
                }
            }
        }
    }
}

/// Joins a path to a folder unless it is empty or absolute, and cleans `.` and `..` away.
#[must_use]
pub fn join(dir: &str, path: &str) -> String {
    if path.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    let joined = format!("{dir}/{path}");
    let absolute = dir.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let root = if absolute { "/" } else { "" };
    match format!("{root}{}", parts.join("/")).as_str() {
        "" => ".".to_owned(),
        path => path.to_owned(),
    }
}

/// The folder of a file.
#[must_use]
pub fn folder(file: &str) -> &str {
    match file.rfind('/') {
        None => ".",
        Some(0) => "/",
        Some(slash) => &file[..slash],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::parse;

    #[test]
    fn paths_are_joined_and_cleaned() {
        for (dir, path, expected) in [
            ("/etc/p", "ca.pem", "/etc/p/ca.pem"),
            ("/etc/p", "../x//y/./z", "/etc/x/y/z"),
            ("/etc/p", "/abs", "/abs"),
            ("/", "../a", "/a"),
            (".", "a", "a"),
            ("c", "../../a", "../a"),
            ("c", "..", "."),
            ("/etc", "", ""),
        ] {
            assert_eq!(join(dir, path), expected, "{dir} {path}");
        }
        assert_eq!(folder("prometheus.yml"), ".");
        assert_eq!(folder("/prometheus.yml"), "/");
        assert_eq!(folder("a/b.yml"), "a");
    }

    #[test]
    fn credentials_lie_where_systemd_shows_them() {
        for (path, credentials, expected) in [
            ("$CREDENTIALS_DIRECTORY/a", Some("/run/c"), "/run/c/a"),
            (
                "${CREDENTIALS_DIRECTORY}/a/b",
                Some("/run/c/"),
                "/run/c/a/b",
            ),
            ("$CREDENTIALS_DIRECTORY/a", None, "$CREDENTIALS_DIRECTORY/a"),
            (
                "$CREDENTIALS_DIRECTORYX/a",
                Some("/c"),
                "/d/$CREDENTIALS_DIRECTORYX/a",
            ),
            ("$HOME/a", Some("/c"), "/d/$HOME/a"),
        ] {
            let text =
                format!("password_file: {path}\nlabels: {{x_file: $CREDENTIALS_DIRECTORY/y}}");
            let mut root = parse(&text).expect("valid").root;
            let places = Places {
                folder: "/d",
                credentials,
            };
            assert_eq!(resolve(&mut root, places), in_credentials(path).is_some());
            let text = text.replacen(path, expected, 1);
            assert!(
                root.same_content(&parse(&text).expect("valid").root),
                "{path}"
            );
        }
    }

    #[test]
    fn only_keys_that_name_files_are_touched() {
        let text = "tls_config: {ca_file: ca.pem}\nfiles: [a.yml, /b.yml]\njob_name: x\n\
                    static_configs: [{labels: {a_file: b}}]\nparams: {x_file: [y]}\n";
        let mut root = parse(text).expect("valid").root;
        let places = Places {
            folder: "/d",
            credentials: None,
        };
        assert!(!resolve(&mut root, places));
        let expected = text
            .replace("ca.pem", "/d/ca.pem")
            .replace("a.yml", "/d/a.yml");
        let expected = parse(&expected).expect("valid").root;
        assert!(root.same_content(&expected));
    }
}
