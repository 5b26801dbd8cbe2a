"""VictoriaMetrics beside us: it takes the same bodies, and its data folder is what there is to beat. From
build/peers/usr/bin, where tests/tools/get-peers.sh puts it."""

import os
import re
import subprocess
import time

import hg


class Victoria(hg.Server):
    name = "victoria-metrics"
    ready_path = "/health"
    binary = os.path.join(hg.PEERS, "victoria-metrics")

    @property
    def data_path(self):
        return os.path.join(self.directory, "storage")

    def start(self, seconds=15.0):
        if not os.access(self.binary, os.X_OK):
            get_peers = os.path.join(hg.ROOT, "tests", "tools", "get-peers.sh")
            subprocess.run([get_peers, os.path.join(hg.ROOT, "build", "peers"), "victoria-metrics"], check=True)
        return super().start(seconds)

    def command(self):
        return [self.binary, f"-httpListenAddr={self.address}", f"-storageDataPath={self.data_path}",
                "-retentionPeriod=100y", "-loggerLevel=WARN", "-http.connTimeout=1h"]

    def data_bytes(self):
        """What the samples take on disk; the index is another folder."""
        folder = os.path.join(self.data_path, "data")
        return int(subprocess.run(["du", "-sb", folder], check=True, capture_output=True, text=True).stdout.split()[0])

    def is_merging(self):
        text = self.get("/metrics").text
        return any(float(n) > 0 for n in re.findall(r'^vm_active_merges\{[^}]*\} (\S+)', text, re.M))

    def settle(self, is_forced=False, seconds=600):
        """Everything is on disk, and it merges no more: by itself, or after it was told to make one part of all. Returns
        the bytes."""
        assert self.get("/internal/force_flush", timeout=120).code == 200
        if is_forced:
            assert self.get("/internal/force_merge", timeout=120).code == 200
        until, since, last = time.monotonic() + seconds, time.monotonic(), None
        while time.monotonic() < until:
            now = (self.data_bytes(), self.is_merging())
            if now != last or now[1]:
                since, last = time.monotonic(), now
            if time.monotonic() - since > 20:
                return now[0]
            time.sleep(1)
        raise RuntimeError("VictoriaMetrics does not come to rest")
