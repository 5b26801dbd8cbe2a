"""A directory under unsynced.so (tests/crash/unsynced.h): programs that run on it, power cuts, and faults on demand;
and memory that is refused on demand (tests/crash/scarce.h)."""

import ctypes
import errno
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from hg import ROOT, Hourglass, Skip

BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
LIBRARY = os.path.join(BUILD, "tests", "crash", "unsynced.so")
POWERCUT = os.path.join(BUILD, "tests", "crash", "powercut")
SCARCE = os.path.join(BUILD, "tests", "crash", "scarce")

CALLS = {"open": 1, "write": 2, "sync": 4, "rename": 8, "truncate": 16, "link": 32, "remove": 64, "make_dir": 128}
ALL_CALLS = sum(CALLS.values())
MEMORY = {"heap": 1, "mapping": 2, "thread": 4, "arena": 8}
FOR_EVER = (1 << 64) - 1


class Control(ctypes.Structure):
    """struct unsynced_control."""

    _fields_ = [(name, ctypes.c_uint64)
                for name in ("calls", "first", "last", "error", "is_short", "delay_us", "n_calls", "n_failed")]


class Faults:
    """The shared file by which calls are counted and made to fail."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.truncate(ctypes.sizeof(Control))
        with open(path, "r+b") as file:
            self.mapping = mmap.mmap(file.fileno(), ctypes.sizeof(Control))
        self.control = Control.from_buffer(self.mapping)

    def close(self):
        self.control = None
        self.mapping.close()

    def count(self, calls):
        """Counts these kinds of calls from now on; none fails."""
        self.heal()
        self.control.n_calls = 0
        self.control.n_failed = 0
        self.control.calls = calls

    def fail(self, calls, first, last=None, error=0, is_short=False):
        """The calls first..last (one, without `last`) fail, counted from now on."""
        self.count(calls)
        self.control.error = error
        self.control.is_short = is_short
        self.control.last = first if last is None else last
        self.control.first = first

    def heal(self):
        self.control.first = 0
        self.control.delay_us = 0


class Memory(Faults):
    """For the program SCARCE, whose environment it changes."""

    def __init__(self, directory):
        path = os.path.join(directory, "memory")
        super().__init__(path)
        self.environment = {"SCARCE_CONTROL": path}


class Disk:
    """A directory `data` that can be cut and made to fail. keeps_log: for power cuts."""

    def __init__(self, keeps_log=True):
        self.directory = tempfile.mkdtemp(prefix="hg-disk-")
        self.data = os.path.join(self.directory, "data")
        self.side = os.path.join(self.directory, "side")
        self.keeps_log = keeps_log
        os.mkdir(self.data)
        os.mkdir(self.side)
        path = os.path.join(self.directory, "control")
        self.faults = Faults(path)
        self.control = self.faults.control
        self.environment = {"LD_PRELOAD": LIBRARY, "UNSYNCED_DIR": self.data, "UNSYNCED_CONTROL": path}
        if keeps_log:
            self.environment["UNSYNCED_SIDE"] = self.side

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.control = None
        self.faults.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def count(self, calls=ALL_CALLS):
        """Counts these kinds of calls from now on; none fails."""
        self.faults.count(calls)

    def fail(self, first, last=None, error=errno.EIO, calls=ALL_CALLS, is_short=False):
        """The calls first..last (one, without `last`) fail, counted from now on."""
        self.faults.fail(calls, first, last, error, is_short)

    def slow(self, delay_us, calls=ALL_CALLS):
        self.count(calls)
        self.control.delay_us = delay_us

    def heal(self):
        self.faults.heal()

    def run(self, code):
        """Runs Python code with the directory as its own; it has os, and die() for SIGKILL. Returns how it ended."""
        prelude = "import os, signal\ndef die():\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        done = subprocess.run([sys.executable, "-B", "-c", prelude + code], cwd=self.data, timeout=60,
                              env={**os.environ, **self.environment}, capture_output=True, text=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done

    def cut(self, seed=1, kind=None):
        """(operations, not synced, dropped)"""
        done = subprocess.run([POWERCUT, self.data, self.side, str(seed)] + ([kind] if kind else []),
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return tuple(map(int, done.stdout.split()))

    def files(self):
        """{path: content; None of a directory}"""
        found = {}
        for at, directories, names in os.walk(self.data):
            for name in directories:
                found[os.path.relpath(os.path.join(at, name), self.data)] = None
            for name in names:
                with open(os.path.join(at, name), "rb") as file:
                    found[os.path.relpath(os.path.join(at, name), self.data)] = file.read()
        return found


def has_journal():
    with Hourglass() as server:
        server.start()
        return "No journal in this version" not in server.log


def needs_journal():
    if not has_journal():
        raise Skip("ENABLE ME: the server keeps no journal yet")


def needs_deletions():
    with Hourglass(**{"web.enable-admin-api": "true"}) as server:
        server.start()
        answer = server.request("POST", "/api/v1/admin/tsdb/delete_series?match%5B%5D=nothing")
        if answer.code != 204:
            raise Skip("ENABLE ME: the server deletes nothing yet")
