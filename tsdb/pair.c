#include "tsdb/pair.h"
#include "tsdb/store_limits.h"
#include "tsdb/text.h"
#include "tsdb/varint.h"

#include <string.h>

enum { NAME_BYTES_MAX = 5 }; /* of its varint */

_Static_assert(NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX <= STRINGS_BYTES_MAX, "the longest fits");

/* A pair that is sought, in the form in which it is kept. */
struct pair_key {
    const struct arena *arena;
    const struct pairs *pairs;
    uint8_t name[VARINT_BYTES_MAX];
    size_t n_name;
    const char *value;
    size_t n;
    struct lines_key hash;
};

static struct lines_key hash_of(uint32_t name, const char *value, size_t n)
{
    return (struct lines_key){.high = text_hash(value, n, name)};
}

static struct pair_key key_of(const struct arena *a, const struct pairs *p, uint32_t name,
                              const char *value, size_t n)
{
    struct pair_key key = {
        .arena = a, .pairs = p, .value = value, .n = n, .hash = hash_of(name, value, n)};
    key.n_name = varint_put(key.name, name);
    return key;
}

static bool has_text(const void *ctx, uint32_t id)
{
    const struct pair_key *key = ctx;
    struct bytes text = strings_at(key->arena, &key->pairs->texts, id);
    return text.n == key->n_name + key->n &&
           texts_are_equal(text.at, (const char *)key->name, key->n_name) &&
           texts_are_equal(text.at + key->n_name, key->value, key->n);
}

bool pair_is(const struct arena *a, const struct pairs *p, uint32_t pair, uint32_t symbol,
             const char *value, size_t value_len)
{
    struct pair_key key = {.arena = a, .pairs = p, .value = value, .n = value_len};
    key.n_name = varint_put(key.name, symbol);
    return has_text(&key, pair);
}

static bool read_pair(struct bytes text, struct pair *ret)
{
    uint64_t name;
    const uint8_t *at = (const uint8_t *)text.at, *end = at + text.n;
    if (!varint_get_shortest(&at, end, &name) || name > UINT32_MAX)
        return false;
    *ret = (struct pair){(uint32_t)name, (uint32_t)(end - at), (const char *)at};
    return true;
}

struct pair pair_at(const struct arena *a, const struct pairs *p, uint32_t id)
{
    struct pair pair;
    bool is_good = read_pair(strings_at(a, &p->texts, id), &pair);
    ENSURE(is_good);
    return pair;
}

size_t pair_bytes(const struct arena *a, const struct pairs *p, uint32_t id)
{
    return strings_at(a, &p->texts, id).n + 1;
}

void pairs_init(struct pairs *p, unsigned owner_records, unsigned owner_postings,
                unsigned owner_tables)
{
    *p = (struct pairs){0};
    strings_init(&p->texts, owner_records, owner_tables);
    lines_init(&p->by_label, LINES_TAGGED, owner_tables);
    label_names_init(&p->names, owner_records, owner_tables);
    table_init(&p->sets, sizeof(struct postings), owner_postings);
    kind_init(&p->postings, owner_postings);
}

void pairs_release(struct arena *a, struct pairs *p)
{
    strings_release(a, &p->texts);
    lines_release(a, &p->by_label);
    label_names_release(a, &p->names);
    table_release(a, &p->sets);
    kind_drop(a, &p->postings);
    p->n_gone += p->n;
    p->n = 0;
    p->n_text_bytes = 0;
}

static uint32_t find_key(const struct pair_key *key)
{
    return lines_find(key->arena, &key->pairs->by_label, key->hash, has_text, key);
}

static uint32_t add_text(struct arena *a, struct pairs *p, const struct pair_key *key)
{
    char text[NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX];
    memcpy(text, key->name, key->n_name);
    memcpy(text + key->n_name, key->value, key->n);
    uint32_t id = strings_add(a, &p->texts, text, key->n_name + key->n);
    if (id < POSTINGS_OF_NAME)
        return id;
    strings_remove(a, &p->texts, id);
    return 0;
}

/* Makes a pair, which takes over the reference to its name; 0 (and the reference stays the
 * caller's) without memory. */
static uint32_t pair_new(struct arena *a, struct pairs *p, uint32_t name,
                         const struct pair_key *key)
{
    uint32_t id = add_text(a, p, key);
    if (id == 0)
        return 0;
    if (table_hold(a, &p->sets, id) == NULL)
        goto remove_text;
    if (!lines_insert(a, &p->by_label, key->hash, id))
        goto drop_set;
    if (!label_name_add(a, &p->names, &p->postings, POSTINGS_OF_NAME | name, name, id))
        goto leave_hash;
    p->n++;
    p->n_text_bytes += key->n;
    return id;
leave_hash:
    ENSURE(lines_remove(a, &p->by_label, key->hash, id));
drop_set:
    table_drop(a, &p->sets, id);
remove_text:
    strings_remove(a, &p->texts, id);
    return 0;
}

uint32_t pair_intern(struct arena *a, struct pairs *p, struct symbols *s, const struct label *l)
{
    assert(l->value_len <= LABEL_VALUE_BYTES_MAX);
    uint32_t name = symbol_intern(a, s, l->name, l->name_len);
    if (name == 0)
        return 0;
    struct pair_key key = key_of(a, p, name, l->value, l->value_len);
    uint32_t found = find_key(&key);
    if (found == 0) {
        uint32_t made = pair_new(a, p, name, &key);
        if (made != 0)
            return made;
    }
    symbol_drop(a, s, name);
    return found;
}

uint32_t pair_find(const struct arena *a, const struct pairs *p, const struct symbols *s,
                   const char *name, size_t name_len, const char *value, size_t value_len)
{
    uint32_t symbol = symbol_find(a, s, name, name_len);
    return symbol != 0 ? pair_find_of(a, p, symbol, value, value_len) : 0;
}

