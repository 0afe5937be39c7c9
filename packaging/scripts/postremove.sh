#!/bin/sh
# After the files are gone. Called by dpkg as `remove`, `purge` or `upgrade VERSION`, and by rpm with the number of versions
# that stay. Who the machine is and where it reports stays until the purge; rpm knows none: muster-agent uninstall.
set -e

case "$1" in
purge)
    rm -rf /var/lib/muster-agent /etc/muster-agent /run/muster-agent
    rm -f /etc/systemd/system/multi-user.target.wants/muster-agent.service
    ;;
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl --quiet reset-failed muster-agent.service 2>/dev/null || true
fi
