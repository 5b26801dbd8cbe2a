#!/usr/bin/env bash
# Tests mirror the tree: tests/unit/tsdb/chunk_test.c tests tsdb/chunk.c (promql: tsdb/promql/). A name may go on
# after the noun: chunk_seal_test.c is about chunk.c, http/write_threads_test.c about http/write*.c.
set -uo pipefail
found=0
while read -r test; do
    layer=$(basename "$(dirname "$test")")
    [ "$layer" = promql ] && dir=tsdb/promql || dir=$layer
    noun=$(basename "$test" _test.c)
    while [ -n "$noun" ] && ! compgen -G "$dir/$noun*.[ch]*" >/dev/null; do
        case $noun in *_*) noun=${noun%_*} ;; *) noun= ;; esac
    done
    if [ -z "$noun" ]; then
        echo "$test: no source of that name in $dir/"
        found=1
    fi
done < <(find tests/unit -mindepth 2 -name '*_test.c')
exit $found
