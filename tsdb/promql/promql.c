/* The public door: parse, check, evaluate, and the shape that the answer has outside. */
#include "tsdb/promql/promql.h"

#include "tsdb/promql/check.h"
#include "tsdb/promql/duration.h"
#include "tsdb/promql/eval.h"
#include "tsdb/promql/extended_range.h"
#include "tsdb/promql/label_map.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/promql/literal.h"
#include "tsdb/promql/parse.h"
#include "tsdb/promql/print.h"
#include "tsdb/promql/query_limits.h"
#include "tsdb/promql/selector.h"

#include <stdlib.h>
#include <string.h>

static struct promql_query *fail_memory(struct promql_error *err)
{
    *err = (struct promql_error){PROMQL_ERR_EXECUTION, QUERY_NO_MEMORY};
    return NULL;
}

static struct promql_query *query_new(const char *text, size_t n, struct region *r,
                                      struct promql_error *err)
{
    *err = (struct promql_error){PROMQL_ERR_NONE, NULL};
    if (n > QUERY_TEXT_BYTES_MAX) {
        const char *message = region_printf(r, "query of %zu bytes is too long, the limit is %d", n,
                                            QUERY_TEXT_BYTES_MAX);
        if (!message)
            return fail_memory(err);
        *err = (struct promql_error){PROMQL_ERR_BAD_DATA, message};
        return NULL;
    }
    struct promql_query *q = region_calloc(r, 1, sizeof(*q));
    if (!q)
        return fail_memory(err);
    q->text = region_copy(r, text, n);
    q->n = (uint32_t)n;
    return q->text ? q : fail_memory(err);
}

unsigned promql_feature_find(const char *name, size_t n)
{
    static const struct {
        const char *name;
        enum promql_feature feature;
    } features[] = {
        {"promql-experimental-functions", PROMQL_EXPERIMENTAL_FUNCTIONS},
        {"promql-duration-expr", PROMQL_DURATION_EXPR},
        {"promql-extended-range-selectors", PROMQL_EXTENDED_RANGE_SELECTORS},
        {"promql-binop-fill-modifiers", PROMQL_BINOP_FILL_MODIFIERS},
        {"promql-delayed-name-removal", PROMQL_DELAYED_NAME_REMOVAL},
        {"type-and-unit-labels", PROMQL_TYPE_AND_UNIT_LABELS},
        {"promql-main", PROMQL_MAIN},
    };
    for (size_t i = 0; i < ARRAY_LEN(features); i++)
        if (strlen(features[i].name) == n && memcmp(features[i].name, name, n) == 0)
            return features[i].feature;
    return 0;
}

struct promql_query *promql_parse(const char *text, size_t n, unsigned features, struct region *r,
                                  struct promql_error *err)
{
    struct promql_query *q = query_new(text, n, r, err);
    if (!q)
        return NULL;
    q->features = features;
    if (parse_query(q, r, err) && check_query(q, r, err))
        return q;
    promql_release(q);
    return NULL;
}

void promql_release(struct promql_query *q)
{
    if (!q)
        return;
    for (struct selector *s = q->selectors; s; s = s->next)
        matcher_set_release(&s->matchers);
    q->selectors = NULL;
}

enum promql_type promql_query_type(const struct promql_query *q)
{
    return q->root->type;
}

const char *promql_text(const struct promql_query *q, struct region *r)
{
    struct textbuf b;
    textbuf_init(&b, r);
    print_node(&b, q->root);
    return textbuf_finish(&b);
}

const char *promql_pretty(const struct promql_query *q, struct region *r)
{
    struct textbuf b;
    textbuf_init(&b, r);
    print_lines(&b, q->root);
    return textbuf_finish(&b);
}

const struct node *promql_root(const struct promql_query *q)
{
    return q->root;
}

struct matcher_set *promql_selectors(const struct promql_query *q, struct region *r, size_t *ret_n)
{
    *ret_n = 0;
    for (const struct selector *s = q->selectors; s; s = s->next)
        (*ret_n)++;
    struct matcher_set *sets = region_alloc(r, *ret_n * sizeof(*sets));
    size_t i = 0;
    for (const struct selector *s = q->selectors; sets && s; s = s->next)
        sets[i++] = s->matchers;
    return sets;
}

int promql_parse_selector(const char *text, size_t n, struct region *r, struct matcher_set *ret,
                          struct promql_error *err)
{
    struct promql_query *q = query_new(text, n, r, err);
    if (!q)
        return -1;
    if (!parse_bare_selector(q, r, err)) {
        promql_release(q);
        return -1;
    }
    *ret = q->root->selector.matchers; /* the caller's from here on */
    return 0;
}

bool promql_parse_duration(const char *text, size_t n, int64_t *ret_ms)
{
    int64_t ns;
    if (!literal_duration_is_valid(text, n, &ns))
        return false;
    *ret_ms = ns / 1000000;
    return true;
}

/* --- results -----------------------------------------------------------------------------------
 */

