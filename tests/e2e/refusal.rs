//! What the receiver refuses, what is lost, and whether the books of losses are right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::Value;

use super::support::agent::{Agent, Kind, NARTHEX};
use super::support::http::{HttpServer, Reply, Request};
use super::support::ledger::{Audit, Ledger};
use super::support::process::Process;
use super::support::prom::Server;
use super::support::receiver::{Answer, Facts, Receiver};
use super::support::{config, target, wait};

/// What `kill -9` may cost: a block waits a second until the system has it, its refusal with it.
const KILL_WINDOW: Duration = Duration::from_millis(1500);

/// Restarting and draining, on a busy machine.
const DRAIN: Duration = Duration::from_secs(60);

/// Whether narthex is under test: nothing here is asked of anybody else.
fn is_narthex() -> bool {
    !Kind::under_test().is_excused("it has no books of losses")
}

/// A configuration whose endpoint has a name and settings of narthex's own.
fn with_narthex(url: &str, jobs: &[String], settings: &str) -> String {
    let text = config(url, jobs);
    let own = format!("- url: {url}\n  name: central\n  narthex: {{{settings}}}\n");
    text.replace(&format!("- url: {url}\n"), &own)
}

/// The books of losses: samples by job and reason.
fn losses(agent: &Agent) -> BTreeMap<(String, String), u64> {
    let lines = agent.get("/api/v1/status/losses").json();
    let lines = lines["data"].as_array().expect("lines").iter();
    let text = |line: &Value, key: &str| line[key].as_str().expect("a text").to_owned();
    lines
        .map(|line| {
            let samples = line["samples"].as_u64().expect("a number");
            ((text(line, "job"), text(line, "reason")), samples)
        })
        .collect()
}

/// Lines of `narthex log rejected --json`.
fn rejected(agent: &Agent) -> Vec<Value> {
    let log = agent.dir().join("rejected.out");
    let data = agent.data().display().to_string();
    let arguments = ["log", "rejected", "--json", data.as_str()];
    let arguments = arguments.map(str::to_owned);
    let mut process = Process::start(NARTHEX, &arguments, agent.dir(), &log);
    assert!(process.wait(wait::LONG).success(), "{}", process.log());
    let text = process.log();
    std::fs::remove_file(&log).expect("its own file");
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().expect("JSON")
}

/// Every fifth scrape of these series is refused.
const BAD: [u64; 3] = [7, 31, 32];

fn is_bad(value: f64) -> bool {
    Ledger::parts(value).is_some_and(|(series, scrape)| BAD.contains(&series) && scrape % 5 == 0)
}

fn refuse_bad(facts: Facts<'_>) -> Answer {
    if facts.any(is_bad) {
        Answer::Refuse(Reply::status(400, "label value of \"series\" is bad\n"))
    } else {
        Answer::Accept
    }
}

/// An audit, taken apart by what may become of samples.
#[derive(Debug, Default)]
struct Fates {
    /// Lost from scrapes of which the rest arrived.
    refused: u64,
    /// Of those, such as were given out shortly before a kill: the log may have forgotten the
    /// block, and with it what became of it.
    unsure: u64,
    /// Scrapes that are gone as a whole.
    whole: Audit,
}

impl Fates {
    fn of(audit: &Audit, series: u64, kills: &[Instant]) -> Fates {
        let mut fates = Fates::default();
        for (at, samples) in &audit.lost {
            if *samples == series {
                fates.whole.lost.push((*at, *samples));
                continue;
            }
            fates.refused += samples;
            if kills
                .iter()
                .any(|kill| *at < *kill && *kill < *at + KILL_WINDOW)
            {
                fates.unsure += samples;
            }
        }
        fates
    }
}

/// Waits until nothing is missing but what is refused and whole scrapes; audits what was given out
/// before now.
fn settle(ledger: &Ledger, receiver: &Receiver, agent: &Agent, kills: &[Instant]) -> Audit {
    let until = wait::now();
    let mut seen = String::new();
    let audit = wait::try_until(DRAIN, || {
        let audit = receiver.books(|books| ledger.audit(books, until));
        let fates = Fates::of(&audit, 25, kills);
        let pending = agent.metric("prometheus_remote_storage_samples_pending", "");
        let books = losses(agent);
        seen = format!("{pending:?} pending, {books:?}, {fates:?}, {audit}");
        let counted = books.values().sum::<u64>();
        let agree = fates.refused > 0 && counted + fates.unsure >= fates.refused;
        (pending == Some(0.0) && agree).then_some(audit)
    });
    audit.unwrap_or_else(|| panic!("the books do not agree after {DRAIN:?}: {seen}"))
}

