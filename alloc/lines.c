/* Entries in lines of 128 bytes: open addressing, extendible hashing above it.
 *
 * The problem. A chained table is 4 bytes a bucket and 8 in each record, and a lookup goes from the
 * bucket to the record to see whether it is the one: two waits for memory before the first useful
 * byte. Here the hash is in the table, so one line tells, and the record knows nothing of it.
 *
 * Within a segment it is linear probing by lines: an entry lies in its home line, or in the first
 * line behind it that had room (the last page goes on at the first). Invariant: all lines from an
 * entry's home to its own, less that, are full, and the entries of a line are at its front. So a
 * search ends at the first line with room, and a removal that makes room in a full line moves an
 * entry in from behind, as long as there is one that the room would hide; no tombstones, so a table
 * that had many entries once is as quick as one that never had.
 *
 * The home line is the key's place in the range of keys, scaled to the number of lines, which need
 * not be a power of two: a segment grows by a page or two of 32, not by doubling. Growing makes it
 * anew (16 entries moved for each that comes, at worst); only then is memory taken, and until all
 * of it is there nothing has changed.
 *
 * Rejected. Doubling the whole table: three quarters full on average, and a peak of three times its
 * size. Lines of 64 bytes, one line of the cache: as full, a hit reads 1.79 of them, so one in two
 * waits twice; of 128 bytes, which come from memory together, nearly all find what they seek in the
 * first. Linear hashing by lines: cannot be filled above 80 % without overflow chains. Cuckoo: two
 * lines to wait for. More than 90 % full: 93 % saves 2 % of the bytes, and a hit reads 1.96 lines
 * instead of 1.79. A count of entries that left a line, to end searches in vain early: those are
 * for new things, which cost many times as much for other reasons. Finding room in a line without
 * branches: no faster. A search that ends at the entry: where in its line that is, is chance, and a
 * wrong guess costs as much as a line from memory (8.5 M lookups a second in batches; 11 to 13 when
 * whole lines are looked at, and those that go on to the next line do so together).
 */
#include "alloc/lines_inside.h"
#include "alloc/masks.h"

#include <string.h>

enum {
    MERGE_PAGES_MAX = 24, /* two halves are merged when they fit in three quarters of a segment */
    SHRINK_SHARE = 8,     /* a segment shrinks when an eighth more would fit as well */
};

static struct lines_segment *own_segment_of(const struct arena *a, struct lines *l,
                                            struct lines_key key)
{
    if (l->depth == 0)
        return &l->only;
    return segment_at(a, l, directory(a, l)[prefix_of(key, l->depth)]);
}

/* Pages of a segment of n entries: a large one grows by two at a time, for half as many are moved
 * then for each that comes, and one in fifty takes more room. */
static uint32_t pages_for(const struct lines *l, uint32_t n)
{
    uint32_t n_pages = n > 0 ? (n + page_entries(l) - 1) / page_entries(l) : 1;
    return n_pages > LINES_SEGMENT_PAGES / 2 ? n_pages + n_pages % 2 : n_pages;
}

void lines_init(struct lines *l, enum lines_kind kind, unsigned owner)
{
    *l = (struct lines){.owner = (uint16_t)owner, .kind = (uint8_t)kind};
    table_init(&l->segments, 256, owner);
    _Static_assert(sizeof(struct lines_segment) <= 256, "an item of the table");
}

static void put_pages(struct arena *a, struct lines *l, const page_no *pages, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        arena_page_put(a, l->owner, pages[i]);
    l->n_pages -= n;
}

/* n empty pages; false (and none) when memory is exhausted. */
static bool get_pages(struct arena *a, struct lines *l, page_no *ret, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        ret[i] = arena_page_get(a, l->owner);
        if (ret[i] == 0) {
            put_pages(a, l, ret, i);
            return false;
        }
        l->n_pages++;
        memset(arena_page(a, ret[i]), 0, ARENA_PAGE_BYTES);
    }
    return true;
}

