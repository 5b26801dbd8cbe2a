/* The tree of a query as JSON, in the words of Prometheus' parse_query
 * (web/api/v1/translate_ast.go), whose own page draws it. Keys stand in the order of the alphabet,
 * as there. */
#ifndef HG_HTTP_AST_JSON_H
#define HG_HTTP_AST_JSON_H

#include "http/json.h"

struct node; /* tsdb/promql/ast.h */

/* n may be NULL: null. */
void ast_json(struct json *j, const struct node *n);

#endif
