#!/bin/sh
# The end-to-end tests again and again: what fails once in a hundred runs fails here. Before that,
# once, the long versions of the fault tests.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain
need strace strace 'makes system calls fail in the fault tests'
need xfs_io xfsprogs 'cuts the power of a file system in the fault tests'
RUST_TEST_THREADS=${RUST_TEST_THREADS:-6}
export RUST_TEST_THREADS
cargo test --quiet --test e2e --no-run
say 'faults, the long versions'
NARTHEX_E2E_SOAK=1 cargo test --quiet --test e2e faults:: -- --nocapture ||
    die 'the long versions of the fault tests failed'
round=1
while [ "$round" -le "${SOAK_ROUNDS:-10}" ]; do
    say "round $round"
    cargo test --quiet --test e2e || die "round $round failed"
    round=$((round + 1))
done
say "$((round - 1)) rounds passed"
