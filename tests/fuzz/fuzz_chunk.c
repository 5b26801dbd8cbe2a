/* Blocks and chunks under any bytes. The first byte chooses the half:
 *
 *   even  the rest is a block, head and bytes, as a damaged file would hand it over: decoding reads
 *         nothing outside, and what is accepted ascends from the first to the last time and can be
 *         encoded again;
 *   odd   the rest is a program of appends and late samples, run on a chunk and on a sorted array:
 *         both must hold the same, whatever range is read, with and without memory. */
#include "tsdb/chunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 500, LIMIT_BYTES = 8 << 20, START_MS = 1000000 };

#define REQUIRE(c) ((c) ? (void)0 : fail(#c, __LINE__))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail(const char *what, int line)
{
    fprintf(stderr, "fuzz_chunk: %s does not hold, line %d\n", what, line);
    abort();
}

struct input {
    const uint8_t *at, *end;
};

/* The next n bytes as a number; zeros behind the end. */
static uint64_t take(struct input *in, size_t n)
{
    uint64_t v = 0;
    size_t left = (size_t)(in->end - in->at), part = n < left ? n : left;
    memcpy(&v, in->at, part);
    in->at += part;
    return v;
}

/* ---- bytes as a block ---- */

static void decode_bytes(struct input *in)
{
    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    struct block b;
    memset(&b, 0, sizeof(b));
    b.encoding = (uint8_t)take(in, 1);
    b.n_samples = (uint32_t)take(in, 1);
    b.first_ms = (int64_t)take(in, 8);
    b.last_ms = (int64_t)((uint64_t)b.first_ms + take(in, 8));
    b.n_bytes = (uint32_t)(in->end - in->at);
    uint8_t *exact = malloc(b.n_bytes + (b.n_bytes == 0));
    if (b.n_bytes > 0)
        memcpy(exact, in->at, b.n_bytes);
    b.bytes = exact;
    if (block_decode(&b, t_ms, values)) {
        struct sample samples[BLOCK_SAMPLES_MAX];
        uint8_t again[BLOCK_BYTES_MAX];
        struct block made;
        REQUIRE(t_ms[0] == b.first_ms && t_ms[b.n_samples - 1] == b.last_ms);
        for (uint32_t i = 0; i < b.n_samples; i++) {
            REQUIRE(i == 0 || t_ms[i - 1] < t_ms[i]);
            samples[i] = (struct sample){t_ms[i], values[i]};
        }
        if (block_encode(samples, b.n_samples, again, &made)) {
            int64_t t_again[BLOCK_SAMPLES_MAX];
            uint64_t values_again[BLOCK_SAMPLES_MAX];
            REQUIRE(block_decode(&made, t_again, values_again));
            REQUIRE(memcmp(t_ms, t_again, b.n_samples * sizeof(*t_ms)) == 0);
            REQUIRE(memcmp(values, values_again, b.n_samples * sizeof(*values)) == 0);
        }
    }
    free(exact);
}

/* ---- samples through a chunk ---- */

struct world {
    struct budget budget;
    struct arena arena;
    struct windows windows;
    struct window *window;
    slot chunk;
    struct sample samples[SAMPLES_MAX]; /* sorted: what the chunk must hold */
    size_t n;
};

static struct world *w;

static void set_up(uint32_t phase)
{
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        budget_init(&w->budget, LIMIT_BYTES);
        REQUIRE(arena_init(&w->arena, &w->budget, LIMIT_BYTES));
        w->arena.retain_pages = 0; /* so that each page asks the budget, which may refuse */
        windows_init(&w->windows, budget_owner(&w->budget, "chunks"));
    }
    w->n = 0;
    w->window = window_make(&w->windows, 0);
    w->chunk = chunk_new(&w->arena, w->window, 1, phase);
    REQUIRE(w->chunk != 0);
}

static void tear_down(void)
{
    window_expire(&w->windows, w->window);
    window_free(&w->arena, &w->windows, w->window);
}

static size_t place_of(int64_t t_ms)
{
    size_t at = w->n;
    while (at > 0 && w->samples[at - 1].t_ms >= t_ms)
        at--;
    return at;
}

static void put(int64_t t_ms, uint64_t value)
{
    struct sample s = {t_ms, value};
    size_t at = place_of(t_ms);
    if (at < w->n) {
        uint64_t found;
        bool is_there = w->samples[at].t_ms == t_ms;
        REQUIRE(chunk_find(&w->arena, w->chunk, t_ms, &found) == is_there);
        REQUIRE(!is_there || found == w->samples[at].value);
        if (is_there)
            return;
    }
    int err = at == w->n ? chunk_append(&w->arena, w->window, w->chunk, &s)
                         : chunk_insert(&w->arena, w->window, w->chunk, &s);
    if (err != 0) {
        REQUIRE(err == ERR_NO_MEMORY);
        return;
    }
    memmove(&w->samples[at + 1], &w->samples[at], (w->n - at) * sizeof(s));
    w->samples[at] = s;
    w->n++;
}

static void compare(int64_t min_ms, int64_t max_ms)
{
    static int64_t t_ms[SAMPLES_MAX];
    static uint64_t values[SAMPLES_MAX];
    const struct chunk *c = chunk_at(&w->arena, w->chunk);
    REQUIRE(chunk_samples_between(&w->arena, c, min_ms, max_ms) <= SAMPLES_MAX);
    size_t n = chunk_read(&w->arena, c, min_ms, max_ms, t_ms, values), k = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->samples[i].t_ms < min_ms || w->samples[i].t_ms > max_ms)
            continue;
        REQUIRE(k < n && t_ms[k] == w->samples[i].t_ms && values[k] == w->samples[i].value);
        k++;
    }
    REQUIRE(k == n);
}

static uint64_t next_value(struct input *in, unsigned kind, uint64_t before)
{
    double v;
    memcpy(&v, &before, sizeof(v));
    switch (kind) {
    case 0:
        return before;
    case 1: /* a whole number */
        v = (double)(int16_t)take(in, 2);
        break;
    case 2: /* few bits change */
        return before ^ take(in, 1) << take(in, 1) % 57;
    default:
        return take(in, 8);
    }
    memcpy(&before, &v, sizeof(v));
    return before;
}

/* An operation is a byte: two bits of what, two of the value's kind, the rest how often. */
static void run_program(struct input *in)
{
    int64_t now = START_MS;
    uint64_t step = 1000, value = 0;
    set_up((uint32_t)take(in, 1));
    while (in->at < in->end && w->n < SAMPLES_MAX - 20) {
        unsigned op = (unsigned)take(in, 1), kind = op >> 2 & 3, times = (op >> 4) + 1;
        if ((op & 3) == 1)
            step = take(in, 2);
        if ((op & 3) == 2)
            budget_fail_nth(&w->budget, (long)times);
        for (; times > 0; times--) {
            value = next_value(in, kind, value);
            now += (int64_t)step + 1;
            put((op & 3) == 3 ? now - (int64_t)take(in, 3) : now, value);
        }
        if ((op & 3) == 1)
            compare(now - (int64_t)(step * (op >> 2)), now - (int64_t)step);
    }
    budget_fail_nth(&w->budget, 0);
    REQUIRE(chunk_check(&w->arena, w->chunk));
    REQUIRE(windows_check(&w->arena, &w->windows));
    REQUIRE(w->window->n_samples == w->n);
    compare(INT64_MIN, INT64_MAX);
    tear_down();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    if (size == 0)
        return 0;
    if (take(&in, 1) % 2 == 0)
        decode_bytes(&in);
    else
        run_program(&in);
    return 0;
}