#[test]
fn refused_samples_cost_themselves_are_counted_and_kept_for_a_look() {
    if !is_narthex() {
        return;
    }
    let (receiver, ledger) = (Receiver::start(), Ledger::start(4, 25));
    let job = ledger.job("ledger", "200ms");
    let mut agent = Agent::with_config(&with_narthex(&receiver.url(), &[job], ""));
    receiver.answer(refuse_bad);
    agent.start();
    ledger.wait_for(22);
    agent.terminate();
    // All that was given out before the end is delivered or refused; restart to ask.
    agent.start();
    ledger.wait_for(2);
    let audit = settle(&ledger, &receiver, &agent, &[]);
    let fates = Fates::of(&audit, 25, &[]);
    let refused = fates.refused;
    println!("400 for three of a hundred series: {audit}");
    // The scrape that the stop cut short, at most, is not whole.
    assert!(fates.whole.lost.len() <= 4, "{audit}");
    assert!(refused >= 9, "{refused}");
    // Which series it was: never a neighbour.
    receiver.books(|books| {
        for (labels, points) in books.named("ledger_value") {
            let bad = points
                .iter()
                .filter(|point| is_bad(f64::from_bits(point.bits)));
            assert_eq!(bad.count(), 0, "{labels:?}");
        }
    });
    let key = ("ledger".to_owned(), "invalid".to_owned());
    let counted = losses(&agent);
    assert_eq!(counted.keys().collect::<Vec<_>>(), [&key]);
    wait::until_true("the metric of losses", wait::LONG, || {
        let metric = agent.metric("narthex_samples_lost_total", "reason=\"invalid\"");
        metric >= Some(refused as f64)
    });
    wait::until_true("losses on the status page", wait::LONG, || {
        let page = agent.get("/agent").body;
        page.contains("Lost samples") && page.contains("invalid")
    });
    // A sample is entered in the books before it is written down.
    let lines = wait::until("a line for each", wait::LONG, || {
        Some(rejected(&agent)).filter(|lines| lines.len() as u64 >= refused)
    });
    for line in &lines {
        let value: f64 = line["value"]
            .as_str()
            .expect("text")
            .parse()
            .expect("float");
        assert!(is_bad(value), "{line}");
        assert_eq!(line["labels"]["__name__"], "ledger_value");
        assert_eq!(
            (&line["job"], &line["status"]),
            (&"ledger".into(), &400.into())
        );
        let answer = line["answer"].as_str().expect("text");
        assert!(answer.contains("is bad"), "{line}");
        assert_eq!(line["remote_name"], "central");
    }
    receiver.assert_clean();
}

#[test]
fn the_books_add_up_across_a_restart_and_a_kill() {
    if !is_narthex() {
        return;
    }
    let (receiver, ledger) = (Receiver::start(), Ledger::start(4, 25));
    let job = ledger.job("ledger", "200ms");
    let mut agent = Agent::with_config(&with_narthex(&receiver.url(), &[job], ""));
    receiver.answer(refuse_bad);
    let (mut ends, mut kills) = (Vec::new(), Vec::new());
    for round in 0..4 {
        agent.start();
        ledger.wait_for(8);
        if round % 2 == 1 {
            receiver.go_away();
        }
        ledger.wait_for(8);
        ends.push(wait::now());
        if round < 2 {
            agent.terminate();
        } else {
            agent.kill();
            kills.push(wait::now());
        }
        ends.push(wait::now());
        receiver.come_back();
    }
    agent.start();
    ledger.wait_for(3);
    // The jobs end, so that the last sample is accounted for too.
    ends.push(wait::now());
    agent.write_config(&with_narthex(&receiver.url(), &[], ""));
    agent.hang_up();
    wait::until_true("the targets to go", wait::LONG, || {
        let targets = agent.metric("prometheus_target_scrape_pool_targets", "");
        targets.unwrap_or(0.0) == 0.0
    });
    ends.push(wait::now());
    let audit = settle(&ledger, &receiver, &agent, &kills);
    let fates = Fates::of(&audit, 25, &kills);
    let books = losses(&agent);
    println!("two restarts and two kills: {audit}; books: {books:?}; {fates:?}");
    // Given out = delivered + lost by reason + what the ends themselves cut off.
    let counted: u64 = books.values().sum();
    let counted_for = audit.delivered as u64 + counted + fates.whole.lost();
    assert!(counted_for <= audit.issued, "{audit}; {books:?}");
    assert!(
        counted_for + fates.unsure >= audit.issued,
        "{audit}; {books:?}"
    );
    fates.whole.assert_lost_only_near(&ends, KILL_WINDOW);
    wait::until_true("the metric to say what the books say", wait::LONG, || {
        agent.metric("narthex_samples_lost_total", "") == Some(counted as f64)
    });
    assert_eq!(losses(&agent), books, "nothing is lost any more");
    assert_eq!((audit.reordered, audit.invented), (0, 0), "{audit}");
}

