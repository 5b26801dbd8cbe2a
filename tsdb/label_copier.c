#include "tsdb/label_copier.h"

#include <string.h>

enum { LENT_FIRST_BYTES = 16 * 1024 };

_Static_assert(LABELS_PER_SERIES_MAX <= 64, "a bit for each");

void label_copier_begin(struct label_copier *c)
{
    c->sets.n = 0;
    if (c->texts.n <= COPIER_LENT_BYTES)
        return;
    c->texts.n = 0;
    memset(c->known, 0, sizeof(c->known));
}

static void *room_of(struct label_copier *c, struct copier_room *room, size_t bytes)
{
    if (!c->lends)
        return region_alloc(c->region, bytes);
    bytes = align_up(bytes, sizeof(void *));
    if (bytes > room->cap - room->n) { /* what is lent already stays where it is */
        size_t cap = size_max(size_max(2 * room->cap, bytes), LENT_FIRST_BYTES);
        char *more = region_alloc(c->region, cap);
        if (more == NULL)
            return NULL;
        *room = (struct copier_room){.bytes = more, .cap = cap};
    }
    room->n += bytes;
    return room->bytes + room->n - bytes;
}

static void copy_text(struct label *l, char *bytes)
{
    l->name = memcpy(bytes, l->name, l->name_len);
    l->value = memcpy(bytes + l->name_len, l->value, l->value_len);
}

/* The labels whose bits are in `fresh` are the store's: copies take their places. */
static bool copy_texts(struct label_copier *c, const struct label_row *row, uint64_t fresh,
                       size_t n_bytes, struct label *items)
{
    char *bytes = room_of(c, &c->texts, n_bytes);
    if (bytes == NULL)
        return false;
    for (; fresh != 0; fresh &= fresh - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(fresh), at = row->pairs[i] % COPIER_PAIRS;
        copy_text(&items[i], bytes);
        bytes += items[i].name_len + items[i].value_len;
        c->known[at].pair = row->pairs[i];
        c->known[at].copy = items[i];
    }
    return true;
}

bool label_copier_copy(struct label_copier *c, const struct arena *a, const struct label_index *x,
                       const struct label_row *row, struct labels *ret)
{
    uint64_t fresh = 0;
    size_t n_bytes = 0;
    struct label *items = room_of(c, &c->sets, row->n * sizeof(*items));
    if (items == NULL)
        return false;
    for (uint32_t i = 0; i < row->n; i++) {
        uint32_t at = row->pairs[i] % COPIER_PAIRS;
        if (c->known[at].pair == row->pairs[i]) {
            items[i] = c->known[at].copy;
            continue;
        }
        items[i] = label_index_label(a, x, row->pairs[i]);
        fresh |= UINT64_C(1) << i;
        n_bytes += (size_t)items[i].name_len + items[i].value_len;
    }
    *ret = (struct labels){items, row->n};
    return fresh == 0 || copy_texts(c, row, fresh, n_bytes, items);
}
