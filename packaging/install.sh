#!/bin/sh
# Installs a release of narthex on a host without a package manager, or without its packages there:
# checks the checksum, puts the binary, a configuration, a user and a service in place. Run it again
# to upgrade; an existing configuration and the data stay.
#
#     ./install.sh FOLDER        a folder with the files of a release: SHA256SUMS and the archives
#     ./install.sh URL           the address of such a folder
#
# PREFIX (/usr/local), ROOT (/) and SHA256 (the checksum of SHA256SUMS itself, from a place that you
# trust) may be set.
set -eu

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

[ $# -eq 1 ] || die 'usage: install.sh FOLDER|URL'
FROM=${1%/}
PREFIX=${PREFIX:-/usr/local}
ROOT=${ROOT:-}
ROOT=${ROOT%/}

case $(uname -m) in
x86_64) ARCH=amd64 ;;
aarch64) ARCH=arm64 ;;
armv7l | armv8l) ARCH=arm ;;
*) die "no release for $(uname -m)" ;;
esac
have sha256sum || die 'sha256sum is missing: nothing can be checked'

SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

get() {
    case $FROM in
    https://* | http://*)
        if have curl; then
            curl -fsSL --retry 3 -o "$SCRATCH/$1" "$FROM/$1"
        elif have wget; then
            wget -q -O "$SCRATCH/$1" "$FROM/$1"
        else
            die 'curl or wget is needed'
        fi || die "cannot get $FROM/$1"
        ;;
    *) cp "$FROM/$1" "$SCRATCH/$1" || die "no $1 in $FROM" ;;
    esac
}

ARCHIVE=narthex-linux-$ARCH.tar.gz
get SHA256SUMS
get "$ARCHIVE"
cd "$SCRATCH"
if [ -n "${SHA256:-}" ]; then
    echo "$SHA256  SHA256SUMS" | sha256sum -c - >/dev/null 2>&1 ||
        die 'SHA256SUMS is not the one that SHA256 says'
fi
grep -E "^[0-9a-f]{64}  $ARCHIVE\$" SHA256SUMS >wanted || die "SHA256SUMS does not name $ARCHIVE"
sha256sum -c wanted >/dev/null 2>&1 || die "$ARCHIVE is damaged, or not what was released"
tar -xzf "$ARCHIVE"
cd "narthex-linux-$ARCH"
./narthex --version >/dev/null || die 'the program does not run here'

# Beside the running program first, then in its place: an upgrade never leaves half a file.
install -d "$ROOT$PREFIX/bin"
install -m 755 narthex "$ROOT$PREFIX/bin/narthex.new"
mv -f "$ROOT$PREFIX/bin/narthex.new" "$ROOT$PREFIX/bin/narthex"
for page in narthex.1 narthex.yml.5; do
    install -D -m 644 "$page" "$ROOT$PREFIX/share/man/man${page##*.}/$page"
done

if [ -z "$ROOT" ] && ! grep -q '^narthex:' /etc/passwd; then
    if have useradd; then
        useradd --system --home-dir /var/lib/narthex --shell /bin/false narthex
    else
        # busybox
        addgroup -S narthex && adduser -S -D -H -h /var/lib/narthex -s /bin/false -G narthex narthex
    fi || die 'cannot make the user narthex (run this as root)'
fi
if [ -e "$ROOT/etc/narthex/narthex.yml" ]; then
    install -m 640 narthex.yml "$ROOT/etc/narthex/narthex.yml.new"
else
    install -d "$ROOT/etc/narthex"
    install -m 640 narthex.yml "$ROOT/etc/narthex/narthex.yml"
fi
[ -n "$ROOT" ] || chgrp narthex /etc/narthex/narthex.yml*

if [ -d "$ROOT/etc/systemd" ]; then
    sed "s|/usr/bin/narthex|$PREFIX/bin/narthex|" narthex.service >"$SCRATCH/unit"
    install -D -m 644 "$SCRATCH/unit" "$ROOT/etc/systemd/system/narthex.service"
    if [ -z "$ROOT" ] && [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl enable narthex
        systemctl restart narthex
        systemctl --no-pager --lines=0 status narthex
    fi
elif [ -d "$ROOT/etc/init.d" ] && [ -d "$ROOT/etc/conf.d" ]; then
    sed "s|/usr/bin/narthex|$PREFIX/bin/narthex|" narthex.openrc >"$SCRATCH/script"
    install -m 755 "$SCRATCH/script" "$ROOT/etc/init.d/narthex"
    [ -n "$ROOT" ] || echo 'start it with: rc-update add narthex && rc-service narthex start'
else
    echo "start $PREFIX/bin/narthex by whatever starts services here, as the user narthex"
fi
echo "installed $("$ROOT$PREFIX/bin/narthex" --version | head -n 1)"
echo "receivers go into $ROOT/etc/narthex/narthex.yml"
