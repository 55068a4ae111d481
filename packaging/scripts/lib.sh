# shellcheck shell=sh
# What the scripts share: plain messages, packages, the toolchain. Sourced, not run.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$ROOT" || exit 1

say() {
    printf '==> %s\n' "$*"
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]
}

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        return 1
    fi
}

# Keeps packages from starting services while they are installed, and remembers whether the
# guard was ours, so that it is taken away again.
guard_services() {
    GUARD=
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        GUARD=/usr/sbin/policy-rc.d
        # 101 means: not allowed.
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$GUARD" >/dev/null || return 1
        as_root chmod 755 "$GUARD"
    fi
}

unguard_services() {
    [ -z "$GUARD" ] || as_root rm -f "$GUARD"
}

# install_packages WHY PACKAGE...: installs Debian packages; fails when that cannot be done.
install_packages() {
    why=$1
    shift
    have apt-get || return 1
    say "installing $* ($why)"
    guard_services || return 1
    trap unguard_services EXIT
    installed=0
    if ! as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1; then
        as_root apt-get update -qq &&
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get install -y -qq --no-install-recommends "$@" >/dev/null || installed=1
    fi
    unguard_services
    trap - EXIT
    return "$installed"
}

# need COMMAND PACKAGE WHY: makes sure of a command, or ends with what to do.
need() {
    have "$1" || install_packages "$3" "$2" ||
        die "$1 is missing ($3): install the package $2 and try again"
}

# need_file FILE PACKAGE WHY: the same for a package without a command of its own.
need_file() {
    [ -e "$1" ] || install_packages "$3" "$2" ||
        die "$1 is missing ($3): install the package $2 and try again"
}

# The C compiler builds two dependencies (ring, libdeflate) and links everything. Rust comes from
# rustup where it is there, else from Debian's packages of a recent compiler.
need_toolchain() {
    have cc || install_packages 'a C compiler, for ring and libdeflate' build-essential ||
        die 'no C compiler: install build-essential (or gcc) and try again'
    PATH="$PATH:$HOME/.cargo/bin"
    if ! have cargo; then
        say 'no cargo found; Debian has a compiler that is recent enough'
        debian_rust || die "no cargo: install Rust from https://rustup.rs; rustup then takes the
       version that rust-toolchain.toml names by itself"
    fi
    export PATH
}

debian_rust() {
    dpkg -s cargo-web >/dev/null 2>&1 ||
        install_packages 'the Rust compiler' cargo-web rustc-web || return 1
    compiler=$(dpkg -L rustc-web | grep -m1 'bin/rustc$') || return 1
    PATH="$(dirname "$compiler"):$PATH"
    have cargo
}

# tool NAME WHY: makes sure of a cargo command, installed into the folder of builds.
tool() {
    PATH="$ROOT/target/tools/bin:$PATH"
    export PATH
    have "$1" || {
        say "installing $1 ($2)"
        # Flags for the binary that is shipped are none for a tool.
        env -u RUSTFLAGS cargo install --quiet --locked --root "$ROOT/target/tools" "$1" ||
            die "$1 cannot be installed ($2): cargo install $1"
    }
}
