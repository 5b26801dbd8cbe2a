"""Kills under full load and power cuts, with an oracle of what was acknowledged (kills.c): KILLS times kill -9 (8), a
quarter of that for each of the other ways to die (CUTS: power cuts with --journal.sync=always). Where the server keeps no journal yet, what it does promise is
checked: the snapshots."""

import os
import re
import shutil
import subprocess
import tempfile
import time

import hg
from disk import BUILD, LIBRARY, needs_deletions, needs_journal

KILLS = os.path.join(BUILD, "tests", "crash", "kills")
TOTAL = int(os.environ.get("KILLS", 8))


def seed():
    return int(os.environ.get("SEED", time.time()))


def kills(*options, flags=(), expected=0):
    """Runs the program, says what it found, and returns its output."""
    directory = tempfile.mkdtemp(prefix="hg-kills-")
    if not any(flag.startswith("--snapshot.interval") for flag in flags):
        flags = ["--snapshot.interval=1s", *flags]
    command = [KILLS, f"--program={hg.BINARY}", f"--library={LIBRARY}", f"--directory={directory}/run",
               f"--seed={seed()}", *options, "--", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * 3600)
    said = done.stdout + done.stderr
    assert done.returncode == expected, f"{' '.join(command)}\nexit code {done.returncode}, not {expected}\n{said}"
    shutil.rmtree(directory)
    for line in re.findall(r"^(?:seed|kills): .*", done.stdout, re.M):
        print(f"         {line}")
    return said


QUARTER = f"--kills={max(2, TOTAL // 4)}"
CUTS = f"--kills={os.environ.get('CUTS', max(2, TOTAL // 4))}"
# Windows of which some are written to files of their own, and some expire, while the load goes on: those of the second
# row are for a server that syncs before it answers.
FILES = ("--life=1000,4000", "--series=200", "--windows=8", "--step=500", "--late=1", "--out-of-order=1500")
FAST, SLOW = "--window=150000", "--window=10000"


def numbers(said, word):
    return sum(int(n) for n in re.findall(rf"(\d+) {word}", said))


def test_the_check_sees_what_is_lost():
    """Without a journal kill -9 loses what came after the last snapshot: a run that finds nothing is blind."""
    said = kills("--kills=2", "--life=300,500", flags=["--journal.sync=off", "--snapshot.interval=0"], expected=1)
    assert numbers(said, "lost,") > 1000, said


def test_the_check_sees_lies():
    for lie, word in (("lost", "lost,"), ("invented", "invented,"), ("changed", "changed;")):
        said = kills("--kills=2", "--life=400", "--series=300", "--end=term", f"--lie={lie}", expected=1)
        assert numbers(said, word) > 0, said


def test_sigterm_loses_nothing():
    kills("--kills=2", "--life=300,1000", "--end=term")


def test_what_a_snapshot_holds_survives():
    said = kills("--kills=2", "--life=300,1000", "--promise=snapshot", flags=["--journal.sync=off"])
    assert numbers(said, "lost that were not promised") > 0, "kills that lose nothing prove nothing"


def test_what_a_snapshot_holds_survives_a_power_cut():
    kills("--kills=2", "--life=300,1000", "--promise=snapshot", "--cut",
          flags=["--journal.sync=off", "--snapshot.interval=200ms"])


def test_kill_9_loses_nothing():
    needs_journal()
    kills(f"--kills={TOTAL}", flags=["--journal.sync=1s"])


def test_deleted_series_stay_deleted():
    needs_journal()
    needs_deletions()
    said = kills(QUARTER, "--series=600", "--deletes", flags=["--web.enable-admin-api", "--journal.sync=1s"])
    assert numbers(said, "deletions acknowledged") > 0, said
    said = kills(QUARTER, "--series=600", "--deletes", "--cut",
                 flags=["--web.enable-admin-api", "--journal.sync=always"])
    assert numbers(said, "deletions acknowledged") > 0, said
    said = kills("--kills=2", "--series=300", "--deletes", "--lie=deleted", flags=["--web.enable-admin-api"],
                 expected=1)
    assert numbers(said, "invented,") > 0, said


def test_a_power_cut_loses_nothing_that_was_synced_before_it_was_acknowledged():
    needs_journal()
    kills(CUTS, "--cut", flags=["--journal.sync=always"])


def test_windows_go_to_files_and_expire_between_kills():
    needs_journal()
    ends = f"--kills={max(4, TOTAL // 2)}"
    said = kills(ends, *FILES, FAST, flags=["--journal.sync=1s", "--snapshot.interval=300ms"])
    said += kills(ends, *FILES, SLOW, "--cut", flags=["--journal.sync=always", "--snapshot.interval=300ms"])
    assert numbers(said, "files of windows found") > 0, said
    if TOTAL >= 60:
        assert numbers(said, "of them gone since") > 0, said


def test_a_power_cut_loses_no_more_than_the_last_second():
    needs_journal()
    kills(QUARTER, "--cut", "--promise=2000", "--life=2500,4000", flags=["--journal.sync=1s"])


def test_a_disk_that_fails_for_a_while_loses_nothing():
    needs_journal()
    said = kills(QUARTER, "--cut", "--faults", "--life=1000,4000", flags=["--journal.sync=always"])
    assert numbers(said, "answered 503") > 0, said
