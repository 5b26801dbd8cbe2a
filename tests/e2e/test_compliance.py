"""The query templates of the PromQL compliance suite (../shared/promqltest/compliance-queries.yml, not part of the
project), asked of hourglass and of a Prometheus that has the same samples: instant and range, to the last digit.

539 queries come of the 118 templates. Errors and annotations must be the same as well. Without the file, or for more,
a few questions of our own are asked (OWN). SEED chooses the data, which stand for the demo service that the suite was
written for: three instances, a sample every 5 s, counters that reset, a series that comes and goes."""

import json
import os
import random
import re
import time

from hg import STALE, Hourglass, Prometheus, Skip

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/promqltest/compliance-queries.yml")
STEP_MS = 5000
MINUTES = 80
SLICE = 60  # samples of a series in one request

VARIANTS = {
    "range": "1s 15s 1m 5m 15m 1h",
    "offset": "1m 5m 10m",
    "simpleAggrOp": "sum avg max min count stddev stdvar",
    "simpleTimeAggrOp": "sum avg max min count stddev stdvar absent last",
    "topBottomOp": "topk bottomk",
    "quantile": "-0.5 0.1 0.5 0.75 0.95 0.90 0.99 1 1.5",
    "arithBinOp": "+ - * / % ^",
    "compBinOp": "== != < > <= >=",
    "binOp": "+ - * / % ^ == != < > <= >=",
    "simpleMathFunc": "abs ceil floor exp sqrt ln log2 log10 round",
    "extrapolatedRateFunc": "delta rate increase",
    "clampFunc": "clamp_min clamp_max",
    "instantRateFunc": "idelta irate",
    "dateFunc": "day_of_month day_of_week days_in_month hour minute month year",
}

# What the templates leave out and 3.5 has, some of it behind the features below.
OWN = [
    "sort_by_label(demo_num_cpus, 'instance')",
    "sort_by_label_desc(demo_memory_usage_bytes, 'type', 'instance')",
    "mad_over_time(demo_memory_usage_bytes[5m])",
    "double_exponential_smoothing(demo_memory_usage_bytes[5m], 0.4, 0.3)",
    "ts_of_max_over_time(demo_memory_usage_bytes[5m])",
    "ts_of_min_over_time(demo_memory_usage_bytes[5m])",
    "ts_of_last_over_time(demo_memory_usage_bytes[5m])",
    "count(limitk(5, demo_api_request_duration_seconds_bucket))",
    "limit_ratio(0.3, demo_api_request_duration_seconds_bucket)",
    "limit_ratio(-0.7, demo_api_request_duration_seconds_bucket)",
    "limit_ratio(1.5, demo_num_cpus)",
    "histogram_fraction(0.05, 0.2, rate(demo_api_request_duration_seconds_bucket[5m]))",
    "histogram_fraction(0.3, +Inf, sum by (le) (rate(demo_api_request_duration_seconds_bucket[5m])))",
    "histogram_fraction(0.3, 0.1, demo_api_request_duration_seconds_bucket)",
    "histogram_fraction(NaN, 0.1, demo_api_request_duration_seconds_bucket)",
    "histogram_count(demo_num_cpus)",
    "histogram_quantile(0.9, sum by (le, path) (rate(demo_api_request_duration_seconds_bucket[5m])))",
    "info(demo_num_cpus)",
    "info(demo_num_cpus, {version=~'.+'})",
    "info(demo_cpu_usage_seconds_total, {__name__='demo_build_info'})",
    "rate(demo_cpu_usage_seconds_total[2m + 30s * 2])",
    "sum_over_time(demo_num_cpus[1m:5s * 2] offset (30s / 2))",
    "demo_num_cpus[1m] offset 5m",
    "demo_num_cpus[0.0001]",
    "rate(demo_cpu_usage_seconds_total[0.5])",
    "rate(demo_cpu_usage_seconds_total[299.9999])",
    "demo_num_cpus offset 0.0009",
    "topk(scalar(demo_num_cpus{instance=~'.*0'}) % 3, demo_memory_usage_bytes)",
    "quantile by (type) (time() % 2, demo_memory_usage_bytes)",
    "quantile(scalar(max(demo_memory_usage_bytes @ end())) % 1000 / 1000, demo_memory_usage_bytes)",
    "quantile(scalar(max(demo_memory_usage_bytes @ start() offset 1m)) % 1000 / 1000, demo_memory_usage_bytes)",
    "demo_num_cpus >/ 1",
    "demo_memory_usage_bytes @ start() - demo_memory_usage_bytes @ end()",
    "label_replace(demo_num_cpus, 'x', '${1}-$1x-$$', 'instance', '(.*):(.*)')",
    "avg by (type) (demo_memory_usage_bytes) > on (type) group_right () demo_memory_usage_bytes",
    "count_values without (instance) ('v', demo_num_cpus)",
    "absent_over_time(demo_intermittent_metric[30s])",
    "changes(demo_intermittent_metric[5m]) and resets(demo_items_shipped_total[1h])",
    "{__name__=~'demo_(num_cpus|intermittent_metric)'} * 2",
    "rate({__name__=~'demo_api_request_duration_seconds_(sum|count)'}[1m])",
    "sum by (__name__) ({job='demo'})",
    "5m30s + demo_num_cpus",
    "demo_num_cpus + on () vector(1)",
    "group_left",
    "demo_num_cpus[5m",
    "rate(demo_num_cpus)",
    "predict_linear(demo_memory_usage_bytes[10m], 3600) - deriv(demo_memory_usage_bytes[10m])",
    "stddev_over_time(demo_memory_usage_bytes[1h]) / stdvar_over_time(demo_memory_usage_bytes[1h])",
    "atan2(1, 2)",
    "demo_num_cpus atan2 demo_memory_usage_bytes{type='free'}",
    "demo_num_cpus ^ 0.5 % 3",
    "round(demo_memory_usage_bytes, 0.3)",
    "sin(demo_items_shipped_total) + cos(demo_items_shipped_total) + tan(demo_items_shipped_total)",
    "tanh(demo_batch_last_run_duration_seconds / 30) + sinh(demo_batch_last_run_duration_seconds / 30)",
    "cosh(demo_batch_last_run_duration_seconds / 9) + exp(demo_batch_last_run_duration_seconds / 7)",
    "asinh(demo_memory_usage_bytes) + acosh(demo_memory_usage_bytes) + atan(demo_batch_last_run_duration_seconds / 40)",
    "asin(demo_batch_last_run_duration_seconds / 90) + acos(demo_batch_last_run_duration_seconds / 91)",
    "atanh(demo_batch_last_run_duration_seconds / 92) + deg(demo_num_cpus) + rad(demo_memory_usage_bytes)",
    "demo_batch_last_run_duration_seconds ^ -1.7 + demo_batch_last_run_duration_seconds ^ 12",
]
FEATURES = "promql-experimental-functions,promql-duration-expr"


