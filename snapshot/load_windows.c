/* Windows on their way into the store, several at a time.
 *
 * The snapshot's label sets come first, by one thread, so that series get their ids in the order
 * that they had. What is left is a row of tasks, a window each: a stretch of the snapshot
 * (stretch.h) or a file of its own. Windows share nothing but the series' records, whose chunks may
 * come in any order, so each thread takes one task after the other and has a buffer and a restorer
 * of its own.
 *
 *     job 0           job 1   job 2   job 3 ..         the newest windows, whose chunks are not all
 *     [n | n-1]       [n-2]   [n-3]   [n-4]            sealed, are one job, and the first
 *
 * From the newest back: most questions are about the last hour, and are answered as soon as the
 * windows that they need are there (restore_let_read), while the others load. Backwards is also
 * less work: a chunk of the window before the newest is known to be one that its series has moved
 * on from, and is sealed at once. Within job 0 the order must be kept for that.
 *
 * As long as nobody can read anything, other threads are in the way: two that load at once take
 * pages and history from the same pools. So where the newest window is small and somebody waits for
 * it, the others begin when it is there: it came in 18 instead of 25 ms, all in 35 instead of 36.
 * Where it is large, loading it alone would make the whole start longer by as much.
 *
 * The alternative, one thread that reads and others that decode, keeps the work that costs most,
 * taking slots, in one thread.
 *
 * A snapshot in which anything is out of order is read from its start by one thread, as are
 * directories without one: there the files of windows bring the series, whose ids must not depend
 * on which thread was first. */
#include "snapshot/load_windows.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_STEP_BYTES = 16 * 1024 };

struct load_task {
    struct window_plan *plan;      /* NULL: it has none */
    const struct stretch *stretch; /* NULL: a file of its own */
    struct file_part part;
    bool is_done;
};

struct load_crew;

/* What is taken for a worker beside the first. Of stretches the frames are short, and the first
 * one's buffer is enough for all; files of their own may have frames of any length, and series. */
struct file_memory {
    struct symbol symbols[SYMBOLS_MAX];
    uint8_t buffer[FRAME_BUFFER_BYTES];
};

struct load_worker {
    struct load_crew *crew;
    struct restore restore;
    struct load_decoders decoders;
    uint8_t *buffer;
    struct file_memory *memory; /* NULL = none was taken */
    pthread_t thread;
};

/* What several threads need; a span, for the time of the load. */
struct load_crew {
    struct load *load;
    struct file_load *snapshot; /* read up to its windows */
    struct stretches stretches;
    size_t bytes;        /* of the span */
    size_t buffer_bytes; /* of each worker */
    bool has_own_files;
    uint32_t n_workers;
    struct load_worker workers[LOAD_THREADS_MAX];
    uint32_t n_tasks;
    uint32_t first_open;  /* tasks from here on are one job, the first to be taken */
    bool can_be_read;     /* what is done may be, while the rest is not */
    pthread_mutex_t lock; /* of the rest: */
    bool is_open_taken;
    uint32_t n_left;      /* tasks [0, n_left) are not taken */
    uint32_t done_from;   /* all from here on are done */
    int err, saved_errno; /* of the task that failed first */
    struct load_task *failed;
    struct load_task tasks[]; /* by window, ascending */
};

/* ---- files ---- */

static enum load_choice choose(struct load *l, int64_t window, enum load_place place)
{
    const struct window_plan *p = load_find_plan(l, window);
    if (p == NULL) /* nobody's: the store says what it thinks of it */
        return LOAD_TAKE;
    if (p->is_old)
        return LOAD_IS_OLD;
    return p->is_left || (p->place != place && p->place != IN_NO_FILE) ? LOAD_PASS : LOAD_TAKE;
}

static enum load_choice choose_in_snapshot(void *ctx, int64_t window)
{
    return choose(ctx, window, IN_SNAPSHOT);
}

/* A window's task may be another thread's. */
static enum load_choice choose_in_stretch(void *ctx, int64_t window)
{
    const struct load_task *t = ctx;
    if (window != t->stretch->window)
        return LOAD_IS_FOREIGN;
    return t->plan != NULL && t->plan->is_old ? LOAD_IS_OLD : LOAD_TAKE;
}

