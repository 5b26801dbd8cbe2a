"""Records a livelier set than a replay can be: Prometheus, node_exporter and VictoriaMetrics at work, scraped at a true
15 s for as long as one has patience, as a tar.zst of the form that recording.py reads.

    python3 -B tests/bench/record.py FILE.tar.zst HOURS

The three are started here, on their usual ports of the recording: Prometheus scrapes all of them and writes to
VictoriaMetrics, and both are asked what a dashboard asks, so that their own histograms move. What node_exporter sees is
whatever this machine does meanwhile. Ctrl-C ends it early and keeps what there is."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "build", "peers", "usr", "bin")
STEP_S = 15
PORTS = {"9100": "prometheus-node-exporter", "9390": "prometheus", "9428": "victoria-metrics"}
QUERIES = [
    "up", "rate(node_cpu_seconds_total[5m])", "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes",
    "sum by (job) (rate(process_cpu_seconds_total[2m]))", "topk(5, scrape_samples_scraped)",
    "histogram_quantile(0.9, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[5m])))",
]
CONFIG = """
global: {scrape_interval: 15s}
scrape_configs:
  - {job_name: node, static_configs: [{targets: ["127.0.0.1:9100"]}]}
  - {job_name: prometheus, static_configs: [{targets: ["127.0.0.1:9390"]}]}
  - {job_name: victoriametrics, static_configs: [{targets: ["127.0.0.1:9428"]}]}
remote_write: [{url: "http://127.0.0.1:9428/api/v1/write"}]
"""


def get(url, timeout=10):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read()


def start(directory):
    """The three at work in a directory; what they say goes to files there."""
    with open(os.path.join(directory, "prometheus.yml"), "w", encoding="ascii") as f:
        f.write(CONFIG)
    options = {
        "9100": ["--web.listen-address=127.0.0.1:9100"],
        "9390": ["--web.listen-address=127.0.0.1:9390", "--config.file=" + os.path.join(directory, "prometheus.yml"),
                 "--storage.tsdb.path=" + os.path.join(directory, "prometheus")],
        "9428": ["-httpListenAddr=127.0.0.1:9428", "-storageDataPath=" + os.path.join(directory, "victoria")],
    }
    started = []
    for port, program in PORTS.items():
        with open(os.path.join(directory, program + ".log"), "wb") as log:
            started.append(subprocess.Popen([os.path.join(PEERS, program), *options[port]], stdout=log, stderr=log))
    return started


def ask_for_ever():
    """A dashboard that refreshes; answers do not matter, nor do refusals."""
    for n in range(sys.maxsize):
        for base in ("http://127.0.0.1:9390", "http://127.0.0.1:9428"):
            query = urllib.parse.quote(QUERIES[n % len(QUERIES)])
            now = int(time.time())
            try:
                get(f"{base}/api/v1/query_range?query={query}&start={now - 3600}&end={now}&step=30")
            except OSError:
                pass
        time.sleep(5)


def strip(text):
    return re.sub(rb"^#.*\n", b"", text, flags=re.MULTILINE)


def scrape_all(directory, number):
    for port in PORTS:
        try:
            text = get(f"http://127.0.0.1:{port}/metrics")
        except OSError as e:
            print(f"scrape {number} of {port}: {e}", file=sys.stderr)
            continue
        with open(os.path.join(directory, f"s.{port}.{number:04d}.txt"), "wb") as f:
            f.write(strip(text))


def pack(directory, path):
    names = sorted(name for name in os.listdir(directory) if name.endswith(".txt"))
    lists = os.path.join(directory, "names")
    with open(lists, "w", encoding="ascii") as f:
        f.write("\n".join(names) + "\n")
    subprocess.run(["tar", "--zstd", "-cf", path + ".tmp", "-C", directory, "-T", lists], check=True)
    os.replace(path + ".tmp", path)


def main(path, hours):
    directory = tempfile.mkdtemp(prefix="record.")
    scrapes = os.path.join(directory, "scrapes")
    os.mkdir(scrapes)
    servers = start(directory)
    print(f"recording into {scrapes}", file=sys.stderr)
    time.sleep(20)  # they settle
    threading.Thread(target=ask_for_ever, daemon=True).start()
    began = time.time()
    try:
        for number in range(round(hours * 3600 / STEP_S)):
            time.sleep(max(0.0, began + number * STEP_S - time.time()))
            scrape_all(scrapes, number)
    except KeyboardInterrupt:
        pass
    finally:
        for server in servers:
            server.terminate()
        pack(scrapes, path)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