void lines_release(struct arena *a, struct lines *l)
{
    put_pages(a, l, l->only.pages, l->only.n_pages);
    for (uint32_t i = 0; i < l->n_segments; i++) {
        const struct lines_segment *s = segment_at(a, l, i);
        put_pages(a, l, s->pages, s->n_pages);
    }
    table_release(a, &l->segments);
    if (l->directory != 0)
        arena_page_put(a, l->owner, l->directory);
    lines_init(l, (enum lines_kind)l->kind, l->owner);
}

/* ---- finding ---- */

/* Where an entry is. */
struct place {
    void *line;
    uint32_t number; /* of the line in the segment */
    unsigned i;
};

static inline uint32_t find_trusted(const struct trusted_line *t, struct lines_key key,
                                    lines_verify verify, const void *ctx, unsigned *ret_i)
{
    for (unsigned i = 0; i < TRUSTED_PER_LINE; i++) {
        if (t->high[i] != key.high || t->low[i] != key.low)
            continue;
        uint32_t id = t->ids[i];
        *ret_i = i;
        if (id != 0 && (verify == NULL || verify(ctx, id)))
            return id;
    }
    return 0;
}

_Static_assert(TAGGED_PER_LINE == 2 * MASKS_NUMBERS + 2, "two masks, and two beside them");

static inline uint32_t find_tagged(const struct tagged_line *t, struct lines_key key,
                                   lines_verify verify, const void *ctx, unsigned *ret_i)
{
    uint16_t low = (uint16_t)(key.high >> TAG_SHIFT);
    uint8_t high = (uint8_t)(key.high >> (TAG_SHIFT + 16));
    uint32_t found = masks_are_short(t->low, low) |
                     masks_are_short(t->low + MASKS_NUMBERS, low) << MASKS_NUMBERS |
                     (uint32_t)(t->low[16] == low) << 16 | (uint32_t)(t->low[17] == low) << 17;
    for (; found != 0; found &= found - 1) {
        unsigned i = (unsigned)__builtin_ctz(found);
        uint32_t id = t->ids[i];
        if (t->high[i] != high)
            continue;
        *ret_i = i;
        if (id != 0 && (verify == NULL || verify(ctx, id)))
            return id;
    }
    return 0;
}

static inline void ask_for(const void *line)
{
    __builtin_prefetch(line);
    __builtin_prefetch((const char *)line + LINES_BYTES / 2);
}

static inline uint32_t find_from(const struct arena *a, const struct lines *l,
                                 const struct lines_segment *s, struct lines_key key,
                                 lines_verify verify, const void *ctx, struct place *ret)
{
    uint32_t id = 0;
    if (s->n_pages == 0)
        return 0;
    for (ret->number = home_of(s, key);; ret->number = next_line(s, ret->number)) {
        ret->line = line_at(a, s, ret->number);
        ask_for(ret->line);
        id = l->kind == LINES_TRUSTED ? find_trusted(ret->line, key, verify, ctx, &ret->i)
                                      : find_tagged(ret->line, key, verify, ctx, &ret->i);
        if (id != 0 || !is_full(l, ret->line))
            return id;
    }
}

void lines_ask(const struct arena *a, const struct lines *l, struct lines_search *search)
{
    assert(l->kind == LINES_TRUSTED && search->n <= LINES_SEARCH_MAX);
    const struct table segments = l->segments; /* the compiler sees that it does not change */
    const uint16_t *numbers = l->depth > 0 ? directory(a, l) : NULL;
    unsigned depth = l->depth;
    for (uint32_t i = 0; i < search->n && l->n > 0; i++) {
        const struct lines_segment *s = &l->only;
        if (depth > 0)
            s = table_at(a, &segments, numbers[prefix_of(search->keys[i], depth)]);
        search->at[i].segment = s;
        search->at[i].number = home_of(s, search->keys[i]);
        search->at[i].line = line_at(a, s, search->at[i].number);
        ask_for(search->at[i].line);
    }
}

/* The id of a key in a line, or 0. Where in a line an entry is is chance, so all of the line is
 * looked at, without a branch that could be guessed wrong. Two entries that agree in their low bits
 * are so rare that they may take a loop. */
