"""The load generator of the benchmarks says what it writes, and that is what the server has: what is packed once and
then patched arrives as meant, through churn, changes of the fleet's size and a restart."""

import json
import os
import struct
import sys

import hg

sys.path.insert(0, os.path.join(hg.ROOT, "tests", "bench"))

import peers  # noqa: E402  (needs the path above)
import recording  # noqa: E402
from durable import Prometheus  # noqa: E402
from runs import OUT, STEP_MS, Fleet, Run, Scale  # noqa: E402


def bits(value):
    return struct.pack(">d", float(value)).hex()


def test_every_series_has_the_value_that_was_sent():
    path, _ = recording.prepare(None, OUT)
    with Run("fleet-test", Scale(0.05), path, copies=1, churn=5) as run:
        run.until(7)
        run.set_copies(4)
        run.until(20)
        run.restart()
        run.set_copies(3)
        run.until(31)
        run.check()
        end = (run.scale.start_ms + run.scrape * STEP_MS) / 1000
        found = run.server.query('{instance!=""}', at=end)["result"]
        stored = {json.dumps(sorted(one["metric"].items())): one["value"][1] for one in found}
        for series in range(run.copies * run.copy_series):
            sent = run.fleet.ask(f"sample {series}")
            labels = json.dumps(sorted((name, value) for name, value in sent["labels"] if value))
            assert bits(stored[labels]) == sent["bits"], f"{labels}: {sent['bits']} sent, {stored[labels]} stored"
            assert 0 < end * 1000 - sent["at"] < STEP_MS, sent
        assert any('"gen"' in labels for labels in stored), "nothing was replaced"


def test_bodies_are_sent_over_the_time_that_is_said():
    bench = peers.Bench(None)
    with hg.Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        fleet = Fleet(server.port, f"--recording={bench.recording}", "--copies=4", f"--start={peers.START_MS}",
                      "--connections=2", "--spread=400")
        leg = fleet.ask("until 3")
        peers.read_back(bench, peers.OURS, server, fleet, 4, leg["samples"], 3)
        fleet.close()
        n_bodies = leg["requests"] // 3
        assert n_bodies > 1 and leg["leg_s"] >= 3 * 0.4 * (n_bodies - 1) / n_bodies, leg


def test_bodies_of_2_0_say_what_those_of_1_0_say():
    """A real Prometheus takes both, over several connections, and has every sample of the series that are looked at."""
    bench = peers.Bench(None)
    for protocol in (1, 2):
        with Prometheus() as server:
            server.start(60)
            fleet = bench.fleet(server, 2, protocol, 3)
            leg = fleet.ask("until 9")
            peers.read_back(bench, peers.PROMETHEUS, server, fleet, 2, leg["samples"], 9)
            fleet.close()
        assert leg["samples"] == 2 * 9 * bench.copy_series and leg["requests"] == 9 * 2, leg
