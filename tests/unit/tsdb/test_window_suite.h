/* What the suites of one window begin and end with. For one suite a file:
 *
 *     TestSuite(name, .init = test_window_set_up, .fini = test_window_tear_down);
 */
#ifndef TESTS_UNIT_TSDB_TEST_WINDOW_SUITE_H
#define TESTS_UNIT_TSDB_TEST_WINDOW_SUITE_H

#include "tests/unit/tsdb/test_chunk.h"

static struct test_window x;
static struct random random_state;

static void test_window_set_up(void)
{
    test_window_init(&x);
    random_init(&random_state, random_seed());
}

static void test_window_tear_down(void)
{
    test_window_release(&x);
}

#endif
