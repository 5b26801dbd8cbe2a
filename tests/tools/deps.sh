#!/bin/sh
# deps.sh PACKAGE..: installs the Debian packages that are missing. Without root it prints the one line and stops.
# Needs nothing but what a minimal Debian has; says nothing when nothing is missing.
set -eu

if ! command -v dpkg-query >/dev/null; then
	echo "not a Debian: taken as given: $*" >&2
	exit 0
fi

missing=
for package in "$@"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=none
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "Packages are missing. Install them with this line, then run make again:" >&2
	echo "  sudo apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
mkdir -p build
apt-get -qq update
# shellcheck disable=SC2086  # the list is words
apt-get -qq -y install --no-install-recommends $missing >build/apt.log 2>&1 || {
	cat build/apt.log >&2
	exit 1
}
