#!/bin/sh
# Installs narthex on this machine from source: binary, manual, completions, configuration, user,
# service.
#
# PREFIX (/usr) is where programs go. An existing configuration is kept. DESTDIR puts everything below
# another root, and then no user is made and no service is touched. BINARY names a program that is
# built already.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr}
BINARY=${BINARY:-}

if [ -z "$BINARY" ]; then
    need_toolchain
    say 'building'
    cargo build --release --quiet
    BINARY=$(target_folder)/release/narthex
fi

run() {
    if [ -n "$DESTDIR" ]; then
        "$@"
    else
        as_root "$@" || die "not allowed: $* (run this as root)"
    fi
}

# put MODE FILE PATH: below DESTDIR.
put() {
    run install -D -m "$1" "$2" "$DESTDIR$3"
}

say "installing to ${DESTDIR:-/}, programs to $PREFIX"
put 755 "$BINARY" "$PREFIX/bin/narthex"
put 644 packaging/man/narthex.1 "$PREFIX/share/man/man1/narthex.1"
put 644 packaging/man/narthex.yml.5 "$PREFIX/share/man/man5/narthex.yml.5"
put 644 packaging/completions/narthex.bash "$PREFIX/share/bash-completion/completions/narthex"
put 644 packaging/completions/_narthex "$PREFIX/share/zsh/site-functions/_narthex"
put 644 packaging/completions/narthex.fish "$PREFIX/share/fish/vendor_completions.d/narthex.fish"
if [ -e "$DESTDIR/etc/narthex/narthex.yml" ]; then
    say "keeping $DESTDIR/etc/narthex/narthex.yml"
else
    put 640 packaging/config/narthex.yml /etc/narthex/narthex.yml
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for service in systemd/narthex.service openrc/narthex; do
    sed "s|/usr/bin/narthex|$PREFIX/bin/narthex|" "packaging/$service" >"$scratch/${service##*/}"
done
put 644 "$scratch/narthex.service" /usr/lib/systemd/system/narthex.service
put 644 packaging/systemd/socket/narthex.socket /usr/lib/systemd/system/narthex.socket
for drop_in in packaging/systemd/drop-ins/*; do
    put 644 "$drop_in" "$PREFIX/share/doc/narthex/drop-ins/${drop_in##*/}"
done
if [ -z "$DESTDIR" ] && have openrc-run; then
    put 755 "$scratch/narthex" /etc/init.d/narthex
fi
[ -z "$DESTDIR" ] || exit 0

if ! getent passwd narthex >/dev/null; then
    run useradd --system --home-dir /var/lib/narthex --shell /usr/sbin/nologin narthex
fi
run chgrp narthex /etc/narthex /etc/narthex/narthex.yml
if [ -d /run/systemd/system ]; then
    run systemctl daemon-reload
    say 'start it with: systemctl enable --now narthex'
elif have openrc-run; then
    say 'start it with: rc-update add narthex && rc-service narthex start'
else
    say "no systemd here: start $PREFIX/bin/narthex by whatever starts services on this machine"
fi
