"""The service manager hears when the server is ready, that it stops, and that it needs time (sd_notify(3))."""

from hg import Hourglass, Manager, Skip, now_ms, wait_until


def started(manager, server):
    """Starts it; skips where the server does not speak to a manager yet."""
    server.environment["NOTIFY_SOCKET"] = manager.path
    server.start()
    try:
        wait_until(lambda: manager.heard("READY"), 2, "READY=1")
    except AssertionError:
        raise Skip("ENABLE ME: the server sends nothing to NOTIFY_SOCKET yet") from None
    return server


def test_ready_and_stopping():
    with Manager() as manager, Hourglass() as server:
        started(manager, server)
        assert manager.heard("READY") == ["1"]
        assert manager.heard("STATUS"), "what it does"
        assert not manager.heard("STOPPING")
        server.write_ok(({"__name__": "x"}, [(now_ms(), 1.0)]))
        assert server.stop() == 0
        assert manager.heard("STOPPING") == ["1"]
        assert manager.heard("READY") == ["1"], "once"


def test_ready_is_said_when_queries_are_answered():
    with Manager() as manager, Hourglass() as server:
        started(manager, server)
        at = now_ms()
        server.write_ok(*[({"__name__": "x", "n": str(n)}, [(at, 1.0)]) for n in range(2000)])
        assert server.stop(30) == 0
        manager.receive().clear()
        server.spawn()
        wait_until(lambda: manager.heard("READY"), 10, "READY=1")
        assert server.query("count(x)", at=at / 1000)["result"][0]["value"][1] == "2000"


def test_the_way_down_asks_for_time():
    with Manager() as manager, Hourglass() as server:
        started(manager, server)
        assert server.stop() == 0
        stopping = next(i for i, message in enumerate(manager.receive()) if "STOPPING" in message)
        asked = [m["EXTEND_TIMEOUT_USEC"] for m in manager.messages[stopping:] if "EXTEND_TIMEOUT_USEC" in m]
        assert asked and all(int(us) > 0 for us in asked), manager.messages


def test_a_manager_that_is_gone_stops_nobody():
    with Manager() as manager:
        path = manager.path
    with Hourglass() as server:
        server.environment["NOTIFY_SOCKET"] = path
        server.start()
        server.write_ok(({"__name__": "x"}, [(now_ms(), 1.0)]))
        assert server.stop() == 0
