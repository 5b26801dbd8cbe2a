/* Any bytes as a journal of two segments. Whatever comes, the answer is one that journal_replay.h
 * lists, what is visited lies in the files, and nothing stays taken.
 *
 * Checksums would keep the fuzzer out, so each input is replayed twice: as it stands, and with
 * every header made good, and sizes in the heads of records when a bit of the header says so.
 *
 * The first two bytes are the length of the first segment. JOURNAL_SEEDS=dir writes the corpus. */
#include "fuzz_frames.h"

#include "snapshot/journal.h"
#include "snapshot/journal_replay.h"

#include <stdio.h>

enum { INPUT_BYTES_MAX = 64 * 1024, LIMIT_BYTES = 64 << 20, RECORD_BYTES_MAX = 1 << 20 };
enum { FILE_ID = 7, SEED_RECORDS = 12 };

static uint8_t input[INPUT_BYTES_MAX];
static struct budget budget;
static struct arena arena;

int LLVMFuzzerInitialize(int *argc, char ***argv);

struct journal_input {
    struct io_mem disk;
    uint64_t n_visited, n_bytes;
    uint8_t sum; /* so that every byte is read */
};

static int visit(void *ctx, const struct journal_record *r)
{
    struct journal_input *in = ctx;
    REQUIRE(r->segment == 1 || r->segment == 2);
    const struct io_mem_file *f = &in->disk.files[r->segment - 1];
    REQUIRE(r->offset + FRAME_HEADER_BYTES + JOURNAL_RECORD_BYTES <= f->n);
    REQUIRE(r->meta_bytes + r->body_bytes + JOURNAL_RECORD_BYTES <= RECORD_BYTES_MAX);
    for (size_t i = 0; i < r->meta_bytes; i++)
        in->sum ^= r->meta[i];
    for (size_t i = 0; i < r->body_bytes; i++)
        in->sum ^= r->body[i];
    in->n_visited++;
    in->n_bytes += JOURNAL_RECORD_BYTES + r->meta_bytes + r->body_bytes;
    return 0;
}

static void replay(size_t first, size_t size)
{
    static struct journal_input in;
    memset(&in, 0, sizeof in);
    in.disk.files[0] = (struct io_mem_file){.bytes = input, .n = first, .capacity = first};
    in.disk.files[1] =
        (struct io_mem_file){.bytes = input + first, .n = size - first, .capacity = size - first};
    for (uint64_t i = 0; i < 2; i++) {
        char name[JOURNAL_NAME_BYTES];
        journal_name(i + 1, name);
        memcpy(in.disk.files[i].name, name, sizeof name);
    }
    io_mem_init(&in.disk);
    struct journal_replay_report report;
    struct journal_replay_options o = {
        .io = &in.disk.io,
        .arena = &arena,
        .record_bytes_max = RECORD_BYTES_MAX,
        .visit = visit,
        .ctx = &in,
    };
    int err = journal_replay(&o, &report);
    REQUIRE(err == 0 || err == ERR_NEWER_FORMAT);
    REQUIRE(err == 0 || report.detail[0] != '\0');
    REQUIRE(report.records == in.n_visited && report.record_bytes == in.n_bytes);
    REQUIRE(report.file_bytes == size && report.torn_bytes <= size);
    REQUIRE(in.n_bytes + in.n_visited * FRAME_HEADER_BYTES <= size);
    REQUIRE(journal_replay_is_clean(&report) == (report.detail[0] == '\0'));
    REQUIRE(atomic_load(&budget.rows[budget_owner(&budget, "journal")].bytes) == 0);
    pthread_mutex_destroy(&in.disk.lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    size_t first = (size_t)take(&in, 2);
    size = size_min((size_t)(in.end - in.at), INPUT_BYTES_MAX);
    first = size_min(first, size);
    if (size > 0)
        memcpy(input, in.at, size);
    replay(first, size);
    const unsigned n_types = JOURNAL_FRAME_LAST + 2;
    fuzz_frames_make_good(&frame_kind_journal, n_types, FILE_ID, input, first);
    fuzz_frames_make_good(&frame_kind_journal, n_types, FILE_ID + 1, input + first, size - first);
    replay(first, size);
    return 0;
}

/* --- the corpus: two segments of a real journal --- */

static void stored(struct journal_entry *e, int err)
{
    (void)e;
    REQUIRE(err == 0);
}

static int64_t no_time(void *ctx)
{
    (void)ctx;
    return 1000;
}

static uint64_t next_id(void *ctx)
{
    return (*(uint64_t *)ctx)++;
}

/* All of them, and a cut in the middle; only then may they go. */
static void write_records(struct journal *j, size_t step)
{
    static uint8_t body[SEED_RECORDS * 500];
    static struct journal_entry entries[SEED_RECORDS];
    static struct iovec parts[SEED_RECORDS];
    uint64_t number;
    for (size_t i = 0; i < SEED_RECORDS; i++) {
        parts[i] = (struct iovec){body, i * step};
        entries[i] = (struct journal_entry){.kind = (uint16_t)(i % 3),
                                            .meta = "meta",
                                            .meta_bytes = i % 5,
                                            .parts = &parts[i],
                                            .n_parts = 1,
                                            .done = stored};
        REQUIRE(journal_submit(j, &entries[i]) == 0);
        if (i == SEED_RECORDS / 2)
            journal_cut(j, &number);
    }
    journal_cut(j, &number);
}

static void write_seed(const char *dir, size_t step)
{
    struct io_mem disk = {.resize = realloc};
    uint64_t id = FILE_ID;
    io_mem_init(&disk);
    struct journal_options o = {.io = &disk.io,
                                .arena = &arena,
                                .mode = JOURNAL_INTERVAL,
                                .sync_ms = 1000,
                                .max_bytes = 1 << 30,
                                .now_ms = no_time,
                                .file_id = next_id,
                                .ctx = &id};
    struct journal *j;
    REQUIRE(journal_open(&o, &j) == 0);
    write_records(j, step);
    REQUIRE(journal_close(j) == 0);
    char path[512];
    snprintf(path, sizeof path, "%s/step-%zu", dir, step);
    FILE *f = fopen(path, "wb");
    REQUIRE(f != NULL);
    const struct io_mem_file *a = &disk.files[0], *b = &disk.files[1];
    uint8_t length[2] = {(uint8_t)a->n, (uint8_t)(a->n >> 8)};
    fwrite(length, 1, 2, f);
    fwrite(a->bytes, 1, a->n, f);
    fwrite(b->bytes, 1, b->n, f);
    fclose(f);
    for (int i = 0; i < IO_MEM_FILES; i++)
        free(disk.files[i].bytes);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    budget_init(&budget, LIMIT_BYTES);
    REQUIRE(arena_init(&arena, &budget, LIMIT_BYTES));
    const char *dir = getenv("JOURNAL_SEEDS");
    if (!dir)
        return 0;
    write_seed(dir, 0);
    write_seed(dir, 1);
    write_seed(dir, 40);
    write_seed(dir, 500);
    exit(0);
}
