/* What a script has loaded: a real store, filled through append, and the label sets of those series
 * that the store cannot hold yet, so that questions about them can be left out. */
#ifndef TESTS_PROMQLTEST_STORE_H
#define TESTS_PROMQLTEST_STORE_H

#include "tests/promqltest/script.h"
#include "tsdb/matcher.h"
#include "tsdb/tsdb.h"

enum absent_kind { ABSENT_NONE, ABSENT_HISTOGRAM, ABSENT_START_TIMES };

struct absent_series {
    enum absent_kind kind;
    struct labels labels;
    struct absent_series *next;
};

struct store {
    struct budget budget;
    struct arena arena;
    unsigned owner;
    struct tsdb *db;
    struct region region; /* of absent */
    struct absent_series *absent;
};

void store_init(struct store *s); /* aborts without memory */
void store_release(struct store *s);
void store_clear(struct store *s);

/* Stores what a load says. False with *ret_error set. */
bool store_load(struct store *s, const struct command *c, const char **ret_error) WARN_UNUSED;

/* Why a query with these matchers cannot be answered here. */
enum absent_kind store_absent(const struct store *s, const struct matcher_set *set);

#endif
