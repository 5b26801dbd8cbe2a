/* One condition on one label: = != =~ !~. A label that is missing counts as the empty value.
 *
 * Threads: a matcher that is set up may be used by many threads at once. */
#ifndef HG_TSDB_MATCHER_H
#define HG_TSDB_MATCHER_H

#include "alloc/base.h"
#include "tsdb/err.h"

struct pattern; /* a compiled expression: pattern.h */

enum matcher_kind { MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX, MATCH_NOT_REGEX };

struct matcher {
    enum matcher_kind kind;
    uint32_t name_len;
    uint32_t value_len;
    const char *name; /* borrowed: must outlive the matcher */
    const char *value;
    struct pattern *pattern; /* owned; NULL for = and != */
};

struct matcher_set { /* all must match */
    struct matcher *items;
    size_t n;
};

/* Sets up a matcher; =~ and !~ compile their expression, anchored at both ends, `.` matching
 * newlines as well. On a bad expression returns ERR_CORRUPT and writes Go's words for it ("missing
 * closing ): `a(`") to text. ERR_NO_MEMORY. name and value are borrowed. */
int matcher_init(struct matcher *m, enum matcher_kind kind, const char *name, size_t name_len,
                 const char *value, size_t value_len, char *text, size_t text_bytes) WARN_UNUSED;
void matcher_release(struct matcher *m);
void matcher_set_release(struct matcher_set *set);

/* May be wrong where matching found no memory: matcher_set_has_failed. */
bool matcher_matches(const struct matcher *m, const char *value, size_t value_len);

/* Whether memory was refused to any of them since they were set up: to be asked after the last
 * matcher_matches, and an error then. */
bool matcher_set_has_failed(const struct matcher_set *set);

/* True when a missing label satisfies it; always right. */
bool matcher_matches_empty(const struct matcher *m);

/* "=", "!=", "=~", "!~". */
const char *matcher_operator(enum matcher_kind kind);

#endif