static inline uint32_t id_in(const struct trusted_line *t, struct lines_key key)
{
    uint32_t found = masks_are(t->low, key.low);
    unsigned i = (unsigned)__builtin_ctz(found | 1u << (TRUSTED_PER_LINE - 1));
    if (__builtin_expect((found & (found - 1)) != 0, 0))
        return find_trusted(t, key, NULL, NULL, &i);
    return t->ids[i] & -(uint32_t)(t->high[i] == key.high && found != 0);
}

static uint32_t find_id(const struct arena *a, const struct lines *l, struct lines_key key)
{
    const struct lines_segment *s = segment_of(a, l, key);
    uint32_t id = 0, number = s->n_pages > 0 ? home_of(s, key) : 0;
    for (bool is_done = s->n_pages == 0; !is_done; number = next_line(s, number)) {
        const struct trusted_line *line = line_at(a, s, number);
        ask_for(line);
        id = id_in(line, key);
        is_done = id != 0 || !is_full(l, line);
    }
    return id;
}

uint32_t lines_find(const struct arena *a, const struct lines *l, struct lines_key key,
                    lines_verify verify, const void *ctx)
{
    struct place at;
    if (l->kind == LINES_TRUSTED && verify == NULL)
        return find_id(a, l, key);
    return find_from(a, l, segment_of(a, l, key), stored(l, key), verify, ctx, &at);
}

/* Looks at the lines that were asked for; how many are not found. */
static uint32_t look(struct lines_search *s, uint32_t n)
{
    uint32_t n_pending = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint8_t i = s->pending[k];
        s->ids[i] = id_in(s->at[i].line, s->keys[i]);
        s->pending[n_pending] = i;
        n_pending += s->ids[i] == 0;
    }
    return n_pending;
}

/* Asks for the next lines of those that may lie there; how many these are. */
static uint32_t ask_next(const struct arena *a, const struct lines *l, struct lines_search *s,
                         uint32_t n)
{
    uint32_t n_pending = 0;
    for (uint32_t k = 0; k < n; k++) {
        uint8_t i = s->pending[k];
        if (!is_full(l, s->at[i].line))
            continue;
        s->at[i].number = next_line(s->at[i].segment, s->at[i].number);
        s->at[i].line = line_at(a, s->at[i].segment, s->at[i].number);
        ask_for(s->at[i].line);
        s->pending[n_pending++] = i;
    }
    return n_pending;
}

void lines_answer(const struct arena *a, const struct lines *l, struct lines_search *search)
{
    for (uint32_t i = 0; i < search->n; i++) {
        search->pending[i] = (uint8_t)i;
        search->ids[i] = 0;
    }
    for (uint32_t n = l->n > 0 ? search->n : 0; n > 0;)
        n = ask_next(a, l, search, look(search, n));
}

static bool is_id(const void *ctx, uint32_t id)
{
    return *(const uint32_t *)ctx == id;
}

bool lines_replace(struct arena *a, struct lines *l, struct lines_key key, uint32_t from,
                   uint32_t to)
{
    struct place at;
    assert(to != 0);
    key = stored(l, key);
    if (find_from(a, l, segment_of(a, l, key), key, is_id, &from, &at) == 0)
        return false;
    put_entry(l, at.line, at.i, (struct entry){key, to});
    return true;
}

/* ---- putting in and taking out, within a segment ---- */

static void add(const struct arena *a, const struct lines *l, struct lines_segment *s,
                struct entry e)
{
    uint32_t number = home_of(s, e.key);
    void *line = line_at(a, s, number);
    while (is_full(l, line)) {
        number = next_line(s, number);
        line = line_at(a, s, number);
    }
    unsigned i = 0;
    if (l->kind == LINES_TRUSTED) /* how many there are is chance: a wrong guess each time */
        i = (unsigned)__builtin_ctz(masks_are(((const struct trusted_line *)line)->ids, 0));
    else
        while (id_at(l, line, i) != 0)
            i++;
    put_entry(l, line, i, e);
    s->n++;
}

