#include "http/remote_write.h"

#include "http/proto/remote.pb-c.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20, MAX_BYTES = 1 << 20 };

static struct budget budget;
static struct arena arena;
static struct region region;
static struct tsdb *db;
static struct remote_write rw;
static char text[REMOTE_WRITE_TEXT_MAX];
static int64_t now_ms = 1700000000000;

static int64_t test_clock(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static void setup(void)
{
    const struct tsdb_options options = {
        .window_ms = 4 * 3600 * 1000,
        .n_windows = 8,
        .out_of_order_ms = 3600 * 1000,
        .wall_ms = test_clock,
        .boot_ms = test_clock,
    };
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    region_init(&region, &arena, budget_owner(&budget, "requests"), 0);
    cr_assert_eq(tsdb_new(&options, &arena, &db), 0);
}

static void teardown(void)
{
    region_release(&region);
    tsdb_free(db);
    arena_release(&arena);
}

TestSuite(remote_write, .init = setup, .fini = teardown);

/* --- messages by hand ------------------------------------------------------------------------- */

struct message {
    size_t n;
    char bytes[65536];
};

static void put_varint(struct message *m, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        m->bytes[m->n++] = (char)(v | 0x80);
    m->bytes[m->n++] = (char)v;
}

static void put_field(struct message *m, unsigned number, const void *bytes, size_t n)
{
    put_varint(m, number << 3 | 2);
    put_varint(m, n);
    memcpy(m->bytes + m->n, bytes, n);
    m->n += n;
}

static void put_label(struct message *m, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    static struct message label;
    label.n = 0;
    put_field(&label, 1, name, name_len);
    put_field(&label, 2, value, value_len);
    put_field(m, 1, label.bytes, label.n);
}

static void put_sample(struct message *m, int64_t t_ms, uint64_t bits)
{
    static struct message sample;
    sample.n = 0;
    sample.bytes[sample.n++] = 1 << 3 | 1;
    memcpy(sample.bytes + sample.n, &bits, 8);
    sample.n += 8;
    sample.bytes[sample.n++] = 2 << 3;
    put_varint(&sample, (uint64_t)t_ms);
    put_field(m, 2, sample.bytes, sample.n);
}

/* "a=b,c=d" */
static void put_labels(struct message *m, const char *labels)
{
    while (*labels) {
        size_t n = strcspn(labels, ","), name = strcspn(labels, "=");
        put_label(m, labels, name, labels + name + 1, n - name - 1);
        labels += n + (labels[n] == ',');
    }
}

static void put_series(struct message *m, const char *labels, int64_t t_ms, double v)
{
    static struct message series;
    uint64_t bits;
    memcpy(&bits, &v, 8);
    series.n = 0;
    put_labels(&series, labels);
    put_sample(&series, t_ms, bits);
    put_field(m, 1, series.bytes, series.n);
}

static int decode(const struct message *m)
{
    region_release(&region);
    return remote_write_decode_message(m->bytes, m->n, &region, &rw, text);
}

/* Decodes, stores and judges. */
static int write_all(const struct message *m)
{
    int status = decode(m);
    if (status != 0)
        return status;
    remote_write_append(&rw, db);
    return remote_write_verdict(&rw, text);
}

static uint64_t stored(void)
{
    struct tsdb_stats stats;
    tsdb_stats(db, &stats);
    return stats.samples;
}

/* --- negotiation ------------------------------------------------------------------------------ */

Test(remote_write, headers)
{
    static const struct {
        const char *type, *encoding;
        int status;
    } rows[] = {
        {NULL, NULL, 0},
        {"application/x-protobuf", "snappy", 0},
        {"application/x-protobuf", NULL, 0},
        {" Application/X-Protobuf ", " SNAPPY ", 0},
        {"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", 0},
        {"application/x-protobuf ; Proto = \"prometheus.WriteRequest\"", "snappy", 0},
        {"application/x-protobuf; charset=utf-8", "snappy", 0},
        {"application/x-protobuf;", "snappy", 0},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", 415},
        {"application/x-protobuf; proto=io.prometheus.write.v2.Request", "snappy", 415},
        {"application/x-protobuf;proto=some.Thing", "snappy", 415},
        {"application/x-protobuf;proto=", "snappy", 415},
        {"application/x-protobuf2", "snappy", 415},
        {"application/json", "snappy", 415},
        {"", "snappy", 415},
        {NULL, "zstd", 415},
        {NULL, "gzip", 415},
        {NULL, "identity", 415},
        {NULL, "", 415},
        {NULL, "snappy, gzip", 415},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int status = remote_write_negotiate(rows[i].type, rows[i].encoding, text);
        cr_assert_eq(status, rows[i].status, "row %zu", i);
        cr_assert_eq(text[0] != '\0', status != 0, "row %zu: %s", i, text);
    }
}

/* --- decoding --------------------------------------------------------------------------------- */

Test(remote_write, series_come_out_normalised)
{
    static struct message m;
    put_series(&m, "zone=a,__name__=up,empty=,job=x", 12345, 1.5);
    cr_assert_eq(decode(&m), 0, "%s", text);
    cr_assert_eq(rw.n_series, 1);
    cr_assert_eq(rw.n_samples, 1);
    const struct labels *ls = &rw.series[0].labels;
    cr_assert_eq(ls->n, 3);
    cr_assert_eq(memcmp(ls->items[0].name, "__name__", 8), 0);
    cr_assert_eq(memcmp(ls->items[1].name, "job", 3), 0);
    cr_assert_eq(memcmp(ls->items[2].name, "zone", 4), 0);
    cr_assert_eq(rw.series[0].samples[0].t_ms, 12345);
}

Test(remote_write, values_keep_their_bits)
{
    static const uint64_t values[] = {0x7ff0000000000002, 0x7ff8000000000001, 0x8000000000000000,
                                      0xfff0000000000001, 1};
    static struct message m, series;
    put_labels(&series, "__name__=bits");
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        put_sample(&series, (int64_t)i - 2, values[i]);
    put_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(decode(&m), 0);
    cr_assert_eq(rw.series[0].n_samples, ARRAY_LEN(values));
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        cr_assert_eq(rw.series[0].samples[i].value, values[i]);
        cr_assert_eq(rw.series[0].samples[i].t_ms, (int64_t)i - 2);
    }
}

