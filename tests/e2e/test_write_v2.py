"""Remote write 2.0 from real senders, what a restart brings back of it, and exemplars."""

import http.server
import json
import math
import os
import subprocess
import threading
import time

from hg import PEERS, Hourglass, Prometheus, Skip, now_ms, wait_until

FEATURES = "exemplar-storage,metadata-wal-records"
V2 = ", protobuf_message: io.prometheus.write.v2.Request, send_exemplars: true"


class Target:
    """An exporter in OpenMetrics' format, whose counter has an exemplar each second."""

    def __enter__(self):
        self.started = time.time()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                at = math.floor(time.time())
                self.send_response(200)
                self.send_header("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
                self.end_headers()
                self.wfile.write(
                    b"# TYPE asked counter\n# HELP asked How often.\n"
                    + f'asked_total{{path="/"}} {at} # {{trace_id="{at:032x}"}} 0.5 {at}\n'.encode()
                    + b"# TYPE depth gauge\ndepth 1.5\n# EOF\n"
                )

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *exc):
        self.server.shutdown()


def exemplars(server, query="asked_total", end=None):
    return server.data("/api/v1/query_exemplars", query=query, start=0, end=end or time.time() + 60)


def matrix(server, query, at):
    rows = server.query(query, at=at)["result"]
    return sorted((json.dumps(row["metric"], sort_keys=True), row["values"]) for row in rows)


def check_metadata(server):
    """What a real Prometheus has told of the target and of itself."""
    told = server.data("/api/v1/metadata")
    assert told["asked_total"] == [{"type": "counter", "help": "How often.", "unit": ""}], told.get("asked_total")
    assert told["depth"] == [{"type": "gauge", "help": "", "unit": ""}], told.get("depth")
    assert told["prometheus_http_requests_total"][0]["type"] == "counter"
    assert told["prometheus_http_request_duration_seconds"][0]["type"] == "histogram"
    assert told["prometheus_http_request_duration_seconds"][0]["help"].startswith("Histogram of")
    assert "prometheus_http_request_duration_seconds_bucket" not in told
    assert server.metric("hourglass_remote_write_metadata_refused_total") == 0


def test_metadata_outlives_kills_and_snapshots():
    with Hourglass() as server:
        server.start()
        depth = {"type": "gauge", "help": "How deep.", "unit": "metres"}
        for k in range(16):
            extra = {**depth, "type": 2}
            assert server.write_v2(({"__name__": f"depth_{k}"}, [(now_ms() - 60000, 1.0)], extra)).code == 204
        told = {f"depth_{k}": [depth] for k in range(16)}
        assert server.data("/api/v1/metadata") == told
        server.kill()
        server.start()
        assert server.data("/api/v1/metadata") == told, "the journal"
        for _ in range(2):  # the second time there is nothing else in the journal
            assert server.request("POST", "/api/v1/admin/tsdb/snapshot").code == 200
            server.kill()
            server.start()
            assert server.data("/api/v1/metadata") == told, "a snapshot, whose journal is dropped"
        assert server.stop() == 0
        server.start()
        assert server.data("/api/v1/metadata") == told, "SIGTERM"
        assert "The newest windows are loaded" in server.log, "its journal holds up the first answer"


def test_metadata_of_known_series_is_looked_at_now_and_then():
    """In one body of 16 when nothing is new, and none is left out by its turn."""
    with Hourglass() as server:
        server.start()
        at = now_ms() - 60000
        names = [f"depth_{k}" for k in range(16)]

        def write(i, help_):
            for name in names:
                extra = {"type": 2, "help": help_, "unit": "metres"}
                assert server.write_v2(({"__name__": name}, [(at + i, 1.0)], extra)).code == 204

        def told():
            return {name for name, items in server.data("/api/v1/metadata").items()
                    if any(item["help"] == "How deep it is." for item in items)}

        write(0, "How deep.")
        assert set(server.data("/api/v1/metadata")) == set(names) and told() == set()
        began, i = now_ms(), 0
        while told() != set(names):
            # ten bodies at once are looked at, and then one each 100 ms, of a name by chance: 54 looks are usual, and
            # one of a million servers needs 270
            assert now_ms() - began < 45000, set(names) - told()
            i += 1
            write(i, "How deep it is.")
        assert i > 1 or now_ms() - began > 500


def test_a_real_prometheus_sends_2_0():
    with Hourglass() as ours, Target() as target:
        ours.start()
        with Prometheus("1s", {"target": target.address}, [ours], features=FEATURES, write=V2) as theirs:
            theirs.start()
            wait_until(lambda: sum(len(one["exemplars"]) for one in exemplars(ours)) >= 4, 30, "exemplars")
            at = time.time() - 1.5  # what is older has been sent
            time.sleep(2.5)
            for query in ("asked_total[1m]", "depth[1m]", "up[1m]", "prometheus_http_requests_total[1m]"):
                assert matrix(ours, query, at) == matrix(theirs, query, at), query
            mine, other = exemplars(ours, end=at), exemplars(theirs, end=at)
            assert mine == other and mine, f"{mine}\n{other}"
            for metric in ("prometheus_remote_storage_samples_failed_total",
                           "prometheus_remote_storage_exemplars_failed_total"):
                assert theirs.metric(metric) == 0, f"{metric}\n{ours.log[-2000:]}"
        assert ours.metric("hourglass_remote_write_exemplars_refused_total") == 0
        check_metadata(ours)
        before = matrix(ours, '{job="target"}[1m]', at)
        ours.kill()  # and what the journal brings back
        ours.start()
        assert matrix(ours, '{job="target"}[1m]', at) == before
        assert exemplars(ours, end=at) == mine


