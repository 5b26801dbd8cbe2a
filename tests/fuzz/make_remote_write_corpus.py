#!/usr/bin/env python3
"""Writes the seeds of fuzz_remote_write into tests/fuzz/corpus/remote_write/. The first byte of a seed is the
fuzzer's own (bit 0: compressed; 1 to 6: which allocation fails, 0 = none; 7: version 2.0); the wire format is in http/proto."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from hg import STALE, encode_series, field, request_v2, snappy, snappy_framed, varint, write_request  # noqa: E402

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "remote_write")
NOW = 1700000000000


def one(name="up", at=NOW, value=1.0, **labels):
    return ({"__name__": name, **labels}, [(at, value)])


plain = write_request(one(job="a", instance="b"), one("down", NOW - 1000, 2.5), one(job="a", instance="b"))
many = write_request(*[one("many", NOW + i, float(i), n=str(i % 7)) for i in range(60)])
odd = write_request(
    ({"job": "no name"}, [(NOW, 1.0)]),
    ([("__name__", "twice"), ("x", "1"), ("x", "2")], [(NOW, 1.0)]),
    ([("z", "unsorted"), ("__name__", "s"), ("a", "")], [(NOW, STALE), (NOW + 1, 0x7FF8000000000001)]),
    ([("__name__", b"\xff\x00")], [(NOW, 1.0)]),
    ({"__name__": "times"}, [(0, 1.0), (-1, 1.0), ((1 << 63) - 1, 1.0), (-(1 << 63), 1.0)]),
    ({"__name__": "long", "v": "x" * 5000}, [(NOW, 1.0)]),
)
extensions = (
    field(3, varint(1 << 3) + varint(2) + field(2, b"up") + field(4, b"help"))
    + field(1, field(1, field(1, b"__name__") + field(2, b"h")) + field(3, b"\x11" + bytes(8)) + field(4, b"\x78\x01"))
    + field(15, b"unknown")
    + encode_series({"__name__": "after"}, [(NOW, 1.0)])
)
NAME = field(1, field(1, b"__name__") + field(2, b"odd"))
JOB = field(1, field(1, b"job") + field(2, b"x"))
VALUE, TIME = b"\x09" + struct.pack("<d", 1.0), b"\x10" + varint(NOW)
PLAIN = field(2, VALUE + TIME)
# what no sender writes, and what a decoder has to take
shapes = b"".join(
    field(1, content)
    for content in (
        NAME + PLAIN + JOB,  # labels that do not lie together
        PLAIN + NAME + JOB,
        NAME + field(9, b"unknown") + JOB + PLAIN + PLAIN,
        NAME + field(1, field(2, b"first") + field(2, b"last") + field(1, b"job") + b"\x18\x05") + PLAIN,
        NAME + field(2, TIME + VALUE) + field(2, b"") + field(2, VALUE + TIME + TIME + b"\x1d____"),
        NAME + field(2, VALUE + b"\x10" + bytes([0x80 | NOW & 0x7F]) + b"\x80" * 8 + b"\x00"),
        b"\x8a\x00" + bytes([0x80 | NAME[1], 0]) + NAME[2:] + PLAIN,
        NAME + JOB * 3 + PLAIN,
        field(1, field(1, b"__name__") + field(2, b"v" * 130)) + PLAIN,
    )
)
TEXTS = b"".join(field(4, text) for text in (b"", b"__name__", b"up", b"job", b"x", b"h", b"help"))
REFS = field(1, bytes((1, 2, 3, 4)))
plain_v2 = request_v2(*[(*one("up", NOW + i, job=str(i % 3)), {"help": "h", "type": 2}) for i in range(5)])
shapes_v2 = TEXTS + b"".join(
    field(5, content)
    for content in (
        REFS + PLAIN + field(4, REFS + b"\x11" + bytes(8) + b"\x18" + varint(NOW)) + field(5, b"\x08\x01\x18\x06"),
        b"\x08\x01\x08\x02" + PLAIN,  # references by themselves
        b"\x08\x01" + PLAIN + b"\x0a\x03\x82\x00\x03\x08\x04" + field(3, b"\x78\x01"),
        field(1, bytes((1, 2, 3))) + PLAIN,
        field(1, bytes((1, 99))) + PLAIN,
        REFS + field(2, VALUE + TIME + b"\x18\x05") + b"\x30\x05",
        REFS,
        REFS + PLAIN + field(5, b"\x18\x63"),
    )
)
SEEDS = {
    "v2_plain": b"\x80" + plain_v2,
    "v2_plain_no_memory": b"\x86" + plain_v2,
    "v2_shapes": b"\x80" + shapes_v2,
    "v2_late_table": b"\x80" + field(5, REFS + PLAIN) + TEXTS,
    "v2_many_symbols": b"\x80" + b"\x22\x00" * 300 + field(5, field(1, b"\xab\x02\x01") + PLAIN),
    "v2_snappy": b"\x81" + snappy(plain_v2),
    "empty": b"\x00",
    "plain": b"\x00" + plain,
    "plain_no_memory": b"\x06" + plain,
    "many": b"\x00" + many,
    "odd": b"\x00" + odd,
    "extensions": b"\x00" + extensions,
    "shapes": b"\x00" + shapes,
    "empty_series": b"\x00" + b"\x0a\x00" * 2000,
    "truncated": b"\x00" + plain[:-7],
    "group": b"\x00\x0b\x0c",
    "snappy_empty": b"\x01\x00",
    "snappy_plain": b"\x01" + snappy(plain),
    "snappy_many": b"\x01" + snappy(many),
    # a literal and then an overlapping copy of it
    "snappy_copy": b"\x01" + varint(4 + 44) + b"\x0c\x0a\x00\x0a\x00" + bytes([(44 - 1) << 2 | 2]) + struct.pack("<H", 4),
    "snappy_cut": b"\x01" + snappy(plain)[:-3],
    "snappy_4GB": b"\x01" + varint((1 << 32) - 1) + b"\xf0" + b"x" * 41,
    "snappy_too_long_varint": b"\x01" + b"\x80" * 10 + b"\x01",
    "framing": b"\x01" + snappy_framed(plain),
}

os.makedirs(OUT, exist_ok=True)
for seed, content in SEEDS.items():
    with open(os.path.join(OUT, seed), "wb") as out:
        out.write(content)
