#include "http/write_body.h"

#include "tests/unit/http/test_walk.h"

static void setup(void)
{
    begin_walks(REMOTE_WRITE_V1);
}

TestSuite(write_body, .init = setup, .fini = end_walks);

/* A message of one series: these bytes. */
static enum write_body_outcome walk_series(const void *bytes, size_t n)
{
    static struct message m;
    m.n = 0;
    message_field(&m, 1, bytes, n);
    return walk(&m);
}

static struct labels labels_of(size_t i)
{
    struct write_labels room = {0};
    struct labels ls;
    cr_assert_eq(write_form_labels(entry(i)->form, entry(i)->n_form, &region, &room, &ls), 0);
    return ls;
}

/* --- what is there ---------------------------------------------------------------------------- */

Test(write_body, a_form_is_the_label_section_as_it_stands)
{
    static struct message m, labels;
    message_labels(&labels, "__name__=up,job=x");
    message_series(&m, "__name__=up,job=x", 12345, 1.5);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    cr_assert_eq(body.n_entries, 1);
    cr_assert_eq(entry(0)->n_form, labels.n);
    cr_assert_eq(memcmp(entry(0)->form, labels.bytes, labels.n), 0);
    cr_assert_eq(entry(0)->n_samples, 1);
    cr_assert_eq(entry(0)->samples[0].t_ms, 12345);
}

Test(write_body, labels_come_as_they_were_written)
{
    static struct message m, series;
    message_label(&series, "zone", 4, "x\0y", 3);
    message_label(&series, "", 0, "", 0);
    message_label(&series, "__name__", 8, "a", 1);
    message_sample(&series, 1, 0);
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    struct labels ls = labels_of(0);
    cr_assert_eq(ls.n, 3);
    cr_assert_eq(memcmp(ls.items[0].name, "zone", 4), 0);
    cr_assert_eq(ls.items[0].value_len, 3);
    cr_assert_eq(memcmp(ls.items[0].value, "x\0y", 3), 0);
    cr_assert_eq(ls.items[1].name_len + ls.items[1].value_len, 0);
}

Test(write_body, values_keep_their_bits_and_times_their_range)
{
    static const uint64_t values[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x8000000000000000,
                                      0xfff0000000000001, 1};
    static const int64_t times[] = {0, -1, INT64_MIN, INT64_MAX, 1700000000000};
    static struct message m, series;
    message_labels(&series, "__name__=bits");
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        message_sample(&series, times[i], values[i]);
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    cr_assert_eq(entry(0)->n_samples, ARRAY_LEN(values));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        cr_assert_eq(entry(0)->samples[i].value, values[i]);
        cr_assert_eq(entry(0)->samples[i].t_ms, times[i]);
    }
}

Test(write_body, what_is_not_a_sample_is_counted_or_passed_over)
{
    static struct message m, series;
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN, "an empty message");
    cr_assert_null(body.first);
    message_field(&m, 3, "\x12\x01x", 3);
    message_field(&m, 15, "from the future", 15);
    message_labels(&series, "__name__=without_samples");
    message_field(&series, 4, "\x78\x05", 2);
    message_field(&series, 4, "", 0);
    message_field(&m, 1, series.bytes, series.n);
    message_field(&m, 3, "", 0);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    cr_assert_null(body.first);
    cr_assert_eq(body.n_metadata, 2);
    cr_assert_eq(body.n_histograms, 2);
}

