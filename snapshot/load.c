/* Reading a directory.
 *
 * First a look at each file (look.h): is it of this format and window length, which generation has
 * it, which windows, how much memory do these take. From that follows everything else before
 * anything is loaded: which copy of a window counts, which windows are no longer kept, and which do
 * not fit. Then one pass through the snapshot, whose series frames come first, so that series get
 * their ids in the order that they had; and where a window has a file of its own, that is read in
 * between. So windows are filled one after the other, as they were in life, and the pages are the
 * same.
 *
 * What does not fit. A process that has to live in less memory than the one before keeps the newest
 * windows. The others stay where they are: in their files, until their time is over. A window that
 * only the snapshot has is copied into a file of its own first, frame by frame, or the next
 * snapshot would be its end. (To keep the old snapshot under another name would have been less work
 * here, and a third kind of file for everybody else.) The store must then take no sample of such a
 * window, or there would be two copies that are both good. */
#include "snapshot/load.h"

#include "snapshot/left.h"
#include "snapshot/load_plan.h"
#include "snapshot/load_windows.h"
#include "snapshot/split.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    SPARE_SHARE = 64,      /* of the limit: what a store takes that no head knows of */
    BYTES_A_SERIES = 600,  /* where the head does not say what series take, */
    BYTES_A_FILE_BYTE = 2, /* and where it is lost, what a window takes */
};

static int fail(struct load *l, int err, const char *call, const char *name)
{
    int saved = errno;
    snprintf(l->report->detail, sizeof l->report->detail, "%s %s/%s: %s", call, l->io->place, name,
             strerror(saved));
    errno = saved;
    return err;
}

/* ---- memory ---- */

void *load_try_span(struct load *l, size_t bytes)
{
    struct arena *arena = tsdb_arena(l->db);
    return arena_span_get(arena, budget_owner(arena->budget, "snapshot"), bytes);
}

void *load_take_span(struct load *l, size_t bytes)
{
    void *at = load_try_span(l, bytes);
    if (at == NULL)
        snprintf(l->report->detail, sizeof l->report->detail,
                 "no memory for the buffer of %zu bytes", bytes);
    return at;
}

void load_give_span(struct load *l, void *at, size_t bytes)
{
    struct arena *arena = tsdb_arena(l->db);
    int saved = errno;
    if (at != NULL)
        arena_span_put(arena, budget_owner(arena->budget, "snapshot"), at, bytes);
    errno = saved;
}

bool load_need_window_buffer(struct load *l)
{
    if (l->window_buffer == NULL)
        l->window_buffer = load_take_span(l, FRAME_BUFFER_BYTES);
    return l->window_buffer != NULL;
}

/* ---- what is lost ---- */

static void damaged_name(const char *name, char ret[2 * FILE_NAME_BYTES])
{
    snprintf(ret, 2 * FILE_NAME_BYTES, "%s" SNAPSHOT_DAMAGED_SUFFIX, name);
}

static void tell_damage(struct load *l, const char *name, const struct snapshot_report *file,
                        const char *kept_as)
{
    l->report->damaged_files++;
    if (l->watch != NULL && l->watch->damaged != NULL)
        l->watch->damaged(l->watch->ctx, name, file, kept_as);
}

/* A file of which no frame can be read is moved aside: the next save would replace it. */
static int set_aside(struct load *l, const char *name)
{
    struct snapshot_report file = {.lost_frames = 1};
    char kept_as[2 * FILE_NAME_BYTES];
    damaged_name(name, kept_as);
    if (l->io->ops->rename(l->io, name, kept_as) < 0)
        return fail(l, ERR_IO, "rename", name);
    snprintf(file.detail, sizeof file.detail, "%s/%s is not a snapshot", l->io->place, name);
    if (l->report->detail[0] == '\0')
        memcpy(l->report->detail, file.detail, sizeof file.detail);
    l->report->lost_frames++;
    tell_damage(l, name, &file, kept_as);
    return 0;
}

/* One that could be read in part is kept under a second name. */
static void keep_damaged(struct load *l, const char *name, const struct snapshot_report *file)
{
    char kept_as[2 * FILE_NAME_BYTES];
    damaged_name(name, kept_as);
    (void)l->io->ops->remove(l->io, kept_as);
    bool is_kept = l->io->ops->link(l->io, name, l->io, kept_as) == 0;
    tell_damage(l, name, file, is_kept ? kept_as : "");
}

