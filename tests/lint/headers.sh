#!/usr/bin/env bash
# Each header compiles alone, as the only include of an empty source.
set -uo pipefail
cc=${CC:-gcc}
build=${BUILD:-build}
find alloc tsdb snapshot http tests -name '*.h' ! -path '*criterion_lite*' |
    xargs -r -P "$(getconf _NPROCESSORS_ONLN)" -I{} sh -c '
        printf "#include \"%s\"\ntypedef int not_empty;\n" "{}" |
            "$0" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wno-unused-function -Werror \
                -I. -I"$1"/gen -x c -fsyntax-only - || { echo "{}: does not compile alone"; exit 1; }
    ' "$cc" "$build" || exit 1
