#!/bin/sh
# Builds the static binary as it is shipped, and looks at it: size, linkage, start and stop.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# The budget of the design, in bytes.
MOST=6291456

need_toolchain
TARGET=$(uname -m)-unknown-linux-musl
have musl-gcc || install_packages 'a C compiler for musl' musl-tools ||
    die 'no musl-gcc: install musl-tools and try again'
if have rustup; then
    rustup target add --toolchain "$(rustup show active-toolchain | cut -d ' ' -f 1)" "$TARGET"
fi

say "building for $TARGET"
cargo build --release --target "$TARGET"
BINARY=target/$TARGET/release/narthex

SIZE=$(stat -c %s "$BINARY")
say "size: $SIZE bytes"
[ "$SIZE" -le "$MOST" ] || die "larger than $MOST bytes"

if ldd "$BINARY" 2>&1 | grep -q '=>'; then
    die 'not static'
fi
say 'linked statically'

"$BINARY" --version
"$BINARY" check config packaging/config/narthex.yml
"$BINARY" check config packaging/config/demo.yml
say 'the release is as it should be'
