/* Finding series by their labels.
 *
 * A lookup goes from the bucket to the record, from there to an entry of the table of ids for each
 * label, and from there to the pairs, whose texts are compared: a dozen lines of memory, each known
 * only when the one before has come. In a store of any size they are not in the cache, and one
 * lookup waits for them one after the other.
 *
 * A request asks for hundreds of series at once. So they are taken in groups that go through these
 * steps together: each step asks for what the next one will read, for all of the group, and by the
 * time the next one begins, most of it is there. Chains are walked on in two steps of their own;
 * few are longer. Groups of 16 to 64 are equally fast. Names are hashed and looked up once: the
 * next series has the same, and then only the values are compared.
 *
 * Rejected: trusting the hash. 32 bits are equal for some pair of 100,000 series; and 128, which no
 * sender could bring about without the key, would be 12 bytes a series more. */
#include "tsdb/series.h"
#include "tsdb/text.h"

enum {
    GROUP = 32,      /* lookups under way at once */
    CHAIN_STEPS = 2, /* records of a chain that are waited for together */
    LINE_BYTES = 64,
};

struct labels_key {
    const struct arena *arena;
    const struct series_index *series;
    const struct label_index *index;
    const struct labels *labels;
};

static bool has_labels(const void *ctx, const struct hash_node *record)
{
    const struct labels_key *key = ctx;
    const struct series *s = (const struct series *)record;
    struct label_row row;
    series_row(key->arena, key->series, s->id, &row);
    if (row.n != key->labels->n)
        return false;
    for (uint32_t i = 0; i < key->labels->n; i++) {
        const struct label *l = &key->labels->items[i];
        const struct label kept = label_index_label(key->arena, key->index, row.pairs[i]);
        if (kept.value_len != l->value_len || kept.name_len != l->name_len ||
            !texts_are_equal(kept.value, l->value, l->value_len) ||
            !texts_are_equal(kept.name, l->name, l->name_len))
            return false;
    }
    return true;
}

slot series_find(const struct arena *a, const struct series_index *x, const struct label_index *li,
                 const struct labels *ls, uint64_t hash)
{
    struct labels_key key = {a, x, li, ls};
    return hash_find(a, &x->by_labels, (uint32_t)hash, has_labels, &key);
}

/* ---- many at once ---- */

/* A name that the request has used: its series have the same few, at the same places. */
struct known_name {
    const char *text; /* NULL = an empty place */
    uint32_t len;
    uint32_t symbol; /* 0 = no series has it */
    struct text_words words;
    uint64_t hash;
};

struct search {
    const struct arena *arena;
    const struct series_index *series;
    const struct label_index *index;
    struct known_name names[LABELS_PER_SERIES_MAX];
    uint32_t symbols[GROUP][LABELS_PER_SERIES_MAX]; /* of the names of each lookup under way */
};

/* The i-th of a label set: mostly that of the one before. */
static inline const struct known_name *know_name(struct search *f, uint32_t i,
                                                 const struct label *l)
{
    bool is_short = l->name_len <= TEXT_WORDS_MAX;
    struct text_words words = text_words(l->name, is_short ? l->name_len : TEXT_WORDS_MAX);
    struct known_name *k = &f->names[i];
    bool is_it = k->text != NULL && k->len == l->name_len && text_words_equal(k->words, words) &&
                 (is_short || memcmp(k->text, l->name, l->name_len) == 0);
    if (!is_it) {
        k->text = l->name;
        k->len = l->name_len;
        k->words = words;
        k->hash = text_hash(l->name, l->name_len, 0);
        k->symbol = symbol_find(f->arena, &f->index->symbols, l->name, l->name_len);
    }
    return k;
}

/* labels_hash, with what is known of the names. False when a name is nobody's. */
static bool hash_labels(struct search *f, struct series_wanted *w, uint32_t *ret_symbols)
{
    uint64_t h = 0;
    bool are_known = true;
    for (uint32_t i = 0; i < w->labels->n; i++) {
        const struct label *l = &w->labels->items[i];
        const struct known_name *k = know_name(f, i, l);
        h = labels_hash_step(h, k->hash, text_hash(l->value, l->value_len, 0));
        ret_symbols[i] = k->symbol;
        are_known &= k->symbol != 0;
    }
    w->hash = h;
    return are_known;
}

