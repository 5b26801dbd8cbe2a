#include "tsdb/symbol.h"
#include "tsdb/labels.h"
#include "tsdb/store_limits.h"

#include <stddef.h>
#include <string.h>

struct text_key {
    const char *text;
    size_t n;
};

/* The text starts where the last field ends, not where the padded struct does. */
static size_t record_bytes(size_t n_text)
{
    return offsetof(struct symbol, bytes) + n_text;
}

_Static_assert(offsetof(struct symbol, bytes) + LABEL_VALUE_BYTES_MAX <= KIND_BYTES_MAX,
               "the longest fits");
_Static_assert(LABEL_VALUE_BYTES_MAX <= UINT16_MAX && LABEL_NAME_BYTES_MAX <= UINT16_MAX,
               "a length fits its field");

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
    id_table_init(&s->ids, owner_tables);
    kind_init(&s->records, owner_records);
}

void symbols_release(struct arena *a, struct symbols *s)
{
    hash_release(a, &s->by_text);
    id_table_release(a, &s->ids);
    kind_drop(a, &s->records);
    s->n = 0;
    s->n_text_bytes = 0;
}

static uint32_t find_hashed(const struct arena *a, const struct symbols *s, uint32_t hash,
                            const char *text, size_t n)
{
    struct text_key key = {text, n};
    slot found = hash_find(a, &s->by_text, hash, has_text, &key);
    return found != 0 ? ((const struct symbol *)slot_ptr(a, found))->id : 0;
}

uint32_t symbol_find(const struct arena *a, const struct symbols *s, const char *text, size_t n)
{
    return find_hashed(a, s, hash_of(text, n), text, n);
}

static uint32_t symbol_new(struct arena *a, struct symbols *s, uint32_t hash, const char *text,
                           size_t n)
{
    slot made = kind_get(a, &s->records, record_bytes(n));
    if (made == 0)
        return 0;
    uint32_t id = id_table_get(a, &s->ids, made);
    if (id == 0)
        goto put_record;
    struct symbol *symbol = slot_ptr(a, made);
    symbol->id = id;
    symbol->n_refs = 1;
    symbol->n_bytes = (uint16_t)n;
    memcpy(symbol->bytes, text, n);
    if (!hash_insert(a, &s->by_text, made, hash))
        goto put_id;
    s->n++;
    s->n_text_bytes += n;
    return id;
put_id:
    id_table_put(a, &s->ids, id);
put_record:
    kind_put(a, &s->records, made, record_bytes(n));
    return 0;
}

uint32_t symbol_intern(struct arena *a, struct symbols *s, const char *text, size_t n)
{
    assert(n <= LABEL_VALUE_BYTES_MAX);
    uint32_t hash = hash_of(text, n);
    uint32_t found = find_hashed(a, s, hash, text, n);
    if (found == 0)
        return symbol_new(a, s, hash, text, n);
    symbol_keep(a, s, found);
    return found;
}

void symbol_keep(struct arena *a, struct symbols *s, uint32_t symbol)
{
    symbol_at(a, s, symbol)->n_refs++;
}

void symbol_drop(struct arena *a, struct symbols *s, uint32_t id)
{
    slot at = id_table_at(a, &s->ids, id);
    struct symbol *symbol = slot_ptr(a, at);
    assert(symbol->n_refs > 0);
    if (--symbol->n_refs > 0)
        return;
    s->n--;
    s->n_text_bytes -= symbol->n_bytes;
    hash_remove(a, &s->by_text, at);
    id_table_put(a, &s->ids, id);
    kind_put(a, &s->records, at, record_bytes(symbol->n_bytes));
}

size_t symbol_slot_bytes(const struct symbol *s)
{
    return kind_slot_bytes(record_bytes(s->n_bytes));
}

bool symbol_move(void *ctx, slot from, slot to)
{
    const struct symbol_mover *m = ctx;
    const struct symbol *moved = slot_ptr(m->arena, to);
    hash_replace(m->arena, &m->symbols->by_text, from, to);
    id_table_move(m->arena, &m->symbols->ids, moved->id, to);
    return true;
}

uint64_t symbols_refs(const struct arena *a, const struct symbols *s)
{
    uint64_t n = 0;
    for (slot at = 0; (at = hash_next(a, &s->by_text, at)) != 0;)
        n += ((const struct symbol *)slot_ptr(a, at))->n_refs;
    return n;
}

static bool recount(const struct arena *a, const struct symbols *s)
{
    uint64_t n_text = 0;
    size_t n_bytes = 0;
    for (slot at = 0; (at = hash_next(a, &s->by_text, at)) != 0;) {
        const struct symbol *symbol = slot_ptr(a, at);
        if (symbol->n_refs == 0 || symbol->node.hash != hash_of(symbol->bytes, symbol->n_bytes))
            return false;
        n_text += symbol->n_bytes;
        n_bytes += kind_slot_bytes(record_bytes(symbol->n_bytes));
    }
    return n_text == s->n_text_bytes && n_bytes == kind_used_bytes(&s->records);
}

bool symbols_check(const struct arena *a, const struct symbols *s)
{
    return s->n == s->by_text.n_items && hash_check(a, &s->by_text) && kind_check(a, &s->records) &&
           id_table_check(a, &s->ids, &s->by_text, offsetof(struct symbol, id)) && recount(a, s);
}
