"""Expressions by chance over the series of chance_series.py, in the part of PromQL that 3.5 has, with weights so that
most find something. An expression is a tree of nodes, so that a smaller one with the same fault can be looked for by
leaving out subtrees. A few are wrong on purpose: errors have texts as well."""

import math

from chance_series import END_MS, HISTOGRAMS, INFOS, METRICS, START_MS

VECTOR, SCALAR, MATRIX = "vector", "scalar", "matrix"


class Node:
    """A piece of an expression: texts and nodes that stand one after another. A text in a list may be left out."""

    is_spoilt = False

    def __init__(self, kind, *pieces):
        self.kind = kind
        self.pieces = pieces

    def __str__(self):
        return "".join(piece[0] if isinstance(piece, list) else str(piece) for piece in self.pieces)

    def nodes(self):
        """All below it."""
        for piece in self.pieces:
            if isinstance(piece, Node):
                yield piece
                yield from piece.nodes()

    def smaller(self):
        """Trees that have a part less, the smallest first."""
        inner = [node for node in self.nodes() if node.kind == self.kind]
        yield from sorted(inner, key=lambda node: len(str(node)))
        for i, piece in enumerate(self.pieces):
            before, after = self.pieces[:i], self.pieces[i + 1 :]
            if isinstance(piece, list):
                yield Node(self.kind, *before, *after)
            elif isinstance(piece, Node):
                for other in piece.smaller():
                    yield Node(self.kind, *before, other, *after)


