//! Targets that mean harm: they hurt themselves only.

use std::time::Duration;

use super::support::agent::{Agent, Kind};
use super::support::http::{HttpServer, Manner, Reply, Request};
use super::support::ledger::Ledger;
use super::support::receiver::Receiver;
use super::support::{config, target, wait};

const MIB: u64 = 1024 * 1024;

/// A job of one target, scraped every 500 ms.
fn job(name: &str, target: &HttpServer) -> String {
    let address = target.address();
    format!(
        "- job_name: {name}\n  scrape_interval: 500ms\n  static_configs: [{{targets: ['{address}']}}]\n"
    )
}

/// Waits until a job was seen down, more than once.
fn wait_for_down(receiver: &Receiver, job: &str) {
    receiver.until(&format!("{job} to be down"), wait::LONG, |books| {
        let mut ups = books.named("up");
        let (_, points) =
            ups.find(|(labels, _)| super::support::receiver::label(labels, "job") == job)?;
        let down = points
            .iter()
            .filter(|point| f64::from_bits(point.bits) == 0.0);
        (down.count() >= 2).then_some(())
    });
}

#[test]
fn targets_that_hang_delay_nobody() {
    let receiver = Receiver::start();
    let healthy = Ledger::start(4, 10);
    let manners = [Manner::Hang, Manner::Drip(1, Duration::from_millis(100))];
    let ill: Vec<HttpServer> = (0..40)
        .map(|number| {
            let manner = manners[number % 2].clone();
            HttpServer::start(move |_: &Request| target::text("value 1\n").manner(manner.clone()))
        })
        .collect();
    let addresses: Vec<String> = ill.iter().map(HttpServer::address).collect();
    let hanging = format!(
        "- job_name: ill\n  scrape_interval: 2s\n  scrape_timeout: 2s\n  static_configs: [{{targets: [{}]}}]\n",
        addresses.join(", ")
    );
    let jobs = [healthy.job("healthy", "200ms"), hanging];
    let mut agent = Agent::with_config(&config(&receiver.url(), &jobs));
    agent.start();
    wait::until_true("all ill targets to hang", wait::LONG, || {
        ill.iter().all(|one| one.count() > 0)
    });
    let begun = wait::now();
    healthy.wait_for(20);
    let took = wait::now() - begun;
    println!(
        "{:?}: 20 scrapes at 200 ms beside 40 hanging targets took {took:?}",
        agent.kind
    );
    assert!(took < Duration::from_secs(6), "took {took:?}");
    assert!(
        agent.threads() < 40,
        "{} threads for 44 targets",
        agent.threads()
    );
    let audit = healthy.settle(&receiver, wait::LONG);
    audit.assert_exact();
    wait_for_down(&receiver, "ill");
}

#[test]
fn bombs_and_endless_bodies_end_at_the_limit() {
    let receiver = Receiver::start();
    let healthy = Ledger::start(2, 10);
    if Kind::under_test().is_excused("it has no limit unless one is configured") {
        return;
    }
    let line = "bomb{a=\"0123456789012345678901234567890123456789\"} 1\n";
    let plain = line.repeat(200 * 1024 * 1024 / line.len());
    let bomb = super::support::http::gzip(plain.as_bytes());
    drop(plain);
    let packed = HttpServer::start(move |_: &Request| {
        Reply::ok(target::TEXT, bomb.clone()).header("Content-Encoding", "gzip")
    });
    let endless =
        HttpServer::start(|_: &Request| target::text("# x\n".repeat(4096)).manner(Manner::Endless));
    let one_line =
        HttpServer::start(|_: &Request| target::text("x".repeat(65_536)).manner(Manner::Endless));
    let jobs = [
        healthy.job("healthy", "200ms"),
        job("packed", &packed),
        job("endless", &endless),
        job("one_line", &one_line),
    ];
    let mut agent = Agent::with_config(&config(&receiver.url(), &jobs));
    agent.start();
    for name in ["packed", "endless", "one_line"] {
        wait_for_down(&receiver, name);
    }
    let peak = agent.peak_bytes() / MIB;
    println!("{:?}: {peak} MiB at most under bombs", agent.kind);
    // Each worker may hold one body at the limit, and what the program needs besides.
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4));
    assert!(peak < 64 * workers as u64 + 32, "{peak} MiB");
    for target in [packed, endless, one_line] {
        target.pause();
    }
    // It does not depend on what comes next, so it is soon.
    let given_back = wait::try_until(Duration::from_secs(10), || {
        (agent.resident_bytes() / MIB < 48).then_some(())
    });
    let resident = agent.resident_bytes() / MIB;
    println!("{:?}: {resident} MiB after bombs", agent.kind);
    assert!(given_back.is_some(), "still {resident} MiB");
    healthy.wait_for(5);
    healthy.settle(&receiver, wait::LONG).assert_exact();
}

