/* Any bytes as a left file, into a small store. Whatever comes, the answer is one that left.h
 * lists, what is visited lies in the file, the store takes each record or says why not, and nothing
 * stays taken. And what was read, written to a new file as http/carry.c does, is read from that
 * again, to the byte and without a fault.
 *
 * Checksums would keep the fuzzer out, so each input is read twice: as it stands, and with every
 * header made good. LEFT_SEEDS=dir writes the corpus. */
#include "fuzz_frames.h"

#include "http/delete_record.h"
#include "http/log.h"
#include "http/metadata.h"
#include "http/recorder.h"
#include "snapshot/left.h"
#include "tests/support/message.h"

#include <snappy-c.h>

enum { INPUT_BYTES_MAX = 64 * 1024, COPY_BYTES_MAX = 2 * INPUT_BYTES_MAX };
enum { LIMIT_BYTES = 8 << 20, WINDOW_MS = 600 * 1000, FILE_ID = 7 };
enum { FILL_MAX = LIMIT_BYTES / 2, STORE_RUNS = 64 }; /* of a store, before it is made anew */

#define NAME     "left-5.hg"
#define START_MS INT64_C(1700000400000)

static uint8_t input[INPUT_BYTES_MAX], copied[COPY_BYTES_MAX], buffer[FRAME_BUFFER_BYTES];
static struct budget budget, read_budget; /* of the store; of reading, which it may not disturb */
static struct arena arena, read_arena;
static struct tsdb *db;
static struct metadata metadata;
static struct recorder recorder;
static struct journal_batch batch;

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* What was visited: how much, and a sum of all bytes in their order. */
struct records {
    const uint8_t *file;
    size_t file_bytes;
    uint64_t n, n_bytes, sum;
    struct left_writer *copy; /* NULL = nowhere */
    bool is_full;             /* the store */
};

static uint64_t sum_of(uint64_t sum, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return sum;
}

static void store_new(void)
{
    const struct tsdb_options o = {.window_ms = WINDOW_MS,
                                   .n_windows = 4,
                                   .out_of_order_ms = WINDOW_MS,
                                   .clock = CLOCK_SAMPLES};
    budget_init(&budget, LIMIT_BYTES);
    REQUIRE(arena_init(&arena, &budget, LIMIT_BYTES));
    REQUIRE(tsdb_new(&o, &arena, &db) == 0);
    metadata_init(&metadata, &arena);
    recorder_init(&recorder, db, &arena);
    recorder.metadata = &metadata;
}

static void store_free(void)
{
    REQUIRE(metadata_check(&metadata) == NULL);
    metadata_release(&metadata);
    REQUIRE(tsdb_check(db));
    tsdb_free(db);
    arena_release(&arena);
    REQUIRE(atomic_load(&budget.used_bytes) == 0);
}

/* To make one takes longer than a run. */
static void have_room(void)
{
    static unsigned n_runs;
    REQUIRE(db == NULL || atomic_load(&budget.rows[recorder.owner].bytes) == 0);
    if (n_runs++ % STORE_RUNS != 0 && atomic_load(&budget.used_bytes) <= FILL_MAX)
        return;
    if (db != NULL)
        store_free();
    store_new();
}

/* What a record has is what the frames from its offset on have, one behind the other; as far as
 * these follow each other without anything else, or anything damaged, between them. */
static void expect_is_in_frames(const struct journal_record *r, const uint8_t *file, size_t n_file)
{
    const uint8_t *record = r->meta - JOURNAL_RECORD_BYTES;
    size_t rest = JOURNAL_RECORD_BYTES + r->meta_bytes + r->body_bytes;
    struct frame_header h;
    struct frame_header before = {0};
    for (size_t at = (size_t)r->offset; rest > 0; at += FRAME_HEADER_BYTES + h.payload_bytes) {
        if (n_file - at < FRAME_HEADER_BYTES ||
            !frame_header_decode_as(&frame_kind_left, file + at, &h))
            return;
        if (h.payload_bytes > n_file - at - FRAME_HEADER_BYTES ||
            frame_payload_checksum(file + at + FRAME_HEADER_BYTES, h.payload_bytes) !=
                h.payload_checksum)
            return;
        if (at > r->offset && (h.file_id != before.file_id || h.number <= before.number))
            return; /* nor a frame of another file, or one that was there */
        REQUIRE(h.payload_bytes <= rest && (at == r->offset || h.number == before.number + 1));
        before = h;
        REQUIRE(memcmp(record, file + at + FRAME_HEADER_BYTES, h.payload_bytes) == 0);
        record += h.payload_bytes;
        rest -= h.payload_bytes;
        bool is_last = h.type == JOURNAL_FRAME_WHOLE || h.type == JOURNAL_FRAME_LAST;
        REQUIRE(is_last == (rest == 0));
    }
}

