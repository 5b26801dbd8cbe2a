"""What was acknowledged is there after kill -9, whatever it was and however the program is started again."""

import glob
import json
import os
import random
import resource
import shutil
import time

from hg import STALE, Hourglass, now_ms, wait_until

LABELS = {"__name__": "kept", "job": "x"}


def killed(server, **flags):
    """kill -9 and a start with other flags."""
    server.kill()
    server.flags.update(flags)
    return server.start()


def kept(server, name, at):
    """[(ms, text)] of the one series of that name."""
    found = server.samples(name, at / 1000 + 3600, 40 * 3600)
    assert len(found) <= 1, found
    return list(found.values())[0] if found else []


def journals(server):
    return sorted(glob.glob(os.path.join(server.data_path, "journal-*.hg")))


def test_what_was_acknowledged_survives_kill_9():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        for n in range(50):
            server.write_ok((LABELS, [(at - 60000 + n, float(n))]))
        killed(server)
        assert kept(server, "kept", at) == [(at - 60000 + n, str(n)) for n in range(50)]
        killed(server)
        assert len(kept(server, "kept", at)) == 50, "a second time"


def test_late_samples_duplicates_and_stale_markers_come_back():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        server.write_ok((LABELS, [(at - 1000, 1.5), (at, STALE)]))
        server.write_ok((LABELS, [(at - 1800000, 2.5)]))
        server.write_ok((LABELS, [(at - 1800000, 2.5), (at - 1000, 1.5)]))
        server.write_ok(({"__name__": "alive"}, [(at, 1.0)]), ({"__name__": "no_number"}, [(at, float("nan"))]))
        before = kept(server, "kept", at)
        killed(server)
        assert kept(server, "kept", at) == before == [(at - 1800000, "2.5"), (at - 1000, "1.5")]
        assert not server.query("kept", at=at / 1000)["result"], "its marker is there, too"
        assert server.query("no_number", at=at / 1000)["result"][0]["value"][1] == "NaN"


def test_what_was_refused_stays_refused():
    """Also where the start would take it: other limits, and what was in its way is gone."""
    flags = {"storage.max-series": "2", "storage.out-of-order-window": "1m"}
    with Hourglass(**flags) as server:
        server.start()
        at = now_ms()
        assert server.write((LABELS, [(at, 1.0), (at, 2.0), (at - 120000, 3.0), (at + 1, 4.0)])).code == 400
        answer = server.write(({"__name__": "b"}, [(at, 1.0)]), ({"__name__": "c"}, [(at, 1.0)]),
                              ({"__name__": "c"}, [(at + 1, 1.0)]), ({"__name__": "b"}, [(at + 1, 2.0)]))
        assert answer.code == 400, answer
        assert server.write(({"__name__": "bad-é\udc80".encode("utf-8", "surrogateescape")}, [(at, 1.0)]),
                            ({"__name__": "b"}, [(at + 2, 3.0)])).code == 400
        killed(server, **{"storage.max-series": "0", "storage.out-of-order-window": "1h"})
        assert kept(server, "kept", at) == [(at, "1"), (at + 1, "4")]
        assert kept(server, "b", at) == [(at, "1"), (at + 1, "2"), (at + 2, "3")]
        assert not kept(server, "c", at)


def test_a_start_under_smaller_limits_loses_nothing():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        for n in range(5):
            server.write_ok(({**LABELS, "n": str(n)}, [(at - 3000000, 1.0), (at, 2.0)]))
        killed(server, **{"storage.max-series": "1", "storage.out-of-order-window": "0s",
                          "web.max-body-size": "1KiB"})
        assert server.query("count(count_over_time(kept[2h]) == 2)", at=at / 1000)["result"][0]["value"][1] == "5"
        assert server.write(({"__name__": "one_more"}, [(at, 1.0)])).code == 400


def test_snapshots_shorten_the_journal_and_lose_nothing():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        for n in range(20):
            server.write_ok((LABELS, [(at - 60000 + n, float(n))]))
            if n % 5 == 4:
                assert server.request("POST", "/api/v1/admin/tsdb/snapshot").code == 200
                assert len(journals(server)) <= 2, journals(server)
        killed(server)
        assert len(kept(server, "kept", at)) == 20
        assert server.stop(30) == 0
        assert sum(map(os.path.getsize, journals(server))) < 10000, "after SIGTERM nothing is left to replay"
        server.start()
        assert len(kept(server, "kept", at)) == 20


