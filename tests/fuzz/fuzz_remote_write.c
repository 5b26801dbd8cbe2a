/* Any bytes as the body of a remote write: through snappy, the walk, the label rules and into a
 * small store under a tight budget, and beside that through protobuf-c into another store. The
 * first byte chooses whether the rest is a compressed body or the message itself (which the fuzzer
 * would hardly reach through a compressor), how soon an allocation fails, and the version.
 *
 * Holds: no crash; an answer that the protocol knows; its text is UTF-8 and short; every sample of
 * the request is either stored, a duplicate or refused; the store's invariants, now and then. And
 * for a message without a failing allocation: series, their labels and samples, counts, status and
 * text are those of protobuf-c (tests/support/write_oracle.h), but for what the walk refuses
 * because it would swell. A compressed body unpacks to what libsnappy makes of it. */
#include "http/remote_write.h"
#include "http/snappy_block.h"
#include "http/write_metadata.h"
#include "tsdb/exemplars.h"

#include "tests/support/write_oracle.h"

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MEMORY = 24 << 20,
    MAX_BYTES = 1 << 18,
    FILL_MAX = MEMORY * 3 / 4, /* of a store, before both are made anew */
    CHECK_EVERY = 64,
};

struct side {
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
};

/* What is compared, and a store for the rest, which protobuf-c does not see. */
static struct side ours, oracle, alone;
static unsigned owner;
static unsigned long n_runs;