/* Closes a gap with the last entry of its line. */
static void close_gap(const struct lines *l, void *line, unsigned i)
{
    unsigned last = per_line(l) - 1;
    while (id_at(l, line, last) == 0)
        last--;
    put_entry(l, line, i, entry_at(l, line, last));
    put_entry(l, line, last, (struct entry){0});
}

/* An entry of a line that may lie in another, before it. */
static bool find_movable(const struct lines *l, const struct lines_segment *s, uint32_t from,
                         const void *line, uint32_t to, unsigned *ret_i)
{
    for (unsigned i = 0; i < per_line(l) && id_at(l, line, i) != 0; i++) {
        uint32_t home = home_of(s, entry_at(l, line, i).key);
        if (distance(s, home, from) >= distance(s, to, from)) {
            *ret_i = i;
            return true;
        }
    }
    return false;
}

/* Takes an entry out; the room that it leaves in a full line would end searches too early for what
 * lies behind. */
static void take_out(const struct arena *a, const struct lines *l, struct lines_segment *s,
                     struct place at)
{
    bool was_full = is_full(l, at.line);
    unsigned last = per_line(l) - 1;
    s->n--;
    close_gap(l, at.line, at.i);
    uint32_t from = at.number;
    while (was_full) {
        from = next_line(s, from);
        void *line = line_at(a, s, from);
        unsigned i;
        was_full = is_full(l, line);
        if (from == at.number)
            return;
        if (!find_movable(l, s, from, line, at.number, &i))
            continue;
        put_entry(l, at.line, last, entry_at(l, line, i));
        close_gap(l, line, i);
        at = (struct place){line, from, 0};
    }
}

/* ---- making segments anew ---- */

/* A segment being filled with the entries of others. How many each line has by now is counted
 * beside the lines: the same said by a line itself is what the last entry has just written into it,
 * and waits for that. The pages lie here too, found once. */
struct filling {
    struct lines_segment *s;
    char *pages[LINES_SEGMENT_PAGES];
    uint8_t n[LINES_SEGMENT_PAGES * LINES_PER_PAGE];
};

static void begin_filling(const struct arena *a, struct lines_segment *s, struct filling *ret)
{
    ret->s = s;
    for (uint32_t i = 0; i < s->n_pages; i++)
        ret->pages[i] = arena_page(a, s->pages[i]);
    memset(ret->n, 0, n_lines(s));
}

/* shape: a copy of what says where a key is at home, for the compiler must think that an entry
 * that is written could be the segment itself. */
static ALWAYS_INLINE void fill_in(const struct lines *l, struct filling *f,
                                  const struct lines_segment *shape, struct entry e)
{
    uint32_t number = home_of(shape, e.key);
    while (f->n[number] == per_line(l))
        number = next_line(shape, number);
    char *line = f->pages[number / LINES_PER_PAGE] + number % LINES_PER_PAGE * LINES_BYTES;
    put_entry(l, line, f->n[number]++, e);
}

/* Of l only the kind is read. */
static ALWAYS_INLINE void move_entries(const struct arena *a, const struct lines *l,
                                       const struct lines_segment *from, struct filling *lo,
                                       struct filling *hi)
{
    const struct lines_segment shape = {.n_pages = lo->s->n_pages, .depth = lo->s->depth},
                               hi_shape = {.n_pages = hi->s->n_pages, .depth = hi->s->depth};
    bool is_split = hi != lo;
    uint32_t n_from = n_lines(from), n_hi = 0;
    for (uint32_t number = 0; number < n_from; number++) {
        const void *line = line_at(a, from, number);
        for (unsigned i = 0; i < per_line(l) && id_at(l, line, i) != 0; i++) {
            struct entry e = entry_at(l, line, i);
            if (is_split && (e.key.high << from->depth >> 63) != 0) {
                fill_in(l, hi, &hi_shape, e);
                n_hi++;
            } else {
                fill_in(l, lo, &shape, e);
            }
        }
    }
    hi->s->n += n_hi;
    lo->s->n += from->n - n_hi;
}