uint32_t pair_find_of(const struct arena *a, const struct pairs *p, uint32_t symbol,
                      const char *value, size_t value_len)
{
    struct pair_key key = key_of(a, p, symbol, value, value_len);
    return find_key(&key);
}

uint32_t pair_make_of(struct arena *a, struct pairs *p, struct symbols *s, uint32_t symbol,
                      const char *value, size_t value_len)
{
    assert(value_len <= LABEL_VALUE_BYTES_MAX);
    struct pair_key key = key_of(a, p, symbol, value, value_len);
    uint32_t made = pair_new(a, p, symbol, &key);
    if (made != 0)
        symbol_keep(a, s, symbol);
    return made;
}

void pair_drop_if_unused(struct arena *a, struct pairs *p, struct symbols *s, uint32_t id)
{
    if (pair_postings(a, p, id)->n > 0)
        return;
    struct pair pair = pair_at(a, p, id);
    p->n--;
    p->n_gone++;
    p->n_text_bytes -= pair.n_bytes;
    label_name_remove(a, &p->names, &p->postings, pair.name, id);
    ENSURE(lines_remove(a, &p->by_label, hash_of(pair.name, pair.value, pair.n_bytes), id));
    table_drop(a, &p->sets, id);
    strings_remove(a, &p->texts, id);
    symbol_drop(a, s, pair.name);
}

bool pair_add_series(struct arena *a, struct pairs *p, uint32_t pair, struct postings *set,
                     uint32_t series)
{
    return postings_add(a, &p->postings, set, pair, series);
}

void pair_remove_series(struct arena *a, struct pairs *p, uint32_t pair, uint32_t series)
{
    postings_remove(a, &p->postings, pair_postings(a, p, pair), series);
}

struct label pair_label(const struct arena *a, const struct pairs *p, const struct symbols *s,
                        uint32_t id)
{
    struct pair pair = pair_at(a, p, id);
    const struct symbol *name = symbol_at(a, s, pair.name);
    return (struct label){name->bytes, pair.value, name->n_bytes, pair.n_bytes};
}

struct postings *pair_postings_of(const struct arena *a, const struct pairs *p, uint32_t owner)
{
    if ((owner & POSTINGS_OF_NAME) == 0)
        return pair_postings(a, p, owner);
    struct label_name *name = label_name_find(a, &p->names, owner & ~POSTINGS_OF_NAME);
    return name != NULL ? &name->pairs : NULL;
}

/* ---- the check ---- */

static bool names_are_good(const struct arena *a, const struct pairs *p, size_t *sum_bytes)
{
    uint64_t n = 0;
    for (slot at = 0; (at = hash_next(a, &p->names.by_symbol, at)) != 0;) {
        const struct label_name *name = slot_ptr(a, at);
        if (!postings_check(a, &name->pairs, POSTINGS_OF_NAME | name->symbol, sum_bytes))
            return false;
        n += name->pairs.n;
    }
    return n == p->n;
}

static bool sets_are_good(const struct arena *a, const struct pairs *p)
{
    uint64_t n = 0;
    uint32_t n_leaves = 0;
    for (uint64_t first = 0; n_leaves < p->sets.n_pages && n < p->n && first <= UINT32_MAX;
         first += p->sets.per_leaf) {
        uint32_t n_held = table_held(a, &p->sets, first);
        n += n_held;
        n_leaves += n_held > 0;
    }
    return n == p->n;
}

struct of_pairs { /* ctx of has_hash */
    const struct arena *arena;
    const struct pairs *pairs;
};

static bool has_hash(const void *ctx, uint32_t id, struct lines_key key)
{
    const struct of_pairs *of = ctx;
    struct pair pair;
    if (!strings_has(of->arena, &of->pairs->texts, id) ||
        !read_pair(strings_at(of->arena, &of->pairs->texts, id), &pair))
        return false;
    uint64_t hash = hash_of(pair.name, pair.value, pair.n_bytes).high;
    return (hash ^ key.high) >> 40 == 0; /* the 24 bits that are kept */
}

/* It is found by its text, and its name and its set are there. */
static bool pair_is_good(const struct arena *a, const struct pairs *p, uint32_t id,
                         size_t *sum_bytes, uint64_t *sum_text)
{
    struct pair pair;
    if (!read_pair(strings_at(a, &p->texts, id), &pair))
        return false;
    struct pair_key key = key_of(a, p, pair.name, pair.value, pair.n_bytes);
    const struct label_name *name = label_name_find(a, &p->names, pair.name);
    *sum_text += pair.n_bytes;
    return name != NULL && postings_contains(a, &name->pairs, id) && find_key(&key) == id &&
           pair_postings(a, p, id) != NULL &&
           postings_check(a, pair_postings(a, p, id), id, sum_bytes);
}

bool pairs_check(const struct arena *a, const struct pairs *p, const struct symbols *s,
                 size_t all_bytes)
{
    struct of_pairs of = {a, p};
    if (p->n != p->texts.n || p->n != p->by_label.n || !strings_check(a, &p->texts) ||
        !lines_check(a, &p->by_label, has_hash, &of) || !kind_check(a, &p->postings) ||
        !label_names_check(a, &p->names))
        return false;
    uint64_t n_text = 0;
    size_t bytes = all_bytes;
    for (uint32_t id = 0; (id = strings_next(a, &p->texts, id)) != 0;)
        if (!pair_is_good(a, p, id, &bytes, &n_text))
            return false;
    return names_are_good(a, p, &bytes) && sets_are_good(a, p) &&
           bytes == kind_used_bytes(&p->postings) && n_text == p->n_text_bytes &&
           p->n == symbols_refs(a, s);
}
