#include "tests/promqltest/run.h"

#include "tests/promqltest/compare.h"
#include "tsdb/promql/funcs.h"
#include "tsdb/promql/query.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE_MS = 60000, LOOKBACK_MS = 5 * MINUTE_MS, MAX_SAMPLES = 10000 };

static const struct promql_options options = {.lookback_ms = LOOKBACK_MS,
                                              .max_samples = MAX_SAMPLES};

void run_failed_line(struct run *run, unsigned line, const char *what)
{
    run->n_failed++;
    printf("FAIL %s:%u: %s\n", run->path, line, what);
}

static void fail(struct run *run, const struct command *c, const char *way, const char *what)
{
    run->n_failed++;
    printf("FAIL %s:%u: %s%s: %s\n", run->path, c->line, c->expr, way, what);
}

static void leave_out(struct run *run, const struct command *c, const char *why)
{
    run->n_skipped++;
    if (!run->is_quiet)
        printf("skip %s:%u: %s: %s\n", run->path, c->line, c->expr, why);
}

/* --- what cannot be asked yet ----------------------------------------------------------------- */

/* Why an eval is left out, or NULL. */
static const char *find_reason(const struct run *run, const struct command *c,
                               const struct promql_query *q)
{
    for (const struct selector *s = q->selectors; s; s = s->next) {
        enum absent_kind kind = store_absent(run->store, &s->matchers);
        if (kind == ABSENT_HISTOGRAM)
            return "a selector matches a series of native histograms";
        if (kind == ABSENT_START_TIMES)
            return "a selector matches a series with start timestamps";
    }
    for (size_t i = 0; i < c->n_series; i++)
        if (c->series[i].has_histograms)
            return "a native histogram is expected";
    return NULL;
}

/* --- @ everywhere -----------------------------------------------------------------------------
 */

static void fix_shift(struct shift *s, int64_t at_ms)
{
    if (s->at == AT_NONE)
        *s = (struct shift){.offset = s->offset, .at = AT_TIME, .at_ms = at_ms};
}

/* Sets @ where there is none, and not inside subqueries, which have one then. False when a function
 * outside of them depends on the time of evaluation. */
static bool fix_times(struct node *n, int64_t at_ms)
{
    bool is_fixed = true;
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
        break;
    case NODE_PAREN:
        return fix_times(n->paren, at_ms);
    case NODE_UNARY:
        return fix_times(n->unary.operand, at_ms);
    case NODE_BINARY:
        is_fixed = fix_times(n->binary.lhs, at_ms);
        return fix_times(n->binary.rhs, at_ms) && is_fixed;
    case NODE_CALL:
        is_fixed = !(n->call.func->flags & FUNC_TIME_DEPENDENT);
        for (uint32_t i = 0; i < n->call.n_args; i++)
            is_fixed = fix_times(n->call.args[i], at_ms) && is_fixed;
        break;
    case NODE_AGGREGATE:
        is_fixed = !n->aggregate.param || fix_times(n->aggregate.param, at_ms);
        return fix_times(n->aggregate.inner, at_ms) && is_fixed;
    case NODE_SELECTOR:
        fix_shift(&n->selector.shift, at_ms);
        break;
    case NODE_RANGE:
        fix_shift(&n->range.selector->selector.shift, at_ms);
        break;
    case NODE_SUBQUERY:
        fix_shift(&n->subquery.shift, at_ms);
        break;
    }
    return is_fixed;
}

