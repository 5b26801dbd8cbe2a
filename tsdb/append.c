/* A sample's way in: what is accepted, and where it goes.
 *
 * Order of the questions. First the clock (is the time one that we keep at all), because it needs
 * no series and a new series must not be made for samples that are all refused. Then the series:
 * found by the key of its form, or by that of its labels, or made. Then its own past: a time that
 * is already there is a duplicate or a contradiction, a time too far behind its newest sample is
 * out of order. A repeat of what is kept is success at any age, so that a sender that did not hear
 * our answer can send again.
 *
 * Nearly every entry of a request is one sample of a series that is there, and goes to the end of
 * its newest chunk: append_usual.c takes those of a group without any of what the others need.
 *
 * Locks. Nearly every sample goes to a series that is there, in a window that is there: the store's
 * lock is held for reading, beside other batches and queries, and the series' version while its
 * samples go in. A new series or window needs the lock for writing: the batch lets go, makes what
 * is missing (for a group of entries at once), takes the lock for reading again and looks the
 * series up anew.
 */
#include "tsdb/append_usual.h"

#include <string.h>

enum {
    SLICE_SERIES = 512, /* series under one hold of the lock */
    SEARCH_SERIES = 64, /* series looked up at once */
};

/* How the labels of an entry are had. */
struct parser {
    append_parse parse;
    void *ctx;
};

/* The work on one series. */
struct intake {
    struct append *batch;
    struct tsdb *db;
    const struct append_entry *entry; /* NULL: it came as labels */
    const struct parser *parser;
    const struct labels *labels; /* NULL until somebody needs those of the entry */
    struct labels parsed;
    struct series_key key; /* of the labels; while they are not known, of the form */
    struct series *series; /* NULL until it is found or made */
    uint32_t id;           /* of the series that was there last, or 0 */
    struct append_counts *counts;
    int parse_err; /* the labels are not to be had: the rest of the samples is refused */
    int make_err;  /* the series was not made, and is not tried again */
    bool is_new;   /* nobody has made the series */
};

/* ---- the batch ---- */

/* While the batch was outside, a window may have gone and its timelines' slots may be others'. */
static void enter(struct append *b)
{
    if (b->times != NULL)
        times_cache_init(b->times, b->times->items, b->times->n_items);
    memset(&b->memo, 0, sizeof(b->memo));
    pthread_rwlock_rdlock(&b->db->lock);
    b->place = slots_enter(&b->db->slots);
    b->known.window = NULL;
    b->known.clock_start_ms = INT64_MAX;
    b->n_series = 0;
    b->n_holds++;
}

static void leave(struct append *b)
{
    append_flush_tally(b);
    slots_count_open(&b->db->slots, &b->open_payload);
    slots_leave(&b->db->slots, b->place);
    pthread_rwlock_unlock(&b->db->lock);
}

static bool is_turn_due(struct tsdb *db)
{
    return db->windows.n_live > 0 && clock_is_due(&db->clock, window_live(&db->windows, 0)->number);
}

/* Where samples are the clock, one may have pushed the oldest window out. */
static bool must_turn(struct append *b)
{
    struct tsdb *db = b->db;
    if (db->options.clock != CLOCK_SAMPLES || append_is_clock_known(b))
        return false;
    int64_t now_ms = clock_now_ms(&db->clock);
    if (is_turn_due(db))
        return true;
    b->known.window = NULL;
    b->known.clock_start_ms = clock_window_start(&db->clock, clock_window_of(&db->clock, now_ms));
    return false;
}

/* Turns the glass if it is time; the batch must be outside. */
static void turn(struct tsdb *db)
{
    pthread_rwlock_wrlock(&db->lock);
    store_turn_locked(db);
    pthread_rwlock_unlock(&db->lock);
}

static void turn_inside(struct append *b)
{
    leave(b);
    turn(b->db);
    enter(b);
}

static void begin(struct append *b, struct tsdb *db, bool is_replay, int64_t now_ms)
{
    memset(b, 0, sizeof(*b));
    b->db = db;
    b->is_replay = is_replay;
    b->begun_ms = now_ms;
    enter(b);
    if (is_turn_due(db))
        turn_inside(b);
}