/* Who reads does not wait for windows of which nobody knew. */
static enum load_choice choose_nothing(void *ctx, int64_t window)
{
    (void)ctx, (void)window;
    return LOAD_IS_FOREIGN;
}

static enum load_choice choose_in_own_file(void *ctx, int64_t window)
{
    const struct window_plan *p = ctx;
    return window == p->number ? LOAD_TAKE : LOAD_PASS;
}

/* The file in the hands of the whole load; a worker puts his own in the place of what is its. */
static void begin_file(struct load *l, struct file_load *f, const char *name, uint8_t *buffer)
{
    struct snapshot_progress *progress = l->watch != NULL ? l->watch->progress : NULL;
    *f = (struct file_load){
        .db = l->db,
        .restore = &l->restore,
        .io = l->io,
        .name = name,
        .decoders = &l->memory->decoders,
        .buffer = buffer,
        .choose = choose_in_snapshot,
        .ctx = l,
        .progress = progress,
    };
}

static void begin_own_file(struct load *l, struct file_load *f, struct window_plan *p,
                           uint8_t *buffer, char name[FILE_NAME_BYTES], struct number_map *same_ids)
{
    directory_window_name(p->number, name);
    begin_file(l, f, name, buffer);
    f->choose = choose_in_own_file;
    f->ctx = p;
    if (p->naming != 0 && p->naming == l->snapshot_naming)
        f->same_ids = same_ids;
}

static int load_own_file(struct file_load *f, struct window_plan *p)
{
    int err = file_load_open(f);
    if (err == 0) {
        err = file_load_until(f, INT64_MAX);
        file_load_close(f);
    }
    p->was_damaged = f->report.lost_frames + f->report.lost_blocks > 0;
    f->report.series = 0; /* the snapshot has counted them, or they are counted at the end */
    return err;
}

static void keep_detail(struct load *l, const struct snapshot_report *of)
{
    memcpy(l->report->detail, of->detail, sizeof of->detail);
}

static void note_window_done(struct load *l)
{
    if (l->watch != NULL && l->watch->progress != NULL)
        atomic_fetch_add(&l->watch->progress->windows, 1);
}

static bool is_in_own_file(const struct window_plan *p)
{
    return p->place == IN_OWN_FILE && !p->is_old && !p->is_left;
}

/* ---- one thread, from the start of each file ---- */

static int load_next_file(struct load *l, struct window_plan *p)
{
    char name[FILE_NAME_BYTES];
    struct file_load f;
    if (!load_need_window_buffer(l))
        return ERR_NO_MEMORY;
    begin_own_file(l, &f, p, l->window_buffer, name, l->snapshot_ids);
    int err = load_own_file(&f, p);
    load_add_report(l, name, &f.report);
    if (err < 0)
        keep_detail(l, &f.report);
    l->report->window_files++;
    return err;
}

/* snapshot: NULL = there is none. */
static int load_in_turn(struct load *l, struct file_load *snapshot)
{
    struct load_memory *m = l->memory;
    int err = 0;
    for (uint32_t i = 0; err == 0 && i < m->n; i++) {
        struct window_plan *p = &m->plan[i];
        if (snapshot != NULL && p->place == IN_SNAPSHOT)
            err = file_load_until(snapshot, p->number);
        else if (snapshot != NULL)
            err = file_load_until(snapshot, p->number - (p->number > INT64_MIN));
        if (err < 0)
            keep_detail(l, &snapshot->report);
        if (err == 0 && is_in_own_file(p))
            err = load_next_file(l, p);
        note_window_done(l);
    }
    return err;
}

/* ---- several ---- */

static int run_task(struct load_worker *w, struct load_task *t)
{
    struct load_crew *crew = w->crew;
    struct number_map same_ids = crew->snapshot->ids; /* the table is only looked at */
    char name[FILE_NAME_BYTES];
    struct file_load f;
    int err;
    if (t->stretch != NULL) {
        begin_file(crew->load, &f, SNAPSHOT_NAME, w->buffer);
        f.choose = choose_in_stretch;
        f.ctx = t;
    } else {
        begin_own_file(crew->load, &f, t->plan, w->buffer, name, &same_ids);
    }
    f.restore = &w->restore;
    f.decoders = &w->decoders;
    if (t->stretch != NULL)
        return file_load_stretch(&f, crew->snapshot, t->stretch, crew->buffer_bytes, &t->part);
    err = load_own_file(&f, t->plan);
    t->part.report = f.report;
    return err;
}