static size_t column_points_from(const struct promql_result *r, const struct promql_series *s,
                                 size_t *io_at, struct promql_point *ret, size_t n)
{
    size_t n_found = 0, at = *io_at;
    while (n_found < n && at < r->n_steps) {
        uint64_t rest = s->present[at / 64] >> (at % 64);
        if (rest & 1)
            ret[n_found++] = (struct promql_point){
                (int64_t)((uint64_t)r->start_ms + at * (uint64_t)r->step_ms), s->v[at]};
        at += rest != 0 ? 1 : 64 - at % 64;
    }
    *io_at = at;
    return n_found;
}

size_t promql_points(const struct promql_result *r, const struct promql_series *s, size_t *io_at,
                     struct promql_point *ret, size_t n)
{
    if (!s->points)
        return column_points_from(r, s, io_at, ret, n);
    n = size_min(n, s->n_points - *io_at);
    memcpy(ret, s->points + *io_at, n * sizeof(*ret));
    *io_at += n;
    return n;
}

static int put_points(struct eval *e, const struct column *c, struct promql_series *ret)
{
    size_t n = column_points(c, e->steps.n);
    ret->labels = c->labels;
    if (e->is_range_query && e->options->takes_columns) {
        ret->v = c->v;
        ret->present = c->present;
        ret->n_points = n;
        return 0;
    }
    ret->points = eval_alloc(e, n, sizeof(*ret->points));
    if (!ret->points)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        if (column_has(c, i))
            ret->points[ret->n_points++] = (struct promql_point){steps_time(&e->steps, i), c->v[i]};
    return 0;
}

static int put_vector(struct eval *e, const struct vector *v, struct promql_result *ret)
{
    ret->series = eval_alloc(e, v->n, sizeof(*ret->series));
    if (!ret->series)
        return -1;
    for (size_t i = 0; i < v->n; i++) {
        if (column_points(&v->items[i], e->steps.n) == 0)
            continue;
        if (put_points(e, &v->items[i], &ret->series[ret->n_series++]) != 0)
            return -1;
    }
    return 0;
}

static int put_scalar(struct eval *e, const double *scalar, struct promql_result *ret)
{
    ret->series = eval_alloc(e, 1, sizeof(*ret->series));
    struct promql_point *points = eval_alloc(e, e->steps.n, sizeof(*points));
    if (!ret->series || !points)
        return -1;
    for (size_t i = 0; i < e->steps.n; i++)
        points[i] = (struct promql_point){steps_time(&e->steps, i), scalar[i]};
    ret->series[0] = (struct promql_series){.points = points, .n_points = e->steps.n};
    ret->n_series = 1;
    return 0;
}

/* A range with edges has samples of its own making there. */
static int put_extended(struct eval *e, const struct range *range, const struct samples *s,
                        struct promql_series *ret)
{
    struct range_window w = {.t_ms = s->t_ms,
                             .v = s->v,
                             .n = s->n,
                             .end_ms = reference_time(&range->reference, &e->steps, 0),
                             .edges = range->edges};
    w.start_ms = time_sub(w.end_ms, range->range_ms);
    double *v = eval_alloc(e, s->n + 2, sizeof(*v));
    int64_t *t_ms = eval_alloc(e, s->n + 2, sizeof(*t_ms));
    ret->points = eval_alloc(e, s->n + 2, sizeof(*ret->points));
    if (!v || !t_ms || !ret->points)
        return -1;
    ret->n_points = extended_range_samples(&w, t_ms, v);
    for (size_t i = 0; i < ret->n_points; i++)
        ret->points[i] = (struct promql_point){t_ms[i], v[i]};
    return 0;
}

/* The raw samples of a range, at the one step of an instant query. */
static int put_range(struct eval *e, const struct range *range, struct promql_result *ret)
{
    int64_t end_ms = reference_time(&range->reference, &e->steps, 0);
    int64_t start_ms = time_sub(end_ms, range->range_ms);
    uint64_t n_samples = 0;
    ret->series = eval_alloc(e, range->n, sizeof(*ret->series));
    if (!ret->series)
        return -1;
    for (size_t i = 0; i < range->n; i++) {
        const struct samples *s = &range->items[i];
        struct promql_series *series = &ret->series[ret->n_series];
        struct promql_point *points = eval_alloc(e, s->n, sizeof(*points));
        if (!points)
            return -1;
        *series = (struct promql_series){.labels = s->labels, .points = points};
        for (size_t k = 0; k < s->n; k++)
            if (s->t_ms[k] > start_ms && s->t_ms[k] <= end_ms)
                points[series->n_points++] = (struct promql_point){s->t_ms[k], s->v[k]};
        if (range->edges != EDGES_PLAIN && s->n > 0 && put_extended(e, range, s, series) != 0)
            return -1;
        ret->n_series += series->n_points > 0;
        n_samples += series->n_points;
        if (eval_poll(e, s->n) != 0 || eval_check_samples(e, n_samples) != 0)
            return -1;
    }
    e->counts->samples_queryable += n_samples;
    return 0;
}

static int compare_series(const void *a, const void *b)
{
    const struct promql_series *x = a, *y = b;
    return labels_compare(&x->labels, &y->labels);
}

