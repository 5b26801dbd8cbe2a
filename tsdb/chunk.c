/* Chunks: how samples become blocks.
 *
 * The common case is a sample later than all others: the tail takes it with a few bytes, or none.
 * Every 128 samples the tail is decoded and encoded again as a block, which costs a few nanoseconds
 * a sample and gives the columnar form at once; so the open window is as small as the others, and
 * there is nothing left to do when it closes.
 *
 * Late samples. The stretch that they touch, the tail or one block, is decoded, the sample put in
 * its place and the stretch encoded again: at most 128 samples are moved, whatever the length of
 * the chunk. A side buffer for late samples (merged when reading) was left out: it makes every read
 * and the snapshot know two places, and pays only for long backlogs.
 *
 * New slots are taken before old ones are given back, so that failing for want of memory changes
 * nothing.
 */
#include "tsdb/chunk.h"

#include <string.h>

enum {
    PIECE_BYTES = SIZE_CLASS_STEP_BYTES - (int)sizeof(slot),
    FIRST_TAIL_MIN = 65,
    FIRST_TAIL_SPREAD = 64,
    STRETCH_MAX = BLOCK_SAMPLES_MAX + 1, /* a full block and one late sample */
    BLOCKS_OF_STRETCH_MAX = 8,           /* 32 samples always fit a block */
    PIECES_MAX = (TAIL_BYTES_MAX + PIECE_BYTES - 1) / PIECE_BYTES,
};

struct piece {
    slot next;
    uint8_t bytes[PIECE_BYTES];
};

struct block_slot {
    slot next;
    uint16_t n_bytes;
    uint8_t n_less_one; /* samples - 1 */
    uint8_t encoding;
    int64_t first_ms, last_ms;
    uint8_t bytes[];
};

_Static_assert(sizeof(struct chunk) == SIZE_CLASS_STEP_BYTES, "a head fills its slot");
_Static_assert(sizeof(struct piece) == SIZE_CLASS_STEP_BYTES, "a piece fills its slot");
_Static_assert(sizeof(struct block_slot) == BLOCK_HEAD_BYTES, "as block.h says");

static struct block_slot *block_at(const struct arena *a, slot s)
{
    return slot_ptr(a, s);
}

static struct pool *pool_for(struct window *w, size_t bytes)
{
    return &w->classes[size_class_of(bytes) - 1];
}

/* ---- where the tail's bytes lie ---- */

static uint32_t pieces_for(size_t n_bytes)
{
    if (n_bytes <= CHUNK_INLINE_BYTES)
        return 0;
    return (uint32_t)((n_bytes - CHUNK_INLINE_BYTES + PIECE_BYTES - 1) / PIECE_BYTES);
}

/* What the head and the pieces hold, for the window's account. */
static size_t tail_payload(const struct chunk *c)
{
    return sizeof(struct chunk) - CHUNK_INLINE_BYTES + c->tail.n_bytes +
           (size_t)c->n_pieces * sizeof(slot);
}

static bool add_piece(struct arena *a, struct window *w, struct chunk *c)
{
    slot made = pool_get(a, pool_for(w, sizeof(struct piece)));
    if (made == 0)
        return false;
    ((struct piece *)slot_ptr(a, made))->next = 0;
    if (c->last_piece != 0)
        ((struct piece *)slot_ptr(a, c->last_piece))->next = made;
    else
        c->first_piece = made;
    c->last_piece = made;
    c->n_pieces++;
    return true;
}

/* Gives back the pieces behind the first `keep`. */
static void drop_pieces(struct arena *a, struct window *w, struct chunk *c, uint32_t keep)
{
    slot *link = &c->first_piece;
    c->last_piece = 0;
    for (uint32_t i = 0; i < keep; i++) {
        c->last_piece = *link;
        link = &((struct piece *)slot_ptr(a, *link))->next;
    }
    slot rest = *link;
    *link = 0;
    while (rest != 0) {
        slot next = ((struct piece *)slot_ptr(a, rest))->next;
        pool_put(a, pool_for(w, sizeof(struct piece)), rest);
        rest = next;
    }
    c->n_pieces = keep;
}