Test(write_body, exemplars_belong_to_the_entry_of_their_series)
{
    static struct message m, series, exemplar;
    message_series(&m, "__name__=before", 1, 1);
    message_labels(&series, "__name__=without_samples");
    message_labels(&exemplar, "trace_id=a");
    memcpy(exemplar.bytes + exemplar.n, "\x11\x01\0\0\0\0\0\0\0\x18\x07", 11);
    exemplar.n += 11;
    message_labels(&exemplar, "span_id=b");
    message_field(&series, 3, exemplar.bytes, exemplar.n);
    message_field(&series, 3, "", 0);
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    cr_assert_eq(body.n_exemplars, 2);
    const struct write_exemplar *x = body.exemplars;
    cr_assert(x->entry == entry(1) && x->next->entry == entry(1) && x->next->next == NULL);
    cr_assert_eq(entry(1)->n_samples, 0);
    cr_assert(x->value == 1 && x->t_ms == 7);
    struct labels ls;
    struct write_labels room = {0};
    cr_assert_eq(write_any_labels(&body, x->form, x->n_form, &region, &room, &ls), 0);
    cr_assert_eq(ls.n, 2);
    cr_assert_eq(memcmp(ls.items[1].name, "span_id", 7), 0);
    cr_assert_eq(x->next->n_form, 0);
}

/* --- shapes that nobody sends, and that are sound ----------------------------------------------
 */

#define BYTES(text) (text), sizeof(text) - 1

Test(write_body, labels_that_do_not_lie_together_are_copied_together)
{
    static struct message together, apart;
    const struct {
        const char *first, *second;
    } parts[] = {{"__name__=up", "job=x"}, {"__name__=up,job=x", "zone=y,a=b"}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        together.n = apart.n = 0;
        message_labels(&together, parts[i].first);
        message_labels(&together, parts[i].second);
        message_sample(&apart, 1, 2); /* before, between and behind */
        message_labels(&apart, parts[i].first);
        message_sample(&apart, 3, 4);
        message_field(&apart, 9, BYTES("unknown"));
        message_labels(&apart, parts[i].second);
        message_sample(&apart, 5, 6);
        cr_assert_eq(walk_series(apart.bytes, apart.n), WRITE_BODY_TAKEN);
        cr_assert_eq(entry(0)->n_form, together.n);
        cr_assert_eq(memcmp(entry(0)->form, together.bytes, together.n), 0);
        cr_assert_eq(entry(0)->n_samples, 3);
    }
}

Test(write_body, labels_behind_the_samples_stay_where_they_are)
{
    static struct message m, series;
    message_sample(&series, 1, 2);
    message_labels(&series, "__name__=up,job=x");
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    cr_assert_eq(labels_of(0).n, 2);
    cr_assert_eq(write_body_walk(m.bytes, m.n, NO_LIMIT, &region, &body), WRITE_BODY_TAKEN);
    const char *form = entry(0)->form;
    cr_assert(form > m.bytes && form + entry(0)->n_form == m.bytes + m.n);
}

Test(write_body, odd_labels)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *name, *value;
    } rows[] = {
        {BYTES(""), "", ""},
        {BYTES("\x0a\x01z"), "z", ""},                       /* no value */
        {BYTES("\x12\x01v"), "", "v"},                       /* no name */
        {BYTES("\x12\x01v\x0a\x01n"), "n", "v"},             /* the other way round */
        {BYTES("\x0a\x01n\x12\x01v\x0a\x01m"), "m", "v"},    /* the last name counts */
        {BYTES("\x0a\x01n\x12\x01v\x12\x00"), "n", ""},      /* the last value, though empty */
        {BYTES("\x0a\x01n\x18\x05\x12\x01v"), "n", "v"},     /* an unknown number */
        {BYTES("\x0a\x01n\x12\x01v\x1d____"), "n", "v"},     /* .. fixed32 */
        {BYTES("\x19________\x0a\x01n\x12\x01v"), "n", "v"}, /* .. fixed64 */
        {BYTES("\x0a\x01n\x22\x02\x08\x01\x12\x01v"), "n", "v"},
        {BYTES("\x8a\x00\x01n\x92\x80\x80\x80\x00\x01v"), "n", "v"}, /* tags longer than needed */
        {BYTES("\x0a\x81\x80\x80\x80\x00n\x12\x81\x00v"), "n", "v"}, /* lengths */
        {BYTES("\x82\x00\x01x\x0a\x01n\x12\x01v"), "n", "v"},        /* field 0 in two bytes */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct message series;
        series.n = 0;
        message_field(&series, 1, rows[i].bytes, rows[i].n);
        message_sample(&series, 1, 1);
        cr_assert_eq(walk_series(series.bytes, series.n), WRITE_BODY_TAKEN, "row %zu", i);
        struct label l = labels_of(0).items[0];
        cr_assert_eq(bytes_compare(l.name, l.name_len, rows[i].name, strlen(rows[i].name)), 0,
                     "row %zu", i);
        cr_assert_eq(bytes_compare(l.value, l.value_len, rows[i].value, strlen(rows[i].value)), 0,
                     "row %zu", i);
    }
}

