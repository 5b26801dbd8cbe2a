#!/usr/bin/env python3
"""make bench-codec: time and bytes of columns over a recording, and of samples through a store (tests/bench/codec.c);
make bench-write: samples on their way from a body to their series (tests/bench/write_body.c).

Environment: DATA as with bench-memory, PROGRAM (the built one)."""

import os
import subprocess
import sys

import recording

if __name__ == "__main__":
    path, source = recording.prepare(recording.find_data(), os.path.join(recording.ROOT, "build", "bench"))
    sys.exit(subprocess.run([os.environ["PROGRAM"], path, source], check=False).returncode)
