"""Writers, queries, label requests, status and snapshots at once: nothing is lost, nothing contradicts itself. Under
`make e2e-tsan` the same runs against a server built with ThreadSanitizer."""

import threading
import time

from hg import Hourglass, now_ms

SECONDS = 3
WRITERS = 3


def _write(server, number, start, done, counts):
    sent = 0
    while not done.is_set():
        t = start + sent * 10
        server.write_ok(*[({"__name__": "many", "writer": str(number), "series": str(i)}, [(t, float(sent))])
                          for i in range(50)])
        sent += 1
    counts[number] = sent


def _ask(server, done, errors):
    paths = ("/api/v1/query?query=sum(many)", "/api/v1/query?query=count(rate(many[1m]))+by+(writer)",
             "/api/v1/labels", "/api/v1/label/series/values", "/api/v1/series?match[]=many{series=~'1.'}",
             "/api/v1/status/memory", "/api/v1/status/tsdb", "/debug/pprof/heap", "/metrics")
    while not done.is_set():
        for path in paths:
            answer = server.get(path)
            if answer.code != 200:
                errors.append((path, answer))


def _save(server, done, errors):
    while not done.is_set():
        answer = server.request("POST", "/api/v1/admin/tsdb/snapshot")
        if answer.code != 200:
            errors.append(("snapshot", answer))
        time.sleep(0.1)


def _guarded(errors, target, *args):
    """A thread that notes what it raises: an exception in a thread fails nothing by itself."""
    def run():
        try:
            target(*args)
        except Exception as error:  # whatever it is, the test has failed
            errors.append((target.__name__, repr(error)))
    return threading.Thread(target=run)


def test_writers_queries_and_snapshots_at_once():
    with Hourglass(**{"self.interval": "0"}) as server:
        server.start()
        start, done, errors, counts = now_ms() - 60000, threading.Event(), [], {}
        threads = [_guarded(errors, _write, server, n, start, done, counts) for n in range(WRITERS)]
        threads += [_guarded(errors, _ask, server, done, errors) for _ in range(2)]
        threads.append(_guarded(errors, _save, server, done, errors))
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)
        done.set()
        for thread in threads:
            thread.join()
        assert not errors, errors[:3]
        assert len(counts) == WRITERS, "a writer failed"
        for restart in (False, True):
            if restart:
                assert server.stop(60) == 0
                server.start()
            for number, sent in counts.items():
                query = f'sum(count_over_time(many{{writer="{number}"}}[1h]))'
                result = server.query(query, at=start / 1000 + 60 + sent / 100)["result"]
                assert result[0]["value"][1] == str(50 * sent), (number, sent, result)
        assert server.stop(60) == 0