Test(write_body, lengths_of_labels_around_those_of_one_byte)
{
    static char value[20000];
    memset(value, 'v', sizeof(value));
    for (size_t n = 100; n < sizeof(value); n += n < 300 ? 1 : 1777) {
        static struct message series;
        series.n = 0;
        message_label(&series, "n", 1, value, n);
        message_label(&series, value, n, "v", 1);
        message_sample(&series, 1, 1);
        cr_assert_eq(walk_series(series.bytes, series.n), WRITE_BODY_TAKEN, "%zu", n);
        cr_assert_eq(labels_of(0).items[0].value_len, n);
        cr_assert_eq(labels_of(0).items[1].name_len, n);
    }
}

/* The second byte of its length is that of a tag of a name, and its name holds what would be the
 * rest of a short label. */
Test(write_body, a_long_label_that_looks_like_a_short_one)
{
    enum { NAME = 20, ALL = 1280 + 10, HEADS = 2 + 3 };
    static struct message series;
    static char value[ALL];
    char name[NAME] = "_________\x12\x7c________";
    message_label(&series, name, NAME, value, ALL - NAME - HEADS);
    cr_assert_eq(memcmp(series.bytes, "\x0a\x8a\x0a\x0a\x14", 5), 0);
    message_sample(&series, 1, 1);
    cr_assert_eq(walk_series(series.bytes, series.n), WRITE_BODY_TAKEN);
    cr_assert_eq(labels_of(0).items[0].name_len, NAME);
}

Test(write_body, odd_samples)
{
    static const struct {
        const char *bytes;
        size_t n;
        uint64_t value;
        int64_t t_ms;
    } rows[] = {
        {BYTES(""), 0, 0},
        {BYTES("\x09\x01\0\0\0\0\0\0\0"), 1, 0},
        {BYTES("\x10\x05"), 0, 5},
        {BYTES("\x19________\x10\x05"), 0, 5},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x18\x05"), 1, 0},
        {BYTES("\x10\x05\x09\x01\0\0\0\0\0\0\0"), 1, 5},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x10\x05\x10\x06"), 1, 6},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x09\x02\0\0\0\0\0\0\0\x10\x05"), 2, 5},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x10\x85\x00"), 1, 5}, /* longer than it need be */
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x10\x85\x80\x80\x80\x80\x80\x80\x80\x00"), 1, 5},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x10\x85\x80\x80\x80\x80\x80\x80\x80\x80\x00"), 1, 5},
        /* bits past the 64th */
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x10\x85\x80\x80\x80\x80\x80\x80\x80\x80\x7e"), 1, 5},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x18\x05\x10\x05"), 1, 5},
        {BYTES("\x09\x01\0\0\0\0\0\0\0\x10\x05\x1a\x01z"), 1, 5},
        {BYTES("\x89\x00\x01\0\0\0\0\0\0\0\x90\x80\x00\x05"), 1, 5},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct message series;
        series.n = 0;
        message_labels(&series, "__name__=odd");
        message_field(&series, 2, rows[i].bytes, rows[i].n);
        cr_assert_eq(walk_series(series.bytes, series.n), WRITE_BODY_TAKEN, "row %zu", i);
        cr_assert_eq(entry(0)->samples[0].value, rows[i].value, "row %zu", i);
        cr_assert_eq(entry(0)->samples[0].t_ms, rows[i].t_ms, "row %zu", i);
    }
}

