"""Senders that stall, dribble, come by the thousand, or all come back at once: the others do not notice."""

import contextlib
import http.client
import resource
import select
import socket
import threading
import time

from hg import Hourglass, now_ms, snappy, wait_until, write_request

READ_DEADLINE_S = 30  # SERVER_READ_DEADLINE_MS: for a request to arrive
MAX_CONNECTIONS = 8192  # --web.max-connections
CROWD = 10000


def resident(server):
    with open(f"/proc/{server.process.pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def body_of(name, n=200):
    at = now_ms()
    return snappy(write_request(*[({"__name__": name, "i": f"{i:04}"}, [(at, float(i))]) for i in range(n)]))


def head_of(body):
    return ("POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Encoding: snappy\r\n"
            "Content-Type: application/x-protobuf\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()


def answer_of(sock, seconds):
    sock.settimeout(seconds)
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    return answer.status, answer.read().decode()


def is_closed(sock, seconds):
    """Whether the other end says within the time that it is over; what it says before does not matter."""
    until = time.monotonic() + seconds
    poll = select.poll()  # select stops at 1,024 files
    poll.register(sock, select.POLLIN)
    while poll.poll(max(0, until - time.monotonic()) * 1000):
        try:
            if sock.recv(65536) == b"":
                return True
        except ConnectionResetError:
            return True
    return False


def goes_on(server, name):
    """Somebody else's writes and queries are answered meanwhile."""
    for k in range(5):
        server.write_ok(({"__name__": name, "k": str(k)}, [(now_ms(), float(k))]))
        assert server.query(f'{name}{{k="{k}"}}')["result"][0]["value"][1] == str(k)


def dribble(sock, body, began):
    """Sends a byte a second until the other end has had enough; whether it had."""
    while time.monotonic() - began < READ_DEADLINE_S + 15:
        with contextlib.suppress(OSError):
            sock.sendall(body[:1])
        body = body[1:]
        if is_closed(sock, 1):
            return True
    return False


def test_bodies_that_stall_or_come_a_byte_a_second():
    """Progress is no excuse: the deadline is that of the request, whose sender has given up by then."""
    with Hourglass() as server, contextlib.ExitStack() as stack:
        server.start()
        body, other = body_of("stalled"), body_of("dribble")
        began = time.monotonic()
        stalled = [stack.enter_context(contextlib.closing(server.connect())) for _ in range(200)]
        for sock in stalled:
            sock.sendall(head_of(body) + body[: len(body) // 2])
        slow = stack.enter_context(contextlib.closing(server.connect()))
        slow.sendall(head_of(other))
        goes_on(server, "meanwhile")
        stalled[0].sendall(body[len(body) // 2 :])
        assert answer_of(stalled[0], 10) == (204, ""), "who finds his way again is served"
        assert dribble(slow, other, began), "kept for good"
        for sock in stalled[1:]:
            assert is_closed(sock, max(1, began + READ_DEADLINE_S + 15 - time.monotonic())), "kept for good"
        assert time.monotonic() - began > READ_DEADLINE_S - 2, "they had their time"
        assert len(server.query("stalled")["result"]) == 200, "of the one that went on"
        assert server.query("dribble")["result"] == []
        wait_until(lambda: server.metric("hourglass_http_connections") <= 2, what="they are gone")
        goes_on(server, "afterwards")


@contextlib.contextmanager
def many_files(n):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= n, f"{hard} open files are too few for this test"
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_ten_thousand_connections():
    """As many as --web.max-connections are kept, more are closed at once; each costs its share and no more."""
    with many_files(CROWD + 5000), Hourglass() as server, contextlib.ExitStack() as stack:
        server.start()
        goes_on(server, "before")
        first = stack.enter_context(contextlib.closing(server.connect()))
        first.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer_of(first, 10)[0] == 200
        was = resident(server)
        crowd = [stack.enter_context(contextlib.closing(server.connect())) for _ in range(CROWD)]
        body = body_of("first")
        first.sendall(head_of(body) + body)
        assert answer_of(first, 20) == (204, ""), "who is in is served"
        wait_until(lambda: sum(is_closed(sock, 0) for sock in crowd) >= CROWD - MAX_CONNECTIONS, 20,
                   "those above the limit are closed")
        first.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        code, text = answer_of(first, 20)
        n = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("hourglass_http_connections "))
        assert code == 200 and n == MAX_CONNECTIONS, n
        grown = resident(server) - was
        assert grown <= n * 8192, f"{grown / n:.0f} bytes a connection"
        stack.close()
        wait_until(lambda: server.metric("hourglass_http_connections") <= 4, 20, "they are gone")
        goes_on(server, "afterwards")


def test_connections_at_the_limit_and_one_past():
    with Hourglass(**{"web.max-connections": "3"}) as server, contextlib.ExitStack() as stack:
        server.start()
        request = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"

        def is_in():
            sock = stack.enter_context(contextlib.closing(server.connect()))
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(request)
            return sock, not is_closed(sock, 1)

        def three():
            """A connection that a test has just closed may still count."""
            stack.close()
            found = [is_in() for _ in range(3)]
            return [sock for sock, stays in found if stays] if all(stays for _, stays in found) else None

        kept = wait_until(three, 20, "three connections")
        assert not is_in()[1], "one more is closed, not left to hang"
        for sock in kept:
            sock.sendall(request)
            assert answer_of(sock, 5)[0] == 200
        kept[0].close()
        wait_until(lambda: is_in()[1], 10, "room for one")


def test_two_hundred_retry_the_same_at_once():
    """Whatever each is told, the samples are there once, and whoever was refused was told to come back."""
    with Hourglass() as server:
        server.start()
        bodies = [body_of(f"again{k}", 500) for k in range(4)]
        told, barrier = [], threading.Barrier(200)

        def retry(k):
            barrier.wait()
            for _ in range(50):
                answer = server.write_raw(bodies[k % len(bodies)])
                told.append(answer)
                if answer.code == 204:
                    return
                time.sleep(0.1)

        threads = [threading.Thread(target=retry, args=(k,)) for k in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(answer.code == 204 for answer in told) == 200, sorted(answer.code for answer in told)
        for answer in told:
            assert answer.code == 204 or (answer.code == 503 and "retry-after" in answer.headers), answer
        for k in range(len(bodies)):
            found = server.query(f"count_over_time(again{k}[10m])")["result"]
            assert len(found) == 500 and {one["value"][1] for one in found} == {"1"}, k
        assert server.metric("prometheus_tsdb_head_series") == 2000
