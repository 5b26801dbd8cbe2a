#include "snapshot/check.h"

#include "snapshot/frame.h"
#include "snapshot/number_map.h"
#include "snapshot/series_frame.h"
#include "snapshot/window_frame.h"

#include "alloc/region.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct check_timeline { /* item of timelines */
    uint32_t n, last;
};

struct check_shared { /* item of shared; in the region */
    const uint8_t *bytes;
    uint64_t n_bytes;
};

/* What is taken from the arena. */
struct check_memory {
    uint8_t buffer[FRAME_BUFFER_BYTES];
    struct symbol symbols[SYMBOLS_MAX];
    struct series_reader series;
    struct window_reader window;
    struct window_record record;
};

struct check {
    struct arena *arena;
    unsigned owner;
    struct check_memory *memory;
    struct check_report *report;
    struct frame_reader frames;
    struct frame frame;
    struct number_map ids;
    bool has_end;
    /* of the window that is being read */
    bool has_window;
    int64_t window;
    struct table timelines, shared;
    struct region region;
};

PRINTF_LIKE(2, 3) static void describe(struct check *k, const char *format, ...)
{
    char *detail = k->report->detail;
    if (detail[0] != '\0')
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(detail, CHECK_DETAIL_BYTES, format, args);
    va_end(args);
}

static void bad_record(struct check *k, const char *what, uint32_t number)
{
    k->report->bad_records++;
    describe(k, "%s %" PRIu32 " in frame %" PRIu32 " at byte %" PRIu64, what, number,
             k->frame.header.number, k->frame.offset);
}

static void bad_frame(struct check *k, const char *why)
{
    k->report->lost_frames++;
    describe(k, "frame %" PRIu32 " at byte %" PRIu64 ": %s", k->frame.header.number,
             k->frame.offset, why);
}

/* ---- series ---- */

static bool is_normalised(const struct labels *ls)
{
    struct label items[LABELS_PER_SERIES_MAX];
    memcpy(items, ls->items, ls->n * sizeof *items);
    struct labels copy = {items, ls->n};
    return labels_normalise(&copy, NULL) == 0 && copy.n == ls->n && labels_compare(&copy, ls) == 0;
}

static int check_series(struct check *k)
{
    struct check_memory *m = k->memory;
    int64_t window_ms;
    uint32_t number;
    struct labels ls;
    int more = series_reader_init(&m->series, k->frame.payload, k->frame.header.payload_bytes,
                                  m->symbols, &window_ms);
    while (more >= 0 && (more = series_reader_next(&m->series, &number, &ls)) > 0) {
        int err = number_map_add(&k->ids, number, number);
        if (err == ERR_NO_MEMORY)
            return err;
        if (err < 0 || !is_normalised(&ls))
            bad_record(k, "labels of series", number);
        else
            k->report->found.n_series++;
    }
    if (more < 0)
        bad_frame(k, "malformed series");
    return 0;
}

/* ---- windows ---- */

static void forget_window(struct check *k)
{
    table_release(k->arena, &k->timelines);
    table_release(k->arena, &k->shared);
    region_release(&k->region);
    region_init(&k->region, k->arena, k->owner, 0);
}

static int check_times(struct check *k, const struct dump_times *t, int64_t window_ms)
{
    struct check_timeline *line = table_make(k->arena, &k->timelines, t->timeline);
    if (line == NULL)
        return ERR_NO_MEMORY;
    bool is_good = t->from == line->n;
    for (uint32_t i = 0; is_good && i < t->n; i++) {
        is_good = t->times[i] < window_ms && (line->n == 0 || t->times[i] > line->last);
        if (is_good) {
            line->n++;
            line->last = t->times[i];
        }
    }
    if (!is_good)
        bad_record(k, "times of timeline", t->timeline);
    return 0;
}

