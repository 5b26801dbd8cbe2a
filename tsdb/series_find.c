/* Finding series by their keys.
 *
 * A lookup reads a line of the table, the entry of the table of ids, and then the record, each
 * known only when the one before has come. In a store of any size they are not in the cache, and
 * one lookup waits for them one after the other. A request asks for hundreds of series at once, so
 * they are taken in groups that go through these steps together: each step asks for what the next
 * one will read, for all of the group, and by the time the next one begins, most of it is there.
 *
 * A hit is trusted: docs/decisions/0013-keyed-forms.md. Labels are compared nowhere.
 *
 * Aliases. A form that is not the canonical one gets an entry of its own, so that the next request
 * finds it at once. Who writes forms anew each time (labels in another order, a length in one byte
 * more) must not fill the table: a series has SERIES_ALIASES_MAX of them, other forms are parsed
 * each time. No table says which keys are a series' aliases, so those of one that goes stay; its id
 * leads nowhere and is not used again. They are counted, and when they are an eighth of the
 * aliases, each series that goes sweeps a segment of those.
 *
 * They have a table of their own. A sender of remote write 2.0 finds all of its series by aliases,
 * and of lines with both kinds of keys half of what comes from memory would be for nobody.
 *
 * Rejected: comparing labels after the hit, as we did with 32 bits of hash: a dozen lines of memory
 * for each lookup. Handles of records in the table instead of ids: they move, and an id is
 * checked for free.
 */
#include "tsdb/series.h"

enum {
    GROUP = LINES_SEARCH_MAX,
    STALE_SHARE = 8, /* of the aliases at most, before they are swept */
};

/* The bits of a key that are kept: 96 of them. */
static inline struct lines_key kept_of(struct series_key key)
{
    return (struct lines_key){key.lo, (uint32_t)key.hi};
}

static slot find_in(const struct arena *a, const struct series_index *x, const struct lines *l,
                    struct series_key key)
{
    uint32_t id = l->n > 0 ? lines_find(a, l, kept_of(key), NULL, NULL) : 0;
    return id != 0 ? series_of_id(a, x, id) : 0;
}

slot series_find_labels(const struct arena *a, const struct series_index *x, struct series_key key)
{
    return find_in(a, x, &x->by_key, key);
}

slot series_find(const struct arena *a, const struct series_index *x, struct series_key key)
{
    slot found = find_in(a, x, &x->by_key, key);
    return found != 0 ? found : find_in(a, x, &x->by_alias, key);
}

/* Lookups that take a step together. */
struct group {
    const struct lines *first, *second; /* tables; NULL = none */
    struct lines_search search;
    const slot *entries[GROUP]; /* of the table of ids */
};

/* Hashes, and asks for the lines where the keys should be. */
static void ask_group(const struct arena *a, const struct series_index *x, struct series_wanted *w,
                      uint32_t n, struct group *g)
{
    g->search.n = n;
    for (uint32_t i = 0; i < n; i++) {
        if (w[i].form != NULL)
            w[i].key = series_key_of_form(&x->hash, w[i].form, w[i].n_form);
        g->search.keys[i] = kept_of(w[i].key);
    }
    lines_ask(a, g->first, &g->search);
}

/* Looks there, and asks for the entries of the ids; nothing has the id 0. */
static void look_group(const struct arena *a, const struct series_index *x, struct group *g)
{
    const struct table by_id = x->by_id; /* the compiler sees that it does not change */
    lines_answer(a, g->first, &g->search);
    for (uint32_t i = 0; i < g->search.n; i++) {
        if (g->search.ids[i] == 0 && g->second != NULL && g->second->n > 0)
            g->search.ids[i] = lines_find(a, g->second, g->search.keys[i], NULL, NULL);
        g->entries[i] = table_at(a, &by_id, g->search.ids[i]);
        __builtin_prefetch(g->entries[i]);
    }
}

static void answer_group(const struct group *g, struct series_wanted *w)
{
    for (uint32_t i = 0; i < g->search.n; i++) {
        w[i].series = g->search.ids[i] != 0 ? *g->entries[i] : 0;
        w[i].id = w[i].series != 0 ? g->search.ids[i] : 0;
    }
}