Test(write_body, every_length_of_a_time)
{
    for (unsigned bits = 0; bits < 64; bits++) {
        static struct message series;
        series.n = 0;
        message_labels(&series, "__name__=times");
        message_sample(&series, (int64_t)(UINT64_C(1) << bits), 7);
        message_sample(&series, (int64_t)((UINT64_C(1) << bits) - 1), 7);
        cr_assert_eq(walk_series(series.bytes, series.n), WRITE_BODY_TAKEN);
        cr_assert_eq((uint64_t)entry(0)->samples[0].t_ms, UINT64_C(1) << bits);
        cr_assert_eq((uint64_t)entry(0)->samples[1].t_ms, (UINT64_C(1) << bits) - 1);
    }
}

/* --- malformed ---------------------------------------------------------------------------------
 */

Test(write_body, a_message_cut_anywhere_is_malformed)
{
    static struct message m;
    message_series(&m, "__name__=whole,job=x", 1700000000000, 1);
    for (size_t n = 1; n < m.n; n++)
        cr_assert_eq(walk_bytes(m.bytes, n), WRITE_BODY_MALFORMED, "cut at %zu", n);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
}

/* What is cut off a series is there all the same, as the beginning of the next one. */
Test(write_body, a_series_cut_anywhere)
{
    static struct message series;
    message_labels(&series, "__name__=whole,job=x");
    message_sample(&series, 1700000000000, 1);
    message_sample(&series, 1700000015000, 1);
    for (size_t n = 0; n < series.n; n++) {
        static struct message m;
        m.n = 0;
        message_field(&m, 1, series.bytes, n);
        message_series(&m, "__name__=next", 1, 1);
        (void)walk(&m);
    }
}

/* The last byte of a series begins what looks like a label whose name ends with the message or near
 * it; a sanitizer sees the bytes behind that. */
Test(write_body, a_look_ahead_ends_with_the_message)
{
    for (size_t n = 250; n < 270; n++) {
        static struct message m, series;
        m.n = series.n = 0;
        message_labels(&series, "__name__=next");
        series.bytes[series.n++] = 0x0a;
        message_field(&m, 1, series.bytes, series.n);
        memset(m.bytes + m.n, 0, n);
        memcpy(m.bytes + m.n, "\x05\x0a\xff", 3);
        m.n += n;
        cr_assert_eq(walk_exactly(m.bytes, m.n), WRITE_BODY_MALFORMED);
    }
}