/* Puts the entries of a segment into others: those with the bit behind the prefix to hi, the rest
 * to lo; or all to lo, if hi is the same. A kind that the compiler knows saves it the choice at
 * each entry. */
static void move_all(const struct arena *a, const struct lines *l, const struct lines_segment *from,
                     struct filling *lo, struct filling *hi)
{
    const struct lines trusted = {.kind = LINES_TRUSTED}, tagged = {.kind = LINES_TAGGED};
    if (l->kind == LINES_TRUSTED)
        move_entries(a, &trusted, from, lo, hi);
    else
        move_entries(a, &tagged, from, lo, hi);
}

static uint32_t count_hi(const struct arena *a, const struct lines *l,
                         const struct lines_segment *s)
{
    uint32_t n = 0;
    for (uint32_t number = 0; number < n_lines(s); number++) {
        const void *line = line_at(a, s, number);
        for (unsigned i = 0; i < per_line(l) && id_at(l, line, i) != 0; i++)
            n += (uint32_t)(entry_at(l, line, i).key.high << s->depth >> 63);
    }
    return n;
}

/* An empty segment; false when memory is exhausted. */
static bool make_segment(struct arena *a, struct lines *l, uint32_t n_pages, uint32_t depth,
                         uint32_t prefix, struct lines_segment *ret)
{
    *ret = (struct lines_segment){
        .n_pages = (uint16_t)n_pages, .depth = (uint8_t)depth, .prefix = (uint16_t)prefix};
    return get_pages(a, l, ret->pages, n_pages);
}

static bool resize(struct arena *a, struct lines *l, struct lines_segment *s, uint32_t n_pages)
{
    struct lines_segment made;
    if (!make_segment(a, l, n_pages, s->depth, s->prefix, &made))
        return false;
    struct filling filling;
    begin_filling(a, &made, &filling);
    move_all(a, l, s, &filling, &filling);
    put_pages(a, l, s->pages, s->n_pages);
    *s = made;
    return true;
}

/* Lets the directory's entries of a segment lead to it. */
static void enter_segment(const struct arena *a, struct lines *l, uint32_t number)
{
    const struct lines_segment *s = segment_at(a, l, number);
    unsigned below = l->depth - s->depth;
    uint16_t *entries = directory(a, l) + ((uint32_t)s->prefix << below);
    for (uint32_t i = 0; i < 1u << below; i++)
        entries[i] = (uint16_t)number;
}

/* A directory that looks at one bit more. The first takes a page. */
static bool deepen(struct arena *a, struct lines *l)
{
    if (l->depth == LINES_DEPTH_MAX)
        return false;
    if (l->depth == 0) {
        l->directory = arena_page_get(a, l->owner);
        if (l->directory == 0)
            return false;
        l->depth = 1;
        return true;
    }
    uint16_t *entries = directory(a, l);
    for (uint32_t i = 1u << l->depth; i-- > 0;)
        entries[2 * i] = entries[2 * i + 1] = entries[i];
    l->depth++;
    return true;
}

/* Bits that no segment needs go. */
static void flatten(struct arena *a, struct lines *l)
{
    unsigned deepest = 0;
    for (uint32_t i = 0; i < l->n_segments; i++)
        deepest = deepest > segment_at(a, l, i)->depth ? deepest : segment_at(a, l, i)->depth;
    while (l->depth > deepest && l->depth > 1) {
        uint16_t *entries = directory(a, l);
        l->depth--;
        for (uint32_t i = 0; i < 1u << l->depth; i++)
            entries[i] = entries[2 * i];
    }
    if (deepest > 0 || l->depth == 0)
        return;
    if (l->n_segments > 0)
        l->only = *segment_at(a, l, 0);
    table_release(a, &l->segments);
    arena_page_put(a, l->owner, l->directory);
    l->directory = 0;
    l->n_segments = 0;
    l->depth = 0;
}

