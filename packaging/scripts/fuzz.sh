#!/bin/sh
# Every fuzz target for a while, or those that are named: FUZZ_SECONDS each, 60 by default.
# New inputs go to a scratch folder: the corpus in the repository stays small.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain
have cargo-fuzz || die 'cargo-fuzz is missing: cargo install cargo-fuzz'
cargo +nightly --version >/dev/null 2>&1 ||
    die 'libFuzzer needs a nightly compiler: rustup toolchain install nightly --profile minimal'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ "$#" -eq 0 ]; then
    # shellcheck disable=SC2046  # names of targets are single words
    set -- $(ls fuzz/corpus)
fi
for target in "$@"; do
    say "fuzzing $target for ${FUZZ_SECONDS:-60} seconds"
    mkdir -p "$scratch/$target"
    cargo +nightly fuzz run "$target" "$scratch/$target" "fuzz/corpus/$target" -- \
        "-max_total_time=${FUZZ_SECONDS:-60}" -rss_limit_mb=2048 -timeout=20 ||
        die "$target failed; the input is in fuzz/artifacts/$target. Put it into
       fuzz/corpus/$target with a name that says what it shows: cargo test replays it"
done
say "$# targets found nothing"
