/* Records of a window.
 *
 * The bytes of a block are copied, so what is left to save on is the dozen bytes around them, which
 * at 30 bytes a block count. Most can be told from the record before: blocks of one series follow
 * each other in their timeline, and the neighbour in id order comes from the same scrape, so its
 * first block begins at the same place of the same timeline. What is written is the difference to
 * that guess, mostly one byte of zero:
 *
 *     timeline   that of the record before
 *     place      same series: `next`        another series: `start`
 *
 * Times come in pieces of up to 128, when the first record needs them: the first, the distance to
 * the second, and from there differences of distances. Values that several blocks share come once,
 * before the first of these; a block that refers to them has no bytes and says their number.
 *
 * Tails are the samples themselves: values as the XOR with the one before, bytes reversed, as a
 * varint. A double whose low bits are zero, as those of all small integers are, then takes one to
 * four bytes, an equal value one. That is not a codec for data that stays: a tail lives until it is
 * a block.
 *
 * A sheaf whose blocks follow each other in one timeline, as nearly all do, is one record: its
 * bytes as they are in memory, so that a reader has nothing to put together. Only shared values
 * have numbers there instead of handles.
 *
 * All sums wrap modulo 2^32 or 2^64: a reader must survive any bytes, and the store checks what
 * they mean. */
#include "snapshot/window_frame.h"

#include "tsdb/sheaf.h"

enum {
    KIND_BITS = 2,
    KIND_MASK = 3,
    TIMES_SHIFT = 4,
    TIMES_MASK = 3,
    PART_SHIFT = 6,
    PART_WHOLE = 3, /* in the place of a part: a sheaf, */
    SHEAF_HEAD = PART_WHOLE << PART_SHIFT | DUMP_AT << TIMES_SHIFT, /* which begins so */
    RUN_HEAD = DUMP_RUN << PART_SHIFT | DUMP_AT << TIMES_SHIFT | BLOCK_RUN,
    ENCODING_MASK = 15,
    USUAL_BYTES = 11, /* before the values of a block whose five numbers have two bytes each */
    USUAL_SHEAF_BYTES = 13, /* before the bytes of a sheaf whose six have */
    ROW_BYTES = 16,         /* left at least where a constant is taken into a row */
};

void window_writer_init(struct window_writer *w, uint8_t *payload, int64_t window_ms,
                        int64_t window)
{
    assert(window_ms > 0);
    encoder_init(&w->out, payload, FRAME_PAYLOAD_MAX);
    w->guess = (struct window_guess){0};
    w->has_record = false;
    encoder_varint(&w->out, (uint64_t)window_ms);
    encoder_zigzag(&w->out, (uint64_t)window);
}

bool window_writer_is_full(const struct window_writer *w)
{
    return w->out.n >= FRAME_FILL_BYTES;
}

/* ---- what the next record is told from ---- */

static uint32_t guess_place(const struct window_guess *g, uint32_t number)
{
    return g->has_record && g->number == number ? g->next : g->start;
}

static void guess_learn(struct window_guess *g, uint32_t number, bool has_timeline,
                        uint32_t timeline, uint32_t place, uint32_t n)
{
    bool is_same = g->has_record && g->number == number;
    g->has_record = true;
    g->number = number;
    if (!has_timeline)
        return;
    g->timeline = timeline;
    if (!is_same)
        g->start = place;
    g->next = place + n;
}

static void put_difference(struct encoder *e, uint32_t value, uint32_t guess)
{
    encoder_varint(e, zigzag((int32_t)(value - guess)));
}

static uint32_t get_difference(struct decoder *d, uint32_t guess)
{
    return guess + (uint32_t)unzigzag(decoder_varint_max(d, UINT32_MAX));
}

/* ---- out ---- */

static void put_key(struct window_writer *w, uint32_t number, enum window_record_kind kind)
{
    assert(!window_writer_is_full(w));
    assert(!w->guess.has_record || number >= w->guess.number);
    uint64_t delta = w->guess.has_record ? number - w->guess.number : number;
    encoder_varint(&w->out, delta << KIND_BITS | kind);
    w->has_record = true;
}