/* Writes n bytes at position `from` of the tail; the pieces for them are there. A position in the
 * last piece is found at once. */
static void write_bytes(const struct arena *a, struct chunk *c, size_t from, const uint8_t *bytes,
                        size_t n)
{
    if (from < CHUNK_INLINE_BYTES) {
        size_t part = size_min(n, CHUNK_INLINE_BYTES - from);
        memcpy(&c->inline_bytes[from], bytes, part);
        from += part;
        bytes += part;
        n -= part;
    }
    if (n == 0)
        return;
    size_t at = from - CHUNK_INLINE_BYTES;
    struct piece *p = slot_ptr(a, c->first_piece);
    size_t last_start = (size_t)(c->n_pieces - 1) * PIECE_BYTES;
    if (at >= last_start) {
        p = slot_ptr(a, c->last_piece);
        at -= last_start;
    }
    for (; at >= PIECE_BYTES; at -= PIECE_BYTES)
        p = slot_ptr(a, p->next);
    for (; n > 0; at = 0) {
        size_t part = size_min(n, PIECE_BYTES - at);
        memcpy(&p->bytes[at], bytes, part);
        bytes += part;
        n -= part;
        if (n > 0)
            p = slot_ptr(a, p->next);
    }
}

static void gather_bytes(const struct arena *a, const struct chunk *c, uint8_t *out)
{
    size_t n = c->tail.n_bytes, part = size_min(n, CHUNK_INLINE_BYTES);
    memcpy(out, c->inline_bytes, part);
    for (slot s = c->first_piece; part < n; s = ((const struct piece *)slot_ptr(a, s))->next) {
        const struct piece *p = slot_ptr(a, s);
        size_t more = size_min(n - part, PIECE_BYTES);
        memcpy(out + part, p->bytes, more);
        part += more;
    }
}

size_t chunk_tail(const struct arena *a, const struct chunk *c,
                  struct sample ret[BLOCK_SAMPLES_MAX])
{
    uint8_t bytes[TAIL_BYTES_MAX];
    gather_bytes(a, c, bytes);
    tail_decode(&c->tail, bytes, ret);
    return c->tail.n_samples;
}

/* Replaces the tail by n samples. Without memory: false, nothing changed. */
static bool rewrite_tail(struct arena *a, struct window *w, struct chunk *c,
                         const struct sample *samples, size_t n)
{
    uint8_t bytes[TAIL_BYTES_MAX];
    struct tail tail = {0};
    for (size_t i = 0, at = 0; i < n; i++)
        at += tail_step(&tail, samples[i].t_ms, samples[i].value, &bytes[at]);
    uint32_t had = c->n_pieces;
    size_t payload = tail_payload(c);
    while (c->n_pieces < pieces_for(tail.n_bytes)) {
        if (!add_piece(a, w, c)) {
            drop_pieces(a, w, c, had);
            return false;
        }
    }
    c->tail = tail;
    drop_pieces(a, w, c, pieces_for(tail.n_bytes));
    if (tail.n_bytes > 0)
        write_bytes(a, c, 0, bytes, tail.n_bytes);
    w->payload_bytes += tail_payload(c) - payload;
    return true;
}

/* ---- blocks ---- */

struct block chunk_block(const struct arena *a, slot at, slot *ret_next)
{
    const struct block_slot *b = block_at(a, at);
    *ret_next = b->next;
    return (struct block){
        .first_ms = b->first_ms,
        .last_ms = b->last_ms,
        .n_samples = b->n_less_one + 1u,
        .n_bytes = b->n_bytes,
        .encoding = b->encoding,
        .bytes = b->bytes,
    };
}