static int64_t fuzz_clock(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static void make_store(struct side *s)
{
    const struct tsdb_options options = {
        .window_ms = 4 * 3600 * 1000,
        .n_windows = 8,
        .out_of_order_ms = 3600 * 1000,
        .max_series = 5000,
        .max_exemplars = s == &alone ? 50 : 0,
        .wall_ms = fuzz_clock,
        .boot_ms = fuzz_clock,
    };
    budget_init(&s->budget, MEMORY);
    owner = budget_owner(&s->budget, "requests");
    if (!arena_init(&s->arena, &s->budget, MEMORY) || tsdb_new(&options, &s->arena, &s->db) != 0)
        abort();
}

static void free_store(struct side *s)
{
    tsdb_free(s->db);
    arena_release(&s->arena);
}

/* Anew when it is filling up; those that are compared, both. */
static void renew_stores(void)
{
    if (atomic_load(&alone.budget.used_bytes) > FILL_MAX) {
        free_store(&alone);
        make_store(&alone);
    }
    if (atomic_load(&ours.budget.used_bytes) > FILL_MAX ||
        atomic_load(&oracle.budget.used_bytes) > FILL_MAX) {
        free_store(&ours);
        free_store(&oracle);
        make_store(&ours);
        make_store(&oracle);
    }
}

static void check_answer(const struct remote_write *rw, int status, const char *text)
{
    uint64_t told = rw->counts.stored + rw->counts.duplicate + rw->counts.refused;
    ENSURE(status == 204 || status == 400 || status == 503);
    ENSURE(memchr(text, '\0', REMOTE_WRITE_TEXT_MAX) != NULL);
    ENSURE(utf8_is_valid(text, strlen(text)));
    ENSURE((status == 204) == (text[0] == '\0'));
    ENSURE(told + rw->n_bad_labels + rw->n_unread == rw->body.n_samples);
    ENSURE((remote_write_refused(rw) == 0) == (status == 204));
}

/* Stores what was decoded, and judges. */
static int store(struct remote_write *rw, struct tsdb *db, char *text)
{
    remote_write_append(rw, db);
    int status = remote_write_verdict(rw, text);
    check_answer(rw, status, text);
    return status;
}

static struct remote_write_format format_of(enum remote_write_version version, const struct side *s)
{
    return (struct remote_write_format){version, tsdb_series_hash(s->db)};
}

static void write_one(enum remote_write_version version, const char *bytes, size_t n,
                      bool is_compressed)
{
    const struct remote_write_format f = format_of(version, &alone);
    struct region region;
    struct remote_write rw;
    char text[REMOTE_WRITE_TEXT_MAX];
    region_init(&region, &alone.arena, owner, 0);
    int status = is_compressed ? remote_write_decode(&f, bytes, n, MAX_BYTES, &region, &rw, text)
                               : remote_write_decode_message(&f, bytes, n, &region, &rw, text);
    if (status == 0)
        status = store(&rw, alone.db, text);
    ENSURE(text[0] != '\0' || status == 204);
    region_release(&region);
}

static void check_stats(void)
{
    struct tsdb_stats a, b;
    tsdb_stats(ours.db, &a);
    tsdb_stats(oracle.db, &b);
    ENSURE(a.series == b.series && a.samples == b.samples);
    ENSURE(a.series_created == b.series_created && a.samples_late == b.samples_late);
}

static void check_walk(const struct remote_write_format *f, const char *message, size_t n,
                       enum write_body_outcome outcome, const struct write_body *body,
                       struct region *region)
{
    const char *what = write_oracle_differs(f, message, n, outcome, body, region);
    if (what != NULL)
        fprintf(stderr, "%s differs\n", what);
    ENSURE(what == NULL);
}

/* The walk alone, with so much behind the message that its last series may be of the usual form:
 * most inputs are too short for that. */
static void compare_with_tail(const struct remote_write_format *f, const char *message, size_t n)
{
    static const char tail[] = {9 << 3 | 2, (char)0xac, 2}; /* a field of 300 bytes */
    struct region region;
    struct write_body body;
    char *longer = calloc(1, n + sizeof(tail) + 300);
    ENSURE(longer != NULL);
    memcpy(longer, message, n);
    memcpy(longer + n, tail, sizeof(tail));
    n += sizeof(tail) + 300;
    region_init(&region, &ours.arena, owner, 0);
    enum write_body_outcome outcome =
        f->version == REMOTE_WRITE_V2
            ? write_body_walk_v2(f->hash, longer, n, SIZE_MAX, &region, &body)
            : write_body_walk(longer, n, SIZE_MAX, &region, &body);
    check_walk(f, longer, n, outcome, &body, &region);
    region_release(&region);
    free(longer);
}

/* Whatever the references of metadata are. */
static void keep_metadata(const struct remote_write *rw)
{
    struct metadata m;
    metadata_init(&m, &ours.arena);
    (void)write_metadata_keep_v2(&m, &rw->body.symbols, rw->message, rw->n_message, 1);
    ENSURE(metadata_check(&m) == NULL);
    metadata_release(&m);
}

/* One message on both ways. */
static void compare(const struct remote_write_format *f, const char *message, size_t n)
{
    struct region region;
    struct remote_write rw, expected;
    char text[REMOTE_WRITE_TEXT_MAX], expected_text[REMOTE_WRITE_TEXT_MAX];
    region_init(&region, &ours.arena, owner, 0);
    int status = remote_write_decode_message(f, message, n, &region, &rw, text);
    if (status == 400 && strstr(text, "the limit") != NULL)
        goto done; /* protobuf-c would take it */
    enum write_body_outcome outcome = status == 0 ? WRITE_BODY_TAKEN : WRITE_BODY_MALFORMED;
    check_walk(f, message, n, outcome, &rw.body, &region);
    if (status == 0 && rw.body.is_v2)
        keep_metadata(&rw);
    if (status == 0)
        status = store(&rw, ours.db, text);
    ENSURE(status == write_oracle_write(f, message, n, oracle.db, &expected, expected_text));
    ENSURE(strcmp(text, expected_text) == 0);
    ENSURE(memcmp(&rw.counts, &expected.counts, offsetof(struct append_counts, on_refused)) == 0);
    check_stats();
done:
    region_release(&region);
}

/* Of a literal of 2^32 bytes libsnappy takes none and goes on; ours says that it is damage. */
static bool may_wrap(const char *bytes, size_t n)
{
    static const uint8_t literal[] = {0xfc, 0xff, 0xff, 0xff, 0xff};
    return memmem(bytes, n, literal, sizeof(literal)) != NULL;
}

static void compare_unpacking(const char *bytes, size_t n)
{
    size_t declared, length;
    bool has_length = snappy_block_length(bytes, n, &length);
    ENSURE(has_length == (snappy_uncompressed_length(bytes, n, &declared) == SNAPPY_OK));
    if (!has_length || length > MAX_BYTES)
        return;
    char *made = malloc(length + 1), *expected = malloc(length + 1);
    ENSURE(made != NULL && expected != NULL && length == declared);
    bool is_sound = snappy_block_unpack(bytes, n, made);
    bool is_theirs = snappy_uncompress(bytes, n, expected, &declared) == SNAPPY_OK;
    ENSURE(is_sound == is_theirs || (is_theirs && may_wrap(bytes, n)));
    ENSURE(!is_sound || memcmp(made, expected, length) == 0);
    free(made);
    free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!ours.db) {
        make_store(&ours);
        make_store(&oracle);
        make_store(&alone);
    }
    bool is_compressed = data[0] & 1;
    unsigned fail_in = data[0] >> 1 & 0x3f;
    enum remote_write_version version = data[0] & 0x80 ? REMOTE_WRITE_V2 : REMOTE_WRITE_V1;
    const struct remote_write_format f = format_of(version, &ours);
    if (is_compressed)
        compare_unpacking((const char *)data + 1, size - 1);
    if (!is_compressed && fail_in == 0) {
        compare(&f, (const char *)data + 1, size - 1);
        compare_with_tail(&f, (const char *)data + 1, size - 1);
    } else {
        budget_fail_nth(&alone.budget, fail_in);
        write_one(version, (const char *)data + 1, size - 1, is_compressed);
        budget_fail_nth(&alone.budget, 0);
    }
    if (++n_runs % CHECK_EVERY == 0) {
        ENSURE(tsdb_check(ours.db) && arena_check(&ours.arena));
        ENSURE(exemplars_check(tsdb_exemplars(alone.db)));
        ENSURE(tsdb_check(alone.db) && arena_check(&alone.arena));
    }
    renew_stores();
    return 0;
}