/* The next tasks, [*ret_from, *ret_to), to be done from the last one on; false: there are none. */
static bool take_job(struct load_crew *crew, uint32_t *ret_from, uint32_t *ret_to)
{
    pthread_mutex_lock(&crew->lock);
    bool is_open = !crew->is_open_taken && crew->first_open < crew->n_tasks;
    bool is_there = crew->err == 0 && (is_open || crew->n_left > 0);
    if (is_there && is_open) {
        crew->is_open_taken = true;
        *ret_from = crew->first_open;
        *ret_to = crew->n_tasks;
    } else if (is_there) {
        *ret_to = crew->n_left--;
        *ret_from = crew->n_left;
    }
    pthread_mutex_unlock(&crew->lock);
    return is_there;
}

static void note_failure(struct load_crew *crew, struct load_task *t, int err)
{
    int saved = errno;
    pthread_mutex_lock(&crew->lock);
    if (crew->err == 0) {
        crew->err = err;
        crew->saved_errno = saved;
        crew->failed = t;
    }
    pthread_mutex_unlock(&crew->lock);
}

/* Task i has come to its end: what is there from some window on without a gap can be read. */
static void note_done(struct load_crew *crew, struct restore *r, uint32_t i)
{
    struct load *l = crew->load;
    restore_finish(r);
    pthread_mutex_lock(&crew->lock);
    crew->tasks[i].is_done = true;
    uint32_t from = crew->done_from;
    while (from > 0 && crew->tasks[from - 1].is_done)
        from--;
    bool is_news = crew->can_be_read && from < crew->done_from;
    bool is_first = is_news && crew->done_from == crew->n_tasks;
    crew->done_from = from;
    int64_t from_ms = is_news ? restore_let_read(&l->restore, crew->tasks[from].plan->number) : 0;
    pthread_mutex_unlock(&crew->lock);
    if (is_first)
        l->watch->newest(l->watch->ctx, from_ms);
}

static void *work(void *ctx);

static uint32_t wanted_threads(const struct load *l)
{
    if (l->watch == NULL || l->watch->n_threads > 0)
        return l->watch == NULL ? 1 : l->watch->n_threads;
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 1 ? (uint32_t)n : 1;
}

static uint32_t n_workers(const struct load_crew *crew)
{
    uint32_t n_jobs = crew->first_open + (crew->first_open < crew->n_tasks);
    size_t most = size_min(size_min(wanted_threads(crew->load), LOAD_THREADS_MAX), n_jobs);
    size_t n_buffers = FRAME_BUFFER_BYTES / crew->buffer_bytes;
    return (uint32_t)(crew->has_own_files ? most : size_min(most, n_buffers));
}

static bool make_worker(struct load_crew *crew, struct load_worker *ret, size_t i)
{
    struct load *l = crew->load;
    ret->crew = crew;
    ret->memory = NULL;
    ret->decoders.labels = NULL;
    if (i == 0 || !crew->has_own_files) {
        ret->buffer = l->memory->buffer + i * crew->buffer_bytes;
        ret->decoders.symbols = i == 0 ? l->memory->symbols : NULL;
        return true;
    }
    ret->memory = load_try_span(l, sizeof *ret->memory);
    if (ret->memory == NULL)
        return false;
    ret->buffer = ret->memory->buffer;
    ret->decoders.symbols = ret->memory->symbols;
    return true;
}

static void end_worker(struct load_crew *crew, struct load_worker *w)
{
    load_give_span(crew->load, w->memory, sizeof *w->memory);
}

/* Once. The one who loads is the first worker, with what he has; where there is no memory for
 * others he is alone. */
