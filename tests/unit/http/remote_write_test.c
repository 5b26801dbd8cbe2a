#include "http/remote_write.h"

#include "tests/support/message.h"
#include "tests/support/write_oracle.h"

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

#define V1 REMOTE_WRITE_V1
#define V2 REMOTE_WRITE_V2
static const struct remote_write_format v1 = {.version = REMOTE_WRITE_V1};

static int64_t test_clock(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static bool is_short; /* of memory: no series is made */

static bool has_room(void *ctx)
{
    (void)ctx;
    return !is_short;
}

static void setup(void)
{
    const struct tsdb_options options = {
        .window_ms = 4 * 3600 * 1000,
        .n_windows = 8,
        .out_of_order_ms = 3600 * 1000,
        .wall_ms = test_clock,
        .boot_ms = test_clock,
        .has_room = has_room,
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

static int decode_as(const struct remote_write_format *f, const struct message *m)
{
    region_release(&region);
    return remote_write_decode_message(f, m->bytes, m->n, &region, &rw, text);
}

static int decode(const struct message *m)
{
    return decode_as(&v1, m);
}

/* Decodes, stores and judges. */
static int write_all_as(const struct remote_write_format *f, const struct message *m)
{
    int status = decode_as(f, m);
    if (status != 0)
        return status;
    remote_write_append(&rw, db);
    return remote_write_verdict(&rw, text);
}

static int write_all(const struct message *m)
{
    return write_all_as(&v1, m);
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
        enum remote_write_version version;
    } rows[] = {
        {NULL, NULL, 0, V1},
        {"application/x-protobuf", "snappy", 0, V1},
        {"application/x-protobuf", NULL, 0, V1},
        {" Application/X-Protobuf ", " SNAPPY ", 0, V1},
        {"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", 0, V1},
        {"application/x-protobuf ; Proto = \"prometheus.WriteRequest\"", "snappy", 0, V1},
        {"application/x-protobuf; charset=utf-8", "snappy", 0, V1},
        {"application/x-protobuf;", "snappy", 0, V1},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", 0, V2},
        {"application/x-protobuf; proto=io.prometheus.write.v2.Request", "snappy", 0, V2},
        {"application/x-protobuf;Proto=\"io.prometheus.write.v2.Request\";a=b", NULL, 0, V2},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", "zstd", 415, V1},
        {"application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", 415, V1},
        {"application/x-protobuf;proto=some.Thing", "snappy", 415, V1},
        {"application/x-protobuf;proto=", "snappy", 415, V1},
        {"application/x-protobuf2", "snappy", 415, V1},
        {"application/json", "snappy", 415, V1},
        {"", "snappy", 415, V1},
        {NULL, "zstd", 415, V1},
        {NULL, "gzip", 415, V1},
        {NULL, "identity", 415, V1},
        {NULL, "", 415, V1},
        {NULL, "snappy, gzip", 415, V1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        enum remote_write_version version;
        int status = remote_write_negotiate(rows[i].type, rows[i].encoding, &version, text);
        cr_assert(status != 0 || version == rows[i].version, "row %zu", i);
        cr_assert_eq(status, rows[i].status, "row %zu", i);
        cr_assert_eq(text[0] != '\0', status != 0, "row %zu: %s", i, text);
    }
}

/* --- decoding --------------------------------------------------------------------------------- */

Test(remote_write, the_order_of_labels_does_not_tell_series_apart)
{
    static struct message m;
    struct tsdb_stats stats;
    message_series(&m, "zone=a,__name__=up,empty=,job=x", now_ms, 1.5);
    message_series(&m, "__name__=up,job=x,zone=a", now_ms + 1, 1.5);
    message_series(&m, "__name__=up,job=x,zone=a,other=", now_ms + 2, 1.5);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    tsdb_stats(db, &stats);
    cr_assert_eq(stats.series, 1);
    cr_assert_eq(stats.samples, 3);
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
        message_series(&m, "__name__=good", now_ms, 1);
        message_series(&m, rows[i].labels, now_ms, 1);
        message_series(&m, "__name__=fine", now_ms, 1);
        cr_assert_eq(write_all(&m), 400);
        cr_assert_eq(rw.n_bad_labels, 1);
        cr_assert_eq(rw.bad_labels_err, rows[i].err, "row %zu", i);
        cr_assert_eq(rw.counts.stored + rw.counts.duplicate, 2, "row %zu", i);
        cr_assert_not_null(strstr(text, rows[i].word), "%s", text);
        cr_assert_eq(strncmp(text, "1 of 3 samples refused", 22), 0, "%s", text);
        cr_assert(utf8_is_valid(text, strlen(text)), "row %zu", i);
    }
    cr_assert_eq(stored(), 2);
}

Test(remote_write, a_bad_label_set_is_told_as_it_came)
{
    static struct message m;
    message_series(&m, "zone=b,__name__=a,zone=c", now_ms, 1);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_not_null(strstr(text, "{zone=\"b\",__name__=\"a\",zone=\"c\"}"), "%s", text);
}

Test(remote_write, what_is_not_a_sample)
{
    static struct message m, series;
    cr_assert_eq(write_all(&m), 204, "an empty message");
    message_field(&m, 3, "\x12\x01x", 3); /* metadata */
    cr_assert_eq(write_all(&m), 204);
    cr_assert_eq(rw.body.n_metadata, 1);
    message_field(&m, 15, "from the future", 15);
    message_labels(&series, "job=without_name_but_without_samples");
    message_field(&series, 3, "", 0); /* an exemplar */
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    cr_assert_eq(rw.body.n_exemplars, 1);
}

Test(remote_write, native_histograms_are_counted_and_refused)
{
    static struct message m, series;
    message_series(&m, "__name__=good", now_ms, 1);
    message_labels(&series, "__name__=hist");
    message_field(&series, 4, "\x78\x05", 2);
    message_field(&series, 4, "", 0);
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_not_null(strstr(text, "0 of 1 samples refused, 2 native histograms"), "%s", text);
    cr_assert_eq(stored(), 1);
}

Test(remote_write, damaged_messages_are_400)
{
    static struct message m, cut;
    message_series(&m, "__name__=whole,job=x", now_ms, 1);
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

/* A MiB of one short thing. */
static int decode_repeated(const char *bytes, size_t n)
{
    enum { N = 1 << 20 };
    char *message = calloc(1, N);
    for (size_t i = 0; i + n <= N; i += n)
        memcpy(message + i, bytes, n);
    int status = remote_write_decode_message(&v1, message, N / n * n, &region, &rw, text);
    free(message);
    return status;
}

Test(remote_write, a_message_that_would_swell_is_400_and_not_a_crash)
{
    enum { N = 1 << 20 };
    size_t before = atomic_load(&budget.peak_bytes);
    int status = decode_repeated("\x0a\x02\x12\x00", 4); /* a series of one empty sample */
    cr_assert_eq(status, 400, "%s", text);
    cr_assert_not_null(strstr(text, "limit"), "%s", text);
    cr_assert_lt(atomic_load(&budget.peak_bytes) - before,
                 (size_t)N * (REMOTE_WRITE_AMPLIFICATION + 8));
}

Test(remote_write, series_without_samples_take_nothing)
{
    cr_assert_eq(decode_repeated("\x0a\x00", 2), 0, "%s", text);
    cr_assert_eq(region.taken_bytes, 0);
}

/* Lets each take fail in turn until none does; returns how many did. */
static long fail_each_take(const struct message *m, int (*work)(const struct message *))
{
    arena.retain_span_bytes = 0; /* so that each span asks the budget */
    for (long nth = 1;; nth++) {
        budget_fail_nth(&budget, nth);
        int status = work(m);
        budget_fail_nth(&budget, 0);
        if (status == 0 || status == 204)
            return nth - 1;
        cr_assert_eq(status, 503, "%ld: %s", nth, text);
        cr_assert_not_null(strstr(text, "memory"), "%s", text);
    }
}

/* Many series of many samples each, so that the region grows more than once. */
static void put_many(struct message *m, uint64_t n_series, uint64_t n_samples)
{
    static struct message series;
    for (uint64_t i = 0; i < n_series; i++) {
        char labels[64];
        snprintf(labels, sizeof(labels), "__name__=many,job=x,n=%" PRIu64, i);
        series.n = 0;
        message_labels(&series, labels);
        for (uint64_t k = 0; k < n_samples; k++)
            message_sample(&series, now_ms + (int64_t)k, i);
        message_field(m, 1, series.bytes, series.n);
    }
}

Test(remote_write, no_memory_is_503)
{
    static struct message m;
    put_many(&m, 1000, 1);
    cr_assert_gt(fail_each_take(&m, decode), 1);
    cr_assert_eq(rw.body.n_entries, 1000);
    m.n = 0;
    put_many(&m, 1, 2500); /* more than a block of samples has room for, twice */
    cr_assert_gt(fail_each_take(&m, decode), 1);
    cr_assert_eq(rw.body.n_samples, 2500);
}

Test(remote_write, no_memory_while_storing_is_503_until_it_is_sent_again)
{
    static struct message m;
    put_many(&m, 300, 3);
    cr_assert_gt(fail_each_take(&m, write_all), 1);
    cr_assert_eq(stored(), 900);
    cr_assert(tsdb_check(db));
}

/* The labels of a thousand series are more than the region has room for at once. */
Test(remote_write, samples_whose_labels_find_no_memory_are_refused_with_503)
{
    static struct message m, series;
    static char labels[8 * 4000];
    size_t n = 0;
    for (int i = 0; i < 4000; i++)
        n += (size_t)snprintf(labels + n, sizeof(labels) - n, "%sl%d=v", i > 0 ? "," : "", i);
    message_labels(&series, labels);
    message_sample(&series, now_ms, 1);
    message_field(&m, 1, series.bytes, series.n);
    message_series(&m, "__name__=small", now_ms, 1);
    cr_assert_eq(decode(&m), 0, "%s", text);
    region.limit_bytes = region.taken_bytes; /* nothing past the first span */
    remote_write_append(&rw, db);
    cr_assert_eq(remote_write_verdict(&rw, text), 503, "%s", text);
    cr_assert_eq(rw.n_unread, 1);
    cr_assert_eq(remote_write_refused(&rw), 1);
    cr_assert_eq(strncmp(text, "1 of 2 samples refused", 22), 0, "%s", text);
    cr_assert_not_null(strstr(text, "memory"), "%s", text);
    cr_assert_eq(stored(), 1);
}

Test(remote_write, a_request_takes_little_more_than_entries_and_samples)
{
    static struct message m;
    size_t n = 0;
    for (; m.n + 200 < sizeof(m.bytes); n++)
        message_series(&m,
                       "__name__=http_requests_total,code=200,handler=/api/v1/write,"
                       "instance=host-1:9100,job=node",
                       now_ms, 1);
    cr_assert_eq(decode(&m), 0);
    cr_assert_eq(rw.body.n_entries, n);
    size_t kept = n * (sizeof(struct append_entry) + sizeof(struct sample)) +
                  sizeof(struct write_block) + WRITE_BLOCK_SAMPLES * sizeof(struct sample);
    cr_assert_leq(region.taken_bytes, size_max(kept, REGION_FIRST_BYTES));
}

/* All series are new, so that the labels of all are asked for; there is room for those of a block.
 */
Test(remote_write, labels_take_no_more_for_many_blocks_than_for_one)
{
    enum { LABELS = 10, N = 9 * WRITE_BLOCK_ENTRIES / 4 };
    static struct message m;
    size_t block = WRITE_BLOCK_ENTRIES * align_up(LABELS * sizeof(struct label), REGION_ALIGN);
    for (int i = 0; i < N; i++) {
        char labels[128];
        snprintf(labels, sizeof(labels), "__name__=%d,a=,b=,c=,d=,e=,f=,g=,h=,i=", i);
        message_series(&m, labels, now_ms, 1);
    }
    cr_assert_eq(decode(&m), 0, "%s", text);
    region.limit_bytes = region.taken_bytes + align_up(block, ARENA_PAGE_BYTES) + ARENA_PAGE_BYTES;
    remote_write_append(&rw, db);
    cr_assert_eq(remote_write_verdict(&rw, text), 204, "%s", text);
    cr_assert_eq(stored(), N);
}

/* --- 2.0 -------------------------------------------------------------------------------------- */

static const char *const texts[] = {"", "__name__", "up", "job", "x"};

static void put_series_v2(struct message *m, const uint32_t *refs, size_t n, int64_t t_ms,
                          uint64_t value)
{
    static struct message series;
    series.n = 0;
    message_refs(&series, refs, n);
    if (t_ms != 0)
        message_sample(&series, t_ms, value);
    message_field(m, 5, series.bytes, series.n);
}

static int write_v2(const struct message *m)
{
    const struct remote_write_format f = {V2, tsdb_series_hash(db)};
    return write_all_as(&f, m);
}

/* In either order of labels, by other places of other tables, and by 1.0: one series. */
Test(remote_write, a_series_of_2_0_is_that_of_1_0)
{
    static const char *const others[] = {"x", "job", "up", "__name__"};
    static struct message m, other, old;
    struct tsdb_stats stats;
    message_symbols(&m, texts, ARRAY_LEN(texts));
    put_series_v2(&m, (uint32_t[]){1, 2, 3, 4}, 4, now_ms, 1);
    put_series_v2(&m, (uint32_t[]){3, 4, 1, 2}, 4, now_ms + 1, 1);
    put_series_v2(&m, (uint32_t[]){3, 4, 4, 0, 1, 2}, 6, now_ms + 2, 1);
    message_symbols(&other, others, ARRAY_LEN(others));
    put_series_v2(&other, (uint32_t[]){3, 2, 1, 0}, 4, now_ms + 3, 1);
    message_series(&old, "__name__=up,job=x", now_ms + 4, 1);
    for (unsigned again = 0; again < 2; again++) {
        cr_assert_eq(write_v2(&m), 204, "%s", text);
        cr_assert_eq(remote_write_written(&rw), 3);
        cr_assert_eq(rw.counts.duplicate, again * 3);
        cr_assert_eq(write_v2(&other), 204, "%s", text);
        cr_assert_eq(write_all(&old), 204, "%s", text);
    }
    tsdb_stats(db, &stats);
    cr_assert_eq(stats.series, 1);
    cr_assert_eq(stats.samples, 5);
    cr_assert(tsdb_check(db));
}

Test(remote_write, references_that_lead_nowhere_cost_their_series_alone)
{
    static struct message m, series;
    message_symbols(&m, texts, ARRAY_LEN(texts));
    put_series_v2(&m, (uint32_t[]){1, 2}, 2, now_ms, 1);
    put_series_v2(&m, (uint32_t[]){1, 5}, 2, now_ms, 1);    /* one past the table */
    put_series_v2(&m, (uint32_t[]){1, 4, 3}, 3, now_ms, 1); /* without a partner */
    put_series_v2(&m, (uint32_t[]){1, 1U << 31}, 2, now_ms, 1);
    message_refs(&series, (uint32_t[]){1, 4}, 2);
    message_sample(&series, now_ms, 1);
    message_field(&series, 5, "\x18\x05", 2); /* help */
    message_field(&m, 5, series.bytes, series.n);
    put_series_v2(&m, (uint32_t[]){1, 4}, 2, now_ms, 1);
    cr_assert_eq(write_v2(&m), 400);
    cr_assert_str_eq(text, "4 of 6 samples refused; first: references to symbols are odd in number "
                           "or out of range: series {...}\n");
    cr_assert_eq(remote_write_written(&rw), 2);
    cr_assert_eq(stored(), 2);
}

Test(remote_write, a_series_of_2_0_with_nothing_in_it_is_refused)
{
    static struct message m, series;
    message_symbols(&m, texts, ARRAY_LEN(texts));
    cr_assert_eq(write_v2(&m), 204, "%s", text);
    put_series_v2(&m, (uint32_t[]){1, 2}, 2, 0, 0);
    put_series_v2(&m, (uint32_t[]){1, 2}, 2, now_ms, 1);
    message_refs(&series, (uint32_t[]){1, 4}, 2);
    message_field(&series, 3, "\x78\x05", 2);
    message_field(&m, 5, series.bytes, series.n);
    cr_assert_eq(write_v2(&m), 400);
    cr_assert_str_eq(text, "0 of 1 samples refused, 1 native histograms refused (this version "
                           "stores floats only), 1 series with neither samples nor exemplars "
                           "refused\n");
    cr_assert_eq(remote_write_written(&rw), 1);
}

/* --- against protobuf-c ------------------------------------------------------------------------
 */

/* The walker's store and protobuf-c's get the same messages, sound ones and damaged ones. */
static void hold_against_protobuf_c(enum remote_write_version version)
{
    const struct remote_write_format f = {version, tsdb_series_hash(db)};
    static struct message m;
    static struct remote_write expected;
    static char expected_text[REMOTE_WRITE_TEXT_MAX];
    struct arena other_arena;
    struct tsdb *other;
    struct random random;
    cr_assert(arena_init(&other_arena, &budget, MEMORY));
    cr_assert_eq(tsdb_new(tsdb_options(db), &other_arena, &other), 0);
    random_init(&random, random_seed());
    for (uint64_t left = random_setting("ROUNDS", 20000); left > 0; left--) {
        now_ms += 1000;
        (version == V2 ? message_v2_by_chance : message_by_chance)(&m, &random, now_ms);
        if (random_below(&random, 2) == 0)
            message_damage(&m, &random);
        int status = write_oracle_write(&f, m.bytes, m.n, other, &expected, expected_text);
        cr_assert_eq(write_all_as(&f, &m), status, "%s%s", text, expected_text);
        cr_assert_eq(strcmp(text, expected_text), 0, "%s%s", text, expected_text);
        cr_assert_eq(
            memcmp(&rw.counts, &expected.counts, offsetof(struct append_counts, on_refused)), 0);
        cr_assert_eq(rw.n_bad_labels, expected.n_bad_labels);
    }
    struct tsdb_stats stats, expected_stats;
    tsdb_stats(db, &stats);
    tsdb_stats(other, &expected_stats);
    cr_assert_eq(stats.series, expected_stats.series);
    cr_assert_eq(stats.samples, expected_stats.samples);
    cr_assert(tsdb_check(db));
    tsdb_free(other);
    arena_release(&other_arena);
}

Test(remote_write, answers_are_those_of_protobuf_c, .timeout = 60)
{
    hold_against_protobuf_c(V1);
}

Test(remote_write, answers_to_2_0_are_those_of_protobuf_c, .timeout = 60)
{
    hold_against_protobuf_c(V2);
}

/* --- snappy ----------------------------------------------------------------------------------- */

static int decode_body(const char *body, size_t n)
{
    region_release(&region);
    return remote_write_decode(&v1, body, n, MAX_BYTES, &region, &rw, text);
}

Test(remote_write, snappy_bodies)
{
    static struct message m;
    static char body[2 * sizeof(m.bytes)];
    size_t n = sizeof(body);
    message_series(&m, "__name__=packed", now_ms, 1);
    cr_assert_eq(snappy_compress(m.bytes, m.n, body, &n), SNAPPY_OK);
    cr_assert_eq(decode_body(body, n), 0, "%s", text);
    cr_assert_eq(rw.body.n_entries, 1);
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
    message_series(&m, "__name__=a", now_ms, 1);
    message_series(&m, "__name__=late,job=x", now_ms - 40LL * 3600 * 1000, 1);
    message_series(&m, "__name__=far", now_ms + 3600 * 1000, 1);
    message_series(&m, "__name__=b", now_ms, 1);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_eq(strncmp(text, "2 of 4 samples refused", 22), 0, "%s", text);
    cr_assert_not_null(strstr(text, "late"), "%s", text);
    cr_assert_null(strstr(text, "far\""), "%s", text);
    cr_assert_eq(stored(), 2);
    cr_assert_eq(remote_write_refused(&rw), 2);
}

Test(remote_write, the_journal_hears_what_was_refused)
{
    static struct message whole, part, bad;
    const uint8_t *meta;
    size_t n;
    message_series(&whole, "__name__=a", now_ms, 1);
    cr_assert_eq(write_all(&whole), 204);
    cr_assert(remote_write_refusals(&rw, &meta, &n));
    cr_assert_eq(n, 0);
    message_series(&part, "__name__=a", now_ms + 1, 1);
    message_series(&part, "__name__=late", now_ms - 40LL * 3600 * 1000, 1);
    cr_assert_eq(write_all(&part), 400);
    cr_assert(remote_write_refusals(&rw, &meta, &n));
    cr_assert(n == 2 && memcmp(meta, "\x01\x01", n) == 0, "one of the second place");
    message_series(&bad, "no=name", now_ms, 1);
    message_series(&bad, "__name__=a", now_ms + 2, 1);
    cr_assert_eq(write_all(&bad), 400);
    cr_assert(remote_write_refusals(&rw, &meta, &n));
    cr_assert(n == 2 && memcmp(meta, "\x00\x01", n) == 0, "one of the first place");
}

Test(remote_write, new_series_that_find_no_room_are_told_with_their_number)
{
    static struct message m, more;
    message_series(&m, "__name__=a", now_ms, 1);
    cr_assert_eq(write_all(&m), 204);
    is_short = true;
    message_series(&more, "__name__=a", now_ms + 1, 1);
    message_series(&more, "__name__=b,job=x", now_ms, 1);
    message_series(&more, "__name__=c", now_ms, 1);
    cr_assert_eq(write_all(&more), 400);
    cr_assert_eq(
        strncmp(text, "2 of 3 samples refused, 2 new series among them; first: memory is", 65), 0,
        "%s", text);
    cr_assert_not_null(strstr(text, "series {__name__=\"b\",job=\"x\"}"), "%s", text);
    cr_assert_eq(stored(), 2);
    is_short = false;
    cr_assert_eq(write_all(&more), 204);
}

Test(remote_write, what_is_leased_is_the_message_and_what_is_made_of_it)
{
    const char body[] = {(char)0x80, (char)0x10, 0}; /* declares 2048 */
    cr_assert_eq(remote_write_lease_bytes(REMOTE_WRITE_V1, body, sizeof(body), 2048),
                 2048 + 2048 / 3 + REGION_FIRST_BYTES);
    cr_assert_eq(remote_write_lease_bytes(REMOTE_WRITE_V2, body, sizeof(body), 2048),
                 2048 + 3072 + REGION_FIRST_BYTES);
    cr_assert_eq(remote_write_lease_bytes(REMOTE_WRITE_V1, body, sizeof(body), 2047), 0);
    cr_assert_eq(remote_write_lease_bytes(REMOTE_WRITE_V1, body, 1, 4096),
                 0); /* a length without its end */
    cr_assert_eq(remote_write_lease_bytes(REMOTE_WRITE_V1, NULL, 0, 4096), 0);
}

Test(remote_write, a_repeated_request_is_success)
{
    static struct message m;
    message_series(&m, "__name__=a", now_ms, 1);
    message_series(&m, "__name__=b", now_ms, 2);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    cr_assert_eq(write_all(&m), 204, "%s", text);
    cr_assert_eq(rw.counts.duplicate, 2);
    cr_assert_eq(stored(), 2);
    m.n = 0;
    message_series(&m, "__name__=a", now_ms, 3);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_not_null(strstr(text, "dup"), "%s", text);
}

Test(remote_write, long_label_sets_are_cut_in_the_answer)
{
    static struct message m, series;
    static char value[3000];
    for (size_t i = 0; i + 1 < sizeof(value); i += 2)
        memcpy(value + i, "\xc3\xa9", 2);
    message_label(&series, "__name__", 8, "long", 4);
    message_label(&series, "v", 1, value, sizeof(value));
    message_sample(&series, 1, 0);
    message_field(&m, 1, series.bytes, series.n);
    cr_assert_eq(write_all(&m), 400);
    cr_assert_lt(strlen(text), REMOTE_WRITE_TEXT_MAX);
    cr_assert(utf8_is_valid(text, strlen(text)));
    cr_assert_not_null(strstr(text, "..."));
}
