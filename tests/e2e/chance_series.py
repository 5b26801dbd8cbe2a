"""Series by chance, for questions that two servers are asked about the same samples: counters that reset, gaps, stale
marks, NaN and infinities, jittered and irregular times, classic histograms, some of them broken. A seed gives the same
series for ever: they begin at START_MS, whatever the clock says."""

import math

from hg import STALE

START_MS = 1_699_999_200_000  # a whole hour
SPAN_MS = 80 * 60_000
END_MS = START_MS + SPAN_MS
SLICE_MS = 10 * 60_000  # of a request of remote write: samples come in the order of time, as from a scraper

JOBS = ("api", "db", "web")
INSTANCES = ("i1", "i2", "i10")
BOUNDS = ("0.005", "0.05", "0.1", "0.5", "1", "2.5", "10", "+Inf")

# name -> (labels with their values, kind of values). What expressions choose from: chance_query.py.
METRICS = {
    "requests_total": ({"job": JOBS, "instance": INSTANCES, "code": ("200", "404", "500")}, "counter"),
    "errors_total": ({"job": JOBS, "instance": INSTANCES}, "count"),
    "cpu_seconds_total": ({"instance": INSTANCES, "mode": ("idle", "user", "system"), "cpu": ("0", "1")}, "counter"),
    "memory_bytes": ({"job": JOBS, "instance": INSTANCES}, "walk"),
    "temperature": ({"instance": INSTANCES, "sensor": ("a", "b")}, "walk"),
    "queue_length": ({"job": JOBS, "instance": INSTANCES}, "small"),
    "level": ({"job": JOBS, "instance": ("i1", "i2")}, "special"),
    "up": ({"job": JOBS, "instance": INSTANCES}, "flag"),
    "magnitude": ({"job": JOBS, "instance": INSTANCES}, "wild"),
    "started_seconds": ({"job": JOBS}, "stamp"),
    "constant": ({"instance": INSTANCES}, "constant"),
    "sparse": ({"instance": INSTANCES}, "sparse"),
    "my.metric": ({"my.label": ("é", "b"), "job": JOBS}, "walk"),
}
HISTOGRAMS = {
    "latency_seconds": {"job": JOBS, "instance": ("i1", "i2")},
    "size_bytes": {"instance": INSTANCES},
}
INFOS = {
    "target_info": {"version": ("1.0", "1.1"), "zone": ("eu", "us")},
    "build_info": {"revision": ("a1", "b2")},
}


def combinations(dimensions):
    """Every label set of a table of labels and their values."""
    sets = [{}]
    for name, values in dimensions.items():
        sets = [{**one, name: value} for one in sets for value in values]
    return sets


# --- times ----------------------------------------------------------------------------------------------------


