"""Random expressions over random series (chance_query.py, chance_series.py), asked of hourglass and of a real Prometheus
(3.5.3) that have the same samples, at an instant and over ranges, in both modes of name removal. Values must agree
within 1e-12, and labels, errors and notes to the letter (agreement.py).

    make diff-prometheus                 20,000 comparisons; N=500 is for a quick look
    SEED=7 make diff-prometheus          the same again; AT=delayed:123 asks that one alone, as do SEED and AT that a
                                         line names

When the two do not agree, Prometheus is asked again, up to 200 times. When it says something else then (the order of a
map decides about who of equals is among the top, and which ten of many notes are shown) and ours is among what it says, or
made of pieces of it, that is its own chance, which is counted and listed; when ours is not among it, that fails when
it is more than once in a while. Two faults of Prometheus are proved by asking it another question (own_fault). All else
fails, with the expression made as small as it gets.

Where 3.5 is not to be had, Debian's own is asked what it knows as well (chance_old.py); make diff-debian does so anyway."""

import collections
import http.client
import os
import random
import threading
import time
import urllib.parse

import chance_old
import chance_query
import chance_series
from agreement import CLOSE, OTHER, SAME, Reply, are_same_points, compare, is_made_of
from chance_series import METRICS, START_MS
from hg import FORM, PEERS, Hourglass, Prometheus, Skip

FEATURES = "promql-experimental-functions,promql-duration-expr"
MODES = {"immediate": FEATURES, "delayed": FEATURES + ",promql-delayed-name-removal"}
WORKERS = 3
REPEATS = 60  # how often Prometheus is asked before an answer of its own counts as certain,
UNSEEN_SHARE = 5_000  # one of so many may be a chance of more outcomes than MOST shows, as of what limitk takes
MOST = 200  # and how often before one of ours counts as none of its own
SMALLER = 150  # trees that are tried to make one smaller
CHANCE, UNSEEN, FAULT = "its own chance", "chance, unseen", "its own fault"
N_SHORT = 8000  # half a minute


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

    def __init__(self, seed, mode, i, version):
        dice = random.Random(f"{seed} {mode} {i}")
        self.name = f"{mode}:{i}"
        self.tree = chance_query.Writer(dice).expression()
        while not chance_old.is_known(self.tree, version):
            self.tree = chance_query.Writer(dice).expression()
        self.form = "range" if i % 2 else "instant"
        self.params = chance_query.span(dice) if i % 2 else chance_query.instant(dice)
        if version < chance_old.FULL:
            self.params = chance_old.odd(self.params)

    @classmethod
    def of(cls, tree, form, params):
        case = cls.__new__(cls)
        case.tree, case.form, case.params = tree, form, params
        return case

    def moments(self):
        """When it is evaluated, in seconds."""
        if self.form == "instant":
            return [self.params["time"]]
        start, end, step = (self.params[name] for name in ("start", "end", "step"))
        return [round(start + i * step, 3) for i in range(int((end - start) / step + 1e-6) + 1)]

    def ask(self, lines, tree=None):
        path = "/api/v1/query_range" if self.form == "range" else "/api/v1/query"
        body = urllib.parse.urlencode({"query": str(tree or self.tree), **self.params}).encode()
        for line in lines:
            line.send(path, body)
        return [line.receive() for line in lines]