void append_begin(struct append *b, struct tsdb *db)
{
    begin(b, db, false, clock_now_ms(&db->clock));
}

/* Nothing is ahead of the latest time there is. */
void append_begin_replay(struct append *b, struct tsdb *db)
{
    clock_distrust(&db->clock);
    begin(b, db, true, INT64_MAX - TSDB_AHEAD_MS);
}

void append_end(struct append *b)
{
    struct tsdb *db = b->db;
    leave(b);
    for (unsigned i = 0; i < STORE_COUNTERS; i++)
        if (b->counters[i] > 0)
            store_count(db, i, b->counters[i]);
    slots_drain(&db->slots);
    if (atomic_load_explicit(&db->windows.n_expiring, memory_order_relaxed) > 0) {
        pthread_rwlock_wrlock(&db->lock);
        (void)store_sweep_locked(db, EXPIRE_SLICE_SERIES);
        pthread_rwlock_unlock(&db->lock);
    }
    b->db = NULL;
}

/* ---- refusals ---- */

static enum store_counter refusal_counter(int err)
{
    switch (err) {
    case ERR_TOO_OLD:
        return N_REFUSED_TOO_OLD;
    case ERR_TOO_FAR_AHEAD:
        return N_REFUSED_TOO_FAR_AHEAD;
    case ERR_OUT_OF_ORDER:
        return N_REFUSED_OUT_OF_ORDER;
    case ERR_DUPLICATE:
        return N_REFUSED_DUPLICATE;
    case ERR_MAX_SERIES:
    case ERR_MAX_SERIES_METRIC:
        return N_REFUSED_LIMIT;
    case ERR_NO_ROOM:
        return N_REFUSED_ROOM;
    default:
        return N_REFUSED_MEMORY;
    }
}

static int refuse(struct intake *in, int err, const struct sample *sample, int64_t bound_ms)
{
    struct append_counts *c = in->counts;
    in->batch->counters[refusal_counter(err)]++;
    c->refused++;
    c->refused_memory += err == ERR_NO_MEMORY;
    if (c->first_err == 0) {
        c->first_err = err;
        c->first_t_ms = sample->t_ms;
        c->first_bound_ms = bound_ms;
    }
    if (c->on_refused != NULL)
        c->on_refused(c->ctx, sample);
    return err;
}

/* ---- the questions ---- */

/* Whether a time is one that the store keeps; *ret_bound is the limit that it breaks. */
static int check_time(const struct intake *in, int64_t t_ms, int64_t *ret_bound)
{
    struct tsdb *db = in->db;
    const struct clock *c = &db->clock;
    int64_t begun_ms = in->batch->begun_ms;
    bool is_wall = db->options.clock == CLOCK_WALL;
    if (is_wall && t_ms > begun_ms + TSDB_AHEAD_MS) {
        *ret_bound = begun_ms + TSDB_AHEAD_MS;
        return ERR_TOO_FAR_AHEAD;
    }
    int64_t number = clock_window_of(c, t_ms), oldest;
    if (in->batch->is_replay)
        oldest = store_oldest_restored(db, number);
    else
        oldest = clock_oldest_window(c, is_wall ? begun_ms : clock_now_ms(c));
    /* a wall clock that jumped leaves windows behind; by samples, one that is due is only waiting
     */
    if (number >= oldest || (is_wall && window_of_number(&db->windows, number) != NULL))
        return 0;
    *ret_bound = clock_window_start(c, oldest);
    return ERR_TOO_OLD;
}

static int check_limits_locked(struct tsdb *db, const struct labels *ls)
{
    const struct tsdb_options *o = &db->options;
    if (o->max_series != 0 && db->series.n >= o->max_series)
        return ERR_MAX_SERIES;
    if (o->has_room != NULL && !o->has_room(o->room_ctx))
        return ERR_NO_ROOM;
    if (o->max_series_per_metric == 0)
        return 0;
    const struct label *name = labels_get(ls, LABEL_METRIC_NAME, strlen(LABEL_METRIC_NAME));
    uint32_t pair = pair_find(db->arena, &db->labels.pairs, &db->labels.symbols, name->name,
                              name->name_len, name->value, name->value_len);
    bool is_full = pair != 0 && store_postings(db, pair)->n >= o->max_series_per_metric;
    return is_full ? ERR_MAX_SERIES_METRIC : 0;
}