Test(remote_write, bad_label_sets_cost_their_samples_only)
{
    static const struct {
        const char *labels;
        int err;
        const char *word;
    } rows[] = {
        {"job=x", ERR_LABELS_NO_NAME, "__name__"},
        {"__name__=,job=x", ERR_LABELS_NO_NAME, "__name__"},
        {"__name__=a,job=x,job=y", ERR_LABELS_DUPLICATE, "duplicate"},
        {"=x,__name__=a", ERR_LABELS_EMPTY_NAME, "empty"},
        {"__name__=a,job=caf\xe9", ERR_LABELS_NOT_UTF8, "UTF-8"},
        {"__name__=a,j\xff=x", ERR_LABELS_NOT_UTF8, "UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        static struct message m;
        m.n = 0;
        put_series(&m, "__name__=good", now_ms, 1);
        put_series(&m, rows[i].labels, now_ms, 1);
        put_series(&m, "__name__=fine", now_ms, 1);
        cr_assert_eq(decode(&m), 0);
        cr_assert_eq(rw.n_series, 2, "row %zu", i);
        cr_assert_eq(rw.n_bad_labels, 1);
        cr_assert_eq(rw.bad_labels_err, rows[i].err, "row %zu", i);
        cr_assert_eq(write_all(&m), 400);
        cr_assert_not_null(strstr(text, rows[i].word), "%s", text);
        cr_assert_eq(strncmp(text, "1 of 3 samples refused", 22), 0, "%s", text);
        cr_assert(utf8_is_valid(text, strlen(text)), "row %zu", i);
    }
    cr_assert_eq(stored(), 2);
}

Test(remote_write, a_bad_label_set_is_told_as_it_came)
{
    static struct message m;
    put_series(&m, "zone=b,__name__=a,zone=c", now_ms, 1);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_not_null(strstr(text, "{zone=\"b\",__name__=\"a\",zone=\"c\"}"), "%s", text);
}

Test(remote_write, a_nul_in_a_value_survives)
{
    static struct message m, series;
    put_label(&series, "__name__", 8, "a", 1);
    put_label(&series, "v", 1, "x\0y", 3);
    put_sample(&series, now_ms, 0);
    put_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(decode(&m), 0);
    cr_assert_eq(rw.series[0].labels.items[1].value_len, 3);
}

Test(remote_write, what_is_not_a_sample)
{
    static struct message m, series;
    cr_assert_eq(write_all(&m), 204, "an empty message");
    put_field(&m, 3, "\x12\x01x", 3); /* metadata */
    cr_assert_eq(write_all(&m), 204);
    cr_assert_eq(rw.n_metadata, 1);
    put_field(&m, 15, "from the future", 15);
    put_labels(&series, "job=without_name_but_without_samples");
    put_field(&series, 3, "", 0); /* an exemplar */
    put_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    cr_assert_eq(rw.n_exemplars, 1);
}

Test(remote_write, native_histograms_are_counted_and_refused)
{
    static struct message m, series;
    put_series(&m, "__name__=good", now_ms, 1);
    put_labels(&series, "__name__=hist");
    put_field(&series, 4, "\x78\x05", 2);
    put_field(&series, 4, "", 0);
    put_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_not_null(strstr(text, "0 of 1 samples refused, 2 native histograms"), "%s", text);
    cr_assert_eq(stored(), 1);
}

Test(remote_write, damaged_messages_are_400)
{
    static struct message m, cut;
    put_series(&m, "__name__=whole,job=x", now_ms, 1);
    for (size_t n = 1; n < m.n; n++) {
        memcpy(cut.bytes, m.bytes, n);
        cut.n = n;
        cr_assert_eq(decode(&cut), 400, "cut at %zu", n);
        cr_assert_neq(text[0], '\0');
    }
    static const char *const bad[] = {"\x08\x01", "\x0b\x0c", "\x0a\xff\xff\xff\xff\x0f",
                                      "\x02\x01x"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cut.n = strlen(bad[i]);
        memcpy(cut.bytes, bad[i], cut.n);
        cr_assert_eq(decode(&cut), 400, "row %zu", i);
    }
}

Test(remote_write, a_message_that_would_swell_is_400_and_not_a_crash)
{
    enum { N = 1 << 20 };
    char *empty = calloc(1, N);
    for (size_t i = 0; i < N; i += 2)
        empty[i] = 1 << 3 | 2; /* a series of no bytes */
    size_t before = atomic_load(&budget.peak_bytes);
    int status = remote_write_decode_message(empty, N, &region, &rw, text);
    free(empty);
    cr_assert_eq(status, 400, "%s", text);
    cr_assert_not_null(strstr(text, "limit"), "%s", text);
    cr_assert_lt(atomic_load(&budget.peak_bytes) - before,
                 (size_t)N * (REMOTE_WRITE_AMPLIFICATION + 8));
}

/* Lets each take fail in turn until none does; returns how many did. */
static long fail_each_take(const struct message *m)
{
    arena.retain_span_bytes = 0; /* so that each span asks the budget */
    for (long nth = 1;; nth++) {
        region_release(&region);
        budget_fail_nth(&budget, nth);
        int status = remote_write_decode_message(m->bytes, m->n, &region, &rw, text);
        budget_fail_nth(&budget, 0);
        if (status == 0)
            return nth - 1;
        cr_assert_eq(status, 503, "%ld: %s", nth, text);
    }
}

Test(remote_write, no_memory_is_503)
{
    enum { N = 1000 };
    static struct message m;
    for (uint64_t i = 0; i < N; i++) {
        static struct message series;
        series.n = 0;
        put_labels(&series, "__name__=many,job=x");
        put_sample(&series, now_ms, i);
        put_field(&m, 1, series.bytes, series.n);
    }
    cr_assert_gt(fail_each_take(&m), 1);
    cr_assert_eq(rw.n_series, N);
    for (uint64_t i = 0; i < N; i++)
        cr_assert_eq(rw.series[i].samples[0].value, i);
}

Test(remote_write, a_request_takes_little_more_than_it_keeps)
{
    static struct message m;
    size_t text_bytes = 0, n = 0;
    for (; m.n + 200 < sizeof(m.bytes); n++) {
        static const char labels[] = "__name__=http_requests_total,code=200,handler=/api/v1/write,"
                                     "instance=host-1:9100,job=node";
        put_series(&m, labels, now_ms, 1);
        text_bytes += sizeof(labels) - 1 - 9;
    }
    cr_assert_eq(decode(&m), 0);
    cr_assert_eq(rw.n_series, n);
    size_t kept = text_bytes + n * (5 * sizeof(struct label) + sizeof(struct sample) +
                                    sizeof(struct append_series));
    cr_assert_lt(region.taken_bytes, 2 * kept + 64 * 1024);
}

Test(remote_write, a_series_may_be_larger_than_the_window)
{
    enum { N = 2000 };
    static struct message m, series;
    for (int k = 0; k < 2; k++) {
        series.n = 0;
        put_labels(&series, k == 0 ? "__name__=first" : "__name__=second");
        for (int i = 0; i < N / (k + 1); i++)
            put_sample(&series, i, (uint64_t)i * 3);
        put_field(&m, 1, series.bytes, series.n);
    }
    cr_assert_gt(fail_each_take(&m), 1);
    cr_assert_eq(rw.n_series, 2);
    for (int i = 0; i < N; i++) {
        cr_assert_eq(rw.series[0].samples[i].t_ms, i);
        cr_assert_eq(rw.series[0].samples[i].value, (uint64_t)i * 3);
    }
    cr_assert_eq(rw.series[1].n_samples, N / 2);
    cr_assert_eq(memcmp(rw.series[0].labels.items[0].value, "first", 5), 0);
}

/* --- against protobuf-c in one piece ---------------------------------------------------------- */

static void put_random_series(struct message *m, struct random *random)
{
    static struct message series;
    static const char *const labels[] = {"__name__=a", "job=x", "zone=", "=", "a=b,c=d", "job=y"};
    series.n = 0;
    for (uint64_t n = random_below(random, 5); n > 0; n--)
        put_labels(&series, labels[random_below(random, ARRAY_LEN(labels))]);
    for (uint64_t n = random_below(random, 3); n > 0; n--)
        put_sample(&series, (int64_t)random_below(random, 1000), random_next(random));
    if (random_below(random, 8) == 0)
        put_field(&series, 3 + (unsigned)random_below(random, 3), "", 0);
    put_field(m, 1, series.bytes, series.n);
}

static void put_random_field(struct message *m, struct random *random)
{
    switch (random_below(random, 12)) {
    case 0:
        put_field(m, 3, "\x12\x01x", 3);
        break;
    case 1:
        put_varint(m, 9 << 3);
        put_varint(m, random_next(random));
        break;
    case 2: /* a series whose tag or length is longer than it need be */
        memcpy(m->bytes + m->n, "\x8a\x00\x00", 3);
        m->n += 3;
        break;
    case 3:
        memcpy(m->bytes + m->n, "\x0a\x80\x80\x80\x80\x00", 6);
        m->n += 6;
        break;
    default:
        put_random_series(m, random);
    }
}

/* Compares one series of the tree with the next one decoded, if it should be there. */
static void check_series(const Prometheus__TimeSeries *tree, size_t *io_next)
{
    struct label items[32];
    struct labels ls = {items, (uint32_t)tree->n_labels};
    cr_assert_leq(tree->n_labels, ARRAY_LEN(items));
    for (size_t i = 0; i < tree->n_labels; i++) {
        const Prometheus__Label *l = tree->labels[i];
        items[i] = (struct label){(const char *)l->name.data, (const char *)l->value.data,
                                  (uint32_t)l->name.len, (uint32_t)l->value.len};
    }
    if (tree->n_samples == 0 || labels_normalise(&ls, NULL) != 0)
        return;
    cr_assert_lt(*io_next, rw.n_series);
    const struct append_series *s = &rw.series[(*io_next)++];
    cr_assert_eq(labels_compare(&ls, &s->labels), 0);
    cr_assert_eq(s->n_samples, tree->n_samples);
    for (size_t i = 0; i < s->n_samples; i++) {
        cr_assert_eq(s->samples[i].t_ms, tree->samples[i]->timestamp);
        cr_assert_eq(memcmp(&s->samples[i].value, &tree->samples[i]->value, 8), 0);
    }
}

static void check_message(const struct message *m)
{
    Prometheus__WriteRequest *tree =
        prometheus__write_request__unpack(NULL, m->n, (const uint8_t *)m->bytes);
    uint64_t n_samples = 0, n_histograms = 0, n_exemplars = 0;
    size_t next = 0;
    cr_assert_eq(decode(m), tree ? 0 : 400, "%s", text);
    if (!tree)
        return;
    for (size_t i = 0; i < tree->n_timeseries; i++) {
        n_samples += tree->timeseries[i]->n_samples;
        n_histograms += tree->timeseries[i]->n_histograms;
        n_exemplars += tree->timeseries[i]->n_exemplars;
        check_series(tree->timeseries[i], &next);
    }
    cr_assert_eq(next, rw.n_series);
    cr_assert_eq(rw.n_samples, n_samples);
    cr_assert_eq(rw.n_histograms, n_histograms);
    cr_assert_eq(rw.n_exemplars, n_exemplars);
    cr_assert_eq(rw.n_metadata, tree->n_metadata);
    prometheus__write_request__free_unpacked(tree, NULL);
}

/* Whole messages, cut ones, and such with a byte or two that are not what they were. */
Test(remote_write, a_message_is_the_same_cut_in_pieces_and_whole, .timeout = 60)
{
    static struct message m;
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 20000; round++) {
        m.n = 0;
        for (uint64_t n = random_below(&random, 8); n > 0; n--)
            put_random_field(&m, &random);
        for (uint64_t n = random_below(&random, 3); n > 0 && m.n > 0; n--)
            m.bytes[random_below(&random, m.n)] = (char)random_next(&random);
        if (random_below(&random, 4) == 0)
            m.n = random_below(&random, m.n + 1); /* the rest still lies behind it */
        check_message(&m);
    }
}

