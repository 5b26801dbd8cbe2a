#!/usr/bin/env bash
# Runs every check beside this file from the root of the tree; each prints what it finds as file:line: what.
# Leaves "passed failed" in build/results/lint.
set -uo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build/results
passed=0 failed=0
for check in layers limits banned headers readmes mirror; do
    if "tests/lint/$check.sh"; then
        passed=$((passed + 1))
    else
        echo "lint: $check failed"
        failed=$((failed + 1))
    fi
done
echo "$passed $failed" >build/results/lint
echo "lint: $passed passed, $failed failed"
[ "$failed" = 0 ]
