"""The disk of the crash tests keeps what was synced, drops what was not, and fails when it is told to."""

import errno
import os
import random
import time

from disk import CALLS, FOR_EVER, Disk

# What the programs below begin with: d is the directory, a put() that does not sync.
BEGIN = """
d = os.open(".", os.O_RDONLY)
def put(name, data, flags=os.O_CREAT | os.O_APPEND, sync=False):
    f = os.open(name, os.O_WRONLY | flags)
    os.write(f, data)
    if sync:
        os.fsync(f)
    os.close(f)
"""


def after(code, kind="all", disk=None):
    """The files that are left when the program has run and the power has failed."""
    if disk is not None:
        disk.run(BEGIN + code + "\ndie()")
        disk.cut(kind=kind)
        return disk.files()
    with Disk() as fresh:
        return after(code, kind, fresh)


def expect(code, files, kind="all"):
    found = after(code, kind)
    assert found == files, f"{code}\n{found}\nnot {files}"


def test_what_was_synced_stays_and_the_rest_goes():
    expect("put('a', b'synced', sync=True)\nput('a', b' not')\nos.fsync(d)", {"a": b"synced"})
    expect("put('a', b'synced', sync=True)\nput('a', b' too', sync=True)\nos.fsync(d)", {"a": b"synced too"})


def test_a_name_needs_the_sync_of_its_directory():
    expect("put('a', b'synced', sync=True)", {})
    expect("put('a', b'1', sync=True)\nos.fsync(d)\nput('b', b'2', sync=True)", {"a": b"1"})
    expect("put('a', b'not synced')\nos.fsync(d)", {"a": b""})


def test_rename():
    prepare = "put('a', b'old', sync=True)\nos.fsync(d)\nput('a.tmp', b'new', sync=True)\nos.rename('a.tmp', 'a')\n"
    expect(prepare, {"a": b"old"})
    expect(prepare + "os.fsync(d)", {"a": b"new"})
    expect("put('a', b'old', sync=True)\nos.fsync(d)\nput('t', b'new')\nos.rename('t', 'a')\nos.fsync(d)", {"a": b""})


def test_remove_and_link():
    prepare = "put('a', b'here', sync=True)\nos.fsync(d)\n"
    expect(prepare + "os.unlink('a')", {"a": b"here"})
    expect(prepare + "os.unlink('a')\nos.fsync(d)", {})
    expect(prepare + "os.link('a', 'b')", {"a": b"here"})
    expect(prepare + "os.link('a', 'b')\nos.fsync(d)\nos.unlink('a')", {"a": b"here", "b": b"here"})


def test_directories():
    prepare = "os.mkdir('s')\ns = os.open('s', os.O_RDONLY)\nput('s/x', b'1', sync=True)\nos.fsync(s)\n"
    expect(prepare, {})
    expect(prepare + "os.fsync(d)", {"s": None, "s/x": b"1"})
    expect(prepare + "os.fsync(d)\nos.rename('s', 't')", {"s": None, "s/x": b"1"})
    expect(prepare + "os.rename('s', 't')\nos.fsync(d)", {"t": None, "t/x": b"1"})
    expect(prepare + "os.fsync(d)\nos.unlink('s/x')\nos.fsync(s)\nos.rmdir('s')\n", {"s": None})


def test_overwritten_and_cut_bytes_come_back():
    prepare = "put('a', b'0123456789', sync=True)\nos.fsync(d)\nf = os.open('a', os.O_RDWR)\n"
    expect(prepare + "os.pwrite(f, b'xxx', 3)", {"a": b"0123456789"})
    expect(prepare + "os.pwrite(f, b'xxx', 8)", {"a": b"0123456789"})
    expect(prepare + "os.ftruncate(f, 4)", {"a": b"0123456789"})
    expect(prepare + "os.ftruncate(f, 4)\nos.fsync(f)", {"a": b"0123"})
    expect(prepare + "os.ftruncate(f, 20)", {"a": b"0123456789"})
    expect(prepare + "os.posix_fallocate(f, 5, 50)", {"a": b"0123456789"})
    expect(prepare + "os.open('a', os.O_WRONLY | os.O_TRUNC)", {"a": b"0123456789"})
    expect(prepare + "os.writev(f, [b'ab', b'cd'])\nos.fdatasync(f)\nos.write(f, b'ef')", {"a": b"abcd456789"})
    expect(prepare + "g = os.open('a', os.O_WRONLY | os.O_DSYNC)\nos.write(g, b'ab')", {"a": b"ab23456789"})


