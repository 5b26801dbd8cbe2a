"""The servers and clients that the end-to-end tests use: hourglass itself, Prometheus and node_exporter as child
processes on free ports, a remote-write client that encodes by hand, and HTTP helpers. Standard library only."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.parse
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("HOURGLASS", os.path.join(ROOT, "build", "hourglass"))
PEERS = os.environ.get("PEERS_BIN") or os.path.join(ROOT, "build", "peers", "usr", "bin")
STALE = 0x7FF0000000000002
FORM = "application/x-www-form-urlencoded"
V2 = {
    "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "X-Prometheus-Remote-Write-Version": "2.0.0",
}


class Skip(Exception):
    """Raised by a test that cannot run: what is missing. run.py names such tests at its end."""


def now_ms():
    return int(time.time() * 1000)


class Port:
    """A free port that no other test takes while this object lives, whether or not anybody listens on it: a server that
    cannot start, or is started again, must not find another test's in its place. Below the ports that the system
    gives to clients; a name in the abstract socket namespace holds it, which ends with its process."""

    RANGE = range(20000, 32768)

    def __init__(self):
        for _ in range(1000):
            self.number = random.choice(self.RANGE)
            self.holder = socket.socket(socket.AF_UNIX)
            try:
                self.holder.bind(f"\0hourglass-test-port-{self.number}")
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", self.number))
                return
            except OSError:
                self.holder.close()
        raise AssertionError("no free port")


def wait_until(condition, seconds=10.0, what="the condition"):
    """Polls until condition() is true and returns its value; an assertion fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.02)


