#!/usr/bin/env python3
"""make bench-peers: what taking samples in costs, next to Prometheus and VictoriaMetrics on the same bodies; on the
built programs over HTTP, each with a directory on disk, ours with the journal at 1s.

Rows: `one` (1.0, bodies of 2000 series with one sample each, all three in turn), `two` (2.0 next to Prometheus and to
our own 1.0), `many` (the same cost with forty times the series), `new` (label sets that come for the first time), `wall`
(samples a second with the generator beside), `load` (latencies of writes under full load with queries beside).

A round asks all servers of a row in turn, each anew on an empty directory; a ratio is taken in each round, and the
table has the median and the spread. CPU is user and system time of the server's process from the first scrape that
counts (new series have a row of their own) until some seconds after the last answer, so that what a server puts off
for a moment counts. Each run ends with reading back: the server's own count of samples, and all samples of some
series, bit for bit (VictoriaMetrics: within its decimals).

Environment: ROWS (names, all by default), SCALE (a part of 1: fewer scrapes, series and minutes; a quick look that is
no result), SCRAPES (960), ROUNDS (3), MINUTES (10, of load), CONNECTIONS (1; `wall` and `load`: 4), SEED (of the series
that are read back), DATA (as in memory.py). Tables go to stdout and build/bench/peers.md. No figure is judged by the
exit code: it is 1 if a row failed."""

import dataclasses
import math
import os
import random
import signal
import statistics
import struct
import sys
import threading
import time

import memory  # first: it makes hg findable
import hg
import recording
from durable import Prometheus, peak, question
from memory import Row, mib
from runs import OUT, STEP_MS, Fleet, Scale
from victoria import Victoria

OURS, PROMETHEUS, VICTORIA = "hourglass", "Prometheus", "VictoriaMetrics"
WARM_SCRAPES = 2
REST_S = 5
COPIES, COPIES_MANY, COPIES_NEW = 25, 1013, 507  # 49,400; 2,001,688; 1,001,832 series
MANY_SCRAPES = 1 / 6  # of SCRAPES: tails fill up once, as those of the few do seven times
READ_BACK = 12  # series
LOAD_CONNECTIONS, QUERY_CLIENTS = 4, 2
START_MS = Scale().start_ms
MAKERS = {OURS: lambda: hg.Hourglass(**{"storage.clock": "samples", "journal.sync": "1s"}),
          PROMETHEUS: Prometheus, VICTORIA: Victoria}
# how each counts the samples that it took
COUNTERS = {PROMETHEUS: "prometheus_tsdb_head_samples_appended_total", VICTORIA: "vm_rows_inserted_total"}

QUERIES = (  # (expression, seconds of a range with steps of a minute; 0: an instant)
    ("sum by (job) (rate(process_cpu_seconds_total[5m]))", 0),
    ("sum by (mode) (rate(node_cpu_seconds_total[5m]))", 3600),
    ("topk(5, node_filesystem_avail_bytes)", 0),
    ("avg by (datacenter) (node_load1)", 4 * 3600),
    ('count by (cluster) ({job="node"})', 0),
    ("histogram_quantile(0.9, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[5m])))", 3600),
)


@dataclasses.dataclass
class Seen:
    """One run of one server."""

    ns: float  # CPU a sample
    samples: int
    rate: float  # samples a second of wall time
    fleet_ns: float  # the generator's CPU a sample
    wire: float  # bytes a sample
    leg: dict
    peak: int  # RSS