static void fetch(const struct arena *a, slot record, size_t n_bytes)
{
    const char *at = slot_ptr(a, record);
    for (size_t i = 0; i < n_bytes; i += LINE_BYTES)
        __builtin_prefetch(at + i);
    __builtin_prefetch(at + n_bytes - 1);
}

/* Walks the chains on to records with the right hash. */
static void follow_chains(const struct search *f, struct series_wanted *w, uint32_t n)
{
    for (unsigned step = 0; step <= CHAIN_STEPS; step++) {
        for (uint32_t i = 0; i < n; i++) {
            while (w[i].series != 0) {
                const struct hash_node *node = slot_ptr(f->arena, w[i].series);
                if (node->hash == (uint32_t)w[i].hash)
                    break;
                w[i].series = node->next;
                if (step < CHAIN_STEPS) {
                    if (node->next != 0)
                        fetch(f->arena, node->next, sizeof(struct series));
                    break;
                }
            }
        }
    }
}

/* Asks for the entries of ids, or for the pairs that they lead to. What a record with the same hash
 * and as many other labels leads to is asked for in vain. */
static void fetch_pairs(const struct search *f, const struct series_wanted *w, uint32_t n,
                        bool has_entries)
{
    const struct id_table *ids = &f->index->pairs.ids;
    for (uint32_t i = 0; i < n; i++) {
        if (w[i].series == 0)
            continue;
        struct label_row row;
        series_row(f->arena, f->series, series_at(f->arena, w[i].series)->id, &row);
        if (row.n != w[i].labels->n)
            continue;
        for (uint32_t k = 0; k < row.n; k++) {
            if (has_entries)
                fetch(f->arena, id_table_at(f->arena, ids, row.pairs[k]),
                      offsetof(struct pair, value) + w[i].labels->items[k].value_len);
            else
                __builtin_prefetch(id_table_entry(f->arena, ids, row.pairs[k]));
        }
    }
}

static bool is_found(const struct search *f, const struct series_wanted *w, const uint32_t *symbols)
{
    struct label_row row;
    series_row(f->arena, f->series, series_at(f->arena, w->series)->id, &row);
    if (row.n != w->labels->n)
        return false;
    for (uint32_t i = 0; i < w->labels->n; i++) {
        const struct label *l = &w->labels->items[i];
        const struct pair *pair = pair_at(f->arena, &f->index->pairs, row.pairs[i]);
        if (pair->name != symbols[i] || pair->n_bytes != l->value_len ||
            !texts_are_equal(pair->value, l->value, l->value_len))
            return false;
    }
    return true;
}

static void find_group(struct search *f, struct series_wanted *w, uint32_t n)
{
    const struct hash *by_labels = &f->series->by_labels;
    uint64_t known = 0; /* a bit for each that may be there */
    for (uint32_t i = 0; i < n; i++) {
        known |= (uint64_t)hash_labels(f, &w[i], f->symbols[i]) << i;
        hash_fetch(f->arena, by_labels, (uint32_t)w[i].hash);
    }
    for (uint32_t i = 0; i < n; i++) {
        w[i].series = known >> i & 1 ? hash_chain(f->arena, by_labels, (uint32_t)w[i].hash) : 0;
        if (w[i].series != 0)
            fetch(f->arena, w[i].series, sizeof(struct series));
    }
    follow_chains(f, w, n);
    fetch_pairs(f, w, n, false);
    fetch_pairs(f, w, n, true);
    for (uint32_t i = 0; i < n; i++)
        if (w[i].series != 0 && !is_found(f, &w[i], f->symbols[i])) /* equal hashes */
            w[i].series = series_find(f->arena, f->series, f->index, w[i].labels, w[i].hash);
}

void series_find_many(const struct arena *a, const struct series_index *x,
                      const struct label_index *li, struct series_wanted *w, size_t n)
{
    struct search f = {.arena = a, .series = x, .index = li};
    for (size_t from = 0; from < n; from += GROUP)
        find_group(&f, w + from, (uint32_t)size_min(n - from, GROUP));
}