#[test]
fn a_large_replay_before_a_real_server_loses_nothing_and_ends() {
    if !is_narthex() {
        return;
    }
    let (server, ledger) = (Server::start(), Ledger::start(8, 50));
    let text = config(&server.url(), &[ledger.job("ledger", "100ms")]);
    // Requests of 10,000 samples; positions are stored every ten seconds, so a kill repeats seconds.
    let text = text.replace(
        "max_samples_per_send: 500, capacity: 2000",
        "max_samples_per_send: 10000",
    );
    let mut agent = Agent::with_config(&text);
    let mut kills = Vec::new();
    for _ in 0..2 {
        agent.start();
        ledger.wait_for(40);
        agent.kill();
        kills.push(wait::now());
    }
    agent.start();
    ledger.wait_for(5);
    let until = wait::now();
    let audit = || ledger.audit(&server.books("ledger_value"), until);
    let is_done = |audit: &Audit| audit.worst_loss(&kills) < KILL_WINDOW;
    let audit = wait::try_until(DRAIN, || Some(audit()).filter(is_done)).unwrap_or_else(audit);
    // What arrived last is there before the last refusal is counted.
    let name = "narthex_remote_samples_refused_total";
    let refused = wait::until("the refusals of a replay", DRAIN, || {
        let refused = agent.metric(name, "reason=\"repeated\"");
        refused.filter(|samples| *samples >= 400.0)
    });
    let requests = agent.metric("narthex_remote_requests_total", "");
    println!("replay before a real server: {audit}; {refused} repeated, {requests:?} requests");
    audit.assert_sound();
    assert!(is_done(&audit), "lost far from a kill: {audit}");
    assert!(losses(&agent).is_empty(), "{:?}", losses(&agent));
    assert_eq!(rejected(&agent), Vec::<Value>::new());
}

#[test]
fn wrong_credentials_cost_the_data_where_that_is_wanted() {
    if !is_narthex() {
        return;
    }
    let (receiver, ledger) = (Receiver::start(), Ledger::start(1, 10));
    let job = ledger.job("ledger", "200ms");
    let text = with_narthex(&receiver.url(), &[job], "unauthorized: drop");
    let secret = "  headers: {X-Token: HUNTER2-TOKEN}\n  remote_timeout";
    let mut agent = Agent::with_config(&text.replacen("  remote_timeout", secret, 1));
    receiver.answer(|_| Answer::Refuse(Reply::status(401, "no such token: HUNTER2-TOKEN\n")));
    agent.start();
    ledger.wait_for(5);
    let key = ("ledger".to_owned(), "unauthorized".to_owned());
    wait::until_true("losses", wait::LONG, || losses(&agent).contains_key(&key));
    wait::until_true("a refusal of metadata", wait::LONG, || {
        agent.log().contains("the endpoint refused metadata")
    });
    receiver.answer(|_| Answer::Accept);
    ledger.wait_for(2);
    receiver.until("samples again", wait::LONG, |books| {
        (books.samples > 0).then_some(())
    });
    let lines = wait::until("what was refused", wait::LONG, || {
        Some(rejected(&agent)).filter(|lines| !lines.is_empty())
    });
    for text in [format!("{lines:?}"), agent.log(), agent.get("/agent").body] {
        assert!(!text.contains("HUNTER2"), "{text}");
    }
}

/// When requests came, and their bytes.
type Arrivals = Arc<Mutex<Vec<(Instant, usize)>>>;

