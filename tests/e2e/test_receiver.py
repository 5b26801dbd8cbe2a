"""The receiver cases of Prometheus' compliance suite (github.com/prometheus/compliance, remotewrite/receiver), written
again: what it sends, and what it asserts of the answers. It reads nothing back; we do, where there is something to see.

Its bodies are chunked, labels come in any order, times go on by 10 ms from request to request, and most of its series
have a field that is reserved by now. Histograms are refused by this version, which the suite takes for an answer."""

import http.client
import math
import random
import struct

from hg import STALE, Hourglass, field, now_ms, request_v2, snappy, varint, write_request

V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
VALUES = (1.0, STALE, math.nan, math.inf, -math.inf)
MINUTE = 60 * 1000


class Suite:
    """A server and the suite's client: `ok` and `bad` are its two ways to judge an answer."""

    def __init__(self, server):
        self.server = server
        self.at = now_ms()

    def tick(self):
        self.at += 10
        return self.at

    def post(self, body, content_type=V2, encoding="snappy", version="2.0.0"):
        """Chunked, as a client sends a body whose length it does not know."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        headers = {"Content-Type": content_type, "Content-Encoding": encoding}
        if version:
            headers["X-Prometheus-Remote-Write-Version"] = version
        middle = len(body) // 2
        connection.request("POST", "/api/v1/write", iter((body[:middle], body[middle:])), headers, encode_chunked=True)
        answer = connection.getresponse()
        text = answer.read().decode()
        written = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        counts = tuple(
            int(written.get(f"x-prometheus-remote-write-{what}-written", -1))
            for what in ("samples", "histograms", "exemplars")
        )
        return answer.status, counts, text

    def send(self, *series):
        mixed = []
        for labels, samples, *extra in series:
            pairs = list(labels.items())
            random.shuffle(pairs)
            mixed.append((pairs, samples, *extra))
        return self.post(snappy(request_v2(*mixed)))

    def ok(self, expected, *series):
        """204, and the counts are what was sent: samples, histograms, exemplars."""
        code, counts, text = self.send(*series)
        assert code == 204 and counts == expected and text == "", f"{code} {counts} {text}"

    def bad(self, most, *series):
        """400 exactly, and no more written than could be; all three counts are there."""
        code, counts, text = self.send(*series)
        assert code == 400 and text, f"{code} {text}"
        assert all(0 <= n <= top for n, top in zip(counts, most)), f"{counts} of {most}: {text}"


def run(cases):
    with Hourglass() as server:
        server.start()
        cases(Suite(server))
        assert server.get("/-/healthy").code == 200


def histogram(at, count=6, schema=0):
    """Two positive buckets, one negative, a zero bucket; count as told."""
    span = b"\x08\x00\x10"
    return (
        b"\x08" + varint(count) + b"\x19" + struct.pack("<d", 18.4) + b"\x20" + varint(schema << 1)
        + b"\x29" + struct.pack("<d", 1e-128) + b"\x30\x02" + field(8, span + b"\x01") + field(9, b"\x02")
        + field(11, span + b"\x02") + field(12, b"\x02\x02") + b"\x78" + varint(at)
    )


def test_single_metric():
    def cases(s):
        for value in VALUES:
            for labels in (
                {"__name__": "single"},
                {"__name__": "single", "job": "j", "instance": "i", "a": "b", "z": "y"},
                {"__name__": "single", "text": "two\nlines"},
                {"__name__": "single.with.dots", "label.with.dots": "v"},
                {"__name__": "single with spaces", "label with spaces": "v"},
            ):
                s.ok((1, 0, 0), (labels, [(s.tick(), value)]))
            s.bad((0, 0, 0), ({"job": "no name"}, [(s.tick(), value)]))
            s.bad((0, 0, 0), ({}, [(s.tick(), value)]))
        found = s.server.query('{"single.with.dots", "label.with.dots"="v"}[1m]', at=s.at / 1000)["result"]
        assert [text for _, text in found[0]["values"]] == ["1", "NaN", "+Inf", "-Inf"], found

    run(cases)


def test_multiple_metrics():
    def cases(s):
        for value in VALUES:
            good = [({"__name__": f"multi{i}", "job": "j"}, [(s.tick(), value)]) for i in range(4)]
            s.ok((4, 0, 0), *good)
            nameless = [({"job": str(i)}, [(s.tick(), value)]) for i in range(4)]
            s.bad((0, 0, 0), *nameless)
            fresh = [({"__name__": f"multi{i}", "job": "j"}, [(s.tick(), value)]) for i in range(4)]
            code, counts, _ = s.send(*fresh[:2], nameless[0], fresh[3])
            assert (code, counts) == (400, (3, 0, 0))

    run(cases)


def test_created_timestamps_are_passed_over():
    def cases(s):
        for created in (0, 1, s.at - MINUTE, (1 << 63) - 1):
            extra = {"type": 1, "created": created, "help": "h"}
            s.ok((1, 0, 0), ({"__name__": "made_total"}, [(s.tick(), 1.0)], extra))
            s.ok((1, 0, 0), ({"__name__": "made_total"}, [(s.tick(), 1.0, created)], extra))
        s.ok((1, 0, 1), ({"__name__": "made_total"}, [(s.tick(), 1.0)],
                         {"created": s.at - MINUTE, "exemplars": [({"trace_id": "a"}, s.at, 1.0)]}))

    run(cases)


def test_histograms_are_refused_with_a_count():
    def cases(s):
        for count, schema in ((6, 0), (0, 0), (6, -53), (5, 3)):
            series = ({"__name__": "h"}, [], {"histograms": [histogram(s.tick(), count, schema)], "type": 3})
            s.bad((0, 0, 0), series)
        s.bad((0, 0, 0), *[({"__name__": "h", "n": str(i)}, [], {"histograms": [histogram(s.at)]}) for i in range(50)])
        code, counts, text = s.send(
            ({"__name__": "h"}, [], {"histograms": [histogram(s.at)]}),
            ({"__name__": "beside"}, [(s.at, 1.0)]),
        )
        assert (code, counts) == (400, (1, 0, 0)) and "1 native histograms" in text, text
        assert s.server.query("h or beside", at=s.at / 1000 + 1)["result"][0]["metric"]["__name__"] == "beside"

    run(cases)


def test_exemplars():
    def cases(s):
        for own in (
            {"trace_id": "1234567890abcdef"},
            {"span_id": "1234567890abcdef"},
            {"trace_id": "t", "span_id": "s"},
            {},
            {"trace_id": "\u6d4b\u8bd5", "\u6807\u7b7e": "\U0001f600"},
        ):
            for value in (1.0, 0.0, -1.5, math.inf, math.nan):
                at = s.tick()
                s.ok((1, 0, 1), ({"__name__": "e_total"}, [(at, 1.0)], {"exemplars": [(own, at, value)]}))
        at = s.tick()
        many = [({"trace_id": str(i)}, at + i, float(i)) for i in range(50)]
        s.ok((1, 0, 50), ({"__name__": "many_total"}, [(at, 1.0)], {"exemplars": many}))
        found = s.server.data("/api/v1/query_exemplars", query="rate(many_total[5m])", start=0, end=s.at)
        assert len(found) == 1 and found[0]["seriesLabels"] == {"__name__": "many_total"}, found
        assert found[0]["exemplars"][0] == {"labels": {"trace_id": "0"}, "value": "0", "timestamp": at / 1000}
        over = {"trace_id": "x" * 121}  # 129 runes
        s.bad((1, 0, 0), ({"__name__": "e_total"}, [(s.tick(), 1.0)], {"exemplars": [(over, s.at, 1.0)]}))

    run(cases)


def test_exemplar_timestamps():
    def cases(s):
        times = (s.at - 60 * MINUTE, s.at - MINUTE, s.at)
        series = [
            ({"__name__": "e_total"}, [(at, 1.0)], {"exemplars": [({"trace_id": str(at)}, at, 1.0)]}) for at in times
        ]
        s.ok((3, 0, 3), *series)
        s.ok((3, 0, 3), *series)  # a sender that did not hear the answer
        late = ({"trace_id": "late"}, s.at - 2 * MINUTE, 1.0)
        code, counts, text = s.send(({"__name__": "e_total"}, [(s.tick(), 1.0)], {"exemplars": [late]}))
        assert (code, counts) == (400, (1, 0, 0)) and "1 of 1 exemplars" in text, f"{code} {counts} {text}"

    run(cases)


def test_metadata():
    def cases(s):
        for kind in range(8):
            extra = {"type": kind, "help": "what it is \u2014 \U0001f600", "unit": "seconds"}
            s.ok((1, 0, 0), ({"__name__": f"meta{kind}"}, [(s.tick(), 1.0)], extra))
        s.ok((1, 0, 0), ({"__name__": "meta"}, [(s.tick(), 1.0)], {"help": "x" * 5000}))
        for labels in ({"job": "j"}, {"__name__": "", "job": "j"}):
            s.bad((0, 0, 0), (labels, [(s.tick(), 1.0)], {"type": 1, "help": "h"}))

    run(cases)


def test_edge_cases():
    def cases(s):
        s.bad((0, 0, 0), ({"__name__": "nothing_but_metadata"}, [], {"type": 1, "help": "h"}))
        s.ok((1, 0, 0), ({"__name__": "e_total"}, [(s.tick(), 1.0)]))
        alone = {"exemplars": [({"trace_id": "alone"}, s.at, 1.0)]}
        s.ok((0, 0, 1), ({"__name__": "e_total"}, [], alone))
        s.bad((0, 0, 0), ({"__name__": "never_seen_total"}, [], alone))
        s.ok((2, 0, 0), ({"__name__": "old"}, [(s.at - 60 * MINUTE, 1.0)]), ({"__name__": "new"}, [(s.at, 1.0)]))
        s.ok((1, 0, 0), ({"__name__": "emoji_\U0001f600", "at@": "a.b/c"}, [(s.tick(), 1.0)], {"help": "@./\U0001f600"}))
        s.ok((0, 0, 0))

    run(cases)


def test_bad_requests():
    def cases(s):
        good = snappy(request_v2(({"__name__": "up", "job": "of a length that is not that of a zero digit"}, [(s.at, 1.0)])))
        broken = b"0" + good[1:]
        for content_type in ("application/json", "image/png", "application/x-protobuf;proto=some.Thing"):
            assert s.post(broken, content_type=content_type)[0] == 415
        for encoding in ("gzip", "deflate", "zstd"):
            assert s.post(broken, encoding=encoding)[0] == 415
        code, counts, _ = s.post(broken)
        assert (code, counts) == (400, (0, 0, 0))
        code, counts, _ = s.post(snappy(b"\x2a\x01"))
        assert (code, counts) == (400, (0, 0, 0))
        assert not s.server.query("up")["result"]
        assert s.post(good, content_type="application/x-protobuf; proto=io.prometheus.write.v2.Request")[1] == (1, 0, 0)

    run(cases)


def test_1_0_beside_it():
    def cases(s):
        body = snappy(write_request(({"__name__": "old"}, [(s.at, 1.0)])))
        for content_type in ("application/x-protobuf", "application/x-protobuf;proto=prometheus.WriteRequest"):
            code, counts, _ = s.post(body, content_type=content_type, version=None)
            assert code == 204 and counts == (-1, -1, -1)
        code, counts, _ = s.post(b"\xff" + body[1:], content_type="application/x-protobuf", version="0.1.0")
        assert code == 400 and counts == (-1, -1, -1)

    run(cases)
