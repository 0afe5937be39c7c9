#!/bin/sh
# After the files are in place. Called by dpkg as `configure OLD-VERSION` (none the first time) and by rpm with the number
# of versions that are installed now.
set -e

enable=no action=restart
case "$1:$2" in
configure: | 1:) enable=yes ;;
configure:*) ;;
2:) action=try-restart ;;
*) exit 0 ;;
esac

if [ ! -d /var/lib/muster-agent ]; then
    mkdir -m 0700 /var/lib/muster-agent
fi

command -v systemctl >/dev/null || exit 0

# Enabled once: who disables it finds it disabled after an upgrade too. Without settings the unit does not start, so that an
# image may be made of a machine that has the package and no settings.
if [ $enable = yes ]; then
    systemctl --quiet enable muster-agent.service
fi

[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
if [ ! -e /etc/muster-agent/settings.json ]; then
    echo 'muster-agent does not report yet. To enrol this machine: muster-agent install --server URL --code CODE'
    exit 0
fi
systemctl --quiet is-enabled muster-agent.service || action=try-restart
# Debian's own way honours policy-rc.d.
if command -v deb-systemd-invoke >/dev/null; then
    deb-systemd-invoke $action muster-agent.service || true
else
    systemctl $action muster-agent.service || true
fi