static void put_place(struct window_writer *w, uint32_t number, uint32_t timeline, uint32_t place)
{
    put_difference(&w->out, timeline, w->guess.timeline);
    put_difference(&w->out, place, guess_place(&w->guess, number));
}

void window_writer_times(struct window_writer *w, const struct dump_times *t)
{
    ENSURE(t->n >= 1 && t->n <= DUMP_TIMES_MAX);
    put_key(w, w->guess.has_record ? w->guess.number : 0, RECORD_TIMES);
    encoder_varint(&w->out, t->timeline);
    encoder_varint(&w->out, t->from);
    encoder_u8(&w->out, (uint8_t)(t->n - 1));
    encoder_varint(&w->out, t->times[0]);
    uint32_t distance = 0;
    for (uint32_t i = 1; i < t->n; i++) {
        uint32_t now = t->times[i] - t->times[i - 1];
        put_difference(&w->out, now, distance);
        distance = now;
    }
}

void window_writer_shared(struct window_writer *w, const struct dump_shared *s)
{
    ENSURE(s->n_bytes >= 1 && s->n_bytes <= COLUMN_BYTES_MAX);
    put_key(w, w->guess.has_record ? w->guess.number : 0, RECORD_SHARED);
    encoder_varint(&w->out, s->number);
    encoder_varint(&w->out, s->n_bytes);
    encoder_bytes(&w->out, s->bytes, s->n_bytes);
}

void window_writer_block(struct window_writer *w, uint32_t number, const struct dump_block *b)
{
    ENSURE(b->n_samples >= 1 && b->n_values_bytes <= COLUMN_BYTES_MAX);
    ENSURE(b->is_shared == (b->n_values_bytes == 0));
    put_key(w, number, RECORD_BLOCK);
    encoder_u8(&w->out, (uint8_t)(b->encoding | (unsigned)b->times << TIMES_SHIFT |
                                  (unsigned)b->part << PART_SHIFT));
    encoder_varint(&w->out, b->n_samples - 1);
    if (b->times == DUMP_AT) {
        put_place(w, number, b->timeline, b->first);
    } else {
        encoder_varint(&w->out, b->first);
        encoder_varint(&w->out, b->times == DUMP_LINEAR ? b->step : b->n_times_bytes);
    }
    if (b->times == DUMP_PACKED)
        encoder_bytes(&w->out, b->times_bytes, b->n_times_bytes);
    encoder_varint(&w->out, b->n_values_bytes);
    if (b->is_shared)
        encoder_varint(&w->out, b->shared);
    else
        encoder_bytes(&w->out, b->values, b->n_values_bytes);
    guess_learn(&w->guess, number, b->times == DUMP_AT, b->timeline, b->first, b->n_samples);
}

void window_writer_sheaf(struct window_writer *w, uint32_t number, const struct dump_sheaf *s)
{
    ENSURE(s->n_blocks >= 1 && s->n_blocks <= SHEAF_BLOCKS_MAX);
    ENSURE(s->n_samples >= 1 && s->n_bytes >= 1 && s->n_bytes <= SHEAF_BYTES_MAX);
    put_key(w, number, RECORD_BLOCK);
    encoder_u8(&w->out, SHEAF_HEAD);
    encoder_varint(&w->out, s->n_blocks - 1);
    encoder_varint(&w->out, s->n_samples - 1);
    put_place(w, number, s->timeline, s->first);
    encoder_varint(&w->out, s->n_bytes);
    encoder_bytes(&w->out, s->bytes, s->n_bytes);
    guess_learn(&w->guess, number, true, s->timeline, s->first, s->n_samples);
}

