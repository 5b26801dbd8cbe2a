/* Short strings without what is usual around them.
 *
 * A record of its own costs a short string more than its bytes: an entry of a table of ids, the
 * rest of its slot, a length. 64 strings that share a slot share all that but the length. Reading
 * one adds up at most 64 lengths, eight at a time; writing one shifts at most the 1 KiB of a bundle
 * that is filled by strings_add.
 *
 *     0        4       5          6         7        8      12     16
 *     | number | WHOLE | n_places | n_used  | state  | next | prev | lengths[n_places] | bytes ...
 *     | number | place | unused   | n_bytes          | bytes ...             of a string alone
 *
 * A slot says in the same place whose it is, so that both sorts can be moved. A string's own slot
 * is named by 4 bytes in its bundle, in the machine's order.
 *
 * A bundle that chooses ids grows a size of the (fine) kind at a time. Few bundles grow at a time,
 * so no trail of emptied pages is left; after a removal the slot may stay one size too large, so
 * that coming and going at an edge moves nothing. One whose ids are given gets the room that 64
 * strings like its first ones will need, and is fitted to what they took when the last comes: ids
 * come ascending, so one bundle at a time has room that it does not need yet, and a string is moved
 * twice instead of thirty times. Its head knows its bytes, so that its end is found at once.
 *
 * Which bundle takes a string that is added: one of the first OPEN_TRIES that take more. One that
 * has no room for it is closed until a string is removed from it, so a full bundle wastes half a
 * string; and a long list of nearly full bundles is not walked for one string.
 *
 * Rejected: an array of offsets (two bytes a string instead of one); a varint for lengths (no
 * adding eight at a time); fewer ids a bundle so that 64 rows of 320 bytes fit it (the head and the
 * rest of the slot would be shared by 16 short ones); a chain of slots (the rest of each slot).
 */
#include "alloc/strings.h"

#include <string.h>

enum {
    WHOLE = STRINGS_BUNDLE, /* in the place of a place: a bundle */
    ALONE = 0x80,           /* in a length: 4 bytes are here, which name the string's slot */
    LENGTH_MASK = 0x7F,
    OPEN_TRIES = 8,
};

enum state {
    GIVEN,  /* ids are the caller's */
    CLOSED, /* full, or a string did not fit */
    OPEN,   /* in the list */
};

struct bundle {
    uint32_t number;
    uint8_t place;    /* WHOLE */
    uint8_t n_places; /* up to the last one in use */
    uint8_t n_used;
    uint8_t state;
    union {
        uint32_t next;    /* number of an open one, 0 = none */
        uint32_t n_bytes; /* GIVEN: of all places */
    };
    uint32_t prev;     /* as next; else 0 */
    uint8_t lengths[]; /* of n_places, and then the bytes */
};

struct alone {
    uint32_t number;
    uint8_t place;
    uint8_t unused;
    uint16_t n_bytes;
    char bytes[];
};

_Static_assert(offsetof(struct bundle, place) == offsetof(struct alone, place), "told apart");
_Static_assert(sizeof(struct bundle) + STRINGS_BUNDLE * (1 + STRINGS_IN_BUNDLE_MAX) <=
                   KIND_BYTES_MAX,
               "64 of the longest fit a slot");
_Static_assert(sizeof(struct alone) + STRINGS_BYTES_MAX == KIND_BYTES_MAX, "the longest of all");
_Static_assert(STRINGS_IN_BUNDLE_MAX < 0x80, "a length fits seven bits");
_Static_assert(sizeof(struct bundle) % 8 == 0 && POOL_SLOT_ALIGN % 8 == 0,
               "eight lengths from any eighth place are within the slot");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first length is a word's lowest");

/* ---- one bundle ---- */

/* The bytes of the first n places. */
static size_t bytes_before(const struct bundle *b, unsigned n)
{
    const uint64_t mask = LENGTH_MASK * UINT64_C(0x0101010101010101);
    const uint64_t even = UINT64_C(0x00FF00FF00FF00FF);
    uint64_t sum = 0, word; /* four sums of 16 bits each */
    for (unsigned i = 0; i < n; i += 8) {
        memcpy(&word, &b->lengths[i], sizeof(word));
        word &= mask;
        if (n - i < 8)
            word &= (UINT64_C(1) << (n - i) * 8) - 1;
        sum += (word & even) + (word >> 8 & even);
    }
    return sum * UINT64_C(0x0001000100010001) >> 48;
}

