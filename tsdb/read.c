/* Reading: everything that a query needs is copied out, slice by slice.
 *
 * Ids are resolved against the index once, under one hold of the lock. Then a slice of series at a
 * time is looked up again by id (one that has gone in the meantime is skipped: ids are never
 * reused) and its labels are copied to the caller's region. Samples are unpacked without the lock,
 * beside those who write: inside the epoch what was found stays where it is. So a query over a
 * hundred thousand series makes nobody wait for more than the labels of one slice, and computes on
 * memory that nobody else touches.
 */
#include "tsdb/read.h"
#include "tsdb/id_set.h"
#include "tsdb/label_copier.h"
#include "tsdb/pick.h"
#include "tsdb/store.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(READ_NONE == PICK_NONE, "one word for it");

enum {
    SLICE_SERIES = 64,   /* of samples: a millisecond or so */
    SLICE_LABELS = 1024, /* of label sets alone */
};

static bool is_canceled(const struct read_options *o)
{
    return o->cancel != NULL && atomic_load_explicit(o->cancel, memory_order_relaxed);
}

static bool copy_labels(const struct tsdb *db, const struct series *s, struct label_copier *c,
                        struct labels *ret)
{
    struct label_row row;
    series_row(db->arena, &db->series, s->id, &row);
    return label_copier_copy(c, db->arena, &db->labels, &row, ret);
}

uint32_t store_spans_locked(struct tsdb *db, int64_t min_ms, int64_t max_ms,
                            struct window_span ret[WINDOW_SLOTS])
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < db->windows.n_live; i++) {
        const struct window *w = window_live(&db->windows, i);
        int64_t first_ms = window_ms_of(w, 0);
        int64_t last_ms = window_ms_of(w, (uint32_t)db->options.window_ms - 1);
        if (first_ms > last_ms) { /* a window beyond an end of int64 */
            first_ms = w->number < 0 ? INT64_MIN : first_ms;
            last_ms = w->number < 0 ? last_ms : INT64_MAX;
        }
        if (last_ms < min_ms || first_ms > max_ms)
            continue;
        ret[n++] = (struct window_span){
            .serial = w->serial,
            .number = w->number,
            .start_ms = w->start_ms,
            .min_time = window_time_of(w, i64_max(min_ms, first_ms)),
            .max_time = window_time_of(w, i64_min(max_ms, last_ms)),
        };
    }
    return n;
}

/* The series that match, unless what is asked for is not all there yet. */
static int select_locked(struct tsdb *db, const struct matcher_set *set,
                         const struct read_options *o, struct region *r, uint32_t **ret,
                         size_t *ret_n)
{
    if (o->min_ms < atomic_load_explicit(&db->readable_from_ms, memory_order_acquire))
        return ERR_LOADING;
    return store_select_locked(db, set, r, ret, ret_n);
}

/* ---- samples ---- */

struct selection {
    struct tsdb *db;
    const struct read_options *options;
    struct region *region;
    struct read_set set;
    uint64_t n_samples;
    struct label_copier labels;
    struct times_cache times;
    uint32_t times_serial;      /* of the oldest window that they may be of */
    struct read_series scratch; /* columns that samples are unpacked into; n: their room */
};

struct walk_times { /* where overlaps() looks */
    struct tsdb *db;
    struct times_cache *times;
    struct window_span spans[WINDOW_SLOTS];
    uint32_t n_spans;
};

struct slice {
    struct window_span spans[WINDOW_SLOTS];
    uint32_t n_spans;
    const struct series *series[SLICE_SERIES]; /* valid inside the epoch */
    struct labels labels[SLICE_SERIES];
    size_t n;
};

/* Columns for n samples, with those that are in the scratch columns. */
static int make_room(struct selection *sel, size_t n)
{
    struct read_series *scratch = &sel->scratch;
    struct read_series more = {.n = n};
    if (n <= scratch->n)
        return 0;
    more.t_ms = region_alloc(sel->region, n * sizeof(*more.t_ms));
    more.values = region_alloc(sel->region, n * sizeof(*more.values));
    if (more.t_ms == NULL || more.values == NULL)
        return ERR_NO_MEMORY;
    if (scratch->n > 0) {
        memcpy(more.t_ms, scratch->t_ms, scratch->n * sizeof(*more.t_ms));
        memcpy(more.values, scratch->values, scratch->n * sizeof(*more.values));
    }
    *scratch = more;
    return 0;
}

