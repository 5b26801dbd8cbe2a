#!/usr/bin/env python3
"""run.py [FILE or FILE.test ..]: runs every test_* function of tests/e2e/test_*.py ($TESTS/test_*.py), or those named,
as many at once as there are processors (or JOBS), each in a process of its own. Prints a line for each and the
traceback of what failed. A test that raises hg.Skip could not run: it is named again at the end and counts as neither.
Leaves "passed failed" in build/results/$SUITE (e2e)."""

import collections
import glob
import importlib
import multiprocessing
import multiprocessing.connection
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


Outcome = collections.namedtuple("Outcome", "word text seconds")


def run(function, pipe):
    """One test, in the process that was made for it."""
    start = time.monotonic()
    word, text = "ok", ""
    try:
        function()
    except hg.Skip as why:
        word, text = "SKIP", str(why)
    except Exception:  # a test fails by any exception
        word, text = "FAIL", "    | " + traceback.format_exc().rstrip().replace("\n", "\n    | ")
    sys.stdout.flush()
    pipe.send(Outcome(word, text, time.monotonic() - start))


def outcomes(tests, jobs):
    """Yields (name, outcome) as tests end."""
    waiting, running = collections.deque(tests), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            name, function = waiting.popleft()
            here, there = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.get_context("fork").Process(target=run, args=(function, there))
            process.start()
            there.close()
            running[here] = (name, process)
        for pipe in multiprocessing.connection.wait(list(running)):
            name, process = running.pop(pipe)
            try:
                outcome = pipe.recv()
            except EOFError:
                outcome = None
            process.join()
            yield name, outcome or Outcome("FAIL", f"    | the test's process ended with {process.exitcode}", 0)


def main():
    if not os.access(hg.BINARY, os.X_OK):
        sys.exit(f"{hg.BINARY} is not there: run make first")
    tests = list(chosen(sys.argv[1:]))
    if not tests:
        sys.exit(f"no test is called {' '.join(sys.argv[1:])}")
    failed, skipped = 0, []
    for name, outcome in outcomes(tests, int(os.environ.get("JOBS") or os.cpu_count())):
        if outcome.word == "SKIP":
            skipped.append(f"{name}: {outcome.text}")
            print(f"  SKIP {name:60} {outcome.text}", flush=True)
            continue
        failed += outcome.word == "FAIL"
        print(f"  {outcome.word:4} {name:60} {outcome.seconds:6.1f} s", flush=True)
        if outcome.text:
            print(outcome.text, flush=True)
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