class Writer:
    """Writes expressions with `dice`."""

    def __init__(self, dice):
        self.dice = dice

    def pick(self, **weights):
        return self.dice.choices(list(weights), list(weights.values()))[0]

    def some(self, share, text):
        return [text] if self.dice.random() < share else [""]

    # --- selectors --------------------------------------------------------------------------------------------

    def matcher(self, name, values):
        dice, one = self.dice, self.dice.choice(values)
        name = name if name.isidentifier() else f'"{name}"'
        forms = (f'{name}="{one}"', f'{name}!="{one}"', f'{name}=~"{one}|{dice.choice(values)}"', f'{name}!~"{one}"',
                 f'{name}=~"{one[0]}.*"', f'{name}=~".+"', f'{name}!=""', f'{name}=~"(?i:{one.upper()})"',
                 f'{name}!~".*{one[-1]}"', f'{name}=""', f'{name}=~"{one}|"')
        return dice.choices(forms, (8, 4, 4, 3, 3, 2, 1, 1, 1, 0.3, 0.5))[0]

    def choose(self, kind):
        """A name and its labels; kind: counter, gauge, any."""
        counters = ["requests_total", "errors_total", "cpu_seconds_total", "latency_seconds_count"]
        gauges = ["memory_bytes", "temperature", "queue_length", "level", "up", "magnitude", "started_seconds",
                  "constant", "sparse", "my.metric"]
        names = {"counter": counters, "gauge": gauges}.get(kind, counters + gauges)
        name = self.dice.choice(names)
        if kind == "any" and self.dice.random() < 0.1:
            name = self.dice.choice([h + end for h in HISTOGRAMS for end in ("_bucket", "_sum", "_count")] + list(INFOS))
        if kind == "no info" and self.dice.random() < 0.1:
            name = self.dice.choice(list(HISTOGRAMS)) + "_sum"
        return name, labels_of(name)

    def selector(self, kind="any", with_modifiers=True):
        name, labels = self.choose(kind)
        matchers = [self.matcher(label, labels[label]) for label in self.dice.sample(
            list(labels), min(len(labels), self.dice.choices((0, 1, 2), (5, 4, 1))[0]))]
        if self.dice.random() < 0.04:
            other = self.choose(kind)[0]
            text = "{" + ",".join([f'__name__=~"{name}|{other}"', *matchers]) + "}"
        elif not name.isidentifier() or self.dice.random() < 0.03:
            text = "{" + ",".join([f'"{name}"', *matchers]) + "}"
        elif self.dice.random() < 0.01:
            text = "nothing"
        else:
            text = name + ("{" + ",".join(matchers) + "}" if matchers else "")
        modifiers = self.modifiers() if with_modifiers else [""]
        return Node(VECTOR, text, modifiers)

    def modifiers(self):
        dice = self.dice
        offset = dice.choice(("5m", "-1m", "30s", "1h", "17", "0.5", "-7.25", "(1m + 30s)", "-(2 * 20s)", "5m30s"))
        at = dice.choice(("start()", "end()", str((START_MS + dice.randrange(END_MS - START_MS)) / 1000)))
        texts = ["", f" offset {offset}", f" @ {at}", f" @ {at} offset {offset}", f" offset {offset} @ {at}"]
        return [dice.choices(texts, (80, 8, 6, 2, 1))[0]]

    def length(self):
        return self.dice.choices(
            ("5m", "1m", "2m", "30s", "15s", "10m", "1h", "61s", "300", "45.5", "1m + 30s", "2 * 90s", "10m - 7s", "1ms",
             "5m ^ 1", "1h % 7m", "(3m)", "1d"),
            (30, 10, 8, 5, 2, 8, 4, 2, 2, 1, 1, 1, 1, 0.3, 0.3, 0.3, 0.3, 1))[0]

    def matrix(self, depth, kind="any"):
        if depth > 0 and self.dice.random() < 0.15:
            inner = self.vector(depth - 1)
            step = self.dice.choice(("", "1m", "30s", "15s", "17s", "100", "2m + 3s", "7.5"))
            length = self.dice.choice(("5m", "10m", "2m", "30m", "90s"))
            return Node(MATRIX, "(", inner, ")[", length, ":", step, "]", self.modifiers())
        return Node(MATRIX, self.selector(kind, False), f"[{self.length()}]", self.modifiers())

    # --- scalars ----------------------------------------------------------------------------------------------

    def number(self):
        return self.dice.choices(
            ("1", "0", "2", "0.5", "-1", "3", "10", "1e3", "-0.5", "Inf", "-Inf", "NaN", "0x1F", "1_000", "1e-9", "5m", "100"),
            (8, 4, 6, 6, 3, 3, 4, 2, 2, 1, 1, 1, 0.5, 0.5, 1, 0.5, 3))[0]

    def scalar(self, depth, literal=0.7):
        if depth <= 0 or self.dice.random() < literal:
            return Node(SCALAR, self.number())
        form = self.pick(of=4, time=3, pi=1, arithmetic=4, compare=1, minus=1, paren=1)
        inner = lambda: self.scalar(depth - 1)  # noqa: E731
        if form == "of":
            return Node(SCALAR, "scalar(", self.vector(depth - 1), ")")
        if form == "arithmetic":
            return Node(SCALAR, "(", inner(), f" {self.dice.choice(('+', '-', '*', '/', '%', '^', 'atan2'))} ", inner(), ")")
        if form == "compare":
            return Node(SCALAR, "(", inner(), f" {self.dice.choice(('==', '!=', '<', '>', '<=', '>='))} bool ", inner(), ")")
        if form == "minus":
            return Node(SCALAR, "-", inner())
        if form == "paren":
            return Node(SCALAR, "(", inner(), ")")
        return Node(SCALAR, "time()" if form == "time" else "pi()")

    def phi(self):
        return self.dice.choices(("0.5", "0.9", "0.99", "0", "1", "0.25", "-1", "2", "NaN"), (8, 6, 4, 2, 2, 2, 1, 1, 1))[0]

    # --- vectors ----------------------------------------------------------------------------------------------

    def vector(self, depth):
        if depth <= 0:
            return self.selector()
        form = self.pick(leaf=10, over=24, aggregate=20, pair=14, with_scalar=9, sets=6, math=7, labels=4, histogram=6,
                         of_some=5, dates=2, absent=2, sort=1.5, scalars=1.5, info=2, unary=2, paren=1, clamp=2, time=2)
        return getattr(self, "write_" + form)(depth)

    def write_leaf(self, depth):
        return self.selector()

    def write_over(self, depth):
        """A function of a range."""
        if self.dice.random() < 0.45:
            name = self.dice.choices(("rate", "increase", "irate", "resets"), (10, 5, 3, 1))[0]
            return Node(VECTOR, name + "(", self.matrix(depth, "counter"), ")")
        gauges = ("avg_over_time", "sum_over_time", "min_over_time", "max_over_time", "count_over_time", "last_over_time",
                  "stddev_over_time", "stdvar_over_time", "present_over_time", "mad_over_time", "ts_of_max_over_time",
                  "ts_of_min_over_time", "ts_of_last_over_time", "delta", "idelta", "deriv", "changes", "resets", "rate",
                  "increase", "irate", "absent_over_time", "QUANTILE", "PREDICT", "SMOOTH")
        name = self.dice.choice(gauges)
        inner = self.matrix(depth)
        if name == "QUANTILE":
            parameter = self.phi() if self.dice.random() < 0.8 else self.scalar(depth - 1, 0)
            return Node(VECTOR, "quantile_over_time(", parameter, ", ", inner, ")")
        if name == "PREDICT":
            return Node(VECTOR, "predict_linear(", inner, ", ", self.scalar(depth - 1, 0.9), ")")
        if name == "SMOOTH":
            factors = self.dice.choices(("0.5, 0.5", "0.1, 0.9", "0.01, 0.3", "0, 0.5", "0.5, 1"), (9, 9, 9, 1, 1))[0]
            return Node(VECTOR, "double_exponential_smoothing(", inner, f", {factors})")
        return Node(VECTOR, name + "(", inner, ")")

    def label_list(self, at_least=0):
        names = ["job", "instance", "code", "mode", "le", "cpu", "sensor", "version", '"my.label"', "__name__", "none"]
        weights = (10, 10, 3, 2, 2, 1, 1, 1, 0.5, 1, 0.5)
        n = max(at_least, self.dice.choices((0, 1, 2, 3), (1, 6, 4, 1))[0])
        chosen = []
        while len(chosen) < n:
            name = self.dice.choices(names, weights)[0]
            if name not in chosen:
                chosen.append(name)
        return ", ".join(chosen)

    def grouping(self):
        word = self.dice.choices(("", " by ", " without "), (3, 6, 2))[0]
        return [f"{word}({self.label_list()})" if word else ""]

    def write_aggregate(self, depth):
        name = self.dice.choices(("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile", "count_values"),
                                 (10, 6, 4, 4, 4, 1, 2, 2, 3, 1))[0]
        inner, grouping = self.vector(depth - 1), self.grouping()
        parameter = ""
        if name == "quantile":
            parameter = self.phi() + ", " if self.dice.random() < 0.8 else Node(SCALAR, self.scalar(depth - 1, 0), ", ")
        elif name == "count_values":
            parameter = self.dice.choice(('"v", ', '"job", ', '"my.v", '))
        if self.dice.random() < 0.3:
            return Node(VECTOR, name, "(", parameter, inner, ")", grouping)
        return Node(VECTOR, name, grouping, "(", parameter, inner, ")")

    def write_of_some(self, depth):
        name = self.dice.choices(("topk", "bottomk", "limitk", "limit_ratio"), (5, 4, 1, 1))[0]
        parameter = self.dice.choices(("3", "1", "0", "5", "100", "-1"), (8, 6, 1, 4, 1, 0.5))[0]
        if name == "limit_ratio":
            parameter = self.dice.choices(("0.5", "-0.5", "0.1", "1", "0", "1.5", "-2"), (4, 4, 2, 1, 1, 0.5, 0.5))[0]
        elif self.dice.random() < 0.15:
            parameter = Node(SCALAR, "((", self.scalar(depth - 1, 0.3), ") % 7)")
        return Node(VECTOR, name, self.grouping(), "(", parameter, ", ", self.vector(depth - 1), ")")

    def operator(self, with_filters=True):
        arithmetic, compare = ("+", "-", "*", "/", "%", "^", "atan2"), ("==", "!=", ">", "<", ">=", "<=")
        if not with_filters or self.dice.random() < 0.65:
            return self.dice.choices(arithmetic, (5, 5, 5, 6, 2, 1, 1))[0]
        return self.dice.choice(compare) + (" bool" if self.dice.random() < 0.35 else "")

    def operand(self, inner):
        return inner if self.dice.random() < 0.12 else Node(inner.kind, "(", inner, ")")

    def write_pair(self, depth):
        """Two vectors, most of the time such that match."""
        form = self.pick(siblings=6, grouped=4, many=5, any=3)
        operator = self.operator()
        if form == "siblings":
            selector = self.selector("any", False)
            make = lambda: self.dice.choice((  # noqa: E731
                Node(VECTOR, selector), Node(VECTOR, "rate(", selector, f"[{self.length()}])"),
                Node(VECTOR, "avg_over_time(", selector, f"[{self.length()}])"), Node(VECTOR, selector, " offset 1m"),
                Node(VECTOR, "max_over_time(", selector, "[5m])"), Node(VECTOR, "abs(", selector, ")")))
            return Node(VECTOR, self.operand(make()), f" {operator} ", self.operand(make()))
        if form == "grouped":
            by = f" by ({self.label_list(1)})"
            sides = [Node(VECTOR, self.dice.choice(("sum", "avg", "max", "count")) + by + "(", self.vector(depth - 1), ")")
                     for _ in range(2)]
            return Node(VECTOR, sides[0], f" {operator} ", sides[1])
        if form == "many":
            on = self.dice.choice(("job", "instance", "job, instance"))
            extra = self.dice.choices(("", "version", "zone, version", "job", "none"), (8, 1, 1, 0.5, 0.5))[0]
            one = Node(VECTOR, f"{self.dice.choice(('sum', 'max', 'avg'))} by ({on})(", self.vector(depth - 1), ")")
            if self.dice.random() < 0.3:
                one = Node(VECTOR, self.dice.choice(("target_info", "errors_total", "up", "build_info")))
            many = self.operand(self.vector(depth - 1))
            if self.dice.random() < 0.5:
                return Node(VECTOR, many, f" {operator} on ({on}) group_left ({extra}) ", one)
            return Node(VECTOR, one, f" {operator} on ({on}) group_right ({extra}) ", many)
        matching = self.dice.choice(("", f" on ({self.label_list()})", f" ignoring ({self.label_list()})",
                                     f" ignoring ({self.label_list(1)}) group_left", f" on ({self.label_list(1)}) group_right"))
        return Node(VECTOR, self.operand(self.vector(depth - 1)), f" {operator}{matching} ", self.operand(self.vector(depth - 1)))

    def write_with_scalar(self, depth):
        sides = [self.operand(self.vector(depth - 1)), self.operand(self.scalar(depth - 1))]
        if self.dice.random() < 0.3:
            sides.reverse()
        return Node(VECTOR, sides[0], f" {self.operator()} ", sides[1])

    def write_sets(self, depth):
        matching = self.dice.choices(("", f" on ({self.label_list()})", f" ignoring ({self.label_list()})"), (5, 3, 2))[0]
        word = self.dice.choices(("and", "or", "unless"), (3, 4, 3))[0]
        left = self.vector(depth - 1)
        right = left if self.dice.random() < 0.15 else self.vector(depth - 1)
        return Node(VECTOR, self.operand(left), f" {word}{matching} ", self.operand(right))

    def write_math(self, depth):
        names = ("abs", "ceil", "floor", "exp", "sqrt", "ln", "log2", "log10", "sgn", "sin", "cos", "tan", "asin", "acos",
                 "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "deg", "rad", "round")
        name = self.dice.choice(names)
        extra = ", " + self.dice.choice(("0.1", "5", "0.3", "10", "0", "-1")) if name == "round" and self.dice.random() < 0.6 else ""
        return Node(VECTOR, name + "(", self.vector(depth - 1), [extra], ")")

    def write_clamp(self, depth):
        name = self.dice.choice(("clamp", "clamp_min", "clamp_max"))
        extra = Node(SCALAR, ", ", self.scalar(depth - 1, 0.9)) if name == "clamp" else ""
        return Node(VECTOR, name + "(", self.vector(depth - 1), ", ", self.scalar(depth - 1, 0.9), extra, ")")

    def write_labels(self, depth):
        inner = self.vector(depth - 1)
        if self.dice.random() < 0.35:
            sources = ", ".join(f'"{n}"' for n in self.dice.sample(("job", "instance", "code", "none", "mode"), 2))
            target = self.dice.choice(("joined", "job", "my.joined", "__name__"))
            return Node(VECTOR, "label_join(", inner, f', "{target}", "{self.dice.choice("-,/")}", {sources})')
        target = self.dice.choices(("new", "job", "instance", "__name__", "my.new", "le"), (8, 2, 2, 1, 1, 0.3))[0]
        source = self.dice.choices(("job", "instance", "__name__", "none", "code", ""), (6, 6, 2, 1, 2, 0.5))[0]
        new = self.dice.choice(("$1", "x-$1", "${1}y", "fixed", "", "$1y", "$2", "$$", "${none}", "é$1"))
        pattern = self.dice.choice(("(.*)", "(.)(.*)", "i(.+)", ".*", "", "(a|d).*", "(?P<none>.*)1", "no"))
        return Node(VECTOR, "label_replace(", inner, f', "{target}", "{new}", "{source}", "{pattern}")')

    def write_histogram(self, depth):
        name = self.dice.choice(list(HISTOGRAMS))
        labels = labels_of(name + "_bucket")
        matcher = "{" + self.matcher("instance", labels["instance"]) + "}" if self.dice.random() < 0.4 else ""
        selector = Node(VECTOR, name + "_bucket", [matcher])
        form = self.pick(plain=3, rate=4, sums=6, other=1)
        if form == "rate":
            selector = Node(VECTOR, self.dice.choice(("rate", "increase")) + "(", selector, f"[{self.length()}])")
        elif form == "sums":
            by = self.dice.choice((" by (le)", " by (le, job)", " by (instance, le)", " without (instance)", " by (job)"))
            selector = Node(VECTOR, f"sum{by}(rate(", selector, f"[{self.length()}]))")
        elif form == "other":
            selector = self.vector(depth - 1)
        if self.dice.random() < 0.3:
            bounds = self.dice.choices(("0.05, 0.5", "0.1, +Inf", "0.5, 0.1", "0.01, NaN", "0.07, 3", "0, 0.1", "-1, 0.07"),
                                      (6, 3, 1, 1, 4, 0.5, 0.5))[0]
            return Node(VECTOR, f"histogram_fraction({bounds}, ", selector, ")")
        parameter = self.phi() if self.dice.random() < 0.9 else self.scalar(depth - 1, 0)
        return Node(VECTOR, "histogram_quantile(", parameter, ", ", selector, ")")

    def write_dates(self, depth):
        name = self.dice.choice(("minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"))
        if self.dice.random() < 0.3:
            return Node(VECTOR, name + "()")
        inner = Node(VECTOR, "started_seconds") if self.dice.random() < 0.6 else self.vector(depth - 1)
        return Node(VECTOR, name + "(", inner, ")")

    def write_absent(self, depth):
        return Node(VECTOR, "absent(", self.selector() if self.dice.random() < 0.5 else self.vector(depth - 1), ")")

    def write_sort(self, depth):
        name = self.dice.choice(("sort", "sort_desc", "sort_by_label", "sort_by_label_desc"))
        extra = self.dice.choice((', "instance"', ', "job", "instance"', ', "none"')) if "label" in name else ""
        return Node(VECTOR, name + "(", self.vector(depth - 1), extra + ")")

    def write_scalars(self, depth):
        return Node(VECTOR, "vector(", self.scalar(depth - 1, 0.3), ")")

    def write_info(self, depth):
        """Not of info series: of those Prometheus makes nothing at all when the second argument has no name."""
        extra = self.dice.choice(("", "", ', {version=~".+"}', ', {zone="eu"}', ', {__name__="build_info"}',
                                  ', {__name__=~".+_info"}', ', {zone=~"eu|"}'))
        inner = self.selector("no info")
        if self.dice.random() < 0.4:
            inner = Node(VECTOR, "rate(", self.matrix(0, "counter"), ")")
        return Node(VECTOR, "info(", inner, extra + ")")

    def write_unary(self, depth):
        return Node(VECTOR, self.dice.choice(("-", "-", "+")), self.operand(self.vector(depth - 1)))

    def write_paren(self, depth):
        return Node(VECTOR, "(", self.vector(depth - 1), ")")

    def write_time(self, depth):
        inner = self.selector() if self.dice.random() < 0.7 else self.vector(depth - 1)
        return Node(VECTOR, "timestamp(", inner, ")")

    # --- whole ones -------------------------------------------------------------------------------------------

    def expression(self):
        """A tree; of one in thirty the text was spoilt, which leaves a single node."""
        depth = self.dice.choices((1, 2, 3, 4), (3, 4, 3, 1))[0]
        form = self.dice.random()
        if form < 0.94:
            tree = self.vector(depth)
        elif form < 0.98:
            tree = self.scalar(depth, 0.1)
        else:
            tree = self.matrix(depth)
        if self.dice.random() >= 1 / 30:
            return tree
        tree = Node(tree.kind, self.spoilt(str(tree)))
        tree.is_spoilt = True
        return tree

    def spoilt(self, text):
        """A text with a letter too few or too many, or two swapped."""
        at = self.dice.randrange(len(text))
        letter = self.dice.choice("(){}[],:=~!<>+-*/%^@\"'`#0x. a")
        return self.dice.choice((text[:at] + text[at + 1 :], text[:at] + letter + text[at:], text[:at] + letter + text[at + 1 :],
                                 text[:at], text[at:]))


def labels_of(name):
    for base, dimensions in HISTOGRAMS.items():
        if name.startswith(base):
            return {**dimensions, **({"le": ("0.1", "0.5", "1", "+Inf")} if name.endswith("_bucket") else {})}
    if name in INFOS:
        return {"job": METRICS["up"][0]["job"], "instance": METRICS["up"][0]["instance"], **INFOS[name]}
    return METRICS[name][0]


def instant(dice):
    """Parameters of an instant query: often on a sample's time or just beside it."""
    at = START_MS + dice.randrange(END_MS - START_MS + 400_000)
    style = dice.random()
    if style < 0.4:
        at -= at % 15_000
    elif style < 0.5:
        at -= at % 15_000 - dice.choice((1, -1, 5))
    params = {"time": at / 1000}
    if dice.random() < 0.05:
        params["lookback_delta"] = dice.choice(("15s", "1m", "14.999", "1h", "1ms"))
    return params


def span(dice):
    """Parameters of a range query of up to 60 steps."""
    step = dice.choices((15, 60, 30, 300, 13.7, 1, 0.25, 1000), (8, 6, 4, 3, 2, 2, 0.5, 0.5))[0]
    n = dice.randrange(1, 60)
    start = START_MS / 1000 + dice.uniform(-300, (END_MS - START_MS) / 1000)
    if dice.random() < 0.6:
        start = math.floor(start / 15) * 15
    params = {"start": round(start, 3), "end": round(start + n * step, 3), "step": step}
    if dice.random() < 0.05:
        params["lookback_delta"] = dice.choice(("15s", "1m", "1h"))
    return params
