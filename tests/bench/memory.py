#!/usr/bin/env python3
"""make bench-memory: what hourglass' memory does, against the bars of docs/memory.md, on the built program over HTTP.

D1 is six copies of three recorded targets, 11,856 series, a scrape each 15 s, eight windows of four hours: 91.1 M
samples. Rows share runs: `directory` fills D1 with a directory, restarts, and goes on for eight windows; `memory` does
the same without directory or restart and is the twin. The other runs belong to a row each.

Environment: ROWS (names of rows, all by default), SCALE (a part of 1: shorter windows, smaller fleets; a quick look
that is no result), DATA (scrapes as tar.zst, or `mix` for a generated mix; ../shared/data/scrapes.tar.zst if it is
there, else the mix), LIVELY (a second set, of `make record`; build/bench/lively.tar.zst), CONNECTIONS (1). The table
goes to stdout and build/bench/table.md, every look at the server to build/bench/RUN.csv, the picture to
build/bench/memory-fill.svg. Exit code: 1 if a bar is passed or a row failed; for a part, if a row failed."""

import dataclasses
import os
import signal
import statistics
import sys
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))

import hg  # noqa: E402  (needs the path above)
import picture  # noqa: E402
import recording  # noqa: E402
from runs import MIB, OUT, Fleet, Run, Scale  # noqa: E402
from victoria import Victoria  # noqa: E402

MIN_LIVE = 4 * MIB  # below it a partly used page for each class weighs more than what is measured
LIVELY = os.environ.get("LIVELY") or os.path.join(OUT, "lively.tar.zst")  # record.py
LABEL_OWNERS = ("series", "labels", "symbols", "pairs", "postings", "tables")


@dataclasses.dataclass
class Row:
    what: str
    bar: str
    seen: str
    ratio: float  # seen / bar, at most 1 is in order
    is_ok: bool = None

    def __post_init__(self):
        if self.is_ok is None:
            self.is_ok = self.ratio <= 1


def mib(size):
    return f"{size / MIB:.1f} MiB"


def victoria_bytes(scale, path, copies):
    """Bytes of VictoriaMetrics' data folder after a window of the fleet: when it has settled, and when it has been made
    to merge everything."""
    with Victoria() as server:
        server.start(30)
        fleet = Fleet(server.port, f"--recording={path}", f"--copies={copies}", f"--start={scale.start_ms}")
        fleet.ask(f"until {scale.window}")
        fleet.close()
        return server.settle(), server.settle(is_forced=True)


def apart(one, other):
    """Relative distance; 0.03 is 3 %."""
    return abs(one / other - 1)