/* A sample that is not newer than all others of its series: a repeat, a contradiction, out of
 * order, or welcome. 1 = a repeat. The series' version is held. */
static int check_past(struct intake *in, const struct window *w, const struct sample *sample,
                      int64_t *ret_bound)
{
    struct tsdb *db = in->db;
    const struct series *s = in->series;
    struct chunk_view v;
    uint64_t value;
    if (series_own_view(db->arena, s, w->serial, &v) &&
        chunk_find(db->arena, in->batch->times, &v, window_time_of(w, sample->t_ms), &value)) {
        *ret_bound = sample->t_ms;
        return value == sample->value ? 1 : ERR_DUPLICATE;
    }
    int64_t newest_ms = s->state.newest_ms;
    uint64_t behind_ms = (uint64_t)newest_ms - (uint64_t)sample->t_ms;
    if (behind_ms > (uint64_t)db->options.out_of_order_ms && !in->batch->is_replay) {
        *ret_bound = (int64_t)((uint64_t)newest_ms - (uint64_t)db->options.out_of_order_ms);
        return ERR_OUT_OF_ORDER;
    }
    return 0;
}

/* ---- series and windows that are not there yet ---- */

/* Sees to it that the labels are there. */
static int know_labels(struct intake *in)
{
    if (in->labels != NULL)
        return 0;
    in->parse_err = in->parser->parse(in->parser->ctx, in->entry, &in->parsed);
    if (in->parse_err != 0)
        return in->parse_err;
    const struct append_entry *e = in->entry;
    in->labels = &in->parsed;
    if (e->is_alias || !series_form_is_canonical(&in->parsed, e->form, e->n_form))
        in->key = series_key_of_labels(&in->db->series.hash, in->labels);
    return 0;
}

/* Whether the form that came is another one than that whose key is the labels'. */
static bool is_other_form(const struct intake *in)
{
    return in->entry != NULL && !series_keys_are_equal(in->entry->key, in->key);
}

/* Makes the series, unless it is there, and lets the form lead to it. */
static int make_series_locked(struct intake *in)
{
    struct tsdb *db = in->db;
    slot at = in->is_new ? 0 : series_find_labels(db->arena, &db->series, in->key);
    int err = at != 0 || in->batch->is_replay ? 0 : check_limits_locked(db, in->labels);
    if (err != 0)
        return err;
    if (at == 0) {
        at = series_new(&db->slots, &db->series, &db->labels, in->labels, in->key);
        if (at == 0)
            return ERR_NO_MEMORY;
        in->batch->counters[N_SERIES_CREATED]++;
    }
    in->id = series_at(db->arena, at)->id;
    if (is_other_form(in)) /* without memory for it, it is parsed next time as well */
        (void)!series_alias(db->arena, &db->series, in->entry->key, at);
    return 0;
}

static void set_series(struct intake *in, slot at)
{
    in->series = at != 0 ? series_at(in->db->arena, at) : NULL;
    in->id = in->series != NULL ? in->series->id : 0;
}

static void find_series(struct intake *in)
{
    set_series(in, series_find(in->db->arena, &in->db->series, in->key));
}

/* The lock was given up in between: the series may lie elsewhere, or have gone, or have come. */
static void find_again(struct intake *in)
{
    if (in->id != 0)
        set_series(in, series_of_id(in->db->arena, &in->db->series, in->id));
    else
        find_series(in);
}

/* Makes the window of a time and the series. Another thread may remove either before we are
 * inside again, so the caller looks. */
static int make(struct intake *in, int64_t t_ms)
{
    struct tsdb *db = in->db;
    leave(in->batch);
    pthread_rwlock_wrlock(&db->lock);
    store_make_room_locked(db);
    int err = make_series_locked(in);
    int64_t number = clock_window_of(&db->clock, t_ms);
    if (err == 0 && in->batch->is_replay)
        err = store_restore_window_locked(db, number);
    else if (err == 0 && store_window_locked(db, number) == NULL)
        err = ERR_NO_MEMORY;
    pthread_rwlock_unlock(&db->lock);
    enter(in->batch);
    find_again(in);
    return err;
}

/* ---- one series ---- */