/* --- snappy ----------------------------------------------------------------------------------- */

static int decode_body(const char *body, size_t n)
{
    region_release(&region);
    return remote_write_decode(body, n, MAX_BYTES, &region, &rw, text);
}

Test(remote_write, snappy_bodies)
{
    static struct message m;
    static char body[2 * sizeof(m.bytes)];
    size_t n = sizeof(body);
    put_series(&m, "__name__=packed", now_ms, 1);
    cr_assert_eq(snappy_compress(m.bytes, m.n, body, &n), SNAPPY_OK);
    cr_assert_eq(decode_body(body, n), 0, "%s", text);
    cr_assert_eq(rw.n_series, 1);
    for (size_t cut = 0; cut < n; cut++)
        cr_assert_eq(decode_body(body, cut), 400, "cut at %zu", cut);
    body[0]++; /* another length than what follows */
    cr_assert_eq(decode_body(body, n), 400);
    cr_assert_eq(decode_body("\0", 1), 0, "an empty message");
}

Test(remote_write, declared_lengths_are_checked_before_memory_is_taken)
{
    char body[47] = "\xff\xff\xff\xff\x0f\xf0";
    size_t before = atomic_load(&budget.peak_bytes);
    cr_assert_eq(decode_body(body, sizeof(body)), 400);
    cr_assert_not_null(strstr(text, "limit"), "%s", text);
    cr_assert_eq(atomic_load(&budget.peak_bytes), before);
    /* one past the limit, and at it (which then fails for what it holds) */
    cr_assert_eq(decode_body("\x81\x80\x40", 3), 400);
    cr_assert_not_null(strstr(text, "limit"), "%s", text);
    cr_assert_eq(decode_body("\x80\x80\x40", 3), 400);
    cr_assert_null(strstr(text, "limit"), "%s", text);
}

