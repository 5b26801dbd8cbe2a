/* The examples of docs/chunk-format.md are what the program writes, and what it reads. */
#include "tests/unit/alloc/test_arena.h"
#include "tests/unit/tsdb/test_samples.h"
#include "tsdb/chunk.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* Between "<!-- example: NAME -->" and "<!-- end -->": samples ("@ TIME VALUE", the value as a
 * number or as 0x and its bits), one fact ("encoding HEX", "run NUMBER"), and bytes as pairs of
 * digits. A # begins a comment. */
struct example {
    struct sample samples[BLOCK_SAMPLES_MAX];
    uint32_t n;
    unsigned long fact;
    bool has_fact;
    uint8_t bytes[BLOCK_BYTES_MAX];
    size_t n_bytes;
};

static struct sample read_sample(const char *line)
{
    char *at;
    struct sample s = {.t_ms = strtoll(line + 1, &at, 10)};
    at += strspn(at, " ");
    s.value = strncmp(at, "0x", 2) == 0 ? strtoull(at, NULL, 16) : test_bits(strtod(at, NULL));
    return s;
}

static void read_line(struct example *e, char *line)
{
    int len;
    unsigned byte;
    line[strcspn(line, "#\n")] = '\0';
    if (line[0] == '@') {
        e->samples[e->n++] = read_sample(line);
    } else if (strncmp(line, "encoding ", 9) == 0 || strncmp(line, "run ", 4) == 0) {
        e->fact = strtoul(strchr(line, ' '), NULL, 16);
        e->has_fact = true;
    } else if (line[0] != '`') {
        for (; sscanf(line, " %2x%n", &byte, &len) == 1; line += len)
            e->bytes[e->n_bytes++] = (uint8_t)byte;
        cr_assert_eq(line[strspn(line, " ")], '\0', "neither bytes nor a comment: %s", line);
    }
}

static struct example example_of(const char *name)
{
    struct example e = {.n = 0};
    char line[300], begin[64];
    bool is_inside = false, is_found = false;
    FILE *f = fopen("docs/chunk-format.md", "r");
    cr_assert_not_null(f, "run this from the root of the tree");
    snprintf(begin, sizeof(begin), "<!-- example: %s -->", name);
    while (fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, "<!-- end", 8) == 0)
            is_inside = false;
        if (is_inside)
            read_line(&e, line);
        if (strncmp(line, begin, strlen(begin)) == 0)
            is_inside = is_found = true;
    }
    fclose(f);
    cr_assert(is_found && e.n > 0 && e.n_bytes > 0, "no example \"%s\"", name);
    return e;
}

static void expect_bytes(const struct example *e, const void *got, size_t n)
{
    if (n == e->n_bytes && memcmp(got, e->bytes, n) == 0)
        return;
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%02x%c", ((const uint8_t *)got)[i], i + 1 == n ? '\n' : ' ');
    cr_assert_fail("above is what the program writes");
}

static void block_example(const char *name)
{
    struct example e = example_of(name);
    uint8_t bytes[BLOCK_BYTES_MAX];
    struct block b;
    cr_assert(block_encode(e.samples, e.n, bytes, &b));
    cr_assert(e.has_fact);
    cr_assert_eq(b.encoding, e.fact, "%s: %02x", name, b.encoding);
    expect_bytes(&e, b.bytes, b.n_bytes);

    int64_t t_ms[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    b.bytes = e.bytes;
    cr_assert(block_decode(&b, t_ms, values));
    for (uint32_t i = 0; i < e.n; i++) {
        cr_assert_eq(t_ms[i], e.samples[i].t_ms);
        cr_assert_eq(values[i], e.samples[i].value);
    }
}

Test(chunk_format, a_constant)
{
    block_example("block constant");
}

Test(chunk_format, a_counter_whose_scrapes_jitter)
{
    block_example("block counter");
}

Test(chunk_format, xor_of_values)
{
    block_example("block xor");
}

Test(chunk_format, bits_without_a_pattern)
{
    block_example("block raw");
}

Test(chunk_format, a_tail)
{
    struct example e = example_of("tail");
    struct tail tail = {0};
    uint8_t bytes[TAIL_BYTES_MAX];
    size_t n = 0;
    for (uint32_t i = 0; i < e.n; i++)
        n += tail_step(&tail, e.samples[i].t_ms, e.samples[i].value, &bytes[n]);
    cr_assert(e.has_fact);
    cr_assert_eq(tail.run, e.fact);
    expect_bytes(&e, bytes, n);

    struct sample samples[BLOCK_SAMPLES_MAX];
    tail_decode(&tail, e.bytes, samples);
    cr_assert_eq(tail.n_samples, e.n);
    cr_assert_eq(memcmp(samples, e.samples, e.n * sizeof(*samples)), 0);
}

Test(chunk_format, a_slot)
{
    struct example e = example_of("slot counter");
    struct test_arena t;
    struct windows ws;
    struct block b;
    uint8_t bytes[BLOCK_BYTES_MAX];
    test_arena_init(&t, 16 << 20);
    windows_init(&ws, t.owner);
    struct window *w = window_make(&ws, 0);
    slot c = chunk_new(&t.arena, w, 1, 0);
    cr_assert(block_encode(e.samples, e.n, bytes, &b));
    cr_assert_eq(chunk_append_block(&t.arena, w, c, &b), 0);
    expect_bytes(&e, slot_ptr(&t.arena, chunk_at(&t.arena, c)->first_block),
                 BLOCK_HEAD_BYTES + b.n_bytes);
    arena_release(&t.arena);
}

/* The numbers that the text names. */
Test(chunk_format, limits_are_as_written)
{
    cr_assert_eq(BLOCK_BYTES_MAX, 1000);
    cr_assert_eq(BLOCK_HEAD_BYTES, 24);
    cr_assert_eq(BLOCK_SAMPLES_MAX, 128);
    cr_assert_eq(TAIL_STEP_BYTES_MAX, 24);
    cr_assert_eq(CHUNK_INLINE_BYTES, 39);
    cr_assert_eq(sizeof(struct chunk), 128);
}