struct addition { /* ctx of add_sample */
    struct intake *in;
    uint32_t time;
    uint64_t value;
    bool is_late;
};

static int add_sample(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    const struct addition *d = ctx;
    const struct arena *a = d->in->db->arena;
    bool is_later = !d->is_late;
    if (d->is_late && chunk->serial == 0) {
        is_later = true;
    } else if (d->is_late && !w->is_open) {
        struct chunk_view v;
        uint32_t first, last;
        v.c = *chunk;
        chunk_view_head(a, &v);
        chunk_span(a, w->times, &v, &first, &last);
        is_later = d->time > last;
    }
    bool is_new = chunk->serial == 0;
    int err = chunk_add(w, chunk, d->time, d->value, is_later);
    d->in->batch->counters[N_CHUNKS_CREATED] += err == 0 && is_new;
    return err;
}

/* Counts n samples of a window, from min_ms to max_ms; the newest of the series unless it is one
 * that came late. */
static void took(struct intake *in, struct window *w, size_t n, int64_t min_ms, int64_t max_ms,
                 bool is_late)
{
    in->batch->counters[N_SAMPLES_LATE] += is_late;
    if (!is_late)
        words_store(&in->series->state.newest_ms, &max_ms, sizeof(max_ms));
    append_took(in->batch, in->counts, w, n, min_ms, max_ms);
    window_reopen(w, in->series->id);
}

/* One sample of a series that is there, in a window that is there; the version is held. 0 = stored
 * or a repeat, else why not. */
static int take(struct intake *in, struct series_writer *sw, struct window *w,
                const struct sample *sample)
{
    struct tsdb *db = in->db;
    struct series *s = in->series;
    int64_t bound = 0;
    int err = 0;
    bool has_past = window_of_serial(&db->windows, s->state.newest.serial) != NULL;
    bool is_late = has_past && sample->t_ms <= s->state.newest_ms;
    if (is_late)
        err = check_past(in, w, sample, &bound);
    if (err > 0) {
        in->counts->duplicate++;
        in->batch->counters[N_SAMPLES_DUPLICATE]++;
        return 0;
    }
    if (err == 0) {
        struct addition d = {in, window_time_of(w, sample->t_ms), sample->value, is_late};
        err = series_change_chunk(sw, s, w, add_sample, &d);
    }
    if (err != 0)
        return refuse(in, err, sample, bound);
    took(in, w, 1, sample->t_ms, sample->t_ms, is_late);
    return 0;
}

/* Takes the usual ones (chunk_extend) of the first samples, if the series' newest chunk is in a
 * window that is known; returns how many. */
static size_t take_usual(struct intake *in, struct chunk_writer *cw, const struct sample *samples,
                         size_t n)
{
    enum { MOST = 16 };
    struct series *s = in->series;
    int64_t max_ms;
    struct window *w = append_known_window(in->batch, &max_ms);
    uint32_t times[MOST];
    uint64_t values[MOST];
    size_t n_usual = 0;
    if (w == NULL || s->state.newest.serial != w->serial)
        return 0;
    int64_t before_ms = s->state.newest_ms;
    for (; n_usual < n && n_usual < MOST; n_usual++) {
        const struct sample *sample = &samples[n_usual];
        if (sample->t_ms <= before_ms || sample->t_ms > max_ms)
            break;
        before_ms = sample->t_ms;
        times[n_usual] = window_time_of(w, sample->t_ms);
        values[n_usual] = sample->value;
    }
    cw->phase = s->state.phase;
    n_usual = chunk_extend(cw, &s->state.newest, times, values, n_usual);
    if (n_usual > 0)
        took(in, w, n_usual, samples[0].t_ms, samples[n_usual - 1].t_ms, false);
    return n_usual;
}

/* The window of a time; *ret_err: why the time is refused. NULL without that: there is none yet. */
static struct window *window_of(struct intake *in, int64_t t_ms, int *ret_err, int64_t *ret_bound)
{
    struct tsdb *db = in->db;
    int64_t max_ms;
    struct window *w = append_known_window(in->batch, &max_ms);
    *ret_err = 0;
    if (w != NULL && t_ms >= w->start_ms && t_ms <= max_ms)
        return w;
    *ret_err = check_time(in, t_ms, ret_bound);
    w = window_of_number(&db->windows, clock_window_of(&db->clock, t_ms));
    if (*ret_err == 0)
        in->batch->known.window = w;
    return w;
}