/* Room for one more record of a segment, and the directory for two halves of this one. */
static bool prepare_split(struct arena *a, struct lines *l, uint32_t depth)
{
    uint32_t n = l->n_segments > 0 ? l->n_segments : 1;
    if (table_make(a, &l->segments, n) == NULL || (depth == l->depth && !deepen(a, l))) {
        if (n % l->segments.per_leaf == 0 || l->n_segments == 0)
            table_clear_leaf(a, &l->segments, n);
        return false;
    }
    return true;
}

/* Two segments of one. */
static bool split(struct arena *a, struct lines *l, struct lines_segment *s)
{
    struct lines_segment lo, hi, old = *s;
    uint32_t n_hi = count_hi(a, l, s), prefix = (uint32_t)s->prefix << 1, depth = s->depth + 1u;
    if (!make_segment(a, l, pages_for(l, s->n - n_hi), depth, prefix, &lo))
        return false;
    if (!make_segment(a, l, pages_for(l, n_hi), depth, prefix | 1, &hi))
        goto fail_lo;
    bool was_only = l->depth == 0;
    uint32_t number = was_only ? 0 : directory(a, l)[(uint32_t)s->prefix << (l->depth - s->depth)];
    if (!prepare_split(a, l, s->depth))
        goto fail_hi;
    struct filling low, high;
    begin_filling(a, &lo, &low);
    begin_filling(a, &hi, &high);
    move_all(a, l, &old, &low, &high);
    put_pages(a, l, old.pages, old.n_pages);
    if (was_only)
        l->only = (struct lines_segment){0};
    uint32_t added = was_only ? 1 : l->n_segments;
    l->n_segments = added + 1;
    *segment_at(a, l, number) = lo;
    *segment_at(a, l, added) = hi;
    enter_segment(a, l, number);
    enter_segment(a, l, added);
    return true;
fail_hi:
    put_pages(a, l, hi.pages, hi.n_pages);
fail_lo:
    put_pages(a, l, lo.pages, lo.n_pages);
    return false;
}

bool lines_insert(struct arena *a, struct lines *l, struct lines_key key, uint32_t id)
{
    assert(id != 0);
    struct lines_segment *s = own_segment_of(a, l, key);
    while (s->n >= (uint32_t)s->n_pages * page_entries(l)) {
        bool is_made = s->n_pages < LINES_SEGMENT_PAGES ? resize(a, l, s, pages_for(l, s->n + 1))
                                                        : split(a, l, s);
        if (!is_made)
            return false;
        s = own_segment_of(a, l, key);
    }
    add(a, l, s, (struct entry){stored(l, key), id});
    l->n++;
    return true;
}

void lines_reserve(struct arena *a, struct lines *l, uint32_t n)
{
    uint32_t most = LINES_SEGMENT_PAGES * page_entries(l);
    if (l->n == 0 && l->only.n_pages == 0 && n > 0)
        l->is_reserved = resize(a, l, &l->only, pages_for(l, n < most ? n : most));
}

void lines_fit(struct arena *a, struct lines *l)
{
    l->is_reserved = false;
    if (l->n == 0)
        lines_release(a, l);
    else if (l->depth == 0 && pages_for(l, l->n) < l->only.n_pages)
        (void)resize(a, l, &l->only, pages_for(l, l->n));
}

/* ---- becoming smaller: without memory for it a table stays as it is ---- */

/* Takes a segment's record out; the last one moves to its number. */
static void drop_record(struct arena *a, struct lines *l, uint32_t number)
{
    uint32_t last = --l->n_segments;
    if (number != last) {
        *segment_at(a, l, number) = *segment_at(a, l, last);
        enter_segment(a, l, number);
    }
    if (last % l->segments.per_leaf == 0)
        table_clear_leaf(a, &l->segments, last);
}