def times_of(dice):
    """Ascending milliseconds in [START_MS, END_MS]: regular, jittered or irregular, at several intervals."""
    interval = dice.choices((15_000, 5_000, 30_000, 60_000), (10, 1, 3, 2))[0]
    style = dice.choices(("aligned", "phase", "jitter", "irregular"), (5, 3, 4, 1))[0]
    at = START_MS if style == "aligned" else START_MS + dice.randrange(interval)
    begins = START_MS + (0 if dice.random() < 0.8 else dice.randrange(SPAN_MS // 2))
    ends = END_MS - (0 if dice.random() < 0.85 else dice.randrange(SPAN_MS // 2))
    times = []
    while at <= ends:
        shift = dice.choice((0, 1, -1, 3, -7, 40, -250, 900)) if style == "jitter" else 0
        if at + shift >= begins and (not times or at + shift > times[-1]):
            times.append(at + shift)
        at += interval if style != "irregular" else 1 + int(dice.expovariate(1 / interval))
    return times


def holes(dice, times):
    """Spans of minutes without samples; True for those that a stale mark begins."""
    return [(start, start + dice.randrange(30_000, 900_000), dice.random() < 0.6)
            for start in dice.sample(times, min(len(times), dice.choices((0, 1, 2, 4), (5, 3, 2, 1))[0]))]


def with_holes(dice, samples):
    spans = holes(dice, [at for at, _ in samples]) if samples else []
    kept = []
    for at, value in samples:
        inside = [span for span in spans if span[0] <= at < span[1]]
        if not inside:
            kept.append((at, value))
        elif inside[0][2] and (not kept or kept[-1][1] != STALE):
            kept.append((at, STALE))
    if kept and dice.random() < 0.1:
        kept[-1] = (kept[-1][0], STALE)
    return kept


# --- values ---------------------------------------------------------------------------------------------------


def counter(dice, n):
    value, slope, resets = dice.choice((0.0, dice.uniform(0, 1e6))), dice.choice((0.01, 3, 5e5)), dice.random() < 0.5
    for _ in range(n):
        yield value
        value = dice.choice((0.0, dice.uniform(0, slope))) if resets and dice.random() < 0.02 else (
            value + dice.choice((0, dice.uniform(0, slope), slope)))


def count(dice, n):
    value, pace, resets = float(dice.randrange(1000)), dice.choice((1, 3, 100)), dice.random() < 0.4
    for _ in range(n):
        yield value
        value = float(dice.randrange(3)) if resets and dice.random() < 0.02 else value + dice.randrange(pace + 1)


def walk(dice, n):
    value = dice.choice((0.0, 20.0, 4e9, -3.0))
    step = max(abs(value), 1) * dice.choice((1e-3, 0.1))
    for _ in range(n):
        yield value
        value += dice.gauss(0, step)


def small(dice, n):
    most = dice.choice((2, 4, 50))
    return (float(dice.randrange(most)) for _ in range(n))


def special(dice, n):
    odd = (math.nan, math.inf, -math.inf, 0.0, -0.0)
    share = dice.choice((0.02, 0.2, 0.9))
    return (dice.choice(odd) if dice.random() < share else dice.gauss(0, 10) for _ in range(n))


def wild(dice, n):
    low, high = dice.choice(((-5, 5), (-30, 30), (-323, 308), (300, 308.2)))
    sign = dice.choice((1, 1, -1, 0))
    for _ in range(n):
        yield (sign or dice.choice((1, -1))) * min(10 ** dice.uniform(low, high), 1.7976931348623157e308)


def flag(dice, n):
    share = dice.choice((0.0, 0.05, 0.5))
    return (0.0 if dice.random() < share else 1.0 for _ in range(n))


def stamp(dice, n):
    value = START_MS / 1000 - dice.randrange(10**8)
    for _ in range(n):
        yield value
        if dice.random() < 0.05:
            value += dice.uniform(0, 1e7)


def constant(dice, n):
    return [dice.choice((0.0, 1.0, -1.5, 0.1, 7.0, 1e15))] * n


VALUES = {"counter": counter, "count": count, "walk": walk, "small": small, "special": special, "wild": wild,
          "flag": flag, "stamp": stamp, "constant": constant, "sparse": walk}


# --- series ---------------------------------------------------------------------------------------------------


def histogram(dice, name, labels):
    """_bucket, _count and _sum of one classic histogram; a few lack +Inf, fall, or have a bound that is no number."""
    times = times_of(dice)
    bounds = list(BOUNDS)
    if dice.random() < 0.1:
        bounds.remove("+Inf")
    if dice.random() < 0.1:
        bounds[dice.randrange(len(bounds))] = dice.choice(("many", "1.0", "-1", "1e3", "0.10"))
    resets, falls = dice.random() < 0.4, dice.random() < 0.15
    counts, total, rows = [0] * len(bounds), 0.0, []
    for _ in times:
        if resets and dice.random() < 0.01:
            counts, total = [0] * len(bounds), 0.0
        for _ in range(dice.choice((0, 0, 1, 5, 30))):
            seconds = dice.lognormvariate(-2, 1.7)
            total += seconds
            at = next((i for i, bound in enumerate(BOUNDS) if seconds <= float(bound)), 0)
            counts[min(at, len(counts) - 1)] += 1
        sums = [float(sum(counts[: i + 1])) for i in range(len(counts))]
        if falls and dice.random() < 0.2:
            sums[dice.randrange(len(sums))] += dice.choice((-3, 2, 1e-9))
        rows.append((sums, total))
    for i, bound in enumerate(bounds):
        yield {"__name__": name + "_bucket", "le": bound, **labels}, list(zip(times, (r[0][i] for r in rows)))
    yield {"__name__": name + "_count", **labels}, list(zip(times, (r[0][-1] for r in rows)))
    yield {"__name__": name + "_sum", **labels}, list(zip(times, (r[1] for r in rows)))


def plain(dice, name, labels, kind):
    times = times_of(dice)
    if kind == "sparse":
        times = sorted(dice.sample(times, min(len(times), dice.randrange(1, 5))))
    values = list(VALUES[kind](dice, len(times)))
    return {"__name__": name, **labels}, with_holes(dice, list(zip(times, values)))


def info(dice, name, dimensions):
    """One or two a target; a second one takes over half way, as after a new release."""
    for target in combinations({"job": JOBS, "instance": INSTANCES}):
        times = times_of(dice)
        data = {label: dice.choice(values) for label, values in dimensions.items()}
        turn = times[len(times) // 2] if dice.random() < 0.3 else END_MS + 1
        yield {"__name__": name, **target, **data}, [(at, 1.0) for at in times if at < turn]
        if turn <= END_MS:
            other = {label: dice.choice(values) for label, values in dimensions.items()}
            if other != data:
                yield {"__name__": name, **target, **other}, [(at, 1.0) for at in times if at >= turn]


def series(dice):
    """All of them: (labels, [(ms, value or bits)])."""
    found = []
    for name, (dimensions, kind) in METRICS.items():
        found += [plain(dice, name, labels, kind) for labels in combinations(dimensions) if dice.random() < 0.93]
    for name, dimensions in HISTOGRAMS.items():
        for labels in combinations(dimensions):
            found += histogram(dice, name, labels)
    for name, dimensions in INFOS.items():
        found += info(dice, name, dimensions)
    return [(labels, samples) for labels, samples in found if samples]


def send(servers, dice, change=list):
    """The same series to every server, a slice of time after the other; returns how many samples that were. change: of
    the series, before."""
    everything, n = list(change(series(dice))), 0
    for start in range(START_MS - SLICE_MS, END_MS + SLICE_MS, SLICE_MS):
        rows = []
        for labels, samples in everything:
            part = [(at, value) for at, value in samples if start <= at < start + SLICE_MS]
            if part:
                rows.append((labels, part))
                n += len(part)
        for server in servers if rows else ():
            server.write_ok(*rows)
    return n
