#include "http/write_body.h"

#include "tests/unit/http/test_walk.h"

static void setup(void)
{
    begin_walks(REMOTE_WRITE_V2);
}

TestSuite(write_body_v2, .init = setup, .fini = end_walks);

static const char *const texts[] = {"", "__name__", "up", "job", "x"};

static void put_series(struct message *m, const char *refs, size_t n)
{
    static struct message series;
    series.n = 0;
    message_field(&series, 1, refs, n);
    message_sample(&series, 12345, 1);
    message_field(m, 5, series.bytes, series.n);
}

Test(write_body_v2, labels_are_texts_of_the_table)
{
    static struct message m;
    struct labels ls;
    message_symbols(&m, texts, ARRAY_LEN(texts));
    put_series(&m, "\x01\x02\x03\x04", 4);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    cr_assert_eq(body.symbols.n, ARRAY_LEN(texts));
    cr_assert_eq(write_any_labels(&body, entry(0)->form, entry(0)->n_form, &region,
                                  &(struct write_labels){0}, &ls),
                 0);
    cr_assert_eq(ls.n, 2);
    cr_assert_eq(memcmp(ls.items[1].name, "job", 3), 0);
    cr_assert_eq(memcmp(ls.items[1].value, "x", 1), 0);
}

/* Places and how they are written do not matter, nor where in the message the table lies. */
Test(write_body_v2, a_key_is_of_texts)
{
    static const char *const other[] = {"x", "job", "up", "__name__"};
    static struct message m, turned, late, apart, series;
    message_symbols(&m, texts, ARRAY_LEN(texts));
    put_series(&m, "\x01\x02\x03\x04", 4);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    struct series_key key = entry(0)->key;
    message_symbols(&turned, other, ARRAY_LEN(other));
    put_series(&turned, "\x03\x82\x80\x00\x81\x00\x00", 7);
    cr_assert_eq(walk(&turned), WRITE_BODY_TAKEN);
    cr_assert(series_keys_are_equal(key, entry(0)->key));
    put_series(&late, "\x01\x02\x03\x04", 4);
    message_symbols(&late, texts, ARRAY_LEN(texts));
    cr_assert_eq(walk(&late), WRITE_BODY_TAKEN);
    cr_assert(series_keys_are_equal(key, entry(0)->key));
    message_symbols(&apart, texts, ARRAY_LEN(texts));
    memcpy(series.bytes, "\x08\x01\x0a\x02\x02\x03", 6);
    series.n = 6;
    message_sample(&series, 12345, 1);
    memcpy(series.bytes + series.n, "\x08\x04", 2);
    series.n += 2;
    message_field(&apart, 5, series.bytes, series.n);
    cr_assert_eq(walk(&apart), WRITE_BODY_TAKEN);
    cr_assert(series_keys_are_equal(key, entry(0)->key));
}

/* Also those that were noted before room for more was made. */
static void check_table(uint32_t n)
{
    const struct write_symbols *s = &body.symbols;
    const struct series_key keys[] = {series_key_of_text(&hash, "t", 0),
                                      series_key_of_text(&hash, "t", 1)};
    cr_assert_eq(s->n, n);
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_eq(s->texts[i].n, i % 2, "%u of %u", i, n);
        cr_assert(i % 2 == 0 || s->message[s->texts[i].at] == 't', "%u of %u", i, n);
        cr_assert(series_keys_are_equal(s->keys[i], keys[i % 2]), "%u of %u", i, n);
    }
}

/* At the table's end and one past it, with references of one byte and of more. */
Test(write_body_v2, references_at_the_end_of_the_table)
{
    for (uint32_t n = 126; n <= 16386; n = n == 130 ? 16382 : n + 1) {
        static struct message m;
        static struct message series;
        m.n = 0;
        for (uint32_t i = 0; i < n; i++)
            message_field(&m, 4, "t", i % 2);
        for (uint32_t ref = n - 1; ref <= n; ref++) {
            series.n = 0;
            message_refs(&series, (uint32_t[]){1, ref}, 2);
            message_sample(&series, 1, 1);
            message_field(&m, 5, series.bytes, series.n);
        }
        cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
        check_table(n);
        cr_assert(!series_keys_are_equal(entry(0)->key, (struct series_key){0, 0}), "%u", n);
        cr_assert(series_keys_are_equal(entry(1)->key, (struct series_key){0, 0}), "%u", n);
    }
}

