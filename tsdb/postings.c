/* Sets of ids in containers that may be moved.
 *
 * Why rows. A chain of containers is linear in them, a hash of them costs 12 bytes a container more
 * and loses the order; one growing array of 65,536 entries would be copied whole. Two levels of
 * short arrays are searched in 16 steps at most and change 2 KiB at a time. Nearly every set has
 * one row: the second level comes with ids that are more than 16.7 million apart and goes with
 * them.
 *
 * Why 65,472 ids. A slot has at most 8 KiB, and 8 bytes of it say whose it is. The id space is the
 * smaller for it by a thousandth.
 *
 * Why no row above a container that is alone. Of the pairs that have more than one series nearly
 * all have two to a dozen, close together: 24 bytes for up to four ids, 40 for up to twelve, where
 * a row would be 16 more.
 *
 * Rejected: two ids in place (4 bytes for every set, and most have one; docs/memory.md); containers
 * of runs. Series of one scrape have ids in a row, so the pairs of one target
 * would cost nothing; they cost 2 bytes a series now, which is under 2 % of what a series takes.
 */
#include "tsdb/postings.h"

#include <string.h>

enum {
    HEAD_BYTES = 8,
    BITMAP_WORDS = (KIND_BYTES_MAX - HEAD_BYTES) / 8,
    CONTAINER_IDS = BITMAP_WORDS * 64,
    ROW_SHIFT = 8, /* containers of a row, as a power of two */
    ROW_MAX = 1 << ROW_SHIFT,
    ARRAY_BYTES_MAX = 7168, /* the longest slot that is shorter than a bitmap (kind.h) */
    ARRAY_MAX = (ARRAY_BYTES_MAX - HEAD_BYTES) / 2,
    FORM_BITMAP = 0, /* other forms below FORM_ROW: an array with that capacity */
    FORM_ROW = 0x8000,
    FORM_ROWS = 0xc000, /* a row of rows */
};

/* What every slot of a set begins with. */
struct head {
    uint32_t owner;
    uint16_t form; /* rows: FORM_ROW or FORM_ROWS, plus the capacity */
    union {
        uint16_t key; /* of a container: id / CONTAINER_IDS */
        uint16_t n;   /* of a row: its entries */
    };
};

struct container {
    struct head head;
    uint64_t words[]; /* of a bitmap; of an array they hold items, see items_of() */
};

struct entry {
    slot at;
    uint16_t key;      /* ascending in a row. In a row of rows: key / ROW_MAX of what is below */
    uint16_t n_less_1; /* members of the container, less one */
};

struct row {
    struct head head;
    struct entry entries[];
};

_Static_assert(sizeof(struct head) == HEAD_BYTES, "the constants above");
_Static_assert(((uint64_t)POSTINGS_ID_MAX + 1) == (uint64_t)CONTAINER_IDS * (UINT16_MAX + 1),
               "every key fits its field");

static struct row *row_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

static struct container *container_at(const struct arena *a, const struct entry *e)
{
    return slot_ptr(a, e->at);
}

static uint16_t *items_of(struct container *c)
{
    return (uint16_t *)c->words;
}

static uint16_t key_of(uint32_t id)
{
    return (uint16_t)(id / CONTAINER_IDS);
}

static uint16_t low_of(uint32_t id)
{
    return (uint16_t)(id % CONTAINER_IDS);
}

/* ---- one container ---- */

static size_t form_bytes(uint16_t form)
{
    return HEAD_BYTES + (form == FORM_BITMAP ? BITMAP_WORDS * 8u : form * 2u);
}

/* Slots grow by a fifth or so (kind.h), so the array does. */
static uint16_t form_for(uint32_t n)
{
    if (n > ARRAY_MAX)
        return FORM_BITMAP;
    return (uint16_t)((kind_slot_bytes(HEAD_BYTES + n * 2) - HEAD_BYTES) / 2);
}