void window_writer_tail(struct window_writer *w, uint32_t number, const struct dump_tail *t)
{
    ENSURE(t->n >= 1 && t->n <= BLOCK_SAMPLES_MAX);
    put_key(w, number, RECORD_TAIL);
    encoder_u8(&w->out, (uint8_t)(t->n - 1));
    encoder_u8(&w->out, t->has_timeline);
    if (t->has_timeline) {
        put_place(w, number, t->timeline, t->places[0]);
    } else {
        uint32_t before = 0;
        for (uint32_t i = 0; i < t->n; i++) {
            encoder_varint(&w->out, t->places[i] - before);
            before = t->places[i];
        }
    }
    uint64_t before = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        encoder_varint(&w->out, __builtin_bswap64(t->values[i] ^ before));
        before = t->values[i];
    }
    guess_learn(&w->guess, number, t->has_timeline, t->timeline, t->places[0], t->n);
}

/* ---- in ---- */

int window_reader_init(struct window_reader *r, uint16_t version, const uint8_t *payload, size_t n)
{
    decoder_init(&r->in, payload, n);
    uint64_t window_ms = decoder_varint_max(&r->in, INT64_MAX);
    r->window = (int64_t)decoder_zigzag(&r->in);
    if (r->in.is_bad || window_ms == 0)
        return ERR_CORRUPT;
    r->window_ms = (int64_t)window_ms;
    r->guess = (struct window_guess){0};
    r->may_share = version >= FORMAT_VERSION_SHARED;
    r->may_bind = version >= FORMAT_VERSION_SHEAVES;
    return 0;
}

static void read_times(struct window_reader *r, struct dump_times *t)
{
    t->timeline = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    t->from = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    t->n = decoder_u8(&r->in) + 1u;
    if (t->n > DUMP_TIMES_MAX) {
        r->in.is_bad = true;
        return;
    }
    t->times[0] = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    uint32_t distance = 0;
    for (uint32_t i = 1; i < t->n; i++) {
        distance = get_difference(&r->in, distance);
        t->times[i] = t->times[i - 1] + distance;
    }
}

static void read_place(struct window_reader *r, uint32_t number, uint32_t *ret_timeline,
                       uint32_t *ret_place)
{
    *ret_timeline = get_difference(&r->in, r->guess.timeline);
    *ret_place = get_difference(&r->in, guess_place(&r->guess, number));
}

static void read_own_times(struct window_reader *r, struct dump_block *b)
{
    b->first = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    if (b->times == DUMP_LINEAR) {
        b->step = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    } else {
        b->n_times_bytes = (uint32_t)decoder_varint_max(&r->in, BLOCK_TIMES_BYTES_MAX);
        b->times_bytes = decoder_bytes(&r->in, b->n_times_bytes);
    }
}

static void read_shared(struct window_reader *r, struct dump_shared *s)
{
    s->number = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    s->n_bytes = (uint32_t)decoder_varint_max(&r->in, COLUMN_BYTES_MAX);
    s->bytes = decoder_bytes(&r->in, s->n_bytes);
    if (s->n_bytes == 0 || !r->may_share)
        r->in.is_bad = true;
}

static void read_values(struct window_reader *r, struct dump_block *b)
{
    b->n_values_bytes = (uint32_t)decoder_varint_max(&r->in, COLUMN_BYTES_MAX);
    b->is_shared = b->n_values_bytes == 0 && r->may_share;
    if (b->is_shared)
        b->shared = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
    else
        b->values = decoder_bytes(&r->in, b->n_values_bytes);
    if (b->n_values_bytes == 0 && !b->is_shared)
        r->in.is_bad = true;
}

static void read_sheaf(struct window_reader *r, uint32_t number, struct dump_sheaf *s)
{
    (void)decoder_u8(&r->in); /* SHEAF_HEAD */
    s->n_blocks = (uint32_t)decoder_varint_max(&r->in, SHEAF_BLOCKS_MAX - 1) + 1;
    s->n_samples = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX - 1) + 1;
    read_place(r, number, &s->timeline, &s->first);
    s->n_bytes = (uint32_t)decoder_varint_max(&r->in, SHEAF_BYTES_MAX);
    s->bytes = decoder_bytes(&r->in, s->n_bytes);
    if (s->n_bytes == 0)
        r->in.is_bad = true;
    guess_learn(&r->guess, number, true, s->timeline, s->first, s->n_samples);
}

