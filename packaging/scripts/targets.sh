# shellcheck shell=sh
# The targets that are shipped, and how each is built and run. Sourced after lib.sh.

# TARGETS may name fewer. This machine's own is linked by musl-gcc, with rustup's unwinding library for
# musl; the others, and it too where that library cannot be had, by zig. As the standard library is built
# too, rustup need not have it for a target. Without rustup, Debian's compiler does it.
TARGETS=${TARGETS:-x86_64-unknown-linux-musl aarch64-unknown-linux-musl armv7-unknown-linux-musleabihf}

# The bytes of a binary at most: the budget of the design, 6 MiB.
MOST=6291456

# The name of Docker for a target.
arch_of() {
    case $1 in
    x86_64-*) echo amd64 ;;
    aarch64-*) echo arm64 ;;
    armv7-*) echo arm ;;
    *) die "no such target: $1 (known: $TARGETS)" ;;
    esac
}

# The name that Debian has for a target.
deb_arch_of() {
    case $1 in
    armv7-*) echo armhf ;;
    *) arch_of "$1" ;;
    esac
}

# The name that rpm has for a target.
rpm_arch_of() {
    case $1 in
    armv7-*) echo armv7hl ;;
    *) echo "${1%%-*}" ;;
    esac
}

# The words before a foreign program that run it here; none for one of our own.
runner_of() {
    case $1 in
    "$(uname -m)"-*) ;;
    aarch64-*) echo qemu-aarch64-static ;;
    armv7-*) echo qemu-arm-static ;;
    x86_64-*) echo qemu-x86_64-static ;;
    esac
}