Test(remote_write, the_framing_format_is_named)
{
    static const char body[] = "\xff\x06\x00\x00sNaPpY\x01\x05\x00\x00xxxxx";
    cr_assert_eq(decode_body(body, sizeof(body) - 1), 400);
    cr_assert_not_null(strstr(text, "framing"), "%s", text);
}

/* --- storing ---------------------------------------------------------------------------------- */

Test(remote_write, good_samples_stay_and_the_first_reason_is_told)
{
    static struct message m;
    put_series(&m, "__name__=a", now_ms, 1);
    put_series(&m, "__name__=late,job=x", now_ms - 40LL * 3600 * 1000, 1);
    put_series(&m, "__name__=far", now_ms + 3600 * 1000, 1);
    put_series(&m, "__name__=b", now_ms, 1);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_eq(strncmp(text, "2 of 4 samples refused", 22), 0, "%s", text);
    cr_assert_not_null(strstr(text, "late"), "%s", text);
    cr_assert_null(strstr(text, "far\""), "%s", text);
    cr_assert_eq(stored(), 2);
    cr_assert_eq(remote_write_refused(&rw), 2);
}

Test(remote_write, a_repeated_request_is_success)
{
    static struct message m;
    put_series(&m, "__name__=a", now_ms, 1);
    put_series(&m, "__name__=b", now_ms, 2);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    cr_assert_eq(rw.counts.duplicate, 2);
    cr_assert_eq(stored(), 2);
    m.n = 0;
    put_series(&m, "__name__=a", now_ms, 3);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_not_null(strstr(text, "dup"), "%s", text);
}

Test(remote_write, long_label_sets_are_cut_in_the_answer)
{
    static struct message m, series;
    static char value[3000];
    for (size_t i = 0; i + 1 < sizeof(value); i += 2)
        memcpy(value + i, "\xc3\xa9", 2);
    put_label(&series, "__name__", 8, "long", 4);
    put_label(&series, "v", 1, value, sizeof(value));
    put_sample(&series, 1, 0);
    put_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_lt(strlen(text), REMOTE_WRITE_TEXT_MAX);
    cr_assert(utf8_is_valid(text, strlen(text)));
    cr_assert_not_null(strstr(text, "..."));
}
