#!/usr/bin/env bash
# Files of at most 800 lines, lines of at most 100 columns, functions of at most 70 lines.
# A function of ours starts at column 0 with a name and ends at a '}' at column 0 (clang-format sees to that).
set -uo pipefail
mapfile -t files < <(find alloc tsdb snapshot http tests -name '*.[ch]' -o -name '*.cc')
[ ${#files[@]} -gt 0 ] || exit 0

awk '
FNR == 1 { if (last_file) file_end(); last_file = FILENAME; n_lines = 0; start = 0; heading = "" }
{ n_lines = FNR }
{ columns = $0; gsub(/[\200-\277]/, "", columns) }
length(columns) > 100 { report(FNR, "line of " length(columns) " columns, the limit is 100") }
/^[A-Za-z_].*\(/ && !/;[ \t]*$/ { heading = $0; heading_line = FNR }
/^\{/ && heading != "" { start = heading_line }
/^[A-Za-z_].*\).*\{[ \t]*$/ && !/^(struct|enum|union|extern|namespace)/ { heading = $0; start = FNR }
/^\}/ {
    if (start && FNR - start + 1 > 70)
        report(start, "function of " FNR - start + 1 " lines, the limit is 70: " heading)
    start = 0; heading = ""
}
END { file_end(); exit bad }
function file_end() { if (n_lines > 800) { print last_file ": " n_lines " lines, the limit is 800"; bad = 1 } }
function report(line, what) { print FILENAME ":" line ": " what; bad = 1 }
' "${files[@]}"
