#include "tsdb/clock.h"

#include <criterion/criterion.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, WINDOW = 4 * HOUR };

static int64_t wall, boot;

static int64_t fake_wall(void *ctx)
{
    (void)ctx;
    return wall;
}

static int64_t fake_boot(void *ctx)
{
    (void)ctx;
    return boot;
}

static struct tsdb_options options = {
    .window_ms = WINDOW,
    .n_windows = 8,
    .wall_ms = fake_wall,
    .boot_ms = fake_boot,
};

static struct clock c;

static void set_up(void)
{
    wall = (int64_t)100000 * WINDOW; /* the start of window 100,000 */
    boot = 5 * HOUR;
    options.clock = CLOCK_WALL;
    clock_init(&c, &options);
}

TestSuite(clock, .init = set_up);

static void pass(int64_t ms)
{
    wall += ms;
    boot += ms;
}

/* How many windows, from `oldest` up, the clock gives up now. */
static int dropped(int64_t *oldest)
{
    int n = 0;
    while (clock_may_drop(&c, *oldest)) {
        ++*oldest;
        n++;
    }
    return n;
}

Test(clock, windows_are_floors)
{
    static const struct {
        int64_t t_ms, window;
    } rows[] = {
        {0, 0},
        {WINDOW - 1, 0},
        {WINDOW, 1},
        {-1, -1},
        {-WINDOW, -1},
        {-WINDOW - 1, -2},
        {INT64_MAX, INT64_MAX / WINDOW},
        {INT64_MIN, INT64_MIN / WINDOW - 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(clock_window_of(&c, rows[i].t_ms), rows[i].window, "row %zu", i);
    cr_assert_eq(clock_window_start(&c, -2), -2 * (int64_t)WINDOW);
}

Test(clock, keeps_eight_windows_the_current_one_among_them)
{
    cr_assert_eq(clock_now_ms(&c), wall);
    cr_assert_eq(clock_oldest_window(&c, clock_now_ms(&c)), 100000 - 7);
    wall -= 1;
    cr_assert_eq(clock_oldest_window(&c, clock_now_ms(&c)), 100000 - 8);
}

Test(clock, drops_the_oldest_as_each_window_passes)
{
    int64_t oldest = 100000 - 7;
    cr_assert_eq(dropped(&oldest), 0);
    for (int i = 0; i < 20; i++) {
        pass(WINDOW - 1);
        cr_assert_eq(dropped(&oldest), 0);
        pass(1);
        cr_assert_eq(dropped(&oldest), 1, "window %d", i);
        cr_assert_eq(dropped(&oldest), 0, "once");
    }
}

Test(clock, a_jump_ahead_does_not_empty_the_glass)
{
    int64_t oldest = 100000 - 7;
    wall += (int64_t)365 * 24 * HOUR;
    cr_assert_eq(dropped(&oldest), 1, "the one that may go within this window of boot time");
    for (int i = 0; i < 5; i++) {
        pass(WINDOW - 1);
        cr_assert_eq(dropped(&oldest), 0);
        pass(1);
        cr_assert_eq(dropped(&oldest), 1);
    }
    wall -= (int64_t)365 * 24 * HOUR; /* it comes back: the rest is safe */
    pass(WINDOW);
    cr_assert_eq(dropped(&oldest), 0);
}

Test(clock, looking_a_little_late_each_time_does_not_add_up)
{
    int64_t oldest = 100000 - 7;
    for (int i = 0; i < 1000; i++) { /* each window's end is seen up to 42 minutes late */
        pass(42 * MINUTE);
        (void)dropped(&oldest);
        cr_assert_geq(oldest, clock_oldest_window(&c, clock_now_ms(&c)) - 1, "step %d", i);
    }
}

Test(clock, a_jump_back_drops_nothing)
{
    int64_t oldest = 100000 - 7;
    wall -= (int64_t)365 * 24 * HOUR;
    pass(WINDOW);
    cr_assert_eq(dropped(&oldest), 0);
}

Test(clock, after_a_restore_nothing_goes_before_an_hour_has_passed)
{
    int64_t oldest = 100000 - 10; /* three have expired while the process was down */
    clock_distrust(&c);
    cr_assert_eq(dropped(&oldest), 0);
    pass(HOUR - 1);
    cr_assert_eq(dropped(&oldest), 0);
    pass(1);
    cr_assert_eq(dropped(&oldest), 3, "then they go at once");
    pass(WINDOW - HOUR);
    cr_assert_eq(dropped(&oldest), 1, "and it goes on as ever");
}

Test(clock, after_a_restore_a_sample_of_the_last_hour_confirms)
{
    int64_t oldest = 100000 - 10;
    clock_distrust(&c);
    clock_sample(&c, wall - HOUR - 1);
    cr_assert_eq(dropped(&oldest), 0, "too old to say");
    clock_sample(&c, wall - HOUR);
    cr_assert_eq(dropped(&oldest), 3);
}

Test(clock, a_jump_after_confirmation_is_at_leisure_again)
{
    int64_t oldest = 100000 - 7;
    clock_distrust(&c);
    clock_sample(&c, wall);
    wall += 100 * (int64_t)WINDOW;
    cr_assert_eq(dropped(&oldest), 1);
}

Test(clock, of_samples_knows_no_time_before_the_first)
{
    options.clock = CLOCK_SAMPLES;
    clock_init(&c, &options);
    cr_assert_eq(clock_now_ms(&c), 0);
    cr_assert_eq(clock_oldest_window(&c, clock_now_ms(&c)), INT64_MIN);
    cr_assert_not(clock_may_drop(&c, -1000000));
}

Test(clock, of_samples_is_the_newest_sample)
{
    options.clock = CLOCK_SAMPLES;
    clock_init(&c, &options);
    clock_sample(&c, -5000);
    cr_assert_eq(clock_now_ms(&c), -5000, "before the epoch, too");
    clock_sample(&c, 9 * (int64_t)WINDOW);
    clock_sample(&c, 3 * (int64_t)WINDOW);
    cr_assert_eq(clock_now_ms(&c), 9 * (int64_t)WINDOW);
    cr_assert_eq(clock_oldest_window(&c, clock_now_ms(&c)), 2);
    int64_t oldest = -1;
    cr_assert_eq(dropped(&oldest), 3, "all at once: nobody's clock has jumped");
}

Test(clock, without_fakes_it_is_the_system)
{
    struct tsdb_options real = {.window_ms = WINDOW, .n_windows = 8};
    clock_init(&c, &real);
    cr_assert_gt(clock_now_ms(&c), INT64_C(1600000000000));
    clock_distrust(&c);
    cr_assert_gt(c.confirm_boot_ms, CLOCK_CONFIRM_MS);
}
