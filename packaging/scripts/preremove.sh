#!/bin/sh
# Before the files go. Called by dpkg as `remove` or `upgrade VERSION`, and by rpm with the number of versions that stay.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
    systemctl stop muster-agent.service
fi
# What dpkg installs again after a removal without a purge is as it was: settings, identity, and enabled.
if [ "$1" = 0 ] && command -v systemctl >/dev/null; then
    systemctl --quiet disable muster-agent.service
fi
