"""delete_series beside a real Prometheus: the same answers to the same requests, and the same samples afterwards; and
what becomes of a deletion when the server restarts."""

import random
import threading
import time

from hg import FORM, Hourglass, Prometheus, now_ms, wait_until

DELETE = "/api/v1/admin/tsdb/delete_series"
CLEAN = "/api/v1/admin/tsdb/clean_tombstones"
ENABLED = {"web.enable-admin-api": "true"}
STEP_MS = 5000
SCRAPES = 300


def fleet(start):
    """Twelve series of two metrics: gauges, constants, counters."""
    for number in range(12):
        labels = {"__name__": "load" if number % 3 else "up", "job": "ab"[number % 2], "instance": f"h{number}"}
        yield labels, [(start + i * STEP_MS, float(1 if number % 4 == 0 else i * number % 17)) for i in range(SCRAPES)]


def everything(server, at):
    """Every sample that a range selector sees."""
    rows = server.query('{__name__=~"up|load"}[1h]', at=at)["result"]
    return sorted((sorted(row["metric"].items()), row["values"]) for row in rows)


def deletions(start):
    """Parameters of requests: the forms of start and end, several selectors, nothing to delete."""
    def seconds(scrape):
        return (start + scrape * STEP_MS) / 1000

    yield {"match[]": "nothing"}
    yield {"match[]": "up", "start": seconds(10), "end": seconds(20)}
    yield {"match[]": ['up{job="a"}', 'load{job!="a"}'], "start": seconds(100) + 0.001, "end": seconds(140) - 0.001}
    yield {"match[]": 'load{instance=~"h[12]"}', "end": seconds(50)}
    yield {"match[]": 'load{instance=~"h4|h5"}', "start": seconds(250)}
    yield {"match[]": 'up{instance="h0"}', "start": seconds(120), "end": seconds(120)}
    yield {"match[]": "up", "start": seconds(20), "end": seconds(10)}
    yield {"match[]": 'load{instance="h7"}'}
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds(200)))
    yield {"match[]": '{instance="h8"}', "start": at}
    chance = random.Random(SCRAPES)
    for _ in range(20):
        first = chance.randrange(SCRAPES)
        yield {"match[]": f'{{instance="h{chance.randrange(12)}"}}', "start": seconds(first),
               "end": seconds(first + chance.randrange(40))}


def refusals():
    yield "POST", DELETE
    yield "PUT", DELETE
    yield "POST", DELETE + "?match[]=up&start=zz"
    yield "POST", DELETE + "?match[]=up&end=yesterday"
    yield "POST", DELETE + "?match[]=up%7B"
    yield "POST", DELETE + "?match[]=rate(up)&match[]=up"
    yield "POST", CLEAN
    yield "PUT", CLEAN


def test_the_same_answers_and_samples_as_prometheus():
    start = now_ms() // 1000 * 1000 - SCRAPES * STEP_MS
    at = start // 1000 + SCRAPES * STEP_MS // 1000
    with Hourglass(**ENABLED) as ours, Prometheus("1s", {}, receives=True) as theirs:
        servers = [ours.start(), theirs.start(60)]
        for server in servers:
            server.write_ok(*fleet(start))
        assert everything(ours, at) == everything(theirs, at) != []
        for method, path in refusals():
            mine, other = (server.request(method, path) for server in servers)
            assert (mine.code, mine.body) == (other.code, other.body), f"{method} {path}: {mine} {other}"
        for params in deletions(start):
            for server in servers:
                answer = server.post_form(DELETE, params)
                assert answer.code == 204 and answer.body == b"", f"{server.name} {params}: {answer}"
            left = everything(ours, at)
            assert left == everything(theirs, at), params
        assert 0 < sum(len(values) for _, values in left) < 12 * SCRAPES
        # what comes later is not deleted
        for server in servers:
            server.write_ok(*[(labels, [(at * 1000 + 1000, 5.0)]) for labels, _ in fleet(start)])
        assert everything(ours, at + 2) == everything(theirs, at + 2)


def test_a_bad_selector_deletes_nothing_whichever_it_is():
    """Prometheus obeys those before it; and one that matches all that there is by saying nothing."""
    start = now_ms() - SCRAPES * STEP_MS
    with Hourglass(**ENABLED) as server:
        server.start().write_ok(*fleet(start))
        for params in ({"match[]": ["up", "up{"]}, {"match[]": ["up", "{}"]}, {"match[]": '{__name__=~".*"}'}):
            assert server.post_form(DELETE, params).code == 400, params
        assert server.metric("hourglass_samples") == 12 * SCRAPES


def test_disabled_as_prometheus_has_it_and_get_deletes_nothing():
    with Hourglass() as off, Hourglass(**ENABLED) as on:
        on.start()
        for path in (DELETE + "?match[]=up", CLEAN):
            answer = off.request("POST", path) if off.process else off.start().request("POST", path)
            assert answer.code == 500, answer
            assert answer.json == {"status": "error", "errorType": "unavailable", "error": "admin APIs disabled"}
            assert on.get(path).code == 405
        assert "no effect" not in on.log


def test_what_is_deleted_stays_deleted_when_a_snapshot_was_written():
    start = now_ms() - SCRAPES * STEP_MS
    at = start // 1000 + SCRAPES * STEP_MS // 1000 + 1
    with Hourglass(**ENABLED) as server:
        server.start().write_ok(*fleet(start))
        cut = {"match[]": "load", "start": (start + 50 * STEP_MS) / 1000, "end": (start + 90 * STEP_MS) / 1000}
        assert server.post_form(DELETE, cut).code == 204
        assert server.post_form(DELETE, {"match[]": "up"}).code == 204
        left = everything(server, at)
        assert len(left) == 8 and all(len(values) == SCRAPES - 41 for _, values in left)
        assert server.metric("hourglass_samples_deleted_total") == 4 * SCRAPES + 8 * 41
        assert server.stop(30) == 0
        server.start()
        assert everything(server, at) == left
        assert server.data("/api/v1/series", **{"match[]": "up"}) == []
        # a series that was deleted is written again as a new one
        server.write_ok(*fleet(start))
        assert len(everything(server, at)) == 12


def test_deleting_beside_writers():
    start, done, sent = now_ms() - 60000, threading.Event(), []

    def write():
        for scrape in range(10**6):
            if done.is_set():
                return
            server.write_ok(*[({"__name__": "many", "i": str(i)}, [(start + scrape * 10, 1.0)]) for i in range(100)])
            sent.append(scrape)

    with Hourglass(**ENABLED) as server:
        server.start()
        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(30):
            answer = server.request("PUT", DELETE, "match[]=many", {"Content-Type": FORM})
            assert answer.code == 204, answer
        wait_until(lambda: len(sent) > 50, 30, "writers go on")
        done.set()
        writer.join()
        assert server.request("POST", DELETE + "?match[]=many").code == 204
        assert server.query("many")["result"] == []
        assert server.metric("hourglass_samples") == 0
        assert server.metric("hourglass_samples_deleted_total") == 100 * len(sent)