def test_both_versions_write_to_the_same_series():
    with Hourglass() as server:
        server.start()
        at = now_ms() - 60000
        labels = {"__name__": "mixed", "job": "j", "zone": "z"}
        for i in range(20):
            send = server.write if i % 2 else server.write_v2
            assert send((labels, [(at + i * 1000, float(i))])).code == 204
        found = server.query("mixed[5m]")["result"]
        assert len(found) == 1 and len(found[0]["values"]) == 20, found
        assert server.metric("prometheus_tsdb_head_series") == 1


def test_query_exemplars_answers_as_prometheus_does():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        for i, job in enumerate(("b", "a")):
            one = [({"trace_id": f"t{k}", "a": ""}, at - 3000 + 1000 * k, k / 2) for k in range(3)]
            answer = server.write_v2(({"__name__": "x_total", "job": job}, [(at, 1.0)], {"exemplars": one}))
            assert answer.code == 204 and answer.written == (1, 0, 3), answer
        found = exemplars(server, 'x_total{job="a"} + x_total{job="b"}')
        assert [one["seriesLabels"]["job"] for one in found] == ["a", "b"], found
        assert found[0]["exemplars"][1] == {"labels": {"a": "", "trace_id": "t1"} , "value": "0.5",
                                            "timestamp": (at - 2000) / 1000}, found
        some = server.data("/api/v1/query_exemplars", query="x_total", start=(at - 2000) / 1000, end=(at - 2000) / 1000)
        assert [len(one["exemplars"]) for one in some] == [1, 1], some
        posted = server.post_form("/api/v1/query_exemplars", {"query": "x_total", "start": 0, "end": at})
        assert posted.code == 200 and len(posted.json["data"]) == 2
        assert exemplars(server, "no_such") == []
        assert server.get("/api/v1/query_exemplars", {"query": "1"}).code == 204
        for params in ({"query": "("}, {"query": "x", "start": "soon"}, {"query": "x", "start": 2, "end": 1}, {}):
            answer = server.get("/api/v1/query_exemplars", params)
            assert answer.code == 400 and answer.json["errorType"] == "bad_data", answer
        owners = {row["owner"]: row["bytes"] for row in server.data("/api/v1/status/memory")["owners"]}
        assert owners["exemplars"] > 0, owners
        assert server.metric("prometheus_tsdb_exemplar_exemplars_in_storage") == 6
        assert server.metric("prometheus_tsdb_exemplar_max_exemplars") == 100000


def test_exemplars_of_1_0_and_a_ring_that_is_full():
    with Hourglass(**{"storage.max-exemplars": "10"}) as server:
        server.start()
        at = now_ms()
        for i in range(30):
            answer = server.write_v2(({"__name__": "x_total"}, [(at + i, 1.0)],
                                      {"exemplars": [({"trace_id": str(i)}, at + i, 1.0)]}))
            assert answer.code == 204, answer
        kept = exemplars(server, "x_total")[0]["exemplars"]
        assert [one["labels"]["trace_id"] for one in kept] == [str(i) for i in range(20, 30)]
    with Hourglass(**{"storage.max-exemplars": "0"}) as server:
        server.start()
        extra = {"exemplars": [({"trace_id": "t"}, at, 1.0)]}
        answer = server.write_v2(({"__name__": "x_total"}, [(at, 1.0)], extra))
        assert answer.code == 400 and answer.written == (1, 0, 0) and "max-exemplars" in answer.text, answer
        assert exemplars(server, "x_total") == []


def test_written_is_told_whatever_the_status():
    with Hourglass(**{"storage.max-series": "1"}) as server:
        server.start()
        at = now_ms()
        answer = server.write_v2(({"__name__": "a"}, [(at, 1.0)]), ({"__name__": "b"}, [(at, 1.0)]))
        assert answer.code == 400 and answer.written == (1, 0, 0), answer
        assert answer.headers["content-type"].startswith("text/plain")
        answer = server.write_v2(({"__name__": "a"}, [(at, 1.0)]))
        assert answer.code == 204 and answer.written == (1, 0, 0) and answer.body == b"", "a repeat is written"
        assert server.write(({"__name__": "a"}, [(at, 1.0)])).written == (None, None, None)


def test_vmagent_falls_back_to_snappy():
    program = os.path.join(PEERS, "vmagent")
    if not os.access(program, os.X_OK):
        raise Skip("vmagent is not among the peers")
    with Hourglass() as server, Target() as target:
        server.start()
        config = os.path.join(server.directory, "scrape.yml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"scrape_configs: [{{job_name: t, scrape_interval: 1s, static_configs: "
                      f"[{{targets: ['{target.address}']}}]}}]\n")
        with open(os.path.join(server.directory, "vmagent.log"), "wb") as log:
            agent = subprocess.Popen(
                [program, f"-promscrape.config={config}", f"-remoteWrite.url={server.url}/api/v1/write",
                 f"-remoteWrite.tmpDataPath={server.directory}/vmagent", "-httpListenAddr=127.0.0.1:0",
                 "-remoteWrite.flushInterval=1s"], stdout=log, stderr=log)
        try:
            wait_until(lambda: server.query("count_over_time(asked_total[1m]) > 2")["result"], 30, "samples of vmagent")
        finally:
            agent.kill()
            agent.wait()
