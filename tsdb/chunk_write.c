/* Writing chunks: how samples become blocks.
 *
 * The common case is a sample later than all others at the time that its timeline expects: a
 * constant counts it, a tail takes it with a few bytes or none. After 128 samples the tail is
 * encoded as a block, which costs a few nanoseconds a sample and gives the columnar form at once;
 * so the open window is as small as the others and there is nothing left to do when it closes.
 *
 * Times. A tail follows a timeline as long as it can. When its next sample is at another time, a
 * tail of some length becomes a block, and the next one begins wherever that time is found: further
 * on in the same timeline, in one that another series of the same scrape has just made longer, or
 * in a new one. A short tail keeps its samples and has its own times from there on, so a series
 * that comes and goes as it likes costs its own times and not a block each time.
 *
 * Late samples. What they touch, the tail or one block, is decoded, the sample put in its place and
 * the tail, or the sheaf around the block, written anew: some hundred samples are encoded and a few
 * kilobytes copied, whatever the length of the chunk. A side buffer for late samples (merged when
 * reading) was left out: it makes every read and the snapshot know two places.
 *
 * Every function works on copies of the chunk's 24 bytes and its head; chunk_work_publish() makes
 * the copies the truth when all slots that they need are there, so nothing has changed when memory
 * runs out.
 */
#include "tsdb/chunk_work.h"
#include "tsdb/err.h"

#include <string.h>

enum {
    TAIL_CUT_MIN = 32,   /* a tail so long is not worth keeping when its times leave the timeline */
    OWN_TIMES_SHARE = 8, /* own times are regular when they vary by less than an eighth of a step */
    STRETCH_MAX = BLOCK_SAMPLES_MAX + 1, /* a full block and one late sample */
};

void chunk_work_begin(struct work *k, const struct chunk_writer *w, const struct chunk *chunk)
{
    k->w = w;
    k->c = *chunk;
    k->err = 0;
    change_init(&k->change, w->slots, w->window);
    if (w->open_payload != NULL) /* before this change gives back what it counts */
        slots_count_open(w->slots, w->open_payload);
    if (k->c.kind == CHUNK_HEAD)
        k->h = *chunk_head_at(w->slots->arena, k->c.at);
}

int chunk_work_publish(struct work *k, struct chunk *chunk)
{
    if (k->err != 0)
        k->change.has_failed = true;
    if (!change_prepare(&k->change))
        return k->err != 0 ? k->err : ERR_NO_MEMORY;
    if (k->c.kind == CHUNK_HEAD)
        words_store(chunk_head_at(arena_of(k), k->c.at), &k->h, sizeof(k->h));
    words_store(chunk, &k->c, sizeof(k->c));
    change_finish(&k->change);
    return 0;
}

/* ---- timelines ---- */

static _Atomic uint64_t *recent_place(const struct chunk_writer *w, uint32_t time)
{
    uint32_t hash = (time ^ w->window->serial * 2654435761u) * 2654435761u; /* Knuth's */
    return &w->recent->items[hash / (UINT32_MAX / RECENT_TIMELINES + 1)];
}

static void note_recent(const struct chunk_writer *w, uint32_t time, slot timeline)
{
    atomic_store_explicit(recent_place(w, time), (uint64_t)w->window->serial << 32 | timeline,
                          memory_order_release);
}

static slot find_recent(const struct chunk_writer *w, uint32_t time, uint32_t *ret_place)
{
    uint64_t entry = atomic_load_explicit(recent_place(w, time), memory_order_acquire);
    if (entry >> 32 != w->window->serial)
        return 0;
    slot timeline = (slot)entry;
    return timeline_find_recent(w->slots->arena, timeline, time, ret_place) ? timeline : 0;
}

/* Whether the timeline has this time at that place, or now has. */
static bool follows(struct work *k, slot timeline, uint32_t place, uint32_t time)
{
    bool is_new;
    int rc = timeline_follow(k->w->slots, k->w->window, timeline, place, time, &is_new);
    if (rc < 0)
        k->err = rc;
    if (is_new)
        note_recent(k->w, time, timeline);
    if (rc > 0 && k->w->memo != NULL)
        times_memo_note(k->w->memo, timeline, place, time);
    return rc > 0;
}

/* The place of a time in a timeline: behind `before`, if that is one and it can be; in another that
 * has it; in a new one, if that is wanted. 0 = none, or no memory. */
