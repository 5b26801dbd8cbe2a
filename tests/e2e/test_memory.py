"""The ledger of the built program: it adds up in whatever the program does, a leak shows where it belongs, and what a
burst took comes back."""

import contextlib
import json
import os
import re
import resource
import socket
import subprocess
import threading
import time
import urllib.parse

from hg import PEERS, ROOT, Hourglass, now_ms, snappy, wait_until, write_request

MIB = 1 << 20
N_CONNECTIONS = 2000
TRIM_SECONDS = 30                # the server looks at libc's heap as often
PING = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"


def ledger(server, phase):
    """status/memory, which must add up: with itself, and with what the kernel says from outside."""
    memory = server.data("/api/v1/status/memory")
    assert sum(row["bytes"] for row in memory["owners"]) == memory["accountedBytes"], phase
    assert memory["rssBytes"] - memory["accountedBytes"] == memory["unaccountedBytes"], phase
    assert memory["toleranceBytes"] == max(memory["rssBytes"] // 50, 2 * MIB)
    assert abs(memory["unaccountedBytes"]) <= memory["toleranceBytes"], f"{phase}: {memory}"
    return memory


def owner(memory, name):
    return sum(row["bytes"] for row in memory["owners"] if row["owner"] == name)


def resident(server):
    with open(f"/proc/{server.process.pid}/smaps_rollup", encoding="ascii") as rollup:
        return int(re.search(r"^Rss:\s+(\d+) kB", rollup.read(), re.M)[1]) * 1024


def body(t, n, name="load"):
    return snappy(write_request(*[({"__name__": f"{name}_{i % 50}", "host": f"h{i // 50}", "i": str(i)},
                                   [(t, float(i * t // 1000 % 977) if i % 3 == 0 else 1.0)]) for i in range(n)]))


@contextlib.contextmanager
def meanwhile(work, n_threads):
    """Repeats work(number of the repetition) in threads; what it raises is raised here at the end."""
    done, errors = threading.Event(), []

    def run():
        n = 0
        try:
            while not done.is_set():
                work(n)
                n += 1
        except Exception as error:  # whatever it is, the test has failed
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not errors, errors


@contextlib.contextmanager
def connections(server, n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, n + 256)), hard))
    sockets = [server.connect() for _ in range(n)]
    try:
        yield sockets
    finally:
        for one in sockets:
            one.close()


def ping(sockets):
    for one in sockets:
        one.sendall(PING)
    for one in sockets:
        assert one.recv(4096).startswith(b"HTTP/1.1 200")


def watch(server, phase, seconds):
    """A span that is charged and not committed yet, because the machine has no core for its thread, is forgiven when
    the next answer adds up."""
    end, in_a_row = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            ledger(server, phase)
            in_a_row = 0
        except AssertionError:
            in_a_row += 1
            if in_a_row == 3:
                raise
        time.sleep(0.05)


def test_ledger_adds_up_in_every_phase():
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        start = now_ms() // 1000 * 1000
        ledger(server, "idle")

        def ingest(n):
            answer = server.write_raw(body(start + n * 15000, 4000))
            assert answer.code == 204, answer

        def ask(n):
            server.query_range("sum by (host) (rate({host!=''}[5m]))", start / 1000, start / 1000 + 3600, 15 + n % 2)

        def save(_):
            assert server.request("POST", "/api/v1/admin/tsdb/snapshot").code == 200

        with meanwhile(ingest, 1):
            watch(server, "ingest", 3)
        with meanwhile(ask, 4):
            watch(server, "queries", 3)
        with connections(server, N_CONNECTIONS) as sockets:
            wait_until(lambda: server.metric("hourglass_http_connections") > N_CONNECTIONS, 10, "connections")
            memory = ledger(server, "silent connections")
            assert owner(memory, "connections") > N_CONNECTIONS * 7000
            ping(sockets)
            ledger(server, "connections")
        with meanwhile(save, 1):
            watch(server, "snapshot", 1)
        ledger(server, "after all")
        assert server.stop(30) == 0
        server.start()
        memory = ledger(server, "restarted")
        assert memory["samples"] > 4000
        assert abs(memory["rssBytes"] - resident(server)) < MIB


def test_heap_comes_back_after_a_burst():
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        server.write_raw(body(now_ms(), 10))
        before = ledger(server, "before")
        with connections(server, N_CONNECTIONS) as sockets:
            ping(sockets)
            big = body(now_ms(), 40000, "big")
            with meanwhile(lambda _: server.write_raw(big), 4):
                time.sleep(1)
            for one in sockets[::2]:       # leaves holes between what stays
                one.close()
            half = wait_until(lambda: owner(ledger(server, "half"), "connections") < N_CONNECTIONS * 4000, 10, "half")
            assert half
        during = ledger(server, "closed")
        assert during["heap"]["usedBytes"] + during["heap"]["freeBytes"] > before["heap"]["usedBytes"] + 8 * MIB
        wait_until(lambda: ledger(server, "trimmed")["heap"]["freeBytes"] < MIB, TRIM_SECONDS + 5, "a trim")
        after = ledger(server, "after")
        assert after["heap"]["usedBytes"] < before["heap"]["usedBytes"] + MIB, (before, after)
        assert owner(after, "requests") < 4 * MIB, after


@contextlib.contextmanager
def leaking_server():
    """A server with leak.c in its process, and a function that makes it leak 8 MiB."""
    with Hourglass(**{"storage.path": ""}) as server:
        library, fifo, done = (os.path.join(server.directory, name) for name in ("leak.so", "fifo", "done"))
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-pthread", "-o", library,
                        os.path.join(ROOT, "tests", "e2e", "leak.c")], check=True)
        os.mkfifo(fifo)
        os.mkfifo(done)
        server.environment = {"LD_PRELOAD": library, "LEAK_FIFO": fifo, "LEAK_DONE": done}
        server.start()
        with open(fifo, "wb", buffering=0) as commands, open(done, "rb", buffering=0) as answers:
            def leak(letter):
                commands.write(letter)
                assert answers.read(1) == letter
            yield server, leak


def expect_rise(before, after, risen):
    """Only `risen` (an owner, or unaccounted) has grown, by 8 MiB. What is retained comes and goes with each second."""
    rows = {row["owner"]: row["bytes"] - owner(before, row["owner"]) for row in after["owners"]}
    rows["unaccounted"] = after["unaccountedBytes"] - before["unaccountedBytes"]
    wanted = {name: 8 * MIB if name == risen else 0 for name in rows}
    wrong = {name: bytes for name, bytes in rows.items()
             if abs(bytes - wanted[name]) > (MIB if name == "retained" else 64 * 1024)}
    assert not wrong, wrong


def test_a_leak_shows_where_it_belongs():
    if b"__asan" in open(os.environ.get("HOURGLASS", os.path.join(ROOT, "build", "hourglass")), "rb").read():
        return                                 # its heap is not libc's
    with leaking_server() as (server, leak):
        for _ in range(3):                     # what the first answers touch for good
            server.get("/metrics")
            before = ledger(server, "before")
        leak(b"m")
        after = ledger(server, "a leak through malloc is somebody's")
        expect_rise(before, after, "libc")
        before = after
        leak(b"p")
        after = server.data("/api/v1/status/memory")
        expect_rise(before, after, "unaccounted")
        assert after["unaccountedBytes"] > after["toleranceBytes"]
        unaccounted, tolerance = (server.metric(f"hourglass_memory_{name}_bytes") for name in
                                  ("unaccounted", "tolerance"))
        assert unaccounted > tolerance + 5 * MIB, "the alert of docs/memory.md"
        assert server.stop() == 0


def test_pools_and_windows_add_up():
    with Hourglass() as server:
        server.start()
        for age in (5, 0):
            t = now_ms() - age * 3600 * 1000
            for i in range(130):
                assert server.write_raw(body(t - (130 - i) * 1000, 60)).code == 204
        memory = ledger(server, "written")
        assert len(memory["windows"]) >= 2
        for window in memory["windows"]:
            parts = window["payloadBytes"] + window["slackBytes"] + window["freeSlotBytes"]
            assert parts == window["bytes"], window
        pages = sum(window["bytes"] for window in memory["windows"])
        assert pages == owner(memory, "chunks") == sum(one["bytes"] for one in memory["classes"])
        of_open = memory["open"]  # heads and tails of open chunks: a pool for all windows
        assert of_open["used"] > 0 and of_open["pages"] * 16384 == owner(memory, "tails")
        slack = of_open["used"] * of_open["size"] - of_open["payloadBytes"]
        assert memory["waste"]["slackBytes"] == slack + sum(window["slackBytes"] for window in memory["windows"])
        assert memory["waste"]["freeSlotBytes"] >= sum(window["freeSlotBytes"] for window in memory["windows"])
        assert memory["waste"]["retainedBytes"] == owner(memory, "retained")
        for one in memory["classes"]:
            pools = [pool for pool in memory["pools"] if pool["size"] == one["size"]]
            assert one["pages"] == sum(pool["pages"] for pool in pools), one
            assert one["used"] == sum(pool["used"] for pool in pools), one
        assert server.metric("hourglass_pool_pages") == of_open["pages"] + sum(one["pages"] for one in memory["classes"])
        assert server.metric("hourglass_pool_slots_used") == of_open["used"] + sum(one["used"] for one in memory["classes"])


def test_metrics_pass_promtool():
    with Hourglass() as server:
        server.start()
        server.write_raw(body(now_ms(), 100))
        checked = subprocess.run([os.path.join(PEERS, "promtool"), "check", "metrics"], capture_output=True,
                                 input=server.get("/metrics").body, timeout=60, check=False)
        assert checked.returncode == 0 and not checked.stderr, checked.stderr


POINTS_SERIES, POINTS_EACH = 1000, 1000


def write_points(server, end_s):
    """A sample a minute: a third each of series that do not change, of counters, and of gauges with two decimals."""
    for first in range(0, POINTS_SERIES, 250):
        series = []
        for i in range(first, first + 250):
            values = [(float(i), float(i + k * (1 + i % 7)), (k * k * (i + 3) % 9973) / 100)[i % 3]
                      for k in range(POINTS_EACH // 60 + 2)]
            series.append(({"__name__": "points", "i": f"{i:04}", "host": f"host-{i % 20}", "job": "long"},
                           [((end_s - POINTS_EACH + (k - 1) * 60) * 1000, v) for k, v in enumerate(values)]))
        server.write_ok(*series)


def read_slowly(server, path):
    """(the answer, the highest RSS while most of it was still to be read)"""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", server.port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer, highest = client.recv(4096), 0
        time.sleep(2.5)  # what evaluation took is given back by the tick
        for _ in range(30):
            answer += client.recv(4096)
            highest = max(highest, resident(server))
            time.sleep(0.02)
        pieces = [answer]
        while piece := client.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces), highest


def dechunked(answer):
    at, text = answer.index(b"\r\n\r\n") + 4, []
    while at < len(answer):
        end = answer.index(b"\r\n", at)
        size = int(answer[at:end], 16)
        text.append(answer[end + 2:end + 2 + size])
        at = end + 4 + size
    return b"".join(text)


def test_a_million_points_wait_for_a_slow_reader_in_four_mib():
    with Hourglass() as server:
        server.start()
        end_s = now_ms() // 1000
        write_points(server, end_s)
        def ask(selector):
            query = urllib.parse.quote(f"{selector} + time() % 10")
            return f"/api/v1/query_range?query={query}&start={end_s - POINTS_EACH + 1}&end={end_s}&step=1"

        wanted = server.get(ask('points{i=~"..99"}')).json["data"]["result"]
        time.sleep(2.5)
        before = resident(server)
        answer, highest = read_slowly(server, ask("points"))
        found = json.loads(dechunked(answer))["data"]["result"]
        assert [len(one["values"]) for one in found] == [POINTS_EACH] * POINTS_SERIES
        assert len(wanted) == 10
        assert [one for one in found if one["metric"]["i"].endswith("99")] == wanted
        assert highest - before <= 4 * MIB, f"{before} -> {highest}"
