#!/bin/sh
# The real servers that some tests need; further ones are arguments, PROGRAM:PACKAGE. As root on Debian or Ubuntu they are installed; otherwise
# this says what is missing, and pytest which tests that leaves out (with CI=true it fails instead).
set -eu

missing=
for pair in prometheus:prometheus prometheus-alertmanager:prometheus-alertmanager \
            redis-server:redis-server promtool:prometheus ip:iproute2 cc:gcc go:golang-go \
            chromium:chromium "$@"; do
    command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >/dev/null
else
    echo "Not installed:$missing. Tests that need them are left out; on Debian or Ubuntu:" >&2
    echo "    sudo apt-get install --no-install-recommends$missing" >&2
fi