static int check_shared(struct check *k, const struct dump_shared *s)
{
    struct check_shared *entry = table_make(k->arena, &k->shared, s->number);
    uint8_t *bytes = entry != NULL ? region_alloc(&k->region, s->n_bytes) : NULL;
    if (bytes == NULL)
        return ERR_NO_MEMORY;
    if (entry->bytes != NULL)
        bad_record(k, "shared values", s->number);
    memcpy(bytes, s->bytes, s->n_bytes);
    *entry = (struct check_shared){bytes, s->n_bytes};
    return 0;
}

static bool is_in_timeline(const struct check *k, uint32_t timeline, uint32_t first, uint32_t n)
{
    const struct check_timeline *line = table_at(k->arena, &k->timelines, timeline);
    return line != NULL && (uint64_t)first + n <= line->n;
}

static bool are_ascending(const uint32_t *times, uint32_t n, int64_t window_ms)
{
    for (uint32_t i = 0; i < n; i++)
        if (times[i] >= window_ms || (i > 0 && times[i] <= times[i - 1]))
            return false;
    return true;
}

static bool are_own_times(const struct check *k, const struct block *b, int64_t window_ms)
{
    uint32_t times[BLOCK_SAMPLES_MAX];
    if (b->n_samples > BLOCK_SAMPLES_MAX || (b->times == BLOCK_PACKED && b->n_samples < 2))
        return false;
    return block_times(k->arena, NULL, b, 0, b->n_samples, times) &&
           are_ascending(times, b->n_samples, window_ms);
}

static bool is_good_block(const struct check *k, const struct dump_block *in, int64_t window_ms)
{
    uint64_t values[BLOCK_SAMPLES_MAX];
    bool is_run = in->encoding == BLOCK_RUN;
    struct block b = {.encoding = in->encoding,
                      .times = (uint8_t)in->times,
                      .n_samples = in->n_samples,
                      .first = in->first,
                      .step = in->step,
                      .n_times_bytes = in->n_times_bytes,
                      .n_values_bytes = in->n_values_bytes,
                      .times_bytes = in->times_bytes,
                      .values = in->values};
    if (in->is_shared) {
        const struct check_shared *s = table_at(k->arena, &k->shared, in->shared);
        if (s == NULL || s->bytes == NULL || is_run)
            return false;
        b.values = s->bytes;
        b.n_values_bytes = (uint32_t)s->n_bytes;
    }
    if (!is_run && in->n_samples > BLOCK_SAMPLES_MAX)
        return false;
    if (in->times == DUMP_AT ? !is_in_timeline(k, in->timeline, in->first, in->n_samples)
                             : !are_own_times(k, &b, window_ms))
        return false;
    return block_values(&b, 0, (uint32_t)size_min(in->n_samples, BLOCK_SAMPLES_MAX), values);
}

static bool is_good_tail(const struct check *k, const struct dump_tail *t, int64_t window_ms)
{
    if (t->n < 1 || t->n > DUMP_TAIL_MAX)
        return false;
    return t->has_timeline ? is_in_timeline(k, t->timeline, t->places[0], t->n)
                           : are_ascending(t->places, t->n, window_ms);
}

/* Its blocks are good, and as many as it says. */
static bool is_good_sheaf(const struct check *k, const struct dump_sheaf *in, int64_t window_ms)
{
    struct dump_sheaf_reader blocks;
    struct dump_block b;
    uint64_t n_blocks = 0, n_samples = 0;
    int more;
    dump_sheaf_init(&blocks, in);
    while ((more = dump_sheaf_next(&blocks, &b)) > 0 && is_good_block(k, &b, window_ms)) {
        n_blocks++;
        n_samples += b.n_samples;
    }
    return more == 0 && n_blocks == in->n_blocks && n_samples == in->n_samples;
}

static bool is_good_record(const struct check *k, const struct window_record *r, int64_t window_ms)
{
    switch (r->kind) {
    case RECORD_TAIL:
        return is_good_tail(k, &r->tail, window_ms);
    case RECORD_SHEAF:
        return is_good_sheaf(k, &r->sheaf, window_ms);
    default:
        return is_good_block(k, &r->block, window_ms);
    }
}

