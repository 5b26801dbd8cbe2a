/* Files of the tree that tests hold the program against: examples on pages of docs/, and what
 * released versions have written, in golden/. Paths are from the root of the tree. */
#ifndef TESTS_UNIT_SNAPSHOT_TEST_FILES_H
#define TESTS_UNIT_SNAPSHOT_TEST_FILES_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { TEST_EXAMPLE_BYTES_MAX = 4096, TEST_GOLDEN_BYTES_MAX = 16 * 1024 };

static inline FILE *test_files_open(const char *path)
{
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "no %s: run this from the root of the tree", path);
    return f;
}

/* The bytes of a line: pairs of hexadecimal digits; a # begins a comment. */
static inline size_t test_example_line(const char *line, uint8_t *bytes, size_t most)
{
    unsigned byte;
    int len;
    size_t n = 0;
    if (!isxdigit((unsigned char)line[0]))
        return 0;
    for (const char *at = line; *at != '#' && sscanf(at, " %2x%n", &byte, &len) == 1; at += len) {
        cr_assert_lt(n, most);
        bytes[n++] = (uint8_t)byte;
        while (at[len] == ' ')
            len++;
    }
    return n;
}

/* What stands between "<!-- example: NAME -->" and "<!-- end -->" on that page. */
static inline size_t test_example_read(const char *page, const char *name,
                                       uint8_t bytes[TEST_EXAMPLE_BYTES_MAX])
{
    char line[512], begin[64];
    size_t n = 0;
    bool is_inside = false;
    FILE *f = test_files_open(page);
    snprintf(begin, sizeof(begin), "<!-- example: %s -->", name);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, begin, strlen(begin)) == 0)
            is_inside = true;
        else if (strncmp(line, "<!-- end -->", 12) == 0)
            is_inside = false;
        else if (is_inside)
            n += test_example_line(line, bytes + n, TEST_EXAMPLE_BYTES_MAX - n);
    }
    fclose(f);
    cr_assert_gt(n, 0, "no example \"%s\" in %s", name, page);
    return n;
}

/* Fails with what is to stand there. */
static inline void test_example_expect(const char *page, const char *name, const uint8_t *actual,
                                       size_t n)
{
    uint8_t expected[TEST_EXAMPLE_BYTES_MAX];
    size_t n_expected = test_example_read(page, name, expected), at = 0;
    if (n == n_expected && memcmp(actual, expected, n) == 0)
        return;
    while (at < n && at < n_expected && actual[at] == expected[at])
        at++;
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%02x%c", actual[i], i % 8 == 7 || i + 1 == n ? '\n' : ' ');
    cr_assert_fail("example \"%s\" of %s differs at byte %zu; above is what is written", name, page,
                   at);
}

/* A file of golden/, of that version of its format; how many bytes. */
static inline size_t test_golden_read(const char *name, uint16_t version,
                                      uint8_t bytes[TEST_GOLDEN_BYTES_MAX])
{
    char path[128];
    snprintf(path, sizeof(path), "tests/unit/snapshot/golden/%s", name);
    FILE *f = test_files_open(path);
    size_t n = fread(bytes, 1, TEST_GOLDEN_BYTES_MAX, f);
    fclose(f);
    cr_assert(n > 100 && n < TEST_GOLDEN_BYTES_MAX, "%s", path);
    cr_assert(bytes[4] == (version & 0xff) && bytes[5] == version >> 8, "the version of %s", path);
    return n;
}

#endif