/* The same, and some more, or every longer series would take new columns. */
static int have_room(struct selection *sel, size_t n)
{
    return n <= sel->scratch.n ? 0 : make_room(sel, n + n / 2);
}

/* Room for the segments of times that a series has in all its windows: the next one mostly has the
 * same, and there should be none among them that drive each other out. */
static int make_times(struct selection *sel, size_t n_series)
{
    uint32_t n = TIMES_CACHE_READER;
    pthread_rwlock_rdlock(&sel->db->lock);
    struct window_span spans[WINDOW_SLOTS];
    uint32_t n_spans =
        store_spans_locked(sel->db, sel->options->min_ms, sel->options->max_ms, spans);
    pthread_rwlock_unlock(&sel->db->lock);
    while (n_series > 1 && n < TIMES_CACHE_READER_MAX && n < TIMES_CACHE_READER * n_spans)
        n *= 2;
    struct times_item *items = region_alloc(sel->region, n * sizeof(*items));
    if (items == NULL)
        return ERR_NO_MEMORY;
    times_cache_init(&sel->times, items, n);
    return 0;
}

/* Unpacks a series' samples into the scratch columns, behind the *ret_n that are there already. */
static int unpack_samples(struct selection *sel, const struct slice *slice, const struct series *s,
                          size_t *ret_n)
{
    const struct arena *a = sel->db->arena;
    struct chunk_view v;
    for (uint32_t i = 0; i < slice->n_spans; i++) {
        const struct window_span *span = &slice->spans[i];
        if (!series_view(a, s, span->serial, &v))
            continue;
        int err = have_room(sel, *ret_n + chunk_room(a, &v, span->min_time, span->max_time));
        if (err != 0)
            return err;
        *ret_n += chunk_read(a, &sel->times, &v, span->min_time, span->max_time, span->start_ms,
                             &sel->scratch.t_ms[*ret_n], &sel->scratch.values[*ret_n]);
    }
    return 0;
}

/* The same of what is seen at given times; nothing if that is nothing. There is room for it. */
static void unpack_seen(struct selection *sel, const struct slice *slice, const struct series *s,
                        size_t *ret_n)
{
    const struct read_options *o = sel->options;
    struct chunk_view v;
    struct picker p = {.at_ms = o->at_ms,
                       .n = o->n_at,
                       .lookback_ms = o->lookback_ms,
                       .t_ms = &sel->scratch.t_ms[*ret_n],
                       .values = &sel->scratch.values[*ret_n]};
    pick_begin(&p);
    for (uint32_t i = 0; i < slice->n_spans; i++)
        if (series_view(sel->db->arena, s, slice->spans[i].serial, &v))
            pick_chunk(&p, sel->db->arena, &sel->times, &v, slice->spans[i].start_ms);
    pick_end(&p);
    *ret_n += p.n_found > 0 ? o->n_at : 0;
}

static int copy_samples(struct selection *sel, size_t n, struct read_series *ret)
{
    ret->n = n;
    ret->t_ms = region_alloc(sel->region, n * sizeof(*ret->t_ms));
    ret->values = region_alloc(sel->region, n * sizeof(*ret->values));
    if (ret->t_ms == NULL || ret->values == NULL)
        return ERR_NO_MEMORY;
    memcpy(ret->t_ms, sel->scratch.t_ms, n * sizeof(*ret->t_ms));
    memcpy(ret->values, sel->scratch.values, n * sizeof(*ret->values));
    sel->n_samples += n;
    const struct read_options *o = sel->options;
    return o->max_samples != 0 && sel->n_samples > o->max_samples ? ERR_TOO_MANY_SAMPLES : 0;
}

/* Between two slices windows may go, the oldest first, and then their timelines' slots may be
 * others'. */
static void forget_old_times(struct selection *sel, const struct slice *slice)
{
    uint32_t oldest = slice->n_spans > 0 ? slice->spans[0].serial : 0;
    if (sel->times_serial != oldest)
        times_cache_init(&sel->times, sel->times.items, sel->times.n_items);
    sel->times_serial = oldest;
}

