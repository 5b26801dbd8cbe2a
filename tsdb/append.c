/* A sample's way in: what is accepted, and where it goes.
 *
 * Order of the questions. First the clock (is the time one that we keep at all), because it needs
 * no series and a new series must not be made for samples that are all refused. Then the series:
 * found by the hash of its labels, or made. Then its own past: a time that is already there is a
 * duplicate or a contradiction, a time too far behind its newest sample is out of order. A repeat
 * of what is kept is success at any age, so that a sender that did not hear our answer can send
 * again.
 */
#include "tsdb/append.h"
#include "tsdb/store.h"

#include <string.h>

/* The work on one series. */
struct intake {
    struct tsdb *db;
    const struct labels *labels;
    uint64_t hash;
    slot series; /* 0 until it is found or made */
    int64_t begun_ms;
    struct append_counts *counts;
};

void append_begin(struct append *b, struct tsdb *db)
{
    b->db = db;
    pthread_rwlock_wrlock(&db->lock);
    b->begun_ms = clock_now_ms(&db->clock);
    store_turn_locked(db);
}

void append_end(struct append *b)
{
    store_turn_locked(b->db);
    (void)store_sweep_locked(b->db, EXPIRE_SLICE_SERIES);
    pthread_rwlock_unlock(&b->db->lock);
    b->db = NULL;
}

/* ---- refusals ---- */

static uint64_t *refusal_counter(struct tsdb *db, int err)
{
    switch (err) {
    case ERR_TOO_OLD:
        return &db->refused_too_old;
    case ERR_TOO_FAR_AHEAD:
        return &db->refused_too_far_ahead;
    case ERR_OUT_OF_ORDER:
        return &db->refused_out_of_order;
    case ERR_DUPLICATE:
        return &db->refused_duplicate;
    case ERR_MAX_SERIES:
    case ERR_MAX_SERIES_METRIC:
        return &db->refused_limit;
    default:
        return &db->refused_memory;
    }
}

static int refuse(struct intake *in, int err, int64_t t_ms, int64_t bound_ms)
{
    ++*refusal_counter(in->db, err);
    in->counts->refused++;
    in->counts->refused_memory += err == ERR_NO_MEMORY;
    if (in->counts->first_err == 0) {
        in->counts->first_err = err;
        in->counts->first_t_ms = t_ms;
        in->counts->first_bound_ms = bound_ms;
    }
    return err;
}

/* ---- the questions ---- */

/* Whether a time is one that the store keeps; *ret_bound is the limit that it breaks. */
static int check_time(const struct intake *in, int64_t t_ms, int64_t *ret_bound)
{
    struct tsdb *db = in->db;
    const struct clock *c = &db->clock;
    bool is_wall = db->options.clock == CLOCK_WALL;
    if (is_wall && t_ms > in->begun_ms + TSDB_AHEAD_MS) {
        *ret_bound = in->begun_ms + TSDB_AHEAD_MS;
        return ERR_TOO_FAR_AHEAD;
    }
    int64_t number = clock_window_of(c, t_ms);
    int64_t oldest = clock_oldest_window(c, is_wall ? in->begun_ms : clock_now_ms(c));
    if (number >= oldest || window_of_number(&db->windows, number) != NULL)
        return 0;
    *ret_bound = clock_window_start(c, oldest);
    return ERR_TOO_OLD;
}

static int check_limits(struct tsdb *db, const struct labels *ls)
{
    const struct tsdb_options *o = &db->options;
    if (o->max_series != 0 && db->series.n >= o->max_series)
        return ERR_MAX_SERIES;
    if (o->max_series_per_metric == 0)
        return 0;
    const struct label *name = labels_get(ls, LABEL_METRIC_NAME, strlen(LABEL_METRIC_NAME));
    uint32_t pair = pair_find(db->arena, &db->labels.pairs, &db->labels.symbols, name->name,
                              name->name_len, name->value, name->value_len);
    bool is_full = pair != 0 && store_pair(db, pair)->postings.n >= o->max_series_per_metric;
    return is_full ? ERR_MAX_SERIES_METRIC : 0;
}

static int have_series(struct intake *in)
{
    if (in->series != 0)
        return 0;
    int err = check_limits(in->db, in->labels);
    if (err != 0)
        return err;
    struct tsdb *db = in->db;
    in->series = series_new(db->arena, &db->series, &db->labels, in->labels, in->hash);
    if (in->series == 0)
        return ERR_NO_MEMORY;
    db->series_created++;
    return 0;
}

