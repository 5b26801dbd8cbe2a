"""Starts in less memory than before, in a row, with kill -9, SIGTERM, deletions and snapshots between them: what was
acknowledged for windows that stay on disk is there again when a start has room for them, and what was deleted is not.
The oracle is a dictionary."""

import atexit
import glob
import os
import random
import re
import shutil
import subprocess
import tempfile
import time

import hg
from hg import Hourglass, now_ms

WINDOW_S = 600
WINDOWS = 6
N_NOISE, NOISE_STEP_MS = 140, 150       # 560,000 values without a pattern, 4.3 MiB, a window
LIMITS = ("48MiB", "44MiB", "40MiB", "36MiB", "34MiB", "32MiB")
FLAGS = {"storage.window": f"{WINDOW_S}s", "storage.windows": "16", "storage.out-of-order-window": "2h",
         "snapshot.interval": "0", "web.enable-admin-api": "true", "storage.clock": "samples"}


class Oracle:
    def __init__(self):
        self.server = Hourglass(**FLAGS)
        self.seed = int(os.environ.get("SEED", time.time()))
        print(f"         seed: {self.seed}")
        self.random = random.Random(self.seed)
        self.start_ms = now_ms() // (WINDOW_S * 1000) * WINDOW_S * 1000 - WINDOWS * WINDOW_S * 1000
        self.samples = {}               # (series, ms) -> value
        self.n_left = []

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *exc):
        self.server.__exit__(*exc)

    def start(self, limit="256MiB"):
        self.server.flags["storage.memory-limit"] = limit
        self.server.start(60)
        self.n_left.append(int(self.server.metric("hourglass_storage_left_windows")))
        return self.n_left[-1]

    def metric(self, name):
        return self.server.metric("hourglass_storage_left_" + name)

    def window_ms(self, n):
        return self.start_ms + n * WINDOW_S * 1000

    def fill(self):
        """Windows of noise, by hand since there is much of it: not in the oracle."""
        for n in range(WINDOWS):
            times = [b"\x10" + hg.varint(t) for t in range(self.window_ms(n), self.window_ms(n + 1), NOISE_STEP_MS)]
            for first in range(0, N_NOISE, 10):
                answer = self.server.write_raw(hg.snappy(b"".join(self.noise(i, times) for i in range(first, first + 10))))
                assert answer.code == 204, answer

    def noise(self, i, times):
        bits, head = self.random.randbytes(8 * len(times)), b"\x12" + bytes([9 + len(times[0])]) + b"\x09"
        samples = b"".join(head + bits[8 * k : 8 * k + 6] + b"\x40\x3f" + at for k, at in enumerate(times))
        labels = hg.encode_series({"__name__": "noise", "i": str(i)}, [])
        content = labels[2:] + samples      # behind the tag and the length, which is a byte
        return b"\x0a" + hg.varint(len(content)) + content

    def write(self, name, at, value):
        """Acknowledged, or refused because its window is not in memory."""
        answer = self.server.write(({"__name__": "kept", "n": name}, [(at, float(value))]))
        if answer.code == 204:
            self.samples[name, at] = float(value)
        else:
            assert answer.code == 400, answer
        return answer.code == 204

    def write_some(self, count):
        taken = 0
        for _ in range(count):
            at = self.window_ms(self.random.randrange(WINDOWS)) + self.random.randrange(WINDOW_S * 10) * 100
            name = str(self.random.randrange(8))
            if (name, at) not in self.samples:
                taken += self.write(name, at, self.random.randrange(1000))
        return taken

    def delete(self, name, start_ms, end_ms):
        path = f"/api/v1/admin/tsdb/delete_series?match[]=kept{{n=\"{name}\"}}&start={start_ms / 1000}&end={end_ms / 1000}"
        answer = self.server.request("POST", path.replace("{", "%7B").replace("}", "%7D").replace('"', "%22"))
        assert answer.code == 204, answer
        for key in [key for key in self.samples if key[0] == name and start_ms <= key[1] <= end_ms]:
            del self.samples[key]

    def delete_some(self):
        first = self.random.randrange(WINDOWS)
        self.delete(str(self.random.randrange(8)), self.window_ms(first),
                    self.window_ms(self.random.randrange(first, WINDOWS) + 1) - 1)

    def save(self):
        """Makes a backup as well; its name."""
        answer = self.server.request("POST", "/api/v1/admin/tsdb/snapshot")
        assert answer.code == 200
        return answer.json["data"]["name"]

    def check(self, floor=None):
        """What is in memory is what was acknowledged: all of it, or from a window on."""
        span, found = WINDOWS * WINDOW_S + 60, {}
        for labels, values in self.server.samples("kept", self.window_ms(WINDOWS) / 1000, span).items():
            for at, value in values:
                found[dict(labels)["n"], at] = float(value)
        for key, value in found.items():
            assert self.samples.get(key) == value, f"{key} is invented, changed or back: {value}, {self.samples.get(key)}"
        if floor is None:
            floor = self.n_left[-1]
        missing = [key for key in self.samples if key[1] >= self.window_ms(floor) and key not in found]
        assert not missing, f"{len(missing)} of {len(self.samples)} are lost, the first: {missing[0]}"


