# shellcheck shell=sh
chgrp narthex /etc/narthex /etc/narthex/narthex.yml
chmod 750 /etc/narthex
[ -d /var/lib/narthex ] || install -d -m 0700 -o narthex -g narthex /var/lib/narthex
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if [ "$1" -eq 1 ]; then
        systemctl enable --now narthex.service || :
    else
        systemctl try-restart narthex.service || :
    fi
fi