static int check_record(struct check *k, const struct window_record *r, int64_t window_ms)
{
    struct window_totals n = window_record_totals(r);
    struct end *found = &k->report->found;
    uint32_t id;
    if (r->kind == RECORD_TIMES)
        return check_times(k, &r->times, window_ms);
    if (r->kind == RECORD_SHARED)
        return check_shared(k, &r->shared);
    if (!number_map_find(&k->ids, r->number, &id) || !is_good_record(k, r, window_ms)) {
        bad_record(k, r->kind == RECORD_TAIL ? "tail of series" : "block of series", r->number);
        return 0;
    }
    found->n_tails += n.n_tails;
    found->n_blocks += n.n_blocks;
    found->n_samples += n.n_samples;
    return 0;
}

static int check_window(struct check *k)
{
    struct check_memory *m = k->memory;
    int more = window_reader_init(&m->window, k->frame.header.version, k->frame.payload,
                                  k->frame.header.payload_bytes);
    if (more == 0 && (!k->has_window || k->window != m->window.window))
        forget_window(k);
    k->has_window = true;
    k->window = m->window.window;
    int err = 0;
    while (err == 0 && more >= 0 && (more = window_reader_next(&m->window, &m->record)) > 0)
        err = check_record(k, &m->record, m->window.window_ms);
    if (err == 0 && more < 0)
        bad_frame(k, "malformed record");
    return err;
}

/* ---- the file ---- */

static void check_head(struct check *k)
{
    struct check_report *r = k->report;
    if (head_decode(k->frame.header.version, k->frame.payload, k->frame.header.payload_bytes,
                    &r->head) < 0)
        bad_frame(k, "malformed head");
    else
        r->has_head = true;
    r->found.generation = r->head.generation;
}

static void check_end(struct check *k)
{
    struct end end;
    k->has_end = true;
    if (end_decode(k->frame.header.version, k->frame.payload, k->frame.header.payload_bytes, &end) <
        0) {
        bad_frame(k, "malformed end");
        return;
    }
    k->report->found.digest = k->frame.digest_before;
    if (k->report->lost_frames + k->report->bad_records + k->frames.n_lost == 0 &&
        memcmp(&end, &k->report->found, sizeof end) != 0)
        describe(k, "the totals at the end of the file are not those of what is in it");
}

static int check_frame(struct check *k)
{
    k->report->version = k->frame.header.version;
    switch (k->frame.header.type) {
    case FRAME_HEAD:
        check_head(k);
        return 0;
    case FRAME_SERIES:
        return check_series(k);
    case FRAME_WINDOW:
        return check_window(k);
    case FRAME_END:
        check_end(k);
        return 0;
    default:
        bad_frame(k, "unknown type");
        return 0;
    }
}

static void describe_gaps(struct check *k)
{
    if (k->frames.is_damaged)
        describe(k, "damaged at byte %" PRIu64, k->frames.damaged_at);
    else if (k->frames.n_lost > 0)
        describe(k, "%" PRIu64 " frames are missing", k->frames.n_lost);
}

static void finish(struct check *k, int more)
{
    struct check_report *r = k->report;
    if (more == ERR_IO)
        describe(k, "read at byte %" PRIu64 ": %s", k->frames.base + k->frames.end,
                 strerror(errno));
    if (more < 0 || !k->frames.has_id) {
        r->err = more < 0 ? more : ERR_CORRUPT;
        if (more < 0 && more != ERR_IO)
            r->version = k->frames.version;
        describe(k, "%s", more < 0 ? tsdb_err_text(more) : "no frame can be read");
    }
    r->lost_frames += k->frames.n_lost + !k->has_end;
    describe_gaps(k);
    if (!k->has_end)
        describe(k, "cut short at byte %" PRIu64, k->frames.base + k->frames.end);
}

