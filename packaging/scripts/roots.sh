# shellcheck shell=sh
# A Debian of our own in $SCRATCH/root: made, connected to the network, entered, booted. Root alone can.
# Sourced after lib.sh.

# The first process of a Debian that was booted, as this machine sees it.
INIT=

# A Debian of our own. Kept between runs: it takes minutes to make, and seconds to unpack.
make_root() {
    need debootstrap debootstrap 'makes the Debian that things are tried in'
    leave_root
    base=target/debian-bookworm.tar
    mkdir -p "$SCRATCH/root"
    if [ ! -e "$base" ]; then
        say 'making a Debian'
        debootstrap --variant=minbase bookworm "$SCRATCH/root" \
            "${MIRROR:-http://deb.debian.org/debian}" >"$SCRATCH/debootstrap.log" ||
            die "$(tail "$SCRATCH/debootstrap.log")"
        tar -C "$SCRATCH/root" -cf "$base.new" .
        mv "$base.new" "$base"
    else
        tar -C "$SCRATCH/root" -xf "$base"
    fi
    mount -t proc proc "$SCRATCH/root/proc"
    # What is installed here is not to be started; 101 means: not allowed.
    printf '#!/bin/sh\nexit 101\n' >"$SCRATCH/root/usr/sbin/policy-rc.d"
    chmod 755 "$SCRATCH/root/usr/sbin/policy-rc.d"
}

leave_root() {
    [ -z "$INIT" ] || stop_root
    end_inside
    umount -l "$SCRATCH/root/proc" 2>/dev/null || true
    rm -rf "$SCRATCH/root"
}

# Ends what still runs in the Debian: a signal for the shell that began it does not reach it.
end_inside() {
    for process in /proc/[0-9]*; do
        if [ "$(readlink "$process/root")" = "$SCRATCH/root" ]; then
            kill -9 "${process#/proc/}" 2>/dev/null || true
        fi
    done
}

# in_root COMMAND...: in the Debian of our own.
in_root() {
    chroot "$SCRATCH/root" env -i DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# connect_root [SUITE...]: packages as Debian's installer leaves them configured, or of these suites alone,
# and the network of this machine.
connect_root() {
    [ $# -gt 0 ] || set -- bookworm bookworm-updates bookworm-security
    for suite in "$@"; do
        case $suite in
        *-security) echo "deb ${MIRROR_SECURITY:-http://deb.debian.org/debian-security} $suite main" ;;
        *) echo "deb ${MIRROR:-http://deb.debian.org/debian} $suite main" ;;
        esac
    done >"$SCRATCH/root/etc/apt/sources.list"
    cp /etc/resolv.conf "$SCRATCH/root/etc/resolv.conf"
    echo '127.0.0.1 localhost' >"$SCRATCH/root/etc/hosts"
    # Where a proxy opens TLS, its certificate is one of these.
    mkdir -p "$SCRATCH/root/usr/local/share/ca-certificates"
    find /usr/local/share/ca-certificates -name '*.crt' \
        -exec cp {} "$SCRATCH/root/usr/local/share/ca-certificates/" \;
    in_root apt-get update -qq
}

# Starts systemd in the Debian, in a container with a network of its own that leads nowhere.
boot_root() {
    need systemd-nspawn systemd-container 'boots the Debian'
    umount "$SCRATCH/root/proc"
    # Without nspawn's filter of system calls, which is older than Landlock: the unit's own is looked at.
    SYSTEMD_SECCOMP=0 systemd-nspawn --quiet --directory="$SCRATCH/root" --register=no --keep-unit \
        --private-network --machine=narthex-check --boot --console=pipe \
        </dev/null >"$SCRATCH/boot.log" 2>&1 &
    NSPAWN=$!
    PIDS="$PIDS $NSPAWN"
    wait_for 'a container' is_booting
    wait_for systemd is_booted
}

is_booting() {
    kill -0 "$NSPAWN" 2>/dev/null || die "no container: $(cat "$SCRATCH/boot.log")"
    INIT=$(ps -o pid= --ppid "$NSPAWN" | tr -d ' ' | head -n 1)
    [ -n "$INIT" ]
}

is_booted() {
    case $(at systemctl is-system-running 2>/dev/null) in
    running | degraded) ;;
    *) return 1 ;;
    esac
}

# at COMMAND...: in the Debian that was booted.
at() {
    nsenter -t "$INIT" -a env -i DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

stop_root() {
    at systemctl poweroff 2>/dev/null || kill "$NSPAWN" 2>/dev/null || true
    wait "$NSPAWN" || true
    INIT=
}
