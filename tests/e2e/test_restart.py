"""A restart keeps every answer byte for byte; a snapshot that is cut or half written never stops the start."""

import glob
import os
import random
import shutil
import time

from hg import STALE, Hourglass, now_ms, wait_until

QUERIES = (
    "m", '{__name__=~"m|k"}', 'm{n="3"}', 'm{n!="3"}', 'm{n=~"1.*"}', 'm{n!~"1.*"}', "m offset 5m", "m[1h]", "k[30h]",
    "rate(k[10m])", "increase(k[1h])", "avg_over_time(m[1h])", "max_over_time(m[2h])", "min_over_time(m[2h])",
    "sum_over_time(m[1h])", "count_over_time(m[28h])", "last_over_time(m[1h])", "sum by (g) (m)", "avg without (n) (m)",
    "count(m) + 1", "m > bool 0", "m * on (n) k", "constant", "decimal[2h]", "stale_one[1h]",
)


def answers(server, at):
    found = {}
    for query in QUERIES:
        found[query] = server.get("/api/v1/query", {"query": query, "time": at}).body
        params = {"query": query, "start": at - 3600, "end": at, "step": 60}
        found[f"range {query}"] = server.get("/api/v1/query_range", params).body
    found["labels"] = server.get("/api/v1/labels").body
    found["series"] = server.get("/api/v1/series", {"match[]": ["m", "k"]}).body
    return found


def same(before, after):
    differing = [query for query in before if before[query] != after[query]]
    assert not differing, f"{len(differing)} differ, the first: {differing[0]}\n" + "\n".join(
        str(body[differing[0]][:500]) for body in (before, after)
    )


def fill(server, at, seed=None):
    """28 hours of 40 series with gaps, late samples, a constant, decimals and stale markers. Returns the seconds of
    the newest sample."""
    seed = int(os.environ.get("SEED", seed or time.time()))
    print(f"         seed: {seed}")
    rng = random.Random(seed)
    batch = []
    for n in range(20):
        labels = {"n": str(n), "g": str(n % 3)}
        points, total, gauge = [], 0.0, 0.0
        t = at - 27 * 3600 * 1000 + rng.randrange(60000)
        while t < at:
            total = 0.0 if rng.random() < 0.001 else total + rng.randrange(50)
            gauge = rng.choice([gauge, rng.uniform(-1, 1), float(rng.randrange(1000))])
            points.append((t, total, STALE if rng.random() < 0.002 else gauge))
            t += rng.choice([15000] * 50 + [30000, 3600000, 14999])
        batch.append(({"__name__": "k", **labels}, [(t, total) for t, total, _ in points]))
        batch.append(({"__name__": "m", **labels}, [(t, gauge) for t, _, gauge in points]))
    recent = [at - 15000 * i for i in range(400, 0, -1)]
    batch.append(({"__name__": "constant"}, [(t, 42.0) for t in recent]))
    batch.append(({"__name__": "decimal"}, [(t, round(rng.uniform(0, 10), 2)) for t in recent]))
    batch.append(({"__name__": "stale_one"}, [(t, 1.0) for t in recent[:-1]] + [(recent[-1], STALE)]))
    for labels, points in batch:
        for start in range(0, len(points), 1000):
            server.write_ok((labels, points[start : start + 1000]))
    server.write_ok(({"__name__": "decimal"}, [(recent[200] + 7, 0.5)]))  # late
    return at / 1000


def snapshots(server):
    """The files under the data directory, newest last, without locks and temporary names."""
    files = [path for path in glob.glob(server.data_path + "/**/*", recursive=True) if os.path.isfile(path)]
    return sorted((path for path in files if os.path.getsize(path) > 100), key=os.path.getmtime)


def request_snapshot(server):
    answer = server.request("POST", "/api/v1/admin/tsdb/snapshot")
    assert answer.code == 200 and answer.json["data"]["name"], answer
    return answer.json["data"]["name"]


def test_sigterm_and_start_give_the_same_bytes_twice():
    with Hourglass() as server:
        server.start()
        at = fill(server, now_ms())
        before = answers(server, at)
        assert b'"values":[' in before["range rate(k[10m])"]
        for _ in range(2):
            assert server.stop(30) == 0
            server.start()
            same(before, answers(server, at))


def test_while_it_loads_an_answer_is_whole_or_there_is_none():
    """The newest windows come first and are answered for; whoever asks for more hears 503 until that is there as well."""
    asked = ("constant", "m", "m[10m]", "count_over_time(m[28h])", "m offset 20h", 'k{n="3"}[28h]')
    with Hourglass() as server:
        server.start()
        at = fill(server, now_ms())
        many = [({"__name__": "many", "n": str(n)}, [(int(at * 1000), float(n))]) for n in range(5000)]
        server.write_ok(*many)
        before = {query: server.get("/api/v1/query", {"query": query, "time": at}).body for query in asked}
        assert all(b'"metric"' in body for body in before.values()), before
        n_early = n_refused = 0
        for _ in range(20):
            assert server.stop(30) == 0
            server.spawn()
            is_ready = False
            while not is_ready:
                is_ready = server.is_ready()
                for query in asked:
                    try:
                        answer = server.get("/api/v1/query", {"query": query, "time": at})
                    except OSError:
                        continue
                    n_early += answer.code == 200 and not is_ready
                    n_refused += answer.code == 503
                    assert answer.code in (200, 503), answer
                    assert answer.code == 503 or answer.body == before[query], f"{query}: {answer}"
                    assert answer.code == 200 or not is_ready, answer
                    assert answer.code == 200 or answer.headers["retry-after"] == "1", answer
        print(f"         {n_early} answers before it was ready, {n_refused} times 503")