static size_t all_bytes(const struct bundle *b)
{
    return b->state == GIVEN ? b->n_bytes : bytes_before(b, b->n_places);
}

static size_t bundle_bytes(const struct bundle *b)
{
    return sizeof(*b) + b->n_places + all_bytes(b);
}

static char *bytes_of(struct bundle *b, unsigned place)
{
    size_t before = place == b->n_places ? all_bytes(b) : bytes_before(b, place);
    return (char *)&b->lengths[b->n_places] + before;
}

static slot alone_of(struct bundle *b, unsigned place)
{
    slot at;
    memcpy(&at, bytes_of(b, place), sizeof(at));
    return at;
}

static bool has_place(const struct bundle *b, unsigned place)
{
    return place < b->n_places && b->lengths[place] != 0;
}

/* The lowest place without a string. */
static unsigned free_place(const struct bundle *b)
{
    unsigned place = b->n_used == b->n_places ? b->n_places : 0;
    while (has_place(b, place))
        place++;
    return place;
}

/* What the bundle has at a place: the string, or the name of its slot. */
struct piece {
    const void *at;
    uint8_t n_bytes;
    uint8_t mark; /* 0 or ALONE */
};

static size_t grown_bytes(const struct bundle *b, unsigned place, const struct piece *p)
{
    unsigned n_new = place < b->n_places ? 0 : place + 1u - b->n_places;
    return bundle_bytes(b) + n_new + p->n_bytes;
}

/* The slot has room for it. */
static void insert(struct bundle *b, unsigned place, const struct piece *p)
{
    size_t n_all = all_bytes(b);
    bool is_last = place >= b->n_places;
    if (is_last) {
        unsigned n_new = place + 1u - b->n_places;
        uint8_t *end = &b->lengths[b->n_places];
        memmove(end + n_new, end, n_all);
        memset(end, 0, n_new);
        b->n_places = (uint8_t)(place + 1);
    }
    char *end = (char *)&b->lengths[b->n_places] + n_all;
    char *at = is_last ? end : bytes_of(b, place);
    if (!is_last)
        memmove(at + p->n_bytes, at, (size_t)(end - at));
    memcpy(at, p->at, p->n_bytes);
    b->lengths[place] = p->n_bytes | p->mark;
    b->n_used++;
    b->n_bytes += b->state == GIVEN ? p->n_bytes : 0;
}

/* Closes the gap, and forgets places behind the last one in use. */
static void take_out(struct bundle *b, unsigned place)
{
    char *at = bytes_of(b, place), *end = bytes_of(b, b->n_places);
    size_t n = b->lengths[place] & LENGTH_MASK;
    memmove(at, at + n, (size_t)(end - at) - n);
    b->lengths[place] = 0;
    b->n_used--;
    b->n_bytes -= b->state == GIVEN ? (uint32_t)n : 0;
    unsigned n_places = b->n_places;
    while (n_places > 0 && b->lengths[n_places - 1] == 0)
        n_places--;
    memmove(&b->lengths[n_places], &b->lengths[b->n_places], bytes_before(b, n_places));
    b->n_places = (uint8_t)n_places;
}

/* ---- bundles in their slots ---- */

static slot *entry_of(const struct arena *a, const struct strings *s, uint32_t number)
{
    return table_at(a, &s->bundles, number);
}

static struct bundle *bundle_at(const struct arena *a, const struct strings *s, uint32_t number)
{
    const slot *entry = entry_of(a, s, number);
    return entry != NULL && *entry != 0 ? slot_ptr(a, *entry) : NULL;
}

/* That of an id in use. */
static struct bundle *bundle_of(const struct arena *a, const struct strings *s, uint32_t id)
{
    uint32_t number = id >> STRINGS_BUNDLE_SHIFT;
    page_no leaf = table_leaf(a, &s->bundles, number >> s->bundles.leaf_shift);
    return slot_ptr(a, ((const slot *)arena_page(a, leaf))[number & (s->bundles.per_leaf - 1)]);
}

static void put_slot(struct arena *a, struct strings *s, slot at)
{
    kind_put(a, &s->slots, at, pool_slot_bytes_at(a, at));
}