/* Takes samples as long as their windows are there; returns how many were dealt with. They become
 * visible together, so a turn that is due waits for the last. */
static size_t take_run(struct intake *in, const struct sample *samples, size_t n, int *io_first)
{
    struct append *b = in->batch;
    struct series_writer sw = store_writer(in->db, b->times);
    size_t i = 0;
    sw.chunk.memo = &b->memo;
    sw.chunk.open_payload = &b->open_payload;
    version_lock(&in->series->version);
    while (i < n) {
        int64_t bound = 0;
        int err;
        size_t n_usual = take_usual(in, &sw.chunk, &samples[i], n - i);
        i += n_usual;
        if (n_usual > 0)
            continue;
        struct window *w = window_of(in, samples[i].t_ms, &err, &bound);
        if (err == 0 && w == NULL)
            break;
        err = err != 0 ? refuse(in, err, &samples[i], bound) : take(in, &sw, w, &samples[i]);
        *io_first = *io_first != 0 ? *io_first : err;
        i++;
    }
    version_unlock(&in->series->version);
    return i;
}

/* A series made for samples that were then refused, or found no memory, must not stay. */
static void drop_if_empty(struct intake *in)
{
    struct tsdb *db = in->db;
    leave(in->batch);
    pthread_rwlock_wrlock(&db->lock);
    slot at = series_of_id(db->arena, &db->series, in->id);
    if (at != 0 && series_is_empty(series_at(db->arena, at)))
        store_unmake_series_locked(db, at);
    pthread_rwlock_unlock(&db->lock);
    enter(in->batch);
    find_again(in);
}

/* The first sample of the rest, whose series or window is missing; 1 = it is dealt with. */
static int take_first(struct intake *in, const struct sample *sample, int *io_first)
{
    int64_t bound = 0;
    int err = check_time(in, sample->t_ms, &bound);
    if (err == 0 && in->make_err == 0 && know_labels(in) != 0)
        return 0;
    if (err == 0)
        err = in->make_err != 0 ? in->make_err : make(in, sample->t_ms);
    if (err == 0)
        return 0;
    err = refuse(in, err, sample, bound);
    *io_first = *io_first != 0 ? *io_first : err;
    return 1;
}

/* in->series: as found, or NULL. */
static int append_intake(struct intake *in, const struct sample *samples, size_t n)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    struct append *b = in->batch;
    int first = 0;
    times_cache_init(&times, items, TIMES_CACHE_WRITER);
    b->times = &times;
    for (size_t i = 0; i < n && in->parse_err == 0;) {
        size_t done = in->series != NULL ? take_run(in, &samples[i], n - i, &first) : 0;
        i += done;
        if (must_turn(b)) {
            turn_inside(b);
            find_again(in);
        } else if (done == 0) {
            i += (size_t)take_first(in, &samples[i], &first);
        }
    }
    if (in->series != NULL && series_is_empty(in->series))
        drop_if_empty(in);
    b->times = NULL;
    return first != 0 ? first : in->parse_err;
}

/* So many more series will be taken under this hold of the lock. */
static void go_on(struct append *b, unsigned n_series)
{
    if (b->n_series + n_series > SLICE_SERIES) {
        leave(b);
        enter(b);
    }
    b->n_series += n_series;
}

int append_samples(struct append *b, const struct labels *ls, const struct sample *samples,
                   size_t n, struct append_counts *counts)
{
    struct intake in = {.batch = b,
                        .db = b->db,
                        .labels = ls,
                        .key = series_key_of_labels(&b->db->series.hash, ls),
                        .counts = counts};
    go_on(b, 1);
    find_series(&in);
    return append_intake(&in, samples, n);
}

/* What was looked up stays where it is for as long as the lock is held; whoever makes a series lets
 * go of it, and from then on the others are found by their ids. */
static void set_found(struct intake *in, const struct series_wanted *found, uint64_t hold)
{
    in->id = found->id;
    if (in->batch->n_holds != hold)
        find_again(in);
    else if (in->id != 0)
        in->series = series_at(in->db->arena, found->series);
}

