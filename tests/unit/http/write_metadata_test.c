/* Metadata in a message, written by hand: what is read, what is refused. */
#include "http/write_metadata.h"

#include "tests/support/message.h"
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct metadata m;
static struct region out;

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    metadata_init(&m, &t.arena);
    region_init(&out, &t.arena, t.owner, 0);
}

static void teardown(void)
{
    region_release(&out);
    metadata_release(&m);
    test_arena_release(&t);
}

TestSuite(write_metadata, .init = setup, .fini = teardown);

static uint64_t keep(const char *message, size_t n)
{
    return write_metadata_keep(&m, message, n, 1);
}

static const char *said(void)
{
    static char all[1024];
    struct metadata_item *items;
    size_t n_items, n = 0;
    cr_assert(metadata_list(&m, NULL, 0, &out, &items, &n_items));
    all[0] = '\0';
    for (size_t i = 0; i < n_items; i++)
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%s:%s:%s:%s ", items[i].family.bytes,
                              metadata_type_text(items[i].type), items[i].help.bytes,
                              items[i].unit.bytes);
    return all;
}

#define MESSAGE(text) text, sizeof(text) - 1

Test(write_metadata, fields)
{
    /* a series, metadata with all fields, an unknown field, metadata with a name only */
    cr_assert_eq(keep(MESSAGE("\x0a\x02\x12\x00"
                              "\x1a\x11\x08\x01\x12\x04hits\x22\x03H<>\x2a\x02su"
                              "\x25\x01\x02\x03\x04"
                              "\x1a\x04\x12\x02up")),
                 0);
    cr_assert_str_eq(said(), "hits:counter:H<>:su up:unknown:: ");
}

Test(write_metadata, the_last_of_several_counts_and_unknown_types_are_unknown)
{
    cr_assert_eq(keep(MESSAGE("\x1a\x0e\x08\x02\x08\x63\x12\x01x\x12\x01y\x22\x02\xc3\xa9")), 0);
    cr_assert_str_eq(said(), "y:unknown:\xc3\xa9: ");
}

Test(write_metadata, what_cannot_be_kept_is_counted)
{
    cr_assert_eq(keep(MESSAGE("\x1a\x02\x08\x01")), 1, "no name");
    cr_assert_eq(keep(MESSAGE("\x1a\x03\x12\x05x")), 1, "malformed inside");
    cr_assert_eq(keep(MESSAGE("\x1a\x03\x12\x01x"
                              "\x1a\x00"
                              "\x1a\x03\x12\x01z")),
                 1, "the others are kept");
    cr_assert_str_eq(said(), "x:unknown:: z:unknown:: ");
    cr_assert_eq(keep("", 0), 0);
}

/* --- written and read again ------------------------------------------------------------------- */

struct taken {
    struct metadata *to;
    size_t n, longest;
    int ret; /* of take, from the `fails_at`th on */
    size_t fails_at;
};

static int take(void *ctx, const uint8_t *message, size_t n)
{
    struct taken *taken = ctx;
    cr_assert_gt(n, 0);
    cr_assert_leq(n, (size_t)WRITE_METADATA_MESSAGE_BYTES);
    taken->longest = n > taken->longest ? n : taken->longest;
    if (taken->n++ == taken->fails_at)
        return taken->ret;
    cr_assert_eq(write_metadata_keep(taken->to, message, n, 1), 0);
    return 0;
}

static struct metadata_text text_by_chance(struct random *random, size_t n_max)
{
    char *bytes = region_alloc(&out, n_max + 1);
    size_t n = random_below(random, n_max + 1);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)random_next(random);
    return (struct metadata_text){bytes, (uint32_t)n};
}

static void expect_same(struct metadata *a, struct metadata *b)
{
    struct metadata_item *x, *y;
    size_t n, n_other;
    cr_assert(metadata_list(a, NULL, 0, &out, &x, &n));
    cr_assert(metadata_list(b, NULL, 0, &out, &y, &n_other));
    cr_assert_eq(n, n_other);
    for (size_t i = 0; i < n; i++) {
        const struct metadata_text was[] = {x[i].family, x[i].help, x[i].unit};
        const struct metadata_text is[] = {y[i].family, y[i].help, y[i].unit};
        cr_assert_eq(x[i].type, y[i].type);
        for (size_t k = 0; k < 3; k++)
            cr_assert(was[k].len == is[k].len && !memcmp(was[k].bytes, is[k].bytes, was[k].len));
    }
}