static void read_block(struct window_reader *r, uint32_t number, struct dump_block *b)
{
    uint8_t head = decoder_u8(&r->in);
    *b = (struct dump_block){.encoding = head & ENCODING_MASK,
                             .times = head >> TIMES_SHIFT & TIMES_MASK,
                             .part = head >> PART_SHIFT};
    b->n_samples = (uint32_t)decoder_varint_max(&r->in, UINT32_MAX - 1) + 1;
    if (b->times == DUMP_AT)
        read_place(r, number, &b->timeline, &b->first);
    else if (b->times == DUMP_LINEAR || b->times == DUMP_PACKED)
        read_own_times(r, b);
    else
        r->in.is_bad = true;
    read_values(r, b);
    if (b->part > DUMP_RUN)
        r->in.is_bad = true;
    guess_learn(&r->guess, number, b->times == DUMP_AT, b->timeline, b->first, b->n_samples);
}

static void read_places(struct window_reader *r, uint32_t number, struct dump_tail *t)
{
    if (t->has_timeline) {
        read_place(r, number, &t->timeline, &t->places[0]);
        for (uint32_t i = 1; i < t->n; i++)
            t->places[i] = t->places[0] + i;
        return;
    }
    t->timeline = 0;
    uint32_t before = 0;
    for (uint32_t i = 0; i < t->n; i++)
        before = t->places[i] = before + (uint32_t)decoder_varint_max(&r->in, UINT32_MAX);
}

static void read_tail(struct window_reader *r, uint32_t number, struct dump_tail *t)
{
    t->n = decoder_u8(&r->in) + 1u;
    uint8_t has_timeline = decoder_u8(&r->in);
    if (t->n > BLOCK_SAMPLES_MAX || has_timeline > 1) {
        r->in.is_bad = true;
        return;
    }
    t->has_timeline = has_timeline != 0;
    read_places(r, number, t);
    uint64_t value = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        value ^= __builtin_bswap64(decoder_long_varint(&r->in));
        t->values[i] = value;
    }
    guess_learn(&r->guess, number, t->has_timeline, t->timeline, t->places[0], t->n);
}

/* A number of one or two bytes, as nearly all are; false for a longer one. */
static inline bool short_number(const uint8_t **at, uint32_t *ret)
{
    const uint8_t *p = *at;
    uint32_t value = *p++;
    if (value >= 0x80) {
        if (*p >= 0x80)
            return false;
        value = (value & 0x7F) | (uint32_t)*p++ << 7;
    }
    *at = p;
    *ret = value;
    return true;
}

/* Whether what begins here is a record of another series than the one before, if that shows in a
 * byte. */
static inline bool is_other_series(const uint8_t *at, const uint8_t *end)
{
    return at < end && *at >> KIND_BITS != 0 && *at < 0x80;
}

static bool begins_sheaf(const struct window_reader *r)
{
    return r->may_bind && r->in.at < r->in.end && *r->in.at == SHEAF_HEAD;
}

static inline bool short_difference(const uint8_t **at, uint32_t guess, uint32_t *ret)
{
    uint32_t value = 0;
    bool is_short = short_number(at, &value);
    *ret = guess + (uint32_t)unzigzag(value);
    return is_short;
}

/* Nineteen of twenty records are blocks in a timeline with values of their own and short numbers.
 * Such a one is read with one look at what is left; of any other nothing has been read, and what is
 * wrong with it is for window_reader_next to find out. */