class Bench:
    def __init__(self, data):
        self.scale = float(os.environ.get("SCALE") or 1)
        self.recording, self.source = recording.prepare(data, OUT)
        with open(self.recording, "rb") as f:
            self.copy_series = struct.unpack("<8s2I", f.read(16))[2]
        self.scrapes = max(4 * WARM_SCRAPES, int(os.environ.get("SCRAPES") or 960 * self.scale))
        self.rounds = int(os.environ.get("ROUNDS") or 3)
        self.seconds = max(2, round(float(os.environ.get("MINUTES") or 10 * self.scale) * 60))
        self.connections = int(os.environ.get("CONNECTIONS") or 0)
        self.random = random.Random(int(os.environ.get("SEED") or 1))
        self.lines = []  # of the table of runs

    def copies(self, n):
        return max(1, round(n * self.scale))

    def fleet(self, server, copies, protocol, connections):
        return Fleet(server.port, f"--recording={self.recording}", f"--copies={copies}", f"--start={START_MS}",
                     f"--step={STEP_MS}", f"--protocol={protocol}", f"--connections={self.connections or connections}")

    def run(self, name, copies, scrapes, protocol=1, connections=1, warm=WARM_SCRAPES):
        """One server, from empty, through so many scrapes; the first `warm` do not count."""
        with MAKERS[name]() as server:
            server.start(60)
            fleet = self.fleet(server, copies, protocol, connections)
            try:
                before = fleet.ask(f"until {warm}")
                time.sleep(REST_S)
                began = cpu_s(server)
                leg = fleet.ask(f"until {scrapes}")
                time.sleep(REST_S)
                cpu, n = cpu_s(server) - began, leg["leg_samples"]
                found = Seen(cpu / n * 1e9, n, n / leg["leg_s"], (leg["cpu_s"] - before["cpu_s"]) / n * 1e9,
                             leg["leg_bytes"] / n, leg, peak(server))
                read_back(self, name, server, fleet, copies, leg["samples"], scrapes)
            finally:
                fleet.close()
        say(f"{name}: {found.ns:.0f} ns a sample, {found.rate / 1e6:.2f} M samples/s")
        return found

    def in_turn(self, what, runs):
        """runs: {name: function to a Seen}. ROUNDS of all; {name: [Seen]}."""
        found = {name: [] for name in runs}
        for n in range(self.rounds):
            say(f"{what}: round {n + 1} of {self.rounds}")
            for name, run in runs.items():
                found[name].append(run())
        self.lines += [line_of(what, name, seen) for name, seen in found.items()]
        return found


def cpu_s(server):
    """CPU time of the process with all its threads, those that have ended too: the clock of clock_getcpuclockid(3)."""
    return time.clock_gettime(~server.process.pid << 3 | 2)


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


# --- reading back -----------------------------------------------------------------------------------------------------


def stored_samples(name, server):
    if name == OURS:
        return server.get("/api/v1/status/memory").json["data"]["samples"]
    return int(server.metric(COUNTERS[name]))


def is_same(name, text, bits):
    wanted = struct.unpack("<d", bytes.fromhex(bits)[::-1])[0]
    found = float(text)
    if name == VICTORIA:
        return math.isclose(found, wanted, rel_tol=1e-12) or found == wanted
    return struct.pack(">d", found).hex() == bits


def compare(name, server, fleet, series, first, end):
    """All samples of a series in scrapes first to end - 1 are there, and no others between them."""
    wrote = fleet.ask(f"samples {series} {first} {end}")
    sent = [(at, bits) for at, bits in wrote["samples"] if not math.isnan(struct.unpack(">d", bytes.fromhex(bits))[0])]
    if not sent:
        return
    since = (sent[-1][0] - sent[0][0]) // 1000 + 1
    path = question({"labels": wrote["labels"], "at": sent[-1][0]}).replace("%7D", f"%7D%5B{since}s%5D")
    answer = server.get(path, timeout=120)
    assert answer.code == 200, f"{name}: {answer}"
    labels = {label: value for label, value in wrote["labels"] if value}
    found = [one["values"] for one in answer.json["data"]["result"] if one["metric"] == labels]
    assert len(found) == 1, f"{name}: {wrote['labels']} is there {len(found)} times"
    values = [(round(at * 1000), text) for at, text in found[0] if text != "NaN"]
    assert len(values) == len(sent), f"{name}: {len(sent)} samples of {labels} sent, {len(values)} found"
    for (at, bits), (found_at, text) in zip(sent, values):
        assert at == found_at and is_same(name, text, bits), \
            f"{name}: {labels}: {bits} at {at} sent, {text} at {found_at} found"


def read_back(bench, name, server, fleet, copies, n_samples, scrapes, first=0):
    """n_samples: None when windows have run out."""
    if name == VICTORIA:
        assert server.get("/internal/force_flush", timeout=120).code == 200
    if n_samples is not None:
        stored = stored_samples(name, server)
        assert stored == n_samples, f"{name}: {n_samples} samples sent, {stored} taken"
    for series in bench.random.sample(range(copies * bench.copy_series), READ_BACK):
        compare(name, server, fleet, series, first, scrapes)


# --- telling ----------------------------------------------------------------------------------------------------------


def middle(values, digits=0):
    """Median and spread as text."""
    low, high = (f"{each:,.{digits}f}" for each in (min(values), max(values)))
    return f"{statistics.median(values):,.{digits}f}" + (f" ({low} to {high})" if low != high else "")


def line_of(what, name, seen):
    def of(get):
        return [get(each) for each in seen]

    return (what, name, middle(of(lambda s: s.ns)), middle(of(lambda s: s.rate / 1e6), 2),
            middle(of(lambda s: s.leg["p50_ms"]), 1), middle(of(lambda s: s.leg["p99_ms"]), 1),
            f"{max(s.leg['max_ms'] for s in seen):.1f}", f"{seen[0].wire:.1f}", middle(of(lambda s: s.fleet_ns)),
            mib(max(s.peak for s in seen)))


