#include "tsdb/label_index.h"

void label_index_init(struct label_index *x, const struct label_index_owners *o)
{
    *x = (struct label_index){0};
    symbols_init(&x->symbols, o->symbols, o->tables);
    pairs_init(&x->pairs, o->pairs, o->postings, o->tables);
}

void label_index_release(struct arena *a, struct label_index *x)
{
    symbols_release(a, &x->symbols);
    pairs_release(a, &x->pairs);
    x->all = (struct postings){0};
}

struct label_index_bytes label_index_free_bytes(const struct label_index *x)
{
    return (struct label_index_bytes){
        .symbols = kind_free_bytes(&x->symbols.records),
        .pairs = kind_free_bytes(&x->pairs.texts.slots) + kind_free_bytes(&x->pairs.names.records),
        .postings = kind_free_bytes(&x->pairs.postings),
    };
}

bool label_index_add_series(struct arena *a, struct label_index *x, uint32_t series)
{
    return postings_add(a, &x->pairs.postings, &x->all, POSTINGS_OF_ALL, series);
}

void label_index_remove_series(struct arena *a, struct label_index *x, uint32_t series)
{
    postings_remove(a, &x->pairs.postings, &x->all, series);
}

/* ---- moving ---- */

struct place {
    struct arena *arena;
    struct label_index *index;
};

static struct postings *set_of(void *ctx, uint32_t owner)
{
    const struct place *p = ctx;
    if (owner == POSTINGS_OF_ALL)
        return &p->index->all;
    return pair_postings_of(p->arena, &p->index->pairs, owner);
}

size_t label_index_compact(struct arena *a, struct label_index *x, size_t max_records)
{
    struct place place = {a, x};
    struct symbol_mover symbols = {a, &x->symbols};
    struct label_name_mover names = {a, &x->pairs.names};
    struct strings_mover pairs = {a, &x->pairs.texts};
    struct postings_mover postings = {a, set_of, &place};
    const struct {
        struct kind *kind;
        kind_move move;
        void *ctx;
    } jobs[] = {
        {&x->pairs.postings, postings_move, &postings},
        {&x->pairs.texts.slots, strings_move, &pairs},
        {&x->symbols.records, symbol_move, &symbols},
        {&x->pairs.names.records, label_name_move, &names},
    };
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(jobs) && n < max_records; i++)
        n += kind_compact(a, jobs[i].kind, NULL, jobs[i].move, jobs[i].ctx, max_records - n);
    return n;
}

bool label_index_check(const struct arena *a, const struct label_index *x)
{
    size_t all_bytes = 0;
    return symbols_check(a, &x->symbols) &&
           postings_check(a, &x->all, POSTINGS_OF_ALL, &all_bytes) &&
           pairs_check(a, &x->pairs, &x->symbols, all_bytes);
}
