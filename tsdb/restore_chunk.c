/* What a snapshot has of chunks, on its way in: see dump.h. A block is decoded to see that it is
 * one, or believed where its file vouches for it; blocks of one chunk wait for each other, so that
 * it is written once. What most chunks are, a sheaf or a constant, has a short way of its own,
 * which leaves whatever is unusual to the long one. */
#include "tsdb/differences.h"
#include "tsdb/restore_inside.h"

#include <string.h>

/* Differences that fill their bytes: a block is stored without saying how many they are. */
static bool are_differences(const struct dump_block *in)
{
    int64_t d[BLOCK_SAMPLES_MAX];
    const uint8_t *at = in->times_bytes, *end = at + in->n_times_bytes;
    return in->n_samples >= 2 && in->n_samples <= BLOCK_SAMPLES_MAX &&
           in->n_times_bytes <= BLOCK_TIMES_BYTES_MAX &&
           differences_get(&at, end, d, in->n_samples - 1) && at == end;
}

static bool have_shape(const struct dump_block *in)
{
    if (in->is_shared)
        return in->encoding != BLOCK_RUN;
    return in->n_values_bytes >= 1 && in->n_values_bytes <= COLUMN_BYTES_MAX;
}

static bool has_any_shape(const struct dump_block *in)
{
    bool is_run = in->encoding == BLOCK_RUN;
    uint32_t most = is_run ? (uint32_t)BLOCK_RUN_MAX : BLOCK_SAMPLES_MAX;
    if (in->encoding > BLOCK_RUN || in->n_samples < 1 || in->n_samples > most || !have_shape(in))
        return false;
    switch (in->times) {
    case DUMP_AT:
        break;
    case DUMP_LINEAR:
        if (in->part == DUMP_RUN && in->n_samples > 1)
            return false;
        break;
    case DUMP_PACKED:
        if (in->part == DUMP_RUN || !are_differences(in))
            return false;
        break;
    default:
        return false;
    }
    return in->part != DUMP_RUN || is_run;
}

/* The first answer is for most blocks. */
static inline bool is_shaped(const struct dump_block *in)
{
    bool is_usual = in->encoding < BLOCK_RUN && in->times == DUMP_AT && in->part != DUMP_RUN &&
                    !in->is_shared && in->n_samples - 1 < BLOCK_SAMPLES_MAX &&
                    in->n_values_bytes - 1 < COLUMN_BYTES_MAX;
    return is_usual || has_any_shape(in);
}

/* Turns numbers into slots. */
static int find_slots(struct restore *r, const struct dump_block *in, struct block *ret)
{
    if (in->times == DUMP_AT) {
        ret->timeline = restore_find_timeline(r, in->timeline, in->first, in->n_samples);
        if (ret->timeline == 0)
            return ERR_NOT_FOUND;
    }
    if (in->is_shared) {
        const uint32_t *entry = table_at(r->db->arena, &r->shared, in->shared);
        if (entry == NULL || *entry == 0)
            return ERR_NOT_FOUND;
        ret->shared = *entry;
        block_fetch(r->db->arena, ret);
    }
    return 0;
}

/* Of a timeline nothing is to be checked but that the places are there. */
static bool are_block_times(const struct restore *r, struct times_cache *times,
                            const struct block *b)
{
    uint32_t t[BLOCK_SAMPLES_MAX], n = (uint32_t)size_min(b->n_samples, BLOCK_SAMPLES_MAX);
    if (b->times == BLOCK_AT)
        return true;
    return block_times(r->db->arena, times, b, 0, n, t) && restore_are_times(r, t, n);
}

static bool are_block_values(const struct restore *r, const struct block *b)
{
    uint64_t values[BLOCK_SAMPLES_MAX];
    if (r->is_trusted)
        return block_may_be_kept(b);
    return block_values(b, 0, (uint32_t)size_min(b->n_samples, BLOCK_SAMPLES_MAX), values);
}