static int write_all(struct metadata *from, struct taken *taken)
{
    static uint8_t buffer[WRITE_METADATA_MESSAGE_BYTES];
    struct metadata_item *items;
    size_t n;
    cr_assert(metadata_list(from, NULL, 0, &out, &items, &n));
    return write_metadata_each_message(items, n, buffer, take, taken);
}

Test(write_metadata, what_is_written_is_read)
{
    struct random random;
    struct metadata other;
    random_init(&random, random_seed());
    metadata_init(&other, &t.arena);
    for (size_t i = 0; i < 400; i++) {
        size_t longest = random_below(&random, 10) == 0 ? METADATA_TEXT_MAX / 3 : 200;
        const struct metadata_item item = {
            .family = text_by_chance(&random, longest),
            .help = text_by_chance(&random, longest),
            .unit = text_by_chance(&random, longest),
            .type = (enum metadata_type)random_below(&random, METADATA_STATE_SET + 1)};
        (void)metadata_put(&m, &item, 1); /* one without a name is refused */
    }
    struct taken taken = {.to = &other, .fails_at = SIZE_MAX};
    cr_assert_eq(write_all(&m, &taken), 0);
    cr_assert_gt(taken.n, 2);
    cr_assert_gt(taken.longest, (size_t)WRITE_METADATA_MESSAGE_BYTES / 2);
    expect_same(&m, &other);
    metadata_release(&other);
}

Test(write_metadata, the_longest_item_is_written)
{
    static char text[METADATA_TEXT_MAX];
    struct metadata other;
    memset(text, 'x', sizeof(text));
    metadata_init(&other, &t.arena);
    for (uint32_t n = 1; n < 9; n++) {
        const struct metadata_item item = {
            .family = {text, n}, .help = {text, METADATA_TEXT_MAX - n}, .type = METADATA_STATE_SET};
        cr_assert(metadata_put(&m, &item, 1));
    }
    struct taken taken = {.to = &other, .fails_at = SIZE_MAX};
    cr_assert_eq(write_all(&m, &taken), 0);
    cr_assert_eq(taken.n, 3, "three fit into one");
    expect_same(&m, &other);
    metadata_release(&other);
}

Test(write_metadata, nothing_makes_no_message_and_the_first_error_ends_it)
{
    static char text[METADATA_TEXT_MAX];
    struct taken taken = {.to = NULL, .fails_at = SIZE_MAX};
    cr_assert_eq(write_all(&m, &taken), 0);
    cr_assert_eq(taken.n, 0);
    struct metadata other;
    metadata_init(&other, &t.arena);
    memset(text, 'x', sizeof(text));
    for (uint32_t n = 1; n < 20; n++) {
        const struct metadata_item item = {.family = {text, n}, .help = {text, 9000}};
        cr_assert(metadata_put(&m, &item, 1));
    }
    taken = (struct taken){.to = &other, .ret = -7, .fails_at = 1};
    cr_assert_eq(write_all(&m, &taken), -7);
    cr_assert_eq(taken.n, 2);
    metadata_release(&other);
}

/* --- 2.0 -------------------------------------------------------------------------------------- */

/* Texts have the numbers of their places. */
static const char *const texts[] = {
    "",     "__name__", "job",      "hits", "depth", "took_bucket", "took_sum",   "took_count",
    "H <>", "seconds",  "took_max", "_sum", "zone",  "gas_gsum",    "gas_gcount",
};
enum {
    NONE,
    NAME,
    JOB,
    HITS,
    DEPTH,
    TOOK_BUCKET,
    TOOK_SUM,
    TOOK_COUNT,
    HELP_TEXT,
    UNIT_TEXT,
    TOOK_MAX,
    SUM_ALONE,
    ZONE,
    GAS_GSUM,
    GAS_GCOUNT
};

static struct message request;