#[test]
fn a_metered_uplink_gets_no_more_than_its_bytes_a_second() {
    if !is_narthex() {
        return;
    }
    const RATE: f64 = 8192.0;
    let (receiver, ledger) = (Receiver::start(), Ledger::start(4, 100));
    let job = ledger.job("ledger", "200ms");
    let text = with_narthex(&receiver.url(), &[job], "max_bytes_per_second: 8KB");
    let mut agent = Agent::with_config(&text);
    let arrivals: Arrivals = Arc::default();
    let own = Arc::clone(&arrivals);
    receiver.answer(move |facts| {
        own.lock().push((wait::now(), facts.bytes));
        Answer::Accept
    });
    receiver.go_away();
    agent.start();
    ledger.wait_for(20);
    receiver.come_back();
    ledger.wait_for(50);
    let arrivals = arrivals.lock().clone();
    let bytes: usize = arrivals.iter().map(|(_, bytes)| bytes).sum();
    let largest = arrivals.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let took = arrivals.last().expect("requests").0 - arrivals[0].0;
    let rate = bytes as f64 / took.as_secs_f64();
    println!("{bytes} bytes of bodies in {took:?}: {rate:.0} a second, {RATE} may go");
    assert!(arrivals.len() > 5, "{arrivals:?}");
    // The limit was felt, and kept in every stretch of time; heads take a part of it.
    assert!(rate > RATE / 3.0, "{rate}");
    for (first, (begin, _)) in arrivals.iter().enumerate() {
        let mut sum = 0;
        for (at, own) in &arrivals[first..] {
            sum += own;
            // A request that was delayed on its way makes a window look shorter than it was.
            let seconds = (*at - *begin).as_secs_f64() + 1.0 + 0.5;
            let most = RATE * seconds + largest as f64;
            assert!(sum as f64 <= most, "{sum} bytes in {seconds} s");
        }
    }
    // Without the limit the rest comes at once: nothing was lost by waiting.
    agent.write_config(&with_narthex(
        &receiver.url(),
        &[ledger.job("ledger", "200ms")],
        "",
    ));
    agent.hang_up();
    let audit = ledger.settle(&receiver, DRAIN);
    audit.assert_sound();
    assert_eq!((audit.lost(), audit.stale), (0, 0), "{audit}");
}

/// A real exporter's pages, one after another, again and again.
fn exporter(name: &'static str) -> HttpServer {
    let pages: Vec<Vec<u8>> = (0..8)
        .map(|number| target::recorded(&format!("{name}.{number:02}.prom")))
        .collect();
    HttpServer::start(move |request: &Request| {
        Reply::ok(target::TEXT, pages[request.number % pages.len()].clone())
    })
}

#[test]
fn a_backlog_from_disk_shares_labels_between_samples() {
    if !is_narthex() {
        return;
    }
    let names = ["node_exporter", "consul", "etcd", "haproxy", "prometheus"];
    let servers = names.map(exporter);
    let jobs: Vec<String> = names
        .iter()
        .zip(&servers)
        .map(|(name, server)| {
            format!(
                "- job_name: {name}\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\n  \
             static_configs: [{{targets: [{}]}}]\n",
                server.address()
            )
        })
        .collect();
    let receiver = Receiver::start();
    let text = config(&receiver.url(), &jobs)
        .replace("max_samples_per_send: 500, capacity: 2000", "min_shards: 1");
    let mut agent = Agent::with_config(&text.replace(", max_shards: 2", ""));
    receiver.go_away();
    agent.start();
    wait::until_true("a backlog", Duration::from_secs(120), || {
        servers.iter().all(|server| server.count() >= 60)
    });
    agent.terminate();
    let rounds = servers.iter().map(HttpServer::count).sum::<usize>() / servers.len();
    let sums: Arc<Mutex<(usize, usize, usize)>> = Arc::default();
    let own = Arc::clone(&sums);
    receiver.answer(move |facts| {
        let mut sums = own.lock();
        sums.0 += facts.samples;
        sums.1 += facts.entries;
        sums.2 += facts.bytes;
        Answer::Accept
    });
    // Nothing new: what comes is from disk.
    agent.write_config(&config(&receiver.url(), &[]).replace(
        "max_shards: 2, max_samples_per_send: 500, capacity: 2000",
        "min_shards: 1",
    ));
    receiver.come_back();
    agent.start();
    wait::until_true("the drain", DRAIN, || {
        let read = agent.metric("prometheus_remote_storage_samples_in_total", "");
        let pending = agent.metric("prometheus_remote_storage_samples_pending", "");
        let done = agent.metric("narthex_remote_samples_acknowledged_total", "");
        pending == Some(0.0) && done.is_some_and(|done| done > 0.0) && done == read
    });
    let (samples, entries, bytes) = *sums.lock();
    let (each, size) = (
        samples as f64 / entries as f64,
        bytes as f64 / samples as f64,
    );
    let most = 10_000.0 * rounds as f64 / samples as f64;
    println!(
        "{samples} samples in {entries} entries: {each:.2} an entry of {most:.2} scrapes that a \
         request holds, {size:.2} bytes a sample"
    );
    assert!(samples > 100_000, "{samples}");
    // A list that changes breaks a run; the pages of these exporters do so now and then.
    assert!(each > 0.6 * most, "{each} of {most}");
}
