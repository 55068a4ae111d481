//! DNS discovery against real servers: dnsmasq and BIND, started on loopback by the test.
//!
//! Needs the Debian packages `dnsmasq-base` and `bind9`; a server that is missing is a failure,
//! not a skip. Servers listen on free ports of 127.0.0.1 and end with the test.

#![expect(clippy::panic, reason = "helpers of tests fail tests")]

mod server;

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;
use narthex::config::load::{Files, Source, load};
use narthex::discovery::plan::plan;
use narthex::discovery::{DiscoveryEnv, DiscoveryHandle, start};
use narthex::model::target_group::{LabelMap, TargetSets};
use narthex::net::dns::message::{Record, RecordKind};
use narthex::net::dns::resolver::{Resolver, ResolverSource};
use narthex::sys::clock::SystemClock;
use narthex::sys::jitter::Jitter;
use narthex::sys::published::Published;
use narthex::telemetry::registry::Registry;

use server::{Bind, Dnsmasq, Home};

/// Longest wait for something that should happen soon.
const SOON: Duration = Duration::from_secs(20);

fn resolver(home: &Home, port: u16) -> Resolver {
    let source = ResolverSource {
        resolv_conf: home.resolv_conf("options attempts:1 timeout:2\n"),
        port,
    };
    Resolver::new(source, Arc::new(SystemClock), Jitter::from_system())
}

fn lookup(resolver: &mut Resolver, name: &str, kind: RecordKind) -> Vec<Record> {
    resolver
        .lookup(name, kind, &|| false)
        .unwrap_or_else(|error| panic!("{name} {kind}: {error}"))
}

#[test]
fn dnsmasq_answers_every_kind_of_question() {
    let home = Home::new();
    let server = Dnsmasq::start(&home, ZONE);
    let mut resolver = resolver(&home, server.port());
    let srv = lookup(&mut resolver, "_prom._tcp.sd.test", RecordKind::Srv);
    let expected = |target: &str, port| Record::Srv {
        target: target.into(),
        port,
    };
    assert_eq!(srv.len(), 2);
    assert!(srv.contains(&expected("web1.sd.test.", 9100)));
    assert!(srv.contains(&expected("web2.sd.test.", 9200)));
    let a = lookup(&mut resolver, "web1.sd.test", RecordKind::A);
    assert_eq!(a, [Record::A([192, 0, 2, 1].into())]);
    let aaaa = lookup(&mut resolver, "web1.sd.test", RecordKind::Aaaa);
    assert_eq!(
        aaaa,
        [Record::Aaaa("2001:db8::1".parse().expect("address"))]
    );
    let mx = lookup(&mut resolver, "sd.test", RecordKind::Mx);
    assert_eq!(mx, [Record::Mx("mail.sd.test.".into())]);
    let alias = lookup(&mut resolver, "alias.sd.test", RecordKind::A);
    assert_eq!(alias, [Record::A([192, 0, 2, 1].into())], "CNAME skipped");
    let none = lookup(&mut resolver, "web1.sd.test", RecordKind::Mx);
    assert_eq!(none, [], "a name without such records");
    let denied = lookup(&mut resolver, "nobody.sd.test", RecordKind::A);
    assert_eq!(denied, [], "a name that does not exist");
}

#[test]
fn dnsmasq_is_asked_with_the_suffixes_of_the_search_list() {
    let home = Home::new();
    let server = Dnsmasq::start(&home, ZONE);
    let source = ResolverSource {
        resolv_conf: home.resolv_conf("search other.test sd.test\n"),
        port: server.port(),
    };
    let mut resolver = Resolver::new(source, Arc::new(SystemClock), Jitter::from_system());
    let found = lookup(&mut resolver, "web1", RecordKind::A);
    assert_eq!(found, [Record::A([192, 0, 2, 1].into())]);
}

#[test]
fn dnsmasq_truncates_150_records_and_gives_them_all_over_tcp() {
    let home = Home::new();
    let server = Dnsmasq::start(&home, &many_records());
    let found = lookup(
        &mut resolver(&home, server.port()),
        "_many._tcp.sd.test",
        RecordKind::Srv,
    );
    assert_eq!(found.len(), 150);
}

#[test]
fn bind_answers_with_name_servers_and_150_records_over_tcp() {
    let home = Home::new();
    let server = Bind::start(&home, &bind_zone());
    let mut resolver = resolver(&home, server.port());
    let ns = lookup(&mut resolver, "sd.test", RecordKind::Ns);
    assert_eq!(ns, [Record::Ns("ns1.sd.test.".into())]);
    let mx = lookup(&mut resolver, "sd.test", RecordKind::Mx);
    assert_eq!(mx, [Record::Mx("mail.sd.test.".into())]);
    let many = lookup(&mut resolver, "_many._tcp.sd.test", RecordKind::Srv);
    assert_eq!(many.len(), 150);
    let denied = lookup(&mut resolver, "nobody.sd.test", RecordKind::A);
    assert_eq!(denied, []);
    let refused = resolver.lookup("outside.example", RecordKind::A, &|| false);
    let error = refused.expect_err("BIND refuses foreign zones").to_string();
    assert!(error.contains("answered with code 5"), "{error}");
}

/// A configuration in one piece.
struct NoFiles;