/* Looks the series up. Their labels are copied for all, as it takes the lock: samples do not. */
static int look_up_locked(struct selection *sel, const uint32_t *ids, size_t n, struct slice *ret)
{
    struct tsdb *db = sel->db;
    ret->n = 0;
    label_copier_begin(&sel->labels);
    ret->n_spans = store_spans_locked(db, sel->options->min_ms, sel->options->max_ms, ret->spans);
    forget_old_times(sel, ret);
    for (size_t i = 0; i < n; i++) {
        slot at = series_of_id(db->arena, &db->series, ids[i]);
        if (at == 0)
            continue;
        ret->series[ret->n] = series_at(db->arena, at);
        ret->labels[ret->n] = (struct labels){0};
        if (sel->options->labels != READ_LABELS_NONE &&
            !copy_labels(db, ret->series[ret->n], &sel->labels, &ret->labels[ret->n]))
            return ERR_NO_MEMORY;
        ret->n++;
    }
    return 0;
}

static int copy_slice(struct selection *sel, const uint32_t *ids, size_t n)
{
    struct slice slice;
    pthread_rwlock_rdlock(&sel->db->lock);
    unsigned place = slots_enter(&sel->db->slots);
    int err = look_up_locked(sel, ids, n, &slice);
    pthread_rwlock_unlock(&sel->db->lock);
    for (size_t i = 0; err == 0 && i < slice.n; i++) {
        struct read_series *out = &sel->set.series[sel->set.n];
        size_t n_samples = 0;
        err = unpack_samples(sel, &slice, slice.series[i], &n_samples);
        if (err != 0 || n_samples == 0)
            continue;
        out->labels = slice.labels[i];
        err = copy_samples(sel, n_samples, out);
        sel->set.n++;
    }
    slots_leave(&sel->db->slots, place);
    return err;
}

/* Whether a series has a sample in the range. */
static bool overlaps(const struct walk_times *t, const struct series *s)
{
    struct chunk_view v;
    for (uint32_t i = t->n_spans; i-- > 0;) {
        const struct window_span *span = &t->spans[i];
        uint32_t first, last;
        if (!series_view(t->db->arena, s, span->serial, &v))
            continue;
        bool is_whole = span->min_time == 0 && span->max_time == t->db->options.window_ms - 1;
        if (is_whole)
            return true;
        chunk_span(t->db->arena, t->times, &v, &first, &last);
        if (first <= span->max_time && last >= span->min_time)
            return true;
    }
    return false;
}

int read_select(struct tsdb *db, const struct matcher_set *set, const struct read_options *o,
                struct region *r, struct read_set *ret)
{
    struct selection sel = {.db = db, .options = o, .region = r, .labels = {.region = r}};
    uint32_t *ids = NULL;
    size_t n = 0;
    pthread_rwlock_rdlock(&db->lock);
    int err = select_locked(db, set, o, r, &ids, &n);
    pthread_rwlock_unlock(&db->lock);
    if (err != 0)
        return err;
    sel.set.series = region_alloc(r, n * sizeof(*sel.set.series));
    if (sel.set.series == NULL || make_times(&sel, n) != 0)
        return ERR_NO_MEMORY;
    for (size_t from = 0; err == 0 && from < n; from += SLICE_SERIES)
        err = is_canceled(o) ? ERR_CANCELED
                             : copy_slice(&sel, &ids[from], size_min(SLICE_SERIES, n - from));
    if (err == 0)
        *ret = sel.set;
    return err;
}

/* ---- a series at a time ---- */

/* Samples of a slice that read_each unpacks at once: 128 KiB, which fits the processor's cache. */
enum { EACH_SAMPLES = 8192, EACH_SERIES_FIRST = 4 };

/* Unpacks a slice one series behind the other; ends[i] is where series i ends. */
static int unpack_slice(struct selection *sel, const uint32_t *ids, size_t n, struct slice *slice,
                        size_t ends[SLICE_SERIES])
{
    size_t n_samples = 0;
    pthread_rwlock_rdlock(&sel->db->lock);
    unsigned place = slots_enter(&sel->db->slots);
    int err = look_up_locked(sel, ids, n, slice);
    pthread_rwlock_unlock(&sel->db->lock);
    if (err == 0 && sel->options->at_ms != NULL)
        err = make_room(sel, slice->n * sel->options->n_at);
    for (size_t i = 0; err == 0 && i < slice->n; i++) {
        if (sel->options->at_ms != NULL)
            unpack_seen(sel, slice, slice->series[i], &n_samples);
        else
            err = unpack_samples(sel, slice, slice->series[i], &n_samples);
        ends[i] = n_samples;
    }
    slots_leave(&sel->db->slots, place);
    return err;
}

