/* Blocks and chunks under any bytes. The first byte chooses the half:
 *
 *   even  the rest is a block, head and bytes, as a damaged file would hand it over: reading it
 * looks at nothing outside, and what is accepted can be decoded or is refused by that, ascends, and
 *         comes back the same when it is written again;
 *   odd   the rest is a program of appends, late samples and sealing, run on two chunks of one
 * window and on two sorted arrays, and on three more that repeat what is appended to the first and
 * so share its values: both must hold the same, whatever range is read, with and without memory,
 * and a copy that is restored from what chunk_visit hands out as well. */
#include "tests/fuzz/fuzz.h"
#include "tsdb/chunk.h"
#include "tsdb/err.h"

enum {
    WRITTEN = 2,
    ECHOES = 3, /* of the first one */
    SERIES = WRITTEN + ECHOES,
    SHARED_BYTES = 64,  /* of what a block in the input refers to */
    SAMPLES_MAX = 1000, /* of a series; an operation adds up to OPERATION_MAX */
    OPERATION_MAX = 128,
    TIMELINES_MAX = 6 * SAMPLES_MAX,
    SHARED_MAX = SAMPLES_MAX,
    LIMIT_BYTES = 16 << 20,
    START = 1 << 24,
    WINDOW_MS = 4 * 3600 * 1000,
    BLOCK_TIMES = 200, /* of the timeline that blocks refer to */
};

struct series {
    struct chunk c;
    bool is_open;
    uint32_t phase, n;
    uint32_t times[SAMPLES_MAX]; /* sorted: what the chunk must hold */
    uint64_t values[SAMPLES_MAX];
};

struct world {
    struct budget budget;
    struct arena arena;
    struct windows windows;
    struct window *window;
    struct slots slots;
    struct recent_timelines recent;
    struct recent_shared shared;
    struct times_item items[TIMES_CACHE_WRITER];
    struct times_cache times;
    struct series series[SERIES];
    slot old[TIMELINES_MAX], made[TIMELINES_MAX]; /* while a window is copied */
    uint32_t n_timelines;
    slot old_shared[SHARED_MAX], made_shared[SHARED_MAX];
    uint32_t n_shared;
};

static struct world *w;

static void set_up(void)
{
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        budget_init(&w->budget, LIMIT_BYTES);
        REQUIRE(arena_init(&w->arena, &w->budget, LIMIT_BYTES));
        unsigned owner = budget_owner(&w->budget, "chunks");
        windows_init(&w->windows, WINDOW_MS, owner, owner);
        slots_init(&w->slots, &w->arena, owner, owner);
    }
    w->window = window_make(&w->windows, 0);
    times_cache_init(&w->times, w->items, TIMES_CACHE_WRITER);
}

static void tear_down(void)
{
    slots_drain(&w->slots);
    REQUIRE(limbo_is_empty(&w->slots.limbo) && w->slots.n_promised == 0);
    REQUIRE(windows_check(&w->arena, &w->windows));
    while (w->windows.n_live > 0)
        window_expire(&w->windows, window_live(&w->windows, 0));
    for (struct window *gone; (gone = window_expiring(&w->windows)) != NULL;)
        window_free(&w->arena, &w->windows, gone);
    pool_drop(&w->arena, &w->slots.open);
    w->slots.open_payload = 0;
}

/* ---- bytes as a block ---- */

/* By each decoder: equal verdicts, equal bits. */
static bool decode(const struct block *b, uint32_t n, uint32_t *times, uint64_t *values)
{
    bool is_good = false;
    uint32_t all_times[2][BLOCK_SAMPLES_MAX];
    uint64_t all_values[2][BLOCK_SAMPLES_MAX];
    for (int d = 0; decoder_use(d); d++) {
        bool is_good_now = block_times(&w->arena, &w->times, b, 0, n, all_times[d]) &&
                           block_values(b, 0, n, all_values[d]);
        REQUIRE(d == 0 || is_good_now == is_good);
        is_good = is_good_now;
        REQUIRE(d == 0 || !is_good ||
                (memcmp(all_times[0], all_times[d], n * sizeof(*times)) == 0 &&
                 memcmp(all_values[0], all_values[d], n * sizeof(*values)) == 0));
    }
    if (is_good) {
        memcpy(times, all_times[0], n * sizeof(*times));
        memcpy(values, all_values[0], n * sizeof(*values));
    }
    return is_good;
}

