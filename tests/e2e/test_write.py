"""What remote write 1.0 takes and refuses, and how it says so."""

import os
import socket

from hg import STALE, Hourglass, field, now_ms, receive, snappy, snappy_framed, varint, write_request

LIMIT = 1 << 20


def sample(name="up", at=None, value=1.0, **labels):
    return ({"__name__": name, **labels}, [(at or now_ms(), value)])


def refused(answer, code, *words):
    assert answer.code == code, f"expected {code}: {answer}"
    for word in words:
        assert word.lower() in answer.text.lower(), f"expected '{word}' in {answer}"


def test_content_types_and_encodings():
    with Hourglass() as server:
        server.start()
        body = snappy(write_request(sample()))
        v1 = "application/x-protobuf;proto=prometheus.WriteRequest"
        for headers in (
            {},
            {"Content-Type": None},
            {"Content-Encoding": None},
            {"Content-Type": v1},
            {"Content-Type": 'Application/X-Protobuf ; Proto="prometheus.WriteRequest"'},
            {"X-Prometheus-Remote-Write-Version": None},
        ):
            assert server.write_raw(body, headers).code == 204, headers
        for headers in (
            {"Content-Type": "application/json"},
            {"Content-Type": "application/x-protobuf;proto=some.Thing"},
            {"Content-Encoding": "gzip"},
            {"Content-Encoding": "zstd"},
            {"Content-Encoding": "identity"},
        ):
            refused(server.write_raw(body, headers), 415)


def test_answers_of_v1_carry_no_written_headers_and_204_no_body():
    with Hourglass() as server:
        server.start()
        answer = server.write(sample())
        assert answer.code == 204 and answer.body == b""
        assert "content-length" not in answer.headers and "transfer-encoding" not in answer.headers
        assert not [name for name in answer.headers if name.endswith("-written")]


def test_other_methods_are_405():
    with Hourglass() as server:
        server.start()
        for method in ("GET", "PUT", "DELETE"):
            assert server.request(method, "/api/v1/write").code == 405, method


def test_framing_format_is_named_in_the_refusal():
    with Hourglass() as server:
        server.start()
        refused(server.write_raw(snappy_framed(write_request(sample()))), 400, "fram")


def test_declared_length_of_4_GB_is_refused_before_memory_is_taken():
    with Hourglass() as server:
        server.start()
        before = server.metric("process_resident_memory_bytes")
        body = varint((1 << 32) - 1) + b"\xf0" + b"x" * 41
        assert len(body) == 47
        for _ in range(20):
            refused(server.write_raw(body), 400)
        assert server.metric("process_resident_memory_bytes") - before < 8 << 20