# --- bytes on the wire ----------------------------------------------------------------------------------------


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, payload):
    """A length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def encode_series(labels, samples):
    """TimeSeries of remote write 1.0. labels: a dict (sent sorted) or pairs (sent as they are); samples: pairs of
    (ms, value), where an int value stands for the 64 bits of a double when it is above 2**53."""
    pairs = sorted(labels.items()) if isinstance(labels, dict) else labels
    out = b"".join(field(1, field(1, to_bytes(name)) + field(2, to_bytes(value))) for name, value in pairs)
    for at, value in samples:
        is_bits = isinstance(value, int) and value > 1 << 53
        bits = struct.pack("<Q", value) if is_bits else struct.pack("<d", value)
        out += field(2, b"\x09" + bits + b"\x10" + varint(at))
    return field(1, out)


def write_request(*series):
    """WriteRequest of (labels, samples) tuples."""
    return b"".join(encode_series(labels, samples) for labels, samples in series)


def encode_sample(at, value, start=None):
    """The content of a Sample, or fields 1 and 2 of anything that begins like one."""
    is_bits = isinstance(value, int) and value > 1 << 53
    bits = struct.pack("<Q", value) if is_bits else struct.pack("<d", value)
    return b"\x09" + bits + b"\x10" + varint(at) + (b"" if start is None else b"\x18" + varint(start))


class Symbols:
    """The table of a 2.0 request: reference(text) is the place of a text, made when it is not there."""

    def __init__(self):
        self.places = {b"": 0}

    def reference(self, text):
        return self.places.setdefault(to_bytes(text), len(self.places))

    def references(self, labels):
        pairs = sorted(labels.items()) if isinstance(labels, dict) else labels
        return b"".join(varint(self.reference(text)) for pair in pairs for text in pair)

    def encode(self):
        return b"".join(field(4, text) for text in self.places)


def encode_series_v2(symbols, labels, samples, extra=None):
    """TimeSeries of remote write 2.0. samples: (ms, value) or (ms, value, start ms). extra: type, help, unit of its
    metadata; created: the field that was a created timestamp; exemplars: (labels, ms, value); histograms: contents."""
    extra = extra or {}
    out = field(1, symbols.references(labels))
    out += b"".join(field(2, encode_sample(*sample)) for sample in samples)
    out += b"".join(field(3, content) for content in extra.get("histograms", ()))
    for own, at, value in extra.get("exemplars", ()):
        content = field(1, symbols.references(own)) + b"\x11" + struct.pack("<d", value) + b"\x18" + varint(at)
        out += field(4, content)
    help_, unit = (symbols.reference(extra.get(key, "")) for key in ("help", "unit"))
    out += field(5, b"\x08" + varint(extra.get("type", 0)) + b"\x18" + varint(help_) + b"\x20" + varint(unit))
    if "created" in extra:
        out += b"\x30" + varint(extra["created"])
    return field(5, out)


def request_v2(*series):
    """Request of remote write 2.0 of (labels, samples) or (labels, samples, extra) tuples."""
    symbols = Symbols()
    encoded = b"".join(encode_series_v2(symbols, *one) for one in series)
    return symbols.encode() + encoded


def snappy(data, declared=None):
    """Block format made of literals; `declared` lies about the length of the content."""
    out = varint(len(data) if declared is None else declared)
    for start in range(0, len(data), 65536):
        piece = data[start : start + 65536]
        if len(piece) <= 60:
            out += bytes([(len(piece) - 1) << 2]) + piece
        else:
            out += b"\xf4" + struct.pack("<H", len(piece) - 1) + piece
    return out


def snappy_framed(data):
    """Framing format, which remote write does not use: senders get it wrong."""
    crc = zlib.crc32(data)
    chunk = struct.pack("<I", crc) + data
    return b"\xff\x06\x00\x00sNaPpY" + b"\x01" + struct.pack("<I", len(chunk))[:3] + chunk


# --- HTTP -----------------------------------------------------------------------------------------------------


class Answer:
    def __init__(self, code, headers, body):
        self.code = code
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def written(self):
        """What a receiver of remote write 2.0 says that it has written: samples, histograms, exemplars."""
        names = (f"x-prometheus-remote-write-{what}-written" for what in ("samples", "histograms", "exemplars"))
        return tuple(int(self.headers[name]) if name in self.headers else None for name in names)

    def __repr__(self):
        return f"{self.code} {self.text[:300]!r}"


def receive(sock):
    """One answer read from a socket by hand; None when the other side closed without one."""
    answer = http.client.HTTPResponse(sock)
    try:
        answer.begin()
    except (http.client.HTTPException, ConnectionError):
        return None
    return Answer(answer.status, answer.getheaders(), answer.read())


class Server:
    """A child process that answers HTTP on self.port, with its output in self.log_path."""

    name = "server"
    ready_path = "/-/ready"

    def __init__(self):
        self.held_port = Port()
        self.port = self.held_port.number
        self.process = None
        self.environment = {}           # added to ours
        self.directory = tempfile.mkdtemp(prefix=f"hg-e2e-{self.name}-")
        self.log_path = os.path.join(self.directory, "log")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"http://{self.address}"

    def command(self):
        raise NotImplementedError

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.directory,
                                            env={**os.environ, **self.environment})

    def start(self, seconds=15.0):
        self.spawn()
        wait_until(self.is_ready, seconds, f"{self.name} ready\n{self.log[-2000:]}")
        return self

    def is_ready(self):
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}:\n{self.log[-2000:]}"
        try:
            return self.get(self.ready_path).code == 200
        except OSError:
            return False

    @property
    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return log.read()
        except FileNotFoundError:
            return ""

    def stop(self, seconds=15.0):
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        has_died = self.process is not None and self.process.poll() is not None
        self.kill()
        if exc[0] is not None and (has_died or self.name == "hourglass"):
            print(f"--- log of {self.name}\n{self.log[-3000:]}---")
        shutil.rmtree(self.directory, ignore_errors=True)

    def request(self, method, path, body=None, headers=None, timeout=30.0):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def get(self, path, params=None, **options):
        query = "?" + urllib.parse.urlencode(params, doseq=True) if params else ""
        return self.request("GET", path + query, **options)

    def post_form(self, path, params):
        return self.request("POST", path, urllib.parse.urlencode(params, doseq=True), {"Content-Type": FORM})

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def query(self, expression, at=None, **params):
        """Instant query; the data of the answer, which must be a success."""
        return self.data("/api/v1/query", query=expression, **({} if at is None else {"time": at}), **params)

    def query_range(self, expression, start, end, step):
        return self.data("/api/v1/query_range", query=expression, start=start, end=end, step=step)

    def data(self, path, **params):
        answer = self.get(path, params)
        assert answer.code == 200, f"{path} {params}: {answer}"
        assert answer.json["status"] == "success", answer
        return answer.json["data"]

    def metric(self, name):
        """Sum of a metric's samples on /metrics, None without one."""
        found = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)", self.get("/metrics").text, re.M)
        return sum(float(value) for value in found) if found else None

    def write(self, *series, headers=None):
        """Remote write of (labels, samples) tuples."""
        return self.write_raw(snappy(write_request(*series)), headers)

    def write_raw(self, body, headers=None):
        default = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        merged = {**default, **(headers or {})}
        return self.request(
            "POST", "/api/v1/write", body, {name: value for name, value in merged.items() if value is not None}
        )

    def write_v2(self, *series, headers=None):
        """Remote write 2.0 of (labels, samples) or (labels, samples, extra) tuples."""
        return self.write_raw(snappy(request_v2(*series)), {**V2, **(headers or {})})

    def write_ok(self, *series):
        answer = self.write(*series)
        assert answer.code == 204, answer