static int visit(void *ctx, const struct journal_record *r)
{
    struct records *s = ctx;
    char error[256] = "";
    size_t bytes = JOURNAL_RECORD_BYTES + r->meta_bytes + r->body_bytes;
    REQUIRE(r->segment == 0 && r->offset + FRAME_HEADER_BYTES + bytes <= s->file_bytes);
    expect_is_in_frames(r, s->file, s->file_bytes);
    s->n++;
    s->n_bytes += bytes;
    s->sum = sum_of(s->sum, (const uint8_t *)&r->sequence, sizeof(r->sequence));
    s->sum = sum_of(s->sum, (const uint8_t *)&r->time_ms, sizeof(r->time_ms));
    s->sum = sum_of(s->sum ^ r->kind, r->meta, r->meta_bytes);
    s->sum = sum_of(s->sum ^ r->meta_bytes, r->body, r->body_bytes);
    if (s->copy == NULL)
        return 0;
    REQUIRE(left_put(s->copy, r) == 0);
    if (s->is_full)
        return 0;
    int err = recorder_take(&recorder, r, error, sizeof(error));
    REQUIRE(err == 0 || (err == ERR_NO_MEMORY && error[0] != '\0'));
    s->is_full = err < 0;
    return 0;
}

static int read_file(struct io_mem *disk, struct records *s, struct left_report *ret)
{
    struct io *io = &disk->io;
    const struct left_read_options o = {
        .io = io, .name = NAME, .buffer = buffer, .arena = &read_arena, .visit = visit, .ctx = s};
    const struct io_mem_file *f = &disk->files[0];
    *s = (struct records){.file = f->bytes, .file_bytes = f->n, .copy = s->copy};
    int err = left_read(&o, ret);
    REQUIRE(atomic_load(&read_budget.rows[budget_owner(&read_budget, "journal")].bytes) == 0);
    REQUIRE(ret->records == s->n && ret->file_bytes == s->file_bytes);
    REQUIRE(s->n_bytes + s->n * FRAME_HEADER_BYTES <= s->file_bytes);
    REQUIRE(err < 0 || ret->lost_frames == 0 || ret->detail[0] != '\0');
    return err;
}

static struct io_mem disk_of(uint8_t *bytes, size_t n, size_t capacity)
{
    return (struct io_mem){.files = {{.name = NAME, .bytes = bytes, .n = n, .capacity = capacity}}};
}

static void expect_copy_is(const struct records *was, struct left_writer *w, struct io_mem *disk)
{
    struct records again = {0};
    struct left_report r;
    REQUIRE(left_end(w) == 0);
    REQUIRE(read_file(disk, &again, &r) == 0);
    REQUIRE(left_is_good(&r) && again.n == was->n && again.n_bytes == was->n_bytes);
    REQUIRE(again.sum == was->sum);
    REQUIRE(memcmp(&r.head, &w->head, sizeof(r.head)) == 0);
}

static void read_input(size_t size)
{
    const struct left_head head = {.window = 5, .window_ms = WINDOW_MS, .created_ms = 1};
    struct io_mem disk = disk_of(input, size, size), other = disk_of(copied, 0, COPY_BYTES_MAX);
    struct left_writer w;
    struct records seen = {.copy = &w};
    struct left_report looked, r;
    other.files[0].name[0] = '\0';
    io_mem_init(&disk);
    io_mem_init(&other);
    have_room();
    REQUIRE(left_begin(&w, &other.io, &batch, &head, FILE_ID + 1) == 0);
    int err = read_file(&disk, &seen, &r);
    REQUIRE(err == 0 || err == ERR_CORRUPT || err == ERR_NEWER_FORMAT || err == ERR_OLDER_FORMAT);
    REQUIRE(err != ERR_CORRUPT || seen.n == 0);
    int look_err = left_look(&disk.io, NAME, buffer, &looked);
    REQUIRE(look_err == err || (look_err == 0 && looked.has_head));
    REQUIRE(!r.has_head || err < 0 || looked.has_head);
    expect_copy_is(&seen, &w, &other);
    left_abandon(&w);
    pthread_mutex_destroy(&disk.lock);
    pthread_mutex_destroy(&other.lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size = size_min(size, INPUT_BYTES_MAX);
    if (size > 0)
        memcpy(input, data, size);
    read_input(size);
    fuzz_frames_make_good(&frame_kind_left, LEFT_FRAME_END + 2, FILE_ID, input, size);
    read_input(size);
    return 0;
}

/* --- the corpus: files of a few requests, whole and in pieces --- */

struct seed {
    FILE *f;
    size_t piece; /* bytes of a frame of a record */
    uint32_t n_frames;
    uint64_t n_records;
};

static void put_frame(struct seed *s, unsigned type, const uint8_t *payload, size_t n)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct frame_header h = {.version = LEFT_VERSION,
                             .type = (uint16_t)type,
                             .payload_bytes = (uint32_t)n,
                             .number = s->n_frames++,
                             .file_id = FILE_ID,
                             .payload_checksum = frame_payload_checksum(payload, n)};
    frame_header_encode_as(&frame_kind_left, &h, header);
    REQUIRE(fwrite(header, 1, sizeof(header), s->f) == sizeof(header));
    REQUIRE(fwrite(payload, 1, n, s->f) == n);
}

