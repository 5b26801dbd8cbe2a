#!/usr/bin/env python3
"""run.py [FILE or FILE.test ..]: runs every test_* function of tests/e2e/test_*.py ($TESTS/test_*.py), or those named,
one after another. Prints a line for each and the traceback of what failed. A test that raises hg.Skip could not run:
it is named again at the end and counts as neither. Leaves "passed failed" in build/results/$SUITE (e2e)."""

import glob
import importlib
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.environ.get("TESTS", HERE)
SUITE = os.environ.get("SUITE", "e2e")
sys.path[:0] = [HERE, os.path.abspath(TESTS)]

import hg  # noqa: E402  (needs the path above)


def chosen(wanted):
    for path in sorted(glob.glob(os.path.join(TESTS, "test_*.py"))):
        module_name = os.path.basename(path)[:-3]
        if wanted and not any(name.split(".")[0] == module_name for name in wanted):
            continue
        module = importlib.import_module(module_name)
        for name, function in list(vars(module).items()):
            if name.startswith("test_") and callable(function):
                if not wanted or module_name in wanted or f"{module_name}.{name}" in wanted:
                    yield f"{module_name}.{name}", function


def main():
    if not os.access(hg.BINARY, os.X_OK):
        sys.exit(f"{hg.BINARY} is not there: run make first")
    tests = list(chosen(sys.argv[1:]))
    if not tests:
        sys.exit(f"no test is called {' '.join(sys.argv[1:])}")
    failed, skipped = 0, []
    for name, function in tests:
        start = time.monotonic()
        try:
            function()
            print(f"  ok   {name:60} {time.monotonic() - start:6.1f} s", flush=True)
        except hg.Skip as why:
            skipped.append(f"{name}: {why}")
            print(f"  SKIP {name:60} {why}", flush=True)
        except Exception:  # a test fails by any exception
            failed += 1
            print(f"  FAIL {name:60} {time.monotonic() - start:6.1f} s")
            print("    | " + traceback.format_exc().rstrip().replace("\n", "\n    | "), flush=True)
    results = os.path.join(hg.ROOT, "build", "results")
    os.makedirs(results, exist_ok=True)
    with open(os.path.join(results, SUITE), "w", encoding="utf-8") as counts:
        counts.write(f"{len(tests) - failed - len(skipped)} {failed}\n")
    for line in skipped:
        print(f"{SUITE}: NOT RUN: {line}")
    print(f"{SUITE}: {len(tests) - failed - len(skipped)} passed, {failed} failed, {len(skipped)} skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