/* Copies the bundle to a slot for `bytes`; false without memory. */
static bool resize(struct arena *a, struct strings *s, uint32_t number, size_t bytes)
{
    slot *entry = entry_of(a, s, number), made = kind_get(a, &s->slots, bytes), old = *entry;
    if (made == 0)
        return false;
    memcpy(slot_ptr(a, made), slot_ptr(a, old), bundle_bytes(slot_ptr(a, old)));
    *entry = made;
    put_slot(a, s, old);
    return true;
}

static bool have_room(struct arena *a, struct strings *s, uint32_t number, size_t bytes)
{
    return bytes <= pool_slot_bytes_at(a, *entry_of(a, s, number)) || resize(a, s, number, bytes);
}

/* A bundle without places, in a slot for `bytes`. */
static struct bundle *bundle_new(struct arena *a, struct strings *s, uint32_t number,
                                 enum state state, size_t bytes)
{
    slot *entry = table_hold(a, &s->bundles, number);
    if (entry == NULL)
        return NULL;
    *entry = kind_get(a, &s->slots, bytes);
    if (*entry == 0) {
        table_drop(a, &s->bundles, number);
        return NULL;
    }
    struct bundle *b = slot_ptr(a, *entry);
    *b = (struct bundle){.number = number, .place = WHOLE, .state = (uint8_t)state};
    s->n_bundles++;
    return b;
}

static void list_push(const struct arena *a, struct strings *s, struct bundle *b)
{
    b->state = OPEN;
    b->prev = 0;
    b->next = s->open;
    if (b->next != 0)
        bundle_at(a, s, b->next)->prev = b->number;
    s->open = b->number;
}

static void list_remove(const struct arena *a, struct strings *s, struct bundle *b)
{
    if (b->prev != 0)
        bundle_at(a, s, b->prev)->next = b->next;
    else
        s->open = b->next;
    if (b->next != 0)
        bundle_at(a, s, b->next)->prev = b->prev;
    b->state = CLOSED;
    b->next = b->prev = 0;
}

static void bundle_free(struct arena *a, struct strings *s, struct bundle *b)
{
    uint32_t number = b->number;
    if (b->state == OPEN)
        list_remove(a, s, b);
    put_slot(a, s, *entry_of(a, s, number));
    table_drop(a, &s->bundles, number);
    s->n_bundles--;
    if (number > 0 && number < s->next_free)
        s->next_free = number;
}

/* ---- storing ---- */

/* A string on its way in: the piece for its bundle, and its own slot if it is long. */
struct incoming {
    struct piece piece;
    slot alone;
};

static bool prepare(struct arena *a, struct strings *s, const void *bytes, size_t n,
                    struct incoming *ret)
{
    assert(n >= 1 && n <= STRINGS_BYTES_MAX);
    if (n <= STRINGS_IN_BUNDLE_MAX) {
        *ret = (struct incoming){{bytes, (uint8_t)n, 0}, 0};
        return true;
    }
    ret->alone = kind_get(a, &s->slots, sizeof(struct alone) + n);
    if (ret->alone == 0)
        return false;
    struct alone *alone = slot_ptr(a, ret->alone);
    alone->unused = 0;
    alone->n_bytes = (uint16_t)n;
    memcpy(alone->bytes, bytes, n);
    ret->piece = (struct piece){&ret->alone, sizeof(ret->alone), ALONE};
    return true;
}

static void undo(struct arena *a, struct strings *s, const struct incoming *in)
{
    if (in->alone != 0)
        put_slot(a, s, in->alone);
}

/* The bundle has room. */
static void enter(const struct arena *a, struct strings *s, struct bundle *b, unsigned place,
                  const struct incoming *in, size_t n)
{
    insert(b, place, &in->piece);
    if (in->alone != 0) {
        struct alone *alone = slot_ptr(a, in->alone);
        alone->number = b->number;
        alone->place = (uint8_t)place;
    }
    s->n++;
    s->n_bytes += n;
}

/* The lowest number that no bundle has, and none below next_free is. Leaves that are full are
 * passed by. */
