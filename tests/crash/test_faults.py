"""A disk that fails while the server runs: the Nth call, or all from the Nth on until somebody mends it. The server
goes on, says 503 to what it cannot keep, says so in /metrics, and needs nobody when the disk is well again; and what it
acknowledged is there after kill -9, SIGTERM or a power cut.

FAULTS=all tries every N of the script; otherwise FAULTS of them (12) are taken, others each time (SEED)."""

import errno
import os
import shutil
import random
import re
import time

from disk import FOR_EVER, Disk, has_journal, needs_journal
from hg import Hourglass, now_ms, wait_until

ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS)
STARTS = 5              # a server that fails at its start is started again, so often


class Script:
    """A server on a disk, and what it was sent: {(series, ms): (value, was it acknowledged)}."""

    def __init__(self, disk, journal):
        self.disk = disk
        self.journal = journal
        self.server = Hourglass(**{"journal.sync": "always" if journal else "off", "snapshot.interval": "0"})
        self.server.data_path = disk.data
        self.server.environment = disk.environment
        self.at = now_ms() - 600000
        self.sent, self.promised = {}, set()
        self.n_refused = 0

    def start(self):
        """Fails by an exit code of 1 and a message at most; the disk may be mended for the last time."""
        for attempt in range(STARTS):
            if attempt == STARTS - 1:
                self.disk.heal()
            before = len(self.server.log)
            self.server.spawn()
            try:
                wait_until(self.server.is_ready, 15, "ready")
                return
            except AssertionError:
                assert self.server.process.poll() == 1, self.server.process.poll()
                assert len(self.server.log) > before, "it ends without a word"
        raise AssertionError(f"no start on a good disk\n{self.server.log[-2000:]}")

    def write(self, step):
        """A request of some series: new ones, a late sample, one that came before. Returns whether it was taken."""
        samples = {("steady", self.at + step * 1000): float(step), (f"new{step}", self.at + step * 1000): step / 8}
        if step > 2:
            samples["steady", self.at + step * 1000 - 1500] = step + 0.25
            samples["steady", self.at + (step - 1) * 1000] = float(step - 1)
        for key, value in samples.items():
            self.sent[key] = value
        answer = self.server.write(*[({"__name__": name}, [(at, value)]) for (name, at), value in samples.items()])
        if answer.code == 204:
            if self.journal:
                self.promised |= samples.keys()
            return True
        assert answer.code == 503, answer
        assert int(answer.headers["retry-after"]) > 0
        self.n_refused += 1
        return False

    def snapshot(self):
        held = set(self.sent) if not self.n_refused else set(self.promised)
        answer = self.server.request("POST", "/api/v1/admin/tsdb/snapshot")
        assert answer.code in (200, 500), answer
        if answer.code == 200 and not self.journal:
            self.promised |= held
        return answer.code == 200

    def reads(self):
        """Queries go on whatever the disk does."""
        assert self.server.get("/api/v1/query", {"query": "steady"}).code == 200
        assert self.server.get("/metrics").code == 200

    def run(self):
        self.start()
        for step in range(1, 9):
            self.write(step)
            if step in (3, 6):
                self.snapshot()
        self.reads()

    def recover(self):
        """A disk that is well again: writes are taken and a snapshot succeeds, with no help."""
        self.disk.heal()
        step = 20
        deadline = time.monotonic() + 10
        while not self.write(step):
            assert time.monotonic() < deadline, f"no recovery\n{self.server.log[-2000:]}"
            time.sleep(0.1)
        assert self.snapshot(), "a snapshot on a good disk"

    def end(self, how, seed):
        if how == "term":
            code = self.server.stop(30)
            assert code in (0, 1), code
        else:
            assert self.server.process.poll() is None, "it has ended by itself"
            self.server.kill()
        if how == "cut":
            self.disk.cut(seed)
        self.disk.heal()

    def compare(self):
        found = {}
        for labels, points in self.server.samples('{__name__=~"steady|new.*"}', now_ms() / 1000 + 60, 3600).items():
            for at, text in points:
                found[dict(labels)["__name__"], at] = float(text)
        lost = self.promised - found.keys()
        invented = found.keys() - self.sent.keys()
        changed = [key for key, value in found.items() if self.sent.get(key, value) != value]
        assert not (lost or invented or changed), f"lost {lost}, invented {invented}, changed {changed}"

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *exc):
        self.server.__exit__(*exc)


