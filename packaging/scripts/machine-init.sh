#!/bin/busybox sh
# shellcheck shell=dash
# The first program of a machine in which machines.sh tries the agent: in its sandbox, from start to
# stop. What it finds goes to the console, as lines `found: WHAT`.
export PATH=/bin
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
ifconfig lo 127.0.0.1 up

found() {
    echo "found: $*"
}

# within SECONDS COMMAND...
within() {
    seconds=$1
    shift
    while ! "$@"; do
        seconds=$((seconds - 1))
        [ "$seconds" -gt 0 ] || return 1
        sleep 1
    done
}

delivered() {
    grep -q "^$1" /tmp/received 2>/dev/null
}

found "$(uname -m) in $(date +%Y)"
narthex receive --listen-address=127.0.0.1:9201 --file=/tmp/received --quiet &
narthex --config.file=/etc/narthex/narthex.yml --storage.agent.path=/tmp/data --sandbox=required \
    --web.listen-address=127.0.0.1:9090 --storage.remote.flush-deadline=5s 2>/tmp/log &
agent=$!
within 200 delivered narthex_build_info && found samples
wget -qO- http://127.0.0.1:9090/metrics | grep '^narthex_sandbox_active' | sed 's/^/found: /'
grep '^Seccomp:' /proc/$agent/status | sed 's/^/found: /'
sed -i 's/^- job_name: narthex/- job_name: reloaded/' /etc/narthex/narthex.yml
kill -HUP $agent
within 60 delivered '.*job="reloaded"' && found 'samples after a reload'
kill $agent
wait $agent
found "the end: $?"
tail -n 20 /tmp/log
poweroff -f