class Asker:
    """One of several that ask at the same time."""

    def __init__(self, hourglass, prometheus, version):
        self.ours, self.theirs = Line(hourglass), Line(prometheus)
        self.is_old = version < chance_old.FULL
        self.terms = {"has_order": False, "tolerance": chance_old.TOLERANCE} if self.is_old else {"has_order": True}

    def ask(self, case, tree, *lines):
        """Of an older Prometheus neither notes nor the texts of errors count."""
        replies = case.ask(lines, tree)
        for reply in replies if self.is_old else ():
            reply.notes, reply.error = ((), ()), (reply.error[0], None)
        return replies

    def verdict(self, case, tree=None):
        """(verdict, what differs, ours, theirs)"""
        ours, theirs = self.ask(case, tree, self.ours, self.theirs)
        verdict, what = compare(ours, theirs, **self.terms)
        if verdict == OTHER:
            verdict, what = self.doubt(case, tree, ours, theirs, what)
        return verdict, what, ours, theirs

    def doubt(self, case, tree, ours, theirs, what):
        """Ours is not what Prometheus said. Does it say something else when it is asked again? Then ours must be among
        what it says."""
        without_order = compare(ours, theirs, **{**self.terms, "has_order": False})
        is_about_order = without_order[0] != OTHER
        terms = {**self.terms, "has_order": is_about_order}
        varies, answers = False, [theirs]
        for n in range(MOST):
            (again,) = self.ask(case, tree, self.theirs)
            answers.append(again)
            if compare(ours, again, **terms)[0] != OTHER:
                return without_order if is_about_order else (CHANCE, what)
            varies = varies or compare(again, theirs, **terms)[0] == OTHER
            if varies and is_about_order:
                return without_order
            if n > REPEATS and not varies:
                break
        if ours.error[0] == "bad_data" and (theirs.error[1] or "").endswith(": unexpected error"):
            return FAULT, "its parser fell over (it says so in its log)"
        fault = self.own_fault(case, tree, ours)
        if fault:
            return FAULT, fault
        if varies:
            return (CHANCE if is_made_of(ours, answers) else UNSEEN), what
        return OTHER, what

    def own_fault(self, case, tree, ours):
        """What is wrong with Prometheus' answer, when it gives ours to another question of the same meaning; else None."""
        text = str(tree or case.tree)
        if "info(" in text and self.is_ours_when_wider(case, text, ours):
            return "info() behind a selector that looks less far back"
        if " @ " in text and "] offset" in text and self.is_ours_begun_elsewhen(case, text, ours):
            return "@ in a subquery with an offset that begins when the query does"
        return None

    def is_ours_when_wider(self, case, text, ours):
        """Prometheus finds info series only as far back as the query's selectors look: an operand that adds nothing but a
        selector changes its answer, and makes it ours."""
        (wider,) = case.ask((self.theirs,), f"({text}) or nothing")
        return compare(ours, wider, has_order=False)[0] != OTHER

    def is_ours_begun_elsewhen(self, case, text, ours):
        """Prometheus is off with @ inside of a subquery by the subquery's offset, when its first step happens to be the
        query's first. So it is asked for each time by itself, by a range that begins a millisecond before; or a millisecond
        later for a matrix, whose times are its own."""
        moments = case.moments()
        if ours.code != 200:
            return False
        for name, at in (("start()", moments[0]), ("end()", moments[-1])):
            text = text.replace(f" @ {name}", f" @ {at:.3f}")
        if ours.type == "matrix" and case.form == "instant":
            (later,) = Case.of(text, "instant", {**case.params, "time": moments[0] + 0.001}).ask((self.theirs,))
            return (later.code, later.type) == (200, "matrix") and are_same_points(ours.points, later.points)
        points = {}
        for at in moments:
            params = {**case.params, "start": f"{at - 0.001:.3f}", "end": f"{at:.3f}", "step": "0.001"}
            (reply,) = Case.of(text, "range", params).ask((self.theirs,))
            points.update((where, value) for where, value in reply.points.items() if abs(where[1] - at) < 0.0005)
        return are_same_points(ours.points, points)

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

    def __init__(self, seed, version):
        self.seed, self.version = seed, version
        self.lock = threading.Lock()
        self.counts = {}  # (mode, form) to a Counter
        self.own = collections.Counter()  # of Prometheus with itself
        self.listed = collections.defaultdict(list)
        self.broken = []

    def add(self, asker, case, with_itself):
        verdict, what, ours, theirs = asker.verdict(case)
        again = None
        if with_itself:
            again = compare(case.ask((asker.theirs,))[0], theirs)[0]
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
            if verdict in (CHANCE, UNSEEN, FAULT, OTHER):
                line = f"SEED={self.seed} AT={case.name} {case.form} {case.params}: {small}\n      {what[:1000]}"
                self.listed[verdict].append(line)
                if verdict in (OTHER, UNSEEN):
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
        threads = [threading.Thread(target=self.work, args=(Asker(*servers, self.version), cases, with_itself)) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def show(self):
        words = ("asked", "found", "errors", "noted", SAME, CLOSE, CHANCE, UNSEEN, FAULT, OTHER)
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
        for verdict in (CHANCE, UNSEEN, FAULT):
            for line in self.listed[verdict] if os.environ.get("VERBOSE") else ():
                print(f"  {verdict}: {line}")
        return total


def run_modes(n, seed, with_itself):
    at = os.environ.get("AT", "").split(":")
    version = chance_old.version_of(os.path.join(PEERS, "prometheus"))
    is_old = version < chance_old.FULL
    print(f"  Prometheus {version[0]}.{version[1]}", flush=True)
    run = Run(seed, version)
    for mode, features in MODES.items():
        if is_old and mode == "delayed":
            continue
        numbers = range(n if is_old else n // 2) if len(at) < 2 else [int(at[1])] if at[0] == mode else []
        flags = {"storage.clock": "samples", "enable-feature": features}
        with Hourglass(**flags) as hourglass, Prometheus("15s", {}, receives=True, features=features) as prometheus:
            servers = hourglass.start(), prometheus.start()
            chance_series.send(servers, random.Random(seed), chance_old.tame if is_old else list)
            run.ask_all(servers, (Case(seed, mode, i, version) for i in numbers), with_itself)
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
    assert total[UNSEEN] <= 2 + total["asked"] / UNSEEN_SHARE, f"SEED={seed}: {total[UNSEEN]} are not among Prometheus' own"
    if "AT" not in os.environ:
        assert total["found"] > total["asked"] * 0.6, "too few expressions find something"


def test_a_fault_of_prometheus_is_told_from_ours():
    """The rarest of them is asked on purpose, or nobody would know that it is still told."""
    if not os.access(os.path.join(PEERS, "prometheus"), os.X_OK):
        raise Skip("prometheus is not there: make peers")
    if chance_old.version_of(os.path.join(PEERS, "prometheus")) < chance_old.FULL:
        raise Skip("this fault has another time in an older Prometheus")
    at = START_MS // 1000 // 60 * 60 + 600
    name = next(iter(METRICS))
    inner = f"({name} @ {at - 100})[5m:1m] offset -4m30s"  # begins at `at`
    cases = [("instant", f"sum_over_time({inner})"), ("instant", inner), ("range", f"sum_over_time({inner})")]
    params = {"instant": {"time": at}, "range": {"start": at, "end": at + 180, "step": 60}}
    with Hourglass(**{"storage.clock": "samples", "enable-feature": FEATURES}) as hourglass, Prometheus(
            "15s", {}, receives=True, features=FEATURES) as prometheus:
        servers = hourglass.start(), prometheus.start()
        chance_series.send(servers, random.Random(1), list)
        asker = Asker(*servers, chance_old.FULL)
        for form, text in cases:
            verdict, what, ours, _ = asker.verdict(Case.of(text, form, params[form]))
            assert ours.is_found, text
            assert verdict == FAULT, (form, text, verdict, what)
            wrong = Reply(200, ours.body.replace(b'"]', b'7"]'))
            assert asker.own_fault(Case.of(text, form, params[form]), None, wrong) is None, "what is wrong is not excused"