static void put_record(struct seed *s, uint16_t kind, const char *meta, const void *body, size_t n)
{
    static uint8_t record[INPUT_BYTES_MAX];
    const struct journal_record_head h = {.sequence = ++s->n_records,
                                          .time_ms = START_MS,
                                          .kind = kind,
                                          .meta_bytes = (uint32_t)strlen(meta),
                                          .body_bytes = n};
    size_t size = (size_t)journal_record_size(&h);
    journal_record_encode(&h, record);
    memcpy(record + JOURNAL_RECORD_BYTES, meta, h.meta_bytes);
    memcpy(record + JOURNAL_RECORD_BYTES + h.meta_bytes, body, n);
    for (size_t at = 0, part; at < size; at += part) {
        part = size_min(size - at, s->piece);
        bool is_last = at + part == size;
        put_frame(s,
                  at == 0   ? is_last ? JOURNAL_FRAME_WHOLE : JOURNAL_FRAME_FIRST
                  : is_last ? JOURNAL_FRAME_LAST
                            : JOURNAL_FRAME_MIDDLE,
                  record + at, part);
    }
}

static void put_write(struct seed *s, bool is_v2, struct random *random, const char *meta)
{
    static struct message m;
    static char body[2 * MESSAGE_BYTES_MAX];
    size_t n = sizeof(body);
    m.n = 0;
    if (is_v2)
        message_v2_by_chance(&m, random, START_MS);
    else
        message_by_chance(&m, random, START_MS);
    REQUIRE(snappy_compress(m.bytes, m.n, body, &n) == SNAPPY_OK);
    put_record(s, is_v2 ? RECORD_WRITE_V2 : RECORD_WRITE_V1, meta, body, n);
}

static void put_delete(struct seed *s)
{
    struct matcher m;
    char text[64];
    uint8_t bytes[256];
    REQUIRE(matcher_init(&m, MATCH_EQUAL, "__name__", 8, "up", 2, text, sizeof(text)) == 0);
    struct matcher_set set = {.items = &m, .n = 1};
    const struct delete_record d = {
        .min_ms = START_MS, .max_ms = START_MS + 1000, .sets = &set, .n_sets = 1};
    REQUIRE(delete_record_bytes(&d) <= sizeof(bytes));
    delete_record_put(&d, bytes);
    put_record(s, RECORD_DELETE, "", bytes, delete_record_bytes(&d));
    matcher_release(&m);
}

static void put_metadata(struct seed *s)
{
    static struct message m, one;
    m.n = one.n = 0;
    message_field(&one, 2, "up", 2);
    message_field(&one, 4, "Whether it answers.", 19);
    message_field(&m, 3, one.bytes, one.n);
    put_record(s, RECORD_METADATA, "", m.bytes, m.n);
}

static void write_seed(const char *dir, size_t piece, uint64_t chance)
{
    const struct left_head head = {
        .window = 5, .window_ms = WINDOW_MS, .generation = 3, .below = 4, .created_ms = START_MS};
    struct seed s = {.piece = piece};
    struct random random;
    uint8_t bytes[LEFT_END_BYTES];
    char path[512];
    random_init(&random, chance);
    snprintf(path, sizeof(path), "%s/pieces-of-%zu-%u", dir, piece, (unsigned)chance);
    s.f = fopen(path, "wb");
    REQUIRE(s.f != NULL);
    left_head_encode(&head, bytes);
    put_frame(&s, LEFT_FRAME_HEAD, bytes, LEFT_HEAD_BYTES);
    put_write(&s, false, &random, "");
    put_delete(&s);
    put_write(&s, true, &random, "\x01\x01");
    put_record(&s, 9, "of no kind", "", 0);
    put_write(&s, false, &random, "\x01\x02\x01");
    put_metadata(&s);
    left_end_encode(&head, s.n_records, bytes);
    put_frame(&s, LEFT_FRAME_END, bytes, LEFT_END_BYTES);
    REQUIRE(fclose(s.f) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    budget_init(&read_budget, LIMIT_BYTES);
    REQUIRE(arena_init(&read_arena, &read_budget, LIMIT_BYTES));
    const char *dir = getenv("LEFT_SEEDS");
    if (dir == NULL)
        return 0;
    for (uint64_t chance = 1; chance <= 4; chance++) {
        write_seed(dir, FRAME_PAYLOAD_MAX, chance);
        write_seed(dir, 40, chance);
    }
    exit(0);
}
