#!/usr/bin/env python3
"""make bench-hour: an hour of an ordinary life, twelve windows long. Windows of five minutes, 500,000 series scraped every
15 s in real time (the targets one after the other over 12 of these, as Prometheus spreads its own), a share of the series
new in every window, dashboards' queries beside it, snapshots every minute: RSS must be flat from the moment when as many
windows are kept as will be, nothing may fail, and nobody waits for 100 ms.

Environment: MINUTES (60), SCALE (a part of 1: fewer series), SPREAD_MS (12000; 0: all of a scrape at once, which on the
machine of the server takes both of two cores from the queries for 150 ms), CHURN (percent of the series that are new in
each window: 2), DATA (as in memory.py). The table goes to stdout and build/bench/hour.md, a line every 15 s to
build/bench/hour.csv. Exit code: 1 if a request failed or RSS grew; a latency past its bar is in the table, and no failure."""

import os
import signal
import sys
import threading
import time

import memory  # first: it makes hg findable
import hg
import recording
from memory import Row, mib
from runs import MIB, OUT, Fleet

COPIES = 253  # 500,000 series
STEP_S = 15
WINDOW_S = 300
KEPT = 8
QUERY_EVERY_S = 0.5
BAR_MS = 100

QUERIES = (  # (expression, seconds of a range with steps of 15 s; 0: an instant)
    ("sum by (job) (rate(process_cpu_seconds_total[5m]))", 0),
    ("sum by (mode) (rate(node_cpu_seconds_total[2m]))", 1800),
    ("topk(5, node_filesystem_avail_bytes)", 0),
    ("avg by (datacenter) (node_load1)", 1800),
    ('count by (cluster) (up{job="node"})', 300),
)


def stolen_ms():
    """What the host has taken from all processors since it started."""
    with open("/proc/stat", encoding="ascii") as stat:
        return int(stat.readline().split()[8]) * 1000 / os.sysconf("SC_CLK_TCK")


def query_ms(pid):
    """(on a processor, waiting for one) of the threads that evaluate queries, since they began."""
    ran = waited = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/comm", encoding="ascii") as comm:
                if not comm.read().startswith("hg-query"):
                    continue
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as schedstat:
                times = schedstat.read().split()
        except OSError:  # it has ended, or the kernel keeps no such account
            continue
        ran, waited = ran + int(times[0]) / 1e6, waited + int(times[1]) / 1e6
    return ran, waited


class Watch:
    """Where the time of a request went. A virtual machine may be taken off its processors in the middle of it, which looks
    like computing to all inside; how long, over all processors, only the host says."""

    def __init__(self, pid):
        self.pid, self.stolen, (self.ran, self.waited) = pid, stolen_ms(), query_ms(pid)
        self.began = time.monotonic()
        self.ms = 0.0

    def stop(self):
        self.ms = (time.monotonic() - self.began) * 1000
        ran, waited = query_ms(self.pid)
        self.ran, self.waited, self.stolen = ran - self.ran, waited - self.waited, stolen_ms() - self.stolen

    def __str__(self):
        return f"{self.ms:.1f} ms: {self.ran:.1f} computing, {self.waited:.1f} in line, {self.stolen:.0f} stolen from all processors"


