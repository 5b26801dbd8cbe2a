/* What senders say about metrics is kept against a model: a list of what was said, in order. */
#include "http/metadata.h"

#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 64 << 20 };

static struct test_arena t;
static struct metadata m;
static struct region out;
static struct metadata_item *items;
static size_t n_items;

static void setup(void)
{
    test_arena_init(&t, MEMORY);
    metadata_init(&m, &t.arena);
    region_init(&out, &t.arena, t.owner, 0);
}

static void teardown(void)
{
    cr_assert_null(metadata_check(&m), "%s", metadata_check(&m));
    region_release(&out);
    metadata_release(&m);
    test_arena_release(&t);
}

TestSuite(metadata, .init = setup, .fini = teardown);

static struct metadata_text text(const char *s)
{
    return (struct metadata_text){s, (uint32_t)strlen(s)};
}

static bool put(const char *family, enum metadata_type type, const char *help, const char *unit,
                int64_t now_ms)
{
    const struct metadata_item item = {text(family), text(help), text(unit), type};
    return metadata_put(&m, &item, now_ms);
}

/* "family:type:help:unit " of everything, or of one family. */
static const char *said(const char *family)
{
    static char all[4096];
    size_t n = 0;
    region_release(&out);
    cr_assert(metadata_list(&m, family, family ? strlen(family) : 0, &out, &items, &n_items));
    all[0] = '\0';
    for (size_t i = 0; i < n_items; i++)
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%s:%s:%s:%s ", items[i].family.bytes,
                              metadata_type_text(items[i].type), items[i].help.bytes,
                              items[i].unit.bytes);
    return all;
}

Test(metadata, is_sorted_by_name_and_kept_once)
{
    cr_assert_str_eq(said(NULL), "");
    cr_assert(put("up", METADATA_GAUGE, "Up.", "", 1));
    cr_assert(put("hits", METADATA_COUNTER, "Hits.", "requests", 2));
    cr_assert(put("up", METADATA_GAUGE, "Up.", "", 3));
    cr_assert(put("up", METADATA_GAUGE, "Is up.", "", 4));
    cr_assert(put("upper", METADATA_UNKNOWN, "", "", 5));
    cr_assert_str_eq(said(NULL),
                     "hits:counter:Hits.:requests up:gauge:Up.: up:gauge:Is up.: upper:unknown:: ");
    cr_assert_str_eq(said("up"), "up:gauge:Up.: up:gauge:Is up.: ");
    cr_assert_str_eq(said("none"), "");
}

