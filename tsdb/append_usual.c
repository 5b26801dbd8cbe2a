#include "tsdb/append_usual.h"

static bool is_within(const struct tsdb *db, int64_t start_ms, int64_t t_ms)
{
    return (uint64_t)t_ms - (uint64_t)start_ms < (uint64_t)db->options.window_ms;
}

/* Where samples are the clock: its window is still the one for which the turn was looked at. */
bool append_is_clock_known(const struct append *b)
{
    return b->known.clock_start_ms != INT64_MAX &&
           is_within(b->db, b->known.clock_start_ms, clock_now_ms(&b->db->clock));
}

struct window *append_known_window(const struct append *b, int64_t *ret_max_ms)
{
    struct window *w = b->known.window;
    bool is_wall = b->db->options.clock == CLOCK_WALL;
    if (w == NULL || !(is_wall || append_is_clock_known(b)))
        return NULL;
    int64_t end_ms = (int64_t)((uint64_t)w->start_ms + (uint64_t)b->db->options.window_ms - 1);
    if (end_ms < w->start_ms)
        return NULL; /* it wraps around */
    *ret_max_ms = is_wall ? i64_min(end_ms, b->begun_ms + TSDB_AHEAD_MS) : end_ms;
    return w;
}

void append_flush_tally(struct append *b)
{
    if (b->tally.n > 0)
        window_count(b->tally.window, b->tally.n, b->tally.min_ms, b->tally.max_ms);
    b->tally.n = 0;
}

void append_took(struct append *b, struct append_counts *counts, struct window *w, size_t n,
                 int64_t min_ms, int64_t max_ms)
{
    b->counters[N_SAMPLES_APPENDED] += n;
    counts->stored += n;
    if (b->tally.window != w || b->tally.n == 0) {
        append_flush_tally(b);
        b->tally.window = w;
        b->tally.min_ms = min_ms;
        b->tally.max_ms = max_ms;
    }
    b->tally.n += n;
    b->tally.min_ms = i64_min(b->tally.min_ms, min_ms);
    b->tally.max_ms = i64_max(b->tally.max_ms, max_ms);
    if (b->is_replay)
        clock_restored(&b->db->clock, max_ms);
    else
        clock_sample(&b->db->clock, max_ms);
}

void usual_begin(struct usual *u, struct append *b, struct append_counts *counts)
{
    u->batch = b;
    u->counts = counts;
    u->window = append_known_window(b, &u->max_ms);
    u->writer = (struct chunk_writer){
        .slots = &b->db->slots, .memo = &b->memo, .open_payload = &b->open_payload};
    u->n = 0;
    u->oldest_ms = INT64_MAX;
    u->newest_ms = INT64_MIN;
}

/* The samples lie in a window that is known, so they leave the clock in its own, and no turn can be
 * due by them. */
bool usual_take(struct usual *u, struct series *s, const struct sample *sample)
{
    struct window *w = u->window;
    int64_t t_ms = sample->t_ms;
    if (w == NULL || t_ms > u->max_ms)
        return false;
    uint32_t time = window_time_of(w, t_ms);
    version_lock(&s->version);
    bool is_taken = s->state.newest.serial == w->serial && t_ms > s->state.newest_ms;
    if (is_taken) {
        u->writer.phase = s->state.phase;
        is_taken = chunk_extend(&u->writer, &s->state.newest, &time, &sample->value, 1) > 0;
    }
    if (is_taken)
        words_store(&s->state.newest_ms, &t_ms, sizeof(t_ms));
    version_unlock(&s->version);
    if (!is_taken)
        return false;
    window_reopen(w, s->id);
    u->n++;
    u->oldest_ms = i64_min(u->oldest_ms, t_ms);
    u->newest_ms = i64_max(u->newest_ms, t_ms);
    return true;
}

void usual_end(struct usual *u)
{
    if (u->n > 0)
        append_took(u->batch, u->counts, u->window, u->n, u->oldest_ms, u->newest_ms);
    u->n = 0;
}