static void start_others(struct load_crew *crew)
{
    if (crew->n_workers > 1)
        return;
    for (uint32_t most = n_workers(crew); crew->n_workers < most; crew->n_workers++) {
        struct load_worker *w = &crew->workers[crew->n_workers];
        if (!make_worker(crew, w, crew->n_workers))
            return;
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            end_worker(crew, w);
            return;
        }
    }
}

static bool is_newest_alone(const struct load_crew *crew)
{
    const struct stretch *s = crew->n_tasks > 0 ? crew->tasks[crew->n_tasks - 1].stretch : NULL;
    return crew->can_be_read && s != NULL && s->to - s->from <= LOAD_NEWEST_ALONE_BYTES;
}

static void *work(void *ctx)
{
    struct load_worker *w = ctx;
    struct load_crew *crew = w->crew;
    uint32_t from, i;
    restore_begin_part(&w->restore, &crew->load->restore);
    while (take_job(crew, &from, &i)) {
        for (int err = 0; err == 0 && i-- > from;) {
            err = run_task(w, &crew->tasks[i]);
            if (err < 0)
                note_failure(crew, &crew->tasks[i], err);
            else
                note_done(crew, &w->restore, i);
            if (err == 0 && w == crew->workers)
                start_others(crew);
            if (crew->tasks[i].plan != NULL)
                note_window_done(crew->load);
        }
    }
    restore_end_part(&w->restore);
    return NULL;
}

static void finish(struct load_crew *crew)
{
    for (uint32_t i = 1; i < crew->n_workers; i++) {
        (void)pthread_join(crew->workers[i].thread, NULL);
        end_worker(crew, &crew->workers[i]);
    }
    pthread_mutex_destroy(&crew->lock);
}

static void add_task(struct load_crew *crew, struct window_plan *p, const struct stretch *s)
{
    struct load_task *t = &crew->tasks[crew->n_tasks];
    *t = (struct load_task){.plan = p, .stretch = s};
    if (!restore_is_open(&crew->load->restore, s != NULL ? s->window : p->number))
        crew->first_open = crew->n_tasks + 1;
    crew->n_tasks++;
}

/* A window of the snapshot of which another copy counts is not even read. */
static void add_stretch(struct load_crew *crew, const struct stretch *s)
{
    if (choose(crew->load, s->window, IN_SNAPSHOT) == LOAD_PASS)
        file_load_pass(crew->snapshot, s);
    else
        add_task(crew, load_find_plan(crew->load, s->window), s);
}

/* Not if the journal has kept samples for windows that were left: they come at the end. A window
 * that nobody has planned might drive out others. Where memory is short readers would take what
 * there is for the windows. */
static bool can_be_read(const struct load_crew *crew)
{
    const struct load *l = crew->load;
    bool can = l->watch != NULL && l->watch->newest != NULL && l->has_room_to_read;
    for (uint32_t i = 0; can && i < l->directory->n; i++)
        can = !l->directory->windows[i].has_left;
    for (uint32_t i = 0; can && i < crew->n_tasks; i++)
        can = crew->tasks[i].plan != NULL && !crew->tasks[i].plan->is_old;
    return can;
}

static void gather(struct load_crew *crew)
{
    struct load_memory *m = crew->load->memory;
    const struct stretch *s = crew->stretches.items, *end = s + crew->stretches.n;
    crew->buffer_bytes =
        align_up(FRAME_HEADER_BYTES + crew->stretches.payload_max, BUFFER_STEP_BYTES);
    for (uint32_t i = 0; i < m->n; i++) {
        struct window_plan *p = &m->plan[i];
        for (; s < end && s->window <= p->number; s++)
            add_stretch(crew, s);
        if (is_in_own_file(p)) {
            add_task(crew, p, NULL);
            crew->has_own_files = true;
        }
        if (crew->n_tasks == 0 || crew->tasks[crew->n_tasks - 1].plan != p)
            note_window_done(crew->load);
    }
    for (; s < end; s++)
        add_stretch(crew, s);
    crew->n_left = crew->first_open;
    crew->done_from = crew->n_tasks;
    crew->can_be_read = can_be_read(crew);
    if (crew->has_own_files || crew->buffer_bytes > FRAME_BUFFER_BYTES)
        crew->buffer_bytes = FRAME_BUFFER_BYTES;
}

