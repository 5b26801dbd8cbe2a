#!/usr/bin/env bash
# run-suite.sh BUILD SUITE PROGRAM..: runs each test program and prints a line for it; the output of one that failed
# follows its line. Leaves "passed failed" in build/results/SUITE.
#
# A program is a Criterion binary, its stand-in under ThreadSanitizer (tests/support/criterion_lite) or a property
# test. The first two end with a "Tested: .. Passing: .." line; what has none counts as one test by its exit code.
# A sanitizer's report is a failure even where the exit code is 0: Criterion hides what LeakSanitizer finds.
set -uo pipefail

build=$1
suite=$2
shift 2
reports=$build/reports/$suite
rm -rf "$reports"
mkdir -p "$reports" build/results
passed=0 failed=0

export ASAN_OPTIONS="log_path=$PWD/$reports/asan:detect_leaks=1:detect_stack_use_after_return=1"
export UBSAN_OPTIONS="log_path=$PWD/$reports/ubsan:print_stacktrace=1"
export TSAN_OPTIONS="log_path=$PWD/$reports/tsan:halt_on_error=0:exitcode=66"

count() { # count WORD FILE: the number behind WORD in the last summary line, 0 without one
    sed 's/\x1b\[[0-9;]*m//g' "$2" | grep -a Tested: | sed -n "s/.*$1: *\([0-9]*\).*/\1/p" | tail -n 1 | grep . || echo 0
}

for program in "$@"; do
    name=${program#"$build"/tests/}
    out=$reports/$(tr / _ <<<"$name").out
    start=$SECONDS
    timeout "${TEST_TIMEOUT:-300}" "$program" ${TEST_ARGS:-} >"$out" 2>&1
    code=$?
    good=$(count Passing "$out")
    bad=$(($(count Tested "$out") - good))
    if [ $((good + bad)) = 0 ] && ! grep -q 'Tested:' "$out"; then
        [ "$code" = 0 ] && good=1 || bad=1
    fi
    found=$(find "$reports" -name '*san.*' ! -name '*.seen' | sort)
    if [ "$bad" = 0 ] && { [ "$code" != 0 ] || [ -n "$found" ]; }; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" = 0 ]; then
        printf '  ok   %-44s %4d tests %4d s\n' "$name" "$good" $((SECONDS - start))
        grep -i 'seed' "$out" | head -n 1 | sed 's/^/         /'
    else
        printf '  FAIL %-44s %4d of %d failed, exit code %d\n' "$name" "$bad" $((good + bad)) "$code"
        sed 's/^/    | /' "$out" | tail -n 60
        for report in $found; do
            echo "    report $report:"
            head -n 40 "$report" | sed 's/^/    | /'
            mv "$report" "$report.seen"
        done
    fi
done

echo "$passed $failed" >build/results/"$suite"
echo "$suite: $passed passed, $failed failed"
[ "$failed" = 0 ]
