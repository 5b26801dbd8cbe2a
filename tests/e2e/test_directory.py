"""Backups and `hourglass check`: what an administrator does with the directory."""

import glob
import os
import shutil
import subprocess

from hg import BINARY, Hourglass, now_ms


def check(path):
    done = subprocess.run([BINARY, "check", path], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def fill(server, hours):
    """A series with a sample a minute; `hours` hours up to now. Returns the seconds of the newest sample."""
    at = now_ms()
    points = [(at - 60000 * i, float(i)) for i in range(hours * 60, -1, -1)]
    for start in range(0, len(points), 500):
        server.write_ok(({"__name__": "m"}, points[start : start + 500]))
    return at / 1000


def backup(server):
    answer = server.request("POST", "/api/v1/admin/tsdb/snapshot?skip_head=true")
    assert answer.code == 200, answer
    return os.path.join(server.data_path, "snapshots", answer.json["data"]["name"])


def count(server, at):
    return server.query("count_over_time(m[30h])", at=at)["result"][0]["value"][1]


def test_a_backup_can_be_started_on():
    with Hourglass(**{"storage.out-of-order-window": "0s"}) as server:
        server.start()
        at = fill(server, 13)
        first = backup(server)  # windows that rest get files of their own
        assert len(glob.glob(first + "/window-*.hg")) >= 2, os.listdir(first)
        before = count(server, at)
        server.write_ok(({"__name__": "later"}, [(now_ms(), 1.0)]))
        second = backup(server)
        assert sorted(os.listdir(os.path.dirname(first))) == sorted(map(os.path.basename, (first, second)))
        copy = server.data_path + ".copy"
        shutil.copytree(first, copy)  # while it runs
        with Hourglass(**{"storage.path": copy}) as other:
            other.start()
            assert count(other, at) == before
            assert not other.query("later", at=at + 1)["result"]
        assert server.stop(30) == 0
        server.start()
        assert count(server, at) == before
        assert os.path.exists(first), "backups stay"


def test_a_backup_is_refused_where_the_question_is_wrong():
    with Hourglass() as server:
        server.start()
        answer = server.request("POST", "/api/v1/admin/tsdb/snapshot?skip_head=perhaps")
        assert answer.code == 400 and "skip_head" in answer.json["error"], answer


def test_check_says_what_is_there_and_what_is_damaged():
    with Hourglass(**{"storage.out-of-order-window": "0s"}) as server:
        server.start()
        fill(server, 13)
        path = backup(server)
        code, said = check(server.data_path)  # while it is in use
        assert code == 0 and "good" in said and "DAMAGED" not in said, said
        assert "snapshot.hg" in said and "window-" in said and "generation" in said, said
        assert server.stop(30) == 0
        window = glob.glob(path + "/window-*.hg")[0]
        with open(window, "r+b") as f:
            f.seek(os.path.getsize(window) // 2)
            byte = f.read(1)
            f.seek(-1, os.SEEK_CUR)
            f.write(bytes([byte[0] ^ 1]))
        code, said = check(path)
        assert code == 1 and f"{os.path.basename(window)}\n" in said and "DAMAGED" in said, said
        assert check(path + "/nothing")[0] == 1
        assert subprocess.run([BINARY, "check"], capture_output=True, timeout=60).returncode == 2


def test_a_damaged_window_costs_itself_only_and_is_counted():
    with Hourglass(**{"storage.out-of-order-window": "0s"}) as server:
        server.start()
        at = fill(server, 13)
        backup(server)
        assert server.stop(30) == 0
        window = sorted(glob.glob(server.data_path + "/window-*.hg"))[0]
        os.truncate(window, 10)
        server.start()
        assert "window-" in server.log and "damaged" in server.log
        assert server.query("m", at=at)["result"], "the newest is there"
        assert os.path.exists(window + ".damaged")
        assert "hourglass_storage_damaged_files_total 1" in server.get("/metrics").text