def test_a_program_that_ends_before_it_has_begun_changes_nothing():
    """Killed while the library still lists what is there: a list of half of it must not be taken for all."""
    with Disk() as disk:
        disk.run(BEGIN + "os.mkdir('s')\nfor name in ('a', 's/b', 's/c', 'd'):\n    put(name, name.encode())")
        before = disk.files()
        whole, at = 1, 0
        while at < whole:
            disk.run("die()")
            log = os.path.join(disk.side, "log")
            whole = os.path.getsize(log)
            os.truncate(log, at)
            disk.cut(seed=at)
            assert disk.files() == before, f"{at} of {whole} bytes of the log"
            at += 56  # half of a record, about


def test_what_was_there_at_the_start_counts_as_synced():
    with Disk() as disk:
        disk.run(BEGIN + "put('a', b'never synced')")  # ends in good order
        assert after("put('a', b'..')\nput('b', b'..')", disk=disk) == {"a": b"never synced"}
        assert after("os.unlink('a')\nos.fsync(d)", disk=disk) == {}


def test_a_write_while_a_sync_runs_is_not_covered():
    code = """
import threading, time
f = os.open("a", os.O_CREAT | os.O_WRONLY)
os.fsync(d)
os.write(f, b"before")
t = threading.Thread(target=os.fsync, args=(f,))
t.start()
time.sleep(0.2)
os.write(f, b"during")
t.join()
"""
    with Disk() as disk:
        disk.slow(600000, CALLS["sync"])
        assert after(code, disk=disk) == {"a": b"before"}


def test_what_a_failed_sync_covered_is_lost_for_good():
    code = """
f = os.open("a", os.O_CREAT | os.O_WRONLY)
os.fsync(d)
os.write(f, b"first")
try:
    os.fsync(f)
except OSError as error:
    assert error.errno == 5
os.write(f, b"second")
os.fsync(f)
"""
    for kind in ("all", "suffix", "some"):
        with Disk() as disk:
            disk.fail(2, calls=CALLS["sync"])
            assert after(code, kind, disk) == {"a": b"\0\0\0\0\0second"}


