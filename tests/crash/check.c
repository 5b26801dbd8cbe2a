#include "tests/crash/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One query: the series of a family, of one part where there are several. */
struct subject {
    struct check *check;
    const struct load *load;
    struct oracle *oracle;
    const struct check_range *range;
    uint16_t port;
    enum load_family family;
    uint32_t connection, part;
    uint32_t first_tick, last_tick; /* those that can have a sample in the range */
    uint8_t *seen;                  /* which series came, by ordinal */
    size_t n_series;
};

__attribute__((format(printf, 2, 3))) static void tell(struct check *c, const char *format, ...)
{
    char text[512];
    va_list args;
    if (c->n_examples >= CHECK_EXAMPLES_MAX)
        return;
    c->n_examples++;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    fprintf(stderr, "    %s\n", text);
}

static const char *state_name(enum oracle_state state)
{
    static const char *const names[] = {"unsent", "doubtful", "lapsed", "seen", "acknowledged"};
    return names[state];
}

static void tell_sample(struct check *c, const char *what, const struct load_series *s,
                        uint32_t tick, struct load_sample expected, uint64_t got,
                        enum oracle_state state)
{
    tell(c,
         "%s: %s{c=%u,p=%u,s=%u} tick %u, %" PRId64 " ms, value %016" PRIx64 " (%016" PRIx64
         " came), %s",
         what, load_family_name(s->family), s->connection, s->part, s->number, tick, expected.t_ms,
         expected.bits, got, state_name(state));
}

/* --- which series there are ------------------------------------------------------------------- */

static size_t ordinal(const struct subject *q, const struct load_series *s)
{
    return s->family == LOAD_BORN
               ? (size_t)(s->part - q->first_tick) * q->load->n_series[LOAD_BORN] + s->number
               : s->number;
}

static struct load_series series_at(const struct subject *q, size_t i)
{
    uint32_t n = q->load->n_series[q->family];
    bool is_born = q->family == LOAD_BORN;
    return (struct load_series){q->family, q->connection,
                                is_born ? q->first_tick + (uint32_t)(i / n) : q->part,
                                (uint32_t)(i % n)};
}

static bool is_known(const struct subject *q, const struct load_series *s)
{
    if (s->family != q->family || s->connection != q->connection ||
        s->number >= q->load->n_series[s->family])
        return false;
    return s->family == LOAD_BORN ? s->part <= q->oracle->newest_tick : s->part == q->part;
}

/* --- one series ------------------------------------------------------------------------------- */

/* What is known of a sample: the best that is known of a request that carries it, unless it was
 * deleted since: then it is as if it had never been sent. */
static enum oracle_state state_of(const struct subject *q, const struct load_series *s,
                                  uint32_t tick)
{
    struct load_request r[LOAD_CARRIERS_MAX];
    uint32_t n = load_carriers(q->load, s, tick, r);
    enum oracle_state best = ORACLE_UNSENT;
    for (uint32_t i = 0; i < n; i++) {
        enum oracle_state state = oracle_find(q->oracle, &r[i])->state;
        if (state > best)
            best = state;
    }
    if (!load_deletion(q->load, s, &r[0]))
        return best;
    enum oracle_state deletion = oracle_find(q->oracle, &r[0])->state;
    if (deletion == ORACLE_ACKNOWLEDGED)
        return ORACLE_UNSENT;
    return deletion != ORACLE_UNSENT && best > ORACLE_DOUBTFUL ? ORACLE_DOUBTFUL : best;
}

/* A sample that came twice says nothing about one of its carriers when it is there. */
static void note(const struct subject *q, const struct load_series *s, uint32_t tick,
                 bool is_present)
{
    struct load_request r[LOAD_CARRIERS_MAX];
    uint32_t n = load_carriers(q->load, s, tick, r);
    for (uint32_t i = 0; i < n && (n == 1 || !is_present); i++)
        if (oracle_find(q->oracle, &r[i])->state != ORACLE_UNSENT)
            oracle_looked(q->oracle, &r[i], is_present);
}

