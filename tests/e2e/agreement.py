"""Do two answers to one query agree? To the byte, within TOLERANCE, or how not. Notes are put in order first. The order of
an instant query's series counts as well: Prometheus promises none, but where it always gives the same, clients see it."""

import collections
import dataclasses
import json
import math

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
    def points(self):
        """Values by series and time."""
        return {(key, at): value for key, row in self.rows.items() for at, value in row}

    @property
    def measures(self):
        """How many points there are at each time, and how many notes."""
        return collections.Counter(at for row in self.rows.values() for at, _ in row), [len(kind) for kind in self.notes]

    @property
    def is_found(self):
        return self.code == 200 and bool(self.result)


def key_of(row):
    return json.dumps(row["metric"], sort_keys=True)


def are_close(a, b, tolerance):
    if a == b:
        return True
    a, b = float(a), float(b)
    return a == b or math.isnan(a) and math.isnan(b) or abs(a - b) <= tolerance * max(abs(a), abs(b))


def are_same_points(ours, theirs):
    """Of two Reply.points."""
    return ours.keys() == theirs.keys() and all(are_close(value, theirs[where], TOLERANCE) for where, value in ours.items())


def differing_points(ours, theirs, tolerance):
    """Of two lists of [time, value]: how many are not the same text, and the first that is not close, else None."""
    if [at for at, _ in ours] != [at for at, _ in theirs]:
        return len(ours), ("times", [at for at, _ in ours], [at for at, _ in theirs])
    unequal = [(at, a, b) for (at, a), (_, b) in zip(ours, theirs) if a != b]
    return len(unequal), next((one for one in unequal if not are_close(one[1], one[2], tolerance)), None)


def is_made_of(ours, theirs):
    """Whether ours could be one of theirs, which are different answers to one question: it is as large, each note is in
    some of them, and each value is in some of them, or as near to them as they are to each other. So it is with ten of
    many notes, with the top of many equals at each of many steps, and with last digits that something makes larger."""
    if ours.type not in ("vector", "matrix") or any(ours.type != one.type for one in theirs):
        return False
    if ours.measures != theirs[0].measures or not all(
            set(kind) <= set().union(*(one.notes[i] for one in theirs)) for i, kind in enumerate(ours.notes)):
        return False
    seen = collections.defaultdict(set)
    for one in theirs:
        for where, value in one.points.items():
            seen[where].add(value)
    return all(value in seen[where] or is_among(float(value), [float(other) for other in seen[where]])
               for where, value in ours.points.items())


def is_among(value, others):
    if not others:
        return False
    low, high = min(others), max(others)
    return are_close(value, low, TOLERANCE) or are_close(value, high, TOLERANCE) or 2 * low - high <= value <= 2 * high - low


def compare(ours, theirs, has_order=True, tolerance=TOLERANCE):
    """(SAME, CLOSE or OTHER, what differs) of two replies to one expression. has_order: of a vector's series as well."""
    if (ours.code, ours.body) == (theirs.code, theirs.body):
        return SAME, ""
    if (ours.code, ours.error) != (theirs.code, theirs.error):
        return OTHER, f"{ours.code} {ours.error} / {theirs.code} {theirs.error}"
    if ours.notes != theirs.notes:
        return OTHER, f"notes {ours.notes} / {theirs.notes}"
    if ours.type != theirs.type:
        return OTHER, f"type {ours.type} / {theirs.type}"
    if ours.code != 200:
        return SAME, ""
    if ours.type not in ("vector", "matrix"):
        n, far = differing_points([ours.result], [theirs.result], tolerance)
        return (OTHER, f"{far}") if far else (CLOSE if n else SAME, "")
    return compare_rows(ours, theirs, has_order, tolerance)


def compare_rows(ours, theirs, has_order, tolerance):
    mine, other = ours.rows, theirs.rows
    if mine.keys() != other.keys() or len(mine) != len(ours.result):
        only = [sorted(a.keys() - b.keys())[:3] for a, b in ((mine, other), (other, mine))]
        return OTHER, f"{len(ours.result)} / {len(theirs.result)} series; only in one: {only[0]} / {only[1]}"
    n = 0
    for key, points in mine.items():
        more, far = differing_points(points, other[key], tolerance)
        n += more
        if far:
            return OTHER, f"{key}: {far[0]}: {far[1]} / {far[2]}"
    if list(mine) != list(other) and (has_order or ours.type == "matrix"):
        return OTHER, "order of series"
    return CLOSE if n else SAME, ""
