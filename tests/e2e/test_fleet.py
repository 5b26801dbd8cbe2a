"""The load generator of the benchmarks says what it writes, and that is what the server has: what is packed once and
then patched arrives as meant, through churn, changes of the fleet's size and a restart."""

import json
import os
import struct
import sys

import hg

sys.path.insert(0, os.path.join(hg.ROOT, "tests", "bench"))

import recording  # noqa: E402  (needs the path above)
from runs import OUT, STEP_MS, Run, Scale  # noqa: E402


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
