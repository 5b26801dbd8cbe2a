"""The file that fleet replays (its form is in recording.h), made from real scrapes or from mix.py.

Real scrapes: a tar.zst of files s.PORT.NNNN.txt in Prometheus' text format, one for each target and scrape. Only the
series that are in every scrape of their target are taken."""

import array
import os
import re
import struct
import subprocess
import sys
import tarfile
import zlib

import mix

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JOBS = {"9100": "node", "9390": "prometheus", "9428": "victoriametrics"}
NAME = re.compile(r"s\.(\d+)\.(\d+)\.txt$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
ESCAPE = re.compile(r"\\(.)")
OWN = ("cluster", "datacenter", "gen", "instance", "job")  # fleet's; a target's own are renamed as a scrape does


def labels_of(text):
    """{name: value} of the text before the value on an exposition line."""
    name, brace, rest = text.partition("{")
    labels = {"__name__": name}
    for key, value in LABEL.findall(rest if brace else ""):
        value = ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), value)
        labels["exported_" + key if key in OWN else key] = value
    return labels


def read_scrape(lines):
    scrape = {}
    for line in lines:
        line = line.strip()
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            scrape[series] = float(value)
    return scrape


def read_archive(path):
    """{port: [scrape, ..]} in the order of their numbers; a scrape is {series text: value}."""
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as unpacked:
        found = {}
        with tarfile.open(fileobj=unpacked.stdout, mode="r|") as archive:
            for member in archive:
                match = NAME.search(member.name)
                if match:
                    text = archive.extractfile(member).read().decode()
                    found[match[1], int(match[2])] = read_scrape(text.splitlines())
        unpacked.stdout.read()
    if unpacked.returncode != 0 or not found:
        raise RuntimeError(f"{path}: no scrapes in it")
    ports = sorted({port for port, _ in found})
    return {port: [found[key] for key in sorted(found) if key[0] == port] for port in ports}


def read_real(path):
    """(targets, series, rows): targets as (job, port), series as (target, labels), rows as a list of values each."""
    targets, series, columns = [], [], []
    for port, scrapes in read_archive(path).items():
        targets.append((JOBS.get(port, "job-" + port), port))
        for text in (text for text in scrapes[0] if all(text in scrape for scrape in scrapes)):
            series.append((len(targets) - 1, labels_of(text)))
            columns.append([scrape[text] for scrape in scrapes])
    return targets, series, list(zip(*columns))


def write(path, targets, series, rows):
    def string(text):
        data = text.encode()
        return struct.pack("<H", len(data)) + data

    head = b"".join(string(job) + string(port) for job, port in targets)
    for target, labels in series:
        pairs = sorted((name.encode(), value.encode()) for name, value in labels.items() if value)
        head += struct.pack("<HH", target, len(pairs))
        head += b"".join(struct.pack("<H", len(text)) + text for pair in pairs for text in pair)
    start = 8 + 16 + len(head)
    values_at = (start + 7) // 8 * 8
    made = f"{path}.{os.getpid()}"  # others may be at it
    with open(made, "wb") as out:
        out.write(b"HGREC001" + struct.pack("<4I", len(targets), len(series), len(rows), values_at))
        out.write(head + bytes(values_at - start))
        for row in rows:
            array.array("d", row).tofile(out)
    os.replace(made, path)


def find_data():
    """The scrapes to take: DATA of the environment (`mix` for none), or those beside the tree, or None."""
    data = os.environ.get("DATA")
    if data:
        return None if data == "mix" else data
    beside = os.path.join(os.path.dirname(ROOT), "shared", "data", "scrapes.tar.zst")
    return beside if os.path.exists(beside) else None


def prepare(data, directory):
    """Path of the recording and what it is, made if it is not there yet. data: the tar.zst, or None."""
    os.makedirs(directory, exist_ok=True)
    if data is None:
        path, what = os.path.join(directory, "mix.rec"), "generated mix"
        source = mix.__file__
    else:
        stat = os.stat(data)
        tag = zlib.crc32(f"{os.path.abspath(data)} {stat.st_size} {stat.st_mtime_ns}".encode())
        path, what = os.path.join(directory, f"real-{tag:08x}.rec"), "recording " + os.path.basename(data)
        source = __file__
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
        print(f"preparing {os.path.basename(path)}", file=sys.stderr, flush=True)
        write(path, *(mix.make() if data is None else read_real(data)))
    return path, what


if __name__ == "__main__":
    print(*prepare(sys.argv[1] if len(sys.argv) > 1 else None, "build/bench"))