def test_page_map_is_the_same_after_a_restart():
    """The same slots in the same pages, but for this: what was replaced while somebody read it had a slot until he was
    done, so a pool may have begun a page that it would not need any more."""
    with Hourglass() as server:
        server.start()
        fill(server, now_ms())
        before = server.data("/api/v1/status/memory")
        assert server.stop(30) == 0
        server.start()
        after = server.data("/api/v1/status/memory")
        for key in ("series", "samples"):
            assert before[key] == after[key], f"{key}: {before[key]} {after[key]}"
        for key, page_keys in (("pools", ("pages", "freeSlotBytes")), ("windows", ("bytes", "freeSlotBytes"))):
            assert len(before[key]) == len(after[key])
            for old, new in zip(before[key], after[key]):
                changed = {name for name in old if old[name] != new[name]}
                assert changed <= set(page_keys), f"{key}:\n{old}\n{new}"
                assert all(new[name] <= old[name] for name in page_keys), f"{key}:\n{old}\n{new}"
                assert key == "windows" or old["pages"] - new["pages"] <= 1, f"{key}:\n{old}\n{new}"


def test_writing_goes_on_after_a_restart():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        labels = {"__name__": "writes", "job": "x"}
        server.write_ok((labels, [(at - 20000, 1.0)]))
        server.stop()
        server.start()
        server.write_ok((labels, [(at - 20000, 1.0), (at - 10000, 2.0)]))
        assert server.write((labels, [(at - 20000, 5.0)])).code == 400, "what was restored is still known"
        found = server.samples("writes", at / 1000, 60)
        assert found == {frozenset(labels.items()): [(at - 20000, "1"), (at - 10000, "2")]}


def test_snapshot_on_demand_survives_kill_9():
    with Hourglass() as server:
        server.start()
        at = fill(server, now_ms())
        before = answers(server, at)
        request_snapshot(server)
        server.kill()
        server.start()
        same(before, answers(server, at))


def test_snapshot_every_interval():
    with Hourglass(**{"snapshot.interval": "1s"}) as server:
        server.start()
        at = now_ms()
        server.write_ok(({"__name__": "periodic"}, [(at, 1.0)]))
        wait_until(lambda: snapshots(server), 10, "a snapshot")
        time.sleep(2.5)
        server.kill()
        server.start()
        assert server.query("periodic", at=at / 1000)["result"]


def test_kill_9_while_a_snapshot_is_written_keeps_the_previous():
    with Hourglass() as server:
        server.start()
        at = fill(server, now_ms())
        before = answers(server, at)
        request_snapshot(server)
        for delay in (0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016):
            with server.connect() as sock:
                sock.sendall(b"POST /api/v1/admin/tsdb/snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                time.sleep(delay)
                server.kill()
            server.start()
            same(before, answers(server, at))
        assert server.stop(30) == 0
        assert not glob.glob(server.data_path + "/**/*.tmp*", recursive=True), "temporary files are left"


def test_snapshot_cut_anywhere_still_starts_and_says_so():
    with Hourglass() as server:
        server.start()
        at = fill(server, now_ms(), seed=1)
        assert server.stop(30) == 0
        whole = server.data_path + ".whole"
        shutil.copytree(server.data_path, whole)
        path = os.path.relpath(max(snapshots(server), key=os.path.getsize), server.data_path)
        size = os.path.getsize(os.path.join(whole, path))
        for cut in (0, 1, 7, 64, 4096, size // 3, size // 2, size * 9 // 10, size - 9, size - 1):
            shutil.rmtree(server.data_path)
            shutil.copytree(whole, server.data_path)
            os.truncate(os.path.join(server.data_path, path), cut)
            written = len(server.log)
            server.start()
            said = server.log[written:].lower()
            assert any(word in said for word in ("cut", "trunc", "damage", "corrupt", "torn", "short")), (cut, said)
            server.query("m", at=at)
            server.write_ok(({"__name__": "after_cut"}, [(now_ms(), 1.0)]))
            assert server.stop(30) == 0
        shutil.rmtree(whole)


def test_flipped_bytes_lose_only_a_part_and_never_stop_the_start():
    with Hourglass() as server:
        server.start()
        at = fill(server, now_ms(), seed=2)
        reference = {key: dict(values) for key, values in server.samples("k", at, 30 * 3600).items()}
        assert server.stop(30) == 0
        whole = server.data_path + ".whole"
        shutil.copytree(server.data_path, whole)
        path = os.path.relpath(max(snapshots(server), key=os.path.getsize), server.data_path)
        size = os.path.getsize(os.path.join(whole, path))
        for where in (0, 5, 40, size // 4, size // 2, size * 3 // 4, size - 3):
            shutil.rmtree(server.data_path)
            shutil.copytree(whole, server.data_path)
            with open(os.path.join(server.data_path, path), "r+b") as file:
                file.seek(where)
                byte = file.read(1)[0]
                file.seek(where)
                file.write(bytes([byte ^ 0x55]))
            server.start()
            for key, values in server.samples("k", at, 30 * 3600).items():
                for t, value in values:
                    assert reference[key][t] == value, f"a wrong value after damage at {where}"
            server.kill()
        shutil.rmtree(whole)


def test_foreign_file_as_a_snapshot_does_not_stop_the_start():
    with Hourglass() as server:
        server.start()
        server.write_ok(({"__name__": "x"}, [(now_ms(), 1.0)]))
        assert server.stop() == 0
        for path in snapshots(server):
            with open(path, "wb") as file:
                file.write(os.urandom(5000))
        server.start()
        assert server.get("/-/healthy").code == 200