static size_t block_slot_bytes(uint32_t n_bytes)
{
    return sizeof(struct block_slot) + n_bytes;
}

static slot block_store(struct arena *a, struct window *w, const struct block *b)
{
    slot made = pool_get(a, pool_for(w, block_slot_bytes(b->n_bytes)));
    if (made == 0)
        return 0;
    struct block_slot *s = block_at(a, made);
    *s = (struct block_slot){
        .n_bytes = (uint16_t)b->n_bytes,
        .n_less_one = (uint8_t)(b->n_samples - 1),
        .encoding = b->encoding,
        .first_ms = b->first_ms,
        .last_ms = b->last_ms,
    };
    memcpy(s->bytes, b->bytes, b->n_bytes);
    w->payload_bytes += block_slot_bytes(b->n_bytes);
    return made;
}

static void block_discard(struct arena *a, struct window *w, slot s)
{
    size_t bytes = block_slot_bytes(block_at(a, s)->n_bytes);
    w->payload_bytes -= bytes;
    pool_put(a, pool_for(w, bytes), s);
}

struct block_row { /* blocks made of one stretch of samples */
    slot items[BLOCKS_OF_STRETCH_MAX];
    uint32_t n;
};

/* Encodes samples as one block, or as two halves when they are too many or too long, and so on. */
static bool encode_stretch(struct arena *a, struct window *w, const struct sample *samples,
                           uint32_t n, struct block_row *row)
{
    uint8_t bytes[BLOCK_BYTES_MAX];
    struct block b;
    if (n > BLOCK_SAMPLES_MAX || !block_encode(samples, n, bytes, &b))
        return encode_stretch(a, w, samples, n / 2, row) &&
               encode_stretch(a, w, samples + n / 2, n - n / 2, row);
    slot made = block_store(a, w, &b);
    if (made == 0)
        return false;
    assert(row->n < BLOCKS_OF_STRETCH_MAX);
    row->items[row->n++] = made;
    return true;
}

static bool make_blocks(struct arena *a, struct window *w, const struct sample *samples, uint32_t n,
                        struct block_row *row)
{
    row->n = 0;
    if (encode_stretch(a, w, samples, n, row)) {
        for (uint32_t i = 0; i + 1 < row->n; i++)
            block_at(a, row->items[i])->next = row->items[i + 1];
        return true;
    }
    for (uint32_t i = 0; i < row->n; i++)
        block_discard(a, w, row->items[i]);
    return false;
}

static void link_behind(struct arena *a, struct chunk *c, slot first, slot last)
{
    if (c->last_block != 0)
        block_at(a, c->last_block)->next = first;
    else
        c->first_block = first;
    c->last_block = last;
}

/* Turns the tail into blocks. Without memory: false, nothing changed. */
static bool finish_tail(struct arena *a, struct window *w, struct chunk *c)
{
    struct sample samples[BLOCK_SAMPLES_MAX];
    struct block_row row;
    uint32_t n = (uint32_t)chunk_tail(a, c, samples);
    if (!make_blocks(a, w, samples, n, &row))
        return false;
    link_behind(a, c, row.items[0], row.items[row.n - 1]);
    c->n_block_samples += n;
    size_t payload = tail_payload(c);
    c->tail = (struct tail){0};
    drop_pieces(a, w, c, 0);
    w->payload_bytes += tail_payload(c) - payload;
    return true;
}

static bool tail_is_full(const struct chunk *c)
{
    return c->tail.n_samples >= (c->n_block_samples == 0 ? c->first_tail_max : BLOCK_SAMPLES_MAX);
}

/* ---- in ---- */