void load_add_report(struct load *l, const char *name, const struct snapshot_report *file)
{
    struct snapshot_report *r = l->report;
    r->series += file->series;
    r->blocks += file->blocks;
    r->tails += file->tails;
    r->samples += file->samples;
    r->file_bytes += file->file_bytes;
    r->windows += file->windows;
    r->lost_frames += file->lost_frames;
    r->lost_blocks += file->lost_blocks;
    r->old_blocks += file->old_blocks;
    if (r->detail[0] == '\0')
        memcpy(r->detail, file->detail, sizeof file->detail);
    if (file->lost_frames + file->lost_blocks > 0)
        keep_damaged(l, name, file);
}

/* ---- the plan ---- */

struct window_plan *load_find_plan(struct load *l, int64_t number)
{
    for (uint32_t i = 0; i < l->memory->n; i++)
        if (l->memory->plan[i].number == number)
            return &l->memory->plan[i];
    return NULL;
}

/* The same, made if it is not there; NULL when there is no room. */
static struct window_plan *plan_of(struct load *l, int64_t number)
{
    struct load_memory *m = l->memory;
    uint32_t at = 0;
    while (at < m->n && m->plan[at].number < number)
        at++;
    if (at < m->n && m->plan[at].number == number)
        return &m->plan[at];
    if (m->n == ARRAY_LEN(m->plan))
        return NULL;
    memmove(&m->plan[at + 1], &m->plan[at], (m->n - at) * sizeof *m->plan);
    m->n++;
    m->plan[at] = (struct window_plan){.number = number};
    return &m->plan[at];
}

/* Of whole pages: each size has its own, and the last of them is seldom full. */
static uint64_t pool_bytes_of(const struct head_window *w)
{
    uint64_t n_pages = 0;
    for (unsigned c = 0; c < HEAD_POOLS; c++) {
        uint64_t a_page = ARENA_PAGE_BYTES / tsdb_pool_bytes(c);
        n_pages += w->slots[c] <= UINT32_MAX ? (w->slots[c] + a_page - 1) / a_page : 0;
    }
    return n_pages * ARENA_PAGE_BYTES;
}

/* A copy in a file of its own counts also when the generations are equal: it was split off. */
static void plan_copy(struct load *l, const struct file_look *look, const struct head_window *w,
                      enum load_place place)
{
    bool has_times = w->number >= tsdb_window_of(l->db, INT64_MIN) &&
                     w->number <= tsdb_window_of(l->db, INT64_MAX);
    struct window_plan *p = has_times ? plan_of(l, w->number) : NULL;
    if (p == NULL || (p->place != IN_NO_FILE && p->generation > look->head.generation))
        return;
    p->place = place;
    p->generation = look->head.generation;
    p->naming = look->head.naming;
    p->is_sure = look->has_head;
    p->file_bytes = look->file_bytes / look->head.n_windows;
    p->memory_bytes =
        look->has_head ? pool_bytes_of(w) : p->file_bytes * (uint64_t)BYTES_A_FILE_BYTE;
}

static void plan_file(struct load *l, const struct file_look *look, enum load_place place)
{
    const struct head *h = &look->head;
    if (h->generation > l->directory->generation)
        l->directory->generation = h->generation;
    for (uint32_t i = 0; i < h->n_windows; i++)
        plan_copy(l, look, &h->windows[i], place);
    if (!look->has_head || h->generation < l->index_generation)
        return;
    uint64_t series_bytes = h->n_series <= UINT32_MAX ? h->n_series * (uint64_t)BYTES_A_SERIES : 0;
    l->index_generation = h->generation;
    l->n_series = h->n_series;
    l->index_bytes = h->index_bytes > 0 ? h->index_bytes : series_bytes;
    l->open_bytes = h->n_open <= UINT32_MAX ? h->n_open * SIZE_CLASS_STEP_BYTES : 0;
}

/* ---- looking ---- */

static int refuse(struct load *l, const char *name, int err)
{
    const struct file_look *look = &l->memory->look;
    char *detail = l->report->detail;
    size_t size = sizeof l->report->detail;
    if (err == ERR_NEWER_FORMAT)
        snprintf(detail, size, "%s/%s was written by a newer version", l->io->place, name);
    else if (err == ERR_OLDER_FORMAT)
        snprintf(detail, size, "%s/%s has format %u; this version reads %d and writes %d",
                 l->io->place, name, look->version, FORMAT_VERSION_MIN, FORMAT_VERSION);
    else if (err == ERR_WRONG_WINDOW)
        snprintf(detail, size,
                 "%s/%s was written with windows of %" PRId64 " ms, ours are of %" PRId64 " ms",
                 l->io->place, name, look->head.window_ms, tsdb_options(l->db)->window_ms);
    return err == ERR_IO ? fail(l, err, "read", name) : err;
}