def count_calls(journal):
    with Disk(keeps_log=False) as disk, Script(disk, journal) as script:
        disk.count()
        script.run()
        script.end("kill", 0)
        n = disk.control.n_calls
        script.start()
        assert script.promised, "a script that promises nothing shows nothing"
        script.compare()
        return n


def one_fault(n, is_lasting, how, seed, journal):
    error = ERRORS[n % len(ERRORS)]
    try:
        with Disk() as disk, Script(disk, journal) as script:
            disk.fail(n, FOR_EVER if is_lasting else None, error, is_short=n % 2 == 0)
            script.run()
            if is_lasting and n % 4 < 2:
                script.recover()
            script.end(how, seed)
            script.start()
            script.compare()
            script.write(30)
            script.end("kill", seed)
            script.start()
            script.compare()
    except Exception as problem:
        what = "from call" if is_lasting else "at call"
        raise AssertionError(f"{errno.errorcode[error]} {what} {n}, end by {how}, seed {seed}: {problem}") from problem


def every_fault(is_lasting):
    seed = int(os.environ.get("SEED", time.time()))
    journal = has_journal()
    n_calls = count_calls(journal)
    wanted = os.environ.get("FAULTS", "12")
    share = n_calls if wanted == "all" else min(n_calls, int(wanted))
    chosen = sorted(random.Random(seed).sample(range(1, n_calls + 1), share))
    print(f"         seed: {seed}; {len(chosen)} of {n_calls} calls{'' if journal else ', no journal yet'}")
    for i, n in enumerate(chosen):
        one_fault(n, is_lasting, ("kill", "term", "cut")[i % 3], seed, journal)


def test_the_nth_call_fails():
    every_fault(False)


def test_all_calls_fail_from_the_nth_on():
    every_fault(True)


def test_a_full_disk_is_told_and_recovers_by_itself():
    needs_journal()
    with Disk() as disk, Script(disk, True) as script:
        script.run()
        calm = failures(script.server)
        disk.fail(1, FOR_EVER, errno.ENOSPC)
        wait_until(lambda: not script.write(10), 10, "503")
        script.reads()
        assert failures(script.server) > calm, "/metrics shows it"
        script.recover()
        script.end("cut", 1)
        script.start()
        script.compare()


def failures(server):
    """Sum of all counters of failures."""
    found = re.findall(r"^hourglass_\w*fail\w*(?:\{[^}]*\})? (\S+)", server.get("/metrics").text, re.M)
    return sum(float(value) for value in found)


def test_a_snapshot_that_fails_is_counted_and_the_next_one_works():
    with Disk() as disk, Script(disk, has_journal()) as script:
        script.run()
        calm = failures(script.server)
        disk.fail(1, FOR_EVER, errno.ENOSPC)
        assert not script.snapshot()
        assert failures(script.server) > calm
        script.reads()
        script.recover()
        script.end("kill", 1)
        script.start()
        script.compare()


def test_a_slow_disk_loses_nothing():
    with Disk() as disk, Script(disk, has_journal()) as script:
        disk.slow(30000)
        script.run()
        script.end("cut", 1)
        script.start()
        script.compare()


def test_the_comparison_sees_what_is_lost():
    """What was promised and is removed from the disk is found missing."""
    with Disk() as disk, Script(disk, has_journal()) as script:
        script.run()
        script.server.kill()
        shutil.rmtree(disk.data)
        os.mkdir(disk.data)
        script.start()
        try:
            script.compare()
        except AssertionError as problem:
            assert "lost" in str(problem)
        else:
            raise AssertionError("an empty directory passes")
