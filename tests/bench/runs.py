"""A run: one hourglass, the fleet that writes to it, and what was seen on the way. Everything is read from
outside: status/memory over HTTP, and the process' files under /proc. Sizes are bytes, times of samples are counted in
scrapes."""

import csv
import dataclasses
import http.client
import json
import os
import struct
import subprocess
import sys
import time

import hg

FLEET = os.path.join(hg.ROOT, "build", "tests", "bench", "fleet")
OUT = os.path.join(hg.ROOT, "build", "bench")
STEP_MS = 15000
PAGE = 16384
CHUNK_BYTES = 24  # struct chunk
MIB = 1 << 20
SETTLE_S = 3.2  # two ticks give back the memory of requests that nobody has wanted, some may be late


@dataclasses.dataclass(frozen=True)
class Scale:
    """1 is the benchmark. A part of it has shorter windows and smaller fleets in the rows with many series."""

    factor: float = 1.0

    @property
    def window(self):
        """Scrapes of a window, a multiple of 4."""
        return max(8, round(960 * self.factor / 4) * 4)

    @property
    def hour(self):
        return self.window // 4

    @property
    def churn_every(self):
        return max(1, round(40 * self.factor))

    @property
    def start_ms(self):
        window_ms = self.window * STEP_MS
        return 1760000000000 // window_ms * window_ms

    def copies(self, n):
        return max(6, round(n * self.factor))

    def flags(self):
        if self.factor == 1:
            return {}
        window_s = self.window * STEP_MS // 1000
        return {"storage.window": f"{window_s}s", "storage.out-of-order-window": f"{window_s // 4}s"}


@dataclasses.dataclass
class Seen:
    """The server at one moment, while nothing is written."""

    phase: str
    scrape: int
    rss: int
    accounted: int
    live: int  # slots in use, at their size
    allocated: int  # pages held for chunks
    slack: int
    series: int
    samples: int
    sealed: tuple  # bytes and samples of all windows but the newest
    owners: dict
    pools: dict  # (window, size) -> (pages, used)

    @property
    def payload(self):
        return self.live - self.slack

    @property
    def unaccounted(self):
        return self.rss - self.accounted


def sealed_of(windows):
    """What samples take in windows that have ended, and how many they are: pages, waste included, and the entry that
    each chunk has in its series."""
    newest = max((window["number"] for window in windows), default=0)
    ended = [window for window in windows if window["number"] < newest]
    return (sum(window["bytes"] + window["chunks"] * CHUNK_BYTES for window in ended),
            sum(window["samples"] for window in ended))