/* The last one counts, which is the snapshot's if there is one. */
static void note_hash_key(struct load *l, const uint8_t key[SERIES_HASH_KEY_BYTES])
{
    l->has_hash_key = true;
    memcpy(l->hash_key, key, sizeof l->hash_key);
}

/* 1 = there it is, 0 = there is nothing to be read, or an error. */
static int look_at(struct load *l, const char *name)
{
    struct file_look *look = &l->memory->look;
    int err = file_look(l->io, name, l->memory->buffer, look);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err == ERR_CORRUPT)
        return set_aside(l, name);
    if (err == 0 && look->head.window_ms != 0 &&
        look->head.window_ms != tsdb_options(l->db)->window_ms)
        err = ERR_WRONG_WINDOW;
    if (err == 0 && look->head.has_hash_key)
        note_hash_key(l, look->head.hash_key);
    return err == 0 ? 1 : refuse(l, name, err);
}

/* A snapshot without head and end is likely the newest file: it was written last. */
static int look_at_snapshot(struct load *l)
{
    struct file_look *look = &l->memory->look;
    int found = l->has_snapshot ? look_at(l, SNAPSHOT_NAME) : 0;
    l->has_snapshot = found > 0;
    if (found <= 0)
        return found;
    if (!look->has_head && look->head.generation == 0 && look->version >= FORMAT_VERSION_WINDOWS)
        look->head.generation = l->directory->generation + 1;
    l->snapshot_naming = look->head.naming;
    l->snapshot_bytes = look->file_bytes;
    plan_file(l, look, IN_SNAPSHOT);
    return 0;
}

/* Of which window it is, its name says; one with a head that says otherwise is not ours. */
static int look_at_window(struct load *l, struct directory_window *dw)
{
    struct file_look *look = &l->memory->look;
    struct head *h = &look->head;
    char name[FILE_NAME_BYTES];
    directory_window_name(dw->number, name);
    int found = look_at(l, name);
    if (found > 0 && look->has_head &&
        (h->kind != FILE_WINDOW || h->windows[0].number != dw->number))
        found = set_aside(l, name);
    dw->has_file = found > 0;
    if (found <= 0)
        return found;
    if (!look->has_head) {
        h->n_windows = 1;
        h->windows[0] = (struct head_window){.number = dw->number};
    }
    dw->generation = h->generation;
    plan_file(l, look, IN_OWN_FILE);
    return 0;
}

/* What the journal held for a window that was left; there may be nothing else of it. */
static int look_at_left(struct load *l, struct directory_window *dw)
{
    struct left_report found;
    char name[FILE_NAME_BYTES];
    directory_left_name(dw->number, name);
    int err = left_look(l->io, name, l->memory->buffer, &found);
    bool is_other = err == 0 && found.has_head && found.head.window != dw->number;
    if (err == ERR_CORRUPT || is_other) {
        dw->has_left = false;
        return set_aside(l, name);
    }
    if (err == 0 && found.has_head && found.head.window_ms != tsdb_options(l->db)->window_ms)
        err = ERR_WRONG_WINDOW;
    l->memory->look.version = found.version;
    l->memory->look.head.window_ms = found.head.window_ms;
    if (err < 0)
        return refuse(l, name, err);
    dw->left_generation = found.has_head ? found.head.generation : UINT64_MAX;
    dw->left_below = found.head.below;
    struct window_plan *p = plan_of(l, dw->number);
    if (p != NULL)
        p->left_bytes = found.file_bytes;
    return 0;
}

/* Whether it belongs to the copy that counts: that one has it all when it is newer. */
static void judge_left(struct load *l)
{
    struct directory *d = l->directory;
    for (uint32_t i = 0; i < d->n; i++) {
        struct directory_window *dw = &d->windows[i];
        struct window_plan *p = dw->has_left ? load_find_plan(l, dw->number) : NULL;
        if (p == NULL)
            continue;
        dw->is_left_stale =
            p->place != IN_NO_FILE && p->is_sure && p->generation > dw->left_generation;
        if (!dw->is_left_stale)
            p->memory_bytes += p->left_bytes * BYTES_A_FILE_BYTE;
    }
}

