//! Credentials that are more than a text: OAuth2 tokens, signatures for AWS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::agent::Agent;
use super::support::http::{HttpServer, Manner, Reply, Request};
use super::support::receiver::Receiver;
use super::support::{target, wait};

const TOKEN: &str = "Bearer token-of-the-test";

/// A token's server that hangs while it is told to.
fn idp(hangs: &Arc<AtomicBool>) -> HttpServer {
    let hangs = Arc::clone(hangs);
    HttpServer::start(move |_: &Request| {
        let text =
            r#"{"access_token":"token-of-the-test","token_type":"bearer","expires_in":3600}"#;
        let reply = Reply::ok("application/json", text);
        if hangs.load(Ordering::Relaxed) {
            return reply.manner(Manner::Hang);
        }
        reply
    })
}

/// Answers only who has the token.
fn guarded(reply: impl Fn() -> Reply + Send + Sync + 'static) -> HttpServer {
    HttpServer::start(
        move |request: &Request| match request.header("authorization") {
            Some(TOKEN) => reply(),
            _ => Reply::status(401, "who are you?"),
        },
    )
}

fn section(idp: &HttpServer) -> String {
    format!(
        "oauth2: {{client_id: me, client_secret: hunter2, token_url: 'http://{}/token', scopes: [metrics]}}",
        idp.address()
    )
}

#[test]
fn one_token_serves_scrapes_discovery_and_remote_write() {
    let idp = idp(&Arc::new(AtomicBool::new(false)));
    let page = guarded(|| target::text("value 5\n"));
    let address = page.address();
    let discovery = guarded(move || {
        let groups = serde_json::json!([{"targets": [address]}]).to_string();
        Reply::ok("application/json", groups)
    });
    let endpoint = guarded(|| Reply::status(204, ""));
    let oauth2 = section(&idp);
    let mut agent = Agent::with_config(&format!(
        "global: {{scrape_interval: 200ms}}\nscrape_configs:\n- job_name: a\n  {oauth2}\n  \
         http_sd_configs: [{{url: 'http://{}/', {oauth2}}}]\n\
         remote_write:\n- url: 'http://{}/'\n  {oauth2}\n",
        discovery.address(),
        endpoint.address()
    ));
    agent.start();
    wait::until_true("scrapes and deliveries", wait::LONG, || {
        page.count() >= 5 && endpoint.count() >= 1
    });
    for server in [&page, &discovery, &endpoint] {
        let requests = server.requests();
        let sent = |request: &Request| request.header("authorization") == Some(TOKEN);
        assert!(requests.iter().all(sent), "{requests:?}");
    }
    if agent.kind == super::support::agent::Kind::Narthex {
        assert_eq!(idp.count(), 1, "equal sections share a token");
    }
    let shown = agent.get("/api/v1/status/config").body + &agent.log();
    assert!(
        !shown.contains("hunter2") && !shown.contains("token-of-the-test"),
        "{shown}"
    );
}

#[test]
fn a_token_server_that_hangs_costs_its_own_targets_only() {
    let hangs = Arc::new(AtomicBool::new(true));
    let idp = idp(&hangs);
    let page = guarded(|| target::text("value 5\n"));
    let open = HttpServer::start(|_: &Request| target::text("value 6\n"));
    let receiver = Receiver::start();
    let job = |name: &str, server: &HttpServer, more: &str| {
        format!(
            "- job_name: {name}\n  scrape_interval: 500ms\n  {more}\n  \
             static_configs: [{{targets: ['{}']}}]\n",
            server.address()
        )
    };
    let jobs = [
        job("guarded", &page, &section(&idp)),
        job("open", &open, "follow_redirects: true"),
    ];
    let mut agent = Agent::with_config(&super::support::config(&receiver.url(), &jobs));
    agent.start();
    receiver.until(
        "the open one up, the guarded one down",
        wait::LONG,
        |books| {
            let up = |job| books.last("up", ("job", job));
            (up("open") == Some(1.0) && up("guarded") == Some(0.0)).then_some(())
        },
    );
    assert_eq!(page.count(), 0);
    hangs.store(false, Ordering::Relaxed);
    idp.pause();
    idp.resume();
    receiver.until("the guarded one up", wait::LONG, |books| {
        (books.last("up", ("job", "guarded")) == Some(1.0)).then_some(())
    });
}

#[test]
fn remote_write_is_signed_for_aws() {
    let page = HttpServer::start(|_: &Request| target::text("value 5\n"));
    let endpoint = HttpServer::start(|_: &Request| Reply::status(204, ""));
    let mut agent = Agent::with_config(&format!(
        "global: {{scrape_interval: 200ms}}\nscrape_configs:\n- job_name: a\n  \
         static_configs: [{{targets: ['{}']}}]\n\
         remote_write:\n- url: 'http://{}/workspaces/ws-1/api/v1/remote_write'\n  \
         sigv4: {{region: eu-west-1, access_key: AK, secret_key: hunter2}}\n",
        page.address(),
        endpoint.address()
    ));
    agent.start();
    wait::until_true("deliveries", wait::LONG, || endpoint.count() >= 2);
    for request in endpoint.requests() {
        let header = |name| request.header(name).unwrap_or_default();
        let (date, value) = (header("x-amz-date"), header("authorization"));
        assert_eq!(date.len(), "20261122T035322Z".len());
        let begin = format!(
            "AWS4-HMAC-SHA256 Credential=AK/{}/eu-west-1/aps/aws4_request, ",
            &date[..8]
        );
        assert!(value.starts_with(&begin), "{value}");
        let signed = value.split_once("SignedHeaders=").expect("a list").1;
        for name in ["host", "x-amz-date"] {
            assert!(signed.split([';', ',']).any(|own| own == name), "{value}");
        }
    }
    let shown = agent.get("/api/v1/status/config").body + &agent.log();
    assert!(!shown.contains("hunter2"), "{shown}");
}
