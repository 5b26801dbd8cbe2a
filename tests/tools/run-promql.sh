#!/usr/bin/env bash
# run-promql.sh BUILD: the scripts of tests/promql (see README.md there) and, when the directory is there, Prometheus' own.
# Leaves "passed failed" in build/results/promql: evals, in each mode of name removal that a script is for; and in
# build/reports/promql.left_out those that cannot be asked yet, with the reason. Of tests/promql/wrong each must fail.
set -uo pipefail

build=$1
shared=../shared/promqltest
mkdir -p build/results build/reports
: >build/reports/promql.left_out
passed=0 failed=0 skipped=0

run() { # run ARGUMENT.. FILE..: prints what promqltest prints, but for its sum, and adds that up
    local out sum
    out=$("$build"/promqltest "$@")
    sum=$(tail -n 1 <<<"$out")
    grep '^skip ' <<<"$out" >>build/reports/promql.left_out
    head -n -1 <<<"$out" | grep -v '^skip '
    if [[ $sum =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        skipped=$((skipped + BASH_REMATCH[3]))
    else
        echo "$sum"
        failed=$((failed + 1))
    fi
}

run --names=both tests/promql/*.test
run --names=delayed tests/promql/delayed/*.test
run --names=immediate tests/promql/immediate/*.test
run --names=both --as-3.5 tests/promql/as-3.5/*.test
run --names=delayed --as-3.5 tests/promql/as-3.5/delayed/*.test
[ ! -d "$shared" ] || run --names=delayed "$shared"/*.test

for script in tests/promql/wrong/*.test; do
    wrong=$(grep -cE '^(eval|evaluate|load 5 minutes|unload)' "$script")
    if [ "$("$build"/promqltest "$script" | tail -n 1)" = "0 passed, $wrong failed, 0 skipped" ]; then
        passed=$((passed + 1))
    else
        "$build"/promqltest "$script" | tail -n 1
        echo "FAIL $script: of $wrong that are wrong each must fail, and nothing else"
        failed=$((failed + 1))
    fi
done

echo "$passed $failed" >build/results/promql
echo "promql: $passed passed, $failed failed, $skipped left out (build/reports/promql.left_out)"
[ "$failed" = 0 ]
