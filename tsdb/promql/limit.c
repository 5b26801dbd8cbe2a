/* The place of a series is the hash that Prometheus gives its labels, so that both choose the same:
 * xxHash64 over name and value of each label in order, each behind its length. Lengths below 255
 * are one byte, others 255 and three bytes, the lowest first. */
#include "tsdb/promql/limit.h"

#include "tsdb/promql/float_text.h"
#include "tsdb/promql/textbuf.h"
#include "tsdb/promql/topk.h"

#include <math.h>
#include <xxhash.h>

enum { LONG_TEXT = 255 };

static void add_text(struct textbuf *b, const char *bytes, uint32_t n)
{
    if (n < LONG_TEXT) {
        textbuf_char(b, (char)n);
    } else {
        textbuf_char(b, (char)LONG_TEXT);
        for (unsigned shift = 0; shift < 24; shift += 8)
            textbuf_char(b, (char)(n >> shift & 0xff));
    }
    textbuf_add(b, bytes, n);
}

/* Between 0 and 1. */
static bool place_of(struct region *r, const struct labels *ls, double *ret)
{
    struct region_mark mark = region_mark(r);
    struct textbuf b;
    textbuf_init(&b, r);
    for (uint32_t i = 0; i < ls->n; i++) {
        add_text(&b, ls->items[i].name, ls->items[i].name_len);
        add_text(&b, ls->items[i].value, ls->items[i].value_len);
    }
    if (!textbuf_finish(&b))
        return false;
    *ret = (double)XXH64(b.bytes, b.n, 0) / (double)UINT64_MAX;
    region_rewind(r, mark);
    return true;
}

static bool is_kept(double r, double place)
{
    return r >= 0 ? place < r : place >= 1 + r;
}

static void warn_capped(struct eval *e, double r, double bound, uint32_t pos)
{
    char text[FLOAT_TEXT_MAX];
    float_text_general(r, text);
    annot_add(e->annot, ANNOT_WARNING,
              region_printf(e->region,
                            "ratio value should be between -1 and 1, got %s, capping to %g", text,
                            bound),
              pos);
}

/* Nothing is to be done when all of them are 0, and there is nothing to complain about. 3.5 minds a
 * NaN only where there is something to choose from. */
static int check_ratios(struct eval *e, const struct vector *v, const double *r, uint32_t pos,
                        bool *ret_has_any)
{
    struct extremes x = extremes_of(r, e->steps.n);
    for (size_t i = 0; x.has_nan && i < e->steps.n; i++)
        if (isnan(r[i]) && (eval_as_main(e) || vector_has_step(v, i)))
            return eval_fail(e, PROMQL_ERR_EXECUTION,
                             eval_as_main(e) ? "Ratio value is NaN" : "Ratio value NaN is NaN");
    *ret_has_any = x.low != 0 || x.high != 0;
    if (x.high > 1)
        warn_capped(e, x.high, 1, pos);
    if (x.low < -1)
        warn_capped(e, x.low, -1, pos);
    return 0;
}

static int finish(struct eval *e, const struct grouping *g, const struct vector *v, bool is_ordered,
                  struct vector *ret)
{
    if (is_ordered)
        return topk_order_as_heap(e, g, v, ret);
    *ret = *v;
    vector_squeeze(ret, e->steps.n);
    return 0;
}

int limit_ratio_eval(struct eval *e, const struct grouping *g, struct vector *v, const double *r,
                     uint32_t pos, bool is_ordered, struct vector *ret)
{
    bool has_any = false;
    *ret = (struct vector){0};
    if (check_ratios(e, v, r, pos, &has_any) != 0)
        return -1;
    if (!has_any)
        return 0;
    for (size_t k = 0; k < v->n; k++) {
        double place;
        if (!place_of(e->region, &v->items[k].labels, &place))
            return eval_fail_memory(e);
        for (size_t i = 0; i < e->steps.n; i++)
            if (!is_kept(fmin(fmax(r[i], -1), 1), place))
                column_clear(&v->items[k], i);
        if (eval_poll(e, e->steps.n) != 0)
            return -1;
    }
    return finish(e, g, v, is_ordered, ret);
}

int limit_k_eval(struct eval *e, const struct grouping *g, struct vector *v, const double *k,
                 bool is_ordered, struct vector *ret)
{
    double max;
    *ret = (struct vector){0};
    if (topk_check_k(e, v, k, false, &max) != 0)
        return -1;
    if (max < 1)
        return 0;
    for (uint32_t i = 0; i < g->n; i++) {
        const struct group *group = &g->groups[i];
        for (size_t step = 0; step < e->steps.n; step++) {
            size_t n = topk_limit(k[step], v->n);
            for (uint32_t m = 0; m < group->n; m++) {
                struct column *c = &v->items[group->members[m]];
                if (!column_has(c, step))
                    continue;
                if (n > 0)
                    n--;
                else
                    column_clear(c, step);
            }
            if (eval_poll(e, group->n) != 0)
                return -1;
        }
    }
    return finish(e, g, v, is_ordered, ret);
}