class Group:
    """A control group (version 1 or 2) of so many bytes below our own, for a server whose `group` is its path. Without
    the right to make one, or with 0 bytes, path is None."""

    def __init__(self, limit):
        self.path, self.limit = None, limit
        for parent, file in self.parents() if limit else ():
            path = os.path.join(parent, f"hourglass-test-{os.getpid()}")
            try:
                os.mkdir(path)
                with open(os.path.join(path, file), "w", encoding="ascii") as out:
                    out.write(str(limit))
                self.path = path
                return
            except OSError:
                if os.path.isdir(path):
                    os.rmdir(path)

    @staticmethod
    def parents():
        with open("/proc/self/cgroup", encoding="ascii") as lines:
            for line in lines:
                _, controllers, group = line.rstrip("\n").split(":", 2)
                if "memory" in controllers.split(","):
                    yield "/sys/fs/cgroup/memory" + group, "memory.limit_in_bytes"
                elif not controllers and os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
                    yield "/sys/fs/cgroup" + group, "memory.max"

    def read(self, *names):
        for name in names:
            try:
                with open(os.path.join(self.path, name), encoding="ascii") as text:
                    return text.read()
            except OSError:
                pass
        return ""

    def check(self):
        """Nobody was killed."""
        if self.path:
            killed = re.search(r"^oom_kill (\d+)$", self.read("memory.events", "memory.oom_control"), re.M)
            assert not killed or int(killed[1]) == 0, killed[0]

    def __str__(self):
        if not self.path:
            return "no control group"
        most = self.read("memory.peak", "memory.max_usage_in_bytes").strip()
        return f"control group of {self.limit >> 20} MiB, at most {int(most or 0) / (1 << 20):.1f} MiB"

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.path:
            wait_until(self.remove, 10, "the control group is empty")

    def remove(self):
        try:
            os.rmdir(self.path)
            return True
        except OSError:
            return False


class Hourglass(Server):
    """Hourglass(**{"storage.clock": "samples"}) passes --storage.clock=samples. Own metrics are off unless asked for,
    so that a test meets only what it wrote. The data lies in self.data_path and survives stop() and start()."""

    name = "hourglass"

    def __init__(self, **flags):
        super().__init__()
        self.data_path = os.path.join(self.directory, "data")
        self.flags = {"self.interval": "0", **flags}
        self.group = None               # path of a control group to run in

    def command(self):
        flags = {"web.listen-address": self.address, "storage.path": self.data_path, **self.flags}
        command = [BINARY] + [f"--{name}={value}" for name, value in flags.items()]
        if self.group is None:
            return command
        return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.group, *command]

    def samples(self, selector, at, seconds):
        """Raw samples as {frozenset(labels): [(ms, text)]} of the range (at - seconds, at]."""
        result = self.query(f"{selector}[{seconds}s]", at=at)["result"]
        return {
            frozenset(one["metric"].items()): [(round(t * 1000), v) for t, v in one["values"]] for one in result
        }


class Manager:
    """The service manager's end of sd_notify(3): a datagram socket whose path the server gets as NOTIFY_SOCKET.

        with Manager() as manager, Hourglass() as server:
            server.environment["NOTIFY_SOCKET"] = manager.path
    """

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="hg-notify-")
        self.path = os.path.join(self.directory, "socket")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.messages = []              # as dicts, in the order in which they came

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def receive(self):
        """Takes in what has come so far and returns all messages."""
        while True:
            try:
                text = self.socket.recv(65536, socket.MSG_DONTWAIT).decode()
            except BlockingIOError:
                return self.messages
            self.messages.append(dict(line.split("=", 1) for line in text.splitlines()))

    def heard(self, name):
        """The values of a variable, in order."""
        return [message[name] for message in self.receive() if name in message]


class NodeExporter(Server):
    name = "node_exporter"
    ready_path = "/metrics"

    def command(self):
        return [os.path.join(PEERS, "prometheus-node-exporter"), f"--web.listen-address={self.address}"]


class Prometheus(Server):
    """Scrapes `targets` (job name to address) and itself, and remote-writes to the servers given. receives: takes
    remote write itself and scrapes nothing. features: of --enable-feature. write: more of each remote_write."""

    name = "prometheus"

    def __init__(self, interval, targets, write_to=(), receives=False, features="", write=""):
        super().__init__()
        self.features = features
        self.receives = receives
        self.config_path = os.path.join(self.directory, "prometheus.yml")
        jobs = {} if receives else {**targets, "prometheus": self.address}
        lines = [f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}}}", "scrape_configs:"]
        lines += [f"  - {{job_name: {job}, static_configs: [{{targets: ['{at}']}}]}}" for job, at in jobs.items()]
        lines += ["remote_write:"] if write_to else []
        for server in write_to:
            url = f"http://{server.address}/api/v1/write"
            lines.append(f"  - {{url: '{url}', queue_config: {{batch_send_deadline: 1s}}{write}}}")
        with open(self.config_path, "w", encoding="utf-8") as config:
            config.write("\n".join(lines) + "\n")

    def command(self):
        return [
            os.path.join(PEERS, "prometheus"),
            f"--config.file={self.config_path}",
            f"--storage.tsdb.path={os.path.join(self.directory, 'tsdb')}",
            f"--web.listen-address={self.address}",
            "--web.enable-admin-api",
        ] + (["--web.enable-remote-write-receiver"] if self.receives else []) + (
            [f"--enable-feature={self.features}"] if self.features else []
        )


def promtool(*args):
    """Output of promtool, which must succeed."""
    done = subprocess.run([os.path.join(PEERS, "promtool"), *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
