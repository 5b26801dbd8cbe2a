/* Matchers against the index.
 *
 * One matcher gives the candidates: the = with the fewest series, else the first that a missing
 * label does not satisfy (the union of its values' postings), else all series. The others are asked
 * per candidate, on the row of its pairs: an = compares ids, the rest evaluate a value once and
 * remember the answer per pair. So a selective metric name makes a query cheap whatever else it
 * says, and an expression is run over distinct values, not over series.
 */
#include "tsdb/id_set.h"
#include "tsdb/store.h"

enum { MEMO_SLOTS = 256 }; /* as the hash in passes() has it */

struct filter {
    const struct matcher *matcher;
    uint32_t name;      /* the name's symbol, or 0: no series has the label */
    bool takes_missing; /* the answer for series without the label */
    struct {
        uint32_t pair; /* 0 = empty */
        bool is_match;
    } memo[MEMO_SLOTS];
};

static uint32_t matcher_pair(const struct tsdb *db, const struct matcher *m)
{
    return pair_find(db->arena, &db->labels.pairs, &db->labels.symbols, m->name, m->name_len,
                     m->value, m->value_len);
}

static bool pair_matches(const struct tsdb *db, const struct matcher *m, uint32_t pair)
{
    struct pair p = store_pair(db, pair);
    return matcher_matches(m, p.value, p.n_bytes);
}

/* ---- candidates ---- */

struct base {
    size_t matcher; /* which of the set gives the candidates; set->n = none of them */
    const struct postings
        *postings;   /* of an =, or of all series; NULL = a union over the matcher's label */
    bool is_nothing; /* an = that no series satisfies */
};

static struct base choose_base(const struct tsdb *db, const struct matcher_set *set)
{
    struct base best = {.matcher = set->n, .postings = &db->labels.all};
    for (size_t i = 0; i < set->n; i++) {
        const struct matcher *m = &set->items[i];
        if (matcher_matches_empty(m))
            continue;
        if (m->kind != MATCH_EQUAL) {
            if (best.matcher == set->n)
                best = (struct base){.matcher = i};
            continue;
        }
        uint32_t pair = matcher_pair(db, m);
        if (pair == 0)
            return (struct base){.is_nothing = true};
        const struct postings *p = store_postings(db, pair);
        bool is_first_equal = best.matcher == set->n || best.postings == NULL;
        if (is_first_equal || p->n < best.postings->n)
            best = (struct base){.matcher = i, .postings = p};
    }
    return best;
}

static bool list_postings(const struct tsdb *db, const struct postings *p, struct region *r,
                          uint32_t **ret, size_t *ret_n)
{
    *ret_n = p->n;
    *ret = region_alloc(r, p->n * sizeof(**ret));
    if (*ret != NULL)
        postings_list(db->arena, p, *ret);
    return *ret != NULL;
}

static bool add_matching(const struct tsdb *db, const struct matcher *m,
                         const struct label_name *name, struct region *r, struct id_set *ids)
{
    struct region_mark mark = region_mark(r);
    uint32_t *pairs;
    size_t n_pairs;
    if (!list_postings(db, &name->pairs, r, &pairs, &n_pairs))
        return false;
    for (size_t k = 0; k < n_pairs; k++) {
        struct region_mark mark_of_pair = region_mark(r);
        uint32_t *some;
        size_t n;
        if (!pair_matches(db, m, pairs[k]))
            continue;
        if (!list_postings(db, store_postings(db, pairs[k]), r, &some, &n))
            return false;
        for (size_t i = 0; i < n; i++)
            id_set_add(ids, some[i]);
        region_rewind(r, mark_of_pair);
    }
    region_rewind(r, mark);
    return true;
}

/* The series that have any of the values which match. */
static bool list_union(const struct tsdb *db, const struct matcher *m, struct region *r,
                       uint32_t **ret, size_t *ret_n)
{
    struct id_set ids;
    if (!id_set_init(&ids, r, db->series.next_id))
        return false;
    uint32_t symbol = symbol_find(db->arena, &db->labels.symbols, m->name, m->name_len);
    const struct label_name *name =
        symbol != 0 ? label_name_find(db->arena, &db->labels.pairs.names, symbol) : NULL;
    if (name != NULL && !add_matching(db, m, name, r, &ids))
        return false;
    *ret_n = ids.n;
    return id_set_list(&ids, r, ret);
}

/* ---- filters ---- */

static uint32_t pair_of_name(const struct tsdb *db, const struct label_row *row, uint32_t name)
{
    for (uint32_t i = 0; i < row->n; i++)
        if (store_pair(db, row->pairs[i]).name == name)
            return row->pairs[i];
    return 0;
}

static bool passes(const struct tsdb *db, struct filter *f, const struct label_row *row)
{
    uint32_t pair = f->name != 0 ? pair_of_name(db, row, f->name) : 0;
    if (pair == 0)
        return f->takes_missing;
    size_t at = (pair * 2654435761u) >> 24; /* Knuth's multiplicative hash, 8 bits of it */
    if (f->memo[at].pair != pair) {
        f->memo[at].pair = pair;
        f->memo[at].is_match = pair_matches(db, f->matcher, pair);
    }
    return f->memo[at].is_match;
}

static struct filter *make_filters(const struct tsdb *db, const struct matcher_set *set, size_t but,
                                   struct region *r, size_t *ret_n)
{
    struct filter *filters = region_calloc(r, set->n, sizeof(*filters));
    *ret_n = 0;
    for (size_t i = 0; filters != NULL && i < set->n; i++) {
        const struct matcher *m = &set->items[i];
        if (i == but)
            continue;
        struct filter *f = &filters[(*ret_n)++];
        f->matcher = m;
        f->name = symbol_find(db->arena, &db->labels.symbols, m->name, m->name_len);
        f->takes_missing = matcher_matches_empty(m);
    }
    return filters;
}

static size_t keep_passing(const struct tsdb *db, struct filter *filters, size_t n_filters,
                           uint32_t *ids, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct label_row row;
        series_row(db->arena, &db->series, ids[i], &row);
        size_t k = 0;
        while (k < n_filters && passes(db, &filters[k], &row))
            k++;
        if (k == n_filters)
            ids[kept++] = ids[i];
    }
    return kept;
}

int store_select_locked(struct tsdb *db, const struct matcher_set *set, struct region *r,
                        uint32_t **ret, size_t *ret_n)
{
    struct base base = choose_base(db, set);
    *ret_n = 0;
    if (base.is_nothing)
        return 0;
    bool is_listed = base.postings != NULL
                         ? list_postings(db, base.postings, r, ret, ret_n)
                         : list_union(db, &set->items[base.matcher], r, ret, ret_n);
    size_t n_filters;
    struct filter *filters = is_listed ? make_filters(db, set, base.matcher, r, &n_filters) : NULL;
    if (filters == NULL)
        return ERR_NO_MEMORY;
    if (n_filters > 0)
        *ret_n = keep_passing(db, filters, n_filters, *ret, *ret_n);
    return matcher_set_has_failed(set) ? ERR_NO_MEMORY : 0;
}