/* Metadata of a series; help and unit: places of texts. */
static void put_metadata(struct message *series, unsigned type, uint32_t help, uint32_t unit)
{
    static struct message metadata;
    metadata.n = 0;
    message_varint(&metadata, 1 << 3);
    message_varint(&metadata, type);
    message_varint(&metadata, 3 << 3);
    message_varint(&metadata, help);
    message_varint(&metadata, 4 << 3);
    message_varint(&metadata, unit);
    message_field(series, 5, metadata.bytes, metadata.n);
}

static void add_series(uint32_t name, unsigned type, uint32_t help, uint32_t unit)
{
    static struct message series;
    series.n = 0;
    message_refs(&series, (const uint32_t[]){ZONE, JOB, NAME, name}, 4);
    message_sample(&series, 1, 0);
    put_metadata(&series, type, help, unit);
    message_field(&request, 5, series.bytes, series.n);
}

/* n_texts: of the table, as if it ended there. */
static uint64_t keep_v2_of(uint32_t n_texts)
{
    struct series_hash hash;
    struct region region;
    struct write_body body;
    series_hash_init(&hash, (const uint8_t[SERIES_HASH_KEY_BYTES]){3});
    region_init(&region, &t.arena, t.owner, 0);
    cr_assert_eq(write_body_walk_v2(&hash, request.bytes, request.n, SIZE_MAX, &region, &body),
                 WRITE_BODY_TAKEN);
    body.symbols.n = n_texts;
    uint64_t n_refused = write_metadata_keep_v2(&m, &body.symbols, request.bytes, request.n, 1);
    region_release(&region);
    return n_refused;
}

static uint64_t keep_v2(void)
{
    return keep_v2_of(ARRAY_LEN(texts));
}

static void begin_v2(void)
{
    request.n = 0;
    message_symbols(&request, texts, ARRAY_LEN(texts));
}

Test(write_metadata, series_of_2_0_describe_their_metric)
{
    begin_v2();
    add_series(HITS, METADATA_COUNTER, HELP_TEXT, UNIT_TEXT);
    add_series(HITS, METADATA_COUNTER, HELP_TEXT, UNIT_TEXT);
    add_series(DEPTH, METADATA_GAUGE, HELP_TEXT, NONE);
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "depth:gauge:H <>: hits:counter:H <>:seconds ");
}

/* Also when the bytes are those of the series before. */
Test(write_metadata, each_metric_of_2_0_has_its_own)
{
    begin_v2();
    add_series(HITS, METADATA_COUNTER, HELP_TEXT, NONE);
    add_series(DEPTH, METADATA_COUNTER, HELP_TEXT, NONE);
    add_series(DEPTH, METADATA_GAUGE, HELP_TEXT, NONE);
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "depth:counter:H <>: depth:gauge:H <>: hits:counter:H <>: ");
}

Test(write_metadata, what_is_made_of_several_series_has_one_name)
{
    static const enum metadata_type composed[] = {METADATA_HISTOGRAM, METADATA_GAUGE_HISTOGRAM,
                                                  METADATA_SUMMARY};
    for (size_t i = 0; i < ARRAY_LEN(composed); i++) {
        begin_v2();
        add_series(TOOK_BUCKET, composed[i], HELP_TEXT, NONE);
        add_series(TOOK_SUM, composed[i], HELP_TEXT, NONE);
        add_series(TOOK_COUNT, composed[i], HELP_TEXT, NONE);
        add_series(GAS_GSUM, composed[i], HELP_TEXT, NONE);
        add_series(GAS_GCOUNT, composed[i], HELP_TEXT, NONE);
        cr_assert_eq(keep_v2(), 0);
    }
    cr_assert_str_eq(said(), "gas:histogram:H <>: gas:gaugehistogram:H <>: gas:summary:H <>: "
                             "took:histogram:H <>: took:gaugehistogram:H <>: took:summary:H <>: ");
}

Test(write_metadata, other_names_stay_as_they_are)
{
    begin_v2();
    add_series(TOOK_MAX, METADATA_SUMMARY, HELP_TEXT, NONE);
    add_series(SUM_ALONE, METADATA_SUMMARY, HELP_TEXT, NONE);
    add_series(TOOK_COUNT, METADATA_GAUGE, HELP_TEXT, NONE);
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "_sum:summary:H <>: took_count:gauge:H <>: took_max:summary:H <>: ");
}