static int check_frames(struct check *k)
{
    int more = 0, err = 0;
    while (err == 0 && !k->has_end && (more = frame_reader_next(&k->frames, &k->frame)) > 0) {
        describe_gaps(k);
        err = check_frame(k);
    }
    if (err == 0)
        finish(k, more);
    return err;
}

static int check_open(struct check *k, struct io *io, int handle)
{
    k->owner = budget_owner(k->arena->budget, "snapshot");
    k->memory = arena_span_get(k->arena, k->owner, sizeof *k->memory);
    if (k->memory == NULL)
        return ERR_NO_MEMORY;
    frame_reader_init(&k->frames, io, handle, k->memory->buffer);
    number_map_init(&k->ids, k->arena, k->owner);
    table_init(&k->timelines, sizeof(struct check_timeline), k->owner);
    table_init(&k->shared, sizeof(struct check_shared), k->owner);
    region_init(&k->region, k->arena, k->owner, 0);
    int err = check_frames(k);
    forget_window(k);
    region_release(&k->region);
    number_map_release(&k->ids);
    arena_span_put(k->arena, k->owner, k->memory, sizeof *k->memory);
    return err;
}

int check_file(struct io *io, struct arena *arena, const char *name, struct check_report *ret)
{
    struct check k = {.arena = arena, .report = ret};
    memset(ret, 0, sizeof *ret);
    ret->name = name;
    int handle = io->ops->open(io, name, false);
    if (handle < 0) {
        ret->err = ERR_IO;
        describe(&k, "open: %s", strerror(errno));
        return 0;
    }
    int64_t size = io->ops->size(io, name);
    ret->file_bytes = size > 0 ? (uint64_t)size : 0;
    int err = check_open(&k, io, handle);
    (void)io->ops->close(io, handle);
    return err;
}

/* ---- the directory ---- */

struct names {
    struct directory directory;
    bool has_snapshot;
};

static int note_name(void *ctx, const char *name)
{
    struct names *n = ctx;
    int64_t number;
    struct directory_window *w;
    n->has_snapshot = n->has_snapshot || strcmp(name, SNAPSHOT_NAME) == 0;
    if (directory_window_number(name, &number) &&
        (w = directory_make(&n->directory, number)) != NULL)
        w->has_file = true;
    return 0;
}

static bool has_window(const struct head *h, int64_t number)
{
    for (uint32_t i = 0; i < h->n_windows; i++)
        if (h->windows[i].number == number)
            return true;
    return false;
}

int check_directory(struct io *io, struct arena *arena,
                    void (*visit)(void *ctx, const struct check_report *r), void *ctx,
                    bool *ret_is_good)
{
    struct names names = {0};
    struct check_report snapshot = {0}, r;
    bool is_good = true;
    if (io->ops->list(io, note_name, &names) < 0)
        return ERR_IO;
    if (!names.has_snapshot && names.directory.n == 0)
        return ERR_NOT_FOUND;
    int err = names.has_snapshot ? check_file(io, arena, SNAPSHOT_NAME, &snapshot) : 0;
    if (err < 0)
        return err;
    if (names.has_snapshot) {
        is_good = check_is_good(&snapshot);
        visit(ctx, &snapshot);
    }
    for (uint32_t i = 0; i < names.directory.n; i++) {
        int64_t number = names.directory.windows[i].number;
        char name[FILE_NAME_BYTES];
        directory_window_name(number, name);
        err = check_file(io, arena, name, &r);
        if (err < 0)
            return err;
        if (r.has_head && (r.head.kind != FILE_WINDOW || r.head.windows[0].number != number)) {
            r.bad_records++;
            snprintf(r.detail, sizeof r.detail, "it is not of the window in its name");
        }
        r.is_passed_over = snapshot.has_head && has_window(&snapshot.head, number) &&
                           snapshot.head.generation > r.head.generation;
        is_good = is_good && check_is_good(&r);
        visit(ctx, &r);
    }
    *ret_is_good = is_good;
    return 0;
}
