//! An etcd server, as Debian packages it, and what its JSON gateway takes to change things.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::process::Process;
use crate::support::{client, ports, wait};

const ETCD: &str = "etcd";

/// A server. Stops when dropped.
pub(crate) struct Etcd {
    pub(crate) port: u16,
    /// Where it speaks TLS, if it does.
    pub(crate) tls_port: u16,
    peer_port: u16,
    dir: TempDir,
    flags: Vec<String>,
    process: Option<Process>,
    /// The token of the user who writes.
    token: Option<String>,
}

/// Base64, as the gateway wants keys and values.
pub(crate) fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

impl Etcd {
    /// Starts one.
    pub(crate) fn start(flags: &[&str]) -> Etcd {
        let mut etcd = Etcd::prepare();
        etcd.flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        etcd.restart();
        etcd
    }

    /// Starts one that also speaks TLS, with this certificate and key in PEM.
    pub(crate) fn start_with_tls(certificate: &str, key: &str) -> Etcd {
        let mut etcd = Etcd::prepare();
        etcd.tls_port = ports::free();
        for (flag, name, text) in [
            ("cert-file", "cert.pem", certificate),
            ("key-file", "key.pem", key),
        ] {
            let path = etcd.dir.path().join(name);
            std::fs::write(&path, text).expect("written");
            etcd.flags.push(format!("--{flag}={}", path.display()));
        }
        etcd.restart();
        etcd
    }

    fn prepare() -> Etcd {
        let dir = tempfile::Builder::new().prefix("e2e-").tempdir();
        Etcd {
            port: ports::free(),
            tls_port: 0,
            peer_port: ports::free(),
            dir: dir.expect("a scratch folder"),
            flags: Vec::new(),
            process: None,
            token: None,
        }
    }

    /// Starts it again, with its data.
    pub(crate) fn restart(&mut self) {
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let mut urls = format!("http://127.0.0.1:{}", self.port);
        if self.tls_port != 0 {
            urls.push_str(&format!(",https://127.0.0.1:{}", self.tls_port));
        }
        let mut arguments = vec![
            format!("--data-dir={}", self.data().display()),
            format!("--listen-client-urls={urls}"),
            format!("--advertise-client-urls={urls}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--logger=zap".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        arguments.extend(self.flags.iter().cloned());
        let log = self.dir.path().join("log");
        let process = Process::start(ETCD, &arguments, self.dir.path(), &log);
        let process = self.process.insert(process);
        let port = self.port;
        let ready = wait::try_until(wait::LONG, || {
            let answer = client::get(port, "/health").ok()?;
            answer.body.contains("true").then_some(())
        });
        assert!(ready.is_some(), "etcd never came up:\n{}", process.log());
    }

    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.as_mut().expect("started").kill();
    }

    /// Takes its data away; it must not be running.
    pub(crate) fn wipe(&mut self) {
        std::fs::remove_dir_all(self.data()).expect("its data");
    }

    /// A call of the gateway.
    pub(crate) fn call(&self, path: &str, request: &Value) -> Value {
        let body = request.to_string();
        let token = self.token.as_ref();
        let token = token.map_or_else(String::new, |it| format!("Authorization: {it}\r\n"));
        let request = format!(
            "POST /v3/{path} HTTP/1.0\r\nHost: etcd\r\nConnection: close\r\n\
             Content-Type: application/json\r\n{token}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = client::raw(self.port, request.as_bytes()).expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.contains(" 200 "), "{path} {request}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }

    /// Writes a key; its revision.
    pub(crate) fn put(&self, key: &str, value: &str) -> i64 {
        let answer = self.call(
            "kv/put",
            &json!({"key": encoded(key), "value": encoded(value)}),
        );
        let revision = answer["header"]["revision"].as_str().expect("a revision");
        revision.parse().expect("a number")
    }

    /// Writes a key that goes when nobody has renewed its lease for so many seconds; the lease.
    pub(crate) fn put_leased(&self, key: &str, value: &str, seconds: u32) -> Value {
        let lease = self.call("lease/grant", &json!({"TTL": seconds}));
        let request = json!({"key": encoded(key), "value": encoded(value), "lease": lease["ID"]});
        self.call("kv/put", &request);
        lease["ID"].clone()
    }

    /// Renews a lease.
    pub(crate) fn keep_alive(&self, lease: &Value) {
        self.call("lease/keepalive", &json!({"ID": lease}));
    }

    /// Removes a key.
    pub(crate) fn delete(&self, key: &str) {
        self.call("kv/deleterange", &json!({"key": encoded(key)}));
    }

    /// Forgets everything before a revision.
    pub(crate) fn compact(&self, revision: i64) {
        self.call(
            "kv/compaction",
            &json!({"revision": revision, "physical": true}),
        );
    }

    /// Switches authentication on: user `reader` with this password may read below `/t/`.
    pub(crate) fn authenticate(&mut self, password: &str) {
        let (key, end) = (encoded("/t/"), encoded("/t0"));
        for (path, request) in [
            ("auth/user/add", json!({"name": "root", "password": "root"})),
            (
                "auth/user/add",
                json!({"name": "reader", "password": password}),
            ),
            ("auth/role/add", json!({"name": "look"})),
            (
                "auth/role/grant",
                json!({"name": "look", "perm": {"permType": "READ", "key": key, "range_end": end}}),
            ),
            ("auth/user/grant", json!({"user": "reader", "role": "look"})),
            ("auth/user/grant", json!({"user": "root", "role": "root"})),
            ("auth/enable", json!({})),
        ] {
            self.call(path, &request);
        }
        self.log_in();
    }

    /// Takes a new token for what this value writes.
    pub(crate) fn log_in(&mut self) {
        self.token = None;
        let who = json!({"name": "root", "password": "root"});
        let answer = self.call("auth/authenticate", &who);
        self.token = Some(answer["token"].as_str().expect("a token").to_owned());
    }
}
