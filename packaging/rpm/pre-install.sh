# shellcheck shell=sh
getent group narthex >/dev/null || groupadd --system narthex
getent passwd narthex >/dev/null || useradd --system --gid narthex --home-dir /var/lib/narthex \
    --no-create-home --shell /sbin/nologin --comment 'narthex metrics agent' narthex