/* All but the slots. */
static void take_block(const struct dump_block *in, struct block *ret)
{
    ret->encoding = in->encoding; /* field by field: what clears all of it first takes longer */
    ret->times = (uint8_t)in->times;
    ret->n_samples = in->n_samples;
    ret->timeline = ret->shared = 0;
    ret->first = in->first;
    ret->step = in->step;
    ret->n_times_bytes = in->n_times_bytes;
    ret->n_values_bytes = in->n_values_bytes;
    ret->times_bytes = in->times_bytes;
    ret->values = in->values;
}

static int to_block(struct restore *r, const struct dump_block *in, struct times_cache *times,
                    struct block *ret)
{
    if (!is_shaped(in))
        return ERR_CORRUPT;
    take_block(in, ret);
    int err = find_slots(r, in, ret);
    if (err != 0)
        return err;
    return are_block_times(r, times, ret) && are_block_values(r, ret) ? 0 : ERR_CORRUPT;
}

static inline uint32_t time_of(struct restore *r, struct times_cache *times, slot timeline,
                               uint32_t place)
{
    uint32_t mixed = (timeline / (SIZE_CLASS_STEP_BYTES / POOL_SLOT_ALIGN)) * 2654435761u + place;
    struct restored_place *p = &r->places[mixed % RESTORED_PLACES]; /* Knuth's number */
    if (times != &r->times || p->timeline != timeline || p->place != place)
        *p = (struct restored_place){timeline, place,
                                     timeline_time(r->db->arena, times, timeline, place)};
    return p->time;
}

static uint32_t first_time(struct restore *r, struct times_cache *times, const struct block *b)
{
    return b->times == BLOCK_AT ? time_of(r, times, b->timeline, b->first) : b->first;
}

static uint32_t last_time(struct restore *r, struct times_cache *times, const struct block *b)
{
    uint32_t first, last;
    if (b->times == BLOCK_AT)
        return time_of(r, times, b->timeline, b->first + b->n_samples - 1);
    block_span(r->db->arena, times, b, &first, &last);
    return last;
}

struct restored_span { /* what comes to a chunk at once */
    uint32_t first, last, n_samples;
};

static struct restored_span span_of(struct restore *r, struct times_cache *times,
                                    const struct chunk_parts *in, const uint32_t tail_ends[2])
{
    struct restored_span ret = {0};
    for (uint32_t i = 0; i < in->n; i++)
        ret.n_samples += in->blocks[i].n_samples;
    if (in->n > 0) {
        ret.first = r->waiting.first_time;
        ret.last = last_time(r, times, &in->blocks[in->n - 1]);
    }
    if (in->tail == NULL)
        return ret;
    ret.last = tail_ends[1];
    ret.first = in->n > 0 ? ret.first : tail_ends[0];
    ret.n_samples += in->tail->n;
    return ret;
}

struct restored_change {
    struct restored_tally *tally;
    struct chunk_parts *parts;
    bool is_whole;
};

static void count_samples(struct restored_tally *io, uint64_t n, int64_t first_ms, int64_t last_ms)
{
    io->min_ms = io->n_samples > 0 ? i64_min(io->min_ms, first_ms) : first_ms;
    io->max_ms = io->n_samples > 0 ? i64_max(io->max_ms, last_ms) : last_ms;
    io->n_samples += n;
}

/* What a series has moved on from it has sealed; of its windows any may be restored first. */
static int change_chunk(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    const struct restored_change *in = ctx;
    bool is_new = chunk->serial == 0;
    in->parts->is_sealed |= in->is_whole && !w->is_open;
    int err = chunk_restore(w, chunk, in->parts);
    in->tally->n_chunks += err == 0 && is_new;
    return err;
}

/* Lets go of the series; answers err. */
static inline int end_series(struct series *s, const struct window *w, int64_t last_ms, int err)
{
    if (err == 0 && s->state.newest.serial == w->serial)
        words_store(&s->state.newest_ms, &last_ms, sizeof(last_ms));
    version_unlock(&s->version);
    return err;
}

