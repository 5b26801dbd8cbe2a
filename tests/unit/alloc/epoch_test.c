#include "alloc/epoch.h"
#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>

static struct epoch e;

static void set_up(void)
{
    epoch_init(&e);
}

TestSuite(epoch, .init = set_up);

Test(epoch, nobody_is_inside_at_first)
{
    cr_assert_eq(epoch_oldest(&e), UINT64_MAX);
}

Test(epoch, stamps_ascend_without_gaps)
{
    uint64_t first = epoch_stamp(&e);
    for (uint64_t i = 1; i < 1000; i++)
        cr_assert_eq(epoch_stamp(&e), first + i);
}

Test(epoch, who_is_inside_holds_what_is_stamped_after_he_came)
{
    uint64_t before = epoch_stamp(&e);
    unsigned place = epoch_enter(&e);
    uint64_t after = epoch_stamp(&e);

    cr_assert_lt(before, epoch_oldest(&e), "he came in after that and cannot see it");
    cr_assert_geq(after, epoch_oldest(&e), "he may see it");
    epoch_leave(&e, place);
    cr_assert_lt(after, epoch_oldest(&e));
}

Test(epoch, the_one_who_came_first_counts)
{
    unsigned a = epoch_enter(&e);
    uint64_t s1 = epoch_stamp(&e);
    unsigned b = epoch_enter(&e);
    uint64_t s2 = epoch_stamp(&e);
    unsigned c = epoch_enter(&e);

    cr_assert_eq(epoch_oldest(&e), s1);
    epoch_leave(&e, a);
    cr_assert_eq(epoch_oldest(&e), s2);
    epoch_leave(&e, c);
    cr_assert_eq(epoch_oldest(&e), s2);
    epoch_leave(&e, b);
    cr_assert_eq(epoch_oldest(&e), UINT64_MAX);
}

Test(epoch, places_are_distinct_and_used_again)
{
    bool is_taken[EPOCH_READERS_MAX] = {false};
    unsigned places[EPOCH_READERS_MAX];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < EPOCH_READERS_MAX; i++) {
            places[i] = epoch_enter(&e);
            cr_assert_lt(places[i], EPOCH_READERS_MAX);
            cr_assert_not(is_taken[places[i]], "place %u twice", places[i]);
            is_taken[places[i]] = true;
        }
        for (unsigned i = 0; i < EPOCH_READERS_MAX; i++) {
            epoch_leave(&e, places[i]);
            is_taken[places[i]] = false;
        }
    }
    cr_assert_eq(epoch_oldest(&e), UINT64_MAX);
}

Test(epoch, places_of_a_thread_stay_the_same_while_they_are_free)
{
    unsigned place = epoch_enter(&e);
    epoch_leave(&e, place);
    for (int i = 0; i < 10; i++) {
        unsigned again = epoch_enter(&e);
        cr_assert_eq(again, place, "the line is in this core's cache");
        epoch_leave(&e, again);
    }
    place = epoch_enter(&e);
    unsigned second = epoch_enter(&e);
    epoch_leave(&e, place);
    epoch_leave(&e, second);
    unsigned again = epoch_enter(&e);
    cr_assert_eq(again, second, "the last one counts");
    epoch_leave(&e, again);
}

static atomic_uint latecomer_place;

static void *latecomer(void *arg)
{
    (void)arg;
    atomic_store(&latecomer_place, epoch_enter(&e));
    return NULL;
}

Test(epoch, one_too_many_waits_for_a_place)
{
    unsigned places[EPOCH_READERS_MAX];
    for (unsigned i = 0; i < EPOCH_READERS_MAX; i++)
        places[i] = epoch_enter(&e);
    pthread_t thread;
    atomic_store(&latecomer_place, EPOCH_READERS_MAX);
    cr_assert_eq(pthread_create(&thread, NULL, latecomer, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        sched_yield();
        cr_assert_eq(atomic_load(&latecomer_place), EPOCH_READERS_MAX);
    }
    uint64_t stamp = epoch_stamp(&e);

    epoch_leave(&e, places[77]);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(atomic_load(&latecomer_place), places[77]);
    for (unsigned i = 0; i < EPOCH_READERS_MAX; i++)
        if (i != 77)
            epoch_leave(&e, places[i]);
    cr_assert_lt(stamp, epoch_oldest(&e), "it announced the epoch in which it came in at last");
}

/* Cells are published one after another; what is replaced is poisoned and filled anew as soon as
 * the epochs allow it. A reader that finds a cell out of order was let in too late or let go too
 * early. The cells' content is not atomic, so that ThreadSanitizer sees every missing edge. */
enum { CELLS = 8, WORDS = 16, READERS = 3 };

struct cell {
    uint64_t words[WORDS]; /* all equal and not 0; 0 = not to be read */
    uint64_t stamp;
};

static struct cell cells[CELLS];
static atomic_uint published;
static atomic_bool is_over;
static atomic_uint n_bad;

static void *reader(void *arg)
{
    struct random random;
    random_init(&random, *(const uint64_t *)arg);
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        unsigned place = epoch_enter(&e);
        unsigned at = atomic_load_explicit(&published, memory_order_acquire);
        if (random_below(&random, 64) == 0)
            sched_yield();
        uint64_t first = cells[at].words[0];
        for (unsigned w = 0; w < WORDS; w++)
            if (cells[at].words[w] != first || first == 0)
                atomic_fetch_add(&n_bad, 1);
        epoch_leave(&e, place);
    }
    return NULL;
}

/* volatile: a poison that is soon overwritten is written all the same. */
static void fill(struct cell *cell, uint64_t value)
{
    volatile uint64_t *words = cell->words;
    for (unsigned w = 0; w < WORDS; w++)
        words[w] = value;
}

Test(epoch, nobody_sees_a_cell_that_is_used_again, .timeout = 120)
{
    pthread_t threads[READERS];
    uint64_t seeds[READERS], seed = random_seed();
    uint64_t rounds = random_setting("ROUNDS", 20000);
    fill(&cells[0], 1);
    for (uint64_t i = 0; i < READERS; i++) {
        seeds[i] = seed + i;
        cr_assert_eq(pthread_create(&threads[i], NULL, reader, &seeds[i]), 0);
    }
    for (uint64_t round = 1; round < rounds; round++) {
        unsigned old = (unsigned)((round - 1) % CELLS), new = (unsigned)(round % CELLS);
        while (cells[new].stamp >= epoch_oldest(&e))
            sched_yield();
        fill(&cells[new], 0);
        fill(&cells[new], round + 1);
        atomic_store_explicit(&published, new, memory_order_release);
        cells[old].stamp = epoch_stamp(&e);
    }
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < READERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(atomic_load(&n_bad), 0);
    cr_assert_eq(epoch_oldest(&e), UINT64_MAX);
}
