#!/usr/bin/env python3
"""make bench-durable: what it costs to lose nothing, and how fast it comes back; on the built program over HTTP, next to
Prometheus and VictoriaMetrics where they can be asked the same.

Rows: `restart` (D1 of memory.py into all three; SIGTERM; from exec to the first right answer), `disk` (what D1 takes there),
`kill` (ten minutes of 500,000 series in the journal, kill -9), `snapshot` (one written under full load), `cost` (CPU of
ingest with the journal and without). Environment: ROWS, SCALE and DATA as in memory.py. The table goes to stdout and
build/bench/durable.md. Exit code: 1 if a bar is passed or a row failed; for a part, if a row failed."""

import contextlib
import json
import statistics
import struct
import subprocess
import threading
import time
import urllib.parse

import memory  # first: it makes hg findable
import hg
from memory import Row, mib
from runs import MIB, SETTLE_S, STEP_MS, Fleet, Run
from victoria import Victoria

STARTS = 9  # of each server, in turn; the median counts
COPIES_HALF_MILLION = 253  # 500,000 series
KILL_SCRAPES = 40  # ten minutes of 15 s
COST_ROUNDS, COST_PAIRS, COST_SCRAPES = 6, 30, 4  # pairs of servers; of legs for each; scrapes of a leg


class Prometheus(hg.Prometheus):
    """Takes what is written to it and keeps all of it."""

    def __init__(self):
        super().__init__("15s", {}, receives=True)

    def command(self):
        return super().command() + ["--storage.tsdb.retention.time=100y"]


def proc(server, file):
    with open(f"/proc/{server.process.pid}/{file}", encoding="ascii", errors="replace") as f:
        return f.read()


def cpu_s(server):
    """Of all its threads, those that have ended too; by the clock of the process, whose ticks are not 10 ms long."""
    return time.clock_gettime(~server.process.pid << 3 | 2)  # clock_getcpuclockid(3), CPUCLOCK_SCHED


def peak(server):
    return next(int(line.split()[1]) * 1024 for line in proc(server, "status").splitlines() if "VmHWM" in line)


def resident(server):
    return next(int(line.split()[1]) * 1024 for line in proc(server, "smaps_rollup").splitlines()
                if line.startswith("Rss:"))


def question(wrote):
    """Path of an instant query for a sample that the fleet has written."""
    matchers = ",".join(f"{name}={json.dumps(value)}" for name, value in wrote["labels"] if value)
    return "/api/v1/query?" + urllib.parse.urlencode({"query": "{" + matchers + "}", "time": wrote["at"] / 1000})


def is_answered(server, path, wrote):
    try:
        answer = server.get(path, timeout=5)
    except OSError:
        return False
    if answer.code != 200:
        return False
    found = answer.json["data"]["result"]
    wanted = struct.unpack("<d", bytes.fromhex(wrote["bits"])[::-1])[0]
    return len(found) == 1 and float(found[0]["value"][1]) == wanted


class Start:
    """Of a server: seconds and CPU seconds to the first right answer, and until it is ready; the highest RSS."""

    def __init__(self, wall, cpu):
        self.wall, self.cpu = wall, cpu
        self.ready_wall = self.ready_cpu = self.peak = 0.0


def first_answer(server, wrote):
    """Starts a server that is down. One may be ready later than it answers: the rest of its start is its start too."""
    path = question(wrote)
    began = time.monotonic()
    server.spawn()
    while not is_answered(server, path, wrote):
        assert server.process.poll() is None, f"{server.name} ended:\n{server.log[-2000:]}"
        assert time.monotonic() - began < 600, f"{server.name} does not answer"
        time.sleep(0.002)
    seen = Start(time.monotonic() - began, cpu_s(server))
    while not server.is_ready():
        time.sleep(0.002)
    seen.ready_wall, seen.ready_cpu, seen.peak = time.monotonic() - began, cpu_s(server), peak(server)
    return seen


def fill(server, bench, scrapes):
    """D1 by the fleet; returns a sample to ask for."""
    fleet = Fleet(server.port, f"--recording={bench.recording}", "--copies=6", f"--step={STEP_MS}",
                  f"--start={bench.scale.start_ms}", "--connections=1")
    fleet.ask(f"until {scrapes}")
    wrote = fleet.ask("sample 3")
    fleet.close()
    return wrote


