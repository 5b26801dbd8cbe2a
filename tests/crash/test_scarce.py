"""A server whose memory is refused while it runs (scarce.h): the Nth request for a page or a span, to libc's heap, for a
mapping or a thread; or all from the Nth on, until there is memory again. It never crashes: a start may end with exit
code 1 and a message, a request may be refused or its connection closed. What it acknowledged is there after kill -9 or
SIGTERM, an answer of 200 is whole, and with memory it takes writes again, with no help.

FAULTS=all tries every N of the script; otherwise FAULTS of them (12) are taken of each kind, others each time (SEED)."""

import http.client
import os
import random
import time

from disk import FOR_EVER, MEMORY, SCARCE, Disk, Memory
from hg import Hourglass, now_ms

STARTS = 5              # a server that fails at its start is started again, so often
PATIENCE_S = 1.5        # a start that waits for memory gets it then
READY_S = 20
RECOVERY_S = 10
REQUEST_S = 15          # nobody waits longer for an answer, of whatever kind
N_NEW = 150             # series that begin with a write
KINDS = {"arena": MEMORY["arena"], "process": MEMORY["heap"] | MEMORY["mapping"] | MEMORY["thread"]}
QUERIES = ("/api/v1/labels", "/api/v1/label/__name__/values", "/api/v1/series?match%5B%5D=steady", "/metrics",
           "/api/v1/status/tsdb", "/api/v1/status/memory", "/debug/pprof/heap",
           "/api/v1/query?query=sum(rate(%7B__name__%3D~%22steady%7Cnew.%2B%22%7D%5B5m%5D))")


class Scarce(Hourglass):
    def command(self):
        return [SCARCE] + super().command()[1:]


class Script:
    """A server on a directory that outlives it, and what it was sent: {(series, ms): (value, was it acknowledged)}."""

    def __init__(self, disk):
        self.memory = Memory(disk.directory)
        self.server = Scarce(**{"journal.sync": "always", "snapshot.interval": "0", "storage.memory-limit": "256MiB",
                                "web.enable-admin-api": "true"})
        self.server.data_path = disk.data
        self.server.environment = self.memory.environment
        self.at = now_ms() - 600000
        self.sent, self.promised = {}, set()
        self.deleted, self.doubtful = set(), set()      # series

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *exc):
        self.server.__exit__(*exc)
        self.memory.close()

    def log(self):
        return self.server.log[-2000:]

    def must_live(self):
        code = self.server.process.poll()
        assert code is None, f"it has ended: {code}\n{self.log()}"

    def is_ready(self):
        try:
            return self.server.request("GET", "/-/ready", timeout=REQUEST_S).code == 200
        except (OSError, http.client.HTTPException):
            return False

    def become_ready(self):
        """Whether it is; an end by exit code 1 with a message is not."""
        before, begin = len(self.server.log), time.monotonic()
        self.server.spawn()
        while not self.is_ready():
            waited = time.monotonic() - begin
            code = self.server.process.poll()
            if code is not None:
                assert code == 1, f"a start ends with {code}\n{self.log()}"
                assert len(self.server.log) > before, "it ends without a word"
                return False
            assert waited < READY_S, f"not ready\n{self.log()}"
            if waited > PATIENCE_S:
                self.memory.heal()
            time.sleep(0.01)
        return True

    def start(self):
        for attempt in range(STARTS):
            if attempt == STARTS - 1:
                self.memory.heal()
            if self.become_ready():
                return
        raise AssertionError(f"no start with memory\n{self.log()}")

    def ask(self, method, path, body=None, headers=None):
        """The answer; None when the connection was closed without one."""
        try:
            return self.server.request(method, path, body, headers, timeout=REQUEST_S)
        except TimeoutError as problem:
            raise AssertionError(f"{method} {path}: no answer\n{self.log()}") from problem
        except (OSError, http.client.HTTPException):
            return None
        finally:
            self.must_live()

    def write(self, step):
        """New series, a late sample, one that came before. Returns whether it was taken."""
        at = self.at + step * 1000
        samples = {(f"new{step}_{i}", at + i): step + i / 8 for i in range(N_NEW)}
        samples["steady", at] = float(step)
        if step > 2:
            samples["steady", at - 1500] = step + 0.25
            samples["steady", at - 1000] = float(step - 1)
        self.sent.update(samples)
        try:
            answer = self.server.write(*[({"__name__": name}, [(at, value)]) for (name, at), value in samples.items()])
        except TimeoutError as problem:
            raise AssertionError(f"a write without an answer\n{self.log()}") from problem
        except (OSError, http.client.HTTPException):
            self.must_live()
            return False
        if answer.code == 204:
            self.promised |= samples.keys()
            return True
        assert answer.code == 503, answer
        assert int(answer.headers["retry-after"]) > 0
        return False

    def delete(self, step):
        gone = {f"new{step}_{i}" for i in range(N_NEW)}
        self.doubtful |= gone
        answer = self.ask("POST", f"/api/v1/admin/tsdb/delete_series?match%5B%5D=%7B__name__%3D~%22new{step}_.%2B%22%7D")
        assert answer is None or answer.code in (204, 422, 500, 503), answer
        if answer is not None and answer.code == 204:
            self.deleted |= gone

    def snapshot(self):
        answer = self.ask("POST", "/api/v1/admin/tsdb/snapshot")
        assert answer is None or answer.code in (200, 500, 503), answer
        return answer is not None and answer.code == 200

    def reads(self):
        self.compare(is_calm=False)
        for path in QUERIES:
            answer = self.ask("GET", path)
            assert answer is None or answer.code in (200, 422, 500, 503), (path, answer)

    def run(self):
        self.start()
        for step in range(1, 5):
            self.write(step)
        self.snapshot()
        self.delete(2)
        for step in range(5, 8):
            self.write(step)
        self.reads()

    def run_again(self):
        """On what was left, journal and snapshot."""
        self.start()
        self.write(8)
        self.snapshot()
        self.write(9)
        self.reads()

    def recover(self):
        self.memory.heal()
        deadline = time.monotonic() + RECOVERY_S
        while not (self.write(20) and self.snapshot()):
            assert time.monotonic() < deadline, f"no recovery\n{self.log()}"
            time.sleep(0.05)
        self.compare()

    def end(self, how):
        self.must_live()
        if how == "term":
            code = self.server.stop(30)
            assert code in (0, 1), f"SIGTERM: {code}\n{self.log()}"
        else:
            self.server.kill()

    def found(self, is_calm):
        """What a query says; None where it was refused."""
        end = (now_ms() + 60000) / 1000
        answer = self.ask("GET", "/api/v1/query?query=%7B__name__%3D~%22steady%7Cnew.*%22%7D%5B1h%5D&time=" + str(end))
        if not is_calm and (answer is None or answer.code != 200):
            assert answer is None or answer.code in (422, 500, 503), answer
            return None
        assert answer is not None and answer.code == 200, f"{answer}\n{self.log()}"
        return {(one["metric"]["__name__"], round(at * 1000)): float(text)
                for one in answer.json["data"]["result"] for at, text in one["values"]}

    def compare(self, is_calm=True):
        found = self.found(is_calm)
        if found is None:
            return
        lost = {key for key in self.promised - found.keys() if key[0] not in self.doubtful}
        invented = {key for key in found if key not in self.sent or key[0] in self.deleted}
        changed = {key for key, value in found.items() if self.sent.get(key, value) != value}
        few = [sorted(some)[:5] for some in (lost, invented, changed)]
        assert not (lost or invented or changed), (f"lost {len(lost)}, invented {len(invented)}, changed "
                                                   f"{len(changed)}: {few}\n{self.log()}")


