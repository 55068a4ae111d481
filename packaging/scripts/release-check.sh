#!/bin/sh
# What is released, looked at as a user would: binaries run (foreign ones under qemu), packages are
# installed, upgraded, removed and purged in a Debian of their own, archives are checked, two builds
# are compared. Needs root and the network; an hour. `release-check.sh STEP...` runs some steps alone.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=packaging/scripts/targets.sh
. "$(dirname "$0")/targets.sh"
# shellcheck source=packaging/scripts/roots.sh
. "$(dirname "$0")/roots.sh"
# shellcheck source=packaging/scripts/machines.sh
. "$(dirname "$0")/machines.sh"

STEPS='dist binaries units machines reproducible deb rpm archive make-install supply clean fallback boot'
SCRATCH=$(mktemp -d)
PIDS=
cleanup() {
    trap '' INT TERM
    for pid in $PIDS; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    leave_root
    rm -rf "$SCRATCH"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# wait_for WHAT COMMAND...: for at most half a minute.
wait_for() {
    what=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -le 300 ] || die "waited in vain for $what; $(tail -n 3 "$SCRATCH"/*.log)"
        sleep 0.1
    done
}

# A receiver on a port of its own, which writes down what arrives.
start_receiver() {
    : >"$SCRATCH/received"
    "$HOST" receive --listen-address=127.0.0.1:19201 --file="$SCRATCH/received" --quiet &
    RECEIVER=$!
    PIDS="$PIDS $RECEIVER"
}

configuration() {
    cat <<YAML
global: {scrape_interval: 1s}
scrape_configs:
- job_name: narthex
  static_configs: [{targets: ['127.0.0.1:$1']}]
remote_write:
- url: http://127.0.0.1:19201/api/v1/write
  queue_config: {batch_send_deadline: 500ms, max_backoff: 1s}
YAML
}

has_received() {
    grep -q "^$1" "$SCRATCH/received"
}

step_dist() {
    packaging/scripts/dist.sh
}

step_binaries() {
    need qemu-aarch64-static qemu-user-static 'runs programs of other machines'
    for target in $TARGETS; do
        arch=$(arch_of "$target")
        binary=dist/narthex-linux-$arch
        runner=$(runner_of "$target")
        say "$binary: start, scrape, deliver ${runner:+under $runner}"
        $runner "$binary" --version
        $runner "$binary" check config packaging/config/narthex.yml
        configuration 19090 >"$SCRATCH/$arch.yml"
        start_receiver
        $runner "$binary" --config.file="$SCRATCH/$arch.yml" \
            --storage.agent.path="$SCRATCH/data-$arch" --web.listen-address=127.0.0.1:19090 \
            2>"$SCRATCH/$arch.log" &
        agent=$!
        PIDS="$PIDS $agent"
        wait_for "samples of $arch" has_received narthex_build_info
        kill "$agent"
        wait "$agent" || die "$arch did not stop well: $(tail "$SCRATCH/$arch.log")"
        kill "$RECEIVER"
        wait "$RECEIVER" || true
    done
}

# The library's unit tests for foreign machines, under qemu: a narrow word shows there. Those that an
# emulator cannot pass, because it has no Landlock and no seccomp, are left out.
step_units() {
    need qemu-aarch64-static qemu-user-static 'runs programs of other machines'
    need_zig
    for target in $TARGETS; do
        runner=$(runner_of "$target")
        [ -n "$runner" ] || continue
        say "unit tests of $target under $runner"
        name=$(echo "$target" | tr '[:lower:]-' '[:upper:]_')
        # The sandbox cannot be entered there; random cases are fewer, as each is slow.
        env PATH="$ZIG:$PATH" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Clink-self-contained=no \
            PROPTEST_CASES="${PROPTEST_CASES:-8}" "CARGO_TARGET_${name}_RUNNER=$runner" \
            cargo-zigbuild test --quiet --locked --lib --target "$target" \
            -Zbuild-std=std,panic_unwind,test -- --skip only_the_folders_that_are_named \
            --skip calls_beside_the_list_are_unknown --skip no_process_and_no_code
    done
}

