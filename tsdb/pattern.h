/* A regular expression in RE2's syntax, which is Go's: linear time, no backtracking. The one use of
 * RE2, behind a C interface.
 *
 * Threads: a compiled pattern may be used by many threads at once. */
#ifndef HG_TSDB_PATTERN_H
#define HG_TSDB_PATTERN_H

#include "alloc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pattern;

enum { PATTERN_GROUPS_MAX = 64 };

/* Where a group matched: start < 0 when it did not take part. */
struct pattern_span {
    int64_t start, end; /* byte offsets into the subject */
};

/* Compiles ^(?s:expr)$. NULL on error, with Go's words in text ("missing closing ): `(`"), and
 * without memory, with no text at all. Freed by pattern_free. */
struct pattern *pattern_new(const char *expr, size_t n, char *text, size_t text_bytes);
void pattern_free(struct pattern *p); /* accepts NULL */

/* True when the whole subject matches. Matching takes memory now and then: where it was refused
 * that is remembered, and what is said is not to be believed (pattern_has_failed). */
bool pattern_matches(const struct pattern *p, const char *subject, size_t n);

/* The same, filling groups[0 .. n_groups - 1]; groups[0] is the whole subject. n_groups <=
 * PATTERN_GROUPS_MAX. */
bool pattern_groups(const struct pattern *p, const char *subject, size_t n,
                    struct pattern_span *groups, int n_groups);

/* Whether memory was refused to one of the two since the pattern was made: asked once, when all
 * subjects have been seen. */
bool pattern_has_failed(const struct pattern *p);

/* Number of capturing groups, and the number of the one with that name (-1: none). */
int pattern_n_groups(const struct pattern *p);
int pattern_group_number(const struct pattern *p, const char *name, size_t n);

#ifdef __cplusplus
}
#endif
#endif
