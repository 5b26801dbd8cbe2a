"""What an older Prometheus can be asked as well: Debian's own is 2.42. SINCE names the constructs of chance_query.py that
it does not know or answers otherwise, with the version that brought them; an expression that has one is written
anew. Its ranges and its lookback are closed on the left, those of 3.0 are open: tame() and odd() see to it that no
sample lies on an edge. It has no notes, other texts of errors, and plain sums: compare with TOLERANCE."""

import re
import subprocess

TOLERANCE = 1e-9  # relative
FULL = (3, 5)     # what all expressions are for

COUNTERS = r"(requests_total|errors_total|cpu_seconds_total|latency_seconds_\w+|size_bytes_\w+)"
LITERAL = r"-?(\d[\d.]*|NaN)"
FLOOR = 1e7  # of counters: far from zero, where rates end at it

# (version, what it is, how it is recognised)
SINCE = [(version, what, re.compile(pattern)) for version, what, pattern in (
    ((2, 49), "mad_over_time, sort_by_label", r"mad_over_time|sort_by_label"),
    ((2, 51), "rate and increase near zero", rf"(rate|increase)\((?!{COUNTERS}[{{\[])"),
    ((2, 54), "sums to the last digit, where it shows",
     r"(?=.*\b(sum|avg|avg_over_time|sum_over_time)\b)(?=.*(\b(sin|cos|tan)\(| % | - |[=<>]))"),
    ((2, 54), "limitk, limit_ratio", r"limitk|limit_ratio"),
    ((2, 54), "durations and underscores in numbers", r"(?<![\[:\w.])(?<!offset )(?<!offset -)\d+[hms]\b|\d_\d"),
    ((2, 54), "numbers as durations", r"\[[\d.]+\]|offset -?[\d.]+(?![\d.]*[hmsd])"),
    ((2, 55), "info", r"\binfo\("),
    ((3, 0), "deviations of what is infinite", r"std(dev|var)"),
    ((3, 0), "names that atan2 drops", r"\batan2\b"),
    ((3, 0), "who of equals is among the top", r"(topk|bottomk)\b"),
    ((3, 0), "slopes of what overflows", r"(deriv|predict_linear).*(magnitude|level)"),
    ((3, 0), "predict_linear from a fixed time", r"predict_linear.*@"),
    ((3, 0), "names in quotes", r'[{(,] ?"|my\.'),
    ((3, 0), "subqueries, at edges of their own", r"\[[^\]]*:"),
    ((3, 0), "edges at odd milliseconds", r"\b1ms\b|@ \d+(?!\.\d\d[13579]\b)"),
    ((3, 0), "double_exponential_smoothing", r"double_exponential_smoothing"),
    ((3, 4), "fractions of classic histograms", r"histogram_fraction"),
    ((3, 4), "expressions as durations", r"\[[^\]]*[-+*/%^(]|offset -?\("),
    ((3, 5), "times of extremes", r"ts_of_"),
    ((3, 5), "parameters that change", rf"quantile( (by|without) \([^()]*\))?\((?!{LITERAL}, )"),
)]


def version_of(program):
    """(3, 5) of "prometheus, version 3.5.3"."""
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", text.stdout + text.stderr)
    return int(found[1]), int(found[2])


def is_known(tree, version):
    """Nor a text that was spoilt: what is an error has changed."""
    if version < FULL and tree.is_spoilt:
        return False
    return not any(version < since and pattern.search(str(tree)) for since, _, pattern in SINCE)


def odd(params):
    """Times at odd milliseconds, and no lookback of its own."""
    moved = {name: value for name, value in params.items() if name != "lookback_delta"}
    for name in ("time", "start", "end"):
        if name in moved:
            moved[name] = (round(moved[name] * 1000) // 2 * 2 + 1) / 1000
    return moved


def tame(series):
    """The same series with samples at even milliseconds, and counters that begin far above zero and never fall."""
    for labels, samples in series:
        is_counter = re.fullmatch(COUNTERS, labels["__name__"])
        kept, most = {}, FLOOR
        for at, value in samples:
            if is_counter and isinstance(value, float):
                value = most = max(most, FLOOR + value)
            kept.setdefault(at // 2 * 2, value)
        yield labels, sorted(kept.items())
