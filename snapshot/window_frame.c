/* Records of a window.
 *
 * The bytes of a block are copied, so what is left to save on is the dozen bytes around them, which
 * at 30 bytes a block count. Most can be told from the record before: blocks of one series follow
 * each other at the scrape interval, and the neighbour in id order comes from the same scrape, so
 * its first block begins at the same millisecond and is as long. What is written is the difference
 * to that guess, mostly one byte of zero:
 *
 *     first sample   same series: last + gap        another series: start
 *     last - first   span of the block before
 *
 *     start  first time of the first record of the last record's series (at first: the window's
 *            start)
 *     last   last time of the last record
 *     gap    time between the last two records of one series, or between the last two samples of a
 *            tail
 *     span   last - first of the last block
 *
 * Tails are the samples themselves: times as differences of differences, beginning from gap; values
 * as the XOR with the one before, bytes reversed, as a varint. A double whose low bits are zero, as
 * those of all small integers are, then takes one to four bytes, an equal value one. That is not a
 * codec for data that stays: a tail lives until it is a block.
 *
 * All sums wrap modulo 2^64: a reader must survive any bytes, and the store checks the times. */
#include "snapshot/window_frame.h"

static void guess_init(struct window_guess *g, int64_t window_ms, int64_t window)
{
    *g = (struct window_guess){.start = (uint64_t)window * (uint64_t)window_ms};
}

static bool is_same_series(const struct window_guess *g, uint32_t number)
{
    return g->has_record && g->number == number;
}

static uint64_t guess_first(const struct window_guess *g, uint32_t number)
{
    return is_same_series(g, number) ? g->last + g->gap : g->start;
}

static void guess_learn(struct window_guess *g, uint32_t number, uint64_t first, uint64_t last)
{
    if (is_same_series(g, number))
        g->gap = first - g->last;
    else
        g->start = first;
    g->last = last;
    g->number = number;
    g->has_record = true;
}

void window_writer_init(struct window_writer *w, uint8_t *payload, int64_t window_ms,
                        int64_t window)
{
    assert(window_ms > 0);
    encoder_init(&w->out, payload, FRAME_PAYLOAD_MAX);
    guess_init(&w->guess, window_ms, window);
    encoder_varint(&w->out, (uint64_t)window_ms);
    encoder_zigzag(&w->out, (uint64_t)window);
}

static void put_key(struct window_writer *w, uint32_t number, bool is_tail)
{
    assert(!window_writer_is_full(w));
    assert(!w->guess.has_record || number >= w->guess.number);
    uint64_t delta = w->guess.has_record ? number - w->guess.number : number;
    encoder_varint(&w->out, delta << 1 | (is_tail ? 1 : 0));
}

void window_writer_block(struct window_writer *w, uint32_t number, const struct dump_block *b)
{
    ENSURE(b->n_samples >= 1 && b->n_samples <= BLOCK_SAMPLES_MAX);
    ENSURE(b->n_bytes >= 1 && b->n_bytes <= SIZE_CLASS_BYTES_MAX);
    uint64_t first = (uint64_t)b->first_ms, last = (uint64_t)b->last_ms;
    put_key(w, number, false);
    encoder_zigzag(&w->out, first - guess_first(&w->guess, number));
    encoder_zigzag(&w->out, last - first - w->guess.span);
    encoder_u8(&w->out, b->encoding);
    encoder_u8(&w->out, (uint8_t)(b->n_samples - 1));
    encoder_varint(&w->out, b->n_bytes);
    encoder_bytes(&w->out, b->bytes, b->n_bytes);
    guess_learn(&w->guess, number, first, last);
    w->guess.span = last - first;
}