slot chunk_new(struct arena *a, struct window *w, uint32_t series, uint32_t phase)
{
    slot made = pool_get(a, pool_for(w, sizeof(struct chunk)));
    if (made == 0)
        return 0;
    struct chunk *c = chunk_at(a, made);
    *c = (struct chunk){
        .series = series,
        .next_of_window = w->first_chunk,
        .first_tail_max = (uint8_t)(FIRST_TAIL_MIN + phase % FIRST_TAIL_SPREAD),
    };
    w->first_chunk = made;
    w->n_chunks++;
    w->payload_bytes += tail_payload(c);
    return made;
}

void chunk_undo_new(struct arena *a, struct window *w, slot chunk)
{
    struct chunk *c = chunk_at(a, chunk);
    assert(w->first_chunk == chunk && chunk_samples(c) == 0);
    w->first_chunk = c->next_of_window;
    w->n_chunks--;
    w->payload_bytes -= tail_payload(c);
    pool_put(a, pool_for(w, sizeof(*c)), chunk);
}

static void count_sample(struct window *w, int64_t t_ms)
{
    w->n_samples++;
    w->min_ms = i64_min(w->min_ms, t_ms);
    w->max_ms = i64_max(w->max_ms, t_ms);
}

int chunk_append(struct arena *a, struct window *w, slot chunk, const struct sample *s)
{
    struct chunk *c = chunk_at(a, chunk);
    if (tail_is_full(c) && !finish_tail(a, w, c))
        return ERR_NO_MEMORY;
    uint8_t bytes[TAIL_STEP_BYTES_MAX];
    struct tail before = c->tail;
    size_t payload = tail_payload(c);
    size_t n = tail_step(&c->tail, s->t_ms, s->value, bytes);
    if (c->n_pieces < pieces_for(c->tail.n_bytes) && !add_piece(a, w, c)) {
        c->tail = before;
        return ERR_NO_MEMORY;
    }
    if (n > 0)
        write_bytes(a, c, before.n_bytes, bytes, n);
    w->payload_bytes += tail_payload(c) - payload;
    count_sample(w, s->t_ms);
    if (tail_is_full(c))
        (void)finish_tail(a, w, c); /* without memory it is tried again with the next sample */
    return 0;
}

int chunk_append_block(struct arena *a, struct window *w, slot chunk, const struct block *b)
{
    struct chunk *c = chunk_at(a, chunk);
    assert(c->tail.n_samples == 0);
    slot made = block_store(a, w, b);
    if (made == 0)
        return ERR_NO_MEMORY;
    link_behind(a, c, made, made);
    c->n_block_samples += b->n_samples;
    w->n_samples += b->n_samples;
    w->min_ms = i64_min(w->min_ms, b->first_ms);
    w->max_ms = i64_max(w->max_ms, b->last_ms);
    return 0;
}

/* Puts s into its place among n samples that have room for one more. */
static void put_in_order(struct sample *samples, size_t n, const struct sample *s)
{
    size_t at = n;
    for (; at > 0 && samples[at - 1].t_ms > s->t_ms; at--)
        samples[at] = samples[at - 1];
    samples[at] = *s;
}

static int insert_into_tail(struct arena *a, struct window *w, struct chunk *c,
                            const struct sample *s)
{
    struct sample samples[STRETCH_MAX];
    size_t n = chunk_tail(a, c, samples);
    put_in_order(samples, n, s);
    if (!rewrite_tail(a, w, c, samples, n + 1))
        return ERR_NO_MEMORY;
    if (tail_is_full(c))
        (void)finish_tail(a, w, c);
    return 0;
}

/* The samples of a block; 0 of one that does not decode. */
static size_t try_decode_samples(const struct arena *a, slot at, struct sample *ret)
{
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    slot next;
    struct block b = chunk_block(a, at, &next);
    if (!block_decode(&b, t_ms, values))
        return 0;
    for (uint32_t i = 0; i < b.n_samples; i++)
        ret[i] = (struct sample){t_ms[i], values[i]};
    return b.n_samples;
}

static size_t decode_samples(const struct arena *a, slot at, struct sample *ret)
{
    size_t n = try_decode_samples(a, at, ret);
    ENSURE(n > 0);
    return n;
}

