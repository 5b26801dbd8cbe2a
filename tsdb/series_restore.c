/* A series' chunks as a restore brings them: those of its windows in any order, and never one that
 * it has already, so that there is less to see to than where a series changes (series.c). Other
 * windows may be read meanwhile: what a reader finds by the series' version is changed as series.c
 * does. */
#include "tsdb/series_history.h"

#include <string.h>

/* Gives the series a history with room for that many items, its own among them. */
static bool resize_history(struct slots *sl, struct kind *histories, struct series *s,
                           uint32_t room)
{
    slot old = s->state.history, made = 0;
    if (old != 0 && !slots_promise_seen(sl))
        return false;
    made = slots_kind_get(sl, histories, history_bytes(room));
    if (made == 0) {
        slots_unpromise_seen(sl, old != 0);
        return false;
    }
    struct history *h = history_at(sl->arena, made);
    *h = (struct history){.series = s->id, .room = room};
    if (old != 0)
        memcpy(h->items, history_at(sl->arena, old)->items,
               s->state.n_history * sizeof(h->items[0]));
    struct series_state state = s->state;
    state.history = made;
    words_store(&s->state, &state, sizeof(state));
    if (old != 0)
        slots_kind_retire_seen(sl, histories, old, history_bytes(history_at(sl->arena, old)->room));
    return true;
}

void series_seal_restored(struct series_writer *sw, struct series *s, struct window *w,
                          bool is_over)
{
    struct chunk *c = series_own_chunk(sw->chunk.slots->arena, s, w->serial);
    bool is_newest = c == &s->state.newest;
    if (c == NULL || c->kind != CHUNK_HEAD || (is_newest && !is_over))
        return;
    sw->chunk.window = w;
    sw->chunk.is_open = false;
    (void)chunk_seal(&sw->chunk, c);
}

void series_trim_history(struct slots *sl, struct kind *histories, struct series *s)
{
    uint32_t room = history_room(sl->arena, s);
    if (room == s->state.n_history)
        return;
    if (s->state.n_history > 0) {
        (void)resize_history(sl, histories, s, s->state.n_history);
        return;
    }
    slots_kind_put(sl, histories, s->state.history, history_bytes(room));
    s->state.history = 0;
}

/* Puts a chunk in its place among the others, for which there is room; readers may look on. */
static void insert_chunk(const struct series_writer *sw, struct series *s, const struct window *w,
                         bool is_newest, const struct chunk *made)
{
    struct series_state st = s->state;
    bool is_first = st.newest.serial == 0;
    struct chunk *items = is_first ? NULL : history_at(sw->chunk.slots->arena, st.history)->items;
    uint32_t at = st.n_history;
    if (is_newest && !is_first)
        words_store(&items[at], &st.newest, sizeof(*items));
    for (; !is_newest && at > 0; at--) {
        const struct window *before = window_of_serial(sw->windows, items[at - 1].serial);
        if (before == NULL || before->number < w->number)
            break;
        words_store(&items[at], &items[at - 1], sizeof(*items));
    }
    if (is_newest)
        st.newest = *made;
    else
        words_store(&items[at], made, sizeof(*items));
    st.n_history += !is_first;
    words_store(&s->state, &st, sizeof(st));
}

/* Room for a chunk of a window that the series has none in, behind what is newer or in front of it;
 * what it moves on from is sealed. 1 = there is no simple way: windows that go meanwhile leave
 * stale chunks behind, for which there is series_change_chunk. Error: ERR_NO_MEMORY. */
static inline int make_place(struct series_writer *sw, struct series *s, const struct window *w,
                             uint32_t n_windows, bool *ret_is_newest)
{
    struct slots *sl = sw->chunk.slots;
    uint32_t n = s->state.n_history + 1u;
    bool is_first = s->state.newest.serial == 0;
    struct window *newest = window_of_serial(sw->windows, s->state.newest.serial);
    *ret_is_newest = is_first || (newest != NULL && newest->number < w->number);
    if ((!is_first && newest == NULL) || n >= SERIES_CHUNKS_MAX)
        return 1;
    if (!is_first && n > history_room(sl->arena, s) &&
        !resize_history(sl, sw->histories, s, n < n_windows ? n_windows - 1 : n))
        return ERR_NO_MEMORY;
    if (!is_first && *ret_is_newest && s->state.newest.kind == CHUNK_HEAD)
        series_seal_newest(sw, s, newest);
    return 0;
}

int series_restore_chunk(struct series_writer *sw, struct series *s, struct window *w,
                         uint32_t n_windows, chunk_change change, void *ctx)
{
    struct slots *sl = sw->chunk.slots;
    struct chunk made = {0};
    bool is_newest;
    int err =
        window_has_member(sl->arena, w, s->id) ? 1 : make_place(sw, s, w, n_windows, &is_newest);
    if (err == 1)
        return series_change_chunk(sw, s, w, change, ctx);
    if (err != 0)
        return err;
    sw->chunk.window = w;
    sw->chunk.phase = s->state.phase;
    sw->chunk.is_open = is_newest;
    err = slots_add_member(sl, w, s->id) ? change(ctx, &sw->chunk, &made) : ERR_NO_MEMORY;
    if (err != 0) {
        if (window_has_member(sl->arena, w, s->id))
            slots_drop_member(sl, w, s->id);
        return err;
    }
    insert_chunk(sw, s, w, is_newest, &made);
    window_count_restored(w);
    return 0;
}

static int put_made(void *ctx, const struct chunk_writer *w, struct chunk *chunk)
{
    (void)w;
    *chunk = *(const struct chunk *)ctx;
    return 0;
}

int series_restore_made(struct series_writer *sw, struct series *s, struct window *w,
                        uint32_t n_windows, const struct chunk *made)
{
    struct chunk copy = *made;
    bool is_newest;
    int err = make_place(sw, s, w, n_windows, &is_newest);
    if (err != 0)
        return err == 1 ? series_change_chunk(sw, s, w, put_made, &copy) : err;
    insert_chunk(sw, s, w, is_newest, made);
    window_count_restored(w);
    return 0;
}
