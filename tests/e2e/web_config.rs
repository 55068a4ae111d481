//! The agent's own door: `--web.config.file`.

use std::path::Path;
use std::process::Command;

use super::support::agent::{Agent, NARTHEX};
use super::support::secure::{Authority, Client, Identity, basic};
use super::support::{client, wait};

/// Of the password below, made by crypt(3).
const HASH: &str = "$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW";
const PASSWORD: &str = "open sesame";

/// An agent whose web server has a certificate of `authority`, with more keys of the file.
fn secured(authority: &Authority, more: &str) -> Agent {
    let mut agent = Agent::with_config("global: {scrape_interval: 1s}\n");
    let file = agent.dir().join("web.yml");
    let flag = format!("--web.config.file={}", file.display());
    agent = agent.flags(&[&flag, "--web.enable-lifecycle"]);
    put(&agent, &authority.issue("127.0.0.1"));
    agent.write("web.yml", more);
    agent.launch();
    agent
}

fn put(agent: &Agent, identity: &Identity) {
    agent.write("server.crt", &identity.cert);
    agent.write("server.key", &identity.key);
}

const TLS: &str = "tls_server_config: {cert_file: server.crt, key_file: server.key";

fn wait_for(agent: &mut Agent, client: &Client<'_>, status: u16) -> String {
    let answer = wait::try_until(wait::LONG, || {
        assert!(agent.ended().is_none(), "ended:\n{}", agent.log());
        let (found, answer) = client.get("/-/ready").ok()?;
        (found == status).then_some(answer)
    });
    answer.unwrap_or_else(|| panic!("never {status}; its log:\n{}", agent.log()))
}

#[test]
fn certificates_and_passwords_guard_every_page() {
    if super::support::agent::Kind::under_test().is_excused("Debian's knows fewer keys") {
        return;
    }
    let (authority, clients, foreign) = (Authority::new(), Authority::new(), Authority::new());
    let file = format!(
        "{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.pem, \
         client_allowed_sans: [alice.example.org], min_version: TLS13}}\n\
         http_server_config: {{headers: {{Strict-Transport-Security: max-age=60}}}}\n\
         basic_auth_users: {{alice: {HASH}}}\n"
    );
    let mut agent = Agent::with_config("");
    agent.write("clients.pem", &clients.pem);
    let flag = format!(
        "--web.config.file={}",
        agent.dir().join("web.yml").display()
    );
    agent = agent.flags(&[&flag]);
    put(&agent, &authority.issue("127.0.0.1"));
    agent.write("web.yml", &file);
    agent.launch();
    let alice = clients.issue("alice.example.org");
    let port = agent.port;
    let good = |identity| Client {
        port,
        trusts: &authority,
        identity,
        authorization: Some(basic("alice", PASSWORD)),
    };
    let client = good(Some(&alice));
    wait_for(&mut agent, &client, 200);
    for path in ["/agent", "/metrics", "/api/v1/targets", "/-/healthy"] {
        let (status, answer) = client.get(path).expect("an answer");
        assert_eq!(status, 200, "{path}");
        assert!(
            answer.contains("\r\nStrict-Transport-Security: max-age=60\r\n"),
            "{answer}"
        );
    }
    for (user, password) in [("alice", "wrong"), ("mallory", PASSWORD)] {
        let client = Client {
            authorization: Some(basic(user, password)),
            ..good(Some(&alice))
        };
        let (status, answer) = client.get("/metrics").expect("an answer");
        assert_eq!(status, 401);
        assert!(
            answer.contains("\r\nWWW-Authenticate: Basic\r\n"),
            "{answer}"
        );
    }
    let silent = Client {
        authorization: None,
        ..good(Some(&alice))
    };
    assert_eq!(silent.get("/-/healthy").expect("an answer").0, 401);
    refuses_strangers(&client, &clients, &foreign);
    // A client that goes away is noticed when its connection ends.
    wait::until_true("the failures to be counted", wait::LONG, || {
        let page = client.get("/metrics").expect("an answer").1;
        let mut lines = page.lines();
        let failures = lines.find_map(|line| line.strip_prefix("narthex_web_tls_failures_total "));
        failures.is_some_and(|count| count.parse::<f64>().expect("a count") >= 4.0)
    });
    assert!(!agent.log().contains(PASSWORD) && !agent.log().contains("$2b$"));
    assert_eq!(agent.terminate().0.code(), Some(0));
}

