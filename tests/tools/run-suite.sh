#!/usr/bin/env bash
# run-suite.sh BUILD SUITE PROGRAM..: runs each test program, as many at once as there are cores, and prints a line for
# it when it ends; the output of one that failed follows its line. Leaves "passed failed" in build/results/SUITE.
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
export build reports

count() { # count WORD FILE: the number behind WORD in the last summary line, 0 without one
    sed 's/\x1b\[[0-9;]*m//g' "$2" | grep -a Tested: | sed -n "s/.*$1: *\([0-9]*\).*/\1/p" | tail -n 1 | grep . || echo 0
}

# What Criterion itself forgets, now and then, in an object that it has made, is nobody's leak here. (A suppression of
# LeakSanitizer's own would do away with all that has Criterion somewhere above it, which is every test.)
is_ours() { # is_ours REPORT
    ! grep -q 'LeakSanitizer' "$1" || grep -E '^ +#1 ' "$1" | grep -qv libcriterion
}

run_one() { # run_one PROGRAM: leaves "passed failed" in its .count, what is to be said goes out in one piece
    local name=${1#"$build"/tests/} start=$SECONDS code good bad found report
    local base
    base=$reports/$(tr / _ <<<"$name")
    ASAN_OPTIONS="log_path=$PWD/$base.asan:detect_leaks=1:detect_stack_use_after_return=1" \
        UBSAN_OPTIONS="log_path=$PWD/$base.ubsan:print_stacktrace=1" \
        TSAN_OPTIONS="log_path=$PWD/$base.tsan:halt_on_error=0:exitcode=66" \
        timeout "${TEST_TIMEOUT:-300}" "$1" ${TEST_ARGS:-} >"$base.out" 2>&1
    code=$?
    good=$(count Passing "$base.out")
    bad=$(($(count Tested "$base.out") - good))
    if [ $((good + bad)) = 0 ] && ! grep -q 'Tested:' "$base.out"; then
        [ "$code" = 0 ] && good=1 || bad=1
    fi
    found=
    for report in $(find "$reports" -name "$(basename "$base").*san.*" | sort); do
        if is_ours "$report"; then
            found+=" $report"
        elif [ "$code" = 1 ]; then
            code=0
        fi
    done
    if [ "$bad" = 0 ] && { [ "$code" != 0 ] || [ -n "$found" ]; }; then
        bad=1
    fi
    echo "$good $bad" >"$base.count"
    if [ "$bad" = 0 ]; then
        printf '  ok   %-44s %4d tests %4d s\n' "$name" "$good" $((SECONDS - start))
        grep -i 'seed' "$base.out" | head -n 1 | sed 's/^/         /'
    else
        printf '  FAIL %-44s %4d of %d failed, exit code %d\n' "$name" "$bad" $((good + bad)) "$code"
        sed 's/^/    | /' "$base.out" | tail -n 60
        for report in $found; do
            echo "    report $report:"
            head -n 40 "$report" | sed 's/^/    | /'
        done
    fi >"$base.said"
    [ -s "$base.said" ] && cat "$base.said"
    return 0
}

export -f count is_ours run_one
printf '%s\n' "$@" | xargs -P "${TEST_JOBS:-$(nproc)}" -I{} bash -c 'run_one {}'

read -r passed failed < <(cat "$reports"/*.count | awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
if [ "$(find "$reports" -name '*.count' | wc -l)" != $# ]; then
    failed=$((failed + 1))
    echo "  FAIL $suite: not every program has said how it ended"
fi
echo "$passed $failed" >build/results/"$suite"
echo "$suite: $passed passed, $failed failed"
[ "$failed" = 0 ]
