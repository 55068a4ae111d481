#!/bin/sh
# Everything that must hold before a change is merged. Installs what the tests use.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain
need prometheus prometheus 'the agent and server that narthex is compared with'
need victoria-metrics victoria-metrics 'a receiver of remote write that others made'
need prometheus-node-exporter prometheus-node-exporter 'a real target'
need nginx nginx-light 'a web server of the discovery tests'
need dnsmasq dnsmasq-base 'the name server of the discovery tests'
need named bind9 'another name server of the discovery tests'
need dockerd docker.io 'the engine of the discovery tests'
need docker docker.io 'fills that engine'
need busybox busybox-static 'what its containers run'
need ip iproute2 'makes the network namespaces of tests'
need java default-jre-headless 'runs ZooKeeper'
need_file /usr/share/java/zookeeper.jar libzookeeper-java 'a store for the discovery tests'
need etcd etcd-server 'another store for the discovery tests'
need avahi-daemon avahi-daemon 'the responder of the mDNS tests'
need systemd-analyze systemd 'checks the unit, and hands sockets over in tests'
need zsh zsh 'completes flags in tests'
need fish fish 'completes flags in tests'
need strace strace 'makes system calls fail in the fault tests'
need xfs_io xfsprogs 'cuts the power of a file system in the fault tests'
need mkfs.ext4 e2fsprogs 'makes file systems in the fault tests'
need mount mount 'mounts them'
need losetup mount 'gives them devices'
need prlimit util-linux 'limits the size of files in the fault tests'
need fsfreeze util-linux 'makes a disk hang in the fault tests'
need xz xz-utils 'unpacks the recorded pages'
need curl curl 'looks at servers while tests start them'
need shellcheck shellcheck 'checks the scripts'
for tool in clippy fmt; do
    cargo "$tool" --version >/dev/null 2>&1 ||
        die "cargo $tool is missing: install Rust by rustup (https://rustup.rs), which brings what
       rust-toolchain.toml names"
done

packaging/scripts/check.sh

say 'unit tests'
cargo test --quiet --lib --bins

say 'end-to-end tests (minutes; they wait more than they compute)'
# Cases wait for timers, not for the processor, so more of them than cores run side by side.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-6} cargo test --quiet --test '*'

say 'all tests passed'
