//! Real DNS servers in a scratch folder.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use narthex::net::dns::message::RecordKind;
use narthex::net::dns::resolver::{Resolver, ResolverSource};
use narthex::sys::clock::SystemClock;
use narthex::sys::jitter::Jitter;

/// A scratch folder.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().expect("folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// A `resolv.conf` that names this host and says `more`.
    pub(crate) fn resolv_conf(&self, more: &str) -> PathBuf {
        self.write("resolv.conf", &format!("nameserver 127.0.0.1\n{more}"))
    }
}

/// A process that ends with this value.
struct Process(Child);

impl Process {
    fn start(command: &mut Command, package: &str) -> Process {
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Process(child.unwrap_or_else(|error| {
            panic!("cannot start {program:?}: {error}; install the Debian package {package}")
        }))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only our own child, by its handle; it may have ended already.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// A port that is free for UDP and TCP, as far as one can know.
fn free_port() -> u16 {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let port = udp.local_addr().expect("address").port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free for both UDP and TCP");
}

/// Asks until there is an answer of any kind.
fn wait_until_ready(home: &Home, port: u16, name: &str) {
    let source = ResolverSource {
        resolv_conf: home.write(
            "probe.conf",
            "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
        ),
        port,
    };
    let mut resolver = Resolver::new(source, Arc::new(SystemClock), Jitter::from_system());
    let ticks = crossbeam_channel::tick(Duration::from_millis(25));
    let gave_up = crossbeam_channel::after(Duration::from_secs(20));
    while resolver.lookup(name, RecordKind::A, &|| false).is_err() {
        crossbeam_channel::select! {
            recv(ticks) -> _ => {}
            recv(gave_up) -> _ => panic!("the server on port {port} does not answer"),
        }
    }
}

/// dnsmasq.
pub(crate) struct Dnsmasq {
    _process: Process,
    port: u16,
}

impl Dnsmasq {
    pub(crate) fn start(home: &Home, zone: &str) -> Dnsmasq {
        Dnsmasq::start_at(home, zone, free_port())
    }

    pub(crate) fn start_at(home: &Home, zone: &str, port: u16) -> Dnsmasq {
        let conf = home.write(
            "dnsmasq.conf",
            &format!(
                "port={port}\nlisten-address=127.0.0.1\nbind-interfaces\nno-resolv\nno-hosts\n\
                 no-daemon\nuser=\npid-file=\nlocal=/ready.test/\nedns-packet-max=1232\n{zone}"
            ),
        );
        let process = Process::start(
            Command::new(program("dnsmasq")).arg("-C").arg(conf),
            "dnsmasq-base",
        );
        wait_until_ready(home, port, "ready.test.");
        Dnsmasq {
            _process: process,
            port,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// BIND.
pub(crate) struct Bind {
    _process: Process,
    port: u16,
}

impl Bind {
    pub(crate) fn start(home: &Home, zone: &str) -> Bind {
        let port = free_port();
        let folder = home.0.path().display().to_string();
        let zone = home.write("sd.test.zone", zone);
        let conf = home.write(
            "named.conf",
            &format!(
                "options {{ directory \"{folder}\"; pid-file none; session-keyfile \
                 \"{folder}/session.key\"; listen-on port {port} {{ 127.0.0.1; }}; \
                 listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }}; \
                 max-records-per-type 0; }};\ncontrols {{ }};\n\
                 zone \"sd.test\" {{ type primary; file \"{}\"; }};\n",
                zone.display()
            ),
        );
        let process = Process::start(
            Command::new(program("named")).arg("-g").arg("-c").arg(conf),
            "bind9",
        );
        wait_until_ready(home, port, "ns1.sd.test.");
        Bind {
            _process: process,
            port,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// Servers stand in a folder that ordinary users do not search.
fn program(name: &str) -> PathBuf {
    let usual = Path::new("/usr/sbin").join(name);
    if usual.exists() { usual } else { name.into() }
}