Test(metadata, types_have_the_names_of_the_api)
{
    static const char *const names[] = {"unknown",        "counter", "gauge", "histogram",
                                        "gaugehistogram", "summary", "info",  "stateset"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        cr_assert_str_eq(metadata_type_text((enum metadata_type)i), names[i]);
    cr_assert_str_eq(metadata_type_text((enum metadata_type)8), "unknown");
}

Test(metadata, one_more_of_a_family_takes_the_place_of_the_oldest)
{
    static const char *const helps[] = {"a", "b", "c", "d"};
    static_assert(ARRAY_LEN(helps) == METADATA_PER_FAMILY, "as many as there is room for");
    for (int64_t i = 0; i < METADATA_PER_FAMILY; i++)
        cr_assert(put("up", METADATA_GAUGE, helps[i], "", i));
    cr_assert(put("up", METADATA_GAUGE, "a", "", 10)); /* heard again */
    cr_assert_str_eq(said(NULL), "up:gauge:a: up:gauge:b: up:gauge:c: up:gauge:d: ");
    cr_assert(put("up", METADATA_GAUGE, "e", "", 11));
    cr_assert_str_eq(said(NULL), "up:gauge:a: up:gauge:c: up:gauge:d: up:gauge:e: ");
}

Test(metadata, what_is_not_heard_of_for_a_day_is_forgotten)
{
    cr_assert(put("old", METADATA_GAUGE, "", "", 0));
    cr_assert(put("young", METADATA_GAUGE, "", "", 1));
    cr_assert(put("new", METADATA_GAUGE, "", "", METADATA_FORGET_MS));
    cr_assert_str_eq(said(NULL), "new:gauge:: old:gauge:: young:gauge:: ");
    cr_assert(put("newer", METADATA_GAUGE, "", "", METADATA_FORGET_MS + METADATA_SWEEP_MS));
    cr_assert_str_eq(said(NULL), "new:gauge:: newer:gauge:: ");
}

Test(metadata, limits)
{
    static char help[METADATA_TEXT_MAX + 1];
    memset(help, 'h', sizeof(help) - 1);
    cr_assert_not(put("", METADATA_GAUGE, "h", "", 1), "no name");
    help[METADATA_TEXT_MAX - 2] = '\0';
    cr_assert(put("up", METADATA_GAUGE, help, "", 1));
    help[METADATA_TEXT_MAX - 2] = 'h';
    help[METADATA_TEXT_MAX - 1] = '\0';
    cr_assert_not(put("up", METADATA_GAUGE, help, "", 1), "one byte more");
    help[METADATA_TEXT_MAX - 2] = '\0';
    size_t n = 1;
    for (bool is_kept = true; is_kept && n < 10000; n++) {
        char name[16];
        snprintf(name, sizeof(name), "m%zu", n);
        is_kept = put(name, METADATA_GAUGE, help + 16, "", 1);
    }
    cr_assert_gt(n, METADATA_BYTES_MAX / METADATA_TEXT_MAX / 2);
    cr_assert_lt(n, METADATA_BYTES_MAX / METADATA_TEXT_MAX + 2);
    cr_assert_leq(m.region.taken_bytes, METADATA_BYTES_MAX);
    cr_assert(put("up", METADATA_GAUGE, help, "", 1), "what is kept is heard");
    cr_assert_not(put("other", METADATA_GAUGE, help, "", 1));
    cr_assert_null(metadata_check(&m));
}

/* Replaced over and over, it stays small. */
Test(metadata, what_was_replaced_gives_its_memory_back)
{
    char help[1024];
    for (int i = 0; i < 20000; i++) {
        snprintf(help, sizeof(help), "%1000d", i);
        cr_assert(put("up", METADATA_GAUGE, help, "", i));
    }
    cr_assert_leq(m.region.taken_bytes, 4 * METADATA_REBUILD_BYTES_MIN + 4 * REGION_FIRST_BYTES);
    cr_assert_eq(m.n, METADATA_PER_FAMILY);
}

Test(metadata, many_families)
{
    struct random r;
    char name[32], help[32];
    enum { FAMILIES = 5000 };
    random_init(&r, random_seed());
    for (int i = 0; i < 3 * FAMILIES; i++) {
        uint64_t k = i < FAMILIES ? (uint64_t)i : random_below(&r, FAMILIES);
        snprintf(name, sizeof(name), "m%05u", (unsigned)k);
        snprintf(help, sizeof(help), "help %u", (unsigned)k);
        cr_assert(put(name, (enum metadata_type)(k % 8), help, "s", i));
    }
    cr_assert_null(metadata_check(&m));
    cr_assert(metadata_list(&m, NULL, 0, &out, &items, &n_items));
    cr_assert_eq(n_items, FAMILIES);
    for (unsigned i = 0; i < FAMILIES; i++) {
        snprintf(name, sizeof(name), "m%05u", i);
        snprintf(help, sizeof(help), "help %u", i);
        cr_assert_str_eq(items[i].family.bytes, name);
        cr_assert_str_eq(items[i].help.bytes, help);
        cr_assert_eq(items[i].type, i % 8);
    }
}

/* Every allocation fails once: what cannot be kept is refused, and nothing is lost. */
Test(metadata, without_memory)
{
    bool is_over = false;
    for (int64_t nth = 1; !is_over; nth++) {
        int n_kept = 0;
        metadata_release(&m);
        test_arena_release(&t);
        setup();
        budget_fail_nth(&t.budget, nth);
        for (int i = 0; i < 600; i++) {
            char name[16], help[1024];
            snprintf(name, sizeof(name), "m%03d", i);
            snprintf(help, sizeof(help), "%1000d", i);
            n_kept += put(name, METADATA_GAUGE, help, "", i);
            cr_assert_null(metadata_check(&m));
        }
        is_over = atomic_load(&t.budget.fail_in) > 0;
        budget_fail_nth(&t.budget, 0);
        cr_assert(metadata_list(&m, NULL, 0, &out, &items, &n_items));
        cr_assert_eq(n_items, (size_t)n_kept);
        cr_assert_geq(n_kept, 598);
        cr_assert(!is_over || n_kept == 600);
        cr_assert(nth > 3 || !is_over, "several takes were refused");
        region_release(&out);
    }
}

Test(metadata, listing_without_memory)
{
    struct region small;
    cr_assert(put("up", METADATA_GAUGE, "Up.", "", 1));
    region_init(&small, &t.arena, t.owner, 1);
    cr_assert_not(metadata_list(&m, NULL, 0, &small, &items, &n_items));
    region_release(&small);
}

Test(metadata, its_check_sees_what_is_wrong)
{
    cr_assert(put("up", METADATA_GAUGE, "Up.", "", 1));
    m.n++;
    cr_assert_not_null(metadata_check(&m));
    m.n--;
    m.n_bytes++;
    cr_assert_not_null(metadata_check(&m));
    m.n_bytes--;
    m.n_dead_bytes++;
    cr_assert_not_null(metadata_check(&m));
    m.n_dead_bytes--;
}