/* Of a block that is good: written again it is the same. */
static void write_again(const struct block *b, uint32_t n, const uint32_t *times,
                        const uint64_t *values)
{
    uint8_t bytes[BLOCK_STORED_MAX];
    uint32_t times_again[BLOCK_SAMPLES_MAX];
    uint64_t values_again[BLOCK_SAMPLES_MAX];
    struct block_context put = {0}, got = {0};
    struct block again;
    size_t n_bytes = block_put(b, &put, bytes);
    const uint8_t *at = bytes;
    REQUIRE(n_bytes <= sizeof(bytes));
    REQUIRE(block_get(&at, bytes + n_bytes, &got, &again) && at == bytes + n_bytes);
    REQUIRE(again.n_samples == b->n_samples && got.timeline == put.timeline);
    REQUIRE(again.shared == b->shared);
    block_fetch(&w->arena, &again);
    REQUIRE(got.place == put.place && decode(&again, n, times_again, values_again));
    REQUIRE(memcmp(times, times_again, n * sizeof(*times)) == 0);
    REQUIRE(memcmp(values, values_again, n * sizeof(*values)) == 0);
}

static const uint8_t *some_bytes(const uint8_t *input, size_t n)
{
    static const uint8_t zeros[SHARED_BYTES];
    return n >= SHARED_BYTES ? input + n - SHARED_BYTES : zeros;
}

static void read_block(struct input *in)
{
    uint32_t times[BLOCK_SAMPLES_MAX];
    uint64_t values[BLOCK_SAMPLES_MAX];
    set_up();
    slot timeline = timeline_new(&w->slots, w->window, 5);
    for (uint32_t i = 1; i < BLOCK_TIMES; i++)
        REQUIRE(timeline_append(&w->slots, w->window, timeline, &(uint32_t){5 + i * i}, 1) == 0);
    struct block_context io = {timeline, (uint32_t)take(in, 1)};
    size_t n_bytes = (size_t)(in->end - in->at);
    uint8_t *exact = malloc(n_bytes + (size_t)(n_bytes == 0));
    const uint8_t *at = exact;
    struct block b;
    memcpy(exact, in->at, n_bytes);
    if (block_get(&at, exact + n_bytes, &io, &b)) {
        REQUIRE(b.n_samples >= 1 && b.n_samples <= BLOCK_RUN_MAX);
        REQUIRE(at <= exact + n_bytes);
        REQUIRE(b.shared != 0 ? b.values == NULL && b.n_values_bytes == 0
                              : b.values + b.n_values_bytes == at);
        if (b.shared != 0) { /* as well; what it names may be any bytes */
            b.shared = shared_new(&w->slots, w->window, some_bytes(exact, n_bytes), SHARED_BYTES);
            block_fetch(&w->arena, &b);
        }
        if (b.times == BLOCK_AT && b.timeline != timeline && b.first < BLOCK_TIMES)
            b.timeline = timeline; /* a handle is the caller's to check */
        uint32_t n = (uint32_t)size_min(b.n_samples, BLOCK_SAMPLES_MAX);
        bool is_there = b.times != BLOCK_AT ||
                        (b.timeline == timeline && (uint64_t)b.first + b.n_samples <= BLOCK_TIMES);
        if (is_there && decode(&b, n, times, values)) {
            for (uint32_t i = 1; i < n; i++)
                REQUIRE(times[i - 1] < times[i]);
            write_again(&b, n, times, values);
        }
    }
    free(exact);
    tear_down();
}