def test_calls_fail_when_told_to():
    code = """
import errno
f = os.open("a", os.O_CREAT | os.O_WRONLY)
for i in range(6):
    try:
        print(os.write(f, b"1234"))
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    with Disk() as disk:
        disk.fail(2, 3, errno.ENOSPC, CALLS["write"])
        assert disk.run(code).stdout.split() == ["4", "ENOSPC", "ENOSPC", "4", "4", "4"]
        assert disk.control.n_calls == 6 and disk.control.n_failed == 2
        disk.fail(5, FOR_EVER, errno.EROFS, CALLS["write"], is_short=True)
        assert disk.run(code).stdout.split() == ["4", "4", "4", "4", "2", "2"]
        disk.fail(1, FOR_EVER, errno.EIO, CALLS["write"])
        disk.heal()
        assert disk.run(code).stdout.split() == ["4"] * 6
    for call, name in (("os.rename('a', 'b')", "rename"), ("os.unlink('a')", "remove"), ("os.link('a', 'b')", "link"),
                       ("os.ftruncate(f, 1)", "truncate"), ("os.fsync(f)", "sync"), ("os.mkdir('s')", "make_dir"),
                       ("os.open('c', os.O_CREAT | os.O_WRONLY)", "open")):
        with Disk(keeps_log=False) as disk:
            disk.run("f = os.open('a', os.O_CREAT | os.O_WRONLY)\nos.write(f, b'data')\n")
            disk.fail(1, FOR_EVER, errno.EROFS, CALLS[name])
            disk.run(f"f = os.open('a', os.O_RDWR)\n" if name != "open" else "")
            disk.fail(1, FOR_EVER, errno.EROFS, CALLS[name])
            prepare = "f = os.open('a', os.O_RDWR)\n" if name != "open" else ""
            said = disk.run(f"{prepare}try:\n    {call}\nexcept OSError as e:\n    print(e.errno)\n").stdout
            assert said.split() == [str(errno.EROFS)], (call, said)
            assert disk.files() == {"a": b"data"}, call


def test_slow_calls_take_their_time():
    with Disk(keeps_log=False) as disk:
        disk.slow(300000, CALLS["sync"])
        start = time.monotonic()
        disk.run("f = os.open('a', os.O_CREAT | os.O_WRONLY)\nos.fsync(f)\n")
        assert time.monotonic() - start >= 0.3


def random_program(rng):
    """Steps on a few names, and what must be left of them when nothing that was not synced is."""
    lines, live, names, durable, durable_names, n = [], {}, {}, {}, {}, 0
    for _ in range(120):
        name = rng.choice("abcde")
        step = rng.choice(["append"] * 4 + ["over", "truncate", "sync", "sync", "dir", "rename", "unlink", "link"])
        other = rng.choice("abcde")
        if step == "append":
            data = bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 40)))
            if name not in names:
                n += 1
                names[name], live[n], durable[n] = n, b"", b""
            live[names[name]] += data
            lines.append(f"put({name!r}, {data!r})")
        elif name not in names:
            continue
        elif step == "over":
            old = live[names[name]]
            at = rng.randrange(len(old) + 5)
            live[names[name]] = old[:at].ljust(at, b"\0") + b"##" + old[at + 2 :]
            lines.append(f"f = os.open({name!r}, os.O_RDWR); os.pwrite(f, b'##', {at}); os.close(f)")
        elif step == "truncate":
            size = rng.randrange(len(live[names[name]]) + 9)
            live[names[name]] = live[names[name]][:size].ljust(size, b"\0")
            lines.append(f"f = os.open({name!r}, os.O_RDWR); os.ftruncate(f, {size}); os.close(f)")
        elif step == "sync":
            durable[names[name]] = live[names[name]]
            lines.append(f"f = os.open({name!r}, os.O_RDWR); os.fsync(f); os.close(f)")
        elif step == "dir":
            durable_names = dict(names)
            lines.append("os.fsync(d)")
        elif step == "unlink":
            del names[name]
            lines.append(f"os.unlink({name!r})")
        elif step == "rename" and names.get(other) != names[name]:
            names[other] = names.pop(name)
            lines.append(f"os.rename({name!r}, {other!r})")
        elif step == "link" and other not in names:
            names[other] = names[name]
            lines.append(f"os.link({name!r}, {other!r})")
    return "\n".join(lines), {name: durable[inode] for name, inode in durable_names.items()}


def test_random_programs_against_a_model():
    seed = int(os.environ.get("SEED", time.time()))
    print(f"         seed: {seed}")
    for i in range(int(os.environ.get("ROUNDS", 15))):
        code, files = random_program(random.Random(seed * 1000 + i))
        expect(code, files)


def test_of_what_is_appended_a_part_may_be_left():
    """After cuts of the other kinds: what was synced, and behind it what was written, or zeros."""
    seed = int(os.environ.get("SEED", time.time()))
    print(f"         seed: {seed}")
    rng = random.Random(seed)
    seen = set()
    for i in range(30):
        pieces = [bytes(rng.randrange(1, 256) for _ in range(rng.randrange(1, 30))) for _ in range(8)]
        n_synced = rng.randrange(9)
        code = "".join(f"put('a', {piece!r}, sync={at < n_synced})\nos.fsync(d)\n" for at, piece in enumerate(pieces))
        whole, synced = b"".join(pieces), b"".join(pieces[:n_synced])
        kind = rng.choice(["suffix", "some"])
        with Disk() as disk:
            disk.run(BEGIN + code + "die()")
            disk.cut(rng.randrange(1 << 32), kind)
            left = disk.files()["a"]
        assert left.startswith(synced), (kind, left, synced, whole)
        assert len(left) <= len(whole)
        if kind == "suffix":
            assert whole.startswith(left), (left, whole)
        assert all(mine in (0, theirs) for mine, theirs in zip(left, whole)), (left, whole)
        seen.add(kind + (" hole" if not whole.startswith(left) else " whole" if left == whole else " cut"))
    assert {"suffix cut", "some cut", "some hole"} <= seen, seen
