/* Tokens to a tree: a Pratt parser with one table of precedences.
 *
 * Only the first error counts, and it is the one that Prometheus would report first: tokens are
 * therefore read as late as possible, because an error of the lexer is an error of the moment when
 * its token is read.
 *
 * Threads: belongs to one thread. */
#ifndef HG_TSDB_PROMQL_PARSE_H
#define HG_TSDB_PROMQL_PARSE_H

#include "tsdb/promql/query.h"

/* q->text and q->n are set; fills the rest. False with err set; the selectors made so far are in q
 * all the same, to be released. */
bool parse_query(struct promql_query *q, struct region *r, struct promql_error *err) WARN_UNUSED;

/* The same for a text that may be nothing but an instant selector without offset and @. */
bool parse_bare_selector(struct promql_query *q, struct region *r,
                         struct promql_error *err) WARN_UNUSED;

#endif
