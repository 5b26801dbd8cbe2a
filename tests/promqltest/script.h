/* The language of Prometheus' test scripts, as far as lines go: a script is cut into commands, each
 * a line that says what to do and the lines that belong to it, up to an empty one.
 *
 *     # a comment counts as an empty line
 *     load 5m                            clear
 *       up{job="a"} 1 1 0
 *     eval instant at 5m sum(up)         eval range from 0 to 10m step 5m up
 *       expect no_warn
 *       {} 1
 *
 * Format: reference of Prometheus' promqltest package. What is not understood is an error, never
 * skipped. Texts live in the caller's region. */
#ifndef TESTS_PROMQLTEST_SCRIPT_H
#define TESTS_PROMQLTEST_SCRIPT_H

#include "tests/promqltest/series_line.h"

enum command_kind { COMMAND_LOAD, COMMAND_CLEAR, COMMAND_EVAL };

enum expectation_kind { EXPECT_FAIL, EXPECT_WARN, EXPECT_INFO, EXPECT_KINDS };

/* One "expect fail msg: text": what a message must be, or match; NULL for any. */
struct expectation {
    enum expectation_kind kind;
    const char *text;
    bool is_regex;
};

enum { EXPECTATIONS_MAX = 32, SERIES_PER_COMMAND_MAX = 512 };

struct command {
    enum command_kind kind;
    unsigned line;
    bool has_nhcb;                     /* load_with_nhcb */
    int64_t start_ms, end_ms, step_ms; /* load: step_ms. An instant eval has step_ms 0 */
    const char *expr;                  /* of an eval */
    struct expectation expectations[EXPECTATIONS_MAX];
    size_t n_expectations;
    bool forbids[EXPECT_KINDS]; /* "expect no_warn" */
    bool is_ordered;
    bool has_string;
    const char *string; /* a literal with its quotes */
    bool is_matrix;     /* "expect range vector": the times of the values */
    int64_t matrix_start_ms, matrix_end_ms, matrix_step_ms;
    bool is_scalar;
    double scalar;
    struct series_line *series;
    size_t n_series;
};

struct script {
    char **lines; /* trimmed; comments are empty */
    unsigned n, next;
};

/* Cuts text (which is changed) into lines. False without memory. */
bool script_init(struct script *s, char *text, struct region *r) WARN_UNUSED;

/* The next command into *ret. False at the end (*ret_error NULL) or for a line that is not
 * understood
 * (*ret_error says why, ret->line where; the rest of its block is passed over). */
bool script_next(struct script *s, struct region *r, struct command *ret, const char **ret_error);

#endif