/* ---- samples through chunks ---- */

static struct chunk_view view_of(const struct chunk *c)
{
    struct chunk_view v = {.c = *c};
    chunk_view_head(&w->arena, &v);
    return v;
}

static struct chunk_writer writer_of(const struct series *s)
{
    return (struct chunk_writer){.slots = &w->slots,
                                 .window = w->window,
                                 .recent = &w->recent,
                                 .shared = &w->shared,
                                 .times = &w->times,
                                 .phase = s->phase,
                                 .is_open = s->is_open};
}

static uint32_t place_of(const struct series *s, uint32_t time)
{
    uint32_t at = s->n;
    while (at > 0 && s->times[at - 1] >= time)
        at--;
    return at;
}

static void put(struct series *s, uint32_t time, uint64_t value)
{
    uint32_t at = place_of(s, time);
    struct chunk_writer writer = writer_of(s);
    struct chunk_view v = view_of(&s->c);
    if (at < s->n) {
        uint64_t found;
        bool is_there = s->times[at] == time;
        REQUIRE(chunk_find(&w->arena, &w->times, &v, time, &found) == is_there);
        REQUIRE(!is_there || found == s->values[at]);
        if (is_there)
            return;
    }
    int err = chunk_add(&writer, &s->c, time, value, at == s->n);
    if (err != 0) {
        struct chunk_view after = view_of(&s->c);
        REQUIRE(err == ERR_NO_MEMORY && memcmp(&v, &after, sizeof(v)) == 0);
        return;
    }
    memmove(&s->times[at + 1], &s->times[at], (s->n - at) * sizeof(time));
    memmove(&s->values[at + 1], &s->values[at], (s->n - at) * sizeof(value));
    s->times[at] = time;
    s->values[at] = value;
    s->n++;
}

static void compare_by_one(const struct series *s, uint32_t min, uint32_t max)
{
    static int64_t t_ms[SAMPLES_MAX];
    static uint64_t values[SAMPLES_MAX];
    struct chunk_view v = view_of(&s->c);
    size_t room = chunk_room(&w->arena, &v, min, max), k = 0;
    REQUIRE(room <= s->n);
    size_t n = chunk_read(&w->arena, &w->times, &v, min, max, 0, t_ms, values);
    REQUIRE(n <= room);
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->times[i] < min || s->times[i] > max)
            continue;
        REQUIRE(k < n && t_ms[k] == s->times[i] && values[k] == s->values[i]);
        k++;
    }
    REQUIRE(k == n);
}

static void compare(const struct series *s, uint32_t min, uint32_t max)
{
    for (int d = 0; decoder_use(d); d++) {
        times_cache_init(&w->times, w->items, TIMES_CACHE_WRITER); /* times are decoded as well */
        compare_by_one(s, min, max);
    }
}

static void compare_whole(const struct series *s)
{
    struct chunk_view v = view_of(&s->c);
    uint32_t first, last;
    if (s->n == 0)
        return;
    REQUIRE(chunk_check(&w->arena, &w->times, &v));
    REQUIRE(s->c.n_samples == s->n);
    chunk_span(&w->arena, &w->times, &v, &first, &last);
    REQUIRE(first == s->times[0] && last == s->times[s->n - 1]);
    compare(s, 0, UINT32_MAX);
}

/* Chunks, timelines and shared values take what is in use. */
static void compare_footprint(void)
{
    struct chunk_footprint f = {0};
    slots_drain(&w->slots);
    for (slot t = w->window->last_timeline; t != 0; t = timeline_at(&w->arena, t)->before) {
        REQUIRE(timeline_check(&w->arena, t));
        timeline_add_footprint(&w->arena, t, &f);
    }
    for (slot s = w->window->last_shared; s != 0; s = shared_at(&w->arena, s)->before) {
        REQUIRE(shared_check(&w->arena, s, w->window->serial));
        shared_add_footprint(&w->arena, s, &f);
    }
    for (size_t i = 0; i < SERIES; i++) {
        struct chunk_view v = view_of(&w->series[i].c);
        chunk_add_footprint(&w->arena, &v, &f);
    }
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        REQUIRE(f.slots[c] == w->window->classes[c].n_used);
    for (unsigned c = 0; c < CRUMB_SIZES; c++)
        REQUIRE(f.crumbs[c] == w->window->crumbs[c].n_used);
    REQUIRE(f.payload_bytes == w->window->payload_bytes);
    REQUIRE(f.open_slots == w->slots.open.n_used);
    REQUIRE(f.open_payload_bytes == w->slots.open_payload);
}