/* What is wrong in the second of two series: nothing of the first is kept either. */
Test(write_body, malformed_series)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {BYTES("\x08\x01")},                   /* labels that are a number */
        {BYTES("\x10\x01")},                   /* samples */
        {BYTES("\x19________")},               /* exemplars */
        {BYTES("\x25____")},                   /* histograms */
        {BYTES("\x0a\x02\x08\x01")},           /* a name that is a number */
        {BYTES("\x0a\x06\x08\x01_\x12\x01v")}, /* .. where a name would be */
        {BYTES("\x0a\x02\x10\x01")},           /* a value */
        {BYTES("\x0a\x05\x0a\x01n\x12\x01")},  /* a value that is cut off */
        {BYTES("\x0a\x04\x0a\x05n\x12")},      /* a name longer than its label */
        {BYTES("\x0a\x06\x0a\x01n\x12\x02v")},
        {BYTES("\x0a\x07\x0a\x01n\x12\x01v")},   /* a label longer than its series */
        {BYTES("\x12\x02\x08\x01")},             /* a sample's value that is a number */
        {BYTES("\x12\x09\x11________")},         /* its time that is not */
        {BYTES("\x12\x0b\x11________\x10\x05")}, /* .. where the value would be */
        {BYTES("\x12\x03\x12\x01x")},
        {BYTES("\x12\x02\x10\x80")}, /* a time that does not end */
        {BYTES("\x12\x0d\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00 ")},
        {BYTES("\x12\x08\x09_______")}, /* a value of seven bytes */
        {BYTES("\x1a\x02\x10\x01")},    /* an exemplar's value that is a number */
        {BYTES("\x1a\x02\x1a\x00")},    /* its time that is text */
        {BYTES("\x22\x02\x7a\x00")},    /* a histogram's */
        {BYTES("\x22\x01\x0a")},
        {BYTES("\x2b\x2c")}, /* a group */
        {BYTES("\x2c")},     /* the end of one */
        {BYTES("\x2e")},     /* types that do not exist */
        {BYTES("\x2f")},
        {BYTES("\x02\x01x")},                    /* field 0 */
        {BYTES("\x8a\x80\x80\x80\x80\x00\x00")}, /* a tag of six bytes */
        {BYTES("\x2a\x80\x80\x80\x80\x80\x00")}, /* a length of six */
        {BYTES("\x2a\xff\xff\xff\xff\x0f")},     /* a length of 4 GiB */
        {BYTES("\x2a\x80\x80\x80\x80\x08")},     /* of 2 */
        {BYTES("\x2a\x81\x80\x80\x80\x10 ")},    /* of 1 byte, but for the 33rd bit */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (int has_labels = 0; has_labels < 2; has_labels++) {
            static struct message m, series;
            m.n = series.n = 0;
            message_series(&m, "__name__=good", 1, 1);
            if (has_labels)
                message_labels(&series, "__name__=bad");
            memcpy(series.bytes + series.n, rows[i].bytes, rows[i].n);
            series.n += rows[i].n;
            message_field(&m, 1, series.bytes, series.n);
            cr_assert_eq(walk(&m), WRITE_BODY_MALFORMED, "row %zu", i);
        }
    }
}

Test(write_body, malformed_messages)
{
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {BYTES("\x08\x01")},
        {BYTES("\x0b\x0c")},
        {BYTES("\x18\x01")},
        {BYTES("\x1a\x02\x10\x01")},
        {BYTES("\x0a\xff\xff\xff\xff\x0f")},
        {BYTES("\x02\x01x")},
        {BYTES("\x0a")},
        {BYTES("\x0a\x80")},
        {BYTES("\x0a\x01")},
        {BYTES("\x0a\x81\x01")},
        {BYTES("\x80")},
        {BYTES("\x12\x05 ")},
        {BYTES("\x0a\x80\x80\x80\x80\x80\x00")},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(walk_bytes(rows[i].bytes, rows[i].n), WRITE_BODY_MALFORMED, "row %zu", i);
}

/* --- memory ----------------------------------------------------------------------------------- */

static void put_many(struct message *m, size_t n_series, size_t n_samples)
{
    static struct message series;
    for (size_t i = 0; i < n_series; i++) {
        series.n = 0;
        message_labels(&series, "__name__=many");
        for (size_t k = 0; k < n_samples; k++)
            message_sample(&series, (int64_t)k, i);
        message_field(m, 1, series.bytes, series.n);
    }
}

Test(write_body, blocks_around_their_size)
{
    for (size_t n = WRITE_BLOCK_ENTRIES - 1; n <= WRITE_BLOCK_ENTRIES + 1; n++) {
        static struct message m;
        m.n = 0;
        put_many(&m, n, 2);
        cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
        cr_assert_eq(body.n_entries, n);
        cr_assert_eq(body.first->next != NULL, n > WRITE_BLOCK_ENTRIES);
    }
}

/* Series that begin in one block of samples and end in the next, or in a larger one. */
Test(write_body, samples_of_a_series_lie_together)
{
    for (size_t n = 1; n < 2 * WRITE_BLOCK_SAMPLES; n += n < 8 ? 1 : 61) {
        static struct message m;
        m.n = 0;
        put_many(&m, 1 + 1500 / n, n);
        cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
        for (size_t i = 0; i < body.n_entries; i++)
            for (size_t k = 0; k < n; k++)
                cr_assert(entry(i)->samples[k].t_ms == (int64_t)k &&
                          entry(i)->samples[k].value == i);
    }
}