static int visit_slice(struct selection *sel, const struct slice *slice, const size_t *ends,
                       read_visit visit, void *ctx)
{
    const struct read_options *o = sel->options;
    int err = 0;
    for (size_t i = 0; err == 0 && i < slice->n; i++) {
        size_t from = i > 0 ? ends[i - 1] : 0;
        if (ends[i] == from)
            continue;
        struct read_series s = {slice->labels[i], ends[i] - from, sel->scratch.t_ms + from,
                                sel->scratch.values + from};
        sel->n_samples += s.n;
        if (o->max_samples != 0 && sel->n_samples > o->max_samples)
            return ERR_TOO_MANY_SAMPLES;
        err = visit(ctx, &s);
    }
    return err;
}

/* How many series of so many samples come next, and at the first time room for them, instead of
 * finding it too small series by series. */
static int plan_slice(struct selection *sel, size_t n_samples, size_t *io_n)
{
    bool is_first = *io_n == EACH_SERIES_FIRST;
    *io_n = size_max(1, size_min(SLICE_SERIES, EACH_SAMPLES / size_max(1, n_samples)));
    return is_first && *io_n > EACH_SERIES_FIRST && sel->options->at_ms == NULL
               ? make_room(sel, *io_n * n_samples)
               : 0;
}

int read_each(struct tsdb *db, const struct matcher_set *set, const struct read_options *o,
              struct region *r, read_visit visit, void *ctx)
{
    struct selection sel = {.db = db,
                            .options = o,
                            .region = r,
                            .labels = {.region = r, .lends = o->labels == READ_LABELS_LENT}};
    uint32_t *ids = NULL;
    size_t n = 0, n_slice = EACH_SERIES_FIRST;
    pthread_rwlock_rdlock(&db->lock);
    int err = select_locked(db, set, o, r, &ids, &n);
    pthread_rwlock_unlock(&db->lock);
    if (err != 0)
        return err;
    if (make_times(&sel, n) != 0)
        return ERR_NO_MEMORY;
    for (size_t from = 0, n_now; err == 0 && from < n; from += n_now) {
        struct slice slice;
        size_t ends[SLICE_SERIES];
        n_now = size_min(n_slice, n - from);
        err = is_canceled(o) ? ERR_CANCELED : unpack_slice(&sel, &ids[from], n_now, &slice, ends);
        if (err == 0)
            err = visit_slice(&sel, &slice, ends, visit, ctx);
        if (err == 0 && slice.n > 0)
            err = plan_slice(&sel, ends[slice.n - 1] / slice.n, &n_slice);
    }
    return err;
}

/* ---- label sets, names, values: one walk over the series, three things to do with each ---- */

struct walk {
    struct tsdb *db;
    const struct read_options *options;
    struct region *region;
    int (*visit)(struct walk *w, const struct series *s);
    struct labels *sets; /* read_label_sets */
    size_t n_sets;
    struct label_copier labels;
    const char *name; /* read_label_values */
    size_t name_len;
    struct text_set *texts;
};

static int list_ids(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    const struct read_options *o, struct region *r, uint32_t **ret, size_t *ret_n)
{
    static const struct matcher_set everything = {NULL, 0};
    if (n_sets <= 1)
        return select_locked(db, n_sets == 0 ? &everything : sets, o, r, ret, ret_n);
    struct id_set ids;
    if (!id_set_init(&ids, r, db->series.next_id))
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < n_sets; i++) {
        struct region_mark mark = region_mark(r);
        uint32_t *some = NULL;
        size_t n = 0;
        int err = select_locked(db, &sets[i], o, r, &some, &n);
        if (err != 0)
            return err;
        for (size_t k = 0; k < n; k++)
            id_set_add(&ids, some[k]);
        region_rewind(r, mark);
    }
    *ret_n = ids.n;
    return id_set_list(&ids, r, ret) ? 0 : ERR_NO_MEMORY;
}

static int walk_slice(struct walk *w, const uint32_t *ids, size_t n)
{
    int err = 0;
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    struct walk_times t = {.db = w->db, .times = &times};
    times_cache_init(&times, items, TIMES_CACHE_WRITER);
    pthread_rwlock_rdlock(&w->db->lock);
    unsigned place = slots_enter(&w->db->slots);
    t.n_spans = store_spans_locked(w->db, w->options->min_ms, w->options->max_ms, t.spans);
    for (size_t i = 0; err == 0 && i < n; i++) {
        slot at = series_of_id(w->db->arena, &w->db->series, ids[i]);
        if (at == 0)
            continue;
        const struct series *s = series_at(w->db->arena, at);
        if (overlaps(&t, s))
            err = w->visit(w, s);
    }
    slots_leave(&w->db->slots, place);
    pthread_rwlock_unlock(&w->db->lock);
    return err;
}

