#!/bin/sh
# Builds narthex and runs it here: it scrapes itself and node_exporter on localhost:9100.
#
# Without REMOTE_WRITE_URL a small receiver runs beside it and prints what arrives. Both end
# with Ctrl-C. Data goes to ./data-agent, so a second run continues where the first one ended.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

RECEIVER_PORT=${RECEIVER_PORT:-9201}
PORT=${PORT:-9090}
REMOTE_WRITE_URL=${REMOTE_WRITE_URL:-}
CONFIG=
EXPORTER=
RECEIVER=
AGENT=

need_toolchain
need curl curl 'sees whether a node_exporter answers already'

say 'building (the first time takes some minutes)'
cargo build --release --quiet
NARTHEX=$(target_folder)/release/narthex

stop() {
    trap - EXIT INT TERM
    for pid in $AGENT $RECEIVER $EXPORTER; do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    [ -z "$CONFIG" ] || rm -f "$CONFIG"
    say 'stopped'
}
trap stop EXIT
trap 'exit 0' INT TERM

if ! have prometheus-node-exporter; then
    install_packages 'metrics of this machine; the agent runs without it too' \
        prometheus-node-exporter || say 'no node_exporter: its target will be down'
fi
if have prometheus-node-exporter && ! curl -fsS -o /dev/null http://localhost:9100/ 2>/dev/null; then
    say 'starting node_exporter on localhost:9100'
    prometheus-node-exporter --web.listen-address=127.0.0.1:9100 >/dev/null 2>&1 &
    EXPORTER=$!
fi

CONFIG=$(mktemp)
if [ -z "$REMOTE_WRITE_URL" ]; then
    REMOTE_WRITE_URL=http://127.0.0.1:$RECEIVER_PORT/api/v1/write
    say "receiver on 127.0.0.1:$RECEIVER_PORT: it prints what arrives"
    "$NARTHEX" receive --listen-address="127.0.0.1:$RECEIVER_PORT" &
    RECEIVER=$!
else
    say "sending to $REMOTE_WRITE_URL"
fi
sed -e "s|http://127.0.0.1:9201/api/v1/write|$REMOTE_WRITE_URL|" \
    -e "s|localhost:9090|localhost:$PORT|" packaging/config/demo.yml >"$CONFIG"

say "agent on http://localhost:$PORT (status page); Ctrl-C stops everything"
"$NARTHEX" --config.file="$CONFIG" --storage.agent.path=data-agent \
    --web.listen-address="127.0.0.1:$PORT" &
AGENT=$!
wait "$AGENT"