/// No certificate, one of somebody else's authority, one with another name, a foreign server, no TLS.
fn refuses_strangers(good: &Client<'_>, clients: &Authority, foreign: &Authority) {
    let mallory = clients.issue("mallory.example.org");
    let stranger = foreign.issue("alice.example.org");
    let with = |identity, trusts| Client {
        port: good.port,
        trusts,
        identity,
        authorization: good.authorization.clone(),
    };
    for identity in [None, Some(&stranger), Some(&mallory)] {
        assert!(with(identity, good.trusts).get("/").is_err());
    }
    assert!(with(good.identity, foreign).get("/").is_err());
    let plain = client::raw(good.port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").expect("an answer");
    let text = String::from_utf8_lossy(&plain);
    assert!(
        text.ends_with("Client sent an HTTP request to an HTTPS server.\n"),
        "{text}"
    );
}

#[test]
fn files_are_read_again_and_bad_ones_change_nothing() {
    let (first, second) = (Authority::new(), Authority::new());
    let mut agent = secured(&first, &format!("{TLS}}}\n"));
    let port = agent.port;
    let trusting = |trusts| Client {
        port,
        trusts,
        identity: None,
        authorization: None,
    };
    let (old, new) = (trusting(&first), trusting(&second));
    wait_for(&mut agent, &old, 200);
    assert!(new.get("/").is_err());
    agent.write("server.key", "no key at all");
    assert_eq!(old.get("/-/ready").expect("the old one").0, 200);
    put(&agent, &second.issue("127.0.0.1"));
    assert_eq!(new.get("/-/ready").expect("the new one").0, 200);
    assert!(old.get("/-/ready").is_err());
    agent.write(
        "web.yml",
        &format!("{TLS}}}\nbasic_auth_users: {{alice: {HASH}}}\n"),
    );
    assert_eq!(new.get("/-/ready").expect("an answer").0, 401);
    let log = agent.log();
    assert!(log.contains("what was before stays in force"), "{log}");
    assert_eq!(agent.terminate().0.code(), Some(0));
}

#[test]
fn a_wrong_file_ends_the_start_and_is_found_by_the_check() {
    let authority = Authority::new();
    let mut agent = secured(
        &authority,
        "tls_server_config: {cert_file: absent.crt, key_file: server.key}",
    );
    assert_eq!(agent.wait(wait::LONG).code(), Some(2));
    let log = agent.log();
    assert!(
        log.contains("unable to validate web configuration file"),
        "{log}"
    );
    assert!(log.contains("absent.crt"), "{log}");
    let web = agent.dir().join("web.yml");
    assert_eq!(check(&web).0, Some(1));
    agent.write("web.yml", "basic_auth_users: {alice: secret}");
    let (code, text) = check(&web);
    assert_eq!(code, Some(1));
    assert!(
        text.contains(" FAILED: ") && text.contains("bcrypt hashes must start with '$'"),
        "{text}"
    );
    agent.write("web.yml", &format!("{TLS}}}"));
    let (code, text) = check(&web);
    assert_eq!(
        (code, text),
        (Some(0), format!("{} SUCCESS\n", web.display()))
    );
}

fn check(file: &Path) -> (Option<i32>, String) {
    let mut command = Command::new(NARTHEX);
    let output = command.args(["check", "web-config"]).arg(file).output();
    let output = output.expect("to run the checker");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), text)
}
