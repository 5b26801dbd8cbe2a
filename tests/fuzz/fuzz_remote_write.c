/* Any bytes as the body of a remote write: through snappy, protobuf, the label rules and into a
 * small store under a tight budget. The first byte chooses whether the rest is a compressed body or
 * the message itself (which the fuzzer would hardly reach through a compressor), and how soon an
 * allocation fails.
 *
 * Holds: no crash; an answer that the protocol knows; its text is UTF-8 and short; every sample of
 * the request is either stored, a duplicate or refused; the store's invariants, now and then. */
#include "http/remote_write.h"

#include <stdlib.h>
#include <string.h>

enum {
    MEMORY = 24 << 20,
    MAX_BYTES = 1 << 18,
    FILL_MAX = MEMORY * 3 / 4, /* of the store, before a new one is made */
    CHECK_EVERY = 64,
};

static struct budget budget;
static struct arena arena;
static struct tsdb *db;
static unsigned owner;
static unsigned long n_runs;

static int64_t fuzz_clock(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

static void make_store(void)
{
    const struct tsdb_options options = {
        .window_ms = 4 * 3600 * 1000,
        .n_windows = 8,
        .out_of_order_ms = 3600 * 1000,
        .max_series = 5000,
        .wall_ms = fuzz_clock,
        .boot_ms = fuzz_clock,
    };
    budget_init(&budget, MEMORY);
    owner = budget_owner(&budget, "requests");
    if (!arena_init(&arena, &budget, MEMORY) || tsdb_new(&options, &arena, &db) != 0)
        abort();
}

static void renew_store(void)
{
    tsdb_free(db);
    arena_release(&arena);
    make_store();
}

static void check_answer(const struct remote_write *rw, int status, const char *text)
{
    uint64_t told = rw->counts.stored + rw->counts.duplicate + rw->counts.refused;
    ENSURE(status == 204 || status == 400 || status == 503);
    ENSURE(memchr(text, '\0', REMOTE_WRITE_TEXT_MAX) != NULL);
    ENSURE(utf8_is_valid(text, strlen(text)));
    ENSURE((status == 204) == (text[0] == '\0'));
    ENSURE(told + rw->n_bad_labels == rw->n_samples);
    ENSURE((remote_write_refused(rw) == 0) == (status == 204));
}

static void write_one(const char *bytes, size_t n, bool is_compressed)
{
    struct region region;
    struct remote_write rw;
    char text[REMOTE_WRITE_TEXT_MAX];
    region_init(&region, &arena, owner, 0);
    int status = is_compressed ? remote_write_decode(bytes, n, MAX_BYTES, &region, &rw, text)
                               : remote_write_decode_message(bytes, n, &region, &rw, text);
    if (status == 0) {
        remote_write_append(&rw, db);
        status = remote_write_verdict(&rw, text);
        check_answer(&rw, status, text);
    }
    ENSURE(text[0] != '\0' || status == 204);
    region_release(&region);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (!db)
        make_store();
    unsigned fail_in = data[0] >> 1;
    budget_fail_nth(&budget, fail_in);
    write_one((const char *)data + 1, size - 1, data[0] & 1);
    budget_fail_nth(&budget, 0);
    if (++n_runs % CHECK_EVERY == 0)
        ENSURE(tsdb_check(db) && arena_check(&arena));
    if (atomic_load(&budget.used_bytes) > FILL_MAX)
        renew_store();
    return 0;
}