RUNS_HEAD = ("row", "server", "CPU ns a sample", "M samples/s", "p50 ms", "p99 ms", "slowest ms", "wire B a sample",
             "generator ns", "peak RSS")


def against(what, ours, theirs, whose, bar=None):
    """The row of a ratio that is to be at most 1/bar, taken round by round."""
    ratios = [their.ns / our.ns for our, their in zip(ours, theirs)]
    seen = (f"1/{middle(ratios, 1)}; {middle([s.ns for s in ours])} against "
            f"{middle([s.ns for s in theirs])} ns")
    return Row(f"{what}: ours / {whose}", f"<= 1/{bar}" if bar else "", seen, (bar or 0) / statistics.median(ratios))


# --- rows -------------------------------------------------------------------------------------------------------------


def one(bench):
    copies = COPIES if bench.scrapes > 100 else bench.copies(COPIES)
    found = bench.in_turn("one", {name: lambda name=name: bench.run(name, copies, bench.scrapes)
                                  for name in (OURS, VICTORIA, PROMETHEUS)})
    what = f"CPU a sample, 1.0, {copies * bench.copy_series:,} series x {bench.scrapes}"
    yield against(what, found[OURS], found[VICTORIA], VICTORIA, 5)
    yield against(what, found[OURS], found[PROMETHEUS], PROMETHEUS, 15)


def two(bench):
    copies = COPIES if bench.scrapes > 100 else bench.copies(COPIES)
    runs = {f"{OURS} 1.0": lambda: bench.run(OURS, copies, bench.scrapes),
            f"{OURS} 2.0": lambda: bench.run(OURS, copies, bench.scrapes, protocol=2),
            f"{PROMETHEUS} 2.0": lambda: bench.run(PROMETHEUS, copies, bench.scrapes, protocol=2)}
    first, second, theirs = bench.in_turn("two", runs).values()
    what = f"CPU a sample, 2.0, {copies * bench.copy_series:,} series x {bench.scrapes}"
    yield against(what, second, theirs, PROMETHEUS, 15)
    less = [a.ns - b.ns for a, b in zip(first, second)]
    saved = statistics.median(less)
    yield Row("the same: ns below our 1.0", ">= 25", middle(less), 25 / saved if saved > 0 else math.inf)


def many(bench):
    few, copies = bench.copies(COPIES), bench.copies(COPIES_MANY)
    n = max(4 * WARM_SCRAPES, round(bench.scrapes * MANY_SCRAPES))
    runs = {f"{few * bench.copy_series:,} series": lambda: bench.run(OURS, few, bench.scrapes),
            f"{copies * bench.copy_series:,} series": lambda: bench.run(OURS, copies, n)}
    base, found = bench.in_turn("many", runs).values()
    ratios = [b.ns / a.ns for a, b in zip(base, found)]
    yield Row(f"CPU a sample, {copies * bench.copy_series:,} series x {n} / {few * bench.copy_series:,} x "
              f"{bench.scrapes}", "<= 1.5", f"{middle(ratios, 2)}; {middle([s.ns for s in found])} against "
              f"{middle([s.ns for s in base])} ns", statistics.median(ratios) / 1.5)


def new(bench):
    copies = bench.copies(COPIES_NEW)
    found = bench.in_turn("new", {name: lambda name=name: bench.run(name, copies, 1, warm=0)
                                  for name in (OURS, VICTORIA, PROMETHEUS)})
    what = f"CPU a new series, {copies * bench.copy_series:,} label sets with one sample each"
    each = [s.ns / 1000 for s in found[OURS]]
    yield Row(what, "<= 2 us", f"{middle(each, 2)} us", statistics.median(each) / 2)
    yield against(what, found[OURS], found[VICTORIA], VICTORIA, 5)
    yield against(what, found[OURS], found[PROMETHEUS], PROMETHEUS)


def wall(bench):
    copies = COPIES if bench.scrapes > 100 else bench.copies(COPIES)
    found = bench.in_turn("wall", {OURS: lambda: bench.run(OURS, copies, bench.scrapes, connections=LOAD_CONNECTIONS)})
    rates = [s.rate / 1e6 for s in found[OURS]]
    yield Row(f"samples a second, {os.cpu_count()} cores, the generator beside it ({bench.connections or LOAD_CONNECTIONS} "
              "connections)", ">= 4.00 M", f"{middle(rates, 2)} M", 4 / statistics.median(rates))


