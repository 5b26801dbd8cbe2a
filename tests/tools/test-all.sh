#!/usr/bin/env bash
# test-all.sh MAKE: everything that must pass, suite after suite, going on after a failure. The last line is the sum
# over all suites, alone on its line. A suite that leaves no counts of its own counts as one.
set -uo pipefail

make=$1
results=build/results
rm -rf "$results"
mkdir -p "$results"
passed=0 failed=0 table=

for suite in lint format-check all test-programs clang-check unit promql asan tsan prop fuzz-replay e2e e2e-tsan crash; do
    echo "== $suite"
    start=$SECONDS
    $make "$suite"
    code=$?
    good=0 bad=0
    if [ -f "$results/$suite" ]; then
        read -r good bad <"$results/$suite"
        [ "$code" = 0 ] || [ "$bad" != 0 ] || bad=1
    elif [ "$code" = 0 ]; then
        good=1
    else
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    table+=$(printf '  %-13s %5d passed %4d failed %5d s' "$suite" "$good" "$bad" $((SECONDS - start)))$'\n'
done

printf '\n%s  %-13s %31d s\n\n' "$table" total "$SECONDS"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