Test(write_metadata, what_says_nothing_is_not_kept)
{
    static struct message series;
    begin_v2();
    add_series(HITS, METADATA_UNKNOWN, NONE, NONE);
    series.n = 0; /* without metadata */
    message_refs(&series, (const uint32_t[]){NAME, DEPTH}, 2);
    message_sample(&series, 1, 0);
    message_field(&request, 5, series.bytes, series.n);
    series.n = 0; /* without a name */
    message_refs(&series, (const uint32_t[]){JOB, NAME}, 2);
    message_sample(&series, 1, 0);
    put_metadata(&series, METADATA_GAUGE, HELP_TEXT, NONE);
    message_field(&request, 5, series.bytes, series.n);
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "");
    begin_v2();
    add_series(HITS, METADATA_GAUGE, NONE, NONE);
    add_series(DEPTH, METADATA_UNKNOWN, NONE, UNIT_TEXT);
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "depth:unknown::seconds hits:gauge:: ");
}

/* References by themselves, the last of several metadata, a type that is none, references that
 * lead nowhere. */
Test(write_metadata, unusual_series_of_2_0)
{
    static const uint32_t refs[] = {JOB, NAME, NAME, DEPTH};
    static struct message series;
    begin_v2();
    series.n = 0;
    for (size_t i = 0; i < ARRAY_LEN(refs); i++) {
        message_varint(&series, 1 << 3);
        message_varint(&series, refs[i]);
        if (i == 1)
            put_metadata(&series, METADATA_GAUGE, NONE, NONE);
    }
    message_sample(&series, 1, 0);
    put_metadata(&series, 99, HELP_TEXT, NONE);
    message_field(&request, 5, series.bytes, series.n);
    add_series(HITS, METADATA_GAUGE, ARRAY_LEN(texts), UINT32_MAX);
    add_series(ARRAY_LEN(texts), METADATA_GAUGE, HELP_TEXT, NONE);
    add_series(UINT32_MAX, METADATA_GAUGE, HELP_TEXT, NONE);
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "depth:unknown:H <>: hits:gauge:: ");
}

Test(write_metadata, the_last_text_of_the_table)
{
    begin_v2();
    add_series(GAS_GCOUNT, METADATA_GAUGE, NONE, NONE);
    cr_assert_eq(keep_v2_of(ARRAY_LEN(texts) - 1), 0);
    cr_assert_str_eq(said(), "");
    cr_assert_eq(keep_v2(), 0);
    cr_assert_str_eq(said(), "gas_gcount:gauge:: ");
}

Test(write_metadata, what_is_too_long_is_counted)
{
    static char help[METADATA_TEXT_MAX + 1];
    memset(help, 'x', METADATA_TEXT_MAX);
    for (size_t less = 0; less <= 4; less += 4) { /* with the name */
        help[METADATA_TEXT_MAX - less] = '\0';
        const char *const own[] = {"", "__name__", "job", "hits", help, "",    "",
                                   "", help,       "",    "",     "",   "zone"};
        request.n = 0;
        message_symbols(&request, own, ARRAY_LEN(own));
        add_series(HITS, METADATA_COUNTER, HELP_TEXT, NONE);
        add_series(HITS, METADATA_COUNTER, HELP_TEXT, NONE);
        cr_assert_eq(keep_v2_of(ARRAY_LEN(own)), less == 0);
    }
}

/* --- how often -------------------------------------------------------------------------------- */

static unsigned taken(struct write_metadata_pace *p, int64_t now_ms)
{
    unsigned n = 0;
    while (write_metadata_may(p, now_ms))
        n++;
    return n;
}

Test(write_metadata, no_more_than_so_many_at_once_and_one_each_so_often)
{
    struct write_metadata_pace p = {.each_ms = 50, .n_at_once = 10};
    cr_assert_eq(taken(&p, 100000), 10);
    cr_assert_eq(taken(&p, 100049), 0);
    cr_assert_eq(taken(&p, 100050), 1);
    cr_assert_eq(taken(&p, 100050), 0);
    cr_assert_eq(taken(&p, 100200), 3);
    cr_assert_eq(taken(&p, 900000), 10, "a pause is no more than that");
    unsigned n = 0;
    for (int64_t now_ms = 900001; now_ms <= 910000; now_ms++)
        n += write_metadata_may(&p, now_ms);
    cr_assert_eq(n, 200);
}