/* Replaces block `at`, which follows `before` (0 = first), by one with s in it. */
static int insert_into_block(struct arena *a, struct window *w, struct chunk *c, slot before,
                             slot at, const struct sample *s)
{
    struct sample samples[STRETCH_MAX];
    struct block_row row;
    size_t n = decode_samples(a, at, samples);
    put_in_order(samples, n, s);
    if (!make_blocks(a, w, samples, (uint32_t)n + 1, &row))
        return ERR_NO_MEMORY;
    slot last = row.items[row.n - 1];
    block_at(a, last)->next = block_at(a, at)->next;
    if (before != 0)
        block_at(a, before)->next = row.items[0];
    else
        c->first_block = row.items[0];
    if (c->last_block == at)
        c->last_block = last;
    block_discard(a, w, at);
    c->n_block_samples++;
    return 0;
}

/* The first block that ends at t or later, or 0; *ret_before is the one before it. */
static slot find_block(const struct arena *a, const struct chunk *c, int64_t t_ms, slot *ret_before)
{
    *ret_before = 0;
    if (c->last_block == 0 || block_at(a, c->last_block)->last_ms < t_ms)
        return 0;
    slot s = c->first_block;
    while (block_at(a, s)->last_ms < t_ms) {
        *ret_before = s;
        s = block_at(a, s)->next;
    }
    return s;
}

int chunk_insert(struct arena *a, struct window *w, slot chunk, const struct sample *s)
{
    struct chunk *c = chunk_at(a, chunk);
    slot before;
    slot at = find_block(a, c, s->t_ms, &before);
    bool is_later = c->tail.n_samples == 0 || s->t_ms > c->tail.last_ms;
    if (at == 0 && is_later)
        return chunk_append(a, w, chunk, s);
    if (at == 0 && tail_is_full(c)) { /* it found no memory before: now s belongs into a block */
        if (!finish_tail(a, w, c))
            return ERR_NO_MEMORY;
        at = find_block(a, c, s->t_ms, &before);
    }
    int err = at != 0 ? insert_into_block(a, w, c, before, at, s) : insert_into_tail(a, w, c, s);
    if (err == 0)
        count_sample(w, s->t_ms);
    return err;
}

/* ---- out ---- */

bool chunk_find(const struct arena *a, slot chunk, int64_t t_ms, uint64_t *ret_value)
{
    const struct chunk *c = chunk_at(a, chunk);
    struct sample samples[BLOCK_SAMPLES_MAX];
    slot before;
    slot at = find_block(a, c, t_ms, &before);
    size_t n = 0;
    if (at != 0)
        n = decode_samples(a, at, samples);
    else if (c->tail.n_samples > 0 && t_ms == c->tail.last_ms) /* a retry, most likely */
        return *ret_value = c->tail.last_value, true;
    else
        n = chunk_tail(a, c, samples);
    for (size_t i = 0; i < n; i++)
        if (samples[i].t_ms == t_ms)
            return *ret_value = samples[i].value, true;
    return false;
}

int64_t chunk_first_ms(const struct arena *a, const struct chunk *c)
{
    return c->first_block != 0 ? block_at(a, c->first_block)->first_ms : c->tail.first_ms;
}

int64_t chunk_last_ms(const struct arena *a, const struct chunk *c)
{
    return c->tail.n_samples > 0 ? c->tail.last_ms : block_at(a, c->last_block)->last_ms;
}

static bool tail_overlaps(const struct chunk *c, int64_t min_ms, int64_t max_ms)
{
    return c->tail.n_samples > 0 && c->tail.first_ms <= max_ms && c->tail.last_ms >= min_ms;
}