class Bench:
    def __init__(self, scale, path, chosen):
        self.scale, self.recording, self.chosen = scale, path, chosen
        self.ledger = {}  # run -> (is of a row above the ledger's, [Seen])
        self.directory = self.memory = None

    def run(self, name, **options):
        return Run(name, self.scale, self.recording, **options)

    def keep(self, run, is_above):
        run.check()
        self.ledger[run.name] = (is_above, run.seen)

    def hours(self, run, first, end, every=4):
        """Goes on through windows first to end - 1 and looks, settled, at each quarter of a window (an hour). Returns
        {scrape: RSS}."""
        found = {}
        for quarter in range(first * 4, end * 4):
            run.until((quarter + 1) * self.scale.hour, every)
            found[run.scrape] = run.settled().rss
            if quarter % 4 == 3:
                run.say(f"window {quarter // 4 + 1}: RSS {mib(found[run.scrape])}, peak {mib(run.peak)}")
        return found

    def with_directory(self):
        """The run `directory`, once: dict of what rows need. A snapshot is written at the end of each window, as the
        interval of ten minutes would in life, so that what it takes is part of the peak."""
        if self.directory is None:
            found = self.directory = {}
            with self.run("directory") as run:
                for window, seen in run.window_ends(0, 8):
                    run.snapshot()
                    found.setdefault("first", seen)
                found.update(empty=run.empty, full=run.settled("full"), peak=run.peak, fill=list(run.seen))
                if self.chosen & {"restart", "twin", "ledger"}:
                    found["restarted"], found["seconds"] = run.restart()
                    found["restored_peak"] = run.peak
                    run.phase = "after the restart"
                if "twin" in self.chosen:
                    found["hours"] = self.hours(run, 8, 16)
                self.keep(run, True)
        return self.directory

    def memory_only(self):
        """The run `memory`, once, as long as the chosen rows need it."""
        if self.memory is None:
            found = self.memory = {}
            windows = 16 if "twin" in self.chosen else 10 if "ratio" in self.chosen else 8 if "d1" in self.chosen else 1
            with self.run("memory", is_memory_only=True) as run:
                for window, seen in run.window_ends(0, min(windows, 8)):
                    found.setdefault("first", seen)
                    found.update(full=seen, peak=run.peak)
                run.phase = "going on"
                if windows > 8:
                    found["hours"] = self.hours(run, 8, windows)
                self.keep(run, True)
                found["seen"] = run.seen
        return self.memory

    # --- rows -----------------------------------------------------------------------------------------------------

    def d1(self):
        for name, found in (("with a directory", self.with_directory()), ("memory only", self.memory_only())):
            full, peak = found["full"].rss, found["peak"]
            yield Row(f"D1: RSS when full, {name}", "<= 64 MiB", mib(full), full / (64 * MIB))
            yield Row(f"D1: peak RSS of the fill / RSS when full, {name}", "<= 1.15",
                      f"{peak / full:.3f} ({mib(peak)})", peak / full / 1.15)

    def ratio(self):
        ten_windows = 10 * self.scale.window
        looks = [(name, s) for name, found in (("directory", self.with_directory()["fill"]),
                                               ("memory", self.memory_only()["seen"]))
                 for s in found if s.live > MIN_LIVE and s.scrape <= ten_windows]
        if looks:
            name, worst = max(looks, key=lambda look: look[1].allocated / look[1].live)
            seen = worst.allocated / worst.live
            yield Row("chunks: allocated / live at every minute of ten windows, the worst", "<= 1.10",
                      f"{seen:.3f} ({name}, {worst.scrape / self.scale.hour:.2f} h, live {mib(worst.live)})",
                      seen / 1.1)
        full = self.with_directory()["full"]
        slack = full.slack / full.payload
        yield Row("chunks: slack / payload when full", "<= 8 %", f"{slack:.1%} (payload {mib(full.payload)})",
                  slack / 0.08)

    def restart(self):
        found = self.with_directory()
        before, after = found["full"], found["restarted"]
        keys = before.pools.keys() | after.pools.keys()
        differing = [f"{key}: {before.pools.get(key)} -> {after.pools.get(key)}" for key in sorted(keys)
                     if before.pools.get(key) != after.pools.get(key)]
        for text in differing:
            print(f"  restart      (window, size): (pages, used) {text}", file=sys.stderr)
        yield Row("restart: pages and used slots by window and class", "equal",
                  f"{len(differing)} of {len(keys)} differ" if differing else f"{len(keys)} equal",
                  0.0 if not differing else float("inf"))
        moved = [f"{name} {before.owners.get(name)} -> {after.owners.get(name)}" for name in LABEL_OWNERS
                 if before.owners.get(name) != after.owners.get(name)]
        yield Row("restart: bytes of " + ", ".join(LABEL_OWNERS), "equal", "; ".join(moved) or "equal",
                  0.0 if not moved else float("inf"))
        off = abs(after.rss - before.rss)
        yield Row("restart: RSS", "within 1 % or 1 MiB",
                  f"{mib(before.rss)} -> {mib(after.rss)}; peak {mib(found['restored_peak'])}; "
                  f"stop {found['seconds'][0]:.1f} s, start {found['seconds'][1]:.1f} s",
                  off / max(before.rss * 0.01, MIB))

    def twin(self):
        ours, twins = self.with_directory()["hours"], self.memory_only()["hours"]
        worst = max(ours, key=lambda at: apart(ours[at], twins[at]))
        off = apart(ours[worst], twins[worst])
        yield Row("eight windows after the restart, against a twin (memory only) that had none: RSS at every hour",
                  "within 2 %", f"{off:.1%} at {worst / self.scale.hour:.0f} h ({mib(ours[worst])}, "
                  f"twin {mib(twins[worst])})", off / 0.02)

    def burst(self):
        """Nine windows to come to rest, one with five times the hosts, eight more until that one has run out."""
        with self.run("burst", churn=1) as run:
            before = [seen for _, seen in run.window_ends(0, 9)][-1]
            run.phase, copies = "burst", run.copies
            run.set_copies(5 * copies)
            highest = [seen for _, seen in run.window_ends(9, 10)][-1]
            run.set_copies(copies)
            run.phase = "after the burst"
            after = [seen for _, seen in run.window_ends(10, 18)][-1]
            self.keep(run, True)
        off = after.rss / before.rss - 1
        yield Row("five times the series for one window, 1 % replaced every 10 minutes: RSS after it expired",
                  "within 3 % of before", f"{off:+.1%} ({mib(before.rss)} -> {mib(highest.rss)} -> {mib(after.rss)})",
                  max(off, 0) / 0.03)

    def churn(self):
        """RSS falls at each turn and rises through the window, so each hour is compared with the same hour of other
        windows."""
        with self.run("churn", churn=1) as run:
            list(run.window_ends(0, 8))
            run.phase = "flat"
            hours = self.hours(run, 8, 20)
            self.keep(run, True)
        phases = {}
        for at, rss in hours.items():
            phases.setdefault(at % self.scale.window, []).append(rss)
        low, high = max(((min(rss), max(rss)) for rss in phases.values()), key=lambda pair: pair[1] / pair[0])
        off = apart(high, low)
        yield Row("1 % of series replaced every 10 minutes, 20 windows: RSS after the first 8, by hour of a window",
                  "flat within 3 %", f"{off:.1%} ({mib(low)} to {mib(high)})", off / 0.03)

    def ledger_row(self):
        if not self.ledger:
            self.with_directory()
        for is_above, name in ((True, "phases above"), (False, "other phases")):
            looks = [(run, s) for run, (above, seen) in self.ledger.items() for s in seen if above == is_above]
            if looks:
                run, s = max(looks, key=lambda look: abs(look[1].unaccounted) / max(look[1].rss * 0.02, 2 * MIB))
                yield Row(f"ledger against RSS, {name}: the worst of {len(looks)} looks", "within 2 % or 2 MiB",
                          f"{s.unaccounted / MIB:+.2f} MiB of {mib(s.rss)} ({run}: {s.phase}, "
                          f"{s.scrape / self.scale.hour:.2f} h)",
                          abs(s.unaccounted) / max(s.rss * 0.02, 2 * MIB))

    def cardinality(self):
        with self.run("cardinality", copies=self.scale.copies(248), is_memory_only=True) as run:
            run.until(1)
            seen = run.settled()
            self.keep(run, False)
        each = (seen.rss - run.empty.rss) / seen.series
        yield Row(f"{seen.series:,} series with one sample: bytes a series, all in", "<= 300",
                  f"{each:.0f} (RSS {mib(seen.rss)}, empty {mib(run.empty.rss)})", each / 300)

    def jitter(self):
        with self.run("jitter", jitter_ms=50, is_memory_only=True) as run:
            full = [seen for _, seen in run.window_ends(0, 8)][-1]
            peak = run.peak
            self.keep(run, False)
        yield Row("D1, each scrape off by up to 50 ms: RSS when full", "<= 56 MiB",
                  f"{mib(full.rss)} (peak {mib(peak)})", full.rss / (56 * MIB))

    def open(self):
        """The window is not over, so nothing of it is sealed."""
        with self.run("open", copies=self.scale.copies(25), is_memory_only=True) as run:
            run.until(self.scale.window, every=4)
            seen, peak = run.settled(), run.peak
            self.keep(run, False)
        yield Row(f"{seen.series:,} series for a window that is still open: RSS", "<= 64 MiB",
                  f"{mib(seen.rss)} (peak {mib(peak)})", seen.rss / (64 * MIB))

    def victoria(self):
        """Both get the same bodies, four hours of 25 copies; data without labels and index. Both have settled: all our
        series have moved on to the next window, and VictoriaMetrics merges no more."""
        sets = [("the recording", self.recording)]
        if os.path.exists(LIVELY):
            sets.append(("the livelier one", recording.prepare(LIVELY, OUT)[0]))
        copies = self.scale.copies(25)
        for name, path in sets:
            with Run("against", self.scale, path, copies=copies, is_memory_only=True) as run:
                run.until(self.scale.window + 1, every=self.scale.hour)
                ours = run.settled()
                self.keep(run, False)
            size, n_samples = ours.sealed
            settled, merged = (each / n_samples for each in victoria_bytes(self.scale, path, copies))
            yield Row(f"data bytes a sample, {name}, {ours.series:,} series for 4 h: ours / VictoriaMetrics'", "<= 0.5",
                      f"{size / n_samples / settled:.2f} ({size / n_samples:.3f} / {settled:.3f}; forced to merge all: "
                      f"{size / n_samples / merged:.2f} of {merged:.3f})", size / n_samples / settled / 0.5)

    def tenfold(self):
        one = self.memory_only()["first"]
        with self.run("tenfold", copies=60, is_memory_only=True) as run:
            ten = [seen for _, seen in run.window_ends(0, 1, every=self.scale.hour)][-1]
            self.keep(run, False)
        yield Row("ten times D1's series for one window: RSS / RSS of D1 for one window", "<= 10",
                  f"{ten.rss / one.rss:.2f} ({mib(ten.rss)}, D1 {mib(one.rss)})", ten.rss / one.rss / 10)

    def millisecond(self):
        """Forty legs; the appending of the first eight and of the last is compared by the CPU time of the server, by
        their medians, since a leg is short and a machine is never alone."""
        with self.run("millisecond", is_ticks=True) as run:
            bodies, cpu = self.scale.window * 3, []
            for leg in range(40):
                before, from_scrape = run.exact_cpu_s, run.scrape
                run.until(bodies * (leg + 1) // 40)
                cpu.append((run.exact_cpu_s - before) / (run.scrape - from_scrape) / 5000 * 1e9)
                run.look()
            written, peak = run.settled(), run.peak
            restored, _ = run.restart()
            restored_peak = run.peak
            self.keep(run, False)
        first, last = statistics.median(cpu[:8]), statistics.median(cpu[-8:])
        yield Row("a sample every millisecond of a window: peak / final RSS as written", "<= 1.05",
                  f"{peak / written.rss:.3f} ({mib(peak)}, {mib(written.rss)})", peak / written.rss / 1.05)
        yield Row("the same as restored", "<= 1.05", f"{restored_peak / restored.rss:.3f} ({mib(restored_peak)}, "
                  f"{mib(restored.rss)})", restored_peak / restored.rss / 1.05)
        yield Row("the same: CPU of appending a sample, the last fifth / the first", "equal (within 10 %)",
                  f"{last / first:.2f} ({last:.0f} ns / {first:.0f} ns)", last / first / 1.1)

    def turn(self):
        """A turn whose series go on, and one whose series have ended with their window; requests of 2000 samples on one
        connection, one after another."""
        window = self.scale.window

        def legs(run, scrapes, seconds):
            """Scrape by scrape, so many and so long at least; (max ms, worst p99) of the requests."""
            began, worst, p99 = time.monotonic(), 0.0, 0.0
            while scrapes > 0 or time.monotonic() - began < seconds:
                leg = run.until(run.scrape + 1)
                worst, p99, scrapes = max(worst, leg["max_ms"]), max(p99, leg["p99_ms"]), scrapes - 1
            return worst, p99

        with self.run("turn", copies=self.scale.copies(254), is_memory_only=True) as run:
            run.until(2)
            for turned in range(1, 8):
                run.skip(turned * window)
                run.until(run.scrape + 2)
            run.skip(8 * window - 4)
            calm = legs(run, 4, 0)
            run.look("before the turn")
            on = legs(run, 4, 3)
            n_series = run.look("after the turn").series
            run.set_copies(6)
            last = run.scrape // window
            for turned in range(last + 1, last + 8):
                run.skip(turned * window)
                run.until(run.scrape + 2)
            run.skip((last + 8) * window - 4)
            run.until(run.scrape + 4)
            time.sleep(1)
            run.look("before the end")
            ended = legs(run, 4, 4)
            run.look("after the end")
        self.ledger[run.name] = (False, run.seen)
        for what, (worst, p99) in ((f"a window of {n_series:,} series turns, they go on", on),
                                   ("it turns and they are gone", ended)):
            yield Row(f"slowest write while {what}", "<= 50 ms",
                      f"{worst:.1f} ms (p99 {p99:.1f}; before the turn {calm[0]:.1f}, p99 {calm[1]:.1f})", worst / 50)


ROWS = {"d1": Bench.d1, "ratio": Bench.ratio, "restart": Bench.restart, "twin": Bench.twin, "burst": Bench.burst,
        "churn": Bench.churn, "cardinality": Bench.cardinality, "tenfold": Bench.tenfold, "jitter": Bench.jitter,
        "open": Bench.open, "victoria": Bench.victoria, "millisecond": Bench.millisecond, "turn": Bench.turn,
        "ledger": Bench.ledger_row}


def table(title, head, rows):
    """Tuples as Markdown that also reads well on a terminal."""
    cells = [head, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join([title, "", *lines]) + "\n"


def draw(bench):
    paths = [os.path.join(OUT, name + ".csv") for name in ("directory", "memory")
             if getattr(bench, name) is not None]
    if paths:
        picture.draw(paths, os.path.join(OUT, "memory-fill.svg"),
                     "D1, 11,856 series: memory over the time of the samples", bench.scale.hour * 4 * 15 / 3600)


def chosen_of(known):
    """The names in ROWS, all by default."""
    chosen = os.environ.get("ROWS", "").split() or list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.exit(f"no row is called {' '.join(unknown)}; there are {' '.join(known)}")
    return set(chosen)


def make_rows(functions, bench, chosen):
    """(rows, how many failed); a row fails by any exception, the others go on."""
    rows, n_failed = [], 0
    for name in (name for name in functions if name in chosen):
        try:
            rows += functions[name](bench)
        except Exception as error:
            n_failed += 1
            traceback.print_exc()
            rows.append(Row(name, "", f"failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
                            float("inf")))
    return rows, n_failed


def prepare(chosen):
    """(a Bench, its title's end)"""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is not left behind
    scale = Scale(float(os.environ.get("SCALE") or 1))
    if not os.access(hg.BINARY, os.X_OK):
        sys.exit(f"{hg.BINARY} is not there: run make first")
    path, source = recording.prepare(recording.find_data(), OUT)
    if scale.factor != 1:
        source += f"; SCALED to {scale.factor:g} of the windows and fleets: NOT a result"
    return Bench(scale, path, chosen), source


def finish(bench, rows, n_failed, text, file):
    """Tells, and ends with the exit code."""
    print("\n" + text)
    with open(os.path.join(OUT, file), "w", encoding="utf-8") as f:
        f.write(text)
    is_over = bench.scale.factor == 1 and not all(row.is_ok for row in rows)
    sys.exit(1 if n_failed or is_over else 0)


def main():
    chosen = chosen_of(ROWS)
    bench, source = prepare(chosen)
    rows, n_failed = make_rows(ROWS, bench, chosen)
    draw(bench)
    cells = [(r.what, r.bar, r.seen, f"{r.ratio:.2f}", "ok" if r.is_ok else "OVER") for r in rows]
    text = table(f"Memory, {source}", ("what", "bar", "seen", "of the bar", ""), cells)
    finish(bench, rows, n_failed, text, "table.md")


if __name__ == "__main__":
    main()
