#!/usr/bin/env python3
"""make bench-lessons: five stories of other stores' memory, each with the story's own figures beside ours; all but
the first on the built program over HTTP.

Environment: ROWS (a letter or more, all by default), SCALE and DATA as in memory.py. The table goes to stdout and
build/bench/lessons.md. Exit code: 1 if a bar is passed or a row failed; for a part, if a row failed."""

import dataclasses
import http.client
import json
import os
import resource
import subprocess
import time

import memory  # first: it makes hg findable
import hg
from memory import Row, mib
from runs import MIB, SETTLE_S

IP_TABLE = os.path.join(hg.ROOT, "build", "tests", "bench", "ip_table")
LABEL_DATA = ("symbols", "pairs", "tables", "labels")  # rows of the ledger: texts, label sets, what finds them
BESIDE = ("series", "postings")  # newest samples, and what finds rows by any label: the story has neither
CONNECTIONS = 5000
QUERY_BYTES = 6000  # that a URL may have
TOO_LONG_BYTES = (8_000, 20_000, 200_000)
TRIM_S = 40.0  # libc's heap is given back every 30 s at most


@dataclasses.dataclass
class Lesson(Row):
    """A Row with its story and what it cost there."""

    story: str = ""
    theirs: str = ""


def ip_table(_):
    """In the library, without HTTP: what is asked is what label sets take and how fast one is found."""
    done = subprocess.run([IP_TABLE], capture_output=True, text=True, timeout=600, check=True)
    seen = json.loads(done.stdout)
    total, story = sum(seen[owner] for owner in LABEL_DATA), "a. a table of IP ranges"
    parts = ", ".join(f"{owner} {mib(seen[owner])}" for owner in LABEL_DATA)
    parts += "; beside it " + ", ".join(f"{owner} {mib(seen[owner])}" for owner in BESIDE)
    yield Lesson(f"{seen['rows']:,} label sets, {seen['n_pairs']:,} pairs, {seen['text'] / 1e6:.1f} MB as text: bytes "
                 "of texts, label sets and their tables, without newest samples and postings", "<= 46 MiB",
                 f"{mib(total)} ({parts})", total / (46 * MIB), story=story,
                 theirs="37 MB of text took 117 MB, 46 MB after interning")
    fast = seen.get("batch", 0.0)
    yield Lesson("label set as sent -> series, hashing included, in batches, in the order of ingest; one core", ">= 9 M/s",
                 f"{fast:.1f} M/s (random order {seen.get('batch_random', 0.0):.1f}; one by one {seen['single']:.1f}, "
                 f"random order {seen['single_random']:.1f})", 9 / fast if fast else float("inf"), story=story,
                 theirs="9 M/s, 6 M/s after interning")


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


def told(rows, story, theirs):
    """Rows of make bench-memory with their story; what it cost stands beside the first."""
    for i, row in enumerate(rows):
        yield Lesson(**dataclasses.asdict(row), story=story, theirs=theirs if i == 0 else "")


def one_key(bench):
    return told(bench.millisecond(), "c. one key with 28 million members", "peaked at three times its size")


def restart(bench):
    return told(bench.restart(), "d. the restart that fragments", "memory rose for 32 to 36 hours after each restart")


def resident(server):
    with open(f"/proc/{server.process.pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("Rss:"))


def ask(connection, n_bytes):
    """The answer's code to an instant query of that many bytes in the URL, on a connection that stays open."""
    name = "a" * (n_bytes - len("count()"))
    connection.request("GET", f"/api/v1/query?query=count({name})&time=1760000000")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def refusal(server, n_bytes):
    """The code with which a query that is too long is refused, on a connection of its own, which may then close."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        return ask(connection, n_bytes)
    except OSError as error:
        return type(error).__name__
    finally:
        connection.close()


def idle_connections(bench):
    """As many connections as asked for, each after one small query, then nothing; and closed again. The client alone needs
    the files: the server sees to its own."""
    n = max(500, round(CONNECTIONS * bench.scale.factor))
    server = hg.Hourglass(**{"storage.path": ""})
    with server.start(30):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, n + 200)), hard))
        small = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        codes = {ask(small, 20)}
        small.close()
        time.sleep(SETTLE_S)
        before = resident(server)
        held = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(n)]
        codes |= {ask(connection, 20) for connection in held}
        time.sleep(SETTLE_S)
        idle = resident(server)
        is_kept = server.metric("hourglass_http_connections") >= n
        long_code = ask(held[-1], QUERY_BYTES)
        refused = [refusal(server, size) for size in TOO_LONG_BYTES]
        codes.add(ask(held[0], 20))  # the others notice nothing
        for connection in held:
            connection.close()
        until = time.monotonic() + TRIM_S
        while (after := resident(server)) > before + MIB and time.monotonic() < until:
            time.sleep(1)
    if codes != {200} or not is_kept:
        raise RuntimeError(f"small queries: {codes}; all connections kept: {is_kept}")
    each, story = (idle - before) / n, "e. 75 KB a connection"
    theirs = "Prometheus 28.6 KB, VictoriaMetrics 19.5 KB"
    yield Lesson(f"{n:,} idle keep-alive connections after one query each: RSS of one", "<= 8 KiB",
                 f"{each / 1024:.2f} KiB ({mib(before)} -> {mib(idle)})", each / 8192, story=story, theirs=theirs)
    is_right = long_code == 200 and all(code in (400, 414, 431) for code in refused)
    sizes = ", ".join(f"{size:,}" for size in TOO_LONG_BYTES)
    yield Lesson(f"a query in the URL of {QUERY_BYTES:,} bytes; of {sizes}", "200; 400, 414 or 431",
                 f"{long_code}; {', '.join(map(str, refused))}", 0.0 if is_right else float("inf"), story=story)
    yield Lesson(f"RSS above what it was, at most {TRIM_S:.0f} s after they are closed", "<= 1 MiB",
                 f"{(after - before) / MIB:.2f} MiB", (after - before) / MIB, story=story)


ROWS = {"a": ip_table, "b": same_doubles, "c": one_key, "d": restart, "e": idle_connections}


def main():
    chosen = memory.chosen_of(ROWS)
    bench, source = memory.prepare({"restart"})  # what the run of row d does beside filling
    rows, n_failed = memory.make_rows(ROWS, bench, chosen)
    cells = [(getattr(r, "story", ""), getattr(r, "theirs", ""), r.what, r.bar, r.seen, "ok" if r.is_ok else "OVER")
             for r in rows]
    text = memory.table(f"Lessons, {source}", ("story", "there", "here", "bar", "seen", ""), cells)
    memory.finish(bench, rows, n_failed, text, "lessons.md")


if __name__ == "__main__":
    main()