size_t chunk_samples_between(const struct arena *a, const struct chunk *c, int64_t min_ms,
                             int64_t max_ms)
{
    slot before;
    size_t n = tail_overlaps(c, min_ms, max_ms) ? c->tail.n_samples : 0;
    for (slot s = find_block(a, c, min_ms, &before); s != 0; s = block_at(a, s)->next) {
        if (block_at(a, s)->first_ms > max_ms)
            break;
        n += block_at(a, s)->n_less_one + 1u;
    }
    return n;
}

/* Decodes a block behind the n samples that are there and keeps those within the range. */
static size_t read_block(const struct block *b, int64_t min_ms, int64_t max_ms, int64_t *ret_t_ms,
                         uint64_t *ret_values)
{
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    ENSURE(block_decode(b, t_ms, values));
    uint32_t from = 0, to = b->n_samples;
    while (from < to && t_ms[from] < min_ms)
        from++;
    while (to > from && t_ms[to - 1] > max_ms)
        to--;
    memcpy(ret_t_ms, &t_ms[from], (to - from) * sizeof(*t_ms));
    memcpy(ret_values, &values[from], (to - from) * sizeof(*values));
    return to - from;
}

size_t chunk_read(const struct arena *a, const struct chunk *c, int64_t min_ms, int64_t max_ms,
                  int64_t *ret_t_ms, uint64_t *ret_values)
{
    size_t n = 0;
    slot before, next;
    for (slot s = find_block(a, c, min_ms, &before); s != 0; s = next) {
        struct block b = chunk_block(a, s, &next);
        if (b.first_ms > max_ms)
            return n;
        n += read_block(&b, min_ms, max_ms, &ret_t_ms[n], &ret_values[n]);
    }
    if (!tail_overlaps(c, min_ms, max_ms))
        return n;
    struct sample samples[BLOCK_SAMPLES_MAX];
    size_t n_tail = chunk_tail(a, c, samples);
    for (size_t i = 0; i < n_tail; i++) {
        if (samples[i].t_ms < min_ms || samples[i].t_ms > max_ms)
            continue;
        ret_t_ms[n] = samples[i].t_ms;
        ret_values[n++] = samples[i].value;
    }
    return n;
}

void chunk_add_footprint(const struct arena *a, const struct chunk *c, struct chunk_footprint *io)
{
    io->payload_bytes += tail_payload(c);
    io->slots[size_class_of(sizeof(*c)) - 1]++;
    for (slot s = c->first_piece; s != 0; s = ((const struct piece *)slot_ptr(a, s))->next)
        io->slots[size_class_of(sizeof(struct piece)) - 1]++;
    for (slot s = c->first_block; s != 0; s = block_at(a, s)->next) {
        size_t bytes = block_slot_bytes(block_at(a, s)->n_bytes);
        io->payload_bytes += bytes;
        io->slots[size_class_of(bytes) - 1]++;
    }
}

bool chunk_check(const struct arena *a, slot chunk)
{
    const struct chunk *c = chunk_at(a, chunk);
    struct sample samples[BLOCK_SAMPLES_MAX];
    size_t n = 0;
    int64_t last = INT64_MIN;
    slot last_block = 0;
    for (slot s = c->first_block; s != 0; last_block = s, s = block_at(a, s)->next) {
        size_t n_block = try_decode_samples(a, s, samples);
        if (n_block == 0 || (n > 0 && samples[0].t_ms <= last) ||
            samples[0].t_ms != block_at(a, s)->first_ms)
            return false;
        last = samples[n_block - 1].t_ms;
        n += n_block;
    }
    if (n != c->n_block_samples || last_block != c->last_block ||
        c->n_pieces != pieces_for(c->tail.n_bytes))
        return false;
    size_t n_tail = chunk_tail(a, c, samples);
    for (size_t i = 0; i < n_tail; i++) {
        if (n + i > 0 && samples[i].t_ms <= last)
            return false;
        last = samples[i].t_ms;
    }
    return n_tail == 0 || last == c->tail.last_ms;
}
