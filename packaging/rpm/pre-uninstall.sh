# shellcheck shell=sh
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
    systemctl disable --now narthex.service || :
fi
