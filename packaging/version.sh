#!/bin/sh
# version.sh DESCRIPTION: the version of a package, in a form that dpkg and rpm accept and put in the right order, from what
# `git describe --tags --always --dirty` says. v1.2.0-rc.1 is before v1.2.0, and v1.2.0-5-g0123abc after it. Without a tag the number of
# changes counts, so that what is built later is newer.
set -e

version=$(printf '%s' "$1" | sed -E 's/^v//; s/-dirty$/.dirty/; s/-([0-9]+)-g([0-9a-f]+)/+\1.g\2/; s/-/~/g')
case "$version" in
[0-9]*.[0-9]*) ;;
*) version=0.0.0+$(git rev-list --count HEAD 2>/dev/null || echo 0).g$version ;;
esac
printf '%s\n' "$version"
