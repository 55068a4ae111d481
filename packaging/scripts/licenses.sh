#!/bin/sh
# Writes packaging/licenses/third-party.txt.gz: the crates in the program, each with its licence, and
# the texts of those licences. `narthex --licenses` shows it. To be run when Cargo.lock has changed; a
# test says when that was forgotten.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/third-party.txt

cargo fetch --quiet --locked
cargo tree --locked --edges normal --target x86_64-unknown-linux-musl --prefix none --format '{p}|{l}' |
    sed 's/ ([^)]*)//; s/ v/ /' | grep -v '^narthex ' | LC_ALL=C sort -u >"$scratch/crates"

{
    echo 'narthex is licensed under the Apache License, version 2.0. It contains these crates:'
    echo
    tr '|' ' ' <"$scratch/crates"
    echo "rust-std $(rustc --version | cut -d " " -f 2) MIT OR Apache-2.0"
    echo "musl 1.2 MIT"
} >"$out"

# of NAME VERSION: the shortest licence text that the crate brings, which of several is enough. Of
# zstd-sys it is the C library that is in the program, under a licence of its own.
text_of() {
    for source in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$1-$2"; do
        [ "$1" != zstd-sys ] || source=$source/zstd
        find "$source" -maxdepth 1 -type f \( -iname 'LICEN[CS]E*' -o -iname 'COPYING*' \) \
            -size -64k -printf '%s %p\n' | sort -n | sed -n '1s/^[0-9]* //p'
    done | head -n 1
}

mkdir "$scratch/texts"
while IFS='|' read -r crate license; do
    text=$(text_of "${crate% *}" "${crate#* }")
    if [ -z "$text" ]; then
        say "$crate ($license) brings no text"
        continue
    fi
    sum=$(tr -s ' \n\r\t' ' ' <"$text" | sha256sum | cut -c 1-16)
    [ -e "$scratch/texts/$sum" ] || tr -d '\r' <"$text" >"$scratch/texts/$sum"
    echo "$crate" >>"$scratch/texts/$sum.crates"
done <"$scratch/crates"

for crates in "$scratch"/texts/*.crates; do
    # In the order of the first crate, so that a new one changes little.
    printf '%s\t%s\n' "$(head -n 1 "$crates")" "${crates%.crates}"
done | LC_ALL=C sort | cut -f 2 | while read -r text; do
    printf '\n==== %s\n\n' "$(paste -sd , "$text.crates" | sed 's/,/, /g')"
    cat "$text"
done >>"$out"

mkdir -p packaging/licenses
gzip -9nc "$out" >packaging/licenses/third-party.txt.gz
say "$(wc -l <"$scratch/crates") crates, $(stat -c %s packaging/licenses/third-party.txt.gz) bytes"
