"""Queries that ask for too much, make no sense or are never fetched: each ends in a clear answer or a bounded cost, and
writes go on beside it."""

import contextlib
import socket
import threading
import urllib.parse

from hg import Hourglass, now_ms, wait_until

SERIES = 300
HOURS = 2
STEP_MS = 15000
QUERY_MEMORY = 16 << 20


@contextlib.contextmanager
def _loaded():
    """A server with some series, and somebody who goes on writing; who must never be refused."""
    with Hourglass(**{"query.max-memory": f"{QUERY_MEMORY >> 20}MiB", "storage.clock": "samples"}) as server:
        server.start()
        end = now_ms() // 1000 * 1000
        times = range(end - HOURS * 3600000, end, STEP_MS)
        for first in range(0, SERIES, 50):
            server.write_ok(*[({"__name__": "load", "job": f"j{i % 7}", "i": str(i)}, [(t, float(i + t % 97)) for t in times])
                              for i in range(first, first + 50)])
        done, answers = threading.Event(), []

        def write():
            for n in range(1 << 30):
                if done.is_set():
                    return
                try:
                    answers.append(server.write(({"__name__": "beside"}, [(end + n, float(n))])).code)
                except OSError as error:
                    answers.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            yield server, end
            wait_until(lambda: len(answers) > 10, what="writes go on")
        finally:
            done.set()
            writer.join()
        assert set(answers) == {204}, set(answers)
        assert server.query("beside", at=(end + len(answers)) / 1000)["result"][0]["value"][1] == str(len(answers) - 1)


def _ask(server, expression, end, hours=0.0, step=15):
    params = {"query": expression}
    if hours:
        params.update(start=end / 1000 - hours * 3600, end=end / 1000, step=step)
    else:
        params["time"] = end / 1000
    return server.post_form("/api/v1/query_range" if hours else "/api/v1/query", params)


def _refused(answer, code, error_type, *words):
    assert answer.code == code, answer
    assert answer.json["errorType"] == error_type, answer
    for word in words:
        assert word in answer.json["error"], answer


def test_each_is_refused_with_the_reason():
    with _loaded() as (server, end):
        for depth in (10000, 100000):
            deep = _ask(server, "(" * depth + "load" + ")" * depth, end)
            _refused(deep, 400, "bad_data", "nest")
            _refused(_ask(server, "-" * depth + "load", end), 400, "bad_data", "nest")
        _refused(_ask(server, '{i=~".+"}', end, hours=28, step=1), 400, "bad_data", "11,000 points")
        assert _ask(server, 'load{i="1"}', end, hours=11000 / 3600, step=1).code == 200
        _refused(_ask(server, 'load{i="1"}', end, hours=11001 / 3600, step=1), 400, "bad_data", "11,000 points")
        _refused(_ask(server, "max_over_time(load[1000000000s:1s])", end), 422, "execution")
        _refused(_ask(server, 'load{job=~"((((a{100}){100}){100}){100})"}', end), 400, "bad_data")
        _refused(_ask(server, "load{", end), 400, "bad_data", "1:6")
        for text in (b"load{job=\"\xff\"}", b"\xc3\x28", b"load{job=\"\xed\xa0\x80\"}"):
            answer = server.request("POST", "/api/v1/query", b"query=" + urllib.parse.quote_from_bytes(text).encode(),
                                    {"Content-Type": "application/x-www-form-urlencoded"})
            _refused(answer, 400, "bad_data")


def test_a_regular_expression_takes_time_by_its_length():
    """What makes a matcher that goes back take years."""
    with _loaded() as (server, end):
        answer = _ask(server, 'count(load{job=~"(((((j*)*)*)*)*)*x"})', end)
        assert answer.code == 200 and answer.json["data"]["result"] == [], answer


def test_memory_of_a_query_is_bounded():
    """Each asks for more than it may have."""
    with _loaded() as (server, end):
        before = server.metric("process_resident_memory_bytes")
        for expression in ('{__name__=~".+"} + on (i) group_left () load', "load or -load or 2 * load"):
            _refused(_ask(server, expression, end, hours=HOURS, step=1), 422, "execution", "memory")
        wait_until(lambda: server.metric("process_resident_memory_bytes") < before + QUERY_MEMORY / 2,
                   what="memory is given back")


def test_clients_that_leave_or_never_read():
    with _loaded() as (server, end):
        params = urllib.parse.urlencode({"query": "load", "start": end / 1000 - 3600, "end": end / 1000, "step": 1})
        request = f"GET /api/v1/query_range?{params} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        silent = []
        for _ in range(4):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", server.port))
            sock.sendall(request)
            silent.append(sock)
        for _ in range(8):
            with server.connect() as leaving:
                leaving.sendall(request)
        for _ in range(5):
            assert len(_ask(server, "load", end).json["data"]["result"]) == SERIES
        for sock in silent:
            sock.close()
        wait_until(lambda: server.metric("prometheus_engine_queries") == 0, what="no query is left")