/* NULL: the snapshot is not in order, or there is no memory for more than one thread needs. */
static struct load_crew *make_crew(struct load *l, struct file_load *snapshot)
{
    struct stretches found;
    if (!file_load_stretches(snapshot, &found))
        return NULL;
    size_t n = found.n + l->memory->n;
    size_t bytes = sizeof(struct load_crew) + n * sizeof(struct load_task);
    struct load_crew *crew = load_try_span(l, bytes);
    if (crew == NULL)
        return NULL;
    memset(crew, 0, sizeof *crew);
    crew->load = l;
    crew->snapshot = snapshot;
    crew->stretches = found;
    crew->bytes = bytes;
    pthread_mutex_init(&crew->lock, NULL);
    gather(crew);
    return crew;
}

static void add_task_report(struct load *l, struct file_load *snapshot, const struct load_task *t)
{
    char name[FILE_NAME_BYTES];
    if (t->stretch != NULL) {
        file_load_add_part(snapshot, &t->part);
        return;
    }
    directory_window_name(t->plan->number, name);
    load_add_report(l, name, &t->part.report);
    l->report->window_files++;
}

static int load_side_by_side(struct load_crew *crew)
{
    struct load *l = crew->load;
    crew->n_workers = make_worker(crew, &crew->workers[0], 0) ? 1 : 0;
    if (!is_newest_alone(crew))
        start_others(crew);
    (void)work(&crew->workers[0]);
    finish(crew);
    for (uint32_t i = 0; crew->err == 0 && i < crew->n_tasks; i++)
        add_task_report(l, crew->snapshot, &crew->tasks[i]);
    int err = crew->err;
    errno = crew->saved_errno;
    if (err < 0) {
        keep_detail(l, &crew->failed->part.report);
        return err;
    }
    crew->snapshot->choose = choose_nothing; /* behind the stretches only the end belongs to it */
    err = file_load_skip(crew->snapshot, &crew->stretches);
    if (err < 0)
        keep_detail(l, &crew->snapshot->report);
    return err;
}

/* ---- all ---- */

static int load_samples(struct load *l, struct file_load *snapshot)
{
    struct load_crew *crew = make_crew(l, snapshot);
    int err = crew != NULL ? load_side_by_side(crew) : load_in_turn(l, snapshot);
    if (crew != NULL)
        load_give_span(l, crew, crew->bytes);
    if (err < 0)
        return err;
    err = file_load_until(snapshot, INT64_MAX);
    if (err < 0)
        keep_detail(l, &snapshot->report);
    return err;
}

/* What only these need goes back before the windows come, which then lie where it was. Without
 * memory for it they take longer. */
static int load_label_sets(struct load *l, struct file_load *snapshot)
{
    struct restored_labels *labels = load_try_span(l, sizeof *labels);
    if (labels != NULL)
        restore_labels_init(labels);
    l->memory->decoders.labels = labels;
    int err = file_load_until(snapshot, INT64_MIN);
    l->memory->decoders.labels = NULL;
    load_give_span(l, labels, sizeof *labels);
    return err;
}

static int load_snapshot(struct load *l)
{
    struct file_load snapshot;
    begin_file(l, &snapshot, SNAPSHOT_NAME, l->memory->buffer);
    int err = file_load_open(&snapshot);
    if (err < 0) {
        keep_detail(l, &snapshot.report);
        return err;
    }
    l->snapshot_ids = &snapshot.ids;
    err = load_label_sets(l, &snapshot);
    if (err < 0)
        keep_detail(l, &snapshot.report);
    else
        err = load_samples(l, &snapshot);
    l->snapshot_ids = NULL;
    file_load_close(&snapshot);
    if (err == 0)
        load_add_report(l, SNAPSHOT_NAME, &snapshot.report);
    return err;
}

int load_windows(struct load *l)
{
    for (uint32_t i = 0; i < l->memory->n; i++) {
        const struct window_plan *p = &l->memory->plan[i];
        l->report->old_files += p->place == IN_OWN_FILE && p->is_old;
    }
    return l->has_snapshot ? load_snapshot(l) : load_in_turn(l, NULL);
}