class Asking(threading.Thread):
    """A client that asks one query after the other until it is told to stop."""

    def __init__(self, server, first):
        super().__init__(daemon=True)
        self.server, self.next, self.is_done = server, first, False
        self.seconds, self.failures = [], []

    def ask(self):
        expression, length = QUERIES[self.next % len(QUERIES)]
        self.next += 1
        params, path = {"query": expression}, "/api/v1/query"
        if length:
            end = self.server.query("time()")["result"][0]
            params.update(start=end - length, end=end, step=60)
            path += "_range"
        began = time.monotonic()
        answer = self.server.get(path, params, timeout=120)
        self.seconds.append(time.monotonic() - began)
        if answer.code != 200:
            self.failures.append(f"{expression}: {answer}")

    def run(self):
        try:
            while not self.is_done:
                self.ask()
        except Exception as error:  # told by the main thread
            self.failures.append(repr(error))


def load(bench):
    """Closed loops: each connection sends when it has its answer. Time of the samples goes much faster than the clock, so
    windows turn and run out, and the journal's size starts snapshots."""
    copies = COPIES if bench.seconds > 60 else bench.copies(COPIES)
    with MAKERS[OURS]() as server:
        server.start(60)
        fleet = bench.fleet(server, copies, 1, LOAD_CONNECTIONS)
        try:
            fleet.ask(f"until {WARM_SCRAPES}")
            clients = [Asking(server, n * 3) for n in range(QUERY_CLIENTS)]
            for client in clients:
                client.start()
            began = cpu_s(server)
            leg = fleet.ask(f"for {bench.seconds}")
            cpu = cpu_s(server) - began
            for client in clients:
                client.is_done = True
                client.join()
            failures = [text for client in clients for text in client.failures]
            assert not failures, f"{len(failures)} queries failed, the first: {failures[0]}"
            end = leg["scrapes"]
            read_back(bench, OURS, server, fleet, copies, None, end, max(0, end - 500))
            highest = peak(server)
        finally:
            fleet.close()
    asked = sorted(ms * 1000 for client in clients for ms in client.seconds)
    n = leg["leg_samples"]
    say(f"load: {leg['leg_requests']:,} writes, {len(asked):,} queries")
    bench.lines.append(("load", OURS, f"{cpu / n * 1e9:,.0f} with queries", f"{n / leg['leg_s'] / 1e6:.2f}",
                        f"{leg['p50_ms']:.1f}", f"{leg['p99_ms']:.1f}", f"{leg['max_ms']:.1f}",
                        f"{leg['leg_bytes'] / n:.1f}", f"{leg['cpu_s'] / n * 1e9:.0f}", mib(highest)))
    beside = (f"{len(asked):,} queries beside it: p50 {asked[len(asked) // 2]:.1f}, p99 {asked[len(asked) * 99 // 100]:.1f}, "
              f"slowest {asked[-1]:.1f} ms")
    what = f"{leg['leg_s'] / 60:.1f} minutes of full load, {leg['leg_requests']:,} writes of 2000"
    yield Row(f"{what}: p99", "<= 20 ms", f"{leg['p99_ms']:.1f} ms (p50 {leg['p50_ms']:.1f}, p90 {leg['p90_ms']:.1f}, "
              f"p99.9 {leg['p999_ms']:.1f}); {beside}", leg["p99_ms"] / 20)
    yield Row("the same: the slowest", "<= 100 ms", f"{leg['max_ms']:.1f} ms", leg["max_ms"] / 100)


ROWS = {"one": one, "two": two, "many": many, "new": new, "wall": wall, "load": load}


def versions():
    """What get-peers.sh wrote down."""
    found = {}
    try:
        with open(os.path.join(hg.ROOT, "build", "peers", "versions"), encoding="ascii") as f:
            found = dict(line.split() for line in f)
    except FileNotFoundError:
        pass
    return ", ".join(f"{name} {found.get(package, '(version not known)')}"
                     for name, package in ((PROMETHEUS, "prometheus"), (VICTORIA, "victoria-metrics")))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    chosen = memory.chosen_of(ROWS)
    bench = Bench(recording.find_data())
    rows, n_failed = memory.make_rows(ROWS, bench, chosen)
    cells = [(r.what, r.bar, r.seen, f"{r.ratio:.2f}" if r.bar else "", ("ok" if r.is_ok else "OVER") if r.bar else "")
             for r in rows]
    scaled = f"; SCALED to {bench.scale:g}: NOT a result" if bench.scale != 1 or bench.scrapes < 960 else ""
    title = f"Ingest next to {versions()}, {bench.source}, {bench.rounds} rounds{scaled}"
    text = memory.table(title, ("what", "bar", "seen: median (spread)", "of the bar", ""), cells)
    text += "\n" + memory.table("The runs: median (spread) of the rounds", RUNS_HEAD, bench.lines)
    print("\n" + text)
    with open(os.path.join(OUT, "peers.md"), "w", encoding="utf-8") as f:
        f.write(text)
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
