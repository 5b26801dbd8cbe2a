#!/usr/bin/env bash
# Prometheus, node_exporter and hourglass side by side: Prometheus scrapes node_exporter, itself and hourglass and
# remote-writes everything into hourglass. Data is temporary, under build/demo. Ctrl-C stops all three.
set -euo pipefail

peers=build/peers/usr/bin
demo=build/demo
prometheus=127.0.0.1:${PROMETHEUS_PORT:-19090}
node=127.0.0.1:${NODE_PORT:-19100}
hourglass=127.0.0.1:${HOURGLASS_PORT:-19099}

rm -rf "$demo"
mkdir -p "$demo"
cat >"$demo/prometheus.yml" <<YML
global: {scrape_interval: 5s}
scrape_configs:
  - {job_name: node, static_configs: [{targets: ["$node"]}]}
  - {job_name: prometheus, static_configs: [{targets: ["$prometheus"]}]}
  - {job_name: hourglass, static_configs: [{targets: ["$hourglass"]}]}
remote_write:
  - url: http://$hourglass/api/v1/write
YML

pids=()
trap 'trap - EXIT INT TERM; kill "${pids[@]}" 2>/dev/null || true; wait; echo stopped' EXIT INT TERM

build/hourglass --web.listen-address="$hourglass" --storage.path="$demo/hourglass" >"$demo/hourglass.log" 2>&1 &
pids+=($!)
"$peers/prometheus-node-exporter" --web.listen-address="$node" >"$demo/node_exporter.log" 2>&1 &
pids+=($!)
"$peers/prometheus" --config.file="$demo/prometheus.yml" --storage.tsdb.path="$demo/prometheus" \
    --web.listen-address="$prometheus" >"$demo/prometheus.log" 2>&1 &
pids+=($!)

sleep 2
names=(hourglass node_exporter prometheus)
for i in 0 1 2; do
    kill -0 "${pids[$i]}" 2>/dev/null || {
        echo "${names[$i]} did not start:"
        tail -n 5 "$demo/${names[$i]}.log"
        exit 1
    }
done
cat <<TEXT

  hourglass      http://$hourglass/
  Prometheus     http://$prometheus/     writes into hourglass, every 5 s
  node_exporter  http://$node/metrics

  Logs and data: $demo/. Ctrl-C stops all three.

TEXT
wait -n || true
echo "one of the three has ended; see $demo/*.log"
