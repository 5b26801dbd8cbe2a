"""A real Prometheus scrapes node_exporter and itself and remote-writes into hourglass; then both are asked the same.

DURATION (30) seconds of scrapes every INTERVAL (1) seconds. VERBOSE=1 prints the table of queries, which is what
`make compare` shows for 300 s at 5 s. Vectors and matrices are compared as sets, their floats as text."""

import json
import os
import time

from hg import Hourglass, NodeExporter, Prometheus, promtool, wait_until

DURATION = int(os.environ.get("DURATION", "30"))
INTERVAL = int(os.environ.get("INTERVAL", "1"))
RANGE = f"{INTERVAL * 10}s"
SPAN = max(10 * INTERVAL, DURATION * 2 // 3)  # of a range query: back to where one target went away

QUERIES = [
    "up",
    'node_cpu_seconds_total{mode="idle"}',
    'node_cpu_seconds_total{mode!="idle"}',
    'node_memory_MemAvailable_bytes{job=~"no.*"}',
    '{__name__=~"node_(load|memory).*", job!~"prom.*"}',
    f"node_load1 offset {INTERVAL * 5}s",
    f"rate(node_cpu_seconds_total[{RANGE}])",
    f"increase(prometheus_http_requests_total[{RANGE}])",
    f"avg_over_time(node_memory_MemFree_bytes[{RANGE}])",
    f"min_over_time(node_memory_MemFree_bytes[{RANGE}]) / max_over_time(node_memory_MemFree_bytes[{RANGE}])",
    f"sum_over_time(up[{RANGE}])",
    f"count_over_time(go_goroutines[{RANGE}]) + last_over_time(go_goroutines[{RANGE}])",
    "sum by (mode) (node_cpu_seconds_total)",
    "avg without (cpu) (node_cpu_seconds_total)",
    f"max by (job) (rate(process_cpu_seconds_total[{RANGE}]))",
    "count by (job) ({__name__=~\".+\", job=~\".+\"})",
    "node_memory_MemTotal_bytes - node_memory_MemFree_bytes > 1024 * 1024",
    "process_resident_memory_bytes > bool 5e7",
    "node_filesystem_avail_bytes / on (instance, device, mountpoint) node_filesystem_size_bytes * 100",
    "process_open_fds / ignoring (job) process_max_fds == bool 0.5",
    "no_such_metric + up",
    "up{job=\"short\"}",
]


def normal(data):
    """The data of an answer, as something that compares without order."""
    if data["resultType"] in ("vector", "matrix"):
        rows = [json.dumps(one, sort_keys=True) for one in data["result"]]
        return data["resultType"], sorted(rows)
    return data["resultType"], data["result"]


def normal_promtool(server, *args):
    """promtool prints an instant vector a line, and a range query a block of lines a series."""
    kind, rest = args[0], args[1:]
    text = promtool("query", kind, *rest[:-1], server.url, rest[-1])
    return sorted(text.split("\n\n" if kind == "range" else "\n"))


def difference(ours, theirs):
    """Rows that only one side has, shortened."""
    if ours[0] != theirs[0] or not isinstance(ours[1], list):
        return f"hourglass {str(ours)[:300]}\nprometheus {str(theirs)[:300]}"
    only_ours = sorted(set(ours[1]) - set(theirs[1]))
    only_theirs = sorted(set(theirs[1]) - set(ours[1]))
    rows = [f"  only hourglass  {row[:300]}" for row in only_ours[:3]]
    rows += [f"  only prometheus {row[:300]}" for row in only_theirs[:3]]
    return f"{len(only_ours)} rows only here, {len(only_theirs)} only there\n" + "\n".join(rows)


def ask(server, query, at):
    """Both forms of one query: body and normal form."""
    instant = server.get("/api/v1/query", {"query": query, "time": at})
    span = {"query": query, "start": at - SPAN, "end": at, "step": INTERVAL}
    ranged = server.get("/api/v1/query_range", span)
    for answer in (instant, ranged):
        assert answer.code == 200, f"{server.name}: {query}: {answer}"
    return instant, ranged


def everything(server, at):
    """Every sample of the last two minutes as (series, [(ms, value)]) rows: what a range selector sees."""
    return sorted(
        (json.dumps(one["metric"], sort_keys=True), one["values"])
        for one in server.query('{__name__=~".+"}[2m]', at=at)["result"]
    )


def compare(prometheus, hourglass, at):
    """Asks both; returns (rows of the table, texts of what differs, bytes of our answers)."""
    rows, problems, ours_bytes = [], [], {}
    for query in QUERIES:
        verdicts = []
        ours, theirs = ask(hourglass, query, at), ask(prometheus, query, at)
        for form, mine, other in zip(("instant", "range"), ours, theirs):
            ours_bytes[f"{form} {query}"] = mine.body
            left, right = normal(mine.json["data"]), normal(other.json["data"])
            verdicts.append(left == right)
            if left != right:
                problems.append(f"{form} {query}: {difference(left, right)}")
        stamp = f"--time={at}"
        span = [f"--start={at - SPAN}", f"--end={at}", f"--step={INTERVAL}s"]
        for args in (["instant", stamp, query], ["range", *span, query]):
            left, right = (normal_promtool(server, *args) for server in (hourglass, prometheus))
            verdicts.append(left == right)
            if left != right:
                problems.append(f"promtool {args[0]} {query}")
        rows.append((query, len(theirs[0].json["data"]["result"]), verdicts))
    return rows, problems, ours_bytes


def show(rows, restarted):
    print(f"\n  {'query':98} rows  query range promtool after restart")
    for query, n_rows, verdicts in rows:
        words = ["equal" if verdict else "DIFFERS" for verdict in verdicts]
        tool = "equal" if verdicts[2] and verdicts[3] else "DIFFERS"
        same_bytes = all(restarted[f"{form} {query}"] for form in ("instant", "range"))
        after = "same bytes" if same_bytes else "DIFFERS"
        print(f"  {query:98} {n_rows:4}  {words[0]:5} {words[1]:5} {tool:8} {after}")
    print()


def test_same_answers_as_prometheus_and_the_same_bytes_after_a_restart():
    with Hourglass() as hourglass, NodeExporter() as node, NodeExporter() as short:
        hourglass.start()
        node.start()
        short.start()
        targets = {"node": node.address, "short": short.address}
        with Prometheus(f"{INTERVAL}s", targets, [hourglass]) as prometheus:
            prometheus.start()
            wait_until(lambda: len(prometheus.query("up == 1")["result"]) == 3, 60, "three targets up")
            # one target goes away half way: its series end in stale markers
            time.sleep(DURATION / 2)
            short.kill()
            time.sleep(DURATION / 2)
            at = int(time.time()) - max(5, DURATION // 5)
            wait_until(lambda: everything(hourglass, at) == everything(prometheus, at), 60, "the same samples")
            assert hourglass.query('count({job="node"})', at=at)["result"], "nothing arrived"

            rows, problems, before = compare(prometheus, hourglass, at)
        assert hourglass.stop(30) == 0
        hourglass.start()
        restarted = {}
        for query in QUERIES:
            for form, answer in zip(("instant", "range"), ask(hourglass, query, at)):
                key = f"{form} {query}"
                restarted[key] = answer.body == before[key]
        if os.environ.get("VERBOSE"):
            show(rows, restarted)
        assert len([row for row in rows if row[1]]) >= 18, f"too many empty answers: {rows}"
        assert not problems, f"{len(problems)} differ:\n" + "\n".join(problems)
        assert all(restarted.values()), [key for key, is_same in restarted.items() if not is_same]
