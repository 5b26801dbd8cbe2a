"""Do two answers to one query agree? To the byte, within TOLERANCE, or how not. What neither server promises is put in
order first: series of an instant query, notes, and the two series that an error about duplicates names."""

import dataclasses
import json
import math
import re

TOLERANCE = 1e-12  # relative
SAME, CLOSE, OTHER = "to the byte", "within 1e-12", "other"


@dataclasses.dataclass
class Reply:
    """An answer, taken apart."""

    code: int
    body: bytes

    def __post_init__(self):
        parsed = json.loads(self.body)
        self.error = (parsed.get("errorType"), parsed.get("error"))
        self.notes = tuple(sorted(parsed.get(kind, [])) for kind in ("warnings", "infos"))
        data = parsed.get("data") or {}
        self.type = data.get("resultType")
        self.result = data.get("result", [])

    @property
    def rows(self):
        """Points by series, for vectors and matrices."""
        return {key_of(row): row["values"] if "values" in row else [row["value"]] for row in self.result}

    @property
    def is_found(self):
        return self.code == 200 and bool(self.result)


def key_of(row):
    return json.dumps(row["metric"], sort_keys=True)


def in_order(text):
    """An error's text with pairs of series sorted; which of two comes first is chance in Prometheus."""
    return re.sub(r"\[(\{.*?\}), (\{.*?\})\]", lambda found: str(sorted(found.groups())), text or "")


def are_close(a, b):
    if a == b:
        return True
    a, b = float(a), float(b)
    return a == b or math.isnan(a) and math.isnan(b) or abs(a - b) <= TOLERANCE * max(abs(a), abs(b))


def differing_points(ours, theirs):
    """Of two lists of [time, value]: how many are not the same text, and the first that is not close, else None."""
    if [at for at, _ in ours] != [at for at, _ in theirs]:
        return len(ours), ("times", [at for at, _ in ours], [at for at, _ in theirs])
    unequal = [(at, a, b) for (at, a), (_, b) in zip(ours, theirs) if a != b]
    return len(unequal), next((one for one in unequal if not are_close(one[1], one[2])), None)


def is_ordered(text):
    return text.startswith("sort")


def compare(text, ours, theirs):
    """(SAME, CLOSE or OTHER, what differs) of two replies to one expression."""
    if (ours.code, ours.body) == (theirs.code, theirs.body):
        return SAME, ""
    if ours.code != theirs.code or ours.error[0] != theirs.error[0] or in_order(ours.error[1]) != in_order(theirs.error[1]):
        return OTHER, f"{ours.code} {ours.error} / {theirs.code} {theirs.error}"
    if ours.notes != theirs.notes:
        return OTHER, f"notes {ours.notes} / {theirs.notes}"
    if ours.type != theirs.type:
        return OTHER, f"type {ours.type} / {theirs.type}"
    if ours.code != 200:
        return SAME, ""
    if ours.type not in ("vector", "matrix"):
        n, far = differing_points([ours.result], [theirs.result])
        return (OTHER, f"{far}") if far else (CLOSE if n else SAME, "")
    return compare_rows(text, ours, theirs)


def compare_rows(text, ours, theirs):
    mine, other = ours.rows, theirs.rows
    if mine.keys() != other.keys() or len(mine) != len(ours.result):
        only = [sorted(a.keys() - b.keys())[:3] for a, b in ((mine, other), (other, mine))]
        return OTHER, f"{len(ours.result)} / {len(theirs.result)} series; only in one: {only[0]} / {only[1]}"
    n = 0
    for key, points in mine.items():
        more, far = differing_points(points, other[key])
        n += more
        if far:
            return OTHER, f"{key}: {far[0]}: {far[1]} / {far[2]}"
    if ours.type == "matrix" and list(mine) != list(other):
        return OTHER, "order of series"
    if is_ordered(text) and [p[0][1] for p in mine.values()] != [p[0][1] for p in other.values()]:
        return OTHER, "order of values"
    return CLOSE if n else SAME, ""
