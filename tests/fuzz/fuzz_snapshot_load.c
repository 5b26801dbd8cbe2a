/* Any bytes as a snapshot, into a store with little memory. Whatever comes, the answer is one of
 * those that load.h lists, the store is sound, and nothing stays taken.
 *
 * Checksums would keep the fuzzer out of the decoders, so each input is loaded twice: as it stands,
 * and with every header made good (lengths cut to what is there, frames numbered, checksums right).
 * Columns of the newest version are then taken on trust: nothing that reads them may mind.
 * What loads is saved and loaded once more, and must be the same; then all of it is read, and each
 * series goes on: a chunk must take samples whatever it was made of.
 *
 * The corpus is made of real snapshots: SNAPSHOT_SEEDS=dir in the environment writes them there. */
#include "alloc/region.h"
#include "snapshot/check.h"
#include "snapshot/frame.h"
#include "snapshot/load.h"
#include "snapshot/save.h"
#include "tsdb/append.h"
#include "tsdb/read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 64 * 1024, SAVED_BYTES_MAX = 4 << 20, LIMIT_BYTES = 3 << 20 };
enum { WINDOW_MS = 60000, FILE_ID = 7 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static uint8_t input[INPUT_BYTES_MAX], saved[2][SAVED_BYTES_MAX];

struct fuzz_store {
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
};

static void store_new(struct fuzz_store *s)
{
    budget_init(&s->budget, LIMIT_BYTES);
    ENSURE(arena_init(&s->arena, &s->budget, LIMIT_BYTES));
    struct tsdb_options o = {.window_ms = WINDOW_MS,
                             .n_windows = 4,
                             .out_of_order_ms = WINDOW_MS,
                             .clock = CLOCK_SAMPLES};
    ENSURE(tsdb_new(&o, &s->arena, &s->db) == 0);
}

static void store_free(struct fuzz_store *s)
{
    unsigned row = budget_owner(&s->budget, "snapshot");
    ENSURE(atomic_load(&s->budget.rows[row].bytes) == 0);
    ENSURE(tsdb_check(s->db));
    tsdb_free(s->db);
    arena_release(&s->arena);
    ENSURE(atomic_load(&s->budget.used_bytes) == 0);
}

/* The same after another turn through a file. */
static void expect_saves_and_loads(struct fuzz_store *s)
{
    struct io_mem disk = {.files = {{.bytes = saved[0], .capacity = SAVED_BYTES_MAX},
                                    {.bytes = saved[1], .capacity = SAVED_BYTES_MAX}}};
    io_mem_init(&disk);
    struct save_options o = {.file_id = FILE_ID};
    struct snapshot_report out, in;
    int err = save_store(s->db, &disk.io, &o, &out);
    if (err == ERR_NO_MEMORY)
        return;
    ENSURE(err == 0);
    struct fuzz_store copy;
    store_new(&copy);
    err = load_store(copy.db, &disk.io, &in);
    ENSURE(err == 0 || err == ERR_NO_MEMORY);
    if (err == 0) {
        ENSURE(in.detail[0] == '\0');
        ENSURE(in.samples == out.samples && in.series == out.series);
        ENSURE(in.lost_blocks + in.lost_frames + in.old_blocks == 0);
    }
    store_free(&copy);
}

/* n samples of a series at its newest time, and late ones. */
static void append_to(struct fuzz_store *s, const struct labels *ls, int64_t newest_ms)
{
    enum { N = 70 };
    struct append_counts counts = {0};
    struct sample samples[N];
    struct append b;
    for (int i = 0; i < N; i++) {
        int64_t late = i % 7 == 0 ? 5001 : 0;
        samples[i].t_ms = (int64_t)((uint64_t)newest_ms + (uint64_t)(i * 150 - late));
        samples[i].value = (uint64_t)(i / 20) << 52;
    }
    append_begin(&b, s->db);
    (void)append_samples(&b, ls, samples, N, &counts);
    append_end(&b);
    ENSURE(counts.stored + counts.duplicate + counts.refused == N);
}

static void expect_reads_and_goes_on(struct fuzz_store *s)
{
    static const struct matcher_set all = {NULL, 0};
    struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    struct read_set set;
    struct region r;
    struct tsdb_stats stats;
    uint64_t n = 0;
    tsdb_stats(s->db, &stats);
    region_init(&r, &s->arena, budget_owner(&s->budget, "queries"), 0);
    if (read_select(s->db, &all, &o, &r, &set) == 0) {
        for (size_t i = 0; i < set.n; i++)
            n += set.series[i].n;
        ENSURE(n == stats.samples && set.n == stats.series);
        for (size_t i = 0; i < set.n; i++)
            append_to(s, &set.series[i].labels, set.series[i].t_ms[set.series[i].n - 1]);
    }
    region_release(&r);
}

/* Whatever it says, it reads nothing outside and keeps nothing. */
static void check_input(struct fuzz_store *s, struct io *io)
{
    struct check_report r;
    int err = check_file(io, &s->arena, SNAPSHOT_NAME, &r);
    ENSURE(err == 0 || err == ERR_NO_MEMORY);
    ENSURE(err < 0 || r.lost_frames + r.bad_records == 0 || r.detail[0] != '\0');
}

static void load_input(size_t size)
{
    struct io_mem disk = {
        .files = {{.name = SNAPSHOT_NAME, .bytes = input, .n = size, .capacity = size}}};
    io_mem_init(&disk);
    struct fuzz_store s;
    struct snapshot_report report;
    store_new(&s);
    check_input(&s, &disk.io);
    int err = load_store(s.db, &disk.io, &report);
    ENSURE(err == 0 || err == ERR_NO_MEMORY || err == ERR_WRONG_WINDOW || err == ERR_NEWER_FORMAT ||
           err == ERR_OLDER_FORMAT);
    ENSURE(err == 0 || err == ERR_NO_MEMORY || report.detail[0] != '\0');
    ENSURE(report.lost_blocks + report.lost_frames == 0 || report.detail[0] != '\0');
    if (err == 0) {
        expect_saves_and_loads(&s);
        expect_reads_and_goes_on(&s);
    }
    store_free(&s);
}

static void make_headers_good(size_t size)
{
    uint32_t number = 0;
    for (size_t at = 0; size - at >= FRAME_HEADER_BYTES; number++) {
        uint8_t *header = input + at;
        size_t rest = size - at - FRAME_HEADER_BYTES;
        size_t wanted = header[8] | (size_t)header[9] << 8;
        struct frame_header h = {
            .version = header[4] >= FORMAT_VERSION_MIN && header[4] < FORMAT_VERSION
                           ? header[4]
                           : FORMAT_VERSION,
            .type = header[6] % (FRAME_END + 2),
            .payload_bytes = (uint32_t)size_min(wanted, rest),
            .number = number,
            .file_id = FILE_ID,
        };
        h.payload_checksum = frame_payload_checksum(header + FRAME_HEADER_BYTES, h.payload_bytes);
        frame_header_encode(&h, header);
        at += FRAME_HEADER_BYTES + h.payload_bytes;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size = size_min(size, INPUT_BYTES_MAX);
    if (size > 0)
        memcpy(input, data, size);
    load_input(size);
    make_headers_good(size);
    load_input(size);
    return 0;
}

static void put_seed(struct fuzz_store *s, const char *dir, const char *name)
{
    struct io_file f;
    struct snapshot_report report;
    struct save_options o = {.created_ms = 1000, .file_id = FILE_ID};
    ENSURE(io_file_open(&f, dir) == 0 && save_store(s->db, &f.io, &o, &report) == 0);
    ENSURE(f.io.ops->rename(&f.io, SNAPSHOT_NAME, name) == 0);
    io_file_close(&f);
    store_free(s);
}

/* n_series series with n_samples samples each, 100 ms apart, of four kinds of value; the sixth has
 * times of its own, the seventh ends. */
static void write_seed(const char *dir, unsigned n_series, unsigned n_samples)
{
    struct fuzz_store s;
    store_new(&s);
    for (unsigned i = 0; i < n_samples; i++) {
        struct append b;
        append_begin(&b, s.db);
        for (unsigned n = 0; n < n_series; n++) {
            char text[16];
            uint32_t len = (uint32_t)snprintf(text, sizeof text, "%u", n);
            struct label items[] = {{"__name__", "up", 8, 2}, {"n", text, 1, len}};
            struct labels ls = {items, 2};
            double d = n % 4 == 0 ? 1 : n % 4 == 1 ? i : n % 4 == 2 ? i % 7 / 10.0 : 1.0 / (i + 1);
            struct sample sample = {.t_ms = 1000000000ll * WINDOW_MS + 100 * i + n % 2};
            if (n % 7 == 5)
                sample.t_ms += i * i % 90;
            if (n % 7 == 6 && i > n_samples / 2)
                continue;
            struct append_counts counts = {0};
            memcpy(&sample.value, &d, sizeof d);
            if (n % 7 == 6 && i == n_samples / 2)
                sample.value = STALE_BITS;
            ENSURE(append_samples(&b, &ls, &sample, 1, &counts) == 0);
        }
        append_end(&b);
    }
    char name[64];
    snprintf(name, sizeof name, "%u-series-%u-samples.hg", n_series, n_samples);
    put_seed(&s, dir, name);
}

/* Five series with the same random values, whose blocks end together: the last three share them. */
static void write_equal_seed(const char *dir)
{
    enum { N_SERIES = 5, N_SAMPLES = 220 };
    struct fuzz_store s;
    unsigned numbers[N_SERIES], found = 0;
    uint64_t bits = 1;
    store_new(&s);
    for (unsigned n = 0; found < N_SERIES; n++) {
        char text[16];
        uint32_t len = (uint32_t)snprintf(text, sizeof text, "%u", n);
        struct label items[] = {{"__name__", "up", 8, 2}, {"n", text, 1, len}};
        if (labels_hash(&(struct labels){items, 2}) % 64 == 0) /* as chunk_write.c spreads them */
            numbers[found++] = n;
    }
    for (unsigned i = 0; i < N_SAMPLES; i++) {
        struct append b;
        append_begin(&b, s.db);
        bits = bits * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        for (unsigned k = 0; k < N_SERIES; k++) {
            char text[16];
            uint32_t len = (uint32_t)snprintf(text, sizeof text, "%u", numbers[k]);
            struct label items[] = {{"__name__", "up", 8, 2}, {"n", text, 1, len}};
            struct labels ls = {items, 2};
            struct sample sample = {.t_ms = 1000000000ll * WINDOW_MS + 100 * i,
                                    .value = bits >> 12};
            struct append_counts counts = {0};
            ENSURE(append_samples(&b, &ls, &sample, 1, &counts) == 0);
        }
        append_end(&b);
    }
    put_seed(&s, dir, "equal-series.hg");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *dir = getenv("SNAPSHOT_SEEDS");
    if (!dir)
        return 0;
    write_seed(dir, 0, 0);
    write_seed(dir, 1, 1);
    write_seed(dir, 2, 3);
    write_seed(dir, 4, 200);
    write_seed(dir, 3, 900); /* two windows */
    write_seed(dir, 8, 300);
    write_equal_seed(dir);
    exit(0);
}
