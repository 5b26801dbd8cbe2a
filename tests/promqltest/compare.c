#include "tests/promqltest/compare.h"

#include "tsdb/pattern.h"
#include "tsdb/promql/float_text.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/literal.h"
#include "tsdb/store_limits.h"

#include <float.h>
#include <math.h>
#include <string.h>

static bool is_stale(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits == STALE_BITS;
}

bool compare_floats(double a, double b)
{
    const double TOLERANCE = 1e-6;
    if (is_stale(a) || is_stale(b))
        return is_stale(a) && is_stale(b);
    if (a == b || (isnan(a) && isnan(b)))
        return true;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < DBL_MIN)
        return difference < TOLERANCE * DBL_MIN;
    return difference / fmin(sum, DBL_MAX) < TOLERANCE;
}

static const char *labels_text(const struct labels *ls, struct region *r)
{
    struct textbuf b;
    textbuf_init(&b, r);
    labelset_text(&b, ls);
    const char *text = textbuf_finish(&b);
    return text ? text : "";
}

static const char *number_text(double v, struct region *r)
{
    char text[FLOAT_TEXT_MAX];
    return region_copy(r, text, float_text_general(v, text));
}

/* --- one series --------------------------------------------------------------------------------
 */

/* Points against the values expected at start, start + step, ... */
static const char *compare_points(const struct promql_series *s, const struct series_line *l,
                                  int64_t start_ms, int64_t step_ms, struct region *r)
{
    size_t k = 0;
    for (size_t i = 0; i < l->n; i++) {
        int64_t t_ms = start_ms + (int64_t)i * step_ms;
        const struct promql_point *p = k < s->n_points ? &s->points[k] : NULL;
        if (l->items[i].kind == ITEM_GAP)
            continue;
        if (!p || p->t_ms != t_ms)
            return region_printf(r, "%s: expected %s at %lld ms, got %s%lld",
                                 labels_text(&s->labels, r), number_text(l->items[i].v, r),
                                 (long long)t_ms, p ? "a point at " : "nothing ",
                                 (long long)(p ? p->t_ms : 0));
        if (!compare_floats(p->v, l->items[i].v))
            return region_printf(r, "%s: expected %s at %lld ms, got %s",
                                 labels_text(&s->labels, r), number_text(l->items[i].v, r),
                                 (long long)t_ms, number_text(p->v, r));
        k++;
    }
    if (k == s->n_points)
        return NULL;
    return region_printf(r, "%s: unexpected %s at %lld ms", labels_text(&s->labels, r),
                         number_text(s->points[k].v, r), (long long)s->points[k].t_ms);
}

static bool has_values(const struct series_line *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].kind != ITEM_GAP)
            return true;
    return false;
}

static size_t find_expected(const struct command *c, const struct labels *ls)
{
    size_t k = 0;
    while (k < c->n_series && labels_compare(&c->series[k].labels, ls) != 0)
        k++;
    return k;
}

/* Every series of either side has its partner of the other. */
static const char *compare_series(const struct command *c, const struct promql_series *series,
                                  size_t n, int64_t start_ms, int64_t step_ms, struct region *r)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = find_expected(c, &series[i].labels);
        if (k == c->n_series)
            return region_printf(r, "unexpected series %s %s", labels_text(&series[i].labels, r),
                                 number_text(series[i].points[0].v, r));
        if (c->is_ordered && k != i)
            return region_printf(r, "%s at place %zu, expected at %zu",
                                 labels_text(&series[i].labels, r), i, k);
        const char *bad = compare_points(&series[i], &c->series[k], start_ms, step_ms, r);
        if (bad)
            return bad;
    }
    for (size_t k = 0; k < c->n_series; k++) {
        size_t i = 0;
        while (i < n && labels_compare(&c->series[k].labels, &series[i].labels) != 0)
            i++;
        if (i == n && has_values(&c->series[k]))
            return region_printf(r, "missing series %s", labels_text(&c->series[k].labels, r));
    }
    return NULL;
}

static const char *compare_scalar(const struct command *c, double v, struct region *r)
{
    if (!c->is_scalar)
        return region_printf(r, "unexpected scalar %s", number_text(v, r));
    if (compare_floats(v, c->scalar))
        return NULL;
    return region_printf(r, "expected %s, got %s", number_text(c->scalar, r), number_text(v, r));
}

/* --- whole results ----------------------------------------------------------------------------
 */

static const char *compare_string(const struct command *c, const struct promql_result *result,
                                  struct region *r)
{
    const char *expected;
    size_t n;
    if (!c->has_string || strlen(c->string) < 2 ||
        !literal_string(c->string, strlen(c->string), r, &expected, &n))
        return "unexpected string";
    if (n == result->string_len && memcmp(expected, result->string, n) == 0)
        return NULL;
    return region_printf(r, "expected %s, got \"%.*s\"", c->string, (int)result->string_len,
                         result->string);
}