class Filled:
    """A server that has D1 and is down: RSS before its first stop, bytes on disk, and its starts as they are made."""

    def __init__(self, server, bench, scrapes):
        self.server, self.seen = server, []
        server.start(60)
        self.wrote = fill(server, bench, scrapes)
        time.sleep(SETTLE_S)
        self.rss = resident(server)
        self.stop()

    def stop(self):
        code = self.server.stop(600)
        assert code == 0, f"{self.server.name}: SIGTERM: exit {code}"
        self.bytes = directory_bytes(self.server)

    def restart(self):
        self.seen.append(first_answer(self.server, self.wrote))
        self.stop()

    @property
    def start(self):
        """The median of the starts, but the highest peak."""
        ret = Start(0, 0)
        for name in ("wall", "cpu", "ready_wall", "ready_cpu"):
            setattr(ret, name, statistics.median(getattr(each, name) for each in self.seen))
        ret.peak = max(each.peak for each in self.seen)
        return ret


def restarts(servers, bench, scrapes):
    """STARTS starts after SIGTERM of each server, in turn and alone: the speed of a machine may change by the minute."""
    with contextlib.ExitStack() as stack:
        filled = [Filled(stack.enter_context(server), bench, scrapes) for server in servers]
        for _ in range(STARTS):
            for each in filled:
                each.restart()
        return filled


def directory_bytes(server):
    path = getattr(server, "data_path", server.directory)
    return int(subprocess.run(["du", "-sb", path], check=True, capture_output=True, text=True).stdout.split()[0])


def restart(bench):
    scrapes = 8 * bench.scale.window
    hourglass = hg.Hourglass(**{"storage.clock": "samples", **bench.scale.flags()})
    filled = restarts((hourglass, Victoria(), Prometheus()), bench, scrapes)
    ours, victoria, prometheus = (each.start for each in filled)
    before, size = filled[0].rss, filled[0].bytes
    each = (("ours", ours), ("VictoriaMetrics", victoria), ("Prometheus", prometheus))
    texts = ", ".join(f"{name} {s.wall:.3f} s, CPU {s.cpu:.3f} s" for name, s in each)
    ready = ", ".join(f"{name} {s.ready_wall:.3f} s, CPU {s.ready_cpu:.3f} s" for name, s in each)
    yield Row("D1 after SIGTERM: exec to the first right answer, wall, ours / Prometheus", "<= 1/20",
              f"1/{prometheus.wall / ours.wall:.1f} ({texts})", ours.wall / prometheus.wall * 20)
    yield Row("the same, CPU", "<= 1/30", f"1/{prometheus.cpu / ours.cpu:.1f}", ours.cpu / prometheus.cpu * 30)
    yield Row("the same, wall above VictoriaMetrics'", "<= 100 ms", f"{(ours.wall - victoria.wall) * 1000:+.0f} ms",
              max(0.0, ours.wall - victoria.wall) / 0.1)
    yield Row("the same until it is ready, which has no bar", "-",
              f"1/{prometheus.ready_wall / ours.ready_wall:.1f}, CPU 1/{prometheus.ready_cpu / ours.ready_cpu:.1f} ({ready})",
              0.0)
    yield Row("peak RSS during that start, until it is ready / RSS before the stop", "<= 1.02, or 1 MiB more",
              f"{ours.peak / before:.3f} ({mib(before)} -> {mib(ours.peak)})",
              (ours.peak - before) / max(before * 0.02, MIB))
    yield disk_row(bench, size)


def disk_row(bench, size):
    samples = 6 * 1976 * 8 * bench.scale.window
    return Row("bytes on disk for D1 after SIGTERM, a sample", "<= 0.4 B", f"{size / samples:.3f} B ({mib(size)})",
               size / samples / 0.4)


def again(run, flags):
    """Starts the empty server of a run with more flags."""
    run.server.flags.update(flags)
    run.server.stop()
    run.server.start(30)
    run.status = None
    run.fleet.ask("reconnect")


def kill(bench):
    """The last snapshot is older than everything: all ten minutes come back from the journal."""
    copies = bench.scale.copies(COPIES_HALF_MILLION)
    with Run("kill", bench.scale, bench.recording, copies=copies) as run:
        again(run, {"snapshot.interval": "10h"})
        run.until(KILL_SCRAPES)
        before = run.settled()
        wrote = run.fleet.ask("sample 3")
        journal = directory_bytes(run.server)
        run.server.kill()
        run.status = None
        start = first_answer(run.server, wrote)
        run.fleet.ask("reconnect")
        run.check()
    what = f"kill -9, {before.series:,} series, {KILL_SCRAPES} scrapes in the journal ({mib(journal)})"
    yield Row(f"{what}: ready", "<= 10 s", f"{start.ready_wall:.1f} s (CPU {start.ready_cpu:.1f} s)",
              start.ready_wall / 10)
    yield Row("the same: peak RSS / RSS before", "<= 1.05", f"{start.peak / before.rss:.3f} ({mib(before.rss)} -> "
              f"{mib(start.peak)})", start.peak / before.rss / 1.05)


