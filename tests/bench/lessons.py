#!/usr/bin/env python3
"""make bench-lessons: five stories of other stores' memory, each with the story's own figures beside ours, on the built
program over HTTP.

Environment: ROWS (a letter or more, all by default), SCALE and DATA as in memory.py. The table goes to stdout and
build/bench/lessons.md. Exit code: 1 if a bar is passed or a row failed; for a part, if a row failed."""

import dataclasses

import memory
from memory import Row, mib
from runs import MIB


@dataclasses.dataclass
class Lesson(Row):
    """A Row with its story and what it cost there."""

    story: str = ""
    theirs: str = ""


def same_doubles(bench):
    """100,000 series with the same random doubles at the same times for one window; the first sample of the next window
    seals them."""
    n, window = max(2000, round(100_000 * bench.scale.factor)), bench.scale.window
    with bench.run("same-doubles", same_doubles=n, is_memory_only=True) as run:
        run.until(window, window // 8)
        run.look("before the turn")
        peak = run.peak
        run.until(window + 1)
        turned = run.settled("after the turn")
        peak = max(peak, run.peak)
        run.check()
    yield Lesson(f"{n:,} series, the same {window} random doubles: RSS once their window has turned", "<= 60 MiB",
                 f"{mib(turned.rss)} (peak {mib(peak)}, empty {mib(run.empty.rss)})", turned.rss / (60 * MIB),
                 story="b. 100,000 ids with a private copy each of the same data",
                 theirs="1,221 MB with copies, 331 MB with pointers")


ROWS = {"b": same_doubles}


def main():
    chosen = memory.chosen_of(ROWS)
    bench, source = memory.prepare(chosen)
    rows, n_failed = memory.make_rows(ROWS, bench, chosen)
    cells = [(getattr(r, "story", ""), getattr(r, "theirs", ""), r.what, r.bar, r.seen, "ok" if r.is_ok else "OVER")
             for r in rows]
    text = memory.table(f"Lessons, {source}", ("story", "there", "here", "bar", "seen", ""), cells)
    memory.finish(bench, rows, n_failed, text, "lessons.md")


if __name__ == "__main__":
    main()
