/* The tree of a query: what the parser makes, the checks read, the printer writes and the
 * evaluation walks. Nodes live in the query's region and are not changed once the checks have
 * passed.
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

/* `@` and `offset` of a selector, a range or a subquery. */
struct shift {
    int64_t offset_ms;
    enum at_kind at;
    int64_t at_ms; /* of AT_TIME */
};

struct selector {
    struct word name;            /* written before the braces; bytes is NULL without one */
    struct matcher_set matchers; /* the name's is among them, last */
    struct shift shift;
    uint32_t index;        /* among the selectors of the query, in the order of the text */
    struct selector *next; /* of the query, so that all can be released */
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY, CARD_MANY_TO_MANY };

/* How two vectors find each other: on (labels) or ignoring (labels), and who may be many. */
struct matching {
    enum match_card card;
    bool is_on;
    struct word_list labels;
    struct word_list include; /* of group_left or group_right */
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
    int64_t range_ms;
    int64_t step_ms; /* 0 = the default */
    struct shift shift;
};

struct node {
    enum node_kind kind;
    enum promql_type type;
    uint32_t pos;   /* byte in the text where it starts */
    uint32_t depth; /* of the tree below, itself included */
    union {
        struct {
            double value;
            bool is_duration; /* was written "5m" */
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
            int64_t range_ms;
        } range;
        struct subquery subquery;
    };
};

/* A zeroed node; NULL when memory ran out. */
struct node *node_new(struct region *r, enum node_kind kind, enum promql_type type, uint32_t pos);

/* The node inside any parentheses. */
const struct node *node_unwrap(const struct node *n);

/* Where annotations about an argument point: inside its parentheses; for a subquery, like in
 * Prometheus, at the start of the text. */
uint32_t node_argument_pos(const struct node *n);

/* The shift of a selector, of the selector of a range, or of a subquery; NULL for other kinds. */
struct shift *node_shift(struct node *n);

/* "scalar", "string", "instant vector", "range vector". */
const char *promql_type_text(enum promql_type type);

#endif