# The binaries on whole machines with real kernels, in their sandbox; the one for 32-bit ARM on a 64-bit
# kernel too, as many small machines run it, where the year can be 2040.
step_machines() {
    need qemu-system-x86_64 qemu-system-x86 'runs a whole machine'
    need qemu-system-aarch64 qemu-system-arm 'runs a whole machine'
    need cpio cpio 'packs what a machine starts from'
    need_kernels
    for target in $TARGETS; do
        try_machine "$target" "$target"
        case $target in
        armv7-*) try_machine "$target" aarch64-unknown-linux-musl ;;
        esac
    done
}

# try_machine TARGET MACHINE
try_machine() {
    say "$1 on a machine for $2"
    memory_disk "$1" "$2" "$SCRATCH/disk"
    run_machine "$2" "$SCRATCH/disk" "$SCRATCH/machine.log" ||
        die "the machine did not end: $(tail "$SCRATCH/machine.log")"
    tr -d '\r' <"$SCRATCH/machine.log" | sed -n 's/.*found: /  /p'
    for wanted in samples 'narthex_sandbox_active{part="folders"} 1' \
        'narthex_sandbox_active{part="calls"} 1' 'samples after a reload' 'the end: 0'; do
        grep -qF "found: $wanted" "$SCRATCH/machine.log" ||
            die "not found: $wanted; $(tail -n 30 "$SCRATCH/machine.log")"
    done
}

# The same source in another folder, with nothing built before. COMPARED names more targets.
step_reproducible() {
    copy=$SCRATCH/somewhere/else
    mkdir -p "$copy"
    git archive HEAD | tar -xC "$copy"
    [ -z "$(git status --porcelain --untracked-files=no)" ] ||
        die 'there are changes that are not committed: two builds cannot be compared'
    for target in ${COMPARED:-$(uname -m)-unknown-linux-musl}; do
        binary=$(build_target "$target" "$copy/target" "$copy" | tail -n 1)
        cmp "$binary" "dist/narthex-linux-$(arch_of "$target")" ||
            die "two builds of one source differ for $target"
        say "two builds for $target give the same bytes: $(sha256sum "$binary" | cut -c 1-16)"
    done
}

# Starts the installed program as the service would, and stops it when samples have arrived.
serve_in_root() {
    start_receiver
    # Each of these becomes the next, so that the number is that of the program.
    chroot "$SCRATCH/root" /usr/bin/setpriv --reuid=narthex --regid=narthex --clear-groups \
        /usr/bin/narthex --config.file=/etc/narthex/narthex.yml \
        --storage.agent.path=/var/lib/narthex --web.listen-address=127.0.0.1:19091 \
        2>"$SCRATCH/installed.log" &
    agent=$!
    PIDS="$PIDS $agent"
    wait_for 'samples of the installed agent' has_received narthex_build_info
    kill "$agent"
    wait "$agent" || die "$(tail "$SCRATCH/installed.log")"
    kill "$RECEIVER"
    wait "$RECEIVER" || true
}