/* True when nothing was wrong with the query at other times. Changes q. */
static bool check_fixed(struct run *run, const struct command *c, struct promql_query *q,
                        struct region *r)
{
    const int64_t t = c->start_ms;
    const int64_t usual[] = {-10 * t, 0, t / 5, t, 10 * t}, at_zero[] = {-1000, 0, 1000};
    const int64_t *times = t == 0 ? at_zero : usual;
    size_t n_times = t == 0 ? ARRAY_LEN(at_zero) : ARRAY_LEN(usual);
    struct promql_result result;
    struct promql_error err;
    if (!fix_times(q->root, t))
        return true;
    const char *text = promql_text(q, r), *bad = NULL;
    struct promql_query *fixed =
        text ? promql_parse(text, strlen(text), run->features, r, &err) : NULL;
    if (!fixed)
        bad = err.text;
    for (size_t i = 0; i < n_times && !bad; i++) {
        struct command then = *c;
        then.start_ms = then.end_ms = times[i];
        bad = promql_instant(fixed, run->store->db, times[i], &options, r, &result, &err) != 0
                  ? err.text
                  : compare_result(&then, &result, r);
    }
    promql_release(fixed);
    if (bad)
        fail(run, c, region_printf(r, " as %s", text), bad);
    return !bad;
}

/* --- an eval -----------------------------------------------------------------------------------
 */

static bool check_middle(struct run *run, const struct command *c, struct promql_query *q,
                         struct region *r)
{
    struct promql_result result;
    struct promql_error err;
    bool is_scalar = promql_query_type(q) == PROMQL_SCALAR;
    const char *bad = NULL;
    if (promql_range(q, run->store->db, c->start_ms - MINUTE_MS, c->start_ms + MINUTE_MS, MINUTE_MS,
                     &options, r, &result, &err) != 0)
        bad = err.text;
    else if (!c->is_ordered)
        bad = compare_middle(c, &result, c->start_ms, is_scalar, r);
    if (bad)
        fail(run, c, " as a range query", bad);
    return !bad;
}

static bool depends_on_range(const char *expr)
{
    static const char *const words[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasestr(expr, words[i]))
            return true;
    return false;
}

static bool expects_failure(const struct command *c)
{
    for (size_t i = 0; i < c->n_expectations; i++)
        if (c->expectations[i].kind == EXPECT_FAIL)
            return true;
    return false;
}

static int ask(struct run *run, const struct command *c, struct promql_query *q, struct region *r,
               struct promql_result *result, struct promql_error *err)
{
    if (c->step_ms > 0)
        return promql_range(q, run->store->db, c->start_ms, c->end_ms, c->step_ms, &options, r,
                            result, err);
    return promql_instant(q, run->store->db, c->start_ms, &options, r, result, err);
}

static bool check_eval(struct run *run, const struct command *c, struct promql_query *q,
                       struct region *r)
{
    struct promql_result result;
    struct promql_error err;
    const char *bad;
    if (ask(run, c, q, r, &result, &err) != 0)
        bad = compare_failure(c, err.text, r);
    else if (expects_failure(c))
        bad = "expected to fail";
    else
        bad = compare_result(c, &result, r);
    if (!bad && err.kind == PROMQL_ERR_NONE)
        bad = compare_annotations(c, &result, r);
    if (bad) {
        fail(run, c, "", bad);
        return false;
    }
    enum promql_type type = promql_query_type(q);
    if (err.kind != PROMQL_ERR_NONE || c->step_ms > 0 || type == PROMQL_STRING)
        return true;
    if (type != PROMQL_MATRIX && !depends_on_range(c->expr) && !check_middle(run, c, q, r))
        return false;
    return check_fixed(run, c, q, r);
}

static void run_eval(struct run *run, const struct command *c, struct region *r)
{
    struct promql_error err;
    struct promql_query *q = promql_parse(c->expr, strlen(c->expr), run->features, r, &err);
    const char *reason = q ? find_reason(run, c, q) : NULL;
    const char *bad = q ? NULL : compare_failure(c, err.text, r);
    if (reason)
        leave_out(run, c, reason);
    else if (bad)
        fail(run, c, "", bad);
    else if (!q || check_eval(run, c, q, r))
        run->n_passed++;
    promql_release(q);
}

void run_command(struct run *run, const struct command *c, struct region *r)
{
    const char *error;
    switch (c->kind) {
    case COMMAND_CLEAR:
        store_clear(run->store);
        break;
    case COMMAND_LOAD:
        if (!store_load(run->store, c, &error))
            run_failed_line(run, c->line, error);
        break;
    case COMMAND_EVAL:
        run_eval(run, c, r);
        break;
    }
}