static int look_at_all(struct load *l)
{
    struct directory *d = l->directory;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < d->n; i++)
        err = d->windows[i].has_file ? look_at_window(l, &d->windows[i]) : 0;
    for (uint32_t i = 0; err == 0 && i < d->n; i++)
        err = d->windows[i].has_left ? look_at_left(l, &d->windows[i]) : 0;
    for (uint32_t i = d->n; i-- > 0;)
        if (!d->windows[i].has_file && !d->windows[i].has_left)
            directory_drop(d, &d->windows[i]);
    if (err == 0)
        err = look_at_snapshot(l);
    if (err == 0)
        judge_left(l);
    return err;
}

/* ---- what is kept, and what fits ---- */

/* The store keeps n_windows beside the newest, and one that has been opened ahead of the clock. */
static void plan_old(struct load *l)
{
    struct load_memory *m = l->memory;
    for (uint32_t i = 0; i < m->n; i++)
        m->plan[i].is_old = (uint64_t)m->plan[m->n - 1].number - (uint64_t)m->plan[i].number >
                            tsdb_options(l->db)->n_windows;
}

/* From the newest back, as far as memory goes. Without a single one there is nothing to start with:
 * the load then says that memory is too small. */
static void plan_left(struct load *l)
{
    struct load_memory *m = l->memory;
    const struct budget *b = tsdb_arena(l->db)->budget;
    /* what loading takes comes back, and is in what is spare until then; a full store splits */
    uint64_t own = arena_span_bytes(sizeof *m), used = atomic_load(&b->used_bytes) - own;
    uint64_t spare =
        b->limit_bytes / SPARE_SHARE + own + FRAME_BUFFER_BYTES + sizeof(struct split_memory);
    if (l->watch != NULL && l->watch->reserve_bytes > spare)
        spare = l->watch->reserve_bytes;
    uint64_t needed = used + l->index_bytes + l->open_bytes + spare;
    bool is_full = false;
    for (uint32_t i = m->n; i-- > 0 && !m->plan[i].is_old;) {
        needed += m->plan[i].memory_bytes;
        is_full = is_full || (needed > b->limit_bytes && i + 1 < m->n);
        m->plan[i].is_left = is_full;
    }
    l->has_room_to_read = l->watch != NULL && needed <= b->limit_bytes &&
                          l->watch->newest_bytes <= b->limit_bytes - needed;
}

static void tell_left(struct load *l, const struct window_plan *p)
{
    char name[FILE_NAME_BYTES];
    if (p->place == IN_NO_FILE)
        directory_left_name(p->number, name);
    else
        directory_window_name(p->number, name);
    l->report->left_windows++;
    if (l->watch != NULL && l->watch->left != NULL)
        l->watch->left(l->watch->ctx,
                       (int64_t)((uint64_t)p->number * (uint64_t)tsdb_options(l->db)->window_ms),
                       name);
}

/* Copies a window that only the snapshot has into a file of its own. */
static int split_off(struct load *l, const struct window_plan *p)
{
    struct split_memory *memory =
        load_need_window_buffer(l) ? load_take_span(l, sizeof *memory) : NULL;
    if (memory == NULL)
        return ERR_NO_MEMORY;
    const struct split_request request = {
        .io = l->io,
        .window = p->number,
        .window_ms = tsdb_options(l->db)->window_ms,
        .generation = p->generation,
        .index_bytes = l->index_bytes,
        .buffers = {l->memory->buffer, l->window_buffer},
        .memory = memory,
    };
    int err = split_window(&request, l->report->detail, sizeof l->report->detail);
    load_give_span(l, memory, sizeof *memory);
    return err;
}

/* Sees to it that a window that stays on disk is in a file of its own. */
static int leave_window(struct load *l, struct window_plan *p)
{
    struct directory_window *dw = directory_make(l->directory, p->number);
    if (dw == NULL)
        return 0; /* older than all that there is room for */
    int err = p->place == IN_SNAPSHOT ? split_off(l, p) : 0;
    if (err < 0)
        return err;
    dw->is_left = true;
    dw->has_file = p->place != IN_NO_FILE;
    dw->generation = p->generation;
    tell_left(l, p);
    return 0;
}