# --- questions ------------------------------------------------------------------------------------------------


def unquoted(text):
    text = text.strip()
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    return text[1:-1].replace('\\"', '"') if text[:1] == '"' else text


def templates(path):
    """(query, names of variants) of the file: the few forms of YAML that it uses."""
    found = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.strip()
            if line.startswith("#"):
                continue
            query = re.match(r"(?:- )?query:\s*(.*)$", line)
            names = re.match(r"variant_args:\s*\[(.*)\]$", line)
            if query:
                found.append((unquoted(query.group(1)), []))
            elif names:
                found[-1][1].extend(unquoted(name) for name in names.group(1).split(","))
    return found


def expanded(query, names):
    if not names:
        return [query]
    name, rest = names[0], names[1:]
    texts = [query.replace("{{." + name + "}}", value) for value in VARIANTS[name].split()]
    return [one for text in texts for one in expanded(text, rest)]


# --- samples --------------------------------------------------------------------------------------------------


def demo_series(dice, n):
    """(labels, values) of every series; None stands for no sample."""
    for k in range(3):
        base = {"job": "demo", "instance": f"demo.promlabs.com:{10000 + k}"}
        name = lambda metric, **labels: {"__name__": metric, **base, **labels}  # noqa: E731
        for mode in ("idle", "user", "system"):
            yield name("demo_cpu_usage_seconds_total", mode=mode), counter(dice, n, dice.uniform(0.1, 5), k == 1)
        for kind in ("free", "used", "cached", "buffers"):
            yield name("demo_memory_usage_bytes", type=kind), walk(dice, n, dice.uniform(1e9, 9e9), 3e6)
        yield name("demo_num_cpus"), [4 << k] * n
        yield name("demo_disk_usage_bytes"), counter(dice, n, 5e5, False)
        yield name("demo_disk_total_bytes"), [268435456000] * n
        yield name("demo_batch_last_success_timestamp_seconds"), stamps(dice, n)
        yield name("demo_batch_last_run_duration_seconds"), walk(dice, n, 30, 0.7)
        yield name("demo_items_shipped_total"), [float(int(v)) for v in counter(dice, n, 3, True)]
        yield name("demo_intermittent_metric"), [1 if i // 12 % 3 else (STALE if i % 12 == 0 else None) for i in range(n)]
        yield name("target_info", version=f"1.{k}", region="eu"), [1] * n
        yield name("demo_build_info", build=f"b{k}"), [1] * n
        for path in ("/api/foo", "/api/bar"):
            for status in ("200", "500"):
                yield from histogram(dice, n, name, {"method": "GET", "path": path, "status": status})


def counter(dice, n, slope, resets):
    value, values = dice.uniform(0, 1000), []
    for i in range(n):
        value = 0.0 if resets and i in (n // 3, n * 9 // 10) else value + dice.uniform(0, 2 * slope)
        values.append(value)
    return values


def walk(dice, n, value, step):
    values = []
    for _ in range(n):
        value += dice.gauss(0, step)
        values.append(value)
    return values


def stamps(dice, n):
    now, values = time.time() - MINUTES * 60, []
    for i in range(n):
        values.append(now + (i - i % (6 + dice.randrange(3))) * 5.0)
    return values


def histogram(dice, n, name, labels):
    bounds = [0.0001 * 1.5**i for i in range(26)]
    counts, total, rows = [0] * (len(bounds) + 1), 0.0, []
    for _ in range(n):
        for _ in range(dice.randrange(12)):
            seconds = dice.lognormvariate(-3, 1.2)
            total += seconds
            counts[sum(bound < seconds for bound in bounds)] += 1
        sums = [sum(counts[: i + 1]) for i in range(len(counts))]
        rows.append((sums, total))
    metric = "demo_api_request_duration_seconds"
    for i, bound in enumerate(bounds + ["+Inf"]):
        le = bound if bound == "+Inf" else repr(bound)
        yield name(metric + "_bucket", le=le, **labels), [row[0][i] for row in rows]
    yield name(metric + "_count", **labels), [row[0][-1] for row in rows]
    yield name(metric + "_sum", **labels), [row[1] for row in rows]


def send(servers, seed):
    """The same to both, a slice of time after the other; returns when the last sample was."""
    n = MINUTES * 60000 // STEP_MS
    end_ms = int(time.time()) // 60 * 60000
    start_ms = end_ms - (n - 1) * STEP_MS
    series = list(demo_series(random.Random(seed), n))
    for first in range(0, n, SLICE):
        rows = []
        for labels, values in series:
            samples = [
                (start_ms + (first + i) * STEP_MS, v if v == STALE else float(v))
                for i, v in enumerate(values[first : first + SLICE])
                if v is not None
            ]
            if samples:
                rows.append((labels, samples))
        for server in servers:
            server.write_ok(*rows)
    return end_ms // 1000


# --- answers --------------------------------------------------------------------------------------------------


def normal(answer):
    """An answer as something that compares: series without order, unless the query gave one."""
    body = answer.json
    if answer.code != 200:
        return answer.code, body["errorType"], body["error"]
    data, notes = body["data"], sorted(body.get("warnings", []) + body.get("infos", []))
    rows = data["result"]
    if data["resultType"] in ("vector", "matrix"):
        rows = sorted(json.dumps(row, sort_keys=True) for row in rows)
    return data["resultType"], rows, notes


def forms(query, end):
    """The ways in which a query is asked: the suite's own range, a long one, and two instants."""
    yield "range", "/api/v1/query_range", {"query": query, "start": end - 720 - 600, "end": end - 720, "step": 10}
    yield "long range", "/api/v1/query_range", {"query": query, "start": end - 3600, "end": end, "step": 67}
    yield "instant", "/api/v1/query", {"query": query, "time": end - 720}
    yield "odd instant", "/api/v1/query", {"query": query, "time": end - 1234.567}


def difference(ours, theirs):
    if len(ours) == 3 and len(theirs) == 3 and isinstance(ours[1], list) and isinstance(theirs[1], list):
        for a, b in zip(ours[1], theirs[1]):
            if a != b:
                at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), 0)
                return f"ours ..{a[max(0, at - 60):at + 60]}\n    theirs ..{b[max(0, at - 60):at + 60]}"
    return f"ours {str(ours)[:400]}\n    theirs {str(theirs)[:400]}"


