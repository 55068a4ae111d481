#!/bin/sh
# Formatting, clippy, documentation, the rules of the repository.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

need_toolchain

say 'formatting'
cargo fmt --all -- --check

say 'clippy'
cargo clippy --quiet --all-targets -- -D warnings

say 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --no-deps --document-private-items

say 'the rules of the repository'
cargo test --quiet --test tidy

if have shellcheck; then
    say 'scripts'
    shellcheck -x .ci/run packaging/scripts/*.sh packaging/completions/narthex.bash
else
    say 'no shellcheck here: scripts are not checked'
fi
