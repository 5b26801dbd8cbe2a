#!/usr/bin/env bash
# run-fuzz.sh fuzz|fuzz-replay PROGRAM..: searches for FUZZ_SECONDS (60) a target, or only runs the committed corpus.
# A search begins from tests/fuzz/corpus/NAME and keeps what is new under build/fuzz/corpus, so that nothing changes
# in the tree unasked. An input that fails is left in build/fuzz/found/.
set -uo pipefail

mode=$1
shift
seconds=${FUZZ_SECONDS:-60}
mkdir -p build/results build/fuzz/found
passed=0 failed=0

for program in "$@"; do
    name=$(basename "$program")
    name=${name#fuzz_}
    seeds=tests/fuzz/corpus/$name
    fresh=build/fuzz/corpus/$name
    log=build/fuzz/$name.log
    mkdir -p "$fresh"
    options=(-artifact_prefix="build/fuzz/found/$name-" -rss_limit_mb=2048 -timeout=20 -print_final_stats=1)
    inputs=0
    if [ "$mode" = fuzz ]; then
        [ -d "$seeds" ] || seeds=
        "$program" "${options[@]}" -max_total_time="$seconds" -max_len=65536 "$fresh" $seeds >"$log" 2>&1
        code=$?
        what=$(sed -n 's/stat::number_of_executed_units: */runs: /p' "$log")
    else
        inputs=$(find "$seeds" -type f 2>/dev/null | wc -l)
        if [ "$inputs" = 0 ]; then
            echo "no committed corpus in $seeds" >"$log"
            code=1
        else
            "$program" "${options[@]}" -runs=0 "$seeds" >"$log" 2>&1
            code=$?
        fi
        what="inputs: $inputs"
    fi
    if [ "$code" = 0 ]; then
        passed=$((passed + 1))
        printf '  ok   %-24s %s\n' "$name" "$what"
    else
        failed=$((failed + 1))
        printf '  FAIL %-24s exit code %d, whole log in %s\n' "$name" "$code" "$log"
        tail -n 50 "$log" | sed 's/^/    | /'
    fi
done

echo "$passed $failed" >build/results/"$mode"
echo "$mode: $passed passed, $failed failed"
[ "$failed" = 0 ]
