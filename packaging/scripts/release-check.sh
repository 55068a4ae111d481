#!/bin/sh
# What is released, looked at as a user would: binaries run (foreign ones under qemu), packages are
# installed, upgraded, removed and purged in a Debian of their own, archives are checked, two builds
# are compared. Needs root and the network; an hour. `release-check.sh STEP...` runs some steps alone.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=packaging/scripts/targets.sh
. "$(dirname "$0")/targets.sh"

STEPS='dist binaries reproducible deb rpm archive make-install supply'
SCRATCH=$(mktemp -d)
PIDS=
cleanup() {
    for pid in $PIDS; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    umount "$SCRATCH/root/proc" 2>/dev/null || true
    rm -rf "$SCRATCH"
}
trap cleanup EXIT

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

# The same source in another folder, with nothing built before.
step_reproducible() {
    target=$(uname -m)-unknown-linux-musl
    copy=$SCRATCH/somewhere/else
    mkdir -p "$copy"
    git archive HEAD | tar -xC "$copy"
    [ -z "$(git status --porcelain --untracked-files=no)" ] ||
        die 'there are changes that are not committed: two builds cannot be compared'
    build_environment "$target"
    export NARTHEX_REVISION SOURCE_DATE_EPOCH
    (
        cd "$copy"
        RUSTFLAGS=$({ rust_flags "$copy"; linker_flags; } | tr '\n' ' ')
        export RUSTFLAGS
        small_build build "$target" "$copy/target"
    )
    cmp "$copy/target/$target/release/narthex" "dist/narthex-linux-$(arch_of "$target")" ||
        die 'two builds of one source differ'
    say 'two builds give the same bytes'
}

# in_root COMMAND...: in the Debian of our own.
in_root() {
    chroot "$SCRATCH/root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
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
    need debootstrap debootstrap 'makes the Debian that the package is installed in'
    need lintian lintian 'looks at the package'
    deb=$(ls dist/narthex_*_"$(dpkg --print-architecture)".deb)
    say "$deb"
    dpkg-deb --info "$deb"
    lintian --fail-on error --tag-display-limit 0 "$deb"

    # Kept between runs: it takes minutes to make, and seconds to unpack.
    base=target/debian-bookworm.tar
    if [ ! -e "$base" ]; then
        say 'making a Debian'
        debootstrap --variant=minbase bookworm "$SCRATCH/root" \
            "${MIRROR:-http://deb.debian.org/debian}" >"$SCRATCH/debootstrap.log" ||
            die "$(tail "$SCRATCH/debootstrap.log")"
        tar -C "$SCRATCH/root" -cf "$base.new" .
        mv "$base.new" "$base"
    else
        mkdir "$SCRATCH/root"
        tar -C "$SCRATCH/root" -xf "$base"
    fi
    mount -t proc proc "$SCRATCH/root/proc"
    printf '#!/bin/sh\nexit 101\n' >"$SCRATCH/root/usr/sbin/policy-rc.d"
    chmod 755 "$SCRATCH/root/usr/sbin/policy-rc.d"

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
    umount "$SCRATCH/root/proc"
}

step_rpm() {
    need rpm rpm 'looks at the package'
    need rpm2cpio rpm2cpio 'unpacks the package'
    need cpio cpio 'unpacks the package'
    rpm=$(ls dist/narthex-*."$(uname -m)".rpm)
    say "$rpm"
    rpm -qpi "$rpm"
    mkdir "$SCRATCH/rpm"
    rpm2cpio "$rpm" | (cd "$SCRATCH/rpm" && cpio -idm --quiet)
    for path in /usr/bin/narthex /etc/narthex/narthex.yml /usr/lib/systemd/system/narthex.service \
        /usr/share/man/man1/narthex.1; do
        [ -e "$SCRATCH/rpm$path" ] || [ -e "$SCRATCH/rpm$path.gz" ] || die "the rpm has no $path"
    done
    "$SCRATCH/rpm/usr/bin/narthex" check config "$SCRATCH/rpm/etc/narthex/narthex.yml"
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
    tool cargo-deny 'licences, advisories, sources'
    cargo deny --all-features check
    grep -q '"CycloneDX"' dist/narthex.cdx.json || die 'no list of what is inside'
    ! grep -qF "$ROOT" dist/narthex.cdx.json || die 'the list of what is inside names a folder of this machine'
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
