/* Every limit of the language on one page. Each has a test at it and one past it. */
#ifndef HG_TSDB_PROMQL_QUERY_LIMITS_H
#define HG_TSDB_PROMQL_QUERY_LIMITS_H

enum {
    QUERY_TEXT_BYTES_MAX = 1 << 20,
    QUERY_DEPTH_MAX = 400,           /* of the tree, parentheses included: bounds the stack */
    ANNOTATIONS_MAX = 10,            /* of each class in an answer; the rest is counted */
    ERROR_TEXT_BYTES = 512,          /* of what a lower layer says about a bad pattern */
    POLL_POINTS = 1 << 16,           /* points of work between two looks at clock and cancel flag */
    DEFAULT_SUBQUERY_MS = 60 * 1000, /* step of expr[range:], as the default evaluation interval */
};

#endif
