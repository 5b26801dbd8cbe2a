#!/usr/bin/env python3
"""make bench-peer-queries: what queries cost, next to Prometheus and VictoriaMetrics on the same samples.

D1 of memory.py (11,856 series over eight windows) goes into all three by remote write; then 16 kinds of query are asked,
each ROUNDS times in turn, and what counts is the least CPU time of the server's process, with what its threads do beside
the query in it. VictoriaMetrics is told to keep nothing from one answer for the next (nocache). Before the rest the
heaviest one is asked for its memory: how far resident memory rises, and what is left of that a second later. Environment: SCALE and DATA as in
memory.py; PEERS="ours" leaves some out, then there are figures and no ratios. The table goes to stdout and
build/bench/queries.md. Exit code: 1 if a bar is passed or a query failed; for a part, if a query failed."""

import dataclasses
import os
import sys
import time
import urllib.parse

import memory  # first: it makes hg findable
import hg
from durable import Prometheus, fill, peak, resident
from memory import Row, mib
from runs import MIB, SETTLE_S, exact_cpu_s
from victoria import Victoria

ROUNDS = 5
NEGLIGIBLE_MS = 1.0  # whoever is slower than another by less is not


@dataclasses.dataclass(frozen=True)
class Query:
    text: str
    hours: float = 0  # 0: an instant query
    step_s: int = 0


QUERIES = [
    Query('node_load1'),
    Query('count({__name__!=""})'),
    Query('sum by (mode) (rate(node_cpu_seconds_total[5m]))'),
    Query('topk(10, increase(prometheus_http_requests_total[1h]))'),
    Query('increase(node_cpu_seconds_total[28h])'),
    Query('node_memory_MemAvailable_bytes', 1, 15),
    Query('rate(node_cpu_seconds_total[5m])', 1, 15),
    Query('sum by (__name__) ({__name__=~"node_.+_total"})', 1, 60),
    Query('histogram_quantile(0.99, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[5m])))', 6, 60),
    Query('100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])))', 24, 300),
    Query('node_memory_MemAvailable_bytes / on (instance) node_memory_MemTotal_bytes', 28, 300),
    Query('node_filesystem_avail_bytes * on (instance) group_left (nodename) node_uname_info', 12, 120),
    Query('quantile_over_time(0.95, node_load1[1h])', 28, 300),
    Query('max_over_time(process_resident_memory_bytes[1h])', 28, 300),
    Query('sum(rate(prometheus_http_request_duration_seconds_bucket[5m]))', 24, 300),
    Query('count by (job) ({__name__!=""})', 28, 600),
]
HEAVIEST = QUERIES[-1]


def path_of(query, end_ms, extra):
    end = end_ms / 1000
    params = {"query": query.text, **extra}
    if query.hours == 0:
        return "/api/v1/query?" + urllib.parse.urlencode({**params, "time": end})
    params.update(start=end - query.hours * 3600, end=end, step=query.step_s)
    return "/api/v1/query_range?" + urllib.parse.urlencode(params)


def forget_highest(server):
    with open(f"/proc/{server.process.pid}/clear_refs", "w", encoding="ascii") as f:
        f.write("5")


def ask(server, path):
    """(ms of CPU, series in the answer, points in it)"""
    before = exact_cpu_s(server)
    answer = server.get(path, timeout=600)
    took = (exact_cpu_s(server) - before) * 1e3
    assert answer.code == 200, f"{server.name}: {path}: {answer}"
    found = answer.json["data"]["result"]
    return took, len(found), sum(len(one["values"]) if "values" in one else 1 for one in found)


def growth(server, path):
    """(RSS before a query, the highest during it, RSS a second after it)"""
    before = resident(server)
    forget_highest(server)
    ask(server, path)
    highest = peak(server)
    time.sleep(1)
    return before, highest, resident(server)


@dataclasses.dataclass
class Costs:
    ms: list
    shapes: list
    growth: tuple


def costs_of(server, extra, bench):
    with server:
        server.start(60)
        end_ms = fill(server, bench, 8 * bench.scale.window)["at"]
        time.sleep(SETTLE_S)
        rise = growth(server, path_of(HEAVIEST, end_ms, extra))
        paths = [path_of(query, end_ms, extra) for query in QUERIES]
        seen = [[ask(server, path) for path in paths] for _ in range(ROUNDS)]
        ms = [min(round_[i][0] for round_ in seen) for i in range(len(paths))]
        return Costs(ms, [each[1:] for each in seen[0]], rise)


SERVERS = {"prometheus": (Prometheus, {}), "victoria": (Victoria, {"nocache": "1"})}


def measure(bench):
    wanted = (os.environ.get("PEERS") or "ours prometheus victoria").split()
    seen = {"ours": costs_of(hg.Hourglass(**{"storage.clock": "samples", **bench.scale.flags()}), {}, bench)}
    for name, (make, extra) in SERVERS.items():
        if name in wanted:
            seen[name] = costs_of(make(), extra, bench)
    return seen


def details(seen):
    lines = []
    for i, query in enumerate(QUERIES):
        span = f"{query.hours} h / {query.step_s} s" if query.hours else "instant"
        shape = "{} series, {} points".format(*seen["ours"].shapes[i])
        if "prometheus" in seen and seen["prometheus"].shapes[i] != seen["ours"].shapes[i]:
            shape += ", Prometheus' {} and {}".format(*seen["prometheus"].shapes[i])
        lines.append((f"`{query.text}`", span, shape, *(f"{costs.ms[i]:.2f}" for costs in seen.values())))
    lines.append(("sum", "", "", *(f"{sum(costs.ms):.1f}" for costs in seen.values())))
    return memory.table("CPU ms of a query, the least of " + str(ROUNDS), ("query", "range", "answer", *seen), lines)


def rows_of(seen):
    ours = seen["ours"]
    for name, bar in (("prometheus", 8), ("victoria", 3)):
        if name in seen:
            ratio = sum(seen[name].ms) / sum(ours.ms)
            yield Row(f"CPU of {len(QUERIES)} queries, ours / {name}", f"<= 1/{bar}", f"1/{ratio:.1f}", bar / ratio)
    peers = [costs for name, costs in seen.items() if name != "ours"]
    if peers:
        slower = [i for i, ms in enumerate(ours.ms) if ms > NEGLIGIBLE_MS and ms > min(c.ms[i] for c in peers)]
        yield Row("queries slower than a peer, of those above 1 ms", "0",
                  ", ".join(f"`{QUERIES[i].text}`" for i in slower) or "0", len(slower) * 2.0)
    before, most, after = ours.growth
    text = f"{mib(most - before)} (before {mib(before)}, a second after {mib(after)})"
    if "prometheus" in seen:
        theirs = seen["prometheus"].growth
        text += f", Prometheus {mib(theirs[1] - theirs[0])}"
        yield Row(f"growth of RSS by `{HEAVIEST.text}`", "<= 1/4 of Prometheus'", text,
                  (most - before) / max(theirs[1] - theirs[0], MIB) * 4)
    yield Row("RSS a second after it", "<= 2 % more", text, (after - before) / (before * 0.02))


def main():
    bench, source = memory.prepare(set())
    seen = measure(bench)
    rows = list(rows_of(seen))
    cells = [(r.what, r.bar, r.seen, f"{r.ratio:.2f}", "ok" if r.is_ok else "OVER") for r in rows]
    text = details(seen) + "\n" + memory.table(f"Queries, {source}", ("what", "bar", "seen", "of the bar", ""), cells)
    memory.finish(bench, rows, 0, text, "queries.md")


if __name__ == "__main__":
    main()