static int leave_windows(struct load *l)
{
    struct load_memory *m = l->memory;
    int err = 0;
    int64_t floor = INT64_MIN;
    for (uint32_t i = 0; err == 0 && i < m->n; i++) {
        if (!m->plan[i].is_left)
            continue;
        err = leave_window(l, &m->plan[i]);
        floor = m->plan[i].number + 1;
    }
    if (err == 0 && floor != INT64_MIN) {
        restore_floor(&l->restore, floor);
        l->directory->are_left = true;
        l->directory->left_floor = floor;
    }
    return err;
}

/* ---- what the directory is now ---- */

/* A window's file is good as it stands if all that it holds is in memory, and nothing else. */
static void note_changes(struct load *l)
{
    static struct tsdb_stats stats;
    tsdb_stats(l->db, &stats);
    l->report->series = stats.series;
    for (uint32_t i = 0; i < l->memory->n; i++) {
        const struct window_plan *p = &l->memory->plan[i];
        struct directory_window *dw = directory_find(l->directory, p->number);
        if (dw == NULL)
            continue;
        dw->file_changes = UINT64_MAX;
        for (uint32_t k = 0; k < stats.n_windows; k++)
            if (p->place == IN_OWN_FILE && !p->was_damaged && stats.windows[k].number == p->number)
                dw->file_changes = stats.windows[k].changes;
        l->report->old_files += p->place == IN_SNAPSHOT && dw->has_file && !dw->is_left;
    }
}

static void begin_progress(struct load *l)
{
    struct snapshot_progress *p = l->watch != NULL ? l->watch->progress : NULL;
    uint64_t bytes = l->snapshot_bytes;
    for (uint32_t i = 0; i < l->memory->n; i++)
        if (l->memory->plan[i].place == IN_OWN_FILE && !l->memory->plan[i].is_left)
            bytes += l->memory->plan[i].file_bytes;
    if (p == NULL)
        return;
    atomic_store(&p->total_bytes, bytes);
    atomic_store(&p->total_windows, l->memory->n);
}

static uint32_t n_to_load(const struct load *l)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->memory->n; i++)
        n += !l->memory->plan[i].is_old && !l->memory->plan[i].is_left;
    return n;
}

static int load_all(struct load *l)
{
    int err = look_at_all(l);
    if (err < 0)
        return err;
    if (l->memory->n > 0) {
        plan_old(l);
        plan_left(l);
    }
    begin_progress(l);
    restore_begin(&l->restore, l->db);
    if (l->memory->n > 0)
        restore_newest(&l->restore, l->memory->plan[l->memory->n - 1].number, n_to_load(l));
    if (l->has_hash_key)
        restore_hash_key(&l->restore, l->hash_key);
    restore_expect_series(&l->restore, l->n_series);
    err = leave_windows(l);
    if (err == 0)
        err = load_windows(l);
    int saved = errno;
    l->restore.is_abandoned = err != 0;
    restore_end(&l->restore);
    if (err == 0)
        note_changes(l);
    errno = saved;
    return err;
}

int load_directory(struct tsdb *db, struct io *io, struct directory *d,
                   const struct snapshot_watch *watch, struct snapshot_report *ret)
{
    struct load l = {.db = db, .io = io, .directory = d, .watch = watch, .report = ret};
    memset(ret, 0, sizeof *ret);
    if (directory_list(d, io, &l.has_snapshot) < 0)
        return fail(&l, ERR_IO, "list", "");
    if (!l.has_snapshot && d->n == 0)
        return ERR_NOT_FOUND;
    l.memory = load_take_span(&l, sizeof *l.memory);
    if (!l.memory)
        return ERR_NO_MEMORY;
    l.memory->n = 0;
    l.memory->decoders.symbols = l.memory->symbols;
    l.memory->decoders.labels = NULL;
    /* what comes back meanwhile will not be wanted again, and would be in the peak of a start */
    size_t retained = arena_retain_spans(tsdb_arena(db), 0);
    int err = load_all(&l);
    load_give_span(&l, l.window_buffer, FRAME_BUFFER_BYTES);
    load_give_span(&l, l.memory, sizeof *l.memory);
    (void)arena_retain_spans(tsdb_arena(db), retained);
    return err;
}

int load_store(struct tsdb *db, struct io *io, struct snapshot_report *ret)
{
    struct directory d;
    return load_directory(db, io, &d, NULL, ret);
}
