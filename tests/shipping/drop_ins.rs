//! What drop-ins open is needed, and is enough: the restriction is put on by other means than systemd,
//! once as in the unit and once as with the drop-in.

use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use super::tools::{read, run};

const NARTHEX: &str = env!("CARGO_BIN_EXE_narthex");

/// A group that the user of the tests below is not in.
const GROUP: u32 = 4242;

/// A port that takes a capability.
const PORT: u16 = 877;

/// What lets a process without privileges listen there.
const CAPABLE: [&str; 2] = [
    "--inh-caps=+net_bind_service",
    "--ambient-caps=+net_bind_service",
];

/// What the unit's `PrivateUsers=yes` comes to.
const PRIVATE_USERS: [&str; 3] = ["unshare", "--user", "--map-current-user"];

/// Whether this run must do without root, which the caller has to say.
fn is_unprivileged() -> bool {
    let given_up = std::env::var_os("NARTHEX_E2E_UNPRIVILEGED").is_some();
    let is_root = rustix::process::geteuid().is_root();
    assert!(
        is_root || given_up,
        "becoming another user takes root; NARTHEX_E2E_UNPRIVILEGED=1 leaves it out"
    );
    !is_root
}

/// A folder that everybody sees into, with the program and a configuration.
fn scene(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("its mode");
    std::fs::copy(NARTHEX, folder.path().join("narthex")).expect("copied");
    let text = configuration.replace("{dir}", &folder.path().display().to_string());
    std::fs::write(folder.path().join("agent.yml"), text).expect("written");
    folder
}

/// The program as nobody, with further words for setpriv and a command between.
fn as_nobody(folder: &Path, setpriv: &[&str], between: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534"]);
    command.args(setpriv).args(between);
    command.arg(folder.join("narthex"));
    command
}

fn drop_in(name: &str) -> String {
    read(&format!("packaging/systemd/drop-ins/{name}"))
}

#[test]
fn the_group_of_docker_is_needed_and_enough() {
    if is_unprivileged() {
        return;
    }
    let text = drop_in("docker.conf");
    assert!(text.contains("SupplementaryGroups=docker\n") && !text.contains("PrivateUsers"));
    let folder = scene(
        "scrape_configs:\n- job_name: d\n  docker_sd_configs: [{host: 'unix://{dir}/socket'}]\n",
    );
    let socket = folder.path().join("socket");
    let listener = UnixListener::bind(&socket).expect("a socket");
    chown(&socket, None, Some(GROUP)).expect("its group");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660)).expect("its mode");
    listener.set_nonblocking(true).expect("not blocking");
    let discover = |groups: &str| {
        let mut command = as_nobody(folder.path(), &[groups], &PRIVATE_USERS);
        command.args(["discover", "--timeout=2s"]);
        command.arg(folder.path().join("agent.yml"));
        let output = command.output().expect("setpriv");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let without = discover("--clear-groups");
    assert!(without.contains("Permission denied"), "{without}");
    assert!(listener.accept().is_err());
    let with = discover(&format!("--groups={GROUP}"));
    assert!(!with.contains("Permission denied"), "{with}");
    listener.accept().expect("it was let in");
}

#[test]
fn a_low_port_takes_the_capability_and_the_users_of_the_host() {
    if is_unprivileged() {
        return;
    }
    let text = drop_in("privileged-port.conf");
    for line in [
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "PrivateUsers=no",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let folder = scene("scrape_configs: []\n");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("created");
    chown(&data, Some(65534), Some(65534)).expect("its owner");
    let capable = [&["--clear-groups"], &CAPABLE[..]].concat();
    let listens = |setpriv: &[&str], between: &[&str]| {
        let mut agent = as_nobody(folder.path(), setpriv, between)
            .arg(format!(
                "--config.file={}/agent.yml",
                folder.path().display()
            ))
            .arg(format!("--storage.agent.path={}", data.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{PORT}"))
            .arg("--storage.agent.staging-path=none")
            .stderr(Stdio::piped())
            .spawn()
            .expect("setpriv");
        let mut log = agent.stderr.take().expect("piped");
        let mut seen = String::new();
        let mut buffer = [0; 512];
        while !seen.contains("Server is ready") {
            let got = log.read(&mut buffer).expect("a log");
            if got == 0 {
                break;
            }
            seen.push_str(&String::from_utf8_lossy(&buffer[..got]));
        }
        let _ended = agent.kill();
        agent.wait().expect("its end");
        (seen.contains("Server is ready"), seen)
    };
    for (setpriv, between) in [
        (&["--clear-groups"][..], &[][..]),
        (&capable, &PRIVATE_USERS),
    ] {
        let (is_up, log) = listens(setpriv, between);
        assert!(!is_up && log.contains("Permission denied"), "{log}");
    }
    let (is_up, log) = listens(&capable, &[]);
    assert!(is_up, "{log}");
}

/// The families of the sockets that discovery opens, by a configuration.
fn families(configuration: &str) -> Vec<String> {
    let folder = scene(configuration);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (_, text) = run(
        "strace",
        &[
            "-f",
            "-qq",
            "-e",
            "trace=socket",
            "-o",
            &path("trace"),
            NARTHEX,
            "discover",
            "--timeout=1s",
            &path("agent.yml"),
        ],
    );
    let trace = std::fs::read_to_string(path("trace")).expect("a trace");
    let family = |line: &str| Some(line.split("socket(").nth(1)?.split(',').next()?.to_owned());
    let mut found: Vec<String> = trace.lines().filter_map(family).collect();
    found.sort();
    found.dedup();
    assert!(!found.is_empty(), "no sockets: {text}");
    found
}

#[test]
fn multicast_dns_alone_takes_netlink() {
    let unit = read("packaging/systemd/narthex.service");
    let drop_in = drop_in("mdns.conf");
    let permits = |text: &str, family: &str| {
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix("RestrictAddressFamilies="));
        lines.any(|line| line.split(' ').any(|own| own == family))
    };
    let other = families(
        "scrape_configs:\n- job_name: h\n  http_sd_configs: [{url: 'http://127.0.0.1:9/'}]\n",
    );
    assert!(
        other.iter().all(|family| permits(&unit, family)),
        "{other:?}"
    );
    let mdns =
        families("scrape_configs:\n- job_name: m\n  mdns_sd_configs: [{services: ['_a._tcp']}]\n");
    let beyond: Vec<&String> = mdns.iter().filter(|own| !permits(&unit, own)).collect();
    assert_eq!(beyond, ["AF_NETLINK"], "{mdns:?}");
    assert!(permits(&drop_in, "AF_NETLINK"));
}