static uint32_t free_number(const struct arena *a, const struct strings *s)
{
    uint32_t per_leaf = s->bundles.per_leaf, number = s->next_free;
    for (;;) {
        const slot *entry = entry_of(a, s, number);
        uint32_t leaf = number & ~(per_leaf - 1), n_mine = per_leaf - (leaf == 0);
        if (entry == NULL || *entry == 0)
            return number;
        number = table_held(a, &s->bundles, number) == n_mine ? leaf + per_leaf : number + 1;
    }
}

/* An open bundle with room for the piece; NULL when there is none in front. */
static struct bundle *find_open(const struct arena *a, struct strings *s, const struct piece *p)
{
    for (int i = 0; i < OPEN_TRIES && s->open != 0; i++) {
        struct bundle *b = bundle_at(a, s, s->open);
        if (grown_bytes(b, free_place(b), p) <= STRINGS_BUNDLE_BYTES)
            return b;
        list_remove(a, s, b);
    }
    return NULL;
}

/* A bundle with room for the piece, in the list; NULL without memory or numbers. */
static struct bundle *have_open(struct arena *a, struct strings *s, const struct piece *p)
{
    struct bundle *b = find_open(a, s, p);
    if (b != NULL) {
        uint32_t number = b->number;
        size_t bytes = grown_bytes(b, free_place(b), p);
        return have_room(a, s, number, bytes) ? bundle_at(a, s, number) : NULL;
    }
    uint32_t number = free_number(a, s);
    if (number > UINT32_MAX >> STRINGS_BUNDLE_SHIFT)
        return NULL;
    b = bundle_new(a, s, number, CLOSED, sizeof(*b) + 1 + p->n_bytes);
    if (b == NULL)
        return NULL;
    s->next_free = number + 1;
    list_push(a, s, b);
    return b;
}

uint32_t strings_add(struct arena *a, struct strings *s, const void *bytes, size_t n)
{
    struct incoming in;
    if (!prepare(a, s, bytes, n, &in))
        return 0;
    struct bundle *b = have_open(a, s, &in.piece);
    if (b == NULL) {
        undo(a, s, &in);
        return 0;
    }
    unsigned place = free_place(b);
    enter(a, s, b, place, &in, n);
    if (b->n_used == STRINGS_BUNDLE)
        list_remove(a, s, b);
    return b->number << STRINGS_BUNDLE_SHIFT | place;
}

/* The bundle of a place with room for `bytes`; NULL without memory. Ids mostly come ascending: one
 * that takes more places is given room for as many bytes each as those up to here, and the last
 * place fits the slot to what there is. */
static struct bundle *have_given(struct arena *a, struct strings *s, uint32_t number,
                                 unsigned place, const struct piece *p)
{
    struct bundle *b = bundle_at(a, s, number);
    size_t bytes = b != NULL ? grown_bytes(b, place, p) : sizeof(*b) + place + 1 + p->n_bytes;
    size_t slot_bytes = b != NULL ? pool_slot_bytes_at(a, *entry_of(a, s, number)) : 0;
    bool is_last = place == STRINGS_BUNDLE - 1;
    if (bytes <= slot_bytes && !(is_last && kind_size(&s->slots, bytes) < slot_bytes))
        return b;
    size_t n_places = size_max(place + 1, b != NULL ? b->n_places : 0);
    size_t expected = sizeof(*b) + (bytes - sizeof(*b)) * STRINGS_BUNDLE / n_places;
    expected = size_min(expected, KIND_BYTES_MAX);
    if (b == NULL)
        return bundle_new(a, s, number, GIVEN, expected);
    bool has_room = resize(a, s, number, expected) || bytes <= slot_bytes;
    return has_room ? bundle_at(a, s, number) : NULL;
}

bool strings_put(struct arena *a, struct strings *s, uint32_t id, const void *bytes, size_t n)
{
    struct incoming in;
    uint32_t number = id >> STRINGS_BUNDLE_SHIFT;
    unsigned place = id % STRINGS_BUNDLE;
    if (!prepare(a, s, bytes, n, &in))
        return false;
    struct bundle *b = have_given(a, s, number, place, &in.piece);
    if (b == NULL) {
        undo(a, s, &in);
        return false;
    }
    assert(b->state == GIVEN && !has_place(b, place));
    enter(a, s, b, place, &in, n);
    return true;
}

/* ---- reading ---- */