def snapshot(bench):
    """One thread writes as fast as it can; snapshots in a row beside it. Extra memory is what RSS has more while one is
    written than before it, beside what the samples of that time take."""
    with Run("snapshot", bench.scale, bench.recording, copies=bench.scale.copies(25)) as run:
        run.until(bench.scale.window // 2)
        calm = run.until(bench.scale.window // 2 + 40)
        before = run.settled()
        highest, is_done = [before.rss], threading.Event()

        def watch():
            while not is_done.wait(0.005):
                highest.append(run.kilobytes("smaps_rollup", "Rss"))

        def save():
            for _ in range(3):
                run.server.request("POST", "/api/v1/admin/tsdb/snapshot", timeout=600)
            is_done.set()

        threads = [threading.Thread(target=watch), threading.Thread(target=save)]
        for thread in threads:
            thread.start()
        worst, n = 0.0, 0
        while not is_done.is_set() or n == 0:
            leg = run.until(run.scrape + 4)
            worst, n = max(worst, leg["max_ms"]), n + 1
        for thread in threads:
            thread.join()
        after = run.settled()
        run.check()
    extra = max(highest) - max(before.rss, after.rss)
    yield Row(f"snapshots under full ingest ({before.series:,} series): extra RSS", "<= 2 MiB + 1 %",
              f"{extra / MIB:.2f} MiB (before {mib(before.rss)}, after {mib(after.rss)})",
              extra / (2 * MIB + before.rss * 0.01))
    yield Row("the same: slowest write", "<= 50 ms", f"{worst:.1f} ms (without snapshots {calm['max_ms']:.1f} ms)",
              worst / 50)


def cost_of_pair(bench, syncs):
    """Two servers take the same samples in turn, a fraction of a second each, so that what disturbs one disturbs the
    other. Returns {sync: (CPU seconds, samples)}: all CPU from the first leg to the last, for a journal is also synced
    while nobody writes."""
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(Run(f"cost-{sync}", bench.scale, bench.recording, copies=bench.scale.copies(25)))
                for sync in syncs]
        for run, sync in zip(runs, syncs):
            again(run, {"journal.sync": sync, "snapshot.interval": "10h"})
            run.until(8)
        began = [(run.exact_cpu_s, sum(run.sent.values())) for run in runs]
        for pair in range(COST_PAIRS):
            for run in runs if pair % 2 else reversed(runs):
                run.until(run.scrape + COST_SCRAPES)
        found = {sync: (run.exact_cpu_s - cpu, sum(run.sent.values()) - sent)
                 for run, sync, (cpu, sent) in zip(runs, syncs, began)}
        for run in runs:
            run.check()
        return found


def cost(bench):
    """Several pairs of servers: two that do the same may differ by some hundredths for as long as they live."""
    rounds = [cost_of_pair(bench, ("1s", "off") if n % 2 else ("off", "1s")) for n in range(COST_ROUNDS)]
    with_it, without = (sum(found[sync][0] for found in rounds) / sum(found[sync][1] for found in rounds) * 1e9
                        for sync in ("1s", "off"))
    yield Row("CPU of ingest with the journal at 1s / without", "<= 1.15",
              f"{with_it / without:.3f} ({with_it:.0f} / {without:.0f} ns a sample, {COST_ROUNDS} pairs of servers)",
              with_it / without / 1.15)


ROWS = {"restart": restart, "kill": kill, "snapshot": snapshot, "cost": cost}


def main():
    chosen = memory.chosen_of(ROWS)
    bench, source = memory.prepare(chosen)
    rows, n_failed = memory.make_rows(ROWS, bench, chosen)
    cells = [(r.what, r.bar, r.seen, f"{r.ratio:.2f}", "ok" if r.is_ok else "OVER") for r in rows]
    text = memory.table(f"Durability, {source}", ("what", "bar", "seen", "of the bar", ""), cells)
    memory.finish(bench, rows, n_failed, text, "durable.md")


if __name__ == "__main__":
    main()
