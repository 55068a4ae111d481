//! Targets that come and go.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::support::agent::Agent;
use super::support::http::{HttpServer, Manner, Reply, Request};
use super::support::process::Process;
use super::support::receiver::{Receiver, label};
use super::support::{config, effort, ports, target, wait};

/// Prometheus takes up to 5 s for an update.
const UPDATE: Duration = Duration::from_secs(30);

fn targets(count: usize) -> Vec<HttpServer> {
    let start = |_| {
        HttpServer::start(|request: &Request| target::text(format!("value {}\n", request.number)))
    };
    (0..count).map(start).collect()
}

fn groups(targets: &[&HttpServer]) -> String {
    let addresses: Vec<String> = targets.iter().map(|one| one.address()).collect();
    serde_json::json!([{"targets": addresses, "labels": {"__meta_x": "1", "kept": "yes"}}])
        .to_string()
}

fn wait_for_scrapes(target: &HttpServer, more: usize) {
    let aim = target.count() + more;
    wait::until_true("scrapes", UPDATE, || target.count() >= aim);
}

/// Waits until a target was not scraped for some intervals.
fn wait_for_silence(target: &HttpServer, others: &HttpServer) {
    wait::until_true("the end of scrapes", UPDATE, || {
        let (here, there) = (target.count(), others.count());
        wait::until_true("the other target", UPDATE, || others.count() >= there + 5);
        target.count() == here
    });
}

fn wait_for_marker(receiver: &Receiver, gone: &HttpServer) {
    let address = gone.address();
    receiver.until("a staleness marker", UPDATE, |books| {
        let mut ups = books
            .named("up")
            .filter(|(labels, _)| label(labels, "instance") == address);
        let last = ups.next()?.1.last()?;
        (last.bits == narthex::model::value::STALE_BITS).then_some(())
    });
}

#[test]
fn target_files_are_followed_and_a_torn_one_changes_nothing() {
    let receiver = Receiver::start();
    let targets = targets(3);
    let job = "- job_name: files\n  scrape_interval: 200ms\n  \
               file_sd_configs: [{files: ['{dir}/sd-*.json', '{dir}/more.yml'], refresh_interval: 1s}]\n";
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job.to_owned()]));
    agent.write("sd-one.json", &groups(&[&targets[0], &targets[1]]));
    agent.start();
    wait_for_scrapes(&targets[1], 2);
    agent.write(
        "more.yml",
        &format!("- targets: [\"{}\"]\n", targets[2].address()),
    );
    wait_for_scrapes(&targets[2], 2);

    // Torn: written in place, and seen half done.
    std::fs::write(agent.dir().join("sd-one.json"), "[{\"targets\": [\"127.").expect("to write");
    wait_for_scrapes(&targets[0], 20);
    wait_for_scrapes(&targets[1], 2);

    agent.write("sd-one.json", &groups(&[&targets[0]]));
    wait_for_silence(&targets[1], &targets[0]);
    wait_for_marker(&receiver, &targets[1]);
    wait_for_scrapes(&targets[0], 2);
    receiver.books(|books| {
        let series = books
            .named("value")
            .find(|(labels, _)| label(labels, "kept") == "yes");
        let (labels, _) = series.expect("labels of the group are attached");
        assert!(!labels.iter().any(|(name, _)| name.starts_with("__meta")));
    });
    receiver.assert_clean();
}

#[test]
fn an_http_source_is_asked_and_its_failures_change_nothing() {
    let receiver = Receiver::start();
    let targets = targets(2);
    let answer = Arc::new(Mutex::new(Reply::ok(
        "application/json",
        groups(&[&targets[0]]),
    )));
    let shown = Arc::clone(&answer);
    let source = HttpServer::start(move |_: &Request| shown.lock().clone());
    let job = format!(
        "- job_name: web\n  scrape_interval: 200ms\n  http_sd_configs:\n  \
         - {{url: 'http://{}/targets', refresh_interval: 300ms}}\n",
        source.address()
    );
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job]));
    agent.start();
    wait_for_scrapes(&targets[0], 2);
    let asked = source.requests().remove(0);
    assert_eq!(asked.path, "/targets");
    assert_eq!(
        asked.header("X-Prometheus-Refresh-Interval-Seconds"),
        Some("0.3")
    );

    let both = Reply::ok("application/json", groups(&[&targets[0], &targets[1]]));
    *answer.lock() = both;
    wait_for_scrapes(&targets[1], 2);
    for bad in [
        Reply::status(500, "no\n"),
        Reply::ok("text/html", "[]"),
        Reply::ok("application/json", "[{"),
        Reply::ok("application/json", "[]").manner(Manner::Cut(1)),
    ] {
        *answer.lock() = bad;
        let asked = source.count();
        wait::until_true("two refreshes", UPDATE, || source.count() >= asked + 2);
    }
    wait_for_scrapes(&targets[0], 2);
    wait_for_scrapes(&targets[1], 2);
    // A request that was seen may not be judged yet.
    wait::until_true("every failure to be counted", UPDATE, || {
        agent.metric("prometheus_sd_http_failures_total", "") >= Some(8.0)
    });

    *answer.lock() = Reply::ok("application/json", groups(&[&targets[0]]));
    wait_for_silence(&targets[1], &targets[0]);
    wait_for_marker(&receiver, &targets[1]);
}