static bool read_usual_block(struct window_reader *r, struct window_record *ret)
{
    const uint8_t *at = r->in.at, *end = r->in.end;
    struct window_guess *g = &r->guess;
    struct dump_block *b = &ret->block;
    uint32_t key, n, timeline, place, n_bytes;
    if (r->in.is_bad || end - at < USUAL_BYTES || !g->has_record || !short_number(&at, &key))
        return false;
    uint32_t number = g->number + (key >> KIND_BITS), head = *at++;
    bool is_same = number == g->number;
    if ((key & KIND_MASK) != RECORD_BLOCK || number < g->number ||
        (head >> TIMES_SHIFT & TIMES_MASK) != DUMP_AT || head >> PART_SHIFT > DUMP_RUN ||
        !short_number(&at, &n) || !short_difference(&at, g->timeline, &timeline) ||
        !short_difference(&at, is_same ? g->next : g->start, &place) ||
        !short_number(&at, &n_bytes) || n_bytes == 0 || n_bytes > COLUMN_BYTES_MAX ||
        n_bytes > (size_t)(end - at))
        return false;
    ret->kind = RECORD_BLOCK;
    ret->number = number;
    b->part = head >> PART_SHIFT; /* field by field: what clears all of it first takes longer */
    b->times = DUMP_AT;
    b->encoding = head & ENCODING_MASK;
    b->timeline = timeline;
    b->first = place;
    b->step = b->n_times_bytes = b->shared = 0;
    b->n_samples = n + 1;
    b->is_shared = false;
    b->n_values_bytes = n_bytes;
    b->times_bytes = NULL;
    b->values = at;
    r->in.at = at + n_bytes;
    ret->is_last = is_other_series(r->in.at, end);
    g->number = number;
    g->timeline = timeline;
    g->start = is_same ? g->start : place;
    g->next = place + n + 1;
    return true;
}

/* The same for a sheaf. */
static bool read_usual_sheaf(struct window_reader *r, struct window_record *ret)
{
    const uint8_t *at = r->in.at, *end = r->in.end;
    struct window_guess *g = &r->guess;
    struct dump_sheaf *s = &ret->sheaf;
    uint32_t key, n_blocks, n_samples, timeline, place, n_bytes;
    if (!r->may_bind || r->in.is_bad || end - at < USUAL_SHEAF_BYTES || !g->has_record ||
        !short_number(&at, &key))
        return false;
    uint32_t number = g->number + (key >> KIND_BITS);
    bool is_same = number == g->number;
    if ((key & KIND_MASK) != RECORD_BLOCK || number < g->number || *at++ != SHEAF_HEAD ||
        !short_number(&at, &n_blocks) || n_blocks >= SHEAF_BLOCKS_MAX ||
        !short_number(&at, &n_samples) || !short_difference(&at, g->timeline, &timeline) ||
        !short_difference(&at, is_same ? g->next : g->start, &place) ||
        !short_number(&at, &n_bytes) || n_bytes == 0 || n_bytes > SHEAF_BYTES_MAX ||
        n_bytes > (size_t)(end - at))
        return false;
    *s = (struct dump_sheaf){timeline, place, n_blocks + 1, n_samples + 1, n_bytes, at};
    ret->kind = RECORD_SHEAF;
    ret->number = number;
    r->in.at = at + n_bytes;
    ret->is_last = is_other_series(r->in.at, end);
    guess_learn(g, number, true, timeline, place, n_samples + 1);
    return true;
}

int window_reader_next(struct window_reader *r, struct window_record *ret)
{
    if (read_usual_block(r, ret) || read_usual_sheaf(r, ret))
        return 1;
    if (r->in.is_bad)
        return ERR_CORRUPT;
    if (decoder_is_done(&r->in))
        return 0;
    uint64_t key = decoder_varint_max(&r->in, (uint64_t)UINT32_MAX << KIND_BITS | KIND_MASK);
    uint64_t number = key >> KIND_BITS;
    if (r->guess.has_record)
        number += r->guess.number;
    if (number > UINT32_MAX)
        r->in.is_bad = true;
    ret->number = (uint32_t)number;
    ret->kind = key & KIND_MASK;
    ret->is_last = false;
    if (ret->kind == RECORD_BLOCK && begins_sheaf(r))
        ret->kind = RECORD_SHEAF;
    switch (ret->kind) {
    case RECORD_BLOCK:
        read_block(r, ret->number, &ret->block);
        break;
    case RECORD_SHEAF:
        read_sheaf(r, ret->number, &ret->sheaf);
        ret->is_last = is_other_series(r->in.at, r->in.end);
        break;
    case RECORD_TAIL:
        read_tail(r, ret->number, &ret->tail);
        break;
    case RECORD_TIMES:
        read_times(r, &ret->times);
        break;
    case RECORD_SHARED:
        read_shared(r, &ret->shared);
        break;
    }
    return r->in.is_bad ? ERR_CORRUPT : 1;
}