void window_writer_tail(struct window_writer *w, uint32_t number, const struct sample *samples,
                        size_t n)
{
    ENSURE(n >= 1 && n <= BLOCK_SAMPLES_MAX);
    uint64_t first = (uint64_t)samples[0].t_ms, last = (uint64_t)samples[n - 1].t_ms;
    put_key(w, number, true);
    encoder_u8(&w->out, (uint8_t)(n - 1));
    encoder_zigzag(&w->out, first - guess_first(&w->guess, number));
    guess_learn(&w->guess, number, first, last);
    for (size_t i = 1; i < n; i++) {
        uint64_t gap = (uint64_t)samples[i].t_ms - (uint64_t)samples[i - 1].t_ms;
        encoder_zigzag(&w->out, gap - w->guess.gap);
        w->guess.gap = gap;
    }
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        encoder_varint(&w->out, __builtin_bswap64(samples[i].value ^ before));
        before = samples[i].value;
    }
}

bool window_writer_is_full(const struct window_writer *w)
{
    return w->out.n >= FRAME_FILL_BYTES;
}

int window_reader_init(struct window_reader *r, const uint8_t *payload, size_t n)
{
    decoder_init(&r->in, payload, n);
    uint64_t window_ms = decoder_varint_max(&r->in, INT64_MAX);
    r->window = (int64_t)decoder_zigzag(&r->in);
    if (r->in.is_bad || window_ms == 0)
        return ERR_CORRUPT;
    r->window_ms = (int64_t)window_ms;
    guess_init(&r->guess, r->window_ms, r->window);
    return 0;
}

static void read_block(struct window_reader *r, struct window_record *ret)
{
    struct window_guess *g = &r->guess;
    struct dump_block *b = &ret->block;
    uint64_t first = guess_first(g, ret->number) + decoder_zigzag(&r->in);
    uint64_t span = g->span + decoder_zigzag(&r->in);
    b->first_ms = (int64_t)first;
    b->last_ms = (int64_t)(first + span);
    b->encoding = decoder_u8(&r->in);
    b->n_samples = decoder_u8(&r->in) + 1u;
    b->n_bytes = (uint32_t)decoder_varint_max(&r->in, SIZE_CLASS_BYTES_MAX);
    b->bytes = decoder_bytes(&r->in, b->n_bytes);
    if (b->n_samples > BLOCK_SAMPLES_MAX || b->n_bytes == 0)
        r->in.is_bad = true;
    guess_learn(g, ret->number, first, first + span);
    g->span = span;
}

static void read_tail(struct window_reader *r, struct window_record *ret)
{
    struct window_guess *g = &r->guess;
    ret->n_samples = decoder_u8(&r->in) + 1u;
    if (ret->n_samples > BLOCK_SAMPLES_MAX) {
        r->in.is_bad = true;
        return;
    }
    uint64_t t = guess_first(g, ret->number) + decoder_zigzag(&r->in);
    guess_learn(g, ret->number, t, t);
    ret->samples[0].t_ms = (int64_t)t;
    for (uint32_t i = 1; i < ret->n_samples; i++) {
        g->gap += decoder_zigzag(&r->in);
        t += g->gap;
        ret->samples[i].t_ms = (int64_t)t;
    }
    g->last = t;
    uint64_t value = 0;
    for (uint32_t i = 0; i < ret->n_samples; i++) {
        value ^= __builtin_bswap64(decoder_varint(&r->in));
        ret->samples[i].value = value;
    }
}

int window_reader_next(struct window_reader *r, struct window_record *ret)
{
    if (r->in.is_bad)
        return ERR_CORRUPT;
    if (decoder_is_done(&r->in))
        return 0;
    uint64_t key = decoder_varint_max(&r->in, (uint64_t)UINT32_MAX << 1 | 1);
    uint64_t number = key >> 1;
    if (r->guess.has_record)
        number += r->guess.number;
    if (number > UINT32_MAX)
        r->in.is_bad = true;
    ret->number = (uint32_t)number;
    ret->is_tail = key & 1;
    if (ret->is_tail)
        read_tail(r, ret);
    else
        read_block(r, ret);
    return r->in.is_bad ? ERR_CORRUPT : 1;
}