/* Notes that n chunks were written, the last of them to that series. */
static void wrote_chunks(struct restore *r, const struct window *w, uint32_t series, bool is_whole,
                         struct restored_span span, uint32_t n)
{
    int64_t last_ms = window_ms_of(w, span.last);
    r->written = (struct restored_end){series, span.last, !is_whole};
    count_samples(&r->tally, (uint64_t)span.n_samples * n, window_ms_of(w, span.first), last_ms);
    if (last_ms > r->newest_ms)
        clock_restored(&r->db->clock, r->newest_ms = last_ms);
}

/* A chunk of a window that is sealed as a whole is its restorer's to seal: he may be in the midst
 * of it, and the window's pools are his alone. */
static struct series_writer writer_of(const struct restore *r, struct times_cache *times)
{
    struct series_writer ret = store_writer(r->db, times);
    ret.seal_from = r->open_from;
    return ret;
}

/* Writes what comes to a series' chunk; is_whole: nothing more of it comes. */
static int write_chunk(struct restore *r, struct window *w, struct series *s, bool is_whole,
                       struct restored_span span, chunk_change change, void *ctx)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own;
    struct series_writer sw = writer_of(r, restore_times_of(r, &own, items));
    version_lock(&s->version);
    int err = series_restore_chunk(&sw, s, w, r->n_windows, change, ctx);
    err = end_series(s, w, window_ms_of(w, span.last), err);
    if (err == 0)
        wrote_chunks(r, w, s->id, is_whole, span, 1);
    return err;
}

/* Writes the blocks that wait and the tail, which is NULL or ends the chunk; tail_ends: its first
 * and last time. */
static int write_waiting(struct restore *r, bool is_whole, const struct chunk_tail *tail,
                         const uint32_t tail_ends[2])
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own, *times = restore_times_of(r, &own, items);
    struct chunk_parts *parts = &r->waiting.parts;
    struct window *w = restore_enter(r);
    slot at = w != NULL ? restore_find_series(r, r->waiting.series) : 0;
    int err = w != NULL ? ERR_CORRUPT : ERR_TOO_OLD;
    parts->tail = tail;
    parts->is_sealed = is_whole && r->window < r->open_from;
    if (at != 0)
        err = write_chunk(r, w, series_at(r->db->arena, at), is_whole,
                          span_of(r, times, parts, tail_ends), change_chunk,
                          &(struct restored_change){&r->tally, parts, is_whole});
    parts->n = 0;
    parts->tail = NULL;
    r->waiting.takes_usual = false;
    restore_leave(r);
    return err;
}

int restore_flush(struct restore *r, bool is_whole)
{
    return r->waiting.parts.n > 0 ? write_waiting(r, is_whole, NULL, NULL) : 0;
}

void restore_finish_chunk(struct restore *r)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own;
    if (!r->written.is_unsealed)
        return;
    r->written.is_unsealed = false;
    struct window *w = restore_enter(r);
    slot at = w != NULL ? restore_find_series(r, r->written.series) : 0;
    if (at != 0) {
        struct series *s = series_at(r->db->arena, at);
        struct series_writer sw = writer_of(r, restore_times_of(r, &own, items));
        version_lock(&s->version);
        series_seal_restored(&sw, s, w, r->window < r->open_from);
        version_unlock(&s->version);
    }
    restore_leave(r);
}

int restore_pause(struct restore *r)
{
    int err = restore_flush(r, false);
    restore_leave_now(r);
    r->is_held = false;
    return err;
}

/* Whether times of samples, which are below the window's length, lie in the window: beyond the ends
 * of int64 they do not. */
static bool are_inside(const struct restore *r, const struct window *w, uint32_t first,
                       uint32_t last)
{
    const struct clock *c = &r->db->clock;
    return r->is_whole_window || (clock_window_of(c, window_ms_of(w, first)) == w->number &&
                                  clock_window_of(c, window_ms_of(w, last)) == w->number);
}