static struct bytes string_at(const struct arena *a, struct bundle *b, unsigned place)
{
    assert(has_place(b, place));
    if ((b->lengths[place] & ALONE) == 0)
        return (struct bytes){bytes_of(b, place), b->lengths[place]};
    const struct alone *alone = slot_ptr(a, alone_of(b, place));
    return (struct bytes){alone->bytes, alone->n_bytes};
}

struct bytes strings_at(const struct arena *a, const struct strings *s, uint32_t id)
{
    return string_at(a, bundle_of(a, s, id), id % STRINGS_BUNDLE);
}

bool strings_has(const struct arena *a, const struct strings *s, uint32_t id)
{
    const struct bundle *b = bundle_at(a, s, id >> STRINGS_BUNDLE_SHIFT);
    return b != NULL && has_place(b, id % STRINGS_BUNDLE);
}

void strings_fetch_bundle(const struct arena *a, const struct strings *s, uint32_t id)
{
    const struct bundle *b = bundle_of(a, s, id);
    __builtin_prefetch(b);
    __builtin_prefetch(&b->lengths[STRINGS_BUNDLE - 1]);
}

void strings_fetch(const struct arena *a, const struct strings *s, uint32_t id)
{
    __builtin_prefetch(bytes_of(bundle_of(a, s, id), id % STRINGS_BUNDLE));
}

uint32_t strings_next(const struct arena *a, const struct strings *s, uint32_t id)
{
    uint32_t number = id >> STRINGS_BUNDLE_SHIFT;
    unsigned place = id % STRINGS_BUNDLE + 1;
    while (number <= UINT32_MAX >> STRINGS_BUNDLE_SHIFT) {
        const struct bundle *b = bundle_at(a, s, number);
        for (; b != NULL && place < b->n_places; place++)
            if (has_place(b, place))
                return number << STRINGS_BUNDLE_SHIFT | place;
        place = 0;
        bool has_leaf = entry_of(a, s, number) != NULL;
        number = has_leaf ? number + 1 : (number | (s->bundles.per_leaf - 1)) + 1;
    }
    return 0;
}

/* ---- taking out ---- */

/* A slot two sizes smaller would do. */
static bool is_roomy(const struct strings *s, size_t bytes, size_t slot_bytes)
{
    size_t next = kind_size(&s->slots, bytes);
    return next < slot_bytes && kind_size(&s->slots, next + 1) < slot_bytes;
}

void strings_remove(struct arena *a, struct strings *s, uint32_t id)
{
    uint32_t number = id >> STRINGS_BUNDLE_SHIFT;
    unsigned place = id % STRINGS_BUNDLE;
    ENSURE(strings_has(a, s, id));
    struct bundle *b = bundle_at(a, s, number);
    s->n--;
    s->n_bytes -= string_at(a, b, place).n;
    if ((b->lengths[place] & ALONE) != 0)
        put_slot(a, s, alone_of(b, place));
    take_out(b, place);
    if (b->n_used == 0) {
        bundle_free(a, s, b);
        return;
    }
    if (b->state == CLOSED)
        list_push(a, s, b);
    size_t bytes = bundle_bytes(b);
    if (is_roomy(s, bytes, pool_slot_bytes_at(a, *entry_of(a, s, number))))
        (void)resize(a, s, number, bytes); /* without memory it only stays larger */
}

/* ---- releasing and moving ---- */

void strings_init(struct strings *s, unsigned owner_slots, unsigned owner_table)
{
    *s = (struct strings){.next_free = 1};
    table_init(&s->bundles, sizeof(slot), owner_table);
    kind_init_fine(&s->slots, owner_slots);
}

void strings_release(struct arena *a, struct strings *s)
{
    table_release(a, &s->bundles);
    kind_drop(a, &s->slots);
    s->open = s->n_bundles = 0;
    s->next_free = 1;
    s->n = s->n_bytes = 0;
}

bool strings_move(void *mover, slot from, slot to)
{
    const struct strings_mover *m = mover;
    const struct bundle *moved = slot_ptr(m->arena, to);
    slot *entry = entry_of(m->arena, m->strings, moved->number);
    ENSURE(entry != NULL && *entry != 0);
    if (moved->place == WHOLE) {
        ENSURE(*entry == from);
        *entry = to;
        return true;
    }
    struct bundle *b = slot_ptr(m->arena, *entry);
    ENSURE(has_place(b, moved->place) && alone_of(b, moved->place) == from);
    memcpy(bytes_of(b, moved->place), &to, sizeof(to));
    return true;
}