static const char *check_sorted(const struct promql_result *result)
{
    for (size_t i = 1; i < result->n_series; i++)
        if (labels_compare(&result->series[i - 1].labels, &result->series[i].labels) >= 0)
            return "the series of a matrix are not sorted by labels";
    return NULL;
}

static const char *compare_matrix(const struct command *c, const struct promql_result *result,
                                  struct region *r)
{
    const char *bad = check_sorted(result);
    if (bad)
        return bad;
    if (c->step_ms > 0)
        return compare_series(c, result->series, result->n_series, c->start_ms, c->step_ms, r);
    if (!c->is_matrix)
        return "unexpected range vector";
    return compare_series(c, result->series, result->n_series, c->matrix_start_ms,
                          c->matrix_step_ms, r);
}

const char *compare_result(const struct command *c, const struct promql_result *result,
                           struct region *r)
{
    if (result->type == PROMQL_STRING)
        return compare_string(c, result, r);
    if (result->type == PROMQL_SCALAR)
        return compare_scalar(c, result->series[0].points[0].v, r);
    if (c->has_string || c->is_scalar || (c->is_matrix && result->type != PROMQL_MATRIX))
        return "the result has another type than the expected one";
    if (result->type == PROMQL_MATRIX)
        return compare_matrix(c, result, r);
    return compare_series(c, result->series, result->n_series, c->start_ms, 1, r);
}

const char *compare_middle(const struct command *c, const struct promql_result *result,
                           int64_t middle_ms, bool is_scalar, struct region *r)
{
    struct promql_series *series = region_calloc(r, result->n_series + 1, sizeof(*series));
    const char *bad = check_sorted(result);
    size_t n = 0;
    if (bad || !series)
        return bad ? bad : "out of memory";
    for (size_t i = 0; i < result->n_series; i++) {
        const struct promql_series *s = &result->series[i];
        for (size_t k = 0; k < s->n_points; k++)
            if (s->points[k].t_ms == middle_ms)
                series[n++] = (struct promql_series){
                    .labels = s->labels, .points = &s->points[k], .n_points = 1};
    }
    if (is_scalar)
        return n == 1 ? compare_scalar(c, series[0].points[0].v, r) : "no scalar";
    return compare_series(c, series, n, middle_ms, 1, r);
}

/* --- messages --------------------------------------------------------------------------------- */

static bool matches(const struct expectation *x, const char *text, struct region *r)
{
    char error[256];
    if (!x->text)
        return true;
    if (!x->is_regex)
        return strcmp(x->text, text) == 0;
    const char *whole = region_printf(r, ".*(?:%s).*", x->text);
    struct pattern *p = whole ? pattern_new(whole, strlen(whole), error, sizeof(error)) : NULL;
    bool is_match = p && pattern_matches(p, text, strlen(text));
    pattern_free(p);
    return is_match;
}

static const char *compare_class(const struct command *c, enum expectation_kind kind,
                                 const char **texts, size_t n, struct region *r)
{
    size_t n_expected = 0;
    if (c->forbids[kind] && n > 0)
        return region_printf(r, "unexpected annotation: %s", texts[0]);
    for (size_t i = 0; i < c->n_expectations; i++) {
        const struct expectation *x = &c->expectations[i];
        size_t k = 0;
        if (x->kind != kind)
            continue;
        n_expected++;
        while (k < n && !matches(x, texts[k], r))
            k++;
        if (k == n)
            return region_printf(r, "missing annotation: %s, got %s", x->text ? x->text : "any",
                                 n > 0 ? texts[0] : "none");
    }
    for (size_t k = 0; k < n && n_expected > 0; k++) {
        bool is_expected = false;
        for (size_t i = 0; i < c->n_expectations; i++)
            is_expected = is_expected || (c->expectations[i].kind == kind &&
                                          matches(&c->expectations[i], texts[k], r));
        if (!is_expected)
            return region_printf(r, "unexpected annotation: %s", texts[k]);
    }
    return NULL;
}

const char *compare_annotations(const struct command *c, const struct promql_result *result,
                                struct region *r)
{
    const char *bad = compare_class(c, EXPECT_WARN, result->warnings, result->n_warnings, r);
    return bad ? bad : compare_class(c, EXPECT_INFO, result->infos, result->n_infos, r);
}

const char *compare_failure(const struct command *c, const char *text, struct region *r)
{
    bool is_expected = false;
    for (size_t i = 0; i < c->n_expectations; i++) {
        const struct expectation *x = &c->expectations[i];
        if (x->kind != EXPECT_FAIL)
            continue;
        is_expected = true;
        if (!matches(x, text, r))
            return region_printf(r, "expected failure \"%s\", got \"%s\"", x->text, text);
    }
    return is_expected ? NULL : region_printf(r, "failed: %s", text);
}
