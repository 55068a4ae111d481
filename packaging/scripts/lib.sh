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

# install_packages WHY PACKAGE...: installs Debian packages; fails when that cannot be done. A shell of its
# own, so that the caller's trap stays.
install_packages() (
    why=$1
    shift
    have apt-get || exit 1
    say "installing $* ($why)" >&2
    guard_services || exit 1
    trap unguard_services EXIT
    trap 'exit 1' INT TERM
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && exit
    as_root apt-get update -qq >&2 &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null
)

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
    # cargo fetches crates by TLS, and only recommends what that takes.
    need_file /etc/ssl/certs/ca-certificates.crt ca-certificates 'cargo fetches crates by TLS'
    compiler=$(dpkg -L rustc-web | grep -m1 'bin/rustc$') || return 1
    PATH="$(dirname "$compiler"):$PATH"
    have cargo || return 1
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    found=$(rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] || {
        printf 'error: rustc %s of this Debian is older than %s (bookworm-security has a newer one)\n' \
            "$found" "$wanted" >&2
        return 1
    }
}

# Where cargo puts what it builds here; CARGO_TARGET_DIR and its configuration may say otherwise.
target_folder() {
    cargo metadata --format-version 1 --no-deps --offline --locked |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# tool NAME VERSION WHY: makes sure of a cargo command, installed into the folder of builds. It is built
# quickly, not well: it runs for seconds.
tool() {
    PATH="$ROOT/target/tools/bin:$PATH"
    export PATH
    have "$1" || {
        say "installing $1 $2 ($3)"
        # Flags for the binary that is shipped are none for a tool.
        env -u RUSTFLAGS CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
            CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
            cargo install --quiet --locked --root "$ROOT/target/tools" "$1@$2" ||
            die "$1 cannot be installed ($3): cargo install $1@$2"
    }
}
