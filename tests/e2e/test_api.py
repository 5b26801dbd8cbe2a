"""The query API: parameters by GET and POST, exact answers over a fixed history, errors with their exact JSON."""

import json
import urllib.parse

from hg import FORM, Hourglass, receive

BASE = 1_700_000_000  # seconds; the newest sample is at BASE + 600


def filled():
    """A server that keeps a fixed history: 41 samples, 15 s apart, of three series."""
    server = Hourglass(**{"storage.clock": "samples"})
    server.start()
    series = [
        ({"__name__": "hits_total", "job": "a", "instance": "1"}, lambda i: 10.0 * i),
        ({"__name__": "hits_total", "job": "b", "instance": "1"}, lambda i: 2.0 * i),
        ({"__name__": "size", "job": "a", "zone": "x<y&z"}, lambda i: 0.5),
    ]
    server.write_ok(*[(labels, [((BASE + 15 * i) * 1000, value(i)) for i in range(41)]) for labels, value in series])
    return server


def error(answer, code, kind, text):
    assert answer.code == code, answer
    assert answer.headers["content-type"].split(";")[0] == "application/json", answer.headers
    assert answer.json == {"status": "error", "errorType": kind, "error": text}, answer


def test_instant_query_exact_json():
    with filled() as server:
        answer = server.get("/api/v1/query", {"query": 'hits_total{job="a"}', "time": BASE + 600})
        assert answer.headers["content-type"] == "application/json", answer.headers
        assert answer.json == {
            "status": "success",
            "data": {
                "resultType": "vector",
                "result": [
                    {
                        "metric": {"__name__": "hits_total", "instance": "1", "job": "a"},
                        "value": [BASE + 600, "400"],
                    }
                ],
            },
        }
        assert b'"value":[1700000600,"400"]' in answer.body
        assert b"1700000599.050" in server.get("/api/v1/query", {"query": "size", "time": BASE + 599.05}).body
        assert server.query("1 + 2 * 3", at=4) == {"resultType": "scalar", "result": [4, "7"]}
        assert server.query('"text"', at=4) == {"resultType": "string", "result": [4, "text"]}
        assert server.query("nothing", at=BASE) == {"resultType": "vector", "result": []}
        matrix = server.query('hits_total{job="b"}[30s]', at=BASE + 600)
        assert matrix["resultType"] == "matrix"
        assert matrix["result"][0]["values"] == [[BASE + 585, "78"], [BASE + 600, "80"]], "left-open"


def test_range_query_exact_json():
    with filled() as server:
        data = server.query_range("sum by (job) (rate(hits_total[1m]))", BASE + 60, BASE + 120, 30)
        assert data["resultType"] == "matrix"
        values = {one["metric"]["job"]: one["values"] for one in data["result"]}
        assert [t for t, _ in values["a"]] == [BASE + 60, BASE + 90, BASE + 120]
        assert {round(float(v), 9) for _, v in values["a"]} == {round(2 / 3, 9)}
        assert server.query_range("1", 0, 1, "500ms")["result"] == [
            {"metric": {}, "values": [[0, "1"], [0.5, "1"], [1, "1"]]}
        ]


def test_lookback_ends_a_series_and_can_be_set():
    with filled() as server:
        assert server.query("size", at=BASE + 600 + 299)["result"]
        assert not server.query("size", at=BASE + 600 + 300)["result"]
        assert not server.query("size", at=BASE + 600 + 31, lookback_delta="30s")["result"]
        assert not server.query("size", at=BASE - 1)["result"]


def test_post_form_equals_get():
    with filled() as server:
        for path, params in (
            ("/api/v1/query", {"query": "sum(hits_total) + 1", "time": BASE + 600}),
            ("/api/v1/query_range", {"query": "size", "start": BASE, "end": BASE + 60, "step": "15s"}),
            ("/api/v1/labels", {"match[]": ["size", "nothing"]}),
            ("/api/v1/series", {"match[]": ["size", 'hits_total{job="b"}'], "start": BASE, "end": BASE + 600}),
        ):
            got, posted = server.get(path, params), server.post_form(path, params)
            assert got.code == posted.code == 200 and got.body == posted.body, (path, got, posted)
            query = urllib.parse.urlencode(params, doseq=True)
            for kind in ("application/json", "text/plain", None):
                headers = {"Content-Type": kind} if kind else {}
                in_url = server.request("POST", f"{path}?{query}", b"{}", headers)
                assert in_url.code == 200 and in_url.body == got.body, (path, kind, in_url)


