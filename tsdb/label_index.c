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

size_t label_index_free_bytes(const struct label_index *x)
{
    return kind_free_bytes(&x->symbols.records) + kind_free_bytes(&x->pairs.records) +
           kind_free_bytes(&x->pairs.names.records) + kind_free_bytes(&x->pairs.postings);
}

bool label_index_add_series(struct arena *a, struct label_index *x, uint32_t series)
{
    return postings_add(a, &x->pairs.postings, &x->all, POSTINGS_OF_ALL, series);
}

void label_index_remove_series(struct arena *a, struct label_index *x, uint32_t series)
{
    postings_remove(a, &x->pairs.postings, &x->all, series);
}

bool label_index_check(const struct arena *a, const struct label_index *x)
{
    size_t all_bytes = 0;
    return symbols_check(a, &x->symbols) &&
           postings_check(a, &x->all, POSTINGS_OF_ALL, &all_bytes) &&
           pairs_check(a, &x->pairs, &x->symbols, all_bytes);
}