static void append_group(struct append *b, struct append_series *series, unsigned n,
                         struct append_counts *counts)
{
    struct tsdb *db = b->db;
    struct series_wanted wanted[SEARCH_SERIES];
    for (unsigned i = 0; i < n; i++)
        wanted[i] = (struct series_wanted){
            .key = series_key_of_labels(&db->series.hash, &series[i].labels)};
    series_find_many(db->arena, &db->series, wanted, n, false);
    series_fetch_many(db->arena, wanted, n);
    uint64_t hold = b->n_holds;
    for (unsigned i = 0; i < n; i++) {
        struct intake in = {.batch = b,
                            .db = db,
                            .labels = &series[i].labels,
                            .key = wanted[i].key,
                            .counts = counts};
        set_found(&in, &wanted[i], hold);
        series[i].err = append_intake(&in, series[i].samples, series[i].n_samples);
    }
}

void append_many(struct append *b, struct append_series *series, size_t n,
                 struct append_counts *counts)
{
    for (size_t from = 0; from < n; from += SEARCH_SERIES) {
        unsigned n_group = (unsigned)size_min(n - from, SEARCH_SERIES);
        go_on(b, n_group);
        append_group(b, series + from, n_group, counts);
    }
}

/* ---- forms ---- */

/* Enters a form that led nowhere, though its series is there. */
static void learn_form(struct intake *in)
{
    struct tsdb *db = in->db;
    if (in->series->state.n_aliases >= SERIES_ALIASES_MAX)
        return;
    leave(in->batch);
    pthread_rwlock_wrlock(&db->lock);
    slot at = series_find_labels(db->arena, &db->series, in->key);
    if (at != 0)
        (void)!series_alias(db->arena, &db->series, in->entry->key, at);
    pthread_rwlock_unlock(&db->lock);
    enter(in->batch);
    find_series(in);
}

static int append_entry(struct intake *in)
{
    const struct append_entry *e = in->entry;
    if (in->parse_err != 0)
        return e->n_samples > 0 ? in->parse_err : 0;
    if (in->series == NULL && in->make_err == 0) {
        if (know_labels(in) != 0)
            return e->n_samples > 0 ? in->parse_err : 0;
        if (is_other_form(in))
            find_series(in);
        if (in->series != NULL)
            learn_form(in);
    }
    return append_intake(in, e->samples, e->n_samples);
}

/* A series that was made before its turn, or not. */
struct made {
    uint32_t id;
    int parse_err, make_err;
};

/* What was said of a time, under the same hold of the lock for writing. */
struct welcome {
    int64_t t_ms;
    bool is_known, is_welcome;
};

/* Whether a series should be made for an entry whose form is not known: its first sample is for a
 * window that is there. Any other entry has its series made when its turn comes. Most have the time
 * of the one before. */
static bool is_welcome(struct intake *in, struct welcome *before)
{
    struct tsdb *db = in->db;
    const struct append_entry *e = in->entry;
    int64_t bound;
    if (e->n_samples == 0)
        return false;
    int64_t t_ms = e->samples[0].t_ms;
    if (!before->is_known || before->t_ms != t_ms) {
        bool is_good = check_time(in, t_ms, &bound) == 0 &&
                       window_of_number(&db->windows, clock_window_of(&db->clock, t_ms)) != NULL;
        *before = (struct welcome){t_ms, true, is_good};
    }
    return before->is_welcome;
}

/* Makes the series of a group's unknown forms, and learns forms of those that are there, under one
 * hold of the lock. If nobody has made a series since, what was not found is new, unless it comes
 * twice. */
static void make_group(struct append *b, const struct append_entry *e, unsigned n,
                       const struct parser *parser, const struct series_wanted *wanted,
                       struct made *ret)
{
    struct series_keys_seen seen = {0};
    struct welcome welcome = {0};
    uint64_t next_id = b->db->series.next_id;
    leave(b);
    pthread_rwlock_wrlock(&b->db->lock);
    bool is_current = !e[0].is_alias && b->db->series.next_id == next_id;
    for (unsigned i = 0; i < n; i++) {
        struct intake in = {
            .batch = b, .db = b->db, .entry = &e[i], .parser = parser, .key = wanted[i].key};
        ret[i] = (struct made){0, 0, 0};
        if (wanted[i].id != 0 || !is_welcome(&in, &welcome))
            continue;
        ret[i].parse_err = know_labels(&in);
        in.is_new = !series_key_see(&seen, in.key) && is_current && !is_other_form(&in);
        if (ret[i].parse_err == 0)
            ret[i].make_err = make_series_locked(&in);
        ret[i].id = in.id;
    }
    pthread_rwlock_unlock(&b->db->lock);
    enter(b);
}