def exact_cpu_s(server):
    """CPU time of the threads of a server that live, to the nanosecond."""
    total, task = 0, f"/proc/{server.process.pid}/task"
    for thread in os.listdir(task):
        with open(f"{task}/{thread}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


class Fleet:
    """The load generator as a child process, one command at a time (fleet.c)."""

    def __init__(self, port, *options):
        command = [FLEET, f"--port={port}", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"the fleet ended at '{command}' (its message is above)")
        word, _, rest = line.strip().partition(" ")
        return json.loads(rest) if rest else word

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Run:
    """Run("name", scale, ..) as a context manager. `seen` collects every look at the server, in order, and goes to
    build/bench/NAME.csv at the end."""

    def __init__(self, name, scale, recording, copies=6, churn=0.0, jitter_ms=0, is_memory_only=False,
                 is_ticks=False, same_doubles=0):
        self.name, self.scale = name, scale
        flags = {"storage.clock": "samples", **scale.flags()}
        if is_memory_only:
            flags["storage.path"] = ""
        self.server = hg.Hourglass(**flags)
        self.is_ticks, self.same_doubles = is_ticks, same_doubles
        if is_ticks:
            self.options = ["--ticks", "--batch=5000"]
        elif same_doubles:
            self.options = [f"--same-doubles={same_doubles}", f"--step={STEP_MS}"]
        else:
            with open(recording, "rb") as f:
                self.copy_series = struct.unpack("<8s2I", f.read(16))[2]
            self.options = [f"--recording={recording}", f"--copies={copies}", f"--step={STEP_MS}"]
            self.options += [f"--churn={churn}", f"--churn-every={scale.churn_every}"] if churn else []
            self.options += [f"--jitter={jitter_ms}"] if jitter_ms else []
        self.options += [f"--start={scale.start_ms}", f"--connections={os.environ.get('CONNECTIONS', '1')}"]
        self.phase, self.scrape, self.copies = "fill", 0, copies
        self.seen, self.events, self.legs = [], {}, []
        self.sent = {}  # window -> samples
        self.past_cpu_s = 0.0  # of server processes that have ended
        self.fleet = self.status = self.empty = None
        self.began = time.monotonic()

    def __enter__(self):
        try:
            self.server.start(30)
            self.fleet = Fleet(self.server.port, *self.options)
            time.sleep(SETTLE_S)
            self.empty = self.look()
        except BaseException:
            self.server.kill()
            raise
        return self

    def __exit__(self, *exc):
        self.write_csv()
        self.report()
        if self.fleet is not None:
            self.fleet.close()
        if self.status is not None:
            self.status.close()
        self.server.__exit__(*exc)

    # --- looking --------------------------------------------------------------------------------------------------

    def proc(self, file):
        with open(f"/proc/{self.server.process.pid}/{file}", encoding="ascii", errors="replace") as f:
            return f.read()

    def kilobytes(self, file, key):
        for line in self.proc(file).splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {key} in {file}")

    @property
    def peak(self):
        """Highest RSS of this process so far."""
        return max([self.kilobytes("status", "VmHWM")] + [seen.rss for seen in self.seen[-1:]])

    @property
    def cpu_s(self):
        fields = self.proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def exact_cpu_s(self):
        return exact_cpu_s(self.server)

    def get_status(self):
        if self.status is None:
            self.status = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        self.status.request("GET", "/api/v1/status/memory")
        answer = self.status.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"status/memory: {answer.status} {body[:200]}")
        return json.loads(body)["data"]

    def look(self, phase=None):
        data = self.get_status()
        rss = self.kilobytes("smaps_rollup", "Rss")
        pools = {(pool["window"], pool["size"]): (pool["pages"], pool["used"]) for pool in data["pools"]}
        seen = Seen(
            phase=phase or self.phase,
            scrape=self.scrape,
            rss=rss,
            accounted=data["accountedBytes"],
            live=sum(size * used for (_, size), (_, used) in pools.items()),
            allocated=sum(pages * PAGE for pages, _ in pools.values()),
            slack=data["waste"]["slackBytes"],
            series=data["series"],
            samples=data["samples"],
            sealed=sealed_of(data["windows"]),
            owners={row["owner"]: row["bytes"] for row in data["owners"]},
            pools=pools,
        )
        self.seen.append(seen)
        return seen

    def settled(self, phase=None):
        """A look after the server had a second for what it does beside writing."""
        time.sleep(SETTLE_S)
        return self.look(phase)

    # --- going on -------------------------------------------------------------------------------------------------

    def until(self, scrape, every=None):
        """Writes up to `scrape`, exclusive, looking each `every` scrapes (counted from 0)."""
        leg = None
        while self.scrape < scrape:
            end = scrape if every is None else min(scrape, (self.scrape // every + 1) * every)
            end = min(end, (self.scrape // self.scale.window + 1) * self.scale.window)
            leg = self.fleet.ask(f"until {end}")
            window = self.scrape // self.scale.window
            self.sent[window] = self.sent.get(window, 0) + leg["leg_samples"]
            self.legs.append(leg)
            self.scrape = end
            if every is not None and end % every == 0:
                self.look()
        return leg

    def skip(self, scrape):
        self.fleet.ask(f"skip {scrape}")
        self.scrape = scrape

    def set_copies(self, copies):
        self.fleet.ask(f"copies {copies}")
        self.copies = copies

    def window_ends(self, first, end, every=4):
        """Fills windows first to end - 1; yields (window, Seen) at the end of each."""
        for window in range(first, end):
            self.until((window + 1) * self.scale.window, every)
            seen = self.settled()
            self.say(f"window {window + 1}: RSS {seen.rss / MIB:.1f} MiB, peak {self.peak / MIB:.1f}")
            yield window, seen

    def snapshot(self):
        answer = self.server.request("POST", "/api/v1/admin/tsdb/snapshot", timeout=600)
        if answer.code != 200:
            raise RuntimeError(f"snapshot: {answer}")

    def restart(self):
        """SIGTERM, and again on the same directory; returns the Seen after it and the seconds of stop and start."""
        self.past_cpu_s += self.cpu_s
        self.status.close()
        self.status = None
        began = time.monotonic()
        code = self.server.stop(600)
        stopped = time.monotonic()
        if code != 0:
            raise RuntimeError(f"SIGTERM: exit {code}\n{self.server.log[-2000:]}")
        self.server.start(600)
        started = time.monotonic()
        self.fleet.ask("reconnect")
        self.events[self.scrape] = "restart"
        return self.settled("restart"), (stopped - began, started - stopped)

    # --- is it true -----------------------------------------------------------------------------------------------

    def check(self):
        """What was sent is there, by count and, for some series, by value; the last thing a run does."""
        newest = (self.scrape - 1) // self.scale.window
        if self.is_ticks:
            newest = 0
        sent = sum(n for window, n in self.sent.items() if window > newest - 8)
        stored = self.get_status()["samples"]
        if stored != sent:
            raise RuntimeError(f"{self.name}: {sent} samples sent, {stored} kept")
        n = 1 if self.is_ticks else self.same_doubles or self.copies * self.copy_series
        for series in sorted({0, n // 2, n - 1}):
            wrote = self.fleet.ask(f"sample {series}")
            matchers = ",".join(f"{name}={json.dumps(value)}" for name, value in wrote["labels"] if value)
            found = self.server.query("{" + matchers + "}", at=wrote["at"] / 1000)["result"]
            values = [float(one["value"][1]) for one in found]
            wanted = struct.unpack("<d", bytes.fromhex(wrote["bits"])[::-1])[0]
            if len(values) != 1 or (values[0] != wanted and values[0] == values[0]):
                raise RuntimeError(f"{self.name}: {{{matchers}}} at {wrote['at']}: {wanted} sent, {found} found")

    # --- telling --------------------------------------------------------------------------------------------------

    def say(self, text):
        print(f"  {self.name:12} {text}", file=sys.stderr, flush=True)

    def report(self):
        samples = sum(self.sent.values())
        if not samples or self.server.process is None or self.server.process.poll() is not None:
            return
        cpu_us = (self.past_cpu_s + self.cpu_s) / samples * 1e6
        fleet_us = self.legs[-1]["cpu_s"] / samples * 1e6
        wire = sum(leg["leg_bytes"] for leg in self.legs) / samples
        self.say(
            f"{samples / 1e6:.1f} M samples in {time.monotonic() - self.began:.0f} s; CPU a sample: server "
            f"{cpu_us:.2f} us, fleet {fleet_us:.3f} us; {wire:.1f} B a sample on the wire; request latency "
            f"p99 {max(leg['p99_ms'] for leg in self.legs):.1f} ms, "
            f"max {max(leg['max_ms'] for leg in self.legs):.1f} ms"
        )

    def write_csv(self):
        os.makedirs(OUT, exist_ok=True)
        with open(os.path.join(OUT, self.name + ".csv"), "w", encoding="ascii", newline="") as f:
            out = csv.writer(f)
            owners = sorted({owner for s in self.seen for owner in s.owners})
            head = "phase scrape seconds rss live allocated accounted slack series samples event".split()
            out.writerow(head + owners)
            for s in self.seen:
                row = [s.phase, s.scrape, s.scrape * STEP_MS // 1000, s.rss, s.live, s.allocated, s.accounted]
                row += [s.slack, s.series, s.samples, self.events.get(s.scrape, "")]
                out.writerow(row + [s.owners.get(owner, 0) for owner in owners])