/* ---- what a snapshot does ---- */

static slot copied(slot timeline)
{
    uint32_t n = timeline_times(&w->arena, timeline);
    for (uint32_t i = 0; i < w->n_timelines; i++)
        if (w->old[i] == timeline)
            return w->made[i];
    slot made =
        timeline_new(&w->slots, w->window, timeline_time(&w->arena, &w->times, timeline, 0));
    for (uint32_t i = 1; i < n; i++) {
        uint32_t time = timeline_time(&w->arena, &w->times, timeline, i);
        REQUIRE(timeline_append(&w->slots, w->window, made, &time, 1) == 0);
    }
    REQUIRE(w->n_timelines < TIMELINES_MAX);
    w->old[w->n_timelines] = timeline;
    w->made[w->n_timelines++] = made;
    return made;
}

static slot copied_shared(slot shared)
{
    for (uint32_t i = 0; i < w->n_shared; i++)
        if (w->old_shared[i] == shared)
            return w->made_shared[i];
    REQUIRE(w->n_shared < SHARED_MAX);
    w->old_shared[w->n_shared] = shared;
    w->made_shared[w->n_shared] = shared_new(&w->slots, w->window, shared_bytes(&w->arena, shared),
                                             shared_at(&w->arena, shared)->n_bytes);
    return w->made_shared[w->n_shared++];
}

struct copy {
    struct chunk_writer writer;
    struct chunk c;
};

static int copy_block(void *ctx, enum chunk_part part, const struct block *b)
{
    struct copy *to = ctx;
    struct block moved = *b;
    moved.timeline = b->times == BLOCK_AT ? copied(b->timeline) : 0;
    moved.shared = b->shared != 0 ? copied_shared(b->shared) : 0;
    const struct chunk_parts in = {.n = 1, .parts = {part}, .blocks = {moved}};
    REQUIRE(chunk_restore(&to->writer, &to->c, &in) == 0);
    return 0;
}

static int copy_tail(void *ctx, const struct chunk_tail *t)
{
    struct copy *to = ctx;
    struct chunk_tail moved = *t;
    moved.timeline = t->timeline != 0 ? copied(t->timeline) : 0;
    const struct chunk_parts in = {.tail = &moved};
    REQUIRE(chunk_restore(&to->writer, &to->c, &in) == 0);
    return 0;
}

/* The same samples in another window. */
static void restore(void)
{
    w->window = window_make(&w->windows, 1);
    w->n_timelines = w->n_shared = 0;
    for (size_t i = 0; i < SERIES; i++) {
        struct series *s = &w->series[i];
        struct chunk_view v = view_of(&s->c);
        struct copy to = {.writer = writer_of(s)};
        const struct chunk_visitor visitor = {.block = copy_block, .tail = copy_tail, .ctx = &to};
        to.writer.is_open = true;
        REQUIRE(chunk_visit(&w->arena, &v, 0, &visitor) == 0);
        if (s->c.kind == CHUNK_SHEAF || (s->c.kind == CHUNK_ROW && s->c.serial != 0))
            REQUIRE(chunk_seal(&to.writer, &to.c) == 0);
        s->c = to.c;
        compare_whole(s);
    }
}

/* ---- the program ---- */

