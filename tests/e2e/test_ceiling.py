"""--storage.memory-limit holds whatever senders and askers do: stages begin and end by themselves, series that exist go
on without a gap, what is refused is counted and explained, and the resident memory never exceeds the limit.

CEILING=long (make soak) takes 256 MiB, ten million new series and fifty queries, in a control group of its own below
ours where one can be made: there the limit is found, and socket buffers, page tables and page cache count too."""

import contextlib
import http.client
import json
import os
import random
import re
import struct
import threading
import time

from hg import Group, Hourglass, field, now_ms, snappy, varint, wait_until, write_request

MIB = 1 << 20
LONG = os.environ.get("CEILING") == "long"
SERIES_A_BODY = 2000
STEP_MS = 250                    # of the series that go on
STAGES = ["normal", "queries", "series", "window", "writes"]


class Resident(threading.Thread):
    """The most that was resident, looked at every 5 ms."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path, self.most, self.done = f"/proc/{pid}/statm", 0, threading.Event()
        self.start()

    def run(self):
        page = os.sysconf("SC_PAGE_SIZE")
        with contextlib.suppress(OSError, IndexError):
            while not self.done.wait(0.005):
                with open(self.path, encoding="ascii") as statm:
                    self.most = max(self.most, int(statm.read().split()[1]) * page)

    def stop(self):
        self.done.set()
        self.join()
        return self.most


class NewSeries:
    """Bodies of series that nobody has seen; each is a template with a number patched in."""

    DIGITS = 10

    def __init__(self):
        self.n = 0
        self.lock = threading.Lock()

    def body(self):
        with self.lock:
            first, self.n = self.n, self.n + SERIES_A_BODY
        at = varint(now_ms())
        head = field(1, b"\x0a\x08__name__\x12\x07endless") + b"\x0a" + varint(6 + self.DIGITS) + b"\x0a\x02id\x12"
        head += varint(self.DIGITS)
        sample = field(2, b"\x09" + struct.pack("<d", 1.0) + b"\x10" + at)
        prefix = b"\x0a" + varint(len(head) + self.DIGITS + len(sample)) + head
        return snappy(b"".join(prefix + b"%010d" % i + sample for i in range(first, first + SERIES_A_BODY)))


class Steady(threading.Thread):
    """Series that exist and go on: a sample each every STEP_MS, sent again after a 503 until it is taken."""

    def __init__(self, server, n):
        super().__init__(daemon=True)
        self.server, self.n, self.done = server, n, threading.Event()
        self.times, self.repeats, self.slowest, self.errors = [], 0, 0.0, []

    def send(self, at):
        body = snappy(write_request(*[({"__name__": "steady", "i": str(i)}, [(at, float(at % 1000 + i))])
                                      for i in range(self.n)]))
        while True:
            begun = time.monotonic()
            answer = self.server.write_raw(body)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            if answer.code == 204:
                self.times.append(at)
                return
            if answer.code != 503 or "retry-after" not in answer.headers:
                self.errors.append(answer)
                return
            self.repeats += 1
            time.sleep(0.1)

    def run(self):
        at = now_ms() // STEP_MS * STEP_MS
        try:
            while not self.done.is_set():
                self.send(at)
                at += STEP_MS
                time.sleep(max(0, at / 1000 - time.time()))
        except OSError as error:
            self.errors.append(error)

    def stop(self):
        self.done.set()
        self.join()
        assert not self.errors, self.errors[0]

    def check(self, server, since_ms, phase):
        """Every sample from since_ms on is there, of every series."""
        wanted = [t for t in self.times if t >= since_ms]
        seconds = (wanted[-1] - wanted[0]) // 1000 + 2
        found = {}
        for digit in range(10):  # queries have little memory at this stage
            found |= server.samples(f"steady{{i=~'.*{digit}'}}", wanted[-1] / 1000, seconds)
        assert len(found) == self.n, f"{phase}: {len(found)} of {self.n} series"
        for labels, samples in found.items():
            times = {t for t, _ in samples}
            missing = [t for t in wanted if t not in times]
            assert not missing, f"{phase}: {dict(labels)} has gaps at {missing[:5]}, {len(missing)} of {len(wanted)}"


def memory(server):
    return server.data("/api/v1/status/memory")


def stage(server):
    return memory(server)["stage"]


def refused(server, reason):
    return float(re.search(rf'^hourglass_samples_refused_total{{reason="{reason}"}} (\S+)$',
                           server.get("/metrics").text, re.M)[1])


def count_refused(answer, totals):
    """What an answer says was refused, in numbers."""
    found = re.match(r"(\d+) of (\d+) samples refused, (\d+) new series among them; first: (.*), series (\{.*\})",
                     answer.text)
    assert found, answer
    assert "--storage.memory-limit" in found[4] and 'endless"' in found[5], answer
    totals.append(int(found[1]))


def heavy_queries(server, n):
    """n queries at once over all there is; each is answered, or told why not."""
    codes, lock = {}, threading.Lock()

    def ask(i):
        now = time.time()
        what = "steady" if i % 2 else "{__name__=~'endless|steady'}"
        answer = server.get("/api/v1/query_range", {
            "query": f"sum by (id, i) (rate({what}[{30 + i}s]))", "start": now - 60, "end": now, "step": 10 if i % 2 else 1},
            timeout=120)
        if answer.code != 200:
            assert answer.code in (422, 503), answer
            assert "--query.max-memory" in answer.text or "--storage.memory-limit" in answer.text, answer
            assert answer.code == 422 or "retry-after" in answer.headers, answer
        with lock:
            codes[answer.code] = codes.get(answer.code, 0) + 1

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(codes.values()) == n and codes.get(200), codes
    return codes


def storm(server, n_series, n_senders):
    """Sends n_series that nobody knows; how many samples the answers said were refused."""
    new, totals, errors = NewSeries(), [], []
    deadline = time.monotonic() + 900

    def send():
        try:
            while new.n < n_series and time.monotonic() < deadline:
                answer = server.write_raw(new.body())
                if answer.code == 400:
                    count_refused(answer, totals)
                elif answer.code == 503:
                    assert "retry-after" in answer.headers, answer
                    time.sleep(0.05)
                else:
                    assert answer.code == 204, answer
        except Exception as error:  # whatever it is, the test has failed
            errors.append(error)

    threads = [threading.Thread(target=send) for _ in range(n_senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]
    return new.n, sum(totals)


def test_endless_new_series_queries_snapshot_restart():
    limit = 256 * MIB if LONG else 40 * MIB
    n_series = 10_000_000 if LONG else 300_000
    flags = {"storage.window": "20s" if LONG else "3s", "storage.windows": "5", "storage.out-of-order-window": "5s"}
    with Group(limit if LONG else 0) as group, Hourglass(**flags) as server:
        if group.path:
            server.group = group.path
        else:
            server.flags["storage.memory-limit"] = f"{limit // MIB}MiB"
        server.start(30)
        if group.path:
            assert memory(server)["limitBytes"] == limit * 9 // 10 // MIB * MIB
            limit = memory(server)["limitBytes"]
        resident = Resident(server.process.pid)
        steady = Steady(server, 200)
        steady.start()
        wait_until(lambda: len(steady.times) >= 4, 10, "series that go on")
        before = memory(server)
        assert before["stage"] == "normal" and [s["stage"] for s in before["stages"]] == STAGES[1:], before

        begun = time.monotonic()
        n_sent, n_refused = storm(server, n_series, 2)
        short = memory(server)
        grows = server.data("/api/v1/status/tsdb", limit=1)
        assert grows["newSeriesByMetricName"][0]["name"] == "endless", grows
        codes = heavy_queries(server, 50)
        now = wait_until(lambda: now_ms() - steady.times[-1] < 2000 and now_ms(), 10, "series that go on")
        kept_ms = int(flags["storage.window"][:-1]) * 1000 * (int(flags["storage.windows"]) - 2)
        dropped = memory(server)["windowsDroppedEarly"]
        assert server.request("POST", "/api/v1/admin/tsdb/snapshot", timeout=60).code == 200
        if dropped == 0:
            steady.check(server, now - kept_ms, "after the storm")
        assert n_refused > 0 and refused(server, "new_series") == n_refused, (n_refused, refused(server, "new_series"))
        log = server.log
        assert "Memory runs short" in log and "stage=series" in log and "Remote write refused." in log
        begun_stages = {s["stage"]: s["begun"] for s in memory(server)["stages"]}
        assert begun_stages["queries"] >= 1 and begun_stages["series"] >= 1, begun_stages

        steady.stop()
        most = resident.stop()
        assert server.stop(120) == 0
        stopped = now_ms()
        server.start(300)
        resident = Resident(server.process.pid)
        again = Steady(server, 200)
        again.times = list(steady.times)
        again.check(server, stopped - kept_ms, "after a restart")  # nothing is dropped before the time is confirmed
        again.start()
        wait_until(lambda: stage(server) == "normal", 300, "the way back")
        assert server.write_raw(NewSeries().body()).code == 204, "new series are welcome again"
        again.stop()
        most_again = resident.stop()
        print(f"       {n_sent} new series in {time.monotonic() - begun:.0f} s, {n_refused} refused, stage "
              f"{short['stage']}, {short['series']} series; queries {codes}; steady {len(steady.times)} scrapes, "
              f"{steady.repeats} repeated, the slowest {steady.slowest:.2f} s; RSS at most {most / MIB:.1f} and {most_again / MIB:.1f} of "
              f"{limit / MIB:.1f} MiB; windows dropped {dropped}; {group}", flush=True)
        assert most <= limit and most_again <= limit, (most, most_again, limit)
        group.check()


class Random:
    """Bodies of N series with random doubles at given times: nothing that can be packed."""

    N = 500

    def __init__(self):
        self.random = random.Random(int(os.environ.get("SEED", "1")))
        self.heads = [b"".join(field(1, field(1, name) + field(2, value)) for name, value in
                               ((b"__name__", b"noise"), (b"i", b"%d" % i))) for i in range(self.N)]

    def body(self, first_ms, step_ms, n):
        ends = [b"\x10" + varint(first_ms + i * step_ms) for i in range(n)]
        length = varint(9 + len(ends[0]))
        out = []
        for head in self.heads:
            noise = self.random.randbytes(8 * n)
            one = head + b"".join(b"\x12" + length + b"\x09" + noise[8 * i : 8 * i + 7] + b"\x3f" + ends[i]
                                  for i in range(n))
            out.append(b"\x0a" + varint(len(one)) + one)
        return snappy(b"".join(out))


def test_oldest_windows_go_and_only_then_writes():
    """Existing series alone fill what there is: their oldest windows go before their time, then 503 says when to come
    back; a deletion makes room and everything is welcome again. By a wall clock, so nothing else turns."""
    hour, window = 3600 * 1000, 4 * 3600 * 1000
    flags = {"storage.memory-limit": "32MiB", "web.enable-admin-api": "true", "storage.out-of-order-window": "30m"}
    with Hourglass(**flags) as server:
        server.start(30)
        resident = Resident(server.process.pid)
        noise = Random()
        present = now_ms() // window * window
        start, few, many = present - 6 * window, 10, 60
        seen, refused_at, times = [], None, []

        def send(first_ms, step_ms, n):
            answer = server.write_raw(noise.body(first_ms, step_ms, n))
            now = stage(server)
            if not seen or seen[-1] != now:
                seen.append(now)
            return answer

        def check_present():
            for i in range(0, noise.N, 50):
                count = server.query(f"count_over_time(noise{{i='{i}'}}[{window - 1}ms])", at=(at + 1000) / 1000)["result"]
                assert float(count[0]["value"][1]) == len(times) * few, (i, count, len(times))

        # three bodies a window, up to the present one, which then takes what is left
        for at in range(start, present, window // 3):
            assert send(at, 1000, many).code == 204
        assert memory(server)["windowsDroppedEarly"] == 0, "the limit is too small for this test"
        span = max(now_ms() - present - 60000, 1000)
        step = max(1, span // (1000 * few))
        at = present
        for _ in range(1000):
            answer = send(at, step, few)
            if answer.code == 503:
                refused_at = answer
                break
            assert answer.code == 204, answer
            times.append(at)
            at += few * step
        assert refused_at is not None, (seen, memory(server))
        assert "retry-after" in refused_at.headers and "--storage.memory-limit" in refused_at.text, refused_at
        assert list(dict.fromkeys(seen)) == STAGES, f"each in its turn: {seen}"
        m = memory(server)
        assert m["windowsDroppedEarly"] >= 6, m["windowsDroppedEarly"]
        log = server.log
        assert log.count("The oldest window is dropped before its time") == m["windowsDroppedEarly"]
        old = server.write(({"__name__": "noise", "i": "0"}, [(start, 1.0)]))
        assert old.code == 503, "refused whole at the last stage"
        # all that was accepted of the present window is there
        check_present()
        # the journal has what was dropped as well: the start drops it again instead of failing
        assert resident.stop() <= 32 * MIB
        server.kill()
        server.spawn()
        resident = Resident(server.process.pid)
        wait_until(server.is_ready, 120, "the start")
        assert memory(server)["windowsDroppedEarly"] >= 5, memory(server)
        check_present()
        assert resident.stop() <= 32 * MIB
        assert server.request("POST", "/api/v1/admin/tsdb/delete_series?match[]=noise").code == 204
        wait_until(lambda: stage(server) == "normal", 20, "the way back")
        assert server.write(({"__name__": "noise", "i": "0"}, [(start, 1.0)])).code == 400, "dropped windows stay so"
        server.write_ok(({"__name__": "noise", "i": "0"}, [(now_ms(), 1.0)]))
        assert server.log.count("Memory is less short") >= 1


def test_limits_at_and_one_past():
    with Hourglass(**{"web.max-samples": "5", "storage.max-series": "3", "storage.max-series-per-metric": "2"}) as server:
        server.start()
        now = now_ms()
        five = [(now - i, float(i)) for i in range(5, 0, -1)]
        server.write_ok(({"__name__": "a"}, five))
        answer = server.write(({"__name__": "a"}, [(now - i, float(i)) for i in range(6, 0, -1)]))
        assert answer.code == 400 and "6 samples, the limit is 5 (--web.max-samples)" in answer.text, answer
        assert server.metric("hourglass_requests_refused_total") == 1
        server.write_ok(({"__name__": "a", "i": "2"}, five))
        answer = server.write(({"__name__": "a", "i": "3"}, five))
        assert answer.code == 400 and "limit of series of one metric" in answer.text, answer
        server.write_ok(({"__name__": "b"}, five))
        answer = server.write(({"__name__": "c"}, five))
        assert answer.code == 400 and "limit of series reached" in answer.text and '"c"' in answer.text, answer
        assert server.log.count("Remote write refused") == 1, "one line in ten seconds, the first reason"


def test_requests_at_once_at_and_one_past():
    """A request counts from its head to its end; what stands still counts too."""
    with Hourglass(**{"web.max-requests": "2"}) as server:
        server.start()
        head = b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab"
        slow = [server.connect() for _ in range(2)]
        for one in slow:
            one.sendall(head)
        wait_until(lambda: server.get("/api/v1/query", {"query": "1"}).code == 503, 10, "two requests")
        answer = server.write(({"__name__": "a"}, [(now_ms(), 1.0)]))
        assert answer.code == 503 and "--web.max-requests" in answer.text and "retry-after" in answer.headers, answer
        assert server.get("/api/v1/status/memory").code == 200 and server.get("/-/ready").code == 200
        slow[0].close()
        wait_until(lambda: server.write(({"__name__": "a"}, [(now_ms(), 1.0)])).code == 204, 10, "room for one")
        slow[1].close()


def taken_and_refused(connection):
    """Connections, by /metrics over one that is open (http.client)."""
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return [int(re.search("^" + re.escape(name) + r" (\d+)", text, re.M)[1])
            for name in ("hourglass_http_connections", 'hourglass_memory_leases_refused_total{kind="connections"}')]


def test_more_connections_than_memory_has_room_for():
    """Their share of a small limit is used up: newcomers are closed, those that are there go on, and the store too."""
    with Hourglass(**{"storage.memory-limit": "32MiB"}) as server:
        server.start()
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)))
            assert taken_and_refused(first) == [1, 0]
            for _ in range(500):
                stack.enter_context(contextlib.closing(server.connect()))
            # connected is not accepted yet
            wait_until(lambda: sum(taken_and_refused(first)) == 501, 10, "each was taken or refused")
            n, _ = taken_and_refused(first)
            assert 200 < n < 350, n
        wait_until(lambda: server.metric("hourglass_http_connections") <= 2, 10, "they are closed")
        found = re.search(r'leases_refused_total\{kind="connections"\} (\d+)', server.get("/metrics").text)
        assert int(found[1]) >= 150, found[0]
        server.write_ok(({"__name__": "a"}, [(now_ms(), 1.0)]))