static slot find_timeline(struct work *k, const struct block_context *before, uint32_t time,
                          bool make, uint32_t *ret_place)
{
    slot timeline = before->timeline;
    *ret_place = before->place;
    if (timeline != 0 && follows(k, timeline, before->place, time))
        return timeline;
    if (k->err != 0)
        return 0;
    if (timeline != 0 && timeline_find_recent(arena_of(k), timeline, time, ret_place) &&
        *ret_place >= before->place)
        return timeline;
    timeline = find_recent(k->w, time, ret_place);
    if (timeline != 0 || !make)
        return timeline;
    timeline = timeline_new(k->w->slots, k->w->window, time);
    *ret_place = 0;
    if (timeline == 0)
        k->err = ERR_NO_MEMORY;
    else
        note_recent(k->w, time, timeline);
    return timeline;
}

/* ---- the tail becomes a block ---- */

bool chunk_work_move_on(struct work *k)
{
    struct chunk_head *h = &k->h;
    if (!sheaf_close(&k->change, &h->last, &h->end) ||
        !row_append(&k->change, &h->sheaves, sizeof(h->last), &h->last))
        return false;
    k->change.payload += (int64_t)sizeof(h->last);
    h->last.n_blocks = 0;
    return true;
}

/* What was sealed has a closed sheaf, whatever its length. */
static void add_block(struct work *k, const struct block *b, uint32_t first_time)
{
    struct chunk_head *h = &k->h;
    bool is_over =
        h->last.n_blocks > 0 && (!chunk_head_is_open(h) || h->last.n_blocks >= SHEAF_BLOCKS);
    if (is_over && !chunk_work_move_on(k))
        return;
    if (!sheaf_append(&k->change, &h->last, &h->end, b, first_time))
        k->change.has_failed = true;
}

uint32_t chunk_work_time(const struct work *k, slot timeline, uint32_t place)
{
    return timeline != 0 ? timeline_time(arena_of(k), k->w->times, timeline, place) : place;
}

uint32_t chunk_work_first(const struct work *k, const struct block *b)
{
    return chunk_work_time(k, b->times == BLOCK_AT ? b->timeline : 0, b->first);
}

static void finish_run(struct work *k)
{
    struct block b;
    uint8_t bytes[RUN_BYTES_MAX];
    const struct tail *t = &k->h.tail;
    uint32_t first_time = chunk_work_time(k, t->timeline, t->first);
    block_of_run(&b, t->timeline, t->first, t->n_samples, t->first_value, bytes);
    chunk_tail_drop(&k->change, &k->h);
    add_block(k, &b, first_time);
}

static bool are_regular(const uint32_t *times, uint32_t n)
{
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 1; i < n; i++) {
        uint32_t d = times[i] - times[i - 1];
        least = d < least ? d : least;
        most = d > most ? d : most;
    }
    return n > 2 && most - least <= least / OWN_TIMES_SHARE;
}

void chunk_work_finish_tail(struct work *k)
{
    struct chunk_head *h = &k->h;
    if (h->tail.n_bytes == 0) {
        finish_run(k);
        return;
    }
    struct block b = {0};
    uint32_t places[BLOCK_SAMPLES_MAX], n = h->tail.n_samples;
    uint64_t values[BLOCK_SAMPLES_MAX];
    uint8_t times_bytes[BLOCK_TIMES_BYTES_MAX], bytes[COLUMN_BYTES_MAX];
    slot timeline = h->tail.timeline;
    chunk_tail_decode(arena_of(k), h, places, values);
    block_encode_values(&b, values, n, bytes);
    b.shared = shared_find(k->w->shared, k->w->slots, k->w->window, bytes, b.n_values_bytes);
    b.times = BLOCK_AT;
    b.timeline = timeline;
    b.first = places[0];
    if (timeline == 0)
        block_own_times(&b, places, n, times_bytes);
    uint32_t first_time = chunk_work_time(k, timeline, places[0]);
    chunk_tail_drop(&k->change, h);
    add_block(k, &b, first_time);
    /* what the next tail wants to know of a tail with own times */
    h->tail.run = timeline == 0 && are_regular(places, n);
}

static bool has_blocks(const struct chunk_head *h)
{
    return h->last.n_blocks > 0 || h->sheaves.n > 0;
}