def test_what_was_deleted_stays_deleted():
    with Hourglass(**{"web.enable-admin-api": "true"}) as server:
        server.start()
        at = now_ms()

        def delete(match, start=None, end=None):
            params = {"match[]": match, **({} if start is None else {"start": start / 1000, "end": end / 1000})}
            answer = server.post_form("/api/v1/admin/tsdb/delete_series", params)
            assert answer.code == 204, answer

        server.write_ok((LABELS, [(at - 5000 + n * 1000, float(n)) for n in range(5)]),
                        ({"__name__": "gone"}, [(at, 1.0)]))
        delete("gone")
        delete("kept", at - 4000, at - 3000)
        server.write_ok((LABELS, [(at - 3000, 7.0)]))  # at a time that was deleted
        expected = [(at - 5000, "0"), (at - 3000, "7"), (at - 2000, "3"), (at - 1000, "4")]
        assert kept(server, "kept", at) == expected
        killed(server)
        assert kept(server, "kept", at) == expected and not kept(server, "gone", at)
        assert server.request("POST", "/api/v1/admin/tsdb/snapshot").code == 200
        delete("kept", at - 2000, at - 1000)
        killed(server)
        assert kept(server, "kept", at) == expected[:2], "in the snapshot, deleted behind it"
        assert server.stop(30) == 0
        server.start()
        assert kept(server, "kept", at) == expected[:2]


def test_sync_always_answers_and_keeps():
    with Hourglass(**{"journal.sync": "always"}) as server:
        server.start()
        at = now_ms()
        for n in range(20):
            server.write_ok((LABELS, [(at - 60000 + n, float(n))]))
        assert server.metric("hourglass_journal_syncs_total") >= 1
        killed(server)
        assert len(kept(server, "kept", at)) == 20


def test_without_a_journal_nothing_is_written_and_old_records_still_load():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        server.write_ok((LABELS, [(at, 1.0)]))
        killed(server, **{"journal.sync": "off"})
        assert len(kept(server, "kept", at)) == 1
        server.write_ok((LABELS, [(at + 1, 2.0)]))
        killed(server)
        assert len(kept(server, "kept", at)) == 1, "what came without a journal is lost"


def test_a_torn_tail_is_cut_and_told():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        for n in range(10):
            server.write_ok((LABELS, [(at - 60000 + n, float(n))]))
        server.kill()
        newest = [path for path in journals(server) if os.path.getsize(path) > 100][-1]
        os.truncate(newest, os.path.getsize(newest) - 7)
        server.start()
        assert len(kept(server, "kept", at)) == 9
        assert "journal" in server.log and "torn" in server.log, server.log[-2000:]
        server.write_ok((LABELS, [(at, 99.0)]))
        killed(server)
        assert len(kept(server, "kept", at)) == 10


def test_damage_in_the_middle_loses_what_it_covers():
    with Hourglass() as server:
        server.start()
        at = now_ms()
        for n in range(10):
            server.write_ok((LABELS, [(at - 60000 + n, float(n))]))
        server.kill()
        path = [path for path in journals(server) if os.path.getsize(path) > 100][-1]
        with open(path, "r+b") as f:
            f.seek(os.path.getsize(path) // 2)
            byte = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ 0x55]))
        server.start()
        assert len(kept(server, "kept", at)) == 9
        assert os.path.basename(path) in server.log, "the log names the file"
        assert server.metric("hourglass_journal_lost_records_total") == 1


