//! Two network namespaces of their own, joined by a cable: a link with nobody else on it.
//!
//! Needs root and `ip` (Debian package iproute2). Nothing of the host is touched; both namespaces
//! vanish with the value.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam_channel::bounded;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::Process;
use super::{effort, wait};

/// An end of the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Where the devices are: 10.88.0.1 and fd00:88::1 on `left`.
    Left,
    /// Where the agent is: 10.88.0.2 and fd00:88::2 on `right`.
    Right,
}

/// The namespaces.
pub(crate) struct Network {
    name: String,
}

impl Network {
    /// A new pair; none when tests that need privileges are left out by
    /// `NARTHEX_E2E_UNPRIVILEGED=1`.
    pub(crate) fn new() -> Option<Network> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if effort::is_unprivileged("network namespaces need root") {
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let network = Network {
            name: format!("narthex-{}-{number}", std::process::id()),
        };
        let (left, right) = (network.of(Side::Left), network.of(Side::Right));
        ip(&["netns", "add", &left]);
        ip(&["netns", "add", &right]);
        ip(&[
            "-n", &left, "link", "add", "left", "type", "veth", "peer", "name", "right", "netns",
            &right,
        ]);
        for (side, device, v4, v6) in [
            (&left, "left", "10.88.0.1/24", "fd00:88::1/64"),
            (&right, "right", "10.88.0.2/24", "fd00:88::2/64"),
        ] {
            ip(&["-n", side, "addr", "add", v4, "dev", device]);
            ip(&["-n", side, "addr", "add", v6, "dev", device, "nodad"]);
            ip(&["-n", side, "link", "set", "lo", "up"]);
            ip(&["-n", side, "link", "set", device, "up"]);
        }
        Some(network)
    }

    fn of(&self, side: Side) -> String {
        let end = match side {
            Side::Left => "l",
            Side::Right => "r",
        };
        format!("{}{end}", self.name)
    }

    /// Plugs the left end of the cable in or out; the right end notices.
    pub(crate) fn plug(&self, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(&["-n", &self.of(Side::Left), "link", "set", "left", state]);
    }

    /// A program on one side; it has the process identifier of what is started.
    pub(crate) fn command(&self, side: Side, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.of(side), program]);
        command
    }

    /// What a program on one side prints.
    pub(crate) fn output(&self, side: Side, program: &str, arguments: &[&str]) -> String {
        let output = self.command(side, program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Does something on one side, say opens a socket: that stays there wherever it is used.
    pub(crate) fn inside<T: Send + 'static>(
        &self,
        side: Side,
        action: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let path = format!("/run/netns/{}", self.of(side));
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (sender, result) = bounded(1);
        wait::spawn("inside", move || {
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network).expect("to enter a namespace");
            let _gone = sender.send(action());
        });
        result.recv_timeout(wait::LONG).expect("a result")
    }

    /// avahi-daemon on the left side, with a configuration of its own and without D-Bus. `dir`
    /// holds its services.
    pub(crate) fn avahi(&self, dir: &Path, options: &str) -> Process {
        let home = dir.join("avahi");
        std::fs::create_dir_all(home.join("services")).expect("a folder");
        let conf = format!(
            "[server]\nhost-name=oven\nenable-dbus=no\n{options}[publish]\n\
             publish-workstation=no\npublish-hinfo=no\n"
        );
        std::fs::write(home.join("avahi-daemon.conf"), conf).expect("to write");
        // Its configuration is where the package has it, its state in memory, for it alone.
        let script = "mount -t tmpfs none /run && mount --bind \"$0\" /etc/avahi && \
                      exec /usr/sbin/avahi-daemon --no-drop-root --no-chroot --no-rlimits";
        let mut command = self.command(Side::Left, "unshare");
        command.args(["-m", "sh", "-c", script]).arg(&home);
        Process::spawn(command, &dir.join("avahi.log"))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for side in [Side::Left, Side::Right] {
            // The cable goes with its ends.
            let _gone = Command::new("ip")
                .args(["netns", "del", &self.of(side)])
                .status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output();
    let output = output
        .unwrap_or_else(|error| panic!("cannot run ip: {error}; install the package iproute2"));
    assert!(
        output.status.success(),
        "ip {arguments:?}: {}; network namespaces need root \
         (NARTHEX_E2E_UNPRIVILEGED=1 leaves such tests out)",
        String::from_utf8_lossy(&output.stderr)
    );
}