step_deb() {
    [ "$(id -u)" -eq 0 ] || die 'the test of the deb makes a Debian of its own, which takes root'
    need lintian lintian 'looks at the package'
    for target in $TARGETS; do
        deb=$(ls dist/narthex_*_"$(deb_arch_of "$target")".deb)
        say "$deb"
        dpkg-deb --info "$deb"
        lintian --fail-on error --tag-display-limit 0 "$deb"
        dpkg-deb --fsys-tarfile "$deb" | tar -xOf - ./usr/bin/narthex |
            cmp - "dist/narthex-linux-$(arch_of "$target")" || die "$deb has another program"
    done
    deb=$(ls dist/narthex_*_"$(dpkg --print-architecture)".deb)
    make_root

    say 'install'
    cp "$deb" "$SCRATCH/root/tmp/one.deb"
    in_root dpkg -i /tmp/one.deb
    in_root narthex check config /etc/narthex/narthex.yml
    [ -L "$SCRATCH/root/etc/systemd/system/multi-user.target.wants/narthex.service" ] ||
        die 'the service is not enabled'
    [ ! -e "$SCRATCH/root/etc/systemd/system/sockets.target.wants/narthex.socket" ] ||
        die 'the socket is enabled, which would take the port from the service'
    [ "$(in_root stat -c '%U:%G %a' /etc/narthex/narthex.yml)" = 'root:narthex 640' ] ||
        die 'the configuration can be read by others'
    [ "$(in_root stat -c '%U:%G %a' /etc/narthex)" = 'root:narthex 750' ] ||
        die 'the folder of the configuration can be read by others'
    [ "$(in_root stat -c '%U:%G %a' /var/lib/narthex)" = 'narthex:narthex 700' ] ||
        die 'the data can be read by others'
    configuration 19091 >"$SCRATCH/root/etc/narthex/narthex.yml"
    serve_in_root
    in_root narthex log inspect /var/lib/narthex >"$SCRATCH/before"

    say 'upgrade'
    dpkg-deb -R "$deb" "$SCRATCH/newer"
    sed -i 's/^Version: .*/&+newer/' "$SCRATCH/newer/DEBIAN/control"
    echo '# A new release says more.' >>"$SCRATCH/newer/etc/narthex/narthex.yml"
    dpkg-deb --build --root-owner-group "$SCRATCH/newer" "$SCRATCH/root/tmp/two.deb" >/dev/null
    in_root dpkg -i --force-confold /tmp/two.deb
    configuration 19091 | cmp - "$SCRATCH/root/etc/narthex/narthex.yml" ||
        die 'an upgrade changed the configuration'
    in_root narthex log inspect /var/lib/narthex | cmp - "$SCRATCH/before" ||
        die 'an upgrade changed the log'
    serve_in_root

    say 'remove'
    in_root dpkg -r narthex
    [ ! -e "$SCRATCH/root/usr/bin/narthex" ] || die 'a removal left the program'
    [ -n "$(ls -A "$SCRATCH/root/var/lib/narthex")" ] || die 'a removal took the data'
    [ -e "$SCRATCH/root/etc/narthex/narthex.yml" ] || die 'a removal took the configuration'

    say 'purge'
    in_root dpkg -P narthex
    for path in /var/lib/narthex /etc/narthex /etc/default/narthex; do
        [ ! -e "$SCRATCH/root$path" ] || die "a purge left $path"
    done
}

step_rpm() {
    need rpm rpm 'looks at the package'
    need rpm2cpio rpm2cpio 'unpacks the package'
    need cpio cpio 'unpacks the package'
    for target in $TARGETS; do
        look_into_rpm "$target"
    done
}

look_into_rpm() {
    rpm=$(ls dist/narthex-*."$(rpm_arch_of "$1")".rpm)
    say "$rpm"
    rpm -qpi "$rpm"
    inside=$SCRATCH/rpm-$1
    mkdir "$inside"
    rpm2cpio "$rpm" | (cd "$inside" && cpio -idm --quiet)
    for path in /usr/bin/narthex /etc/narthex/narthex.yml /usr/lib/systemd/system/narthex.service \
        /usr/share/man/man1/narthex.1; do
        [ -e "$inside$path" ] || [ -e "$inside$path.gz" ] || die "the rpm has no $path"
    done
    cmp "$inside/usr/bin/narthex" "dist/narthex-linux-$(arch_of "$1")" || die "$rpm has another program"
    $(runner_of "$1") "$inside/usr/bin/narthex" check config "$inside/etc/narthex/narthex.yml"
    rpm -qpc "$rpm" | grep -q '^/etc/narthex/narthex.yml$' || die 'the configuration is no config file'
    for script in $(rpm -qp --scripts "$rpm" | sed -n 's/.*using \([^)]*\)).*/\1/p'); do
        [ "$script" = /bin/sh ] || die "a script of the rpm wants $script"
    done
    ! rpm -qpR "$rpm" | grep -Ev '^(rpmlib|config|shadow-utils|/bin/sh)' ||
        die 'the rpm needs more than it should'
}

step_archive() {
    say 'the installer'
    mkdir -p "$SCRATCH/host/etc/systemd"
    ROOT="$SCRATCH/host" dist/install.sh dist
    "$SCRATCH/host/usr/local/bin/narthex" --version >/dev/null
    echo '# mine' >"$SCRATCH/host/etc/narthex/narthex.yml"
    ROOT="$SCRATCH/host" dist/install.sh dist >/dev/null
    grep -q mine "$SCRATCH/host/etc/narthex/narthex.yml" || die 'the installer overwrote a configuration'
    grep -q /usr/local/bin/narthex "$SCRATCH/host/etc/systemd/system/narthex.service" ||
        die 'the unit starts another program'
    cp -r dist "$SCRATCH/tampered"
    printf x >>"$SCRATCH/tampered/narthex-linux-$(arch_of "$(uname -m)-unknown-linux-musl").tar.gz"
    ! ROOT="$SCRATCH/host2" dist/install.sh "$SCRATCH/tampered" 2>/dev/null ||
        die 'the installer took an archive that was changed'
    [ ! -e "$SCRATCH/host2" ] || die 'the installer touched the host before it had checked'
    (cd dist && sha256sum --quiet -c SHA256SUMS)
}