/* ids: found before, or NULL to find them here. */
static int walk_series(struct walk *w, const uint32_t *ids, size_t n)
{
    int err = 0;
    for (size_t from = 0; err == 0 && from < n; from += SLICE_LABELS)
        err = is_canceled(w->options) ? ERR_CANCELED
                                      : walk_slice(w, &ids[from], size_min(SLICE_LABELS, n - from));
    return err;
}

static int find_ids(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    const struct read_options *o, struct region *r, uint32_t **ret, size_t *ret_n)
{
    pthread_rwlock_rdlock(&db->lock);
    int err = list_ids(db, sets, n_sets, o, r, ret, ret_n);
    pthread_rwlock_unlock(&db->lock);
    return err;
}

static int visit_label_set(struct walk *w, const struct series *s)
{
    if (!copy_labels(w->db, s, &w->labels, &w->sets[w->n_sets]))
        return ERR_NO_MEMORY;
    w->n_sets++;
    return 0;
}

static int label_set_order(const void *a, const void *b)
{
    return labels_compare(a, b);
}

int read_label_sets(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                    const struct read_options *o, struct region *r, struct labels **ret,
                    size_t *ret_n)
{
    struct walk w = {
        .db = db, .options = o, .region = r, .visit = visit_label_set, .labels = {.region = r}};
    uint32_t *ids = NULL;
    size_t n = 0;
    int err = find_ids(db, sets, n_sets, o, r, &ids, &n);
    if (err != 0)
        return err;
    w.sets = region_alloc(r, n * sizeof(*w.sets));
    if (w.sets == NULL)
        return ERR_NO_MEMORY;
    err = walk_series(&w, ids, n);
    if (err != 0)
        return err;
    if (w.n_sets > 1)
        qsort(w.sets, w.n_sets, sizeof(*w.sets), label_set_order);
    *ret = w.sets;
    *ret_n = w.n_sets;
    return 0;
}

/* Distinct texts: open addressing in the region, half full at most. Texts are copied at first
 * sight, because a symbol may go between two slices. */
struct text_set {
    struct region *region;
    struct read_text *slots; /* bytes == NULL: empty */
    size_t n_slots;          /* a power of two */
    size_t n;
};

enum { TEXT_SET_FIRST = 256 };

static struct read_text *text_place(const struct text_set *set, const char *bytes, uint32_t len)
{
    size_t at = (size_t)bytes_hash(bytes, len, 0) & (set->n_slots - 1);
    while (set->slots[at].bytes != NULL &&
           bytes_compare(set->slots[at].bytes, set->slots[at].len, bytes, len) != 0)
        at = (at + 1) & (set->n_slots - 1);
    return &set->slots[at];
}

static bool text_set_grow(struct text_set *set)
{
    struct text_set bigger = *set;
    bigger.n_slots = set->n_slots == 0 ? TEXT_SET_FIRST : set->n_slots * 4;
    bigger.slots = region_calloc(set->region, bigger.n_slots, sizeof(*bigger.slots));
    if (bigger.slots == NULL)
        return false;
    for (size_t i = 0; i < set->n_slots; i++)
        if (set->slots[i].bytes != NULL)
            *text_place(&bigger, set->slots[i].bytes, set->slots[i].len) = set->slots[i];
    *set = bigger;
    return true;
}

static int text_set_add(struct text_set *set, const char *bytes, uint32_t n)
{
    if (set->n * 2 >= set->n_slots && !text_set_grow(set))
        return ERR_NO_MEMORY;
    struct read_text *place = text_place(set, bytes, n);
    if (place->bytes != NULL)
        return 0;
    place->bytes = region_copy(set->region, bytes, n);
    place->len = n;
    if (place->bytes == NULL)
        return ERR_NO_MEMORY;
    set->n++;
    return 0;
}

static int visit_names(struct walk *w, const struct series *s)
{
    int err = 0;
    struct label_row row;
    series_row(w->db->arena, &w->db->series, s->id, &row);
    for (uint32_t i = 0; err == 0 && i < row.n; i++) {
        struct label l = label_index_label(w->db->arena, &w->db->labels, row.pairs[i]);
        err = text_set_add(w->texts, l.name, l.name_len);
    }
    return err;
}