/* The place of `low` in the array, or where it belongs. */
static uint32_t array_place(const uint16_t *items, uint32_t n, uint16_t low)
{
    uint32_t from = 0, to = n;
    if (n > 0 && items[n - 1] < low)
        return n; /* ids come ascending: mostly here */
    while (from < to) {
        uint32_t mid = (from + to) / 2;
        if (items[mid] < low)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

/* Items behind the last are 0, so that an array knows how many it has as well: the second and those
 * behind it are more. */
static slot container_new(struct arena *a, struct kind *k, struct head head)
{
    slot made = kind_get(a, k, form_bytes(head.form));
    if (made == 0)
        return 0;
    struct container *c = slot_ptr(a, made);
    c->head = head;
    if (head.form != FORM_BITMAP)
        memset(items_of(c), 0, head.form * sizeof(uint16_t));
    return made;
}

static void bitmap_from_array(const uint16_t *items, uint32_t n, uint64_t *ret_words)
{
    memset(ret_words, 0, BITMAP_WORDS * 8);
    for (uint32_t i = 0; i < n; i++)
        ret_words[items[i] / 64] |= (uint64_t)1 << items[i] % 64;
}

static void array_from_bitmap(const uint64_t *words, uint16_t *ret_items)
{
    for (uint32_t w = 0; w < BITMAP_WORDS; w++)
        for (uint64_t rest = words[w]; rest != 0; rest &= rest - 1)
            *ret_items++ = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(rest));
}

/* Gives a container another form; its members stay. */
static bool container_recast(struct arena *a, struct kind *k, struct entry *e, uint16_t form)
{
    struct container *old = container_at(a, e);
    slot made = container_new(a, k, (struct head){old->head.owner, form, {old->head.key}});
    if (made == 0)
        return false;
    struct container *c = slot_ptr(a, made);
    if (form == FORM_BITMAP)
        bitmap_from_array(items_of(old), e->n_less_1 + 1u, c->words);
    else if (old->head.form == FORM_BITMAP)
        array_from_bitmap(old->words, items_of(c));
    else
        memcpy(items_of(c), items_of(old), (e->n_less_1 + 1u) * sizeof(uint16_t));
    kind_put(a, k, e->at, form_bytes(old->head.form));
    e->at = made;
    return true;
}

static bool container_add(struct arena *a, struct kind *k, struct entry *e, uint16_t low)
{
    uint32_t n = e->n_less_1 + 1u;
    uint16_t form = container_at(a, e)->head.form;
    if (form != FORM_BITMAP && n == form && !container_recast(a, k, e, form_for(n + 1)))
        return false;
    struct container *c = container_at(a, e);
    if (c->head.form == FORM_BITMAP) {
        c->words[low / 64] |= (uint64_t)1 << low % 64;
    } else {
        uint32_t at = array_place(items_of(c), n, low);
        memmove(&items_of(c)[at + 1], &items_of(c)[at], (n - at) * sizeof(uint16_t));
        items_of(c)[at] = low;
    }
    e->n_less_1++;
    return true;
}

static bool container_contains(const struct arena *a, const struct entry *e, uint16_t low)
{
    struct container *c = container_at(a, e);
    if (c->head.form == FORM_BITMAP)
        return (c->words[low / 64] >> low % 64 & 1) != 0;
    uint32_t at = array_place(items_of(c), e->n_less_1 + 1u, low);
    return at <= e->n_less_1 && items_of(c)[at] == low;
}

/* Takes out one of at least two members. A slot that has become much too large is exchanged;
 * without memory for the smaller one it simply stays. */
static void container_remove(struct arena *a, struct kind *k, struct entry *e, uint16_t low)
{
    assert(e->n_less_1 > 0 && container_contains(a, e, low));
    struct container *c = container_at(a, e);
    uint32_t n = e->n_less_1--; /* what is left */
    uint16_t form = c->head.form;
    if (form == FORM_BITMAP) {
        c->words[low / 64] &= ~((uint64_t)1 << low % 64);
    } else {
        uint32_t at = array_place(items_of(c), n + 1, low);
        memmove(&items_of(c)[at], &items_of(c)[at + 1], (n - at) * sizeof(uint16_t));
        items_of(c)[n] = 0;
    }
    bool is_much_too_large = form == FORM_BITMAP ? n <= ARRAY_MAX * 3 / 4 : n <= form / 2u;
    if (is_much_too_large && form_for(n) != form)
        (void)container_recast(a, k, e, form_for(n));
}

/* Writes the members at or after `low`, ascending, max at most; returns how many. */
static uint32_t container_slice(const struct arena *a, const struct entry *e, uint16_t low,
                                uint32_t *ret_ids, uint32_t max)
{
    struct container *c = container_at(a, e);
    uint32_t first = (uint32_t)e->key * CONTAINER_IDS, n = 0;
    if (c->head.form != FORM_BITMAP) {
        uint32_t i = array_place(items_of(c), e->n_less_1 + 1u, low);
        for (; i <= e->n_less_1 && n < max; i++)
            ret_ids[n++] = first + items_of(c)[i];
        return n;
    }
    uint64_t rest = c->words[low / 64] & UINT64_MAX << low % 64;
    for (uint32_t w = low / 64;;) {
        for (; rest != 0 && n < max; rest &= rest - 1)
            ret_ids[n++] = first + w * 64 + (unsigned)__builtin_ctzll(rest);
        if (n == max || ++w == BITMAP_WORDS)
            return n;
        rest = c->words[w];
    }
}

/* How many members are at or after `low`. */
static uint32_t container_count_from(const struct arena *a, const struct entry *e, uint16_t low)
{
    struct container *c = container_at(a, e);
    if (c->head.form != FORM_BITMAP)
        return e->n_less_1 + 1u - array_place(items_of(c), e->n_less_1 + 1u, low);
    uint32_t n = (uint32_t)__builtin_popcountll(c->words[low / 64] & UINT64_MAX << low % 64);
    for (uint32_t w = low / 64 + 1; w < BITMAP_WORDS; w++)
        n += (uint32_t)__builtin_popcountll(c->words[w]);
    return n;
}

/* ---- one row ---- */

static uint16_t rank_of(const struct row *r)
{
    return r->head.form & FORM_ROWS;
}

static bool is_rows(const struct row *r)
{
    return rank_of(r) == FORM_ROWS;
}

static uint32_t row_capacity(const struct row *r)
{
    return r->head.form & ~(uint32_t)FORM_ROWS;
}

static size_t row_bytes(uint32_t capacity)
{
    return sizeof(struct row) + capacity * sizeof(struct entry);
}

static uint32_t row_capacity_for(uint32_t n)
{
    size_t room = kind_slot_bytes(row_bytes(n)) - sizeof(struct row);
    return (uint32_t)size_min(room / sizeof(struct entry), ROW_MAX);
}

static slot row_new(struct arena *a, struct kind *k, uint32_t owner, uint16_t rank, uint32_t n)
{
    uint32_t capacity = row_capacity_for(n);
    slot made = kind_get(a, k, row_bytes(capacity));
    if (made != 0)
        row_at(a, made)->head = (struct head){owner, (uint16_t)(rank | capacity), {0}};
    return made;
}

static void row_put(struct arena *a, struct kind *k, slot s)
{
    kind_put(a, k, s, row_bytes(row_capacity(row_at(a, s))));
}

/* The place of a key in the row, or where it belongs. */
static uint32_t row_place(const struct row *r, uint16_t key)
{
    uint32_t from = 0, to = r->head.n;
    if (to > 0 && r->entries[to - 1].key < key)
        return to;
    while (from < to) {
        uint32_t mid = (from + to) / 2;
        if (r->entries[mid].key < key)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static struct entry *row_find(struct row *r, uint16_t key)
{
    uint32_t at = row_place(r, key);
    return at < r->head.n && r->entries[at].key == key ? &r->entries[at] : NULL;
}

/* Copies the row to a slot for n entries; *ref is what leads to it. */
static bool row_resize(struct arena *a, struct kind *k, slot *ref, uint32_t n)
{
    const struct row *old = row_at(a, *ref);
    slot made = row_new(a, k, old->head.owner, rank_of(old), n);
    if (made == 0)
        return false;
    struct row *r = row_at(a, made);
    r->head.n = old->head.n;
    memcpy(r->entries, old->entries, old->head.n * sizeof(*r->entries));
    row_put(a, k, *ref);
    *ref = made;
    return true;
}

static bool row_insert(struct arena *a, struct kind *k, slot *ref, struct entry e)
{
    uint32_t n = row_at(a, *ref)->head.n;
    if (n == row_capacity(row_at(a, *ref)) && !row_resize(a, k, ref, n + 1))
        return false;
    struct row *r = row_at(a, *ref);
    uint32_t at = row_place(r, e.key);
    memmove(&r->entries[at + 1], &r->entries[at], (n - at) * sizeof(e));
    r->entries[at] = e;
    r->head.n++;
    return true;
}

/* Takes an entry out; a row that loses its last one goes, and *ref becomes 0. */
static void row_remove(struct arena *a, struct kind *k, slot *ref, uint16_t key)
{
    struct row *r = row_at(a, *ref);
    uint32_t at = row_place(r, key), n = --r->head.n;
    if (n == 0) {
        row_put(a, k, *ref);
        *ref = 0;
        return;
    }
    memmove(&r->entries[at], &r->entries[at + 1], (n - at) * sizeof(*r->entries));
    if (n <= row_capacity(r) / 2 && row_capacity_for(n) < row_capacity(r))
        (void)row_resize(a, k, ref, n);
}

/* ---- the rows of a set ---- */

/* A set in one container leads to it without a row: the entry that a row would have. */
static bool is_alone(const struct arena *a, const struct postings *p)
{
    return row_at(a, p->row)->head.form < FORM_ROW;
}

static struct entry alone_entry(const struct arena *a, const struct postings *p)
{
    return (struct entry){p->row, row_at(a, p->row)->head.key, (uint16_t)(p->n - 1)};
}

/* What leads to the row that a key belongs to, or NULL when there is none. */
static slot *find_row(const struct arena *a, struct postings *p, uint16_t key)
{
    struct row *r = row_at(a, p->row);
    if (!is_rows(r))
        return r->entries[0].key >> ROW_SHIFT == key >> ROW_SHIFT ? &p->row : NULL;
    struct entry *e = row_find(r, key >> ROW_SHIFT);
    return e != NULL ? &e->at : NULL;
}

static struct entry *find_entry(const struct arena *a, const struct postings *p, uint16_t key)
{
    struct postings copy = *p;
    const slot *row = find_row(a, &copy, key);
    return row != NULL ? row_find(row_at(a, *row), key) : NULL;
}

/* Enters a row beside others; the second one brings the row of rows. */
static bool add_row(struct arena *a, struct kind *k, struct postings *p, uint32_t owner,
                    struct entry e)
{
    if (is_rows(row_at(a, p->row)))
        return row_insert(a, k, &p->row, e);
    slot upper = row_new(a, k, owner, FORM_ROWS, 2);
    if (upper == 0)
        return false;
    struct entry first = {.at = p->row, .key = row_at(a, p->row)->entries[0].key >> ROW_SHIFT};
    bool is_in = row_insert(a, k, &upper, first) && row_insert(a, k, &upper, e);
    ENSURE(is_in); /* it has room for two */
    p->row = upper;
    return true;
}

static bool add_container(struct arena *a, struct kind *k, struct postings *p, struct entry e)
{
    uint32_t owner = container_at(a, &e)->head.owner;
    slot *row = find_row(a, p, e.key);
    if (row != NULL)
        return row_insert(a, k, row, e);
    slot made = row_new(a, k, owner, FORM_ROW, 1);
    if (made == 0)
        return false;
    struct row *r = row_at(a, made);
    r->entries[0] = e;
    r->head.n = 1;
    if (!add_row(a, k, p, owner, (struct entry){.at = made, .key = e.key >> ROW_SHIFT})) {
        row_put(a, k, made);
        return false;
    }
    return true;
}

/* A second container beside one that was alone: the row comes with it. */
static bool add_second(struct arena *a, struct kind *k, struct postings *p, struct entry e)
{
    struct entry first = alone_entry(a, p);
    struct postings rows = {.n = p->n};
    rows.row = row_new(a, k, container_at(a, &first)->head.owner, FORM_ROW, 1);
    if (rows.row == 0)
        return false;
    struct row *r = row_at(a, rows.row);
    r->entries[0] = first;
    r->head.n = 1;
    if (!add_container(a, k, &rows, e)) {
        row_put(a, k, rows.row);
        return false;
    }
    *p = rows;
    return true;
}

/* A container with one id. */
static slot container_of(struct arena *a, struct kind *k, uint32_t owner, uint32_t id)
{
    struct entry e = {.key = key_of(id)};
    e.at = container_new(a, k, (struct head){owner, form_for(1), {e.key}});
    if (e.at != 0)
        items_of(container_at(a, &e))[0] = low_of(id);
    return e.at;
}

/* Of a set that has containers; p->n is left alone. */
static bool add_to_rows(struct arena *a, struct kind *k, struct postings *p, uint32_t owner,
                        uint32_t id)
{
    bool was_alone = is_alone(a, p);
    if (was_alone && row_at(a, p->row)->head.key == key_of(id)) {
        struct entry e = alone_entry(a, p);
        bool is_in = container_add(a, k, &e, low_of(id));
        p->row = e.at;
        return is_in;
    }
    struct entry *found = was_alone ? NULL : find_entry(a, p, key_of(id));
    if (found != NULL)
        return container_add(a, k, found, low_of(id));
    struct entry e = {.at = container_of(a, k, owner, id), .key = key_of(id)};
    if (e.at == 0)
        return false;
    if (was_alone ? add_second(a, k, p, e) : add_container(a, k, p, e))
        return true;
    kind_put(a, k, e.at, form_bytes(form_for(1)));
    return false;
}

/* The i-th row of containers, ascending; 0 beyond the last. */
static slot row_number(const struct arena *a, const struct postings *p, uint32_t i)
{
    const struct row *r = row_at(a, p->row);
    if (!is_rows(r))
        return i == 0 ? p->row : 0;
    return i < r->head.n ? r->entries[i].at : 0;
}

static uint32_t row_slice(const struct arena *a, const struct row *r, uint32_t from,
                          uint32_t *ret_ids, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t i = row_place(r, key_of(from)); i < r->head.n && n < max; i++) {
        const struct entry *e = &r->entries[i];
        uint16_t low = e->key == key_of(from) ? low_of(from) : 0;
        n += container_slice(a, e, low, &ret_ids[n], max - n);
    }
    return n;
}

static uint32_t rows_slice(const struct arena *a, const struct postings *p, uint32_t from,
                           uint32_t *ret_ids, uint32_t max)
{
    uint32_t n = 0;
    slot s;
    if (is_alone(a, p)) {
        struct entry e = alone_entry(a, p);
        bool is_over = from > POSTINGS_ID_MAX || e.key < key_of(from);
        uint16_t low = e.key == key_of(from) ? low_of(from) : 0;
        return is_over || max == 0 ? 0 : container_slice(a, &e, low, ret_ids, max);
    }
    for (uint32_t i = 0; from <= POSTINGS_ID_MAX && n < max && (s = row_number(a, p, i)) != 0; i++)
        n += row_slice(a, row_at(a, s), from, &ret_ids[n], max - n);
    return n;
}

static uint32_t entry_count_from(const struct arena *a, const struct entry *e, uint32_t from)
{
    if (e->key < key_of(from))
        return 0;
    return e->key > key_of(from) ? e->n_less_1 + 1u : container_count_from(a, e, low_of(from));
}

uint32_t postings_count_from(const struct arena *a, const struct postings *p, uint32_t from)
{
    uint32_t n = 0;
    slot s;
    if (p->n <= 1)
        return p->n == 1 && p->only >= from;
    if (from > POSTINGS_ID_MAX)
        return 0;
    if (is_alone(a, p)) {
        struct entry e = alone_entry(a, p);
        return entry_count_from(a, &e, from);
    }
    for (uint32_t i = 0; (s = row_number(a, p, i)) != 0; i++) {
        const struct row *r = row_at(a, s);
        for (uint32_t j = row_place(r, key_of(from)); j < r->head.n; j++)
            n += entry_count_from(a, &r->entries[j], from);
    }
    return n;
}

/* A row with one entry needs no row, and a row of rows with one none above it. */
static void collapse(struct arena *a, struct kind *k, struct postings *p)
{
    while (!is_alone(a, p) && row_at(a, p->row)->head.n == 1) {
        slot only = row_at(a, p->row)->entries[0].at;
        row_put(a, k, p->row);
        p->row = only;
    }
}

static void remove_from_rows(struct arena *a, struct kind *k, struct postings *p, uint32_t id)
{
    uint16_t key = key_of(id);
    if (is_alone(a, p)) {
        struct entry e = alone_entry(a, p);
        ENSURE(e.key == key);
        container_remove(a, k, &e, low_of(id));
        p->row = e.at;
        return;
    }
    slot *row = find_row(a, p, key);
    struct entry *e = row != NULL ? row_find(row_at(a, *row), key) : NULL;
    ENSURE(e != NULL);
    if (e->n_less_1 > 0) {
        container_remove(a, k, e, low_of(id));
        return;
    }
    assert(container_contains(a, e, low_of(id)));
    kind_put(a, k, e->at, form_bytes(container_at(a, e)->head.form));
    row_remove(a, k, row, key);
    if (row != &p->row && *row == 0)
        row_remove(a, k, &p->row, key >> ROW_SHIFT);
    collapse(a, k, p);
}

/* ---- the set ---- */

/* The second id brings the container. */
static bool add_second_id(struct arena *a, struct kind *k, struct postings *p, uint32_t owner,
                          uint32_t id)
{
    struct postings rows = {.n = 1};
    rows.row = container_of(a, k, owner, p->only);
    if (rows.row == 0)
        return false;
    if (!add_to_rows(a, k, &rows, owner, id)) {
        kind_put(a, k, rows.row, form_bytes(form_for(1)));
        return false;
    }
    *p = rows;
    return true;
}

/* Ids come ascending, so nearly all go to the end of the last container, where it has room: this
 * takes no search and no memory. False: they do not go there, and nothing has changed. */
static ALWAYS_INLINE bool add_last(const struct arena *a, struct postings *p, uint32_t id)
{
    struct row *r = row_at(a, p->row);
    struct entry *e = NULL; /* none leads to a container that is alone */
    struct container *c = (struct container *)r;
    uint16_t key = r->head.key, low = low_of(id);
    uint32_t n = p->n;
    if (r->head.form >= FORM_ROW && r->head.form < FORM_ROWS) {
        e = &r->entries[r->head.n - 1];
        c = container_at(a, e);
        key = e->key;
        n = e->n_less_1 + 1u;
    }
    if (r->head.form >= FORM_ROWS || key != key_of(id))
        return false;
    if (c->head.form == FORM_BITMAP)
        c->words[low / 64] |= (uint64_t)1 << low % 64;
    else if (n < c->head.form && items_of(c)[n - 1] < low)
        items_of(c)[n] = low;
    else
        return false;
    if (e != NULL)
        e->n_less_1++;
    return true;
}

/* Wherever it goes: apart, so that the usual way needs few registers. */
static bool __attribute__((noinline))
add_anywhere(struct arena *a, struct kind *k, struct postings *p, uint32_t owner, uint32_t id)
{
    if (p->n == 0)
        p->only = id;
    else if (p->n == 1 ? !add_second_id(a, k, p, owner, id) : !add_to_rows(a, k, p, owner, id))
        return false;
    p->n++;
    return true;
}

bool postings_add(struct arena *a, struct kind *k, struct postings *p, uint32_t owner, uint32_t id)
{
    assert(id <= POSTINGS_ID_MAX);
    if (p->n < 2 || !add_last(a, p, id))
        return add_anywhere(a, k, p, owner, id);
    p->n++;
    return true;
}

void postings_remove(struct arena *a, struct kind *k, struct postings *p, uint32_t id)
{
    if (p->n > 1) {
        remove_from_rows(a, k, p, id);
        if (--p->n == 1) {
            slot last = p->row;
            (void)rows_slice(a, p, 0, &p->only, 1);
            kind_put(a, k, last, form_bytes(row_at(a, last)->head.form));
        }
        return;
    }
    ENSURE(p->n == 1 && p->only == id);
    *p = (struct postings){0};
}

bool postings_contains(const struct arena *a, const struct postings *p, uint32_t id)
{
    if (p->n <= 1)
        return p->n == 1 && p->only == id;
    if (id > POSTINGS_ID_MAX)
        return false;
    if (is_alone(a, p)) {
        struct entry alone = alone_entry(a, p);
        return alone.key == key_of(id) && container_contains(a, &alone, low_of(id));
    }
    const struct entry *e = find_entry(a, p, key_of(id));
    return e != NULL && container_contains(a, e, low_of(id));
}

uint32_t postings_slice(const struct arena *a, const struct postings *p, uint32_t from,
                        uint32_t *ret_ids, uint32_t max)
{
    if (p->n > 1)
        return rows_slice(a, p, from, ret_ids, max);
    bool has_one = p->n == 1 && p->only >= from && max > 0;
    if (has_one)
        *ret_ids = p->only;
    return has_one;
}

void postings_list(const struct arena *a, const struct postings *p, uint32_t *ret_ids)
{
    (void)postings_slice(a, p, 0, ret_ids, p->n);
}

static size_t slot_bytes_of_row(const struct row *r)
{
    return kind_slot_bytes(row_bytes(row_capacity(r)));
}

size_t postings_bytes(const struct arena *a, const struct postings *p)
{
    if (p->n <= 1)
        return 0;
    const struct row *top = row_at(a, p->row);
    if (is_alone(a, p))
        return kind_slot_bytes(form_bytes(top->head.form));
    size_t bytes = is_rows(top) ? slot_bytes_of_row(top) : 0;
    slot s;
    for (uint32_t i = 0; (s = row_number(a, p, i)) != 0; i++) {
        const struct row *r = row_at(a, s);
        bytes += slot_bytes_of_row(r);
        for (uint32_t j = 0; j < r->head.n; j++)
            bytes += kind_slot_bytes(form_bytes(container_at(a, &r->entries[j])->head.form));
    }
    return bytes;
}

bool postings_move(void *mover, slot from, slot to)
{
    const struct postings_mover *m = mover;
    const struct head *head = slot_ptr(m->arena, to);
    struct postings *p = m->set_of(m->ctx, head->owner);
    ENSURE(p != NULL && p->n > 1);
    slot *ref = &p->row;
    if (p->row != from && head->form < FORM_ROW) {
        struct entry *e = find_entry(m->arena, p, head->key);
        ref = e != NULL ? &e->at : NULL;
    } else if (p->row != from) {
        ref = find_row(m->arena, p, ((const struct row *)head)->entries[0].key);
    }
    ENSURE(ref != NULL && *ref == from);
    *ref = to;
    return true;
}

/* ---- the check ---- */

static bool container_is_good(const struct arena *a, const struct entry *e, uint32_t owner)
{
    struct container *c = container_at(a, e);
    uint32_t n = e->n_less_1 + 1u, n_bits = 0;
    if (c->head.owner != owner || c->head.key != e->key || c->head.form >= FORM_ROW)
        return false;
    if (c->head.form != FORM_BITMAP) {
        const uint16_t *items = items_of(c);
        for (uint32_t i = 1; i < c->head.form; i++)
            if (i < n ? items[i - 1] >= items[i] : items[i] != 0)
                return false;
        return n <= c->head.form && items[n - 1] < CONTAINER_IDS;
    }
    for (uint32_t w = 0; w < BITMAP_WORDS; w++)
        n_bits += (uint32_t)__builtin_popcountll(c->words[w]);
    return n_bits == n;
}

static bool row_is_good(const struct arena *a, const struct row *r, uint32_t owner, uint16_t rank)
{
    if (r->head.owner != owner || rank_of(r) != rank || r->head.n == 0 ||
        r->head.n > row_capacity(r) || row_capacity(r) > ROW_MAX)
        return false;
    for (uint32_t i = 1; i < r->head.n; i++)
        if (r->entries[i - 1].key >= r->entries[i].key)
            return false;
    for (uint32_t i = 0; rank == FORM_ROW && i < r->head.n; i++)
        if (r->entries[i].key >> ROW_SHIFT != r->entries[0].key >> ROW_SHIFT ||
            !container_is_good(a, &r->entries[i], owner))
            return false;
    return true;
}

static bool rows_are_good(const struct arena *a, const struct postings *p, uint32_t owner)
{
    const struct row *top = row_at(a, p->row);
    if (top->head.n < 2 || (is_rows(top) && !row_is_good(a, top, owner, FORM_ROWS)))
        return false;
    slot s;
    for (uint32_t i = 0; (s = row_number(a, p, i)) != 0; i++) {
        const struct row *r = row_at(a, s);
        if (!row_is_good(a, r, owner, FORM_ROW))
            return false;
        if (is_rows(top) && top->entries[i].key != r->entries[0].key >> ROW_SHIFT)
            return false;
    }
    return true;
}

bool postings_check(const struct arena *a, const struct postings *p, uint32_t owner,
                    size_t *sum_bytes)
{
    if (p->n <= 1)
        return p->n == 1 ? p->only <= POSTINGS_ID_MAX : p->row == 0;
    if (is_alone(a, p)) {
        struct entry e = alone_entry(a, p);
        *sum_bytes += postings_bytes(a, p);
        return p->n <= CONTAINER_IDS && container_is_good(a, &e, owner);
    }
    if (!rows_are_good(a, p, owner))
        return false;
    uint64_t n = 0;
    slot s;
    for (uint32_t i = 0; (s = row_number(a, p, i)) != 0; i++) {
        const struct row *r = row_at(a, s);
        for (uint32_t j = 0; j < r->head.n; j++)
            n += r->entries[j].n_less_1 + 1u;
    }
    *sum_bytes += postings_bytes(a, p);
    return n == p->n;
}