step_make_install() {
    say 'make install'
    BINARY=$HOST make --no-print-directory install DESTDIR="$SCRATCH/dest" PREFIX=/opt/narthex
    "$SCRATCH/dest/opt/narthex/bin/narthex" --version >/dev/null
    [ -e "$SCRATCH/dest/opt/narthex/share/man/man1/narthex.1" ] || die 'no manual'
    grep -q '^ExecStart=/opt/narthex/bin/narthex' \
        "$SCRATCH/dest/usr/lib/systemd/system/narthex.service" || die 'the unit starts another program'
}

step_supply() {
    tool cargo-deny 0.20.2 'licences, advisories, sources'
    cargo deny --all-features check bans licenses sources
    if [ -n "${WITHOUT_ADVISORIES:-}" ]; then
        say 'advisories are left out: nobody looked for known holes'
    else
        cargo deny --all-features check advisories ||
            die 'a known hole, or no way to the list of them on github.com (WITHOUT_ADVISORIES=1 goes on without)'
    fi
    grep -q '"CycloneDX"' dist/narthex.cdx.json || die 'no list of what is inside'
    ! grep -qF "$ROOT" dist/narthex.cdx.json || die 'the list of what is inside names a folder of this machine'
    # Both lists are of what is linked in, for every target, and of nothing else.
    for target in $TARGETS; do
        linked "$target" >"$SCRATCH/linked"
        python3 - <<'LIST' | LC_ALL=C sort -u | diff "$SCRATCH/linked" - ||
import json
for crate in json.load(open("dist/narthex.cdx.json"))["components"]:
    print(crate["name"], crate["version"])
LIST
            die "the list of what is inside is not that of $target (<: missing, >: too much)"
        "$HOST" --licenses | sed -n '3,/^rust-std /p' | cut -d ' ' -f 1,2 | grep -v '^rust-std ' |
            diff "$SCRATCH/linked" - || die "--licenses does not list the crates of $target"
    done
}

# From nothing to samples: a Debian that has git and this repository, and `make run` in it.
step_clean() {
    make_root
    connect_root
    in_root apt-get install -y -qq --no-install-recommends make >/dev/null
    git clone -q --no-local "$ROOT" "$SCRATCH/root/root/narthex"
    say 'make run'
    in_root env HOME=/root PORT=19092 RECEIVER_PORT=19203 CARGO_TARGET_DIR=/root/built \
        make -C /root/narthex run >"$SCRATCH/run.log" 2>&1 &
    PIDS="$PIDS $!"
    tries=0
    until both_are_up && grep -q ' samples=[1-9].* targets=2 ' "$SCRATCH/run.log"; do
        kill -0 "$!" 2>/dev/null || die "make run ended: $(tail "$SCRATCH/run.log")"
        tries=$((tries + 1))
        [ "$tries" -le 3600 ] || die "no sample in an hour: $(tail "$SCRATCH/run.log")"
        sleep 1
    done
    grep ' samples=' "$SCRATCH/run.log" | tail -n 1
}

