//! Relative paths: joined to the folder of the file that holds them, before anything is read.
//!
//! Works on the tree, so that every section and every discovery mechanism gets finished paths: a
//! key that ends in `_file`, and the lists `files`. Maps with free keys are left alone.

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

/// Joins every relative path below `node` to `dir`.
pub fn resolve(node: &mut Node, dir: &str) {
    match &mut node.value {
        Value::Null | Value::Scalar { .. } => {}
        Value::Sequence(items) => items.iter_mut().for_each(|item| resolve(item, dir)),
        Value::Mapping(entries) => {
            for (key, value) in entries {
                let key = key.text().unwrap_or_default();
                if FREE.contains(&key) {
                    continue;
                }
                match &mut value.value {
                    Value::Scalar { text, .. } if key.ends_with("_file") => {
                        *text = join(dir, text);
                    }
                    Value::Sequence(items) if key == "files" => {
                        items.iter_mut().for_each(|item| resolve_item(item, dir));
                    }
                    _ => resolve(value, dir),
                }
            }
        }
    }
}

fn resolve_item(node: &mut Node, dir: &str) {
    if let Value::Scalar { text, .. } = &mut node.value {
        *text = join(dir, text);
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
    fn only_keys_that_name_files_are_touched() {
        let text = "tls_config: {ca_file: ca.pem}\nfiles: [a.yml, /b.yml]\njob_name: x\n\
                    static_configs: [{labels: {a_file: b}}]\nparams: {x_file: [y]}\n";
        let mut root = parse(text).expect("valid").root;
        resolve(&mut root, "/d");
        let expected = text
            .replace("ca.pem", "/d/ca.pem")
            .replace("a.yml", "/d/a.yml");
        let expected = parse(&expected).expect("valid").root;
        assert!(root.same_content(&expected));
    }
}
