/* The ring has no holes and needs no list of what is free, because what comes first goes first. A
 * record may lie across the end of the ring and across pages: it is read and written unit by unit.
 *
 * The table names an exemplar by the lower 32 bits of its place, counted in units from the start.
 * All places that are in it lie between tail and head, which are less than 2^32 apart, so that is
 * enough. Its entry goes with the exemplar; what follows in the table moves up (there are no marks
 * for what was deleted, which would fill it in time).
 *
 * Rejected: exemplars in the records of series (8 bytes for each of a million series, for the few
 * thousand that have one); labels as pairs of the index (a trace's id occurs once). */
#include "tsdb/exemplars.h"
#include "tsdb/varint.h"

#include <string.h>

/* The first unit of an exemplar; its labels follow, as varint length and bytes of name and value of
 * each. */
struct head {
    uint32_t series;
    uint32_t before; /* units back to the one before of the series; 0 = none */
    int64_t t_ms;
    uint64_t value;
    uint32_t n_text;
    uint32_t n_units; /* this one among them */
};

/* What the table leads to. */
struct entry {
    uint32_t series; /* 0 = empty */
    uint32_t place;
};

enum {
    /* 128 runes of 4 bytes, and 64 labels or more of them with their lengths: a name is not empty
     */
    TEXT_BYTES_MAX = EXEMPLAR_RUNES_MAX * (4 + 3),
    UNITS_MAX = 1 + (TEXT_BYTES_MAX + EXEMPLAR_UNIT_BYTES - 1) / EXEMPLAR_UNIT_BYTES,
};

_Static_assert(sizeof(struct head) == EXEMPLAR_UNIT_BYTES, "a head is a unit");
_Static_assert((uint64_t)EXEMPLARS_MAX *EXEMPLAR_UNITS < INT32_MAX, "places have 32 bits");

void exemplars_init(struct exemplars *x, struct arena *a, unsigned owner, uint32_t max)
{
    ENSURE(max <= EXEMPLARS_MAX);
    memset(x, 0, sizeof(*x));
    x->arena = a;
    x->max = max;
    x->max_units = max * EXEMPLAR_UNITS > UNITS_MAX ? max * EXEMPLAR_UNITS : UNITS_MAX;
    x->newest_mask = 1;
    while (x->newest_mask + 1 < 2 * max)
        x->newest_mask = x->newest_mask * 2 + 1;
    table_init(&x->units, EXEMPLAR_UNIT_BYTES, owner);
    table_init(&x->newest, sizeof(struct entry), owner);
    pthread_mutex_init(&x->lock, NULL);
}

void exemplars_release(struct exemplars *x)
{
    table_release(x->arena, &x->units);
    table_release(x->arena, &x->newest);
    pthread_mutex_destroy(&x->lock);
}

/* ---- the table of the newest ---- */

static struct entry *entry_at(const struct exemplars *x, uint32_t at)
{
    return table_at(x->arena, &x->newest, at);
}

static bool is_used(const struct exemplars *x, uint32_t at)
{
    const struct entry *e = entry_at(x, at);
    return e != NULL && e->series != 0;
}

