#!/usr/bin/env bash
# Functions that we do without, and memory that is taken past the arena. tests/lint/malloc-allowed.txt names the
# files below which libc's heap or a mapping of their own is right, with the reason.
set -uo pipefail
found=0
mapfile -t files < <(find alloc tsdb snapshot http -name '*.[ch]' -o -name '*.cc')
[ ${#files[@]} -gt 0 ] || exit 0

# The sources without comments and strings, as FILE:LINE:code.
code=$(awk '
FNR == 1 { inside = 0 }
{
    line = $0
    gsub(/\\./, "", line); gsub(/"[^"]*"/, "\"\"", line)
    if (inside) { if (!sub(/^.*\*\//, "", line)) next; inside = 0 }
    gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, "", line); sub(/\/\/.*/, "", line)
    if (sub(/\/\*.*/, "", line)) inside = 1
    print FILENAME ":" FNR ":" line
}' "${files[@]}")

names='strcpy|strncpy|strcat|strncat|sprintf|vsprintf|strtok|gmtime|localtime|ctime|asctime|atoi|atol|atof|gets|alloca'
if grep -E "(^|[^A-Za-z0-9_>.])($names) *\(" <<<"$code"; then
    echo "  ^ banned (docs/style.md, Language)"
    found=1
fi

heap='malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|strndup|free|mmap|munmap|madvise'
allowed=$(sed 's/#.*//; s/[[:space:]].*//; /^$/d' tests/lint/malloc-allowed.txt)
pattern=$(printf '|%s:' alloc/ $allowed | sed 's/alloc\/:/alloc\//; s/\./\\./g')
if grep -E "(^|[^A-Za-z0-9_>.])($heap) *\(" <<<"$code" | grep -vE "^(${pattern#|})"; then
    echo "  ^ heap outside alloc/: use the region or the arena, or give the reason in tests/lint/malloc-allowed.txt"
    found=1
fi
while read -r file; do
    [ -z "$file" ] || [ -e "$file" ] || echo "malloc-allowed.txt: $file does not exist (harmless, tidy it up)"
done <<<"$allowed"

exit $found
