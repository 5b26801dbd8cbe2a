#include "tests/promqltest/store.h"

#include "tsdb/append.h"
#include "tsdb/promql/labelset.h"
#include "tsdb/store_limits.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY = 1 << 30 };

static void open_db(struct store *s)
{
    const struct tsdb_options options = {.window_ms = WINDOW_MS_MAX,
                                         .n_windows = WINDOWS_MAX,
                                         .out_of_order_ms = INT64_C(1) << 40,
                                         .clock = CLOCK_SAMPLES};
    if (tsdb_new(&options, &s->arena, &s->db) != 0)
        abort();
    region_init(&s->region, &s->arena, s->owner, 0);
    s->absent = NULL;
}

static void close_db(struct store *s)
{
    region_release(&s->region);
    tsdb_free(s->db);
}

void store_init(struct store *s)
{
    budget_init(&s->budget, MEMORY);
    s->owner = budget_owner(&s->budget, "queries");
    if (!arena_init(&s->arena, &s->budget, MEMORY))
        abort();
    open_db(s);
}

void store_release(struct store *s)
{
    close_db(s);
    arena_release(&s->arena);
}

void store_clear(struct store *s)
{
    close_db(s);
    open_db(s);
}

/* Labels and their texts, kept until clear. */
static bool copy_labels(struct region *r, const struct labels *ls, struct labels *ret)
{
    struct label *items = region_calloc(r, ls->n + 1, sizeof(*items));
    bool is_good = items != NULL;
    for (uint32_t i = 0; i < ls->n && is_good; i++) {
        const struct label *l = &ls->items[i];
        items[i] =
            (struct label){region_copy(r, l->name, l->name_len),
                           region_copy(r, l->value, l->value_len), l->name_len, l->value_len};
        is_good = items[i].name && items[i].value;
    }
    *ret = (struct labels){items, ls->n};
    return is_good;
}

static bool add_absent(struct store *s, enum absent_kind kind, const struct labels *ls)
{
    struct absent_series *a = region_calloc(&s->region, 1, sizeof(*a));
    if (!a || !copy_labels(&s->region, ls, &a->labels))
        return false;
    a->kind = kind;
    a->next = s->absent;
    s->absent = a;
    return true;
}

/* load_with_nhcb: x_bucket{le=".."}, x_sum and x_count make a native histogram x as well. */
static bool add_nhcb(struct store *s, const struct labels *ls)
{
    static const char *const endings[] = {"_bucket", "_count", "_sum"};
    const struct label *name = labelset_name(ls);
    struct labels native;
    for (size_t i = 0; name && i < ARRAY_LEN(endings); i++) {
        size_t n = strlen(endings[i]);
        if (name->value_len <= n || memcmp(name->value + name->value_len - n, endings[i], n) != 0)
            continue;
        struct word key = {"__name__", 8},
                    short_name = {name->value, name->value_len - (uint32_t)n};
        struct word le = {"le", 2}, none = {"", 0};
        return labelset_set(&s->region, ls, key, short_name, &native) &&
               labelset_set(&s->region, &native, le, none, &native) &&
               add_absent(s, ABSENT_HISTOGRAM, &native);
    }
    return true;
}

static bool load_series(struct store *s, const struct command *c, const struct series_line *l)
{
    struct sample *samples = calloc(l->n + 1, sizeof(*samples));
    struct append batch;
    struct append_counts counts = {0};
    size_t n = 0;
    for (size_t i = 0; samples && i < l->n; i++) {
        uint64_t bits = STALE_BITS;
        if (l->items[i].kind == ITEM_GAP)
            continue;
        if (l->items[i].kind == ITEM_FLOAT)
            memcpy(&bits, &l->items[i].v, sizeof(bits));
        samples[n++] = (struct sample){(int64_t)i * c->step_ms, bits};
    }
    append_begin(&batch, s->db);
    int err = n > 0 ? append_samples(&batch, &l->labels, samples, n, &counts) : 0;
    append_end(&batch);
    free(samples);
    return samples && err == 0;
}

/* Of lines for the same series the last counts. */
static bool is_overwritten(const struct command *c, size_t i)
{
    for (size_t k = i + 1; k < c->n_series; k++)
        if (!c->series[k].has_start_times &&
            labels_compare(&c->series[i].labels, &c->series[k].labels) == 0)
            return true;
    return false;
}

bool store_load(struct store *s, const struct command *c, const char **ret_error)
{
    bool is_good = true;
    *ret_error = "the store refused a sample";
    for (size_t i = 0; i < c->n_series && is_good; i++) {
        const struct series_line *l = &c->series[i];
        if (!l->has_start_times && is_overwritten(c, i))
            continue;
        if (l->has_start_times || l->has_histograms)
            is_good = add_absent(s, l->has_start_times ? ABSENT_START_TIMES : ABSENT_HISTOGRAM,
                                 &l->labels);
        else
            is_good = load_series(s, c, l) && (!c->has_nhcb || add_nhcb(s, &l->labels));
    }
    return is_good;
}

enum absent_kind store_absent(const struct store *s, const struct matcher_set *set)
{
    for (const struct absent_series *a = s->absent; a; a = a->next) {
        bool is_match = true;
        for (size_t i = 0; i < set->n && is_match; i++) {
            const struct matcher *m = &set->items[i];
            const struct label *l = labels_get(&a->labels, m->name, m->name_len);
            is_match = matcher_matches(m, l ? l->value : "", l ? l->value_len : 0);
        }
        if (is_match)
            return a->kind;
    }
    return ABSENT_NONE;
}