/* A sample that is not newer than all others of its series: a repeat, a contradiction, out of
 * order, or welcome. 1 = a repeat. */
static int check_past(struct tsdb *db, const struct series *s, const struct sample *sample,
                      int64_t *ret_bound)
{
    const struct window *w =
        window_of_number(&db->windows, clock_window_of(&db->clock, sample->t_ms));
    slot c = w != NULL ? series_chunk(db->arena, &db->windows, s, w) : 0;
    uint64_t value;
    if (c != 0 && chunk_find(db->arena, c, sample->t_ms, &value)) {
        *ret_bound = sample->t_ms;
        return value == sample->value ? 1 : ERR_DUPLICATE;
    }
    if ((uint64_t)s->newest_ms - (uint64_t)sample->t_ms > (uint64_t)db->options.out_of_order_ms) {
        *ret_bound = (int64_t)((uint64_t)s->newest_ms - (uint64_t)db->options.out_of_order_ms);
        return ERR_OUT_OF_ORDER;
    }
    return 0;
}

static int store_sample(struct tsdb *db, struct series *s, const struct sample *sample)
{
    struct window *w = store_window_locked(db, clock_window_of(&db->clock, sample->t_ms));
    if (w == NULL)
        return ERR_NO_MEMORY;
    slot c = store_chunk_locked(db, s, w);
    if (c == 0)
        return ERR_NO_MEMORY;
    const struct chunk *head = chunk_at(db->arena, c);
    bool is_last = chunk_samples(head) == 0 || sample->t_ms > chunk_last_ms(db->arena, head);
    return is_last ? chunk_append(db->arena, w, c, sample) : chunk_insert(db->arena, w, c, sample);
}

static void took(struct tsdb *db, struct series *s, const struct sample *sample, bool is_late)
{
    db->samples_appended++;
    db->samples_late += is_late;
    if (!is_late)
        s->newest_ms = sample->t_ms;
    clock_sample(&db->clock, sample->t_ms);
    /* Where samples are the clock, this one may have pushed the oldest window out. */
    if (db->options.clock == CLOCK_SAMPLES && !is_late)
        store_turn_locked(db);
}

/* One sample: 0 = stored or a repeat, else why not. */
static int take(struct intake *in, const struct sample *sample)
{
    struct tsdb *db = in->db;
    int64_t bound = 0;
    if (!store_has_room_locked(db)) { /* this may remove the series that we have in hand */
        store_make_room_locked(db);
        in->series = series_find(db->arena, &db->series, &db->labels, in->labels, in->hash);
    }
    int err = check_time(in, sample->t_ms, &bound);
    if (err == 0)
        err = have_series(in);
    if (err != 0)
        return refuse(in, err, sample->t_ms, bound);
    struct series *s = series_at(db->arena, in->series);
    bool has_past = window_of_serial(&db->windows, s->newest_serial) != NULL;
    bool is_late = has_past && sample->t_ms <= s->newest_ms;
    if (is_late)
        err = check_past(db, s, sample, &bound);
    if (err > 0) {
        in->counts->duplicate++;
        db->samples_duplicate++;
        return 0;
    }
    if (err == 0)
        err = store_sample(db, s, sample);
    if (err != 0)
        return refuse(in, err, sample->t_ms, bound);
    took(db, s, sample, is_late);
    in->counts->stored++;
    return 0;
}

/* A series made for samples that then found no memory must not stay. */
static void drop_if_empty(struct tsdb *db, slot series)
{
    if (series != 0 && series_at(db->arena, series)->newest_serial == 0)
        store_remove_series_locked(db, series);
}

int append_samples(struct append *b, const struct labels *ls, const struct sample *samples,
                   size_t n, struct append_counts *counts)
{
    struct tsdb *db = b->db;
    struct intake in = {
        .db = db, .labels = ls, .hash = labels_hash(ls), .begun_ms = b->begun_ms, .counts = counts};
    in.series = series_find(db->arena, &db->series, &db->labels, ls, in.hash);
    int first = 0;
    for (size_t i = 0; i < n; i++) {
        int err = take(&in, &samples[i]);
        first = first != 0 ? first : err;
    }
    drop_if_empty(db, in.series);
    return first;
}