static uint32_t home_of(const struct exemplars *x, uint32_t series)
{
    return (uint32_t)((series * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & x->newest_mask;
}

/* Where the series is, or would be entered. */
static uint32_t find_entry(const struct exemplars *x, uint32_t series)
{
    uint32_t at = home_of(x, series);
    while (is_used(x, at) && entry_at(x, at)->series != series)
        at = (at + 1) & x->newest_mask;
    return at;
}

/* Takes an entry out; those behind it that may lie earlier move up. */
static void remove_entry(struct exemplars *x, uint32_t hole)
{
    for (uint32_t at = (hole + 1) & x->newest_mask; is_used(x, at);
         at = (at + 1) & x->newest_mask) {
        uint32_t home = home_of(x, entry_at(x, at)->series);
        if (((at - home) & x->newest_mask) < ((at - hole) & x->newest_mask))
            continue; /* its home lies behind the hole */
        *entry_at(x, hole) = *entry_at(x, at);
        hole = at;
    }
    *entry_at(x, hole) = (struct entry){0, 0};
}

/* The whole place of one that is kept. */
static uint64_t place_of(const struct exemplars *x, uint32_t place)
{
    return x->tail + (uint32_t)(place - (uint32_t)x->tail);
}

/* ---- the ring ---- */

static void *unit_at(const struct exemplars *x, uint64_t place)
{
    return table_at(x->arena, &x->units, place % x->max_units);
}

static const struct head *head_at(const struct exemplars *x, uint64_t place)
{
    return unit_at(x, place);
}

static void read_text(const struct exemplars *x, uint64_t place, uint8_t *ret)
{
    const struct head *h = head_at(x, place);
    for (uint32_t done = 0; done < h->n_text; done += EXEMPLAR_UNIT_BYTES)
        memcpy(ret + done, unit_at(x, ++place), size_min(h->n_text - done, EXEMPLAR_UNIT_BYTES));
}

/* The one before of the same series that is still kept; false when there is none. */
static bool step_back(const struct exemplars *x, uint64_t *io_place)
{
    uint32_t before = head_at(x, *io_place)->before;
    if (before == 0 || *io_place - x->tail < before)
        return false;
    *io_place -= before;
    return true;
}

static void drop_oldest(struct exemplars *x)
{
    const struct head *h = head_at(x, x->tail);
    uint32_t at = find_entry(x, h->series);
    if (place_of(x, entry_at(x, at)->place) == x->tail) {
        remove_entry(x, at);
        x->n_series--;
    }
    x->tail += h->n_units;
    x->n--;
    x->n_dropped++;
}

/* Sees to it that the pages are there, before anything is changed. */
static bool make_pages(struct exemplars *x, uint32_t n_units, uint32_t entry)
{
    for (uint32_t i = 0; i < n_units; i++)
        if (!table_make(x->arena, &x->units, (x->head + i) % x->max_units))
            return false;
    return table_make(x->arena, &x->newest, entry) != NULL;
}

static void put_record(struct exemplars *x, const struct head *h, const uint8_t *text)
{
    *(struct head *)unit_at(x, x->head) = *h;
    for (uint32_t i = 1; i < h->n_units; i++) {
        size_t done = (size_t)(i - 1) * EXEMPLAR_UNIT_BYTES;
        memcpy(unit_at(x, x->head + i), text + done,
               size_min(h->n_text - done, EXEMPLAR_UNIT_BYTES));
    }
    x->head += h->n_units;
    x->n++;
    x->n_added++;
}

/* ---- adding ---- */

static size_t count_runes(const char *text, size_t n)
{
    size_t runes = 0;
    for (size_t i = 0; i < n; i++)
        runes += ((unsigned char)text[i] & 0xc0) != 0x80;
    return runes;
}

static bool has_name_before(const struct labels *ls, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (bytes_compare(ls->items[k].name, ls->items[k].name_len, ls->items[i].name,
                          ls->items[i].name_len) == 0)
            return true;
    return false;
}

static int check_labels(const struct labels *ls)
{
    size_t runes = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        if (l->name_len == 0)
            return ERR_LABELS_EMPTY_NAME;
        if (!utf8_is_valid(l->name, l->name_len) || !utf8_is_valid(l->value, l->value_len))
            return ERR_LABELS_NOT_UTF8;
        runes += count_runes(l->name, l->name_len) + count_runes(l->value, l->value_len);
        if (runes > EXEMPLAR_RUNES_MAX)
            return ERR_LABELS_TOO_LONG;
        if (has_name_before(ls, i))
            return ERR_LABELS_DUPLICATE;
    }
    return 0;
}

static uint32_t put_text(const struct labels *ls, uint8_t ret[TEXT_BYTES_MAX])
{
    size_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        n += varint_put(ret + n, l->name_len);
        memcpy(ret + n, l->name, l->name_len);
        n += l->name_len;
        n += varint_put(ret + n, l->value_len);
        if (l->value_len > 0)
            memcpy(ret + n, l->value, l->value_len);
        n += l->value_len;
    }
    return (uint32_t)n;
}