/* Whether a time lies behind all that the series has in the window: records of a series come one
 * after the other. A tail, or a run that is like one, ends a chunk. */
static bool is_behind_chunk(struct restore *r, const struct window *w, uint32_t series,
                            uint32_t first)
{
    const struct arena *a = r->db->arena;
    slot at = restore_find_series(r, series);
    if (at == 0)
        return false;
    if (!window_has_member(a, w, series))
        return true;
    struct series *s = series_at(a, at);
    version_lock(&s->version); /* other restorers may give it a longer history meanwhile */
    const struct chunk *c = series_own_chunk(a, s, w->serial);
    bool has_tail = c->kind == CHUNK_HEAD && chunk_head_at(a, c->at)->tail.n_samples > 0;
    version_unlock(&s->version);
    return r->written.series == series && first > r->written.last && !has_tail;
}

/* Blocks that follow each other in a timeline do so in time. */
static bool is_behind_waiting(struct restore *r, struct times_cache *times, const struct block *b)
{
    const struct chunk_parts *in = &r->waiting.parts;
    const struct block *before = &in->blocks[in->n - 1];
    if (before->times == BLOCK_AT && b->times == BLOCK_AT && before->timeline == b->timeline)
        return b->first >= before->first + before->n_samples;
    return first_time(r, times, b) > last_time(r, times, before);
}

/* Lets the series' blocks wait only if this one can wait with them. What comes behind a run depends
 * on what has become of it. */
static int make_room(struct restore *r, uint32_t series)
{
    const struct restored *waiting = &r->waiting;
    const struct chunk_parts *in = &waiting->parts;
    if (in->n == 0) {
        if (r->written.series != series)
            restore_finish_chunk(r);
        return 0;
    }
    if (waiting->series != series)
        return restore_flush(r, true);
    bool is_full = in->n == CHUNK_PARTS_MAX, ends = in->parts[in->n - 1] == PART_RUN;
    return is_full || ends ? restore_flush(r, false) : 0;
}

static int add_block(struct restore *r, uint32_t series, const struct dump_block *in,
                     struct window *w, struct times_cache *times)
{
    struct chunk_parts *parts = &r->waiting.parts;
    struct block *b = &parts->blocks[parts->n];
    int err = to_block(r, in, times, b);
    if (err != 0)
        return err;
    uint32_t last = b->times == BLOCK_AT ? 0 : last_time(r, times, b);
    if (last >= r->db->options.window_ms)
        return ERR_CORRUPT;
    if (parts->n == 0) {
        uint32_t first = first_time(r, times, b);
        if (!r->is_whole_window)
            last = last_time(r, times, b);
        if (!are_inside(r, w, first, last) || !is_behind_chunk(r, w, series, first))
            return ERR_CORRUPT;
        r->waiting.first_time = first;
    } else if (!is_behind_waiting(r, times, b)) {
        return ERR_CORRUPT;
    }
    parts->parts[parts->n++] = (enum chunk_part)in->part;
    r->waiting.series = series;
    r->waiting.takes_usual = r->is_held && r->is_trusted && parts->n < CHUNK_PARTS_MAX &&
                             in->part != DUMP_RUN && b->times == BLOCK_AT &&
                             b->timeline == r->lookup.at;
    return 0;
}

/* Most blocks come behind another one of their chunk that waits, in its timeline, and are taken on
 * trust: such a one asks nothing of the store. False, and nothing has happened, when it is not, or
 * is not good. */
static bool add_usual_block(struct restore *r, uint32_t series, const struct dump_block *in)
{
    struct chunk_parts *parts = &r->waiting.parts;
    uint32_t n = parts->n;
    const struct restored_lookup *l = &r->lookup;
    if (!r->waiting.takes_usual || r->waiting.series != series || in->times != DUMP_AT ||
        in->timeline != l->number || in->is_shared || !is_shaped(in))
        return false;
    struct block *b = &parts->blocks[n], *before = b - 1;
    if (before->timeline != l->at || (uint64_t)in->first + in->n_samples > l->n ||
        in->first < before->first + before->n_samples)
        return false;
    take_block(in, b);
    b->timeline = l->at;
    if (!block_may_be_kept(b))
        return false;
    parts->parts[n] = (enum chunk_part)in->part;
    parts->n = n + 1;
    r->waiting.takes_usual = n + 1 < CHUNK_PARTS_MAX && in->part != DUMP_RUN;
    return true;
}