def compare(hourglass, prometheus, queries, end):
    """Texts of what differs, of all forms of all queries."""
    problems = []
    for query in queries:
        for form, path, params in forms(query, end):
            ours, theirs = (normal(server.get(path, params)) for server in (hourglass, prometheus))
            if ours != theirs:
                problems.append(f"{form}: {query}\n    {difference(ours, theirs)}")
    return problems


def ask_both(features):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"  SEED={seed}")
    found = templates(TEMPLATES) if os.path.exists(TEMPLATES) else []
    queries = [one for query, names in found for one in expanded(query, names)]
    assert not found or (len(found), len(queries)) == (118, 539), (len(found), len(queries))
    flags = {"storage.clock": "samples", "enable-feature": features}
    with Hourglass(**flags) as hourglass, Prometheus("5s", {}, receives=True, features=features) as prometheus:
        hourglass.start()
        prometheus.start()
        end = send((hourglass, prometheus), seed)
        n_forms = len(list(forms("", 0)))
        problems = compare(hourglass, prometheus, queries, end)
        print(f"  compliance: {len(queries) * n_forms - len(problems)} of {len(queries) * n_forms}")
        own = compare(hourglass, prometheus, OWN, end)
        print(f"  our own: {len(OWN) * n_forms - len(own)} of {len(OWN) * n_forms}")
    assert not problems + own, "\n".join(problems + own)


def test_templates_of_the_compliance_suite():
    ask_both(FEATURES)


def test_the_same_with_delayed_name_removal():
    if os.environ.get("COMPLIANCE") != "all":
        raise Skip("half a minute more: COMPLIANCE=all, or make soak")
    ask_both(FEATURES + ",promql-delayed-name-removal")