static bool is_repeat(const struct exemplars *x, uint64_t place, const struct head *h,
                      const uint8_t *text)
{
    const struct head *other = head_at(x, place);
    uint8_t kept[TEXT_BYTES_MAX];
    if (other->t_ms != h->t_ms || other->value != h->value || other->n_text != h->n_text)
        return false;
    read_text(x, place, kept);
    return memcmp(kept, text, h->n_text) == 0;
}

/* A series' exemplars come in the order of their times, so the walk back ends soon. 1 = a repeat.
 */
static int check_past(const struct exemplars *x, uint64_t newest, const struct head *h,
                      const uint8_t *text)
{
    uint64_t place = newest;
    for (int i = 0; i < EXEMPLAR_LOOK_BACK_MAX; i++) {
        if (head_at(x, place)->t_ms < h->t_ms)
            break;
        if (is_repeat(x, place, h, text))
            return 1;
        if (!step_back(x, &place))
            break;
    }
    return h->t_ms < head_at(x, newest)->t_ms ? ERR_OUT_OF_ORDER : 0;
}

static int add_locked(struct exemplars *x, struct head *h, const uint8_t *text)
{
    uint32_t at = find_entry(x, h->series);
    if (is_used(x, at)) {
        int err = check_past(x, place_of(x, entry_at(x, at)->place), h, text);
        if (err != 0)
            return err > 0 ? 0 : err;
    }
    if (!make_pages(x, h->n_units, at))
        return ERR_NO_MEMORY;
    while (x->n == x->max || x->head - x->tail + h->n_units > x->max_units)
        drop_oldest(x);
    at = find_entry(x, h->series); /* entries may have moved */
    struct entry *e = table_make(x->arena, &x->newest, at);
    if (e == NULL)
        return ERR_NO_MEMORY;
    x->n_series += e->series == 0;
    h->before = e->series != 0 ? (uint32_t)(x->head - place_of(x, e->place)) : 0;
    *e = (struct entry){h->series, (uint32_t)x->head};
    put_record(x, h, text);
    return 0;
}

int exemplars_add(struct exemplars *x, uint32_t series, const struct exemplar *e)
{
    uint8_t text[TEXT_BYTES_MAX];
    if (x->max == 0)
        return ERR_NO_EXEMPLARS;
    int err = check_labels(&e->labels);
    if (err != 0)
        return err;
    struct head h = {.series = series, .t_ms = e->t_ms, .value = e->value};
    h.n_text = put_text(&e->labels, text);
    h.n_units = 1 + (h.n_text + EXEMPLAR_UNIT_BYTES - 1) / EXEMPLAR_UNIT_BYTES;
    pthread_mutex_lock(&x->lock);
    err = add_locked(x, &h, text);
    pthread_mutex_unlock(&x->lock);
    return err;
}

/* ---- reading ---- */

static const char *take_text(const uint8_t **at, const uint8_t *end, uint32_t *ret_n)
{
    uint64_t n = 0;
    ENSURE(varint_get(at, end, &n) && n <= (size_t)(end - *at));
    const char *text = (const char *)*at;
    *at += n;
    *ret_n = (uint32_t)n;
    return text;
}

