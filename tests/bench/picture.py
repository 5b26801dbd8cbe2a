#!/usr/bin/env python3
"""picture.py CSV.. OUT.svg: draws RSS, bytes allocated for chunks and bytes live in them over the time of the samples,
from the CSV that a run leaves in build/bench/. With several CSVs (a run and its twin) the first is drawn in full and of
the others RSS only. Plain SVG that follows the reader's light or dark theme."""

import csv
import os
import sys

WIDTH, HEIGHT = 860, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 128, 44, 52
MIB = 1 << 20
STYLE = """
  svg { background: #ffffff; font: 13px system-ui, sans-serif; }
  text { fill: #24292f; } .faint { fill: #57606a; }
  .grid { stroke: #d0d7de; stroke-width: 1; } .axis { stroke: #57606a; stroke-width: 1; }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .rss { stroke: #0550ae; } .allocated { stroke: #bc4c00; } .live { stroke: #1a7f37; } .other { stroke: #8250df; }
  text.rss { fill: #0550ae; } text.allocated { fill: #bc4c00; } text.live { fill: #1a7f37; }
  text.other { fill: #8250df; }
  text.rss, text.allocated, text.live, text.other { stroke: none; }
  .event { stroke: #57606a; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) {
    svg { background: #0d1117; } text { fill: #e6edf3; } .faint { fill: #9198a1; }
    .grid { stroke: #30363d; } .axis, .event { stroke: #9198a1; }
    .rss { stroke: #79c0ff; } .allocated { stroke: #ffa657; } .live { stroke: #56d364; } .other { stroke: #d2a8ff; }
    text.rss { fill: #79c0ff; } text.allocated { fill: #ffa657; } text.live { fill: #56d364; }
    text.other { fill: #d2a8ff; }
  }
"""


def read(path):
    with open(path, encoding="ascii", newline="") as f:
        return list(csv.DictReader(f))


def nice_step(highest, n_lines):
    """The smallest of 1, 2, 5 times a power of ten that needs at most n_lines lines."""
    step = 1.0
    while True:
        for times in (1, 2, 5):
            if highest <= step * times * n_lines:
                return step * times
        step *= 10


class Chart:
    def __init__(self, hours, mib, window_hours):
        self.hours, self.window_hours = hours, window_hours
        self.step = nice_step(mib * 1.05, 7)
        self.top = self.step * (int(mib * 1.05 / self.step) + 1)
        self.parts = []

    def x(self, hour):
        return LEFT + (WIDTH - LEFT - RIGHT) * hour / self.hours

    def y(self, mib):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * mib / self.top

    def add(self, text):
        self.parts.append("  " + text)

    def text(self, x, y, words, kind="", anchor="start"):
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{words}</text>')

    def rule(self, x1, y1, x2, y2, kind):
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def axes(self):
        mib = 0.0
        while mib <= self.top + 1e-9:
            self.rule(LEFT, self.y(mib), WIDTH - RIGHT, self.y(mib), "axis" if mib == 0 else "grid")
            self.text(LEFT - 8, self.y(mib) + 4, f"{mib:g}", "faint", "end")
            mib += self.step
        ticks = round(self.hours / self.window_hours)
        every = 1 if ticks <= 12 else 2
        for i in range(0, ticks + 1, every):
            at = i * self.window_hours
            self.rule(self.x(at), self.y(0), self.x(at), self.y(0) + 5, "axis")
            self.text(self.x(at), self.y(0) + 20, f"{at:.3g}", "faint", "middle")
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "hours of samples (a mark a window)", "faint", "middle")
        self.text(LEFT - 8, TOP - 14, "MiB", "faint", "end")

    def line(self, points, kind):
        """points: (hour, MiB), ascending."""
        path = " ".join(f"{self.x(hour):.1f},{self.y(mib):.1f}" for hour, mib in points)
        self.add(f'<polyline points="{path}" class="line {kind}"/>')

    def event(self, hour, words):
        self.rule(self.x(hour), TOP, self.x(hour), self.y(0), "event")
        self.text(self.x(hour), TOP - 6, words, "faint", "middle")

    def names(self, ends):
        """ends: (MiB at the right edge, words, kind); moved apart where they would overlap."""
        below = None
        for mib, words, kind in sorted(ends):
            at = self.y(mib) + 4
            below = at = at if below is None else min(at, below - 15)
            self.text(WIDTH - RIGHT + 8, at, words, kind)

    def svg(self, title):
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        lines = [head, f"  <title>{title}</title>", f"  <style>{STYLE}  </style>"]
        lines += [f'  <text x="{LEFT}" y="18" font-weight="600">{title}</text>', *self.parts, "</svg>"]
        return "\n".join(lines) + "\n"


def points(rows, column):
    return [(int(row["seconds"]) / 3600, int(row[column]) / MIB) for row in rows]


def draw(paths, out, title, window_hours=4.0):
    first, *others = [read(path) for path in paths]
    every = points(first, "rss") + [point for rows in others for point in points(rows, "rss")]
    chart = Chart(max(hour for hour, _ in every), max(mib for _, mib in every), window_hours)
    chart.axes()
    ends = []
    for rows, path in zip(others, paths[1:]):
        chart.line(points(rows, "rss"), "other")
        words = "RSS, " + os.path.splitext(os.path.basename(path))[0]
        ends.append((points(rows, "rss")[-1][1], words, "other"))
    for column, words in (("live", "live"), ("allocated", "allocated"), ("rss", "RSS")):
        chart.line(points(first, column), column)
        ends.append((points(first, column)[-1][1], words, column))
    for hour, words in sorted({(int(row["seconds"]) / 3600, row["event"]) for row in first if row["event"]}):
        chart.event(hour, words)
    chart.names(ends)
    with open(out, "w", encoding="utf-8") as f:
        f.write(chart.svg(title))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    draw(sys.argv[1:-1], sys.argv[-1], os.environ.get("TITLE", "Memory over the time of the samples"),
         float(os.environ.get("WINDOW_HOURS", "4")))
