/* Parameters with memory of their own, for tests of what is read into them: begin_params and
 * end_params are a suite's .init and .fini. */
#ifndef TESTS_UNIT_HTTP_TEST_PARAMS_H
#define TESTS_UNIT_HTTP_TEST_PARAMS_H

#include "http/params.h"

#include <criterion/criterion.h>
#include <string.h>

static struct budget budget;
static struct arena arena;
static struct region region;
static struct params params;

static inline void begin_params(void)
{
    enum { MEMORY = 64 << 20 };
    budget_init(&budget, MEMORY);
    cr_assert(arena_init(&arena, &budget, MEMORY));
    region_init(&region, &arena, budget_owner(&budget, "test"), 0);
    params_init(&params, &region);
}

static inline void end_params(void)
{
    region_release(&region);
    arena_release(&arena);
}

#endif
