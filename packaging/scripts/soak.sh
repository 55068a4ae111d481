#!/bin/sh
# The end-to-end tests again and again: what fails once in a hundred runs fails here.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain
cargo test --quiet --test e2e --no-run
round=1
while [ "$round" -le "${SOAK_ROUNDS:-10}" ]; do
    say "round $round"
    RUST_TEST_THREADS=${RUST_TEST_THREADS:-6} cargo test --quiet --test e2e ||
        die "round $round failed"
    round=$((round + 1))
done
say "$((round - 1)) rounds passed"