def whole(script, how):
    script.run()
    script.end(how)
    script.run_again()


def count_requests(kinds):
    with Disk(keeps_log=False) as disk, Script(disk) as script:
        script.memory.count(kinds)
        whole(script, "term")
        n = script.memory.control.n_calls
        assert len(script.promised) > 9 * N_NEW and len(script.deleted) == N_NEW, "a script that shows nothing"
        script.end("kill")
        return n


def one_refusal(kinds, n, is_lasting, how):
    """Returns whether the Nth request came."""
    try:
        with Disk(keeps_log=False) as disk, Script(disk) as script:
            script.memory.fail(kinds, n, FOR_EVER if is_lasting else None)
            whole(script, how)
            n_refused = script.memory.control.n_failed
            script.recover()
            script.end(how)
            script.start()
            script.compare()
            script.end("kill")
            return n_refused > 0
    except Exception as problem:
        what = "from" if is_lasting else "at"
        raise AssertionError(f"refused {what} request {n} of kinds {kinds}, end by {how}: {problem}") from problem


def every_refusal(is_lasting):
    seed = int(os.environ.get("SEED", time.time()))
    wanted = os.environ.get("FAULTS", "12")
    rng = random.Random(seed)
    print(f"         seed: {seed}")
    for name, kinds in KINDS.items():
        n_requests = count_requests(kinds)
        share = n_requests if wanted == "all" else min(n_requests, int(wanted))
        chosen = sorted(rng.sample(range(1, n_requests + 1), share))
        n_refused = sum(one_refusal(kinds, n, is_lasting, ("kill", "term")[i % 2]) for i, n in enumerate(chosen))
        print(f"         {name}: {n_refused} of {n_requests} requests refused")
        assert n_refused > 0, "nothing was refused"


def test_the_nth_request_for_memory_is_refused():
    every_refusal(False)


def test_all_requests_for_memory_are_refused_from_the_nth_on():
    every_refusal(True)