# Whether the agent that make run started scrapes itself and node_exporter.
both_are_up() {
    up=$(curl -fsS http://localhost:19092/api/v1/targets 2>/dev/null | grep -o '"health":"up"' | wc -l)
    [ "$up" -eq 2 ]
}

# Without rustup: the binaries made in a Debian that has neither it nor a compiler, with what Debian and
# PyPI have, and run.
step_fallback() {
    need file file 'says what a binary is'
    need readelf binutils 'looks into binaries'
    make_root
    connect_root
    in_root apt-get install -y -qq --no-install-recommends ca-certificates >/dev/null
    git clone -q --no-local "$ROOT" "$SCRATCH/root/root/narthex"
    for target in $TARGETS; do
        # shellcheck disable=SC2016
        in_root env HOME=/root sh -euc '. "${0%/*}/lib.sh"; . "${0%/*}/targets.sh"
            need_toolchain; build_target "$1" /root/built' \
            /root/narthex/packaging/scripts/dist.sh "$target" 2>&1 | tee "$SCRATCH/fallback.log"
        grep -q '^==> building .* with zig' "$SCRATCH/fallback.log" || die 'it was not zig that built'
        binary=$SCRATCH/root$(tail -n 1 "$SCRATCH/fallback.log")
        [ -x "$binary" ] || die "no binary for $target: $(tail "$SCRATCH/fallback.log")"
        $(runner_of "$target") "$binary" --version
        $(runner_of "$target") "$binary" check config packaging/config/narthex.yml
        check_binary "$binary"
    done
}

# The deb under a real systemd, in a container without a network: readiness, status, reload, watchdog.
step_boot() {
    make_root
    connect_root
    in_root apt-get install -y -qq --no-install-recommends systemd systemd-sysv dbus >/dev/null
    rm "$SCRATCH/root/usr/sbin/policy-rc.d"
    cp "$(ls dist/narthex_*_"$(dpkg --print-architecture)".deb)" "$SCRATCH/root/root/narthex.deb"
    boot_root
    say 'install'
    at dpkg -i /root/narthex.deb
    [ "$(shown ActiveState)" = active ] || die "the service is not active: $(at systemctl status narthex)"
    wait_for 'a status' tells StatusText targets
    at systemctl --no-pager status narthex
    at journalctl --no-pager -q -u narthex
    for part in folders calls; do
        page | grep -q "^narthex_sandbox_active{part=\"$part\"} 1" || die "the sandbox has no $part"
    done

    say 'reload'
    main=$(shown MainPID)
    sed -i 's|external_labels: {}|external_labels: {booted: "yes"}|' "$SCRATCH/root/etc/narthex/narthex.yml"
    at systemctl reload narthex
    [ "$(shown ActiveState) $(shown MainPID)" = "active $main" ] || die 'a reload ended the service'
    wait_for 'the new configuration' serves booted
    echo 'scrape_configs: 1' >"$SCRATCH/root/etc/narthex/narthex.yml"
    at systemctl reload narthex || true
    [ "$(shown ActiveState) $(shown MainPID)" = "active $main" ] || die 'a wrong configuration ended it'
    fetch /api/v1/status/config | grep -q booted || die 'a wrong configuration is in force'
    in_root sh -c 'dpkg-deb --fsys-tarfile /root/narthex.deb |
        tar -xOf - ./etc/narthex/narthex.yml >/etc/narthex/narthex.yml'
    at systemctl reload narthex

    say 'watchdog'
    mkdir -p "$SCRATCH/root/etc/systemd/system/narthex.service.d"
    printf '[Service]\nWatchdogSec=3s\n' >"$SCRATCH/root/etc/systemd/system/narthex.service.d/dog.conf"
    at systemctl daemon-reload
    at systemctl restart narthex
    main=$(shown MainPID)
    at sh -c "kill -STOP $main"
    wait_for 'the watchdog' tells NRestarts '[1-9]'
    wait_for 'the restarted service' tells ActiveState '^active'
    [ "$(shown MainPID)" != "$main" ] || die 'the stopped process is still there'
    at journalctl --no-pager -q -u narthex | grep -i watchdog

    say 'stop'
    at systemctl stop narthex
    [ "$(shown Result)" = success ] || die "it did not stop well: $(shown Result)"
    at systemd-analyze security --no-pager narthex | tail -n 1
    stop_root
}

# shown PROPERTY: what systemd knows of the service.
shown() {
    at systemctl show --value --property="$1" narthex
}

tells() {
    shown "$1" | grep -q "$2"
}

# Whether a text is in the configuration in force.
serves() {
    fetch /api/v1/status/config | grep -q "$1"
}

# Over the network of the container, by the curl of this machine.
fetch() {
    nsenter -t "$INIT" -n curl -fsS "http://127.0.0.1:9090$1"
}

page() {
    fetch /metrics
}

need_toolchain
[ $# -gt 0 ] || {
    # shellcheck disable=SC2086
    set -- $STEPS
}
for step in "$@"; do
    HOST=$ROOT/dist/narthex-linux-$(arch_of "$(uname -m)-unknown-linux-musl")
    say "step $step"
    "step_$(echo "$step" | tr - _)"
done
say 'the release is as it should be'
