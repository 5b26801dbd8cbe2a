"""Where it all is: status/tsdb against a real Prometheus that was sent the same, and the heap profile as its readers
get it."""

import gzip
import os
import random
import re
import threading
import time

from hg import Hourglass, Prometheus, now_ms

TSDB = "/api/v1/status/tsdb"
HEAP = "/debug/pprof/heap"
PROMETHEUS_TABLES = ["seriesCountByMetricName", "labelValueCountByLabelName", "memoryInBytesByLabelName",
                     "seriesCountByLabelValuePair"]
OUR_TABLES = ["bytesByMetricName", "bytesByLabelName", "bytesByLabelValuePair", "newSeriesByMetricName",
              "newSeriesByLabelValuePair"]
ALL = 100_000  # rows: more than there are


def seeded():
    seed = int(os.environ.get("SEED", time.time_ns()))
    print(f"seed: {seed}")
    return random.Random(seed)


def some_series(rng, n, t):
    """Label sets with texts of every length that counts (one byte or four), and in UTF-8."""
    series = {}
    for i in range(n):
        labels = {"__name__": f"metric_{rng.randrange(12)}", "job": rng.choice(["a", "b", "c=d", "<é>"])}
        if rng.random() < 0.7:
            labels["instance"] = f"host-{rng.randrange(40)}"
        if rng.random() < 0.1:
            labels[f"l{rng.randrange(5)}"] = rng.choice("xyz") * rng.choice([1, 127, 128, 254, 255, 256, 1000])
        series[tuple(sorted(labels.items()))] = [(t - rng.randrange(60_000), float(i))]
    return [(dict(labels), samples) for labels, samples in series.items()]


def rows(data, table):
    return [(row["name"], row["value"]) for row in data[table]]


def test_the_tables_of_a_real_prometheus():
    rng = seeded()
    series = some_series(rng, 1500, now_ms())
    with Hourglass() as hourglass, Prometheus("1h", {}, receives=True) as prometheus:
        for server in (hourglass, prometheus):
            server.start()
            server.write_ok(*series)
        ours, theirs = (server.data(TSDB, limit=ALL) for server in (hourglass, prometheus))
        for table in PROMETHEUS_TABLES:
            assert len(ours[table]) > 5, table
            assert sorted(rows(ours, table)) == sorted(rows(theirs, table)), table
            values = [value for _, value in rows(ours, table)]
            assert values == [value for _, value in rows(theirs, table)], table
        mine, other = ours["headStats"], theirs["headStats"]
        assert list(mine) == list(other), "the same names in the same order"
        assert mine == other, f"{mine} {other}"
        assert list(ours)[: len(theirs)] == list(theirs)
        # by default ten, the largest; which of equal ones Prometheus leaves out is chance
        ours, theirs = (server.data(TSDB) for server in (hourglass, prometheus))
        for table in PROMETHEUS_TABLES:
            assert [value for _, value in rows(ours, table)] == [value for _, value in rows(theirs, table)], table
        for limit in ("0", "-1", "abc", "1.5", "1e3", "99999999999999999999", " 1", "0x10", "", "+7", "010", "1_0"):
            answers = [server.get(TSDB, {"limit": limit}) for server in (hourglass, prometheus)]
            assert answers[0].code == answers[1].code, f"{limit!r}: {answers}"
            if answers[0].code != 200:
                assert answers[0].json == answers[1].json, f"{limit!r}: {answers}"
            else:
                assert [len(answer.json["data"]["seriesCountByLabelValuePair"]) for answer in answers] == \
                    [int(limit or "10")] * 2, limit


def test_an_empty_head_as_prometheus_says_it():
    with Hourglass() as hourglass, Prometheus("1h", {}, receives=True) as prometheus:
        ours, theirs = (server.start().data(TSDB) for server in (hourglass, prometheus))
        assert {name: ours[name] for name in theirs} == theirs
        assert ours["bytesTotal"] == {"series": 0, "labels": 0}


def test_bytes_add_up_and_grow_with_the_data():
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        base = 1_700_006_400_000  # the start of a window
        for k in range(3):  # 300 samples each: tails become blocks; three windows
            server.write_ok(*[  # scrape by scrape, so that all share their times
                ({"__name__": "much", "i": str(i)},
                 [(base + k * 14_400_000 + j * 10_000, float(j * j % (97 + i)))])
                for j in range(300) for i in range(20)])
            server.write_ok(({"__name__": "little", "i": "0"}, [(base + k * 14_400_000, 1.0)]))
        data, memory = server.data(TSDB, limit=ALL), server.data("/api/v1/status/memory")
        by_name = dict(rows(data, "bytesByMetricName"))
        assert rows(data, "bytesByMetricName")[0][0] == "much"
        assert by_name["much"] > 100 * by_name["little"]
        assert sum(by_name.values()) == data["bytesTotal"]["series"]
        assert sum(value for _, value in rows(data, "bytesByLabelName")) == data["bytesTotal"]["labels"]
        pairs = dict(rows(data, "bytesByLabelValuePair"))
        assert pairs["__name__=much"] == by_name["much"]
        assert sum(value for name, value in pairs.items() if name.startswith("i=")) == data["bytesTotal"]["series"]
        chunks = sum(pool["used"] * pool["size"] for pool in [*memory["pools"], memory["open"]])
        records = 21 * (80 + 64)  # and the history of three windows
        times = 3 * 8 * 128
        assert chunks - times <= data["bytesTotal"]["series"] - records < chunks, "all of it but for timelines"
        owners = {row["owner"]: row["bytes"] for row in memory["owners"]}
        assert data["bytesTotal"]["series"] <= owners["chunks"] + owners["tails"] + owners["series"]
        assert data["bytesTotal"]["labels"] <= owners["symbols"] + owners["pairs"] + owners["postings"]