def test_truncated_and_corrupt_bodies_are_400_and_store_nothing():
    with Hourglass() as server:
        server.start()
        message = write_request(sample("cut_a"), sample("cut_b", job="x"))
        body = snappy(message)
        for cut in range(len(body)):
            refused(server.write_raw(body[:cut]), 400) if cut else None
        for cut in range(1, len(message)):
            answer = server.write_raw(snappy(message[:cut]))
            # a cut between two series leaves a whole message
            assert answer.code == (204 if cut == len(write_request(sample("cut_a"))) else 400), f"{cut}: {answer}"
        refused(server.write_raw(snappy(message, declared=len(message) + 1)), 400)
        refused(server.write_raw(snappy(message, declared=len(message) - 1)), 400)
        refused(server.write_raw(os.urandom(64)), 400)
        # wrong wire type for the series field, a group, a length beyond the message
        for bad in (b"\x08\x01", b"\x0b\x0c", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a" + b"\x80" * 11, b"\x02\x01a"):
            refused(server.write_raw(snappy(bad)), 400)
        assert not server.data("/api/v1/label/job/values")
        assert server.get("/-/healthy").code == 200


def test_empty_message_and_unknown_fields_are_fine():
    with Hourglass() as server:
        server.start()
        assert server.write_raw(snappy(field(15, b"from the future") + write_request(sample("known")))).code == 204
        assert server.query("known")["result"]
        assert server.write_raw(b"\x00").code == 204


def test_body_over_the_limit_is_400_compressed_or_declared():
    with Hourglass(**{"web.max-body-size": "1MiB"}) as server:
        server.start()
        message = write_request(({"__name__": "big", "v": "x" * (LIMIT + 100)}, [(now_ms(), 1.0)]))
        refused(server.write_raw(snappy(message)), 400, "limit")
        refused(server.write_raw(snappy(b"x", declared=LIMIT + 1)), 400, "limit")
        small = write_request(*[sample("fits", instance=str(i)) for i in range(100)])
        assert server.write_raw(snappy(small)).code == 204


def chunked(server, body, sizes):
    head = (
        f"POST /api/v1/write HTTP/1.1\r\nHost: {server.address}\r\nContent-Type: application/x-protobuf\r\n"
        "Content-Encoding: snappy\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with server.connect() as sock:
        sock.sendall(head.encode())
        at = 0
        while at < len(body):
            size = sizes[at % len(sizes)]
            piece = body[at : at + size]
            sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            at += size
        sock.sendall(b"0\r\n\r\n")
        return receive(sock)


def test_chunked_bodies():
    with Hourglass(**{"web.max-body-size": "1MiB"}) as server:
        server.start()
        body = snappy(write_request(*[sample("chunky", instance=str(i)) for i in range(500)]))
        assert chunked(server, body, [7, 1, 4000]).code == 204
        assert server.query("count(chunky)")["result"][0]["value"][1] == "500"
        big = chunked(server, b"x" * (LIMIT + 5000), [65536])
        assert big is None or big.code == 400, big
        assert server.get("/-/healthy").code == 200


def test_expect_100_continue():
    with Hourglass(**{"web.max-body-size": "1MiB"}) as server:
        server.start()
        body = snappy(write_request(sample("patient")))
        head = (
            f"POST /api/v1/write HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: %d\r\n"
            "Content-Encoding: snappy\r\nExpect: 100-continue\r\n\r\n"
        )
        with server.connect() as sock:
            sock.sendall((head % len(body)).encode())
            assert sock.recv(100).startswith(b"HTTP/1.1 100")
            sock.sendall(body)
            assert receive(sock).code == 204
        with server.connect() as sock:
            sock.sendall((head % (LIMIT * 2)).encode())
            assert receive(sock).code == 400
        assert server.query("patient")["result"]


def test_connection_stays_open_after_writes():
    with Hourglass() as server:
        server.start()
        body = snappy(write_request(sample()))
        head = f"POST /api/v1/write HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: {len(body)}\r\n\r\n"
        with server.connect() as sock:
            for _ in range(3):
                sock.sendall(head.encode() + body)
                assert receive(sock).code == 204
            bad = b"\xff" * len(body)
            sock.sendall(head.encode() + bad)
            assert receive(sock).code == 400
            sock.sendall(head.encode() + body)
            assert receive(sock).code == 204


def test_half_a_request_and_a_vanished_client_do_no_harm():
    with Hourglass() as server:
        server.start()
        for _ in range(20):
            with server.connect() as sock:
                sock.sendall(b"POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
                sock.shutdown(socket.SHUT_WR)
        server.write_ok(sample("alive"))


def test_unsorted_labels_are_one_series():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        pairs = [("zone", "a"), ("__name__", "mixed"), ("job", "x")]
        server.write_ok((pairs, [(at - 2000, 1.0)]))
        server.write_ok((sorted(pairs), [(at - 1000, 2.0)]))
        found = server.samples("mixed", at / 1000, 60)
        assert found == {frozenset(pairs): [(at - 2000, "1"), (at - 1000, "2")]}, found


def test_empty_label_value_is_no_label():
    with Hourglass() as server:
        server.start()
        server.write_ok(sample("slim", job="", zone="a"))
        assert server.query("slim")["result"][0]["metric"] == {"__name__": "slim", "zone": "a"}


def test_bad_label_sets_are_400_and_the_good_stay():
    at = now_ms()
    for pairs, word in (
        ([("job", "x")], "__name__"),
        ([("__name__", ""), ("job", "x")], "__name__"),
        ([("__name__", "twice"), ("job", "x"), ("job", "y")], "duplicate"),
        ([("__name__", "twice"), ("job", "x"), ("job", "x")], "duplicate"),
        ([("", "x"), ("__name__", "empty")], "empty"),
        ([("__name__", "latin"), ("job", b"caf\xe9")], "UTF-8"),
        ([("__name__", "latin"), (b"j\xff", "x")], "UTF-8"),
        ([("__name__", "surrogate"), ("job", b"\xed\xa0\x80")], "UTF-8"),
    ):
        with Hourglass() as server:
            server.start()
            answer = server.write(sample("good", at), (pairs, [(at, 1.0)]), sample("fine", at))
            refused(answer, 400, word)
            assert server.query("good")["result"] and server.query("fine")["result"], pairs
            assert server.data("/api/v1/series", **{"match[]": '{__name__=~".+"}'}) == [
                {"__name__": "fine"},
                {"__name__": "good"},
            ]


def test_utf8_names_and_values_are_kept():
    with Hourglass() as server:
        server.start()
        labels = {"__name__": "température", "http.method": "GET", "ort": "Köln\n\"\\\u2028"}
        server.write_ok((labels, [(now_ms(), 1.0)]))
        found = server.query('{"température", "http.method"="GET"}')["result"]
        assert found[0]["metric"] == labels, found


def test_partial_write_counts_and_says_the_first_reason():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        good = [sample("part", at, i, instance=str(i)) for i in range(7)]
        late = [sample("part", at - 40 * 3600 * 1000, 1.0, instance=f"late{i}") for i in range(3)]
        answer = server.write(*good[:4], *late, *good[4:])
        refused(answer, 400, "3")
        assert "7" in answer.text or "10" in answer.text, answer
        assert len(answer.body) <= 1024
        assert server.query("count(part)")["result"][0]["value"][1] == "7"


def test_too_far_ahead_and_too_old_are_refused():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        server.write_ok(sample("near", at + 9 * 60 * 1000))
        refused(server.write(sample("far", at + 11 * 60 * 1000)), 400)
        server.write_ok(sample("old", at - 27 * 3600 * 1000))
        refused(server.write(sample("older", at - 33 * 3600 * 1000)), 400)
        refused(server.write(sample("zero", 1)), 400)
        refused(server.write(sample("minus", -1)), 400)
        for extreme in (-(1 << 63), (1 << 63) - 1):
            refused(server.write(sample("extreme", extreme)), 400)


def test_out_of_order_within_the_window_of_its_own_series():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        server.write_ok(sample("ooo", at, 3.0))
        server.write_ok(sample("ooo", at - 50 * 60 * 1000, 1.0))
        server.write_ok(sample("ooo", at - 1000, 2.0))
        refused(server.write(sample("ooo", at - 70 * 60 * 1000, 0.0)), 400)
        # another series' newest sample does not matter: a backlog is welcome
        server.write_ok(sample("backlog", at - 20 * 3600 * 1000, 1.0))
        found = list(server.samples("ooo", at / 1000, 7200).values())[0]
        assert found == [(at - 50 * 60 * 1000, "1"), (at - 1000, "2"), (at, "3")], found


def test_clock_samples_has_no_bound_ahead():
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        server.write_ok(sample("history", 1_000_000_000_000, 1.0))
        server.write_ok(sample("history", 1_000_003_600_000, 2.0))
        # the default time of a query is the newest sample's
        assert server.query("history")["result"][0]["value"] == [1000003600, "2"]
        server.write_ok(sample("history", 1_000_000_000_000 + 40 * 3600 * 1000, 3.0))
        assert not server.query("history", at=1_000_000_000)["result"], "its window has run out"


def test_exact_duplicates_are_success_and_other_values_are_not():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        server.write_ok(sample("dup", at - 5000, 1.5), sample("dup", at, 2.5))
        server.write_ok(sample("dup", at, 2.5))
        server.write_ok(sample("dup", at - 5000, 1.5))
        refused(server.write(sample("dup", at, 2.0)), 400, "dup")
        refused(server.write(sample("dup", at - 5000, -1.5)), 400, "dup")
        server.write_ok(sample("zero", at, 0.0))
        refused(server.write(sample("zero", at, -0.0)), 400, "dup")
        assert list(server.samples("dup", at / 1000, 60).values()) == [[(at - 5000, "1.5"), (at, "2.5")]]


def test_duplicate_of_a_sample_in_a_finished_block():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        points = [(at - (600 - i) * 1000, float(i % 13)) for i in range(600)]
        server.write_ok(({"__name__": "deep"}, points))
        server.write_ok(({"__name__": "deep"}, points[:20]))
        refused(server.write(({"__name__": "deep"}, [(points[3][0], 99.0)])), 400, "dup")
        found = list(server.samples("deep", at / 1000, 700).values())[0]
        assert [t for t, _ in found] == [t for t, _ in points]


def test_stale_markers_end_a_series_and_survive_a_restart():
    with Hourglass() as server:
        server.start()
        at = now_ms() // 1000 * 1000
        nan = 0x7FF8000000000001
        server.write_ok(sample("gone", at - 20000, 1.0), sample("odd", at - 20000, nan))
        server.write_ok(sample("gone", at - 10000, STALE))
        for round_ in range(2):
            assert server.query("gone", at=at / 1000 - 15)["result"], round_
            assert not server.query("gone", at=at / 1000 - 5)["result"], round_
            assert server.query("odd", at=at / 1000)["result"][0]["value"][1] == "NaN"
            # ranges skip the marker
            assert list(server.samples("gone", at / 1000, 60).values()) == [[(at - 20000, "1")]]
            # and its bits are what a duplicate is compared with
            server.write_ok(sample("gone", at - 10000, STALE))
            refused(server.write(sample("gone", at - 10000, nan)), 400)
            assert server.stop() == 0
            server.start()


def test_values_come_back_as_go_prints_them():
    values = {
        1e20: "100000000000000000000", 1e21: "1e+21", 1e-6: "0.000001", 1e-7: "1e-07", 0.1: "0.1", -0.0: "-0",
        5e-324: "5e-324", 1.7976931348623157e308: "1.7976931348623157e+308", float("inf"): "+Inf",
        float("-inf"): "-Inf", 123456789.125: "123456789.125", 9007199254740993.0: "9007199254740992", 4.35: "4.35",
    }
    with Hourglass() as server:
        server.start()
        at = now_ms()
        server.write_ok(*[sample("text", at, value, n=str(n)) for n, value in enumerate(values)])
        found = {one["metric"]["n"]: one["value"][1] for one in server.query("text", at=at / 1000)["result"]}
        assert found == {str(n): text for n, text in enumerate(values.values())}, found


def test_max_series_refuses_new_ones_only():
    with Hourglass(**{"storage.max-series": "3"}) as server:
        server.start()
        at = now_ms()
        server.write_ok(*[sample("few", at, 1.0, n=str(n)) for n in range(3)])
        refused(server.write(sample("few", at, 1.0, n="3")), 400, "limit")
        server.write_ok(sample("few", at + 1, 2.0, n="0"))