def left_files(oracle):
    return sorted(os.path.basename(path) for path in glob.glob(oracle.server.data_path + "/left-*.hg"))


def hourglass_check(oracle):
    done = subprocess.run([hg.BINARY, "check", oracle.server.data_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


BEGUN = {}      # a directory as begin() leaves it, made once; and what is in it


def begin(oracle):
    """All windows in files, and samples of each that are in the journal alone."""
    if not BEGUN:
        make(oracle)
        BEGUN.update(directory=tempfile.mkdtemp(prefix="hg-left-"), samples=oracle.samples, start_ms=oracle.start_ms)
        atexit.register(shutil.rmtree, BEGUN["directory"], ignore_errors=True)
        shutil.copytree(oracle.server.data_path, BEGUN["directory"] + "/data")
    shutil.rmtree(oracle.server.data_path, ignore_errors=True)
    shutil.copytree(BEGUN["directory"] + "/data", oracle.server.data_path)
    oracle.samples, oracle.start_ms, oracle.n_left = dict(BEGUN["samples"]), BEGUN["start_ms"], []


def make(oracle):
    oracle.start()
    oracle.fill()
    oracle.write_some(50)
    oracle.save()
    for n in range(WINDOWS):
        assert oracle.write(str(n), oracle.window_ms(n) + 1234, 100 + n)
    oracle.write_some(50)
    oracle.server.kill()


def test_a_store_at_its_limit_comes_back_whole():
    """Filled to what begins to drop windows, but for what a head does not say, which is up to a MiB of the index, and
    what a start keeps for itself: one in the same memory leaves none on disk."""
    step_ms, most = WINDOW_S * 1000 // 60, (1024 + 128) * 1024
    with Oracle() as oracle:
        oracle.start("32MiB")
        figures = oracle.server.get("/metrics").text
        begins = int(float(re.search(r'stage_begins_below_bytes{stage="window"} (\S+)', figures)[1]))
        at_ms = oracle.start_ms
        while oracle.server.metric("hourglass_memory_free_bytes") > begins + most:
            times = [b"\x10" + hg.varint(t) for t in range(at_ms, at_ms + step_ms, NOISE_STEP_MS)]
            body = hg.snappy(b"".join(oracle.noise(i, times) for i in range(N_NOISE)))
            assert oracle.server.write_raw(body).code == 204
            at_ms += step_ms
        n = oracle.server.metric("prometheus_tsdb_head_samples_appended_total")
        for _ in range(3):
            assert oracle.server.stop(60) == 0
            assert oracle.start("32MiB") == 0, "it was in memory before"
            assert oracle.server.metric("hourglass_windows_dropped_early_total") == 0
        found = int(oracle.server.query("count_over_time(noise{i='7'}[1d])", at=at_ms / 1000)["result"][0]["value"][1])
        assert found * N_NOISE == n, f"{found * N_NOISE} of {n}"


def test_the_journal_of_windows_that_are_left_is_kept():
    with Oracle() as oracle:
        begin(oracle)
        assert oracle.start("32MiB") >= 1
        oracle.check()
        assert not oracle.write("0", oracle.window_ms(0) + 99, 1), "a sample of a window that is left is refused"
        oracle.delete("0", oracle.window_ms(0), oracle.window_ms(WINDOWS))
        assert oracle.server.stop(60) == 0
        assert left_files(oracle)
        said = hourglass_check(oracle)
        assert left_files(oracle)[0] in said, said
        assert oracle.start() == 0
        oracle.check()
        assert oracle.server.stop(60) == 0
        assert not left_files(oracle), "the windows have it now"
        hourglass_check(oracle)
        oracle.start()
        oracle.check()
        assert oracle.server.metric("hourglass_windows_dropped_early_total") == 0


def test_no_start_drops_what_it_has_loaded():
    """Through every place that a window's edge may have: what only the start itself takes, a frame of the journal for
    one, must neither cost a window nor come on top of what was planned with."""
    with Oracle() as oracle:
        begin(oracle)
        for kib in range(32 * 1024, 41 * 1024, int(os.environ.get("STEP_KIB", 192))):
            oracle.start(f"{kib}KiB")
            assert oracle.server.metric("hourglass_windows_dropped_early_total") == 0, f"at {kib} KiB: {oracle.server.log[-1800:]}"
            oracle.server.kill()
        assert len(set(oracle.n_left)) > 2, oracle.n_left


def test_a_row_of_starts_in_any_memory():
    with Oracle() as oracle:
        begin(oracle)
        for _ in range(int(os.environ.get("STARTS", 8))):
            limit = oracle.random.choice(LIMITS)
            oracle.start(limit)
            dropped = oracle.server.metric("hourglass_windows_dropped_early_total")
            assert dropped == 0, f"{dropped} windows were dropped at {limit}: {oracle.server.log[-2000:]}"
            oracle.check()
            for _ in range(oracle.random.randrange(6)):
                oracle.random.choice((oracle.delete_some, oracle.save, lambda: oracle.write_some(10),
                                      lambda: oracle.write_some(10)))()
            oracle.check()
            if oracle.random.random() < 0.3:
                assert oracle.server.stop(60) == 0
                hourglass_check(oracle)
            else:
                oracle.server.kill()
        assert oracle.start() == 0
        oracle.check()
        print(f"         windows left: {oracle.n_left}, samples: {len(oracle.samples)}")
        assert max(oracle.n_left) > 0


def test_killed_while_it_is_carried():
    """kill -9 at random moments of the save that carries."""
    with Oracle() as oracle:
        begin(oracle)
        for _ in range(int(os.environ.get("KILLS", 8))):
            oracle.start("32MiB")
            oracle.delete_some()
            with oracle.server.connect() as sock:
                sock.sendall(b"POST /api/v1/admin/tsdb/snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                time.sleep(oracle.random.random() * oracle.random.choice((0.01, 0.05, 0.3)))
                oracle.server.kill()
        assert oracle.start() == 0
        oracle.check()


def test_a_backup_has_what_is_left():
    with Oracle() as oracle:
        begin(oracle)
        n_left = oracle.start("32MiB")
        backup = oracle.save()
        assert oracle.metric("windows") == n_left
        assert oracle.metric("records_carried_total") >= n_left, "each has a record of begin()"
        assert oracle.metric("bytes") > oracle.metric("record_bytes_carried_total") > 0
        oracle.server.kill()
        oracle.server.data_path += "/snapshots/" + backup  # two of one second do not say by their names which is newer
        assert oracle.start() == 0
        oracle.check()
        assert oracle.metric("records_restored_total") >= n_left
        assert oracle.metric("lost_frames_total") == oracle.metric("windows_expired_total") == 0


def test_a_full_disk_keeps_the_journal():
    """A directory in which nothing can be made: the save says so, and the journal stays."""
    with Oracle() as oracle:
        begin(oracle)
        oracle.start("32MiB")
        blocker = oracle.server.data_path + "/" + "left-" + str(oracle.start_ms // (WINDOW_S * 1000)) + ".hg.tmp"
        os.mkdir(blocker)
        assert oracle.server.request("POST", "/api/v1/admin/tsdb/snapshot").code == 500
        assert "could not be carried" in oracle.server.log
        os.rmdir(blocker)
        oracle.save()
        oracle.server.kill()
        oracle.start()
        oracle.check()
