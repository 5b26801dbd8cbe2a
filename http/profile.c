#include "http/profile.h"

#include <string.h>

enum { ROOT, SLACK, FREE_SLOTS, FREE, FIXED_NAMES };

static const char *const fixed_names[FIXED_NAMES] = {"hourglass", "slack", "free slots", "free"};

struct builder {
    struct region *region;
    struct profile *profile;
    uint16_t frames[PROFILE_DEPTH_MAX];
    uint16_t n_frames;
    uint64_t left_bytes; /* of the row that is being split */
    uint16_t classes[TSDB_POOLS];
};

/* ---- names and frames ---- */

static uint16_t add_name(struct builder *b, const char *name)
{
    struct profile *p = b->profile;
    ENSURE(p->n_names < PROFILE_NAMES_MAX);
    p->names[p->n_names] = name;
    return (uint16_t)p->n_names++;
}

static void push(struct builder *b, uint16_t name)
{
    ENSURE(b->n_frames < PROFILE_DEPTH_MAX);
    b->frames[b->n_frames++] = name;
}

static void pop(struct builder *b)
{
    b->n_frames--;
}

/* A sample of the stack as it is. */
static void add(struct builder *b, uint64_t bytes)
{
    struct profile *p = b->profile;
    bytes = size_min(bytes, b->left_bytes);
    if (bytes == 0)
        return;
    ENSURE(p->n_samples < PROFILE_SAMPLES_MAX);
    struct profile_sample *sample = &p->samples[p->n_samples++];
    *sample = (struct profile_sample){.bytes = bytes, .n_frames = b->n_frames};
    memcpy(sample->frames, b->frames, sizeof(b->frames));
    b->left_bytes -= bytes;
}

static void add_below(struct builder *b, uint16_t name, uint64_t bytes)
{
    push(b, name);
    add(b, bytes);
    pop(b);
}

/* ---- the parts of a row ---- */

/* Splits slack over classes by their used bytes, to the byte. */
struct slack {
    uint64_t left_bytes, used_left_bytes;
};

static uint64_t take_slack(struct slack *s, uint64_t used_bytes)
{
    uint64_t share = s->left_bytes;
    if (used_bytes < s->used_left_bytes)
        share = (uint64_t)((double)s->left_bytes * (double)used_bytes / (double)s->used_left_bytes);
    share = size_min(share, size_min(s->left_bytes, used_bytes));
    s->left_bytes -= share;
    s->used_left_bytes -= used_bytes;
    return share;
}

static uint64_t used_bytes_of(const struct tsdb_window_stats *w, unsigned c)
{
    return (uint64_t)w->classes[c].used * tsdb_pool_bytes(c);
}

static void add_window(struct builder *b, const struct tsdb_window_stats *w)
{
    struct slack slack = {.left_bytes = memory_window_waste(w).slack_bytes};
    for (unsigned c = 0; c < TSDB_POOLS; c++)
        slack.used_left_bytes += used_bytes_of(w, c);
    for (unsigned c = 0; c < TSDB_POOLS; c++) {
        uint64_t used = used_bytes_of(w, c), share = take_slack(&slack, used);
        push(b, b->classes[c]);
        add(b, used - share);
        add_below(b, SLACK, share);
        add_below(b, FREE_SLOTS, (uint64_t)w->classes[c].pages * ARENA_PAGE_BYTES - used);
        pop(b);
    }
}

static bool add_windows(struct builder *b, const struct tsdb_stats *s)
{
    for (uint32_t i = 0; i < s->n_windows; i++) {
        const char *name = region_printf(b->region, "window %lld", (long long)s->windows[i].number);
        if (name == NULL)
            return false;
        push(b, add_name(b, name));
        add_window(b, &s->windows[i]);
        pop(b);
    }
    return true;
}

static void add_open(struct builder *b, const struct tsdb_stats *s)
{
    uint64_t used = (uint64_t)s->open.used * SIZE_CLASS_STEP_BYTES;
    add_below(b, SLACK, used - size_min(used, s->open_payload_bytes));
    add_below(b, FREE_SLOTS, (uint64_t)s->open.pages * ARENA_PAGE_BYTES - used);
}

static bool add_parts(struct builder *b, const char *owner, const struct memory_report *m,
                      const struct tsdb_stats *s)
{
    const struct {
        const char *owner;
        uint16_t name;
        uint64_t bytes;
    } parts[] = {
        {"series", FREE_SLOTS, s->free_series_bytes},
        {"labels", FREE_SLOTS, s->free_label_bytes},
        {"symbols", FREE_SLOTS, s->free_symbol_bytes},
        {"pairs", FREE_SLOTS, s->free_pair_bytes},
        {"postings", FREE_SLOTS, s->free_posting_bytes},
        {"libc", FREE, m->heap.free_bytes},
    };
    if (strcmp(owner, "chunks") == 0)
        return add_windows(b, s);
    if (strcmp(owner, "tails") == 0)
        add_open(b, s);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strcmp(owner, parts[i].owner) == 0)
            add_below(b, parts[i].name, parts[i].bytes);
    return true;
}

/* ---- all rows ---- */

static bool add_names(struct builder *b)
{
    for (size_t i = 0; i < FIXED_NAMES; i++)
        add_name(b, fixed_names[i]);
    for (unsigned c = 0; c < TSDB_POOLS; c++) {
        const char *name = region_printf(b->region, "class %zu", tsdb_pool_bytes(c));
        if (name == NULL)
            return false;
        b->classes[c] = add_name(b, name);
    }
    return true;
}

bool profile_make(const struct memory_report *m, const struct tsdb_stats *s, struct region *r,
                  struct profile *ret)
{
    struct builder b = {.region = r, .profile = ret};
    *ret = (struct profile){0};
    ret->names = region_alloc(r, PROFILE_NAMES_MAX * sizeof(*ret->names));
    ret->samples = region_alloc(r, PROFILE_SAMPLES_MAX * sizeof(*ret->samples));
    if (ret->names == NULL || ret->samples == NULL || !add_names(&b))
        return false;
    push(&b, ROOT);
    for (size_t i = 0; i < m->n_rows; i++) {
        b.left_bytes = m->rows[i].bytes;
        push(&b, add_name(&b, m->rows[i].owner));
        if (!add_parts(&b, m->rows[i].owner, m, s))
            return false;
        add(&b, b.left_bytes);
        pop(&b);
    }
    return true;
}
