#include "tsdb/symbol.h"
#include "tsdb/labels.h"
#include "tsdb/store_limits.h"

#include <string.h>

struct text_key {
    const char *text;
    size_t n;
};

_Static_assert(sizeof(struct symbol) + LABEL_VALUE_BYTES_MAX <= KIND_BYTES_MAX, "the longest fits");

static bool has_text(const void *ctx, const struct hash_node *record)
{
    const struct text_key *key = ctx;
    const struct symbol *s = (const struct symbol *)record;
    return s->n_bytes == key->n && memcmp(s->bytes, key->text, key->n) == 0;
}

static uint32_t hash_of(const char *text, size_t n)
{
    return (uint32_t)bytes_hash(text, n, 0);
}

void symbols_init(struct symbols *s, unsigned owner_records, unsigned owner_tables)
{
    *s = (struct symbols){0};
    hash_init(&s->by_text, owner_tables);
    kind_init(&s->records, owner_records);
}

slot symbol_find(const struct arena *a, const struct symbols *s, const char *text, size_t n)
{
    struct text_key key = {text, n};
    return hash_find(a, &s->by_text, hash_of(text, n), has_text, &key);
}

slot symbol_intern(struct arena *a, struct symbols *s, const char *text, size_t n)
{
    assert(n <= LABEL_VALUE_BYTES_MAX);
    uint32_t h = hash_of(text, n);
    struct text_key key = {text, n};
    slot found = hash_find(a, &s->by_text, h, has_text, &key);
    if (found != 0) {
        symbol_keep(a, found);
        return found;
    }
    slot made = kind_get(a, &s->records, sizeof(struct symbol) + n);
    if (made == 0)
        return 0;
    struct symbol *symbol = symbol_at(a, made);
    *symbol = (struct symbol){.n_refs = 1, .n_bytes = (uint32_t)n};
    memcpy(symbol->bytes, text, n);
    if (!hash_insert(a, &s->by_text, made, h)) {
        kind_put(a, &s->records, made, sizeof(struct symbol) + n);
        return 0;
    }
    s->n++;
    s->n_text_bytes += n;
    return made;
}

void symbol_keep(struct arena *a, slot symbol)
{
    symbol_at(a, symbol)->n_refs++;
}

void symbol_drop(struct arena *a, struct symbols *s, slot symbol)
{
    struct symbol *record = symbol_at(a, symbol);
    assert(record->n_refs > 0);
    if (--record->n_refs > 0)
        return;
    assert(record->n_pairs == 0);
    s->n--;
    s->n_text_bytes -= record->n_bytes;
    hash_remove(a, &s->by_text, symbol);
    kind_put(a, &s->records, symbol, sizeof(struct symbol) + record->n_bytes);
}

bool symbols_check(const struct arena *a, const struct symbols *s)
{
    return s->n == s->by_text.n_items && hash_check(a, &s->by_text) && kind_check(a, &s->records);
}