# rust_flags SOURCE INLINED: flags that make builds of one source equal wherever they are made, and small.
# Frame pointers shorten the tables for unwinding by more than they add to the code. Functions that ask to
# be inlined are up to a size of INLINED instead of 325: 260 saves 59 kB for 1 to 3% of a block's coding,
# 250 a little more for nothing that can be measured.
rust_flags() {
    home=${CARGO_HOME:-$HOME/.cargo}
    echo "--remap-path-prefix=$1=/narthex --remap-path-prefix=$home=/cargo"
    echo "--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rust"
    # The name of this folder says where crates were fetched from. Of what matches, the last counts.
    for crates in "$home"/registry/src/*; do
        echo "--remap-path-prefix=$crates=/crates"
    done
    echo "-C llvm-args=-inlinehint-threshold=$2"
    echo '-C force-frame-pointers=yes -C link-arg=-Wl,--build-id=none'
}

# Flags for a linker that is not zig's. rustup brings lld, which makes one function of those that came
# out equal; `relr` packs relocations, and musl 1.2.4 is the first to know it.
linker_flags() {
    lld=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/gcc-ld
    if [ -x "$lld/ld.lld" ]; then
        echo "-C link-arg=-fuse-ld=lld -C link-arg=-B$lld -C link-arg=-Wl,--icf=all"
    fi
    echo "-C link-arg=-Wl,-z,pack-relative-relocs"
}

# Levels of zstd above 1, which nothing uses, are left out by what the C library calls their parts.
zstd_flags() {
    for part in DFAST GREEDY LAZY LAZY2 BTLAZY2 BTOPT BTULTRA; do
        echo "-DZSTD_EXCLUDE_${part}_BLOCK_COMPRESSOR"
    done
}

# small_build COMMAND TARGET FOLDER [FOLDERS:]: a release build, with these folders first in PATH, that
# builds the standard library too: for size, and without what reads debug information for backtraces, of
# which a stripped program has none. Tables for unwinding serve panics alone, not a debugger at any
# instruction; a panic while something is dropped ends the process, as the second one always does. A
# panic says file and line, not the column: places in one line are one then. No
# panic passes through C, which needs none. A stable compiler takes these flags with RUSTC_BOOTSTRAP=1
# alone, and rust-toolchain.toml names the one that is known to keep their meaning.
small_build() {
    env PATH="${4:-}$PATH" RUSTC_BOOTSTRAP=1 \
        CFLAGS="${CFLAGS:-} -fno-asynchronous-unwind-tables $(zstd_flags | tr '\n' ' ')" \
        RUSTFLAGS="$RUSTFLAGS -Zuse-sync-unwind=yes -Zpanic-in-drop=abort -Zlocation-detail=file,line" \
        cargo "$1" --release --locked --target "$2" --target-dir "$3" \
        -Zbuild-std=std,panic_unwind -Zbuild-std-features=panic-unwind,optimize_for_size >&2
}

# linked TARGET: the crates that are in the program, as `name version`, sorted.
linked() {
    cargo tree --locked --edges normal --target "$1" --prefix none --format '{p}' |
        sed 's/ ([^)]*)//g; s/ v/ /' | grep -v '^narthex ' | LC_ALL=C sort -u
}

# What --version says of the build. Without git, or with changes, there is no revision to name.
build_environment() {
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
    NARTHEX_REVISION=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
    [ -z "$(git status --porcelain --untracked-files=no 2>/dev/null)" ] ||
        NARTHEX_REVISION=$NARTHEX_REVISION-changed
    NARTHEX_BUILD_DATE=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
    NARTHEX_TARGET=$1
    export SOURCE_DATE_EPOCH NARTHEX_REVISION NARTHEX_BUILD_DATE NARTHEX_TARGET
}

# zig as a C compiler, from PyPI, in the folder of builds.
need_zig() {
    ZIG=$ROOT/target/zig/bin
    if [ ! -x "$ZIG/cargo-zigbuild" ]; then
        python3 -m venv --help >/dev/null 2>&1 || install_packages 'fetches zig' python3-venv ||
            die 'python3-venv is missing: it fetches zig, the C compiler for other machines'
        python3 -m venv "$ROOT/target/zig"
        "$ZIG/pip" install -q ziglang==0.15.1 cargo-zigbuild==0.24.1 ||
            die 'zig cannot be fetched from PyPI: pip install ziglang cargo-zigbuild'
    fi
}

# build_target TARGET FOLDER [SOURCE]: the stripped binary, with FOLDER as the folder of builds; its path
# is printed last. SOURCE may be a copy of this repository, which need not have its history.
build_target() {
    target=$1
    folder=$2
    source=${3:-$ROOT}
    build_environment "$target"
    # Fetched first: the folders of crates have to be there to be named.
    cargo fetch --quiet --locked --target "$target"
    compiler=
    if ! { have rustup && rustup component add rust-src >/dev/null 2>&1; }; then
        dpkg -s cargo-web rust-web-src >/dev/null 2>&1 ||
            install_packages 'the Rust compiler and the source of its library' \
                rustc-web cargo-web rust-web-src ||
            die 'neither rustup with rust-src nor a recent rust-web-src of Debian can be had'
        compiler=$(dirname "$(dpkg -L rustc-web | grep -m1 'bin/rustc$')"):
    fi
    flags_of() {
        PATH="$compiler$PATH" rust_flags "$source" "$1" | tr '\n' ' '
    }
    if [ -z "$compiler" ] && [ "$target" = "$(uname -m)-unknown-linux-musl" ] &&
        rustup target add "$target" >/dev/null 2>&1; then
        have musl-gcc || install_packages 'a C compiler for musl' musl-tools ||
            die 'no musl-gcc: install musl-tools and try again'
        say "building $target with musl-gcc" >&2
        RUSTFLAGS="$(flags_of 250)$(linker_flags | tr '\n' ' ')"
        export RUSTFLAGS
        (cd "$source" && small_build build "$target" "$folder")
    else
        need_zig
        say "building $target with zig" >&2
        inlined=250
        case $target in
        # Its clang takes AVX-512 without 512 bits for the usual; libdeflate asks for it by function. Its
        # linker leaves equal functions apart and relocations unpacked, for which less is inlined.
        x86_64-*)
            export CFLAGS="${CFLAGS:-} -mevex512"
            inlined=225
            ;;
        esac
        # zig brings the C library, its start files and what unwinds.
        RUSTFLAGS="$(flags_of "$inlined")-Clink-self-contained=no"
        export RUSTFLAGS
        (cd "$source" && small_build zigbuild "$target" "$folder" "$ZIG:$compiler")
    fi
    echo "$folder/$target/release/narthex"
}

# check_binary FILE: static, without an interpreter, small enough.
check_binary() {
    file -b "$1" | grep -Eq 'static-pie linked|statically linked' || die "$1 is not static"
    ! readelf -d "$1" | grep -q NEEDED || die "$1 needs shared libraries"
    ! readelf -lW "$1" | grep -q INTERP || die "$1 needs an interpreter"
    bytes=$(stat -c %s "$1")
    say "$1: $bytes bytes, $(file -b "$1" | grep -Eo 'static[a-z-]* linked')"
    [ "$bytes" -le "$MOST" ] || die "$1 is larger than $MOST bytes"
}