/* The segment of a key and its other half become one; false when they do not. */
static bool merge(struct arena *a, struct lines *l, struct lines_key key)
{
    struct lines_segment *s = own_segment_of(a, l, key), made;
    if (s->depth == 0)
        return false;
    unsigned below = l->depth - s->depth;
    uint32_t numbers[2] = {directory(a, l)[(uint32_t)s->prefix << below],
                           directory(a, l)[((uint32_t)s->prefix ^ 1) << below]};
    struct lines_segment *other = segment_at(a, l, numbers[1]);
    uint32_t n_pages = pages_for(l, s->n + other->n);
    if (other->depth != s->depth || n_pages > MERGE_PAGES_MAX ||
        !make_segment(a, l, n_pages, s->depth - 1u, s->prefix >> 1, &made))
        return false;
    struct filling filling;
    begin_filling(a, &made, &filling);
    move_all(a, l, s, &filling, &filling);
    move_all(a, l, other, &filling, &filling);
    put_pages(a, l, s->pages, s->n_pages);
    put_pages(a, l, other->pages, other->n_pages);
    *s = made;
    enter_segment(a, l, numbers[0]);
    drop_record(a, l, numbers[1]);
    flatten(a, l);
    return true;
}

static void shrink(struct arena *a, struct lines *l, struct lines_key key)
{
    if (l->n == 0) {
        lines_release(a, l);
        return;
    }
    struct lines_segment *s = own_segment_of(a, l, key);
    if (pages_for(l, s->n + s->n / SHRINK_SHARE) < s->n_pages)
        (void)resize(a, l, s, pages_for(l, s->n));
    while (merge(a, l, key))
        ;
}

bool lines_remove(struct arena *a, struct lines *l, struct lines_key key, uint32_t id)
{
    struct place at;
    struct lines_segment *s = own_segment_of(a, l, key);
    if (find_from(a, l, s, stored(l, key), is_id, &id, &at) == 0)
        return false;
    take_out(a, l, s, at);
    l->n--;
    shrink(a, l, key);
    return true;
}

uint32_t lines_purge(struct arena *a, struct lines *l, uint32_t *io_segment, lines_is_dead is_dead,
                     const void *ctx)
{
    uint32_t n = l->n, which = *io_segment < l->n_segments ? *io_segment : 0;
    struct lines_segment *s = l->depth == 0 ? &l->only : segment_at(a, l, which);
    *io_segment = which + 1 < l->n_segments ? which + 1 : 0;
    for (uint32_t number = 0; number < n_lines(s); number++) {
        struct place at = {line_at(a, s, number), number, 0};
        for (uint32_t id; at.i < per_line(l) && (id = id_at(l, at.line, at.i)) != 0;) {
            if (is_dead(ctx, id)) {
                take_out(a, l, s, at); /* another may lie here now */
                l->n--;
            } else {
                at.i++;
            }
        }
    }
    uint64_t high = s->depth > 0 ? (uint64_t)s->prefix << (64 - s->depth) : 0;
    uint32_t n_dropped = n - l->n;
    if (n_dropped > 0)
        shrink(a, l, (struct lines_key){high, 0});
    return n_dropped;
}

/* ---- walking and checking ---- */

uint32_t lines_next(const struct arena *a, const struct lines *l, uint64_t *io_at)
{
    enum { LINE_SHIFT = 4, SEGMENT_SHIFT = 20 };
    uint32_t n_segments = l->depth == 0 ? 1 : l->n_segments;
    uint32_t number = (uint32_t)(*io_at >> SEGMENT_SHIFT);
    uint32_t line = (uint32_t)(*io_at >> LINE_SHIFT) & ((1u << (SEGMENT_SHIFT - LINE_SHIFT)) - 1);
    unsigned i = (unsigned)*io_at & ((1u << LINE_SHIFT) - 1);
    for (; number < n_segments; number++, line = 0) {
        const struct lines_segment *s = l->depth == 0 ? &l->only : segment_at(a, l, number);
        for (; line < n_lines(s); line++, i = 0) {
            uint32_t id = i < per_line(l) ? id_at(l, line_at(a, s, line), i) : 0;
            if (id != 0) {
                *io_at = (uint64_t)number << SEGMENT_SHIFT | line << LINE_SHIFT | (i + 1);
                return id;
            }
        }
    }
    *io_at = (uint64_t)n_segments << SEGMENT_SHIFT;
    return 0;
}
