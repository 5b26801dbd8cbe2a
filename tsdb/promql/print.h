/* The canonical text of a tree, on one line. Parsing it again gives an equal tree, so that the
 * printer and the parser are each other's oracle. */
#ifndef HG_TSDB_PROMQL_PRINT_H
#define HG_TSDB_PROMQL_PRINT_H

#include "tsdb/promql/ast.h"
#include "tsdb/promql/textbuf.h"

void print_node(struct textbuf *b, const struct node *n);

/* The same, with what is longer than PRINT_LINE_BYTES on several lines, as Prometheus' format_query
 * lays it out. */
enum { PRINT_LINE_BYTES = 100 };
void print_lines(struct textbuf *b, const struct node *n);

#endif