/// Groups in a file that nginx serves: asked for with its entity tag, so that what did not change is
/// not sent again; nginx away costs no target.
#[test]
fn groups_that_nginx_serves_are_followed() {
    let receiver = Receiver::start();
    let targets = targets(2);
    let port = ports::free();
    let job = format!(
        "- job_name: web\n  scrape_interval: 200ms\n  http_sd_configs:\n  \
         - {{url: 'http://127.0.0.1:{port}/targets.json', refresh_interval: 300ms}}\n"
    );
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job]));
    let dir = agent.dir().to_owned();
    let folder = dir.display();
    agent.write(
        "nginx.conf",
        &format!(
            "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\n  types {{ application/json json; }}\n  \
             log_format status '$status';\n  access_log {folder}/access status;\n  \
             client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
             fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  \
             scgi_temp_path {folder}/scgi;\n  \
             server {{ listen 127.0.0.1:{port}; root {folder}; }}\n}}\n"
        ),
    );
    agent.write("targets.json", &groups(&[&targets[0]]));
    let start = || {
        let arguments = ["-e", "stderr", "-c", &format!("{folder}/nginx.conf")];
        let arguments = arguments.map(str::to_owned);
        Process::start("/usr/sbin/nginx", &arguments, &dir, &dir.join("nginx.log"))
    };
    let mut nginx = start();
    let answered = |status: &str| {
        let answers = std::fs::read_to_string(dir.join("access"));
        let answers = answers.unwrap_or_default();
        answers.lines().filter(|own| *own == status).count()
    };
    wait::until_true("nginx", UPDATE, || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    agent.start();
    wait_for_scrapes(&targets[0], 2);
    wait::until_true("an answer without a body", UPDATE, || answered("304") >= 2);
    assert_eq!(answered("200"), 1);

    agent.write("targets.json", &groups(&[&targets[0], &targets[1]]));
    wait_for_scrapes(&targets[1], 2);
    nginx.kill();
    let failures = || agent.metric("prometheus_sd_http_failures_total", "");
    wait::until_true("refreshes that fail", UPDATE, || failures() >= Some(2.0));
    wait_for_scrapes(&targets[1], 2);
    agent.write("targets.json", &groups(&[&targets[0]]));
    let _nginx = start();
    wait_for_silence(&targets[1], &targets[0]);
    wait_for_marker(&receiver, &targets[1]);
}

#[test]
fn names_are_resolved_by_the_name_server() {
    if effort::is_unprivileged("port 53 and a private resolv.conf are for root") {
        return;
    }
    let receiver = Receiver::start();
    let targets = targets(2);
    let mut agent = Agent::with_config("");
    // A name server of our own, on an address of the loopback net that nothing else uses.
    let server = format!("127.53.{}.{}", agent.port / 256, agent.port % 256);
    agent.write(
        "resolv.conf",
        &format!("nameserver {server}\noptions timeout:1\n"),
    );
    let port = |target: &HttpServer| target.address().split_off("127.0.0.1:".len());
    let mut arguments: Vec<String> = [
        "--no-daemon",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--user=root",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--listen-address={server}"));
    arguments.push("--host-record=node.edge.test,127.0.0.1".to_owned());
    for target in &targets {
        let record = format!(
            "--srv-host=_metrics._tcp.edge.test,node.edge.test,{}",
            port(target)
        );
        arguments.push(record);
    }
    let log = agent.dir().join("dnsmasq.log");
    let _dns = Process::start("/usr/sbin/dnsmasq", &arguments, agent.dir(), &log);
    let job = format!(
        "- job_name: srv\n  scrape_interval: 200ms\n  dns_sd_configs:\n  \
         - {{names: [_metrics._tcp.edge.test], refresh_interval: 1s}}\n\
         - job_name: a\n  scrape_interval: 200ms\n  metrics_path: /a\n  dns_sd_configs:\n  \
         - {{names: [node.edge.test], type: A, port: {}, refresh_interval: 1s}}\n",
        port(&targets[0])
    );
    agent.write_config(&config(&receiver.url(), &[job]));
    agent.start_with_resolver("resolv.conf");
    wait_for_scrapes(&targets[0], 4);
    wait_for_scrapes(&targets[1], 2);
    receiver.until("both jobs", UPDATE, |books| {
        let srv = books.last(
            "up",
            ("instance", &format!("node.edge.test:{}", port(&targets[1]))),
        )?;
        let a = books.last("up", ("job", "a"))?;
        (srv == 1.0 && a == 1.0).then_some(())
    });
    let names: Vec<String> = targets[0]
        .requests()
        .iter()
        .map(|one| one.path.clone())
        .collect();
    assert!(names.iter().any(|path| path == "/a") && names.iter().any(|path| path == "/metrics"));
}