/* ---- the check ---- */

struct recount {
    uint64_t n, n_bytes, used_bytes;
    uint32_t n_bundles, n_open, n_in_leaf;
};

static bool alone_is_good(const struct arena *a, const struct strings *s, struct bundle *b,
                          unsigned place, struct recount *io)
{
    slot at = alone_of(b, place);
    const struct alone *alone = slot_ptr(a, at);
    if ((b->lengths[place] & LENGTH_MASK) != sizeof(slot) || at == 0 ||
        alone->number != b->number || alone->place != place ||
        alone->n_bytes <= STRINGS_IN_BUNDLE_MAX)
        return false;
    size_t slot_bytes = pool_slot_bytes_at(a, at), needs = sizeof(*alone) + alone->n_bytes;
    io->used_bytes += slot_bytes;
    return kind_size(&s->slots, needs) == slot_bytes;
}

static bool bundle_is_good(const struct arena *a, const struct strings *s, uint32_t number,
                           struct recount *io)
{
    struct bundle *b = bundle_at(a, s, number);
    unsigned n_used = 0;
    if (b->number != number || b->place != WHOLE || b->state > OPEN || b->n_places == 0 ||
        b->n_places > STRINGS_BUNDLE || b->lengths[b->n_places - 1] == 0 ||
        (b->state == CLOSED && (b->next | b->prev) != 0) ||
        (b->state == GIVEN && (b->n_bytes != bytes_before(b, b->n_places) || b->prev != 0)))
        return false;
    size_t slot_bytes = pool_slot_bytes_at(a, *entry_of(a, s, number));
    if (bundle_bytes(b) > slot_bytes)
        return false;
    for (unsigned place = 0; place < b->n_places; place++) {
        if (b->lengths[place] == 0)
            continue;
        if (b->lengths[place] > STRINGS_IN_BUNDLE_MAX && !alone_is_good(a, s, b, place, io))
            return false;
        n_used++;
        io->n_bytes += string_at(a, b, place).n;
    }
    io->n += n_used;
    io->used_bytes += slot_bytes;
    io->n_open += b->state == OPEN;
    return n_used == b->n_used && (b->state != OPEN || n_used < STRINGS_BUNDLE);
}

/* Those of one leaf of the table, from its first number on. */
static bool leaf_is_good(const struct arena *a, const struct strings *s, uint32_t first,
                         struct recount *io)
{
    uint32_t n_before = io->n_bundles;
    for (uint32_t i = 0; i < s->bundles.per_leaf; i++) {
        bool is_there = *entry_of(a, s, first + i) != 0;
        if (is_there && !bundle_is_good(a, s, first + i, io))
            return false;
        io->n_bundles += is_there;
    }
    return io->n_bundles - n_before == table_held(a, &s->bundles, first);
}

static bool list_is_good(const struct arena *a, const struct strings *s, uint32_t n_open)
{
    uint32_t before = 0, n = 0;
    for (uint32_t at = s->open; at != 0; n++) {
        const struct bundle *b = bundle_at(a, s, at);
        if (b == NULL || b->state != OPEN || b->prev != before || n > n_open)
            return false;
        before = at;
        at = b->next;
    }
    return n == n_open;
}

bool strings_check(const struct arena *a, const struct strings *s)
{
    struct recount sum = {0};
    uint32_t last = UINT32_MAX >> STRINGS_BUNDLE_SHIFT;
    if (!kind_check(a, &s->slots) || s->next_free == 0 || s->next_free > last + 1)
        return false;
    for (uint32_t first = 0; sum.n_bundles < s->n_bundles && first <= last;
         first += s->bundles.per_leaf)
        if (entry_of(a, s, first) != NULL && !leaf_is_good(a, s, first, &sum))
            return false;
    for (uint32_t number = 1; number < s->next_free; number++)
        if (bundle_at(a, s, number) == NULL)
            return false;
    return sum.n_bundles == s->n_bundles && sum.n == s->n && sum.n_bytes == s->n_bytes &&
           sum.used_bytes == kind_used_bytes(&s->slots) && list_is_good(a, s, sum.n_open);
}
