#!/bin/sh
# Measures: every path by itself, then agents side by side. BENCH holds options of the latter
# (docs/performance.md), such as BENCH="--quick".
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain
need prometheus prometheus 'the agent that narthex is measured beside'
need xz xz-utils 'unpacks the recorded pages'

say 'parsers and paths'
cargo bench --bench exposition --bench paths

say 'agents side by side'
# shellcheck disable=SC2086  # options are words
cargo bench --bench side_by_side -- ${BENCH:-}