bool window_reader_tail(struct window_reader *r, struct dump_tail *ret)
{
    struct window_reader before = *r;
    if (r->in.is_bad || r->in.at == r->in.end || *r->in.at != RECORD_TAIL || !r->guess.has_record)
        return false;
    r->in.at++; /* the key: of the same series */
    read_tail(r, r->guess.number, ret);
    bool is_good = !r->in.is_bad;
    if (!is_good)
        *r = before;
    return is_good;
}

/* ---- rows of constants ----
 *
 * Two of three series of a scrape are constants. Behind their key such neighbours have the same
 * bytes, up to the value's length: the head, how many samples, and that the guesses were right.
 * Those of the first are for the second, if it begins a series itself. */

struct row_pattern {
    uint64_t bytes, mask; /* of the eight behind a key */
    uint32_t n;
};

static inline uint64_t word_at(const uint8_t *at)
{
    uint64_t ret;
    memcpy(&ret, at, sizeof(ret));
    return ret;
}

static struct row_pattern pattern_of(uint32_t n_samples)
{
    uint8_t bytes[sizeof(uint64_t)] = {RUN_HEAD}, mask[sizeof(uint64_t)] = {0};
    uint32_t n = 1 + (uint32_t)varint_put(&bytes[1], n_samples - 1) + 2; /* two guesses */
    memset(mask, 0xFF, n);
    return (struct row_pattern){word_at(bytes), word_at(mask), n};
}

/* Reads one more into the row; false, and nothing was read, when what comes is none. */
static bool add_constant(struct window_reader *r, const struct row_pattern *p,
                         struct dump_constants *io)
{
    const uint8_t *at = r->in.at, *end = r->in.end;
    if (end - at < ROW_BYTES || !is_other_series(at, end) || (*at & KIND_MASK) != RECORD_BLOCK ||
        (word_at(at + 1) & p->mask) != p->bytes)
        return false;
    uint32_t number = r->guess.number + (*at >> KIND_BITS);
    at += 1 + p->n;
    uint32_t n_bytes = *at++;
    if (number < r->guess.number || n_bytes > (size_t)(end - at) ||
        !is_other_series(at + n_bytes, end) || !block_run_value(at, n_bytes, &io->values[io->n]))
        return false;
    io->series[io->n++] = number;
    r->guess.number = number;
    r->in.at = at + n_bytes;
    return true;
}

uint32_t window_reader_constants(struct window_reader *r, struct dump_constants *ret)
{
    struct window_reader before = *r;
    struct window_record first;
    const struct dump_block *b = &first.block;
    const uint8_t *at = r->in.at, *end = r->in.end;
    if (end - at < ROW_BYTES || !is_other_series(at, end) || at[1] != RUN_HEAD ||
        !read_usual_block(r, &first))
        return 0;
    if (!first.is_last || !block_run_value(b->values, b->n_values_bytes, &ret->values[0])) {
        *r = before;
        return 0;
    }
    ret->timeline = b->timeline;
    ret->first = b->first;
    ret->n_samples = b->n_samples;
    ret->series[0] = first.number;
    ret->n = 1;
    struct row_pattern pattern = pattern_of(b->n_samples);
    while (ret->n < DUMP_CONSTANTS_MAX && add_constant(r, &pattern, ret))
        ;
    return ret->n;
}

struct window_totals window_record_totals(const struct window_record *r)
{
    switch (r->kind) {
    case RECORD_BLOCK:
        return (struct window_totals){.n_blocks = 1, .n_samples = r->block.n_samples};
    case RECORD_SHEAF:
        return (struct window_totals){.n_blocks = r->sheaf.n_blocks,
                                      .n_samples = r->sheaf.n_samples};
    case RECORD_TAIL:
        return (struct window_totals){.n_tails = 1, .n_samples = r->tail.n};
    default:
        return (struct window_totals){0};
    }
}