static int put_value(struct eval *e, const struct value *v, struct promql_result *ret)
{
    int err = 0;
    ret->type = v->type;
    ret->start_ms = e->steps.start_ms;
    ret->step_ms = e->steps.step_ms;
    ret->n_steps = e->steps.n;
    switch (v->type) {
    case PROMQL_STRING:
        ret->string = v->string.bytes;
        ret->string_len = v->string.len;
        ret->string_t_ms = e->query_start_ms;
        break;
    case PROMQL_SCALAR:
        err = put_scalar(e, v->scalar, ret);
        break;
    case PROMQL_VECTOR:
        err = put_vector(e, &v->vector, ret);
        break;
    case PROMQL_MATRIX:
        err = put_range(e, &v->range, ret);
        break;
    }
    if (e->is_range_query)
        ret->type = PROMQL_MATRIX;
    if (err == 0 && ret->type == PROMQL_MATRIX && ret->n_series > 1)
        qsort(ret->series, ret->n_series, sizeof(*ret->series), compare_series);
    return err;
}

/* --- evaluation --------------------------------------------------------------------------------
 */

/* Samples of a range keep their times, so equal labels are an error whatever these are. */
static int finish_range_names(struct eval *e, struct range *range)
{
    struct label_map map;
    uint32_t number;
    bool is_new;
    label_map_init(&map, e->region);
    for (size_t i = 0; i < range->n; i++) {
        struct samples *s = &range->items[i];
        if (s->drops_name && !labelset_drop_metadata(e->region, &s->labels))
            return eval_fail_memory(e);
        if (!label_map_put(&map, &s->labels, &number, &is_new))
            return eval_fail_memory(e);
        if (!is_new)
            return eval_fail(e, PROMQL_ERR_EXECUTION,
                             "vector cannot contain metrics with the same labelset");
    }
    return 0;
}

static int finish_names(struct eval *e, struct value *v)
{
    if (eval_delays_names(e) && v->type == PROMQL_VECTOR)
        return eval_finish_names(e, &v->vector);
    if (eval_delays_names(e) && v->type == PROMQL_MATRIX)
        return finish_range_names(e, &v->range);
    return 0;
}

static int evaluate(struct promql_query *q, struct tsdb *db, struct eval *e,
                    struct promql_result *ret)
{
    struct annot annot;
    annot_init(&annot, e->region, q->text);
    e->annot = &annot;
    e->n_polled = POLL_POINTS; /* a deadline that has passed already is seen at once */
    struct promql_result result = {0};
    struct value v;
    const struct duration_times times = {
        e->query_step_ms, time_sub(e->query_end_ms, e->query_start_ms), q->features & PROMQL_MAIN};
    struct duration_fault fault;
    e->features = q->features;
    e->db = db;
    e->counts = &result;
    if (!duration_resolve(q->root, &times, &fault))
        return eval_fail(e, PROMQL_ERR_BAD_DATA,
                         region_printf(e->region, "%u:%u: %s", fault.start, fault.end, fault.text));
    if (eval_node(e, q->root, &v) != 0 || finish_names(e, &v) != 0 ||
        put_value(e, &v, &result) != 0)
        return -1;
    result.warnings = annot_texts(&annot, ANNOT_WARNING, &result.n_warnings);
    result.infos = annot_texts(&annot, ANNOT_INFO, &result.n_infos);
    *ret = result;
    return 0;
}

int promql_instant(struct promql_query *q, struct tsdb *db, int64_t t_ms,
                   const struct promql_options *o, struct region *r, struct promql_result *ret,
                   struct promql_error *err)
{
    *err = (struct promql_error){PROMQL_ERR_NONE, NULL};
    struct eval e = {.region = r,
                     .options = o,
                     .err = err,
                     .steps = {.start_ms = t_ms, .step_ms = 1, .n = 1},
                     .query_start_ms = t_ms,
                     .query_end_ms = t_ms};
    return evaluate(q, db, &e, ret);
}

int promql_range(struct promql_query *q, struct tsdb *db, int64_t start_ms, int64_t end_ms,
                 int64_t step_ms, const struct promql_options *o, struct region *r,
                 struct promql_result *ret, struct promql_error *err)
{
    assert(step_ms > 0 && start_ms <= end_ms);
    *err = (struct promql_error){PROMQL_ERR_NONE, NULL};
    if (q->root->type == PROMQL_STRING || q->root->type == PROMQL_MATRIX) {
        err->kind = PROMQL_ERR_BAD_DATA;
        err->text = q->root->type == PROMQL_STRING
                        ? "invalid expression type \"string\" for range query, must be Scalar or "
                          "instant Vector"
                        : "invalid expression type \"range vector\" for range query, must be "
                          "Scalar or instant Vector";
        return -1;
    }
    struct eval e = {.region = r,
                     .options = o,
                     .err = err,
                     .steps = {.start_ms = start_ms, .step_ms = step_ms},
                     .query_start_ms = start_ms,
                     .query_end_ms = end_ms,
                     .query_step_ms = step_ms,
                     .is_range_query = true};
    e.steps.n = (size_t)(((uint64_t)end_ms - (uint64_t)start_ms) / (uint64_t)step_ms) + 1;
    return evaluate(q, db, &e, ret);
}
