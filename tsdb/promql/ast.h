/* The tree of a query: what the parser makes, the checks read, the printer writes and the
 * evaluation walks. Nodes live in the query's region and are not changed once the checks have
 * passed, but for the values of durations that are expressions.
 *
 * Threads: a tree belongs to its query's thread. */
#ifndef HG_TSDB_PROMQL_AST_H
#define HG_TSDB_PROMQL_AST_H

#include "tsdb/promql/lex.h"
#include "tsdb/promql/promql.h"

struct func;

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_PAREN,
    NODE_UNARY,
    NODE_BINARY,
    NODE_CALL,
    NODE_AGGREGATE,
    NODE_SELECTOR,
    NODE_RANGE,
    NODE_SUBQUERY,
};

struct word {
    const char *bytes;
    uint32_t len;
};

struct word_list {
    struct word *items;
    uint32_t n;
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_STOP };

/* A span of time as it was written: a number, a duration, or an expression of them. What an
 * expression comes to is known when the query's times are: ns is set when an evaluation begins. */
struct duration {
    int64_t ns;
    const struct node *expr; /* NULL for a literal */
};

/* Whole milliseconds, cut off as Go cuts: evaluation knows nothing smaller. */
static inline int64_t duration_ms(const struct duration *d)
{
    return d->ns / 1000000;
}

/* `@` and `offset` of a selector, a range or a subquery. */
struct shift {
    struct duration offset;
    enum at_kind at;
    int64_t at_ms; /* of AT_TIME */
};

static inline bool shift_has_offset(const struct shift *s)
{
    return s->offset.expr || s->offset.ns != 0;
}

/* What a range or a selector does at its edges: see README.md, "Extended ranges". */
enum edges { EDGES_PLAIN, EDGES_ANCHORED, EDGES_SMOOTHED };

struct selector {
    struct word name;            /* written before the braces; bytes is NULL without one */
    struct matcher_set matchers; /* the name's is among them, last */
    struct shift shift;
    enum edges edges;      /* of the range around it, or its own */
    struct selector *next; /* of the query, so that all can be released */
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

/* How two vectors find each other: on (labels) or ignoring (labels), and who may be many. */
struct matching {
    enum match_card card;
    bool is_on;
    struct word_list labels;
    struct word_list include; /* of group_left or group_right */
    const double *fill_left;  /* fill(): the value of a side that is missing; NULL = none */
    const double *fill_right;
};

struct binary {
    enum token_kind op;
    uint32_t op_pos;
    bool returns_bool;
    struct node *lhs, *rhs;
    struct matching matching;
};

struct call {
    const struct func *func;
    struct node **args;
    uint32_t n_args;
    struct node *info; /* of info(): the selector of the series that it looks for */
};

struct aggregate {
    enum token_kind op;
    bool is_without;
    struct word_list labels;
    struct node *param; /* NULL without one */
    struct node *inner;
};

struct subquery {
    struct node *inner;
    struct duration range;
    struct duration step; /* 0 = the default */
    struct shift shift;
};

struct node {
    enum node_kind kind;
    enum promql_type type;
    uint32_t pos;   /* byte in the text where it starts */
    uint32_t depth; /* of the tree below, itself included */
    uint32_t end;   /* of a duration's expression: the byte behind it, without parentheses */
    union {
        struct {
            double value;
            bool is_duration; /* was written "5m" */
            int64_t ns;       /* of a duration */
        } number;
        struct word string;
        struct node *paren;
        struct {
            enum token_kind op;
            struct node *operand;
        } unary;
        struct binary binary;
        struct call call;
        struct aggregate aggregate;
        struct selector selector;
        struct {
            struct node *selector;
            struct duration range;
        } range;
        struct subquery subquery;
    };
};

/* A zeroed node; NULL when memory ran out. */
struct node *node_new(struct region *r, enum node_kind kind, enum promql_type type, uint32_t pos);

/* The node inside any parentheses. */
const struct node *node_unwrap(const struct node *n);

/* Whether it may differ from step to step. As in Prometheus an aggregation's parameter does not
 * count: over what is fixed by @ it is looked at once. */
bool node_depends_on_time(const struct node *n);

/* Where annotations about an argument point: inside its parentheses; for a subquery, like in
 * Prometheus, at the start of the text. */
uint32_t node_argument_pos(const struct node *n);

/* The same of a function's argument. One that is the same at all steps, of a call that is not, is
 * worked out apart in Prometheus, and then its parentheses count. */
uint32_t node_call_argument_pos(const struct node *call, uint32_t i);

/* The shift of a selector, of the selector of a range, or of a subquery; NULL for other kinds. */
struct shift *node_shift(struct node *n);

/* "scalar", "string", "instant vector", "range vector". */
const char *promql_type_text(enum promql_type type);

#endif
