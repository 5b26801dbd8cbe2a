#!/usr/bin/env bash
# Includes point down: alloc <- tsdb <- (tsdb/promql, snapshot: siblings) <- http. Each library has its place.
set -uo pipefail
found=0

# may DIR ALLOWED..: our own includes of the files right in DIR start with one of ALLOWED
may() {
    local dir=$1 allowed
    shift
    allowed=$(printf '|%s' "$@")
    files=$(find "$dir" -maxdepth 1 -name '*.[ch]' -o -maxdepth 1 -name '*.cc')
    [ -n "$files" ] || return 0
    # shellcheck disable=SC2086
    if grep -HnE '^ *# *include *"' $files | grep -vE "# *include *\"(${allowed#|})/[^/\"]+\""; then
        echo "  ^ $dir may include $* only, written from the root"
        found=1
    fi
}

# only PATTERN GLOB-REGEX WHY: a system header that belongs to some files
only() {
    if grep -rnE "^ *# *include *[<\"]($1)" alloc tsdb snapshot http --include='*.[ch]' --include='*.cc' |
        grep -vE "^($2):"; then
        echo "  ^ $3"
        found=1
    fi
}

may alloc alloc
may tsdb alloc tsdb
may tsdb/promql alloc tsdb tsdb/promql
may snapshot alloc tsdb snapshot
may http alloc tsdb tsdb/promql snapshot http http/proto

only 'microhttpd\.h' 'http/server[^/]*\.[ch]' 'microhttpd.h belongs to http/server*.c'
only 'protobuf-c|.*\.pb-c\.h' 'http/[^:]*' 'protobuf belongs to http/'
only 'snappy-c' '-' 'libsnappy is for tests'
only 'zlib\.h' 'http/gzip\.c' 'zlib.h belongs to http/gzip.c'
only 're2/' '[^:]*\.cc' 're2 belongs to C++ shims'

exit $found