/* A sample that came. */
static void check_came(const struct subject *q, const struct load_series *s,
                       struct load_sample came, uint32_t *ret_tick)
{
    struct check *c = q->check;
    uint32_t tick = 0;
    bool is_tick = load_tick_at(q->load, came.t_ms, &tick) && load_is_alive(s, tick);
    struct load_sample expected = is_tick ? load_sample(q->load, s, tick) : came;
    enum oracle_state state = is_tick ? state_of(q, s, tick) : ORACLE_UNSENT;
    *ret_tick = tick;
    c->n_read++;
    if (!is_tick || expected.t_ms != came.t_ms || state == ORACLE_UNSENT) {
        c->n_invented++;
        tell_sample(c, "invented, or deleted before", s, tick, came, came.bits, state);
    } else if (expected.bits != came.bits) {
        c->n_changed++;
        tell_sample(c, "changed", s, tick, expected, came.bits, state);
    }
}

/* A sample that is to be in the store, or may be. */
static void check_expected(const struct subject *q, const struct load_series *s, uint32_t tick,
                           bool is_present)
{
    struct check *c = q->check;
    enum oracle_state state = state_of(q, s, tick);
    if (state == ORACLE_UNSENT)
        return;
    struct load_sample sample = load_sample(q->load, s, tick);
    int64_t window = sample.t_ms / q->range->window_ms - q->range->first_window;
    if (window < 0)
        return;
    bool is_stale = sample.bits == LOAD_STALE;
    bool is_required = state == ORACLE_ACKNOWLEDGED || (state == ORACLE_SEEN && !is_stale);
    c->windows[window].possible++;
    c->windows[window].required += is_required;
    *(is_stale ? &c->n_markers : &c->n_required) += is_required;
    if (is_stale)
        return;
    if (is_required && !is_present) {
        c->n_lost++;
        tell_sample(c, "lost", s, tick, sample, 0, state);
    }
    c->n_lapsed += state == ORACLE_LAPSED && !is_present;
    if (state < ORACLE_SEEN)
        note(q, s, tick, is_present);
}

/* Goes over the ticks and the samples side by side; both ascend. */
static void check_series(const struct subject *q, const struct load_series *s,
                         const struct load_sample *samples, uint32_t n)
{
    uint32_t tick = q->first_tick, last = q->last_tick;
    if (s->family == LOAD_BORN) {
        tick = s->part > tick ? s->part : tick;
        last = s->part + LOAD_LIFE_TICKS < last ? s->part + LOAD_LIFE_TICKS : last;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t came;
        check_came(q, s, samples[i], &came);
        for (; tick < came && tick <= last; tick++)
            check_expected(q, s, tick, false);
        if (tick == came && tick <= last)
            check_expected(q, s, tick++, true);
    }
    for (; tick <= last; tick++)
        check_expected(q, s, tick, false);
}

/* --- one query -------------------------------------------------------------------------------- */

static bool ask(const struct subject *q, struct wire_buffer *ret)
{
    char path[512];
    int64_t range_ms = (q->range->n_windows + 1) * q->range->window_ms;
    char part[32] = "";
    if (q->family != LOAD_BORN)
        snprintf(part, sizeof(part), ",p=%%22%u%%22", q->part);
    snprintf(path, sizeof(path),
             "/api/v1/query?query=%s%%7Bc=%%22%u%%22%s%%7D%%5B%" PRId64 "ms%%5D&time=%" PRId64
             ".%03d&timeout=60s",
             load_family_name(q->family), q->connection, part, range_ms, q->range->newest_ms / 1000,
             (int)(q->range->newest_ms % 1000));
    int status = wire_ask(q->port, "GET", path, ret);
    if (status == 200)
        return true;
    q->check->n_unreadable++;
    tell(q->check, "GET %s: status %d: %.200s", path, status, status > 0 ? ret->bytes : "");
    return false;
}

static void check_answer(struct subject *q, const char *text)
{
    struct answer a = {0};
    struct load_series s;
    answer_begin(&a, text);
    while (answer_next(&a, &s)) {
        if (!is_known(q, &s)) {
            q->check->n_invented += a.n_samples;
            tell_sample(q->check, "a series that nobody sent", &s, 0, a.samples[0], 0,
                        ORACLE_UNSENT);
            continue;
        }
        size_t i = ordinal(q, &s);
        if (s.family != LOAD_BORN || (s.part >= q->first_tick && i < q->n_series))
            q->seen[i] = 1;
        check_series(q, &s, a.samples, a.n_samples);
    }
    if (a.problem != NULL) {
        q->check->n_unreadable++;
        tell(q->check, "%s: %.200s", a.problem, a.at);
    }
    answer_release(&a);
}

