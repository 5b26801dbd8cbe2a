/* The functions of the language: one table with name, signature, flags and a pointer, and nothing
 * else. How to add one: README.md. */
#ifndef HG_TSDB_PROMQL_FUNCS_H
#define HG_TSDB_PROMQL_FUNCS_H

#include "tsdb/promql/ast.h"

struct eval;
struct value;

enum {
    FUNC_ARGS_MAX = 5,
    FUNC_VARIADIC_ANY = -1, /* the last argument any number of times, also none */
};

enum func_flags {
    FUNC_EXPERIMENTAL = 1, /* behind promql-experimental-functions */
    FUNC_KEEPS_NAME = 2,   /* __name__ stays on the series */
    FUNC_NEWER = 4,        /* of main: behind promql-main and the same feature */
    FUNC_TAKES_ANCHORED = 16,
    FUNC_TAKES_SMOOTHED = 32,
    FUNC_TIME_DEPENDENT = 8, /* differs with the time of evaluation, whatever @ its argument has */
};

/* Evaluates the call over all steps. 0, or -1 with the error in e. */
typedef int (*func_eval)(struct eval *e, const struct node *call, struct value *ret);

struct func {
    const char *name;
    enum promql_type returns;
    unsigned char n_args; /* of arg_types */
    signed char variadic; /* optional ones among them, or FUNC_VARIADIC_ANY */
    unsigned char flags;  /* enum func_flags */
    enum promql_type arg_types[FUNC_ARGS_MAX];
    func_eval eval;
};

/* Names are case-sensitive. NULL when there is none. */
const struct func *func_find(const char *name, size_t n);

#endif