static uint64_t next_value(struct input *in, unsigned kind, uint64_t before)
{
    double v;
    switch (kind) {
    case 0:
        return before;
    case 1: /* a whole number */
        v = (double)(int8_t)take(in, 1);
        memcpy(&before, &v, sizeof(v));
        return before;
    case 2: /* few bits change */
        return before ^ take(in, 1) << take(in, 1) % 57;
    default:
        return take(in, 1) % 2 == 0 ? STALE_BITS : take(in, 8);
    }
}

enum what { APPEND, APPEND_MANY, STEP, JUMP, LATE, SEAL, NO_MEMORY, COMPARE };

struct program {
    struct input *in;
    struct series *s;
    uint32_t now, step;
    uint64_t value;
};

static void add_samples(struct program *p, unsigned kind, unsigned times)
{
    for (; times > 0; times--) {
        p->value = next_value(p->in, kind, p->value);
        p->now += p->step;
        put(p->s, p->now, p->value);
        for (int i = 0; p->s == w->series && i < ECHOES; i++)
            put(&w->series[WRITTEN + i], p->now, p->value);
    }
}

/* An operation is a byte: three bits of what, two of the value's kind, three how often. */
static void run_operation(struct program *p)
{
    unsigned op = (unsigned)take(p->in, 1), kind = op >> 3 & 3, times = (op >> 5) + 1;
    struct chunk_writer writer;
    switch ((enum what)(op & 7)) {
    case APPEND:
        add_samples(p, kind, times);
        break;
    case APPEND_MANY: /* the same operand again and again: a run, or a pattern */
        add_samples(p, kind, 16 * times);
        break;
    case STEP:
        p->step = 1 + (uint32_t)take(p->in, 2);
        break;
    case JUMP:
        p->now += 1 + (uint32_t)take(p->in, 2);
        add_samples(p, kind, 1);
        break;
    case LATE:
        for (; times > 0; times--)
            put(p->s, p->now - (uint32_t)take(p->in, 1 + (times % 3)),
                next_value(p->in, kind, p->value));
        break;
    case SEAL:
        writer = writer_of(p->s);
        REQUIRE(chunk_seal(&writer, &p->s->c) == 0);
        p->s->is_open = kind != 0;
        break;
    case NO_MEMORY:
        budget_fail_nth(&w->budget, (long)times);
        w->arena.retain_pages = 0; /* so that each page asks the budget */
        add_samples(p, kind, times);
        put(p->s, p->now - (uint32_t)take(p->in, 2), p->value);
        budget_fail_nth(&w->budget, 0);
        break;
    case COMPARE:
        compare(p->s, p->now - p->step * times * 16, p->now - p->step * times);
        break;
    }
}

static bool has_no_room(const struct series *s)
{
    uint32_t most = s->n;
    for (int i = 0; i < ECHOES; i++)
        most = w->series[WRITTEN + i].n > most ? w->series[WRITTEN + i].n : most;
    return most + OPERATION_MAX > SAMPLES_MAX;
}

static void run_program(struct input *in)
{
    set_up();
    w->arena.retain_pages = ARENA_RETAIN_PAGES_DEFAULT;
    for (uint32_t i = 0; i < SERIES; i++) {
        uint32_t phase = i < WRITTEN ? (uint32_t)take(in, 1) : w->series[0].phase;
        w->series[i] = (struct series){.is_open = true, .phase = phase};
    }
    struct program p = {.in = in, .s = w->series, .now = START, .step = 1000};
    for (uint32_t n = 0; in->at < in->end; n++) {
        if (n % 4 == 3)
            p.s = &w->series[p.s == w->series]; /* in turn, so that they meet at one timeline */
        if (has_no_room(p.s))
            break;
        run_operation(&p);
        slots_drain(&w->slots);
    }
    for (size_t i = 0; i < SERIES; i++)
        compare_whole(&w->series[i]);
    compare_footprint();
    restore();
    tear_down();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    if (size == 0)
        return 0;
    if (take(&in, 1) % 2 == 0)
        read_block(&in);
    else
        run_program(&in);
    return 0;
}