/* Of a timeline nothing is to be checked but that the places are there. */
static int find_tail_ends(struct restore *r, const struct dump_tail *in, struct times_cache *times,
                          slot *ret_timeline, uint32_t ret_ends[2])
{
    uint32_t first = in->places[0], last = in->places[in->n - 1];
    for (uint32_t i = 1; i < in->n; i++)
        if (in->places[i] != first + i)
            return ERR_CORRUPT;
    *ret_timeline = restore_find_timeline(r, in->timeline, first, in->n);
    if (*ret_timeline == 0)
        return ERR_NOT_FOUND;
    ret_ends[0] = time_of(r, times, *ret_timeline, first);
    ret_ends[1] = time_of(r, times, *ret_timeline, last);
    return 0;
}

static int to_tail(struct restore *r, const struct dump_tail *in, struct times_cache *times,
                   struct chunk_tail *ret, uint32_t ret_ends[2])
{
    if (in->n < 1 || in->n > DUMP_TAIL_MAX)
        return ERR_CORRUPT;
    ret->n = in->n;
    ret->timeline = 0;
    memcpy(ret->places, in->places, in->n * sizeof(*in->places));
    memcpy(ret->values, in->values, in->n * sizeof(*in->values));
    if (in->has_timeline)
        return find_tail_ends(r, in, times, &ret->timeline, ret_ends);
    ret_ends[0] = in->places[0];
    ret_ends[1] = in->places[in->n - 1];
    return restore_are_times(r, in->places, in->n) ? 0 : ERR_CORRUPT;
}

static int add_tail(struct restore *r, uint32_t series, const struct dump_tail *in,
                    struct window *w, struct times_cache *times)
{
    struct chunk_tail tail;
    uint32_t ends[2];
    const struct chunk_parts *parts = &r->waiting.parts;
    int err = to_tail(r, in, times, &tail, ends);
    if (err != 0)
        return err;
    bool is_behind =
        parts->n > 0 ? ends[0] > last_time(r, times, &parts->blocks[parts->n - 1])
                     : are_inside(r, w, ends[0], ends[1]) && is_behind_chunk(r, w, series, ends[0]);
    if (!is_behind)
        return ERR_CORRUPT;
    r->waiting.series = series;
    return write_waiting(r, true, &tail, ends);
}

/* A block or a tail, whichever is not NULL. */
static int restore_samples(struct restore *r, uint32_t series, const struct dump_block *block,
                           const struct dump_tail *tail)
{
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache own, *times = restore_times_of(r, &own, items);
    int err = make_room(r, series);
    if (err != 0)
        return err;
    struct window *w = restore_enter(r);
    if (w == NULL)
        err = ERR_TOO_OLD;
    else
        err = block != NULL ? add_block(r, series, block, w, times)
                            : add_tail(r, series, tail, w, times);
    restore_leave(r);
    return err == 0 && !r->is_held ? restore_flush(r, false) : err;
}

int restore_block(struct restore *r, uint32_t series, const struct dump_block *block)
{
    return add_usual_block(r, series, block) ? 0 : restore_samples(r, series, block, NULL);
}

int restore_tail(struct restore *r, uint32_t series, const struct dump_tail *tail)
{
    return restore_samples(r, series, NULL, tail);
}

/* ---- sheaves ---- */

struct restored_sheaf {
    struct restore *restore;
    const struct dump_sheaf *in;
    struct sheaf_outline outline;
    struct chunk_whole whole; /* its bytes have handles where `in` has numbers */
    struct restored_span span;
};