static void take_made(struct intake *in, const struct made *made)
{
    in->parse_err = made->parse_err;
    in->make_err = made->make_err;
    in->id = made->id;
    find_again(in);
}

/* Any entry, found or made. */
static void __attribute__((noinline))
append_any(struct append *b, struct append_entry *e, const struct parser *parser,
           const struct series_wanted *wanted, const struct made *made, uint64_t hold,
           struct append_counts *counts)
{
    struct intake in = {
        .batch = b, .db = b->db, .entry = e, .parser = parser, .key = e->key, .counts = counts};
    if (wanted->id != 0)
        set_found(&in, wanted, hold);
    else
        take_made(&in, made);
    e->err = append_entry(&in);
    e->series = in.id;
}

/* How many series before its turn a series is asked for once more. */
enum { AHEAD_SERIES = 8 };

/* Most entries are one usual sample of a series that is there: of those nothing is made but what
 * becomes of it. */
static void append_found(struct append *b, struct append_entry *e, unsigned n,
                         const struct parser *parser, const struct series_wanted *wanted,
                         const struct made *made, uint64_t hold, struct append_counts *counts)
{
    const struct arena *a = b->db->arena;
    struct usual usual;
    usual_begin(&usual, b, counts);
    for (unsigned i = 0; i < n; i++) {
        const struct series_wanted *w = &wanted[i];
        if (i + AHEAD_SERIES < n && b->n_holds == hold)
            series_fetch_head(a, &wanted[i + AHEAD_SERIES]);
        if (e[i].n_samples == 1 && w->id != 0 && b->n_holds == hold &&
            usual_take(&usual, series_at(a, w->series), e[i].samples)) {
            e[i].err = 0;
            e[i].series = w->id;
            continue;
        }
        usual_end(&usual);
        append_any(b, &e[i], parser, w, &made[i], hold, counts);
        usual_begin(&usual, b, counts);
    }
    usual_end(&usual);
}

static void append_entry_group(struct append *b, struct append_entry *e, unsigned n,
                               const struct parser *parser, struct append_counts *counts)
{
    struct tsdb *db = b->db;
    struct series_wanted wanted[SEARCH_SERIES];
    struct made made[SEARCH_SERIES];
    unsigned n_unknown = 0;
    for (unsigned i = 0; i < n; i++) { /* the rest is the answer's */
        wanted[i].form = e[i].has_key ? NULL : e[i].form;
        wanted[i].n_form = e[i].n_form;
        wanted[i].key = e[i].key;
    }
    series_find_many(db->arena, &db->series, wanted, n, n > 0 && e[0].is_alias);
    series_fetch_many(db->arena, wanted, n);
    uint64_t hold = b->n_holds;
    for (unsigned i = 0; i < n; i++) {
        e[i].key = wanted[i].key;
        n_unknown += wanted[i].id == 0;
    }
    if (n_unknown > 0)
        make_group(b, e, n, parser, wanted, made);
    append_found(b, e, n, parser, wanted, made, hold, counts);
}

void append_hash_ahead(const struct tsdb *db, struct append_entry *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        e[i].key = series_key_of_form(&db->series.hash, e[i].form, e[i].n_form);
        e[i].has_key = true;
    }
}

void append_entries(struct append *b, struct append_entry *e, size_t n, append_parse parse,
                    void *ctx, struct append_counts *counts)
{
    const struct parser parser = {parse, ctx};
    for (size_t from = 0; from < n; from += SEARCH_SERIES) {
        unsigned n_group = (unsigned)size_min(n - from, SEARCH_SERIES);
        go_on(b, n_group);
        append_entry_group(b, e + from, n_group, &parser, counts);
    }
}
