"""Random expressions over random series (chance_query.py, chance_series.py), asked of hourglass and of a real Prometheus
(3.5.3) that have the same samples, at an instant and over ranges, in both modes of name removal. Values must agree
within 1e-12, and labels, errors and notes to the letter (agreement.py).

    make diff-prometheus                 20,000 comparisons; N=500 is for a quick look
    SEED=7 make diff-prometheus          the same again; AT=delayed:123 asks that one alone, as do SEED and AT that a
                                         line names

When the two do not agree, Prometheus is asked again: an answer that it does not give twice is its own chance (the order
of a map decides about the last digit of a sum, and about who of equals is among the top), which is counted and listed.
What differs by design is recognised by the functions of BY_DESIGN. The rest fails, with the expression made as small as it gets."""

import collections
import http.client
import os
import random
import re
import threading
import time
import urllib.parse

import chance_query
import chance_series
from agreement import CLOSE, OTHER, SAME, Reply, compare
from hg import FORM, PEERS, Hourglass, Prometheus, Skip

FEATURES = "promql-experimental-functions,promql-duration-expr"
MODES = {"immediate": FEATURES, "delayed": FEATURES + ",promql-delayed-name-removal"}
WORKERS = 3
REPEATS = 12  # how often Prometheus is asked before an answer of its own counts as certain
SMALLER = 150  # trees that are tried to make one smaller
CHANCE, DESIGN = "its own chance", "by design"
N_SHORT = 8000  # half a minute


# --- what differs by design: tsdb/promql/README.md, "Known differences" -----------------------------------------


def duplicate_match(text, ours, theirs):
    """A second series of a one-to-one match, which a comparison filters out."""
    said = "multiple matches for labels"
    return said in (ours.error[1] or "") and said not in (theirs.error[1] or "")


def merged_labels(text, ours, theirs):
    """Series that never have a point at one time are put together by label_replace, by label_join, and where delayed
    names are dropped."""
    return ours.code == 200 and ours.type == "matrix" and "same labelset" in (theirs.error[1] or "")


def parameter_nan(text, ours, theirs):
    """topk(NaN, ..) is an error in the words of main, and as there none when no other k is 1 or more."""
    return theirs.error[1] == "Scalar value NaN overflows int64" or ours.error[1] == "Parameter value is NaN"


def first_bucket(text, ours, theirs):
    """histogram_fraction knows that the first bucket begins at zero."""
    return bool(re.search(r"histogram_fraction\((?!0\.05, |0\.1, |0\.5, |0\.01, |0\.07, )", text))


def median_of_nan(text, ours, theirs):
    """mad_over_time of a window with NaN in it is NaN."""
    return "mad_over_time" in text and any(name in text for name in ("level", "magnitude", ")[")) and theirs.code == 200


def dropped_name(text, ours, theirs):
    """last_over_time of a subquery does not bring a dropped name back."""
    return bool(re.search(r"last_over_time\(\(.*\)\[", text))


def offset_in_parentheses(text, ours, theirs):
    """It ends at its parenthesis, where 3.5 goes on reading."""
    return bool(re.search(r"offset -?\(", text)) and "parse error" in (theirs.error[1] or "")


def infinite_duration(text, ours, theirs):
    """A length that is not a number is an error, and that one is infinite is said."""
    return "duration is NaN or infinite" in (ours.error[1] or "")


def newer_function(text, ours, theirs):
    """start() and its like are names with a parenthesis behind them to 3.5."""
    return bool(re.search(r"\b(start|end|range|step)\(", text)) and 'unexpected "("' in (theirs.error[1] or "")


def parser_gave_up(text, ours, theirs):
    """A fault of its parser."""
    return ours.error[0] == "bad_data" and (theirs.error[1] or "").endswith(": unexpected error")


def order_of_empty(text, ours, theirs):
    """What sort_by_label compares contradicts itself where a label is empty; many series are sorted otherwise."""
    return text.startswith("sort_by_label") and len(ours.result) > 12 and compare("x", ours, theirs)[0] != OTHER


def name_behind_info(text, ours, theirs):
    """info() brings a name back that was to be dropped at the end."""
    return "info(rate(" in text and '"__name__"' in theirs.body.decode()


def named_pair(text, ours, theirs):
    """limitk and limit_ratio leave the order of a heap there: other two of many duplicates are named."""
    group = "found duplicate series for the match group "
    return bool(re.search("limitk|limit_ratio", text)) and all(group in (r.error[1] or "") for r in (ours, theirs))


