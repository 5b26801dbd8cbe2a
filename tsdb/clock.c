#include "tsdb/clock.h"

#include <time.h>

static int64_t system_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t wall_ms(const struct clock *c)
{
    const struct tsdb_options *o = c->options;
    return o->wall_ms != NULL ? o->wall_ms(o->clock_ctx) : system_ms(CLOCK_REALTIME);
}

static int64_t boot_ms(const struct clock *c)
{
    const struct tsdb_options *o = c->options;
    return o->boot_ms != NULL ? o->boot_ms(o->clock_ctx) : system_ms(CLOCK_BOOTTIME);
}

void clock_init(struct clock *c, const struct tsdb_options *o)
{
    *c = (struct clock){.options = o,
                        .newest_ms = INT64_MIN,
                        .is_confirmed = true,
                        .floor_window = INT64_MIN,
                        .free_before = INT64_MIN};
}

void clock_distrust(struct clock *c)
{
    c->is_confirmed = false;
    c->confirm_boot_ms = boot_ms(c) + CLOCK_CONFIRM_MS;
}

int64_t clock_now_ms(const struct clock *c)
{
    if (c->options->clock == CLOCK_WALL)
        return wall_ms(c);
    int64_t newest = c->newest_ms;
    return newest != INT64_MIN ? newest : 0;
}

int64_t clock_running_ms(const struct clock *c)
{
    return boot_ms(c);
}

int64_t clock_window_of(const struct clock *c, int64_t t_ms)
{
    int64_t w = c->options->window_ms;
    return t_ms / w - (t_ms % w < 0);
}

int64_t clock_window_start(const struct clock *c, int64_t number)
{
    return (int64_t)((uint64_t)number * (uint64_t)c->options->window_ms);
}

int64_t clock_oldest_window(const struct clock *c, int64_t now_ms)
{
    if (c->options->clock == CLOCK_SAMPLES && c->newest_ms == INT64_MIN)
        return c->floor_window;
    int64_t oldest = clock_window_of(c, now_ms) - (int64_t)c->options->n_windows + 1;
    return oldest > c->floor_window ? oldest : c->floor_window;
}

void clock_raise_floor(struct clock *c, int64_t window)
{
    if (window > c->floor_window)
        c->floor_window = window;
}

static void confirm(struct clock *c)
{
    c->free_before = clock_oldest_window(c, clock_now_ms(c));
    c->is_confirmed = true;
}

void clock_sample(struct clock *c, int64_t t_ms)
{
    if (c->options->clock == CLOCK_SAMPLES) {
        int64_t newest = c->newest_ms;
        while (t_ms > newest && !atomic_compare_exchange_weak(&c->newest_ms, &newest, t_ms))
            ;
    } else if (!c->is_confirmed && t_ms >= wall_ms(c) - CLOCK_CONFIRM_MS) {
        confirm(c);
    }
}

void clock_restored(struct clock *c, int64_t t_ms)
{
    if (c->options->clock == CLOCK_SAMPLES)
        clock_sample(c, t_ms);
}

bool clock_is_due(const struct clock *c, int64_t number)
{
    return number < clock_oldest_window(c, clock_now_ms(c));
}

bool clock_may_drop(struct clock *c, int64_t number)
{
    if (!clock_is_due(c, number))
        return false;
    if (c->options->clock == CLOCK_SAMPLES)
        return true;
    if (!c->is_confirmed && boot_ms(c) >= c->confirm_boot_ms)
        confirm(c);
    if (!c->is_confirmed)
        return false;
    if (number < c->free_before)
        return true;
    int64_t now = boot_ms(c), window_ms = c->options->window_ms;
    int64_t since = c->has_dropped ? now - c->dropped_boot_ms : INT64_MAX;
    if (since < window_ms)
        return false;
    /* counted from when it was due, or being looked at a little late would add up */
    c->dropped_boot_ms = since < 2 * window_ms ? c->dropped_boot_ms + window_ms : now;
    c->has_dropped = true;
    return true;
}
