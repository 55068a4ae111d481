#!/bin/sh
# Installs narthex on this machine: binary, configuration, user, systemd unit.
#
# An existing configuration is kept. DESTDIR puts everything below another root, and then no
# user is made and no service is touched.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DESTDIR=${DESTDIR:-}
BINARY=target/release/narthex
UNIT=packaging/systemd/narthex.service

need_toolchain
say 'building'
cargo build --release --quiet

run() {
    if [ -n "$DESTDIR" ]; then
        "$@"
    else
        as_root "$@" || die "not allowed: $* (run this as root)"
    fi
}

say "installing to ${DESTDIR:-/}"
run install -D -m 755 "$BINARY" "$DESTDIR/usr/bin/narthex"
if [ -e "$DESTDIR/etc/narthex/narthex.yml" ]; then
    say "keeping $DESTDIR/etc/narthex/narthex.yml"
else
    run install -D -m 640 packaging/config/narthex.yml "$DESTDIR/etc/narthex/narthex.yml"
fi
if [ -e "$UNIT" ]; then
    run install -D -m 644 "$UNIT" "$DESTDIR/usr/lib/systemd/system/narthex.service"
fi
[ -z "$DESTDIR" ] || exit 0

if ! getent passwd narthex >/dev/null; then
    run useradd --system --home-dir /var/lib/narthex --shell /usr/sbin/nologin narthex
fi
run chgrp narthex /etc/narthex/narthex.yml
if [ -d /run/systemd/system ]; then
    run systemctl daemon-reload
    say 'start it with: systemctl enable --now narthex'
else
    say 'no systemd here: start /usr/bin/narthex by whatever starts services on this machine'
fi