Test(write_body, it_takes_as_much_as_it_is_told_and_no_more)
{
    enum {
        BLOCKS = sizeof(struct write_block) + WRITE_BLOCK_SAMPLES * sizeof(struct sample),
    };
    static struct message m;
    put_many(&m, WRITE_BLOCK_ENTRIES, 2);
    cr_assert_eq(write_body_walk(m.bytes, m.n, BLOCKS, &region, &body), WRITE_BODY_TAKEN);
    cr_assert_eq(write_body_walk(m.bytes, m.n, BLOCKS - 1, &region, &body), WRITE_BODY_SWELLS);
    put_many(&m, 1, 1);
    cr_assert_eq(write_body_walk(m.bytes, m.n, BLOCKS, &region, &body), WRITE_BODY_SWELLS);
}

Test(write_body, no_memory_at_any_point)
{
    static struct message m, series;
    arena.retain_span_bytes = 0;
    message_labels(&series, "__name__=apart");
    message_sample(&series, 1, 1);
    message_labels(&series, "job=x");
    message_field(&m, 1, series.bytes, series.n);
    put_many(&m, 900, 1);
    put_many(&m, 1, 800);
    for (long nth = 1;; nth++) {
        region_release(&region);
        budget_fail_nth(&budget, nth);
        enum write_body_outcome outcome = write_body_walk(m.bytes, m.n, NO_LIMIT, &region, &body);
        budget_fail_nth(&budget, 0);
        if (outcome == WRITE_BODY_TAKEN) {
            cr_assert_gt(nth, 2);
            return;
        }
        cr_assert_eq(outcome, WRITE_BODY_NO_MEMORY);
    }
}

Test(write_body, labels_without_memory)
{
    static struct message m;
    put_many(&m, 1, 1);
    cr_assert_eq(walk(&m), WRITE_BODY_TAKEN);
    struct region none;
    struct write_labels room = {0};
    struct labels ls;
    region_init(&none, &arena, region.owner, 1);
    cr_assert_eq(write_form_labels(entry(0)->form, entry(0)->n_form, &none, &room, &ls),
                 ERR_NO_MEMORY);
    cr_assert_eq(room.n_items, 0);
}

/* An array that is long enough is used again; one that is not stays good for what it was. */
Test(write_body, labels_use_their_array_again)
{
    enum { LONG = 100 };
    static const uint8_t one[] = {0x0a, 6, 0x0a, 1, 'a', 0x12, 1, 'b'};
    uint8_t many[LONG * sizeof(one)];
    for (size_t i = 0; i < LONG; i++)
        memcpy(many + i * sizeof(one), one, sizeof(one));
    struct write_labels room = {0};
    struct labels first, second, third;
    cr_assert_eq(write_form_labels(one, sizeof(one), &region, &room, &first), 0);
    cr_assert_geq(room.n_items, 1);
    cr_assert_eq(write_form_labels(many, sizeof(many), &region, &room, &second), 0);
    cr_assert_eq(second.n, LONG);
    cr_assert_geq(room.n_items, LONG);
    cr_assert_neq(first.items, second.items);
    cr_assert_eq(first.items[0].value[0], 'b');
    struct region_mark before = region_mark(&region);
    cr_assert_eq(write_form_labels(one, sizeof(one), &region, &room, &third), 0);
    cr_assert_eq(third.n, 1);
    cr_assert_eq(third.items, second.items);
    cr_assert_eq(region_mark(&region).used_bytes, before.used_bytes);
}

/* --- by chance -------------------------------------------------------------------------------- */

Test(write_body, any_message_is_as_protobuf_c_has_it, .timeout = 60)
{
    walk_by_chance(message_by_chance, 40000);
}
