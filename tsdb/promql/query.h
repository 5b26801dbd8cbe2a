/* A parsed query, as promql_parse hands it out. Private to this directory. */
#ifndef HG_TSDB_PROMQL_QUERY_H
#define HG_TSDB_PROMQL_QUERY_H

#include "tsdb/promql/ast.h"
#include "tsdb/promql/promql.h"
#include "tsdb/promql/textbuf.h"

#define QUERY_NO_MEMORY                                                                            \
    "query needs more memory than is left for queries, the limit is --query.max-memory"

struct promql_query {
    const char *text; /* a copy, in the region */
    uint32_t n;
    struct node *root;
    struct selector *selectors; /* own their matchers' patterns; those of the text, and one for what
                                   info() adds to them */
    unsigned features;          /* enum promql_feature */
};

/* "LINE:COLUMN" of a byte of the text, both from 1; columns are bytes. out has room for
 * POSITION_TEXT_MAX. */
enum { POSITION_TEXT_MAX = 32 };
void query_position_text(const char *text, uint32_t pos, char out[POSITION_TEXT_MAX]);

/* Fills err with "LINE:COLUMN: parse error: message". message may be NULL (no memory). */
void query_parse_error(const char *text, uint32_t pos, const char *message, struct region *r,
                       struct promql_error *err);

#endif
