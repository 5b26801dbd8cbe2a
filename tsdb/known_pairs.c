#include "tsdb/known_pairs.h"
#include "tsdb/text.h"

_Static_assert(KNOWN_PAIRS - 1 <= UINT8_MAX, "an item's number fits its field");

static ALWAYS_INLINE bool is_label(const struct known_pair *k, const struct label *l)
{
    return k->n_name == l->name_len && k->n_value == l->value_len &&
           texts_are_equal(k->text + k->n_name, l->value, l->value_len) &&
           texts_are_equal(k->text, l->name, l->name_len);
}

static void __attribute__((noinline)) forget(struct known_pairs *k, uint64_t n_gone)
{
    for (uint32_t i = 0; i < KNOWN_PAIRS; i++)
        k->items[i].n_name = 0;
    memset(k->names, 0, sizeof(k->names));
    memset(k->last, 0, sizeof(k->last));
    memset(k->followers, 0, sizeof(k->followers));
    k->n_gone = n_gone;
}

/* The symbol of a name, or 0. */
static uint32_t find_name(struct known_pairs *k, const struct arena *a, const struct symbols *s,
                          const struct label *l, uint64_t hash)
{
    uint32_t *name = &k->names[hash >> (64 - KNOWN_NAMES_SHIFT)];
    const struct symbol *known = *name != 0 ? symbol_at(a, s, *name) : NULL;
    if (known == NULL || known->n_bytes != l->name_len ||
        !texts_are_equal(known->bytes, l->name, l->name_len))
        *name = symbol_find(a, s, l->name, l->name_len);
    return *name;
}

/* A pair that is not known, made if it is new; 0 without memory or ids. guess: looked at first, 0 =
 * there is none. */
static uint32_t find_pair(struct known_pairs *k, struct arena *a, struct pairs *p,
                          struct symbols *s, const struct label *l, uint64_t name_hash,
                          uint32_t guess)
{
    uint32_t name = find_name(k, a, s, l, name_hash);
    if (name == 0)
        return pair_intern(a, p, s, l);
    if (guess != 0 && pair_is(a, p, guess, name, l->value, l->value_len))
        return guess;
    uint32_t found = pair_find_of(a, p, name, l->value, l->value_len);
    return found != 0 ? found : pair_make_of(a, p, s, name, l->value, l->value_len);
}

static void learn(struct known_pair *k, const struct label *l, const struct made_pair *pair)
{
    k->n_name = 0;
    if (l->name_len > KNOWN_TEXT_BYTES || l->value_len > KNOWN_TEXT_BYTES - l->name_len)
        return;
    k->pair = *pair;
    k->n_name = (uint16_t)l->name_len;
    k->n_value = (uint16_t)l->value_len;
    memcpy(k->text, l->name, l->name_len);
    memcpy(k->text + l->name_len, l->value, l->value_len);
}

static uint64_t hash_of(const struct label *l, uint64_t *ret_name_hash)
{
    *ret_name_hash = text_hash(l->name, l->name_len, 0);
    return labels_hash_step(0, *ret_name_hash, text_hash(l->value, l->value_len, 0));
}

bool known_pair_find(struct known_pairs *k, struct arena *a, struct pairs *p, struct symbols *s,
                     uint32_t place, const struct label *l, struct made_pair *ret)
{
    assert(l->name_len > 0 && place < LABELS_PER_SERIES_MAX);
    if (k->n_gone != p->n_gone)
        forget(k, p->n_gone);
    uint64_t name_hash, hash = hash_of(l, &name_hash);
    uint32_t *follower = &k->followers[k->last[place] % KNOWN_FOLLOWERS];
    uint32_t id = find_pair(k, a, p, s, l, name_hash, *follower);
    if (id == 0)
        return false;
    *ret = (struct made_pair){pair_postings(a, p, id), hash, id};
    *follower = k->last[place] = id;
    return true;
}

/* A pair that is not the one before: apart, so that the other way needs few registers. */
static bool __attribute__((noinline))
get_other(struct known_pairs *k, struct arena *a, struct pairs *p, struct symbols *s,
          uint32_t place, const struct label *l, struct made_pair *ret)
{
    uint64_t name_hash, hash = hash_of(l, &name_hash);
    k->at_place[place] = (uint8_t)(hash >> (64 - KNOWN_PAIRS_SHIFT));
    struct known_pair *known = &k->items[k->at_place[place]];
    uint32_t *follower = &k->followers[k->last[place] % KNOWN_FOLLOWERS];
    if (is_label(known, l)) {
        *ret = known->pair;
    } else {
        uint32_t id = find_pair(k, a, p, s, l, name_hash, *follower);
        if (id == 0)
            return false;
        *ret = (struct made_pair){pair_postings(a, p, id), hash, id};
        learn(known, l, ret);
    }
    *follower = k->last[place] = ret->id;
    return true;
}

bool known_pair_get(struct known_pairs *k, struct arena *a, struct pairs *p, struct symbols *s,
                    uint32_t place, const struct label *l, struct made_pair *ret)
{
    assert(l->name_len > 0 && place < LABELS_PER_SERIES_MAX);
    if (k->n_gone != p->n_gone)
        forget(k, p->n_gone);
    const struct known_pair *before = &k->items[k->at_place[place]];
    if (!is_label(before, l))
        return get_other(k, a, p, s, place, l, ret);
    *ret = before->pair;
    return true;
}