static bool tail_is_full(const struct work *k)
{
    const struct tail *t = &k->h.tail;
    uint32_t most = t->n_bytes == 0 ? (uint32_t)BLOCK_RUN_MAX : chunk_tail_max(&k->h, k->w->phase);
    return t->n_samples >= most;
}

/* ---- a sample behind all others ---- */

static void start_tail(struct work *k, uint32_t time, uint64_t value)
{
    struct chunk_head *h = &k->h;
    bool has_timeline = h->end.context.timeline != 0;
    bool make = !chunk_head_is_open(h) || has_timeline || h->tail.run != 0;
    uint32_t place;
    slot timeline = find_timeline(k, &h->end.context, time, make, &place);
    if (k->err == 0)
        tail_start(&h->tail, timeline, timeline != 0 ? place : time, value);
}

/* The tail's samples stay, with times of their own. */
static void own_times(struct work *k)
{
    uint32_t places[BLOCK_SAMPLES_MAX], times[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    const struct tail *t = &k->h.tail;
    uint32_t n = t->n_samples;
    timeline_read(arena_of(k), k->w->times, t->timeline, t->first, n, times);
    chunk_tail_decode(arena_of(k), &k->h, places, values);
    if (!chunk_tail_rewrite(&k->change, &k->h, 0, times, values, n))
        k->change.has_failed = true;
}

/* The place of a sample in the tail; the tail may have been finished (n_samples 0) or have its own
 * times afterwards. */
static uint32_t place_in_tail(struct work *k, uint32_t time)
{
    struct tail *t = &k->h.tail;
    if (t->timeline == 0)
        return time;
    if (follows(k, t->timeline, t->last + 1, time))
        return t->last + 1;
    if (k->err != 0)
        return 0;
    if (t->n_samples >= TAIL_CUT_MIN)
        chunk_work_finish_tail(k);
    else
        own_times(k);
    return time;
}

static void append(struct work *k, uint32_t time, uint64_t value)
{
    struct chunk_head *h = &k->h;
    uint32_t place = h->tail.n_samples > 0 ? place_in_tail(k, time) : 0;
    if (is_good(k) && h->tail.n_samples >= RUN_MIN && h->tail.n_bytes == 0 &&
        !tail_repeats(&h->tail, place, value))
        chunk_work_finish_tail(k);
    if (!is_good(k))
        return;
    if (h->tail.n_samples == 0)
        start_tail(k, time, value);
    else if (!chunk_tail_step(&k->change, h, place, value))
        return;
    if (is_good(k) && tail_is_full(k))
        chunk_work_finish_tail(k);
}

/* ---- forms ---- */

bool chunk_work_make_head(struct work *k)
{
    slot at = change_take_open(&k->change);
    if (at == 0)
        return false;
    k->h = (struct chunk_head){0};
    /* words_store compares with what is there */
    memset(slot_ptr(arena_of(k), at), 0, sizeof(k->h));
    k->change.open_payload += (int64_t)chunk_tail_payload(&k->h);
    k->c.kind = CHUNK_HEAD;
    k->c.is_stale = 0;
    k->c.timeline = 0;
    k->c.place = 0;
    k->c.at = at;
    k->c.n_bytes = k->c.n_blocks = 0;
    return true;
}

static void head_of_constant(struct work *k)
{
    struct chunk c = k->c;
    uint32_t n = c.n_samples - c.is_stale;
    if (!chunk_work_make_head(k))
        return;
    struct tail *t = &k->h.tail;
    tail_start(t, c.timeline, c.place, c.value);
    t->n_samples = n;
    t->run = n - 1;
    t->last = c.place + n - 1;
    if (!c.is_stale)
        return;
    if (n >= RUN_MIN) {
        chunk_work_finish_tail(k);
        tail_start(t, c.timeline, c.place + n, STALE_BITS);
    } else if (!chunk_tail_step(&k->change, &k->h, c.place + n, STALE_BITS)) {
        return;
    }
    if (is_good(k) && tail_is_full(k))
        chunk_work_finish_tail(k);
}

static void head_of_sheaf(struct work *k)
{
    uint8_t bytes[SHEAF_BYTES_MAX];
    struct sheaf only = chunk_only_sheaf(&k->c);
    struct sheaf_reader r;
    struct block b;
    uint32_t last;
    if (!chunk_work_make_head(k))
        return;
    sheaf_gather(arena_of(k), &only, NULL, bytes);
    sheaf_reader_init(&r, arena_of(k), &only, bytes);
    bool is_block = sheaf_next(&r, &b);
    ENSURE(is_block);
    block_span(arena_of(k), k->w->times, &b, &only.first_time, &last);
    k->h.last = only;
}

static void head_of_row(struct work *k)
{
    struct row sheaves = k->c.sheaves;
    if (chunk_work_make_head(k))
        k->h.sheaves = sheaves;
}

void chunk_work_have_head(struct work *k)
{
    if (k->c.kind == CHUNK_CONSTANT)
        head_of_constant(k);
    else if (k->c.kind == CHUNK_SHEAF)
        head_of_sheaf(k);
    else if (k->c.kind == CHUNK_ROW)
        head_of_row(k);
}

/* Sheaves in the directory, and none beside it. */
static bool seal_row(struct work *k)
{
    struct chunk_head *h = &k->h;
    if (h->last.n_blocks > 0 && !chunk_work_move_on(k))
        return false;
    k->c.kind = CHUNK_ROW;
    k->c.timeline = 0;
    k->c.place = 0;
    k->c.sheaves = h->sheaves;
    return true;
}

void chunk_work_only_sheaf(struct chunk *c, const struct sheaf *s)
{
    c->kind = CHUNK_SHEAF;
    c->timeline = s->start.timeline;
    c->place = s->start.place & TIMELINE_TIMES_MAX;
    c->at = s->piece;
    c->n_bytes = s->n_bytes;
    c->n_blocks = s->n_blocks;
}

/* Leaves nothing of the chunk in the pool `open`: what is there outlives no window, and would keep
 * a page of short-lived slots each. */
void chunk_work_seal(struct work *k)
{
    struct chunk_head *h = &k->h;
    slot head = k->c.at;
    if (h->tail.n_samples > 0)
        chunk_work_finish_tail(k);
    if (!is_good(k) || !sheaf_close(&k->change, &h->last, &h->end))
        return;
    if (h->sheaves.n == 0)
        chunk_work_only_sheaf(&k->c, &h->last);
    else if (!seal_row(k))
        return;
    k->change.open_payload -= (int64_t)chunk_tail_payload(h);
    change_replace_open(&k->change, head);
}

/* ---- a late sample ---- */

struct rewrite { /* the blocks of a sheaf, one of them replaced by up to three */
    struct block blocks[SHEAF_BLOCKS_MAX + 2];
    uint32_t n;
    uint8_t old_bytes[SHEAF_BYTES_MAX];
    uint8_t times_bytes[2][BLOCK_TIMES_BYTES_MAX];
    uint8_t values_bytes[2][COLUMN_BYTES_MAX];
    uint8_t run_bytes[RUN_BYTES_MAX];
};

/* A run with a time that is not its own: what is before, the sample, what is behind. */
static void split_run(struct work *k, struct rewrite *r, const struct block *b, uint32_t time,
                      uint64_t value)
{
    uint32_t before = 0, to = b->n_samples; /* samples before the time */
    while (before < to) {
        uint32_t mid = before + (to - before) / 2, at;
        bool is_there = block_times(arena_of(k), k->w->times, b, mid, 1, &at);
        ENSURE(is_there);
        if (at < time)
            before = mid + 1;
        else
            to = mid;
    }
    struct block part = *b;
    part.n_samples = before;
    if (before > 0)
        r->blocks[r->n++] = part;
    block_of_run(&r->blocks[r->n++], 0, time, 1, value, r->run_bytes);
    part.first = b->first + before;
    part.n_samples = b->n_samples - before;
    if (part.n_samples > 0)
        r->blocks[r->n++] = part;
}

static void encode_part(struct rewrite *r, uint32_t part, const uint32_t *times,
                        const uint64_t *values, uint32_t n)
{
    struct block *b = &r->blocks[r->n++];
    *b = (struct block){0};
    block_encode_values(b, values, n, r->values_bytes[part]);
    block_own_times(b, times, n, r->times_bytes[part]);
}

/* Puts a sample into its place among n that have room for one more. */
static void put_in_order(uint32_t *times, uint64_t *values, uint32_t n, uint32_t time,
                         uint64_t value)
{
    uint32_t at = n;
    for (; at > 0 && times[at - 1] > time; at--) {
        times[at] = times[at - 1];
        values[at] = values[at - 1];
    }
    times[at] = time;
    values[at] = value;
}

static void put_into_block(struct work *k, struct rewrite *r, const struct block *b, uint32_t time,
                           uint64_t value)
{
    uint32_t times[STRETCH_MAX], n = b->n_samples;
    uint64_t values[STRETCH_MAX];
    bool is_whole = block_times(arena_of(k), k->w->times, b, 0, n, times);
    ENSURE(is_whole);
    block_values_kept(b, 0, n, values);
    put_in_order(times, values, n, time, value);
    n++;
    if (n <= BLOCK_SAMPLES_MAX) {
        encode_part(r, 0, times, values, n);
        return;
    }
    encode_part(r, 0, times, values, n / 2);
    encode_part(r, 1, times + n / 2, values + n / 2, n - n / 2);
}

static void list_blocks(struct work *k, const struct sheaf *s, const struct sheaf_end *e,
                        uint32_t time, uint64_t value, struct rewrite *r)
{
    struct sheaf_reader reader;
    struct block b;
    uint32_t first, last;
    bool is_in = false;
    r->n = 0;
    sheaf_gather(arena_of(k), s, e, r->old_bytes);
    sheaf_reader_init(&reader, arena_of(k), s, r->old_bytes);
    for (uint32_t left = s->n_blocks; sheaf_next(&reader, &b); left--) {
        block_span(arena_of(k), k->w->times, &b, &first, &last);
        if (is_in || (last < time && left > 1)) {
            r->blocks[r->n++] = b;
            continue;
        }
        is_in = true;
        if (b.n_samples > BLOCK_SAMPLES_MAX)
            split_run(k, r, &b, time, value);
        else
            put_into_block(k, r, &b, time, value);
    }
}

void chunk_work_sheaf(struct work *k, const struct block *blocks, uint32_t n, bool is_open,
                      struct new_sheaf *ret)
{
    *ret = (struct new_sheaf){0};
    if (!is_open && n > 0 &&
        !sheaf_make(&k->change, &ret->s, blocks, n, chunk_work_first(k, blocks)))
        k->change.has_failed = true;
    for (uint32_t i = 0; is_open && i < n; i++)
        if (!sheaf_append(&k->change, &ret->s, &ret->end, &blocks[i],
                          chunk_work_first(k, &blocks[i])))
            return;
}

/* The directory with item i replaced by two. */
static void split_item(struct work *k, uint32_t i, const struct sheaf *a, const struct sheaf *b)
{
    struct row old = k->h.sheaves;
    k->h.sheaves = (struct row){0};
    for (uint32_t j = 0; j < old.n && !k->change.has_failed; j++) {
        const struct sheaf *s = row_at(arena_of(k), &old, sizeof(*s), j);
        if (!row_append(&k->change, &k->h.sheaves, sizeof(*a), j == i ? a : s))
            return;
        if (j == i && !row_append(&k->change, &k->h.sheaves, sizeof(*b), b))
            return;
    }
    k->change.payload += (int64_t)sizeof(*a);
}

static void replace_slot(void *ctx, slot s)
{
    change_replace(ctx, s);
}

static void replace_row_slots(struct work *k, const struct row *old)
{
    row_each_slot(arena_of(k), old, sizeof(struct sheaf), replace_slot, &k->change);
}

static void enter_sheaves(struct work *k, uint32_t i, const struct new_sheaf *a,
                          const struct new_sheaf *b)
{
    struct chunk_head *h = &k->h;
    bool is_last = i == h->sheaves.n, are_two = b->s.n_blocks > 0;
    if (is_last) {
        if (are_two && row_append(&k->change, &h->sheaves, sizeof(a->s), &a->s))
            k->change.payload += (int64_t)sizeof(a->s);
        h->last = are_two ? b->s : a->s;
        h->end = are_two ? b->end : a->end;
    } else if (are_two) {
        struct row old = h->sheaves;
        split_item(k, i, &a->s, &b->s);
        replace_row_slots(k, &old);
    } else if (!row_replace(&k->change, &h->sheaves, sizeof(a->s), i, &a->s)) {
        k->change.has_failed = true;
    }
}

static void insert_into_blocks(struct work *k, uint32_t time, uint64_t value)
{
    struct chunk_head *h = &k->h;
    struct rewrite r;
    struct new_sheaf a, b = {0};
    uint32_t i = chunk_find_sheaf(arena_of(k), h, time);
    bool is_last = i == h->sheaves.n;
    const struct sheaf old =
        is_last ? h->last : *(const struct sheaf *)row_at(arena_of(k), &h->sheaves, sizeof(old), i);
    const struct sheaf_end *old_end = is_last ? &h->end : NULL;
    list_blocks(k, &old, old_end, time, value, &r);
    uint32_t n = r.n > SHEAF_BLOCKS_MAX ? r.n / 2 : r.n;
    chunk_work_sheaf(k, r.blocks, n, is_last && n == r.n, &a);
    if (n < r.n)
        chunk_work_sheaf(k, &r.blocks[n], r.n - n, is_last, &b);
    if (k->change.has_failed)
        return;
    sheaf_replace(&k->change, &old, old_end);
    enter_sheaves(k, i, &a, &b);
}

static void insert_into_tail(struct work *k, uint32_t time, uint64_t value)
{
    struct chunk_tail t;
    uint32_t times[STRETCH_MAX];
    uint64_t values[STRETCH_MAX];
    t.timeline = k->h.tail.timeline;
    t.n = k->h.tail.n_samples;
    chunk_tail_decode(arena_of(k), &k->h, t.places, values);
    chunk_tail_times(arena_of(k), k->w->times, &t, times);
    put_in_order(times, values, t.n, time, value);
    if (!chunk_tail_rewrite(&k->change, &k->h, 0, times, values, t.n + 1))
        return;
    if (tail_is_full(k))
        chunk_work_finish_tail(k);
}

static void insert(struct work *k, uint32_t time, uint64_t value)
{
    struct chunk_head *h = &k->h;
    if (h->tail.n_samples >= BLOCK_SAMPLES_MAX) /* a long run */
        chunk_work_finish_tail(k);
    if (!is_good(k))
        return;
    if (h->tail.n_samples > 0 &&
        (!has_blocks(h) || time > chunk_work_time(k, h->tail.timeline, h->tail.first)))
        insert_into_tail(k, time, value);
    else
        insert_into_blocks(k, time, value);
}

/* ---- doors ---- */

static void start_chunk(struct work *k, uint32_t time, uint64_t value)
{
    uint32_t place;
    slot timeline = find_timeline(k, &(struct block_context){0}, time, true, &place);
    k->c = (struct chunk){.serial = k->w->window->serial,
                          .timeline = timeline,
                          .place = place & TIMELINE_TIMES_MAX,
                          .kind = CHUNK_CONSTANT,
                          .value = value};
}

/* Whether a constant takes the sample and stays one. */
static bool extend_constant(struct work *k, uint32_t time, uint64_t value)
{
    struct chunk *c = &k->c;
    bool is_stale = value == STALE_BITS && c->value != STALE_BITS;
    if (c->is_stale || (value != c->value && !is_stale) || c->n_samples >= BLOCK_RUN_MAX ||
        !follows(k, c->timeline, c->place + c->n_samples, time))
        return false;
    c->is_stale = is_stale;
    return true;
}

int chunk_add(const struct chunk_writer *w, struct chunk *chunk, uint32_t time, uint64_t value,
              bool is_later)
{
    struct work k;
    chunk_work_begin(&k, w, chunk);
    if (k.c.serial == 0) {
        start_chunk(&k, time, value);
    } else if (k.c.kind == CHUNK_CONSTANT && is_later && extend_constant(&k, time, value)) {
    } else if (k.err == 0) {
        chunk_work_have_head(&k);
        /* a sealed chunk has no tail to put it into; its last block takes it */
        bool to_tail = is_later && (w->is_open || k.h.tail.n_samples > 0 || !has_blocks(&k.h));
        if (is_good(&k) && to_tail)
            append(&k, time, value);
        else if (is_good(&k))
            insert(&k, time, value);
        if (is_good(&k) && !w->is_open)
            chunk_work_seal(&k);
    }
    k.c.n_samples++;
    return chunk_work_publish(&k, chunk);
}

int chunk_seal(const struct chunk_writer *w, struct chunk *chunk)
{
    struct work k;
    if (chunk->kind != CHUNK_HEAD)
        return 0;
    chunk_work_begin(&k, w, chunk);
    chunk_work_seal(&k);
    return chunk_work_publish(&k, chunk);
}