static int put_sheaf(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    struct restored_sheaf *in = ctx;
    struct restore *r = in->restore;
    in->whole.is_sealed = !w->is_open || r->window < r->open_from;
    int err = chunk_restore_sheaf(w, chunk, &in->whole);
    r->tally.n_chunks += err == 0;
    return err;
}

/* Puts the handle where block i has the number of shared values. False: they are not there. */
static bool find_shared(const struct restored_sheaf *in, uint32_t i, uint8_t *bytes)
{
    const struct arena *a = in->restore->db->arena;
    const uint16_t *ends = in->outline.ends;
    const uint8_t *at = bytes + (i > 0 ? ends[i - 1] : 0), *end = bytes + ends[i];
    struct block_context context = in->whole.start;
    struct block b;
    uint32_t number;
    memcpy(&number, end - sizeof(number), sizeof(number));
    const uint32_t *entry = number > 0 ? table_at(a, &in->restore->shared, number - 1) : NULL;
    if (entry == NULL || *entry == 0)
        return false;
    memcpy(bytes + ends[i] - sizeof(*entry), entry, sizeof(*entry));
    if (!block_get(&at, end, &context, &b))
        return false;
    block_fetch(a, &b);
    return block_may_be_kept(&b);
}

static int write_sheaf(struct restored_sheaf *in, struct window *w, struct series *s)
{
    return write_chunk(in->restore, w, s, true, in->span, put_sheaf, in);
}

static int write_shared_sheaf(struct restored_sheaf *in, struct window *w, struct series *s)
{
    uint8_t bytes[SHEAF_BYTES_MAX];
    memcpy(bytes, in->in->bytes, in->in->n_bytes);
    for (uint32_t i = 0; i < in->outline.n_blocks; i++)
        if ((in->outline.shared >> i & 1) && !find_shared(in, i, bytes))
            return 1;
    in->whole.bytes = bytes;
    return write_sheaf(in, w, s);
}

/* Whether it may be all of a chunk, taken on trust. */
static bool may_be_chunk(const struct restore *r, uint32_t series)
{
    bool has_before = r->waiting.parts.n > 0 && r->waiting.series == series;
    return r->is_held && r->is_trusted && r->is_whole_window && r->times.n_items > 0 && !has_before;
}

/* Where its times are; false when they are not there. */
static bool find_sheaf_times(struct restored_sheaf *in)
{
    struct restore *r = in->restore;
    const struct dump_sheaf *s = in->in;
    slot timeline = restore_find_timeline(r, s->timeline, s->first, s->n_samples);
    if (timeline == 0)
        return false;
    in->whole.start = (struct block_context){timeline, s->first};
    in->span = (struct restored_span){time_of(r, &r->times, timeline, s->first),
                                      time_of(r, &r->times, timeline, s->first + s->n_samples - 1),
                                      s->n_samples};
    return true;
}

/* The tail behind it; false when it is not good. */
static bool add_sheaf_tail(struct restored_sheaf *in, const struct dump_tail *tail,
                           struct chunk_tail *ret)
{
    uint32_t ends[2];
    if (to_tail(in->restore, tail, &in->restore->times, ret, ends) != 0 || ends[0] <= in->span.last)
        return false;
    in->whole.tail = ret;
    in->span.last = ends[1];
    in->span.n_samples += tail->n;
    return true;
}

static int restore_whole(struct restored_sheaf *in, struct window *w, uint32_t series,
                         const struct dump_tail *tail)
{
    struct chunk_tail kept;
    const struct arena *a = in->restore->db->arena;
    slot at = restore_find_series(in->restore, series);
    if (at == 0 || window_has_member(a, w, series) || !find_sheaf_times(in) ||
        (tail != NULL && !add_sheaf_tail(in, tail, &kept)))
        return 1;
    struct series *s = series_at(a, at);
    return in->outline.shared != 0 ? write_shared_sheaf(in, w, s) : write_sheaf(in, w, s);
}