#[test]
fn abused_framing_fails_that_scrape_alone() {
    let receiver = Receiver::start();
    let healthy = Ledger::start(1, 5);
    let many = (0..10_000)
        .map(|n| format!("X-{n}: y\r\n"))
        .collect::<String>();
    let heads = [
        (
            "many_headers",
            format!("HTTP/1.1 200 OK\r\n{many}\r\nvalue 1\n"),
        ),
        (
            "long_line",
            format!(
                "HTTP/1.1 200 OK\r\nX: {}\r\n\r\nvalue 1\n",
                "y".repeat(2 << 20)
            ),
        ),
        (
            "two_lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\nvalue 1\n".to_owned(),
        ),
        (
            "bad_length",
            "HTTP/1.1 200 OK\r\nContent-Length: -8\r\n\r\nvalue 1\n".to_owned(),
        ),
        (
            "bad_chunk",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nvalue 1\n\r\n0\r\n\r\n"
                .to_owned(),
        ),
        ("no_http", "SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        ("half_head", "HTTP/1.1 200 OK\r\nContent-Ty".to_owned()),
        (
            "bad_gzip",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nvalue 1\n"
                .to_owned(),
        ),
    ];
    let targets: Vec<(&str, HttpServer)> = heads
        .into_iter()
        .map(|(name, bytes)| {
            let reply = Reply::ok("", "").manner(Manner::Raw(bytes.into_bytes()));
            (name, HttpServer::start(move |_: &Request| reply.clone()))
        })
        .collect();
    let mut jobs = vec![healthy.job("healthy", "200ms")];
    jobs.extend(targets.iter().map(|(name, target)| job(name, target)));
    let mut agent = Agent::with_config(&config(&receiver.url(), &jobs));
    agent.start();
    let lenient = agent
        .kind
        .is_excused("it takes 10,000 lines, and lines of 2 MiB");
    for (name, _) in &targets {
        if !lenient || !matches!(*name, "many_headers" | "long_line") {
            wait_for_down(&receiver, name);
        }
    }
    assert!(lenient || receiver.books(|books| books.named("value").count() == 0));
    healthy.wait_for(3);
    healthy.settle(&receiver, wait::LONG).assert_exact();
    assert!(agent.ended().is_none());
}

#[test]
fn a_scrape_follows_no_redirect_with_its_password_to_another_host() {
    let receiver = Receiver::start();
    let thief = HttpServer::start(|_: &Request| target::text("value 1\n"));
    // Another host: another name of the loopback address.
    let location = thief.address().replace("127.0.0.1", "localhost");
    let victim = HttpServer::start(move |_: &Request| {
        Reply::status(302, "").header("Location", &format!("http://{location}/metrics"))
    });
    let mut job = job("victim", &victim);
    job.push_str("  basic_auth: {username: u, password: canary}\n");
    let mut agent = Agent::with_config(&config(&receiver.url(), &[job]));
    agent.start();
    wait::until_true("a redirected scrape", wait::LONG, || thief.count() >= 2);
    assert!(
        victim
            .requests()
            .iter()
            .all(|request| request.header("Authorization").is_some())
    );
    let sent = thief
        .requests()
        .iter()
        .any(|request| request.header("Authorization").is_some());
    if !agent.kind.is_excused("2.42 sends it") {
        assert!(!sent, "the password went to another host");
    }
    assert!(!agent.log().contains("canary"));
    assert!(!agent.get("/api/v1/status/config").body.contains("canary"));
}