static void check_subject(struct subject *q, enum load_family family, uint32_t part)
{
    struct wire_buffer text = {0};
    q->family = family;
    q->part = part;
    q->n_series = q->load->n_series[family];
    if (family == LOAD_BORN) {
        /* those born before the range may end in it */
        q->first_tick -= q->first_tick < LOAD_LIFE_TICKS ? q->first_tick : LOAD_LIFE_TICKS;
        q->n_series *= q->last_tick - q->first_tick + 1;
    }
    q->seen = calloc(q->n_series + 1, 1);
    if (q->seen != NULL && ask(q, &text)) {
        check_answer(q, text.bytes);
        for (size_t i = 0; i < q->n_series; i++) {
            struct load_series s = series_at(q, i);
            if (!q->seen[i])
                check_series(q, &s, NULL, 0);
        }
    }
    free(q->seen);
    free(text.bytes);
}

void check_connection(struct check *c, const struct load *l, struct oracle *o, uint32_t connection,
                      const struct check_range *range, uint16_t port)
{
    struct subject q = {
        .check = c, .load = l, .oracle = o, .range = range, .port = port, .connection = connection};
    uint32_t first = 0;
    if (!o->is_any)
        return;
    /* a sample may be up to a step later than its tick */
    (void)load_tick_at(l, range->first_window * range->window_ms - l->step_ms, &first);
    for (uint32_t family = 0; family < LOAD_FAMILIES; family++)
        for (uint32_t part = 0; part < (family == LOAD_STEADY ? l->n_parts : 1); part++) {
            q.first_tick = first;
            q.last_tick = o->newest_tick;
            check_subject(&q, family, part);
        }
}

/* --- all of them ------------------------------------------------------------------------------ */

void check_add(struct check *to, const struct check *from)
{
    to->n_read += from->n_read;
    to->n_required += from->n_required;
    to->n_markers += from->n_markers;
    to->n_lost += from->n_lost;
    to->n_changed += from->n_changed;
    to->n_invented += from->n_invented;
    to->n_lapsed += from->n_lapsed;
    to->n_unreadable += from->n_unreadable;
    for (int i = 0; i < CHECK_WINDOWS_MAX; i++) {
        to->windows[i].required += from->windows[i].required;
        to->windows[i].possible += from->windows[i].possible;
    }
}

/* The number behind "name": after `at`. */
static bool find_number(const char **at, const char *name, int64_t *ret)
{
    char *end;
    const char *found = strstr(*at, name);
    if (found == NULL)
        return false;
    *ret = strtoll(found + strlen(name), &end, 10);
    *at = end;
    return true;
}

void check_windows(struct check *c, const struct check_range *range, uint16_t port)
{
    struct wire_buffer text = {0};
    uint64_t found[CHECK_WINDOWS_MAX] = {0};
    int status = wire_ask(port, "GET", "/api/v1/status/memory", &text);
    const char *at = status == 200 ? strstr(text.bytes, "\"windows\":[") : NULL;
    int64_t start, n;
    if (at == NULL) {
        c->n_unreadable++;
        tell(c, "status/memory has no windows (status %d)", status);
    }
    while (at != NULL && find_number(&at, "\"start\":", &start) &&
           find_number(&at, "\"samples\":", &n)) {
        int64_t window = start / range->window_ms - range->first_window;
        if (window >= 0 && window < range->n_windows)
            found[window] = (uint64_t)n;
    }
    for (int64_t i = 0; at != NULL && i < range->n_windows; i++) {
        if (found[i] >= c->windows[i].required && found[i] <= c->windows[i].possible)
            continue;
        bool is_short = found[i] < c->windows[i].required;
        c->n_lost += is_short ? c->windows[i].required - found[i] : 0;
        c->n_invented += is_short ? 0 : found[i] - c->windows[i].possible;
        tell(c,
             "window %" PRId64 " holds %" PRIu64
             " samples, stale markers among them, and not %" PRIu64 " to %" PRIu64,
             range->first_window + i, found[i], c->windows[i].required, c->windows[i].possible);
    }
    free(text.bytes);
}