int restore_sheaf(struct restore *r, uint32_t series, const struct dump_sheaf *in,
                  const struct dump_tail *tail)
{
    struct restored_sheaf made;
    const struct sheaf_outline *o = &made.outline;
    if (!may_be_chunk(r, series) || !sheaf_look(in->bytes, in->n_bytes, &made.outline) ||
        o->n_blocks != in->n_blocks || o->n_samples != in->n_samples)
        return 1;
    int err = make_room(r, series);
    if (err != 0)
        return err;
    made.restore = r;
    made.in = in;
    made.whole = (struct chunk_whole){.bytes = in->bytes, .outline = o};
    struct window *w = restore_enter(r);
    err = w != NULL ? restore_whole(&made, w, series, tail) : 1;
    restore_leave(r);
    return err;
}

/* ---- constants ---- */

/* The series, when they are different ones that have nothing in the window. */
static bool find_new_members(const struct restore *r, const struct window *w,
                             const struct dump_constants *in,
                             struct series *ret[DUMP_CONSTANTS_MAX])
{
    const struct arena *a = r->db->arena;
    for (uint32_t i = 0; i < in->n; i++) {
        slot at = series_of_id(a, &r->db->series, in->series[i]);
        if ((i > 0 && in->series[i] <= in->series[i - 1]) || at == 0 ||
            window_has_member(a, w, in->series[i]))
            return false;
        ret[i] = series_at(a, at);
        series_fetch_record(ret[i]);
    }
    for (uint32_t i = 0; i < in->n; i++)
        series_fetch_history(a, ret[i]);
    return true;
}

/* What chunk_restore would make of each, with nothing in between. *ret_n: so many are written. */
static int write_constants(struct restore *r, struct window *w, const struct dump_constants *in,
                           struct series *const of[], struct chunk made, int64_t last_ms,
                           uint32_t *ret_n)
{
    struct series_writer sw = writer_of(r, &r->times);
    uint32_t n = 0;
    int err = slots_add_members(&r->db->slots, w, in->series, in->n) ? 0 : ERR_NO_MEMORY;
    bool are_members = err == 0;
    for (; err == 0 && n < in->n; n += err == 0) {
        made.value = in->values[n];
        version_lock(&of[n]->version);
        err = series_restore_made(&sw, of[n], w, r->n_windows, &made);
        err = end_series(of[n], w, last_ms, err);
    }
    for (uint32_t i = n; are_members && i < in->n; i++)
        slots_drop_member(&r->db->slots, w, in->series[i]);
    *ret_n = n;
    return err;
}

static int restore_row(struct restore *r, struct window *w, const struct dump_constants *in,
                       slot timeline, struct series *const of[])
{
    uint32_t n, last = in->first + in->n_samples - 1;
    struct chunk made = {.serial = w->serial,
                         .n_samples = in->n_samples,
                         .timeline = timeline,
                         .place = in->first & TIMELINE_TIMES_MAX,
                         .kind = CHUNK_CONSTANT};
    struct restored_span span = {time_of(r, &r->times, timeline, in->first),
                                 time_of(r, &r->times, timeline, last), in->n_samples};
    int err = write_constants(r, w, in, of, made, window_ms_of(w, span.last), &n);
    if (n > 0)
        wrote_chunks(r, w, in->series[n - 1], true, span, n);
    r->tally.n_chunks += n;
    return err;
}

int restore_constants(struct restore *r, const struct dump_constants *in)
{
    if (!may_be_chunk(r, in->series[0]) || in->n_samples == 0)
        return 1;
    int err = make_room(r, in->series[0]);
    if (err != 0)
        return err;
    struct window *w = restore_enter(r);
    slot timeline =
        w != NULL ? restore_find_timeline(r, in->timeline, in->first, in->n_samples) : 0;
    struct series *of[DUMP_CONSTANTS_MAX];
    bool is_possible = timeline != 0 && find_new_members(r, w, in, of);
    err = is_possible ? restore_row(r, w, in, timeline, of) : 1;
    restore_leave(r);
    return err;
}