static bool copy_exemplar(const struct exemplars *x, uint64_t place, struct region *r,
                          struct exemplar *ret)
{
    const struct head *h = head_at(x, place);
    uint8_t *text = region_alloc(r, h->n_text);
    uint32_t n = 0;
    if (text == NULL)
        return false;
    read_text(x, place, text);
    for (const uint8_t *at = text, *end = text + h->n_text; at < end; n++) {
        uint32_t len;
        (void)take_text(&at, end, &len);
        (void)take_text(&at, end, &len);
    }
    struct label *items = region_alloc(r, n * sizeof(*items));
    if (items == NULL)
        return false;
    const uint8_t *at = text, *end = text + h->n_text;
    for (uint32_t i = 0; i < n; i++) {
        items[i].name = take_text(&at, end, &items[i].name_len);
        items[i].value = take_text(&at, end, &items[i].value_len);
    }
    *ret = (struct exemplar){h->t_ms, h->value, {items, n}};
    return true;
}

static bool is_within(const struct head *h, int64_t min_ms, int64_t max_ms)
{
    return h->t_ms >= min_ms && h->t_ms <= max_ms;
}

static int read_locked(struct exemplars *x, uint64_t newest, int64_t min_ms, int64_t max_ms,
                       struct region *r, struct exemplar **ret, size_t *ret_n)
{
    size_t n = 0;
    uint64_t place = newest;
    do {
        n += is_within(head_at(x, place), min_ms, max_ms);
    } while (step_back(x, &place));
    struct exemplar *items = region_alloc(r, n * sizeof(*items));
    if (items == NULL)
        return ERR_NO_MEMORY;
    *ret = items;
    *ret_n = n;
    place = newest;
    do {
        if (is_within(head_at(x, place), min_ms, max_ms) &&
            !copy_exemplar(x, place, r, &items[--n]))
            return ERR_NO_MEMORY;
    } while (step_back(x, &place));
    return 0;
}

int exemplars_read(struct exemplars *x, uint32_t series, int64_t min_ms, int64_t max_ms,
                   struct region *r, struct exemplar **ret, size_t *ret_n)
{
    int err = 0;
    *ret_n = 0;
    pthread_mutex_lock(&x->lock);
    uint32_t at = find_entry(x, series);
    if (is_used(x, at))
        err = read_locked(x, place_of(x, entry_at(x, at)->place), min_ms, max_ms, r, ret, ret_n);
    pthread_mutex_unlock(&x->lock);
    return err;
}

static uint32_t count_series(const struct exemplars *x)
{
    uint32_t n = 0;
    for (uint64_t place = x->tail; place < x->head; place += head_at(x, place)->n_units) {
        uint32_t at = find_entry(x, head_at(x, place)->series);
        n += is_used(x, at) && place_of(x, entry_at(x, at)->place) == place;
    }
    return n;
}

void exemplars_stats(struct exemplars *x, struct exemplars_stats *ret)
{
    pthread_mutex_lock(&x->lock);
    *ret = (struct exemplars_stats){.n = x->n,
                                    .series = x->n_series,
                                    .added = x->n_added,
                                    .dropped = x->n_dropped,
                                    .max = x->max,
                                    .oldest_ms = x->n > 0 ? head_at(x, x->tail)->t_ms : 0};
    pthread_mutex_unlock(&x->lock);
}

/* ---- checking ---- */

bool exemplars_check(struct exemplars *x)
{
    uint32_t n = 0, n_entries = 0;
    uint64_t place = x->tail;
    pthread_mutex_lock(&x->lock);
    for (; place < x->head && n <= x->n; n++)
        place += head_at(x, place)->n_units;
    bool is_good =
        place == x->head && n == x->n && n <= x->max && x->head - x->tail <= x->max_units;
    for (uint64_t at = 0; at <= x->newest_mask; at++) {
        if (!is_used(x, (uint32_t)at))
            continue;
        const struct entry *e = entry_at(x, (uint32_t)at);
        uint64_t of = place_of(x, e->place);
        is_good = is_good && of < x->head && find_entry(x, e->series) == at &&
                  head_at(x, of)->series == e->series;
        n_entries++;
    }
    is_good = is_good && n_entries == x->n_series && count_series(x) == n_entries;
    pthread_mutex_unlock(&x->lock);
    return is_good;
}
