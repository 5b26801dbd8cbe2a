/* The state that the parts of the parser (parse.c: expressions; parse_selector.c: selectors and
 * label lists; parse_duration.c) share. Private to them. */
#ifndef HG_TSDB_PROMQL_PARSER_H
#define HG_TSDB_PROMQL_PARSER_H

#include "tsdb/promql/query.h"

/* What is being read, for "unexpected x in CONTEXT, expected y". */
struct parse_context {
    const char *context, *expected; /* "" = none */
};

struct parser {
    struct promql_query *query;
    struct region *region;
    struct promql_error *err;
    struct lexer lexer;
    struct token token; /* the one that peek has read */
    bool has_token;
    bool has_failed;            /* err is set */
    uint32_t depth;             /* of the recursion */
    struct parse_context outer; /* what surrounds the place: an aggregation, a duration */
    struct selector **last_selector;
    uint32_t
        *closings; /* ends of ")" that no construct has claimed yet, from the oldest: parse.c */
    uint32_t n_closings, n_claimed, cap_closings;
};

/* The next token without taking it; reports the lexer's errors (kind TOKEN_ERROR). */
const struct token *parser_peek(struct parser *p);

/* Takes the token that peek showed. */
struct token parser_take(struct parser *p);

/* Takes the next token if it is of that kind. */
bool parser_accept(struct parser *p, enum token_kind kind);

/* The first failure counts, later ones are dropped. All return false or NULL for `return`. */
bool parser_fail(struct parser *p, uint32_t pos, const char *message);
bool parser_failf(struct parser *p, uint32_t pos, const char *format, ...) PRINTF_LIKE(3, 4);
bool parser_fail_memory(struct parser *p);
bool parser_unexpected(struct parser *p, const char *context, const char *expected);

/* parse.c */
struct node *parse_expr(struct parser *p, unsigned min_precedence);

/* parse_duration.c. All but an offset must be more than 0. */
bool parse_range_duration(struct parser *p, struct duration *ret);
bool parse_step_duration(struct parser *p, struct duration *ret);
bool parse_offset_duration(struct parser *p, struct duration *ret);

/* parse_selector.c */
bool token_is_metric_name(enum token_kind kind);
struct node *parse_vector_selector(struct parser *p, const struct token *name); /* or NULL: at { */
struct node *parse_brackets(struct parser *p, struct node *inner);              /* at [ */
struct node *parse_offset(struct parser *p, struct node *inner);                /* at offset */
struct node *parse_at(struct parser *p, struct node *inner);                    /* at @ */
bool parser_at_edges(struct parser *p); /* at anchored or smoothed, where they are enabled */
struct node *parse_edges(struct parser *p, struct node *inner);
struct node *parse_info_selector(struct parser *p, const struct call *call); /* what info() reads */
bool parse_fills(struct parser *p, struct matching *m);                      /* at fill (, or not */
bool parse_labels(struct parser *p, struct word_list *ret);                  /* ( a, b ) */

#endif