#define BYTES(text) text, sizeof(text) - 1

Test(write_body_v2, malformed)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {BYTES("\x20\x01")}, /* a number as a symbol */
        {BYTES("\x28\x01")}, /* and as a series */
        {BYTES("\x22\x01")}, /* cut off */
        {BYTES("\x2a\x01")},
        {BYTES("\x2a\x03\x0a\x01\x80")}, /* references that do not end */
        {BYTES("\x2a\x0d\x0a\x0b\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01")},
        {BYTES("\x2a\x03\x0a\x02\x01")}, /* longer than the series */
        {BYTES("\x2a\x05\x0d\x01\x02\x03\x04")},
        {BYTES("\x2a\x02\x10\x01")},             /* a sample that is a number */
        {BYTES("\x2a\x04\x12\x02\x08\x01")},     /* whose value is */
        {BYTES("\x2a\x05\x12\x03\x1a\x01\x00")}, /* whose start is text */
        {BYTES("\x2a\x04\x1a\x02\x7a\x00")},     /* a histogram */
        {BYTES("\x2a\x04\x22\x02\x10\x01")},     /* an exemplar */
        {BYTES("\x2a\x04\x22\x02\x1a\x00")},
        {BYTES("\x2a\x05\x22\x03\x0a\x01\x80")},
        {BYTES("\x2a\x02\x28\x01")}, /* metadata */
        {BYTES("\x2a\x04\x2a\x02\x1a\x00")},
        {BYTES("\x2a\x04\x2a\x02\x0a\x00")},
        {BYTES("\x2a\x00\x22\x00\x22\x01")}, /* a symbol behind a series */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct message m;
        memcpy(m.bytes, rows[i].bytes, rows[i].n);
        m.n = rows[i].n;
        cr_assert_eq(walk(&m), WRITE_BODY_MALFORMED, "row %zu", i);
    }
}

static void put_many(struct message *m)
{
    message_symbols(m, texts, ARRAY_LEN(texts));
    for (int i = 0; i < 900; i++)
        put_series(m, "\x01\x02\x03\x04", 4);
}

Test(write_body_v2, it_takes_as_much_as_it_is_told_and_no_more)
{
    static struct message m;
    put_many(&m);
    size_t room = m.n / 64 * sizeof(struct series_text); /* for more symbols than there are */
    size_t bytes = room + ARRAY_LEN(texts) * sizeof(struct series_key) +
                   4 * sizeof(struct write_block) + 2 * WRITE_BLOCK_SAMPLES * sizeof(struct sample);
    cr_assert_gt(room, ARRAY_LEN(texts) * sizeof(struct series_text));
    cr_assert_eq(write_body_walk_v2(&hash, m.bytes, m.n, bytes, &region, &body), WRITE_BODY_TAKEN);
    cr_assert_eq(write_body_walk_v2(&hash, m.bytes, m.n, bytes - 1, &region, &body),
                 WRITE_BODY_SWELLS);
}

Test(write_body_v2, no_memory_at_any_point)
{
    static struct message m, series;
    arena.retain_span_bytes = 0;
    memcpy(series.bytes, "\x08\x01\x38\x05\x08\x02\x22\x08\x08\x01\x38\x05\x08\x02\x18\x05", 16);
    series.n = 16;
    message_field(&m, 5, series.bytes, series.n);
    put_many(&m);
    for (long nth = 1;; nth++) {
        region_release(&region);
        budget_fail_nth(&budget, nth);
        enum write_body_outcome outcome =
            write_body_walk_v2(&hash, m.bytes, m.n, NO_LIMIT, &region, &body);
        budget_fail_nth(&budget, 0);
        if (outcome == WRITE_BODY_TAKEN) {
            cr_assert_gt(nth, 2);
            return;
        }
        cr_assert_eq(outcome, WRITE_BODY_NO_MEMORY);
    }
}

Test(write_body_v2, any_message_is_as_protobuf_c_has_it, .timeout = 60)
{
    walk_by_chance(message_v2_by_chance, 30000);
}