class Asking(threading.Thread):
    """Asks one after the other, and remembers how long each took."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.took, self.failures, self.is_done = server, {}, [], False  # took: watches by expression

    def run(self):
        n = 0
        while not self.is_done:
            text, seconds = QUERIES[n % len(QUERIES)]
            n += 1
            now = time.time()
            path, params = "/api/v1/query", {"query": text, "time": now}
            if seconds:
                path, params = "/api/v1/query_range", {"query": text, "start": now - seconds, "end": now, "step": STEP_S}
            watch = Watch(self.server.process.pid)
            try:
                answer = self.server.get(path, params, timeout=30)
                if answer.code != 200:
                    self.failures.append(f"{text}: {answer}")
            except OSError as error:
                self.failures.append(f"{text}: {error}")
            watch.stop()
            self.took.setdefault(text, []).append(watch)
            time.sleep(QUERY_EVERY_S)


def resident(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def live(server, fleet, minutes):
    """Yields (seconds since the start, RSS, series, slowest write so far in ms) after each scrape."""
    began = time.monotonic()
    n = 0
    while time.monotonic() - began < minutes * 60:
        n += 1
        leg = fleet.ask(f"until {n}")
        yield time.monotonic() - began, resident(server), server.metric("prometheus_tsdb_head_series"), leg
        time.sleep(max(0.0, began + n * STEP_S - time.monotonic()))


def peaks(seen, since_s):
    """The highest RSS of each window after since_s."""
    found = {}
    for at, rss, *_ in seen:
        if at >= since_s:
            found.setdefault(int(at // WINDOW_S), []).append(rss)
    return [max(each) for each in found.values()]


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    minutes = float(os.environ.get("MINUTES") or 60)
    copies = max(1, round(COPIES * float(os.environ.get("SCALE") or 1)))
    source, name = recording.prepare(recording.find_data(), OUT)
    flags = {"storage.window": "5m", "storage.out-of-order-window": "5m", "snapshot.interval": "1m"}
    with hg.Hourglass(**flags) as server:
        server.start(60)
        start_ms = int(time.time() * 1000)
        fleet = Fleet(server.port, f"--recording={source}", f"--copies={copies}", f"--start={start_ms}",
                      f"--step={STEP_S * 1000}", "--connections=2", f"--churn={os.environ.get('CHURN') or 2}",
                      f"--churn-every={WINDOW_S // STEP_S}", f"--spread={os.environ.get('SPREAD_MS') or 12000}")
        asking = Asking(server)
        asking.start()
        seen = []
        with open(os.path.join(OUT, "hour.csv"), "w", encoding="utf-8") as out:
            out.write("seconds,rss,series,slowest_write_ms\n")
            for look in live(server, fleet, minutes):
                seen.append(look)
                out.write(f"{look[0]:.1f},{look[1]},{look[2]:.0f},{look[3]['max_ms']:.1f}\n")
                out.flush()
        asking.is_done = True
        asking.join()
        leg = seen[-1][3]
        refused = {line for line in server.log.splitlines() if "level=ERROR" in line or "level=WARN" in line}
        fleet.close()
    full = peaks(seen, (KEPT + 1) * WINDOW_S) or [max(rss for _, rss, *_ in seen)]
    watches = sorted((w for each in asking.took.values() for w in each), key=lambda w: w.ms)
    took = [w.ms for w in watches]
    grown = full[-1] / full[0]
    rows = [
        Row(f"{minutes:g} minutes, {copies * 1976:,} series, {len(seen):,} scrapes: RSS of the last full window over the first's",
            "<= 1.01", f"{grown:.3f} ({mib(full[0])} -> {mib(full[-1])}, {len(full)} windows; peak "
            f"{mib(max(rss for _, rss, *_ in seen))})", grown / 1.01),
        Row("requests that failed, warnings and errors in the log", "0", f"{len(asking.failures)}, {len(refused)}",
            2.0 if asking.failures or refused else 0.0),
        Row(f"{leg['requests']:,} writes: the slowest", f"<= {BAR_MS} ms", f"{leg['max_ms']:.1f} ms (p99 {leg['p99_ms']:.1f})",
            leg["max_ms"] / BAR_MS),
        Row(f"{len(took):,} queries: the slowest", f"<= {BAR_MS} ms",
            f"{took[-1]:.1f} ms (p50 {took[len(took) // 2]:.1f}, p99 {took[len(took) * 99 // 100]:.1f}; "
            f"{sum(ms > BAR_MS for ms in took)} over the bar)", took[-1] / BAR_MS),
    ]
    cells = [(r.what, r.bar, r.seen, f"{r.ratio:.2f}", "ok" if r.is_ok else "OVER") for r in rows]
    text = memory.table(f"An hour of soak, {name}", ("what", "bar", "seen", "of the bar", ""), cells)
    print("\n" + text)
    for text, each in asking.took.items():
        each.sort(key=lambda w: w.ms)
        print(f"  {text}\n    median {each[len(each) // 2]}")
        for watch in each[:-6:-1]:
            print(f"    slow   {watch}")
    for line in [*asking.failures[:3], *sorted(refused)[:5]]:
        print(f"  {line}")
    with open(os.path.join(OUT, "hour.md"), "w", encoding="utf-8") as f:
        f.write(text)
    sys.exit(0 if rows[0].is_ok and rows[1].is_ok else 1)


if __name__ == "__main__":
    main()