static int visit_value(struct walk *w, const struct series *s)
{
    struct label_row row;
    series_row(w->db->arena, &w->db->series, s->id, &row);
    for (uint32_t i = 0; i < row.n; i++) {
        struct label l = label_index_label(w->db->arena, &w->db->labels, row.pairs[i]);
        if (bytes_compare(l.name, l.name_len, w->name, w->name_len) == 0)
            return text_set_add(w->texts, l.value, l.value_len);
    }
    return 0;
}

static int text_order(const void *a, const void *b)
{
    const struct read_text *x = a, *y = b;
    return bytes_compare(x->bytes, x->len, y->bytes, y->len);
}

static int walk_texts(struct walk *w, const uint32_t *ids, size_t n, struct read_text **ret,
                      size_t *ret_n)
{
    struct text_set set = {.region = w->region};
    w->texts = &set;
    int err = walk_series(w, ids, n);
    struct read_text *list = err == 0 ? region_alloc(w->region, set.n * sizeof(*list)) : NULL;
    if (list == NULL)
        return err != 0 ? err : ERR_NO_MEMORY;
    size_t n_listed = 0;
    for (size_t i = 0; i < set.n_slots; i++)
        if (set.slots[i].bytes != NULL)
            list[n_listed++] = set.slots[i];
    if (n_listed > 1)
        qsort(list, n_listed, sizeof(*list), text_order);
    *ret = list;
    *ret_n = n_listed;
    return 0;
}

int read_label_names(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                     const struct read_options *o, struct region *r, struct read_text **ret,
                     size_t *ret_n)
{
    struct walk w = {.db = db, .options = o, .region = r, .visit = visit_names};
    uint32_t *ids = NULL;
    size_t n = 0;
    int err = find_ids(db, sets, n_sets, o, r, &ids, &n);
    return err != 0 ? err : walk_texts(&w, ids, n, ret, ret_n);
}

int read_label_values(struct tsdb *db, const char *name, size_t name_len,
                      const struct matcher_set *sets, size_t n_sets, const struct read_options *o,
                      struct region *r, struct read_text **ret, size_t *ret_n)
{
    struct walk w = {.db = db,
                     .options = o,
                     .region = r,
                     .visit = visit_value,
                     .name = name,
                     .name_len = name_len};
    uint32_t *ids = NULL;
    size_t n = 0;
    int err = find_ids(db, sets, n_sets, o, r, &ids, &n);
    return err != 0 ? err : walk_texts(&w, ids, n, ret, ret_n);
}

/* ---- exemplars ---- */

/* Those of some series; their labels are copied under the lock, which the exemplars do not need. */
static int exemplars_of(struct tsdb *db, const uint32_t *ids, size_t n,
                        const struct read_options *o, struct region *r, struct read_exemplars *list,
                        size_t *io_n)
{
    struct label_copier labels = {.region = r};
    for (size_t i = 0; i < n; i++) {
        struct read_exemplars *to = &list[*io_n];
        int err =
            exemplars_read(&db->exemplars, ids[i], o->min_ms, o->max_ms, r, &to->items, &to->n);
        if (err != 0)
            return err;
        if (to->n == 0)
            continue;
        pthread_rwlock_rdlock(&db->lock);
        slot at = series_of_id(db->arena, &db->series, ids[i]);
        bool is_copied = at == 0 || copy_labels(db, series_at(db->arena, at), &labels, &to->labels);
        pthread_rwlock_unlock(&db->lock);
        if (!is_copied)
            return ERR_NO_MEMORY;
        *io_n += at != 0;
    }
    return 0;
}

static int exemplars_order(const void *a, const void *b)
{
    const struct read_exemplars *x = a, *y = b;
    return labels_compare(&x->labels, &y->labels);
}

int read_exemplars(struct tsdb *db, const struct matcher_set *sets, size_t n_sets,
                   const struct read_options *o, struct region *r, struct read_exemplars **ret,
                   size_t *ret_n)
{
    uint32_t *ids = NULL;
    size_t n = 0;
    *ret_n = 0;
    int err = find_ids(db, sets, n_sets, o, r, &ids, &n);
    if (err != 0)
        return err;
    *ret = region_alloc(r, n * sizeof(**ret));
    if (*ret == NULL)
        return ERR_NO_MEMORY;
    for (size_t from = 0; err == 0 && from < n; from += SLICE_LABELS)
        err = is_canceled(o) ? ERR_CANCELED
                             : exemplars_of(db, &ids[from], size_min(SLICE_LABELS, n - from), o, r,
                                            *ret, ret_n);
    if (*ret_n > 1)
        qsort(*ret, *ret_n, sizeof(**ret), exemplars_order);
    return err;
}