def test_without_memory_to_count_in():
    with Hourglass(**{"query.max-memory": "1MiB", "query.max-concurrency": "2"}) as server:
        server.start()
        t = now_ms()
        for start in range(0, 150_000, 10_000):
            server.write_ok(*[({"__name__": "m", "i": f"{i:06d}"}, [(t, 1.0)]) for i in range(start, start + 10_000)])
        answer = server.get(TSDB)
        assert answer.code == 503, answer
        assert answer.headers["retry-after"] == "5"
        assert answer.json["errorType"] == "unavailable" and "--query.max-memory" in answer.json["error"], answer
        assert server.get(TSDB, {"limit": 0}).code == 400, "what is wrong is said first"


def test_while_series_come_and_go():
    with Hourglass(**{"storage.clock": "samples", "storage.window": "10s", "storage.windows": "2",
                      "storage.out-of-order-window": "5s"}) as server:
        server.start()
        done, errors = threading.Event(), []

        def write():
            t = now_ms()
            try:
                while not done.is_set():
                    t += 2_000
                    server.write_ok(*[({"__name__": f"m{i % 7}", f"n{t % 5}": f"{t // 8000}-{i}"}, [(t, 1.0)])
                                      for i in range(2000)])
            except Exception as error:  # whatever it is, the test has failed
                errors.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(60):
                data = server.data(TSDB, limit=ALL)
                total = data["bytesTotal"]["series"]
                assert sum(value for _, value in rows(data, "bytesByMetricName")) <= total
                for table in PROMETHEUS_TABLES + OUR_TABLES:
                    names = [name for name, _ in rows(data, table)]
                    values = [value for _, value in rows(data, table)]
                    assert values == sorted(values, reverse=True) and len(set(names)) == len(names), table
        finally:
            done.set()
            writer.join()
        assert not errors, errors


# --- the heap profile: just enough protobuf to read it -----------------------------------------------------------


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of a message; bytes or an int."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:
            assert key & 7 == 2, key
            n, at = read_varint(data, at)
            value, at = data[at : at + n], at + n
        yield key >> 3, value


def packed(data):
    at, values = 0, []
    while at < len(data):
        value, at = read_varint(data, at)
        values.append(value)
    return values


def stacks(body):
    """{"hourglass;chunks;..": bytes} of a profile."""
    message = list(fields(gzip.decompress(body)))
    texts = [value.decode() for number, value in message if number == 6]
    functions = {dict(fields(value))[1]: dict(fields(value))[2] for number, value in message if number == 5}
    lines = {dict(fields(value))[1]: dict(fields(value))[4] for number, value in message if number == 4}
    kinds = [dict(fields(value)) for number, value in message if number == 1]
    assert [(texts[kind[1]], texts[kind[2]]) for kind in kinds] == [("inuse_space", "bytes")]
    assert texts[0] == "" and texts[dict(message)[14]] == "inuse_space"
    assert abs(dict(message)[9] / 1e9 - time.time()) < 60
    out = {}
    for number, value in message:
        if number == 2:
            sample = dict(fields(value))
            names = [texts[functions[dict(fields(lines[at]))[1]]] for at in packed(sample[1])]
            out[";".join(reversed(names))] = packed(sample[2])[0]
    return out


def test_heap_profile():
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        base = 1_700_006_400_000
        for k in range(2):
            server.write_ok(*[({"__name__": "m", "i": str(i)},
                               [(base + k * 14_400_000 + j * 15_000, j * i % 7.5) for j in range(400)])
                              for i in range(200)])
        answer = server.get(HEAP)
        assert answer.code == 200, answer.code
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == 'attachment; filename="heap"'
        assert "content-encoding" not in answer.headers, "the file is gzip, not the transfer"
        heap, memory = stacks(answer.body), server.data("/api/v1/status/memory")
        for row in memory["owners"]:
            parts = sum(n for stack, n in heap.items() if f"{stack};".startswith(f"hourglass;{row['owner']};"))
            is_steady = row["owner"] not in ("libc", "program", "stacks", "retained", "requests", "queries",
                                             "connections")
            assert not is_steady or parts == row["bytes"], f"{row}: {parts}"
        for pool in memory["pools"]:
            front = f"hourglass;chunks;window {pool['window']};class {pool['size']}"
            parts = sum(n for stack, n in heap.items() if f"{stack};".startswith(f"{front};"))
            assert parts == pool["pages"] * 16384, f"{pool}: {parts}"
            assert heap.get(f"{front};free slots", 0) == pool["freeSlotBytes"]
        slack = sum(n for stack, n in heap.items() if stack.endswith(";slack"))
        free = sum(n for stack, n in heap.items() if stack.endswith(";free slots"))
        assert slack == memory["waste"]["slackBytes"] and free == memory["waste"]["freeSlotBytes"]

        text = server.get(HEAP, {"debug": 1})
        assert text.headers["content-type"] == "text/plain; charset=utf-8"
        lines = text.text.splitlines()
        accounted = int(re.match(r"# bytes of (\d+) accounted", lines[0])[1])
        assert sum(int(line.split()[0]) for line in lines[1:]) == accounted
        assert set(heap) - {"hourglass;libc;free", "hourglass;queries", "hourglass;requests"} <= \
            {line.strip().split("  ", 1)[1] for line in lines[1:]}
        assert server.get(HEAP, {"seconds": 1}).code == 400
        assert server.request("POST", HEAP).code == 405