def test_post_form_in_many_pieces_and_long():
    with filled() as server:
        expression = "size" + " or size" * 4000
        answer = server.post_form("/api/v1/query", {"query": "size" + " " * 20000 + "* 2", "time": BASE + 600})
        assert answer.code == 200 and answer.json["data"]["result"][0]["value"][1] == "1", answer
        assert server.post_form("/api/v1/query", {"query": expression, "time": BASE}).code in (200, 400, 422)
        body = urllib.parse.urlencode({"query": 'size{job="a"}', "time": BASE + 600}).encode()
        head = (
            f"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}; charset=utf-8\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with server.connect() as sock:
            for byte in head.encode() + body:
                sock.sendall(bytes([byte]))
            assert receive(sock).json["data"]["result"][0]["value"][1] == "0.5"


def test_body_parameters_come_before_those_of_the_url():
    with filled() as server:
        body = urllib.parse.urlencode({"query": "1"})
        answer = server.request("POST", "/api/v1/query?query=2&time=3", body, {"Content-Type": FORM})
        assert answer.json["data"]["result"] == [3, "1"], answer


def test_times_and_durations_as_written():
    with filled() as server:
        want = server.query("size", at=BASE + 60)
        offset = "2023-11-15T00:14:20.000+02:00"
        for text in (f"{BASE + 60}.0", "2023-11-14T22:14:20Z", offset, f"{(BASE + 60) / 1e9}e9"):
            assert server.query("size", at=text) == want, text
        steps = [server.query_range("size", BASE, BASE + 60, step) for step in (15, "15", "15s", "15.0", "15000ms")]
        assert all(step == steps[0] for step in steps)


def test_labels_values_and_series():
    with filled() as server:
        assert server.data("/api/v1/labels") == ["__name__", "instance", "job", "zone"]
        assert server.data("/api/v1/labels", **{"match[]": "size"}) == ["__name__", "job", "zone"]
        assert server.data("/api/v1/label/job/values") == ["a", "b"]
        assert server.data("/api/v1/label/job/values", **{"match[]": "size"}) == ["a"]
        assert server.data("/api/v1/label/nope/values") == []
        assert server.data("/api/v1/series", **{"match[]": "nope"}) == []
        assert server.data("/api/v1/series", **{"match[]": ['{job="a"}', "size"]}) == [
            {"__name__": "hits_total", "instance": "1", "job": "a"},
            {"__name__": "size", "job": "a", "zone": "x<y&z"},
        ]


def test_parameter_errors():
    with filled() as server:
        for path, params, text in (
            ("query", {"query": "sum("}, 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis'),
            (
                "query",
                {"query": "1", "time": "x"},
                "invalid parameter \"time\": invalid time value for 'time': cannot parse \"x\" to a valid timestamp",
            ),
            (
                "query_range",
                {"query": "1", "start": "x", "end": 1, "step": 1},
                'invalid parameter "start": cannot parse "x" to a valid timestamp',
            ),
            (
                "query_range",
                {"query": "1", "start": 0, "end": 1, "step": "x"},
                'invalid parameter "step": cannot parse "x" to a valid duration',
            ),
            (
                "query_range",
                {"query": "1", "start": 0, "end": 1, "step": 0},
                'invalid parameter "step": zero or negative query resolution step widths are not accepted.'
                " Try a positive integer",
            ),
            (
                "query_range",
                {"query": "1", "start": 2, "end": 1, "step": 1},
                'invalid parameter "end": end timestamp must not be before start time',
            ),
            (
                "query_range",
                {"query": "1", "start": 0, "end": 11001, "step": 1},
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution"
                " (?step=XX)",
            ),
            (
                "query_range",
                {"query": "size[1m]", "start": 0, "end": 1, "step": 1},
                'invalid parameter "query": invalid expression type "range vector" for range query,'
                " must be Scalar or instant Vector",
            ),
            ("series", {}, "no match[] parameter provided"),
            (
                "series",
                {"match[]": "{}"},
                'invalid parameter "match[]": match[] must contain at least one non-empty matcher',
            ),
        ):
            error(server.get(f"/api/v1/{path}", params), 400, "bad_data", text)
            error(server.post_form(f"/api/v1/{path}", params), 400, "bad_data", text)
        assert server.query_range("1", 0, 11000, 1)["result"], "11,001 points are allowed"


def test_parse_errors_have_a_position():
    with filled() as server:
        for expression, at in (("size +", "1:7"), ("size{", "1:6"), ("1 +\n )", "2:3"), ("rate(size)", "1:6")):
            answer = server.get("/api/v1/query", {"query": expression})
            assert answer.code == 400 and f'invalid parameter "query": {at}: parse error: ' in answer.json["error"], (
                expression,
                answer,
            )


def test_execution_errors_are_422():
    with filled() as server:
        answer = server.get("/api/v1/query", {"query": "hits_total + on(instance) hits_total", "time": BASE + 600})
        assert answer.code == 422 and answer.json["errorType"] == "execution", answer
        assert answer.json["error"].startswith("found duplicate series for the match group {instance=\"1\"}"), answer


def test_too_many_samples_is_422():
    with Hourglass(**{"storage.clock": "samples", "query.max-samples": "10"}) as server:
        server.start()
        server.write_ok(({"__name__": "many"}, [((BASE + i) * 1000, 1.0) for i in range(50)]))
        error(
            server.get("/api/v1/query", {"query": "many[1m]", "time": BASE + 50}),
            422,
            "execution",
            "query processing would load too many samples into memory in query execution",
        )


def test_unknown_paths_and_methods():
    with filled() as server:
        for path in ("/api/v1/nope", "/nope", "/api/v1/label//values"):
            assert server.get(path).code in (400, 404), path
        assert server.get("/api/v1/nope").code == 404
        for method, path in (("DELETE", "/api/v1/query"), ("PUT", "/api/v1/query_range"), ("POST", "/-/healthy"),
                             ("GET", "/api/v1/admin/tsdb/snapshot"), ("GET", "/api/v1/admin/tsdb/delete_series"),
                             ("POST", "/api/v1/status/memory")):
            assert server.request(method, path).code == 405, (method, path)
        assert server.request("BREW", "/api/v1/query").code in (400, 405, 501)


def pipelined(sock, path):
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return receive(sock)


def test_connections_are_kept_after_answers_and_errors():
    with filled() as server:
        with server.connect() as sock:
            for path, code in (
                ("/api/v1/query?query=size", 200),
                ("/api/v1/query?query=sum(", 400),
                ("/api/v1/nope", 404),
                ("/-/healthy", 200),
                ("/", 200),
                ("/metrics", 200),
                ("/api/v1/query?query=size%2Bon(instance)hits_total", 422),
                ("/api/v1/query_range?query=size&start=0&end=1", 400),
                ("/api/v1/labels", 200),
            ):
                answer = pipelined(sock, path)
                assert answer is not None and answer.code == code, (path, answer)
                assert answer.headers.get("connection", "").lower() != "close", path


def test_url_and_headers_beyond_the_pool():
    with filled() as server:
        for request, codes in (
            (f"GET /api/v1/query?query={'x' * 40000} HTTP/1.1\r\nHost: x\r\n\r\n", (414, 431)),
            (f"GET /-/healthy HTTP/1.1\r\nHost: x\r\nX-Long: {'x' * 40000}\r\n\r\n", (431, 413)),
        ):
            with server.connect() as sock:
                try:
                    sock.sendall(request.encode())
                except ConnectionError:
                    pass
                answer = receive(sock)
                # just around the limit the library closes without a word
                assert answer is None or answer.code in codes, answer
        for size in range(1000, 40000, 371):
            with server.connect() as sock:
                sock.settimeout(5)
                try:
                    sock.sendall(f"GET /api/v1/query?query=1%2B{'1' * size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    sock.shutdown(1)
                    receive(sock)
                except OSError:
                    pass
        assert server.get("/-/healthy").code == 200


def test_malformed_requests_do_no_harm():
    with filled() as server:
        tls = b"\x16\x03\x01\x02\x00\x01\x00"
        # What is no request at all, and what ends in the middle of one: the client goes away without waiting.
        for raw in (b"\r\n\r\n", b"GET\r\n\r\n", tls, b"\x00" * 500, b"POST /api/v1/query HTTP/1.1\r\nHo"):
            with server.connect() as sock:
                sock.sendall(raw)
        for raw in (b"GET / HTTP/9.9\r\n\r\n",
                    b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                    b"POST /api/v1/query HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with server.connect() as sock:
                sock.sendall(raw)
                assert receive(sock).code >= 400, raw
        for query in ("%", "%zz", "query=%", "query=%00", "query=%ff%fe", "&&&=&", "query"):
            answer = server.get(f"/api/v1/query?{query}")
            assert answer.code == 400, (query, answer)
        assert server.get("/-/healthy").code == 200


def test_clients_that_leave_during_a_query():
    with filled() as server:
        for _ in range(30):
            with server.connect() as sock:
                sock.sendall(b"GET /api/v1/query_range?query=size&start=1700000000&end=1700010000&step=1 HTTP/1.1\r\n"
                             b"Host: x\r\n\r\n")
        with server.connect() as sock:
            sock.sendall(b"GET /api/v1/query?query=size HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
            assert receive(sock).code == 200
        assert server.get("/-/healthy").code == 200
        assert server.stop() == 0


def test_sigterm_during_queries_is_clean():
    with filled() as server:
        socks = [server.connect() for _ in range(10)]
        for sock in socks:
            sock.sendall(b"GET /api/v1/query_range?query=sum(rate(hits_total[5m]))&start=1699990000"
                         b"&end=1700000600&step=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.stop() == 0, server.log
        for sock in socks:
            sock.close()


def test_json_escapes():
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        odd = "".join(chr(c) for c in range(1, 32)) + '"\\/\x7f\u2028é€😀'
        server.write_ok(({"__name__": "odd", "v": odd}, [(BASE * 1000, 1.0)]))
        assert server.query("odd")["result"][0]["metric"]["v"] == odd
        assert server.data("/api/v1/label/v/values") == [odd]
        assert server.data("/api/v1/series", **{"match[]": "odd"})[0]["v"] == odd
        answer = server.get("/api/v1/query", {"query": "odd" + odd})
        assert answer.code == 400 and isinstance(json.loads(answer.body)["error"], str)