def name_of_at(text, ours, theirs):
    return (theirs.error[1] or "").replace('"<Item 57400>" ', "") == ours.error[1]


def timestamp_of_both(text, ours, theirs):
    """timestamp() of a selector with @ honours its offset."""
    return bool(re.search(r"timestamp\(+[^()]*( @ [^()]*(\(\))? offset | offset .* @ )", text))


def place_of_operator(text, ours, theirs):
    """Prometheus loses where an operator behind a call stands: inside sum by (a) (..), and when the call ends in start()."""
    place = re.compile(r" 1:\d+: ")
    errors = [place.sub(" ", reply.error[1] or "", 1) for reply in (ours, theirs)]
    about = ("ON and GROUP clause", "bool modifier can only", "must use BOOL modifier")
    return any(words in errors[0] for words in about) and errors[0] == errors[1]


BY_DESIGN = (duplicate_match, merged_labels, parameter_nan, first_bucket, median_of_nan, dropped_name,
             offset_in_parentheses, infinite_duration, newer_function, parser_gave_up,
             order_of_empty, name_behind_info, named_pair, name_of_at, timestamp_of_both, place_of_operator)


# --- asking -----------------------------------------------------------------------------------------------------


class Line:
    """A connection that is kept open."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)

    def send(self, path, body):
        self.connection.request("POST", path, body, {"Content-Type": FORM})

    def receive(self):
        answer = self.connection.getresponse()
        return Reply(answer.status, answer.read())


class Case:
    """One comparison: an expression, and how it is asked. Its dice depend on its place alone."""

    def __init__(self, seed, mode, i):
        dice = random.Random(f"{seed} {mode} {i}")
        self.name = f"{mode}:{i}"
        self.tree = chance_query.Writer(dice).expression()
        self.form = "range" if i % 2 else "instant"
        self.params = chance_query.span(dice) if i % 2 else chance_query.instant(dice)
        if "info(" in str(self.tree):
            self.params.pop("lookback_delta", None)  # Prometheus finds info series by that of other selectors

    @classmethod
    def of(cls, tree, form, params):
        case = cls.__new__(cls)
        case.tree, case.form, case.params = tree, form, params
        return case

    def ask(self, lines, tree=None):
        path = "/api/v1/query_range" if self.form == "range" else "/api/v1/query"
        body = urllib.parse.urlencode({"query": str(tree or self.tree), **self.params}).encode()
        for line in lines:
            line.send(path, body)
        return [line.receive() for line in lines]


class Asker:
    """One of several that ask at the same time."""

    def __init__(self, hourglass, prometheus):
        self.ours, self.theirs = Line(hourglass), Line(prometheus)

    def verdict(self, case, tree=None):
        """(verdict, what differs, ours, theirs)"""
        text = str(tree or case.tree)
        ours, theirs = case.ask((self.ours, self.theirs), tree)
        verdict, what = compare(text, ours, theirs)
        if verdict != OTHER:
            return verdict, what, ours, theirs
        for applies in BY_DESIGN:
            if applies(text, ours, theirs):
                return DESIGN, applies.__name__, ours, theirs
        if "info(" in text and case.form == "range" and self.agree_at_instants(case, text):
            return DESIGN, "info_in_gaps", ours, theirs
        for _ in range(REPEATS):
            (again,) = case.ask((self.theirs,), tree)
            if compare(text, again, theirs)[0] != SAME:
                return CHANCE, what, ours, theirs
        return OTHER, what, ours, theirs

    def agree_at_instants(self, case, text):
        """Both answer the same at single steps of the range: Prometheus mixes series up where info() meets gaps, which an
        instant has not."""
        n = int((case.params["end"] - case.params["start"]) / case.params["step"]) + 1
        for i in range(0, n, max(1, n // 8)):
            at = {"time": round(case.params["start"] + i * case.params["step"], 3)}
            at.update((key, case.params[key]) for key in ("lookback_delta",) if key in case.params)
            single = Case.of(text, "instant", at)
            if self.verdict(single)[0] == OTHER:
                return False
        return True

    def smallest(self, case):
        """The smallest tree found that is still answered differently."""
        tree, tries = case.tree, 0
        while tries < SMALLER:
            for smaller in tree.smaller():
                tries += 1
                if tries >= SMALLER or self.verdict(case, smaller)[0] == OTHER:
                    break
            else:
                return tree
            if tries < SMALLER:
                tree = smaller
        return tree


class Run:
    """What was seen, over all modes."""

    def __init__(self, seed):
        self.seed = seed
        self.lock = threading.Lock()
        self.counts = {}  # (mode, form) to a Counter
        self.own = collections.Counter()  # of Prometheus with itself
        self.listed = collections.defaultdict(list)
        self.broken = []

    def add(self, asker, case, with_itself):
        verdict, what, ours, theirs = asker.verdict(case)
        again = None
        if with_itself:
            again = compare(str(case.tree), case.ask((asker.theirs,))[0], theirs)[0]
        small = asker.smallest(case) if verdict == OTHER else case.tree
        with self.lock:
            counts = self.counts.setdefault((case.name.split(":")[0], case.form), collections.Counter())
            counts["asked"] += 1
            counts[verdict] += 1
            counts["found"] += theirs.is_found
            counts["errors"] += theirs.code != 200
            counts["noted"] += any(theirs.notes)
            if again:
                self.own[again] += 1
            if verdict in (CHANCE, DESIGN, OTHER):
                line = f"SEED={self.seed} AT={case.name} {case.form} {case.params}: {small}\n      {what[:1000]}"
                self.listed[verdict].append(line)
                if verdict == OTHER:
                    print(f"  {line}", flush=True)

    def work(self, asker, cases, with_itself):
        try:
            while True:
                with self.lock:
                    case = next(cases, None)
                if case is None:
                    return
                self.add(asker, case, with_itself)
        except Exception as error:  # a thread's own would be lost
            self.broken.append(f"{case.name} {case.tree}: {error!r}")

    def ask_all(self, servers, cases, with_itself):
        threads = [threading.Thread(target=self.work, args=(Asker(*servers), cases, with_itself)) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def show(self):
        words = ("asked", "found", "errors", "noted", SAME, CLOSE, CHANCE, DESIGN, OTHER)
        print(f"\n  {'':20}" + "".join(f"{word:>15}" for word in words))
        for (mode, form), counts in sorted(self.counts.items()):
            print(f"  {mode + ' ' + form:20}" + "".join(f"{counts[word]:15}" for word in words))
        total = sum(self.counts.values(), collections.Counter())
        print(f"  {'all':20}" + "".join(f"{total[word]:15}" for word in words))
        print(f"  {'of those asked':20}" + "".join(f"{100 * total[word] / total['asked']:14.2f}%" for word in words))
        n = sum(self.own.values())
        if n:
            shares = ", ".join(f"{word} {100 * self.own[word] / n:.2f} %" for word in (SAME, CLOSE, OTHER))
            print(f"  Prometheus with itself, {n} asked twice: {shares}")
        names = collections.Counter(line.split("\n")[1].strip() for line in self.listed[DESIGN])
        if names:
            print("  by design: " + ", ".join(f"{name} {count}" for name, count in names.most_common()))
        for verdict in (CHANCE, DESIGN):
            for line in self.listed[verdict] if os.environ.get("VERBOSE") else ():
                print(f"  {verdict}: {line}")
        return total


def run_modes(n, seed, with_itself):
    at = os.environ.get("AT", "").split(":")
    run = Run(seed)
    for mode, features in MODES.items():
        numbers = range(n // 2) if len(at) < 2 else [int(at[1])] if at[0] == mode else []
        flags = {"storage.clock": "samples", "enable-feature": features}
        with Hourglass(**flags) as hourglass, Prometheus("15s", {}, receives=True, features=features) as prometheus:
            servers = hourglass.start(), prometheus.start()
            chance_series.send(servers, random.Random(seed))
            run.ask_all(servers, (Case(seed, mode, i) for i in numbers), with_itself)
    return run


def test_random_expressions_are_answered_as_prometheus_answers_them():
    if not os.access(os.path.join(PEERS, "prometheus"), os.X_OK):
        raise Skip("prometheus is not there: make peers")
    seed = os.environ.get("SEED") or str(time.time_ns() % 1_000_000)
    n = int(os.environ.get("N") or N_SHORT)
    print(f"  SEED={seed} N={n}", flush=True)
    run = run_modes(n, seed, bool(os.environ.get("TWICE")))
    total = run.show()
    assert not run.broken, run.broken
    assert total[OTHER] == 0, f"SEED={seed}: {total[OTHER]} of {total['asked']} answers differ"
    if "AT" not in os.environ:
        assert total["found"] > total["asked"] * 0.6, "too few expressions find something"