impl Files for NoFiles {
    fn glob(&self, _pattern: &str) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    fn read(&self, path: &str) -> Result<String, String> {
        Err(format!("no file {path}"))
    }
}

/// Discovery of one DNS entry as job `dns`.
struct Discovery {
    handle: DiscoveryHandle,
    sets: Published<TargetSets>,
    wake: Receiver<()>,
    registry: Registry,
}

impl Discovery {
    fn start(home: &Home, port: u16, entry: &str) -> Discovery {
        let text = format!("scrape_configs:\n- job_name: dns\n  dns_sd_configs: [{entry}]\n");
        let loaded = load(&Source {
            file: "test.yml",
            text: &text,
            files: &NoFiles,
            environment: &|_| None,
            features: narthex::config::Features::default(),
        });
        let plan = plan(&loaded.expect("valid").config).expect("valid");
        let metrics = Registry::default();
        let env = DiscoveryEnv {
            clock: Arc::new(SystemClock),
            registry: metrics.clone(),
            jitter_seed: 1,
            user_agent: "narthex-test".into(),
            resolver: ResolverSource {
                resolv_conf: home.resolv_conf("options attempts:1 timeout:1\n"),
                port,
            },
            coalesce: Duration::from_millis(100),
        };
        let handle = start(plan, env).expect("started");
        let (sets, wake) = handle.output();
        Discovery {
            handle,
            sets,
            wake,
            registry: metrics,
        }
    }

    fn targets(&self) -> Vec<LabelMap> {
        let sets = self.sets.load();
        let groups = sets.get("dns").into_iter().flatten();
        groups.flat_map(|group| group.targets.clone()).collect()
    }

    fn wait_for(&self, count: usize) {
        while self.targets().len() != count {
            self.wake
                .recv_timeout(SOON)
                .unwrap_or_else(|_| panic!("not {count} targets but {:?}", self.targets()));
        }
    }

    fn failures(&self) -> f64 {
        self.registry
            .counter("prometheus_sd_dns_lookup_failures_total", "", &[])
            .get()
    }
}

#[test]
fn discovery_keeps_targets_while_servers_are_away_and_drops_them_when_denied() {
    let home = Home::new();
    let server = Dnsmasq::start(&home, ZONE);
    let port = server.port();
    let entry = "{names: [_prom._tcp.sd.test], refresh_interval: 100ms}";
    let discovery = Discovery::start(&home, port, entry);
    discovery.wait_for(2);
    let target = &discovery.targets()[0];
    assert_eq!(target["__meta_dns_name"], "_prom._tcp.sd.test");
    assert!(target["__meta_dns_srv_record_target"].ends_with(".sd.test."));
    assert!(target["__address__"].ends_with("00"), "{target:?}");

    drop(server);
    let ticks = crossbeam_channel::tick(Duration::from_millis(20));
    let gave_up = crossbeam_channel::after(SOON);
    while discovery.failures() < 3.0 {
        crossbeam_channel::select! {
            recv(ticks) -> _ => {}
            recv(gave_up) -> _ => panic!("no failure was counted"),
        }
    }
    assert_eq!(discovery.targets().len(), 2, "kept while nobody answers");
    let status = discovery.handle.status();
    assert!(status[0].last_error.is_some());

    // The same port, and now the name does not exist.
    let _server = Dnsmasq::start_at(&home, "local=/sd.test/\n", port);
    discovery.wait_for(0);
    discovery.handle.stop().expect("stopped");
}

#[test]
fn discovery_stops_soon_while_a_server_is_silent() {
    let home = Home::new();
    let silent = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let port = silent.local_addr().expect("address").port();
    let entry = "{names: [a.sd.test], type: A, port: 80}";
    let discovery = Discovery::start(&home, port, entry);
    silent.set_read_timeout(Some(SOON)).expect("timeout is set");
    silent.recv(&mut [0; 512]).expect("it was asked");
    let (done_tx, done) = crossbeam_channel::bounded(1);
    let stopper = narthex::sys::thread::spawn("stopper", move || {
        discovery.handle.stop().expect("stopped");
        done_tx.send(()).expect("heard");
    });
    done.recv_timeout(SOON).expect("stopped in time");
    stopper.expect("thread").join().expect("joined");
}

const ZONE: &str = "\
local=/sd.test/
local=/other.test/
host-record=web1.sd.test,192.0.2.1,2001:db8::1
host-record=web2.sd.test,192.0.2.2
host-record=mail.sd.test,192.0.2.3
cname=alias.sd.test,web1.sd.test
srv-host=_prom._tcp.sd.test,web1.sd.test,9100
srv-host=_prom._tcp.sd.test,web2.sd.test,9200
mx-host=sd.test,mail.sd.test,10
";

fn many_records() -> String {
    let record = |n| format!("srv-host=_many._tcp.sd.test,host{n}.sd.test,{}\n", 9000 + n);
    (0..150).map(record).collect()
}

fn bind_zone() -> String {
    let record = |n| format!("_many._tcp IN SRV 0 0 {} host{n}\n", 9000 + n);
    let many: String = (0..150).map(record).collect();
    format!(
        "$TTL 60\n@ IN SOA ns1 admin 1 60 60 60 60\n@ IN NS ns1\nns1 IN A 127.0.0.1\n\
         @ IN MX 10 mail\nmail IN A 192.0.2.3\n{many}"
    )
}