def test_a_full_disk_is_503_until_there_is_room():
    """A limit on the size of files stands for the disk: what a write would push past it fails. The journal is longer than
    the log, which is to go on."""
    with Hourglass(**{"snapshot.interval": "10h"}) as server:
        server.start()
        at = now_ms()
        server.write_ok((LABELS, [(at - 10000, 1.0)]),
                        *(({"__name__": "bulk", "n": str(n)}, [(at, 1.0)]) for n in range(5000)))
        size = os.path.getsize(journals(server)[-1])
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        answer = server.write((LABELS, [(at - 9000, 2.0)]))
        assert answer.code == 503 and answer.headers.get("retry-after"), answer
        assert server.metric("hourglass_journal_failing") == 1
        assert server.query("up or vector(1)")["result"], "queries go on"
        assert "journal" in server.log and "too large" in server.log.lower(), server.log[-2000:]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: server.write((LABELS, [(at - 9000, 2.0)])).code == 204, 10, "it takes samples again")
        assert server.metric("hourglass_journal_failing") == 0
        killed(server)
        assert kept(server, "kept", at) == [(at - 10000, "1"), (at - 9000, "2")]


def test_a_directory_that_vanishes_is_made_anew_with_everything_in_it():
    with Hourglass(**{"snapshot.interval": "10h"}) as server:
        server.start()
        at = now_ms()
        server.write_ok((LABELS, [(at - 10000, 1.0)]))
        shutil.rmtree(server.data_path)
        n_written = [0]

        def is_whole_again():
            n_written[0] += server.write((LABELS, [(at - 9000 + n_written[0], 2.0)])).code == 204
            return os.path.exists(os.path.join(server.data_path, "snapshot.hg"))

        wait_until(is_whole_again, 20, "a snapshot in a new directory")
        assert "removed while we ran" in server.log
        wait_until(lambda: server.write((LABELS, [(at, 3.0)])).code == 204, 10, "it goes on")
        killed(server)
        assert len(kept(server, "kept", at)) == n_written[0] + 2


def test_the_journal_is_bounded():
    """Random values do not compress: the bound is reached, a snapshot is taken early, and nothing is refused for good."""
    with Hourglass(**{"journal.max-size": "1MiB", "snapshot.interval": "10h"}) as server:
        server.start()
        at, rng, n_written = now_ms(), random.Random(1), 0
        for _ in range(60):
            points = [({"__name__": "bulk", "n": str(n)}, [(at - 3000000 + n_written, rng.random())])
                      for n in range(500)]
            wait_until(lambda: server.write(*points).code == 204, 30, "a snapshot makes room")
            n_written += 1
            assert sum(map(os.path.getsize, journals(server))) < 3 << 20
        killed(server)
        count = server.query("sum(count_over_time(bulk[2h]))", at=at / 1000)["result"][0]["value"][1]
        assert count == str(60 * 500), count


def test_records_replay_in_any_order_with_other_clocks():
    """Two senders at once, samples as the clock, then the wall: what is there is the same."""
    with Hourglass(**{"storage.clock": "samples"}) as server:
        server.start()
        at, rng, sent = now_ms() - 3600000, random.Random(7), {}
        for n in range(200):
            t = at + n * 1000
            labels = {"__name__": "mixed", "n": str(rng.randrange(5))}
            server.write_ok((labels, [(t, float(n))]))
            sent.setdefault(labels["n"], []).append((t, str(n)))
        killed(server, **{"storage.clock": "wall"})
        found = server.samples("mixed", now_ms() / 1000, 7200)
        assert {dict(labels)["n"]: points for labels, points in found.items()} == sent


def test_walreplay_is_told_before_and_after():
    with Hourglass() as server:
        server.start()
        data = server.data("/api/v1/status/walreplay")
        assert set(data) == {"min", "max", "current"} and data["min"] <= data["current"] == data["max"], data


def test_self_metrics_do_not_fill_the_journal():
    with Hourglass(**{"self.interval": "1s"}) as server:
        server.start()
        time.sleep(2.5)
        before = sum(map(os.path.getsize, journals(server)))
        time.sleep(2)
        assert sum(map(os.path.getsize, journals(server))) == before


def test_status_and_metrics_show_the_journal():
    with Hourglass() as server:
        server.start()
        server.write_ok((LABELS, [(now_ms(), 1.0)]))
        assert server.metric("hourglass_journal_records_total") == 1
        assert server.metric("hourglass_journal_bytes") > 0
        owners = {row["owner"] for row in json.loads(server.get("/api/v1/status/memory").body)["data"]["owners"]}
        assert "journal" in owners, owners