/* Three groups are under way, each a step behind the one that follows it. */
void series_find_many(const struct arena *a, const struct series_index *x, struct series_wanted *w,
                      size_t n, bool are_aliases)
{
    struct group groups[3];
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        groups[g].first = are_aliases ? &x->by_alias : &x->by_key;
        groups[g].second = are_aliases ? NULL : &x->by_alias;
    }
    size_t n_groups = (n + GROUP - 1) / GROUP;
    for (size_t g = 0; g < n_groups + 2 && n > 0; g++) {
        if (g < n_groups)
            ask_group(a, x, w + g * GROUP, (uint32_t)size_min(n - g * GROUP, GROUP),
                      &groups[g % 3]);
        if (g >= 1 && g <= n_groups)
            look_group(a, x, &groups[(g - 1) % 3]);
        if (g >= 2)
            answer_group(&groups[(g - 2) % 3], w + (g - 2) * GROUP);
    }
}

void series_fetch_many(const struct arena *a, const struct series_wanted *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (w[i].series == 0)
            continue;
        const char *record = slot_ptr(a, w[i].series);
        __builtin_prefetch(record);
        __builtin_prefetch(record + sizeof(struct series) - 1);
    }
}

/* ---- keys come and go ---- */

void series_expect(struct arena *a, struct series_index *x, uint64_t n)
{
    lines_reserve(a, &x->by_key, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX);
}

void series_expect_none(struct arena *a, struct series_index *x)
{
    lines_fit(a, &x->by_key);
}

bool series_enter_key(struct arena *a, struct series_index *x, struct series_key key, uint32_t id)
{
    return lines_insert(a, &x->by_key, kept_of(key), id);
}

/* In the place of a stale one, if there is one. */
bool series_alias(struct arena *a, struct series_index *x, struct series_key key, slot series)
{
    struct series *s = series_at(a, series);
    struct series_state state = s->state;
    if (state.n_aliases >= SERIES_ALIASES_MAX)
        return true;
    uint32_t before = lines_find(a, &x->by_alias, kept_of(key), NULL, NULL);
    if (before != 0 && series_of_id(a, x, before) != 0)
        return true;
    if (before == 0 && !lines_insert(a, &x->by_alias, kept_of(key), s->id))
        return false;
    if (before != 0) {
        ENSURE(lines_replace(a, &x->by_alias, kept_of(key), before, s->id));
        x->n_stale--;
    }
    state.n_aliases++;
    words_store(&s->state, &state, sizeof(state));
    return true;
}

struct of_index { /* ctx of is_stale */
    const struct arena *arena;
    const struct series_index *index;
};

static bool is_stale(const void *ctx, uint32_t id)
{
    const struct of_index *of = ctx;
    return series_of_id(of->arena, of->index, id) == 0;
}

void series_leave_key(struct arena *a, struct series_index *x, struct series_key key, uint32_t id,
                      uint32_t n_aliases)
{
    struct of_index of = {a, x};
    ENSURE(lines_remove(a, &x->by_key, kept_of(key), id));
    x->n_stale += n_aliases;
    if (x->n_stale == x->by_alias.n) {
        lines_release(a, &x->by_alias);
        x->n_stale = 0;
    } else if (x->n_stale > x->by_alias.n / STALE_SHARE)
        x->n_stale -= lines_purge(a, &x->by_alias, &x->next_purge, is_stale, &of);
}

/* ---- checking ---- */

/* Entries are those of the series, and those of their aliases and stale ones. */
bool series_check_keys(const struct arena *a, const struct series_index *x)
{
    uint32_t n_stale = 0, n_aliases = 0, n_series = 0, id;
    if (!lines_check(a, &x->by_key, NULL, NULL) || !lines_check(a, &x->by_alias, NULL, NULL))
        return false;
    for (uint64_t at = 0; (id = lines_next(a, &x->by_key, &at)) != 0;)
        if (series_of_id(a, x, id) == 0)
            return false;
    for (uint64_t at = 0; (id = lines_next(a, &x->by_alias, &at)) != 0;)
        n_stale += series_of_id(a, x, id) == 0;
    for (uint64_t of = 1; of < x->next_id; of++) {
        slot at = series_of_id(a, x, (uint32_t)of);
        n_series += at != 0;
        n_aliases += at != 0 ? series_at(a, at)->state.n_aliases : 0;
    }
    return n_stale == x->n_stale && x->by_key.n == n_series && x->by_alias.n == n_aliases + n_stale;
}
