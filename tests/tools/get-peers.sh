#!/usr/bin/env bash
# get-peers.sh DIR [victoria-metrics|own-prometheus]: unpacks what hourglass is tested and compared with into
# DIR/usr/bin: Prometheus 3.5 and promtool from Debian's suite sid, node_exporter from this machine's own suite, VictoriaMetrics with vmagent and
# vmalert when asked. With own-prometheus only the Prometheus of this machine's own suite, for who wants the older one.
# Nothing is installed, so no service is started; the system's package lists stay as they are; root is not needed.
# Packages come from the mirror that this machine's apt sources name. Where sid cannot be had, the machine's own, older
# Prometheus takes its place, which is said each time. DIR/versions has a line "package version" for each, the newest
# last: VictoriaMetrics' program of Debian does not know its own.
set -euo pipefail

dir=$(realpath -m "${1:-build/peers}")
shift || true
bin=$dir/usr/bin
prometheus_wanted='version 3\.5\.'
victoria_wanted='^victoria-metrics 1\.145\.'

# The first Debian archive in the sources: one-line style ("deb [options] URI suite ..") or deb822 ("URIs: ..").
mirror() {
    local uri
    uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p; s/^URIs: *([^ ]+).*/\1/p' |
        grep -E '/debian(\.list)?/?$' | head -n 1)
    case $uri in
    mirror+file:*) uri=$(grep -v '^ *#' "${uri#mirror+file:}" | awk 'NF { print $1; exit }') ;;
    esac
    [ -n "$uri" ] || { echo "get-peers: no Debian archive in /etc/apt" >&2; return 1; }
    echo "$uri"
}

# fetch SUITE PACKAGE..: downloads and unpacks, with apt's state in a directory of its own
fetch() {
    local suite=$1 state=$dir/apt-$1 uri key=/usr/share/keyrings/debian-archive-keyring.gpg
    shift
    uri=$(mirror) || return 1
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/debs"
    echo "deb $([ -f $key ] && echo "[signed-by=$key]") $uri $suite main" >"$state/sources.list"
    local options=(-qq -oDir::Etc::SourceList="$state/sources.list" -oDir::Etc::SourceParts=/dev/null
        -oDir::Etc::Preferences=/dev/null -oDir::Etc::PreferencesParts=/dev/null -oDir::State::Lists="$state/lists"
        -oDir::State::status=/dev/null -oDir::Cache="$state/cache" -oAcquire::Languages=none -oAcquire::Retries=2)
    # A mirror that lags or was frozen will do for a test; what it serves is still checked against Debian's key.
    options+=(-oAcquire::Check-Valid-Until=false)
    [ "$(id -u)" != 0 ] || options+=(-oAPT::Sandbox::User=root)
    # without the option an unreachable mirror is only a warning
    apt-get "${options[@]}" -oAPT::Update::Error-Mode=any update &&
        (cd "$state/debs" && apt-get "${options[@]}" download "$@") || return 1
    for deb in "$state"/debs/*.deb; do
        dpkg -x "$deb" "$dir"
        dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb" >>"$dir/versions"
    done
    rm -rf "$state"
}

version() {
    "$bin/prometheus" --version 2>&1 | head -n 1
}

mkdir -p "$dir"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")

if [ "${1:-}" = own-prometheus ]; then
    [ -x "$bin/prometheus" ] || fetch "$codename" prometheus
    exit
fi
if [ ! -x "$bin/prometheus-node-exporter" ]; then
    echo "fetching node_exporter ($codename)"
    fetch "$codename" prometheus-node-exporter
fi
if [ ! -x "$bin/prometheus" ] || [ ! -x "$bin/promtool" ]; then
    echo "fetching Prometheus and promtool (sid)"
    fetch sid prometheus promtool || {
        echo "get-peers: sid cannot be had; taking Prometheus of $codename instead" >&2
        fetch "$codename" prometheus
    }
fi
if [ "${1:-}" = victoria-metrics ] && { [ ! -x "$bin/victoria-metrics" ] || [ ! -x "$bin/vmalert" ]; }; then
    echo "fetching VictoriaMetrics (sid)"
    fetch sid victoria-metrics
    tail -n 1 "$dir/versions" | grep -q "$victoria_wanted" ||
        echo "get-peers: NOT VictoriaMetrics 1.145 but $(tail -n 1 "$dir/versions")" >&2
fi

version | grep -q "$prometheus_wanted" ||
    echo "get-peers: NOT Prometheus 3.5 but $(version): answers may differ where the versions do" >&2
