#!/usr/bin/env bash
# A README.md in each directory of a layer and in tests/.
set -uo pipefail
found=0
for dir in alloc tsdb tsdb/promql snapshot http tests; do
    if [ ! -s "$dir/README.md" ]; then
        echo "$dir/README.md: missing or empty"
        found=1
    fi
done
exit $found
