/* Finding many series at once against finding each. */
#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/series.h"
#include "tsdb/store_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_arena t;
static struct slots slots;
static struct series_index x;
static struct label_index li;
static struct random random_state;

static void set_up(void)
{
    test_arena_init(&t, 256 << 20);
    slots_init(&slots, &t.arena, t.owner, t.owner);
    series_index_init(&x, t.owner, t.owner, t.owner);
    label_index_init(&li, &(struct label_index_owners){t.owner, t.owner, t.owner, t.owner});
    random_init(&random_state, random_seed());
}

static void tear_down(void)
{
    series_index_release(&t.arena, &x);
    label_index_release(&t.arena, &li);
    slots_release(&slots);
    test_arena_release(&t);
}

TestSuite(series_find, .init = set_up, .fini = tear_down);

enum { LABELS_MAX = 6, TEXT_MAX = 64 };

struct made {
    struct label items[LABELS_MAX];
    struct labels labels;
    char texts[LABELS_MAX][2][TEXT_MAX];
};

/* Set i: 1 to 6 labels; long and short names, those of some sets at other places, or in no other
 * set; values of 1 to 60 bytes. */
static const struct labels *make_labels(struct made *m, uint32_t i)
{
    uint32_t n = 1 + i % LABELS_MAX;
    for (uint32_t k = 0; k < n; k++) {
        char *name = m->texts[k][0], *value = m->texts[k][1];
        if (k == 0)
            snprintf(name, TEXT_MAX, "__name__");
        else
            snprintf(name, TEXT_MAX, "%c%s%u", (int)('a' + k),
                     i % 4 == 0 ? "_a_very_long_name_" : "", i % 97 == 0 ? i : i % 3);
        snprintf(value, TEXT_MAX, "%*u", (int)(1 + (i / 7 + k) % 60), k + 1 == n ? i : i % (k + 2));
        m->items[k] = (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
    }
    m->labels = (struct labels){m->items, n};
    return &m->labels;
}

static slot find(const struct labels *ls)
{
    return series_find(&t.arena, &x, series_key_of_labels(&x.hash, ls));
}

/* Looks up n sets from number `first` on, in steps; each answer is that of a lookup by
 * itself. Returns how many were there. */
static size_t compare(uint32_t first, uint32_t step, size_t n)
{
    struct made *made = calloc(n, sizeof(*made));
    struct series_wanted *wanted = calloc(n, sizeof(*wanted));
    size_t n_there = 0;
    for (size_t i = 0; i < n; i++) {
        wanted[i].form = NULL;
        wanted[i].key =
            series_key_of_labels(&x.hash, make_labels(&made[i], first + (uint32_t)i * step));
        wanted[i].series = 77; /* whatever it was */
    }
    series_find_many(&t.arena, &x, wanted, n, false);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(wanted[i].series, find(&made[i].labels), "%zu of %zu", i, n);
        n_there += wanted[i].series != 0;
    }
    free(made);
    free(wanted);
    return n_there;
}

static void add(uint32_t i)
{
    struct made m;
    const struct labels *ls = make_labels(&m, i);
    if (find(ls) == 0)
        cr_assert_neq(series_new(&slots, &x, &li, ls, series_key_of_labels(&x.hash, ls)), 0);
}

Test(series_find, finds_nothing_in_an_empty_index)
{
    cr_assert_eq(compare(0, 1, 100), 0);
}

Test(series_find, finds_what_one_by_one_finds_in_groups_of_all_sizes)
{
    for (uint32_t i = 0; i < 5000; i += 2)
        add(i);
    for (size_t n = 0; n <= 140; n++)
        compare((uint32_t)n * 31, 1, n);
    cr_assert_eq(compare(0, 2, 2500), 2500);
    cr_assert_eq(compare(6001, 2, 500), 0);
}

Test(series_find, agrees_while_series_come_and_go)
{
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 500; i++) {
            uint32_t number = (uint32_t)random_below(&random_state, 8000);
            struct made m;
            slot at = find(make_labels(&m, number));
            if (at == 0)
                add(number);
            else
                series_remove(&slots, &x, &li, at);
        }
        slots_drain(&slots);
        while (label_index_compact(&t.arena, &li, 1000) > 0)
            ;
        (void)series_index_compact(&slots, &x, 1000);
        compare((uint32_t)random_below(&random_state, 4000),
                1 + (uint32_t)random_below(&random_state, 3), 1000);
    }
    cr_assert(series_index_check(&t.arena, &x, &li));
}

/* Sets of which each is the beginning of the next one, and the one without labels. */
Test(series_find, tells_sets_of_all_lengths_apart)
{
    enum { N = LABELS_PER_SERIES_MAX };
    static struct label items[N];
    static char names[N][8];
    struct labels sets[N + 1];
    struct series_wanted wanted[N + 1];
    slot made[N + 1];
    for (uint32_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "n%02u", i);
        items[i] = (struct label){names[i], "v", 3, 1};
    }
    for (uint32_t n = 0; n <= N; n++) {
        sets[n] = (struct labels){items, n};
        wanted[n].form = NULL;
        wanted[n].key = series_key_of_labels(&x.hash, &sets[n]);
        made[n] = series_new(&slots, &x, &li, &sets[n], series_key_of_labels(&x.hash, &sets[n]));
        cr_assert_neq(made[n], 0);
        struct label_row row;
        series_row(&t.arena, &x, series_at(&t.arena, made[n])->id, &row);
        cr_assert_eq(row.n, n);
    }
    series_find_many(&t.arena, &x, wanted, N + 1, false);
    for (uint32_t n = 0; n <= N; n++)
        cr_assert_eq(wanted[n].series, made[n], "%u labels", n);
    cr_assert(series_index_check(&t.arena, &x, &li));
    for (uint32_t n = 0; n <= N; n++)
        series_remove(&slots, &x, &li, made[n]);
    slots_drain(&slots);
    cr_assert_eq(x.n + li.pairs.n + li.symbols.n + kind_used_bytes(&x.records), 0);
}

/* ---- aliases ---- */

/* The key of the i-th form of some set that is not the canonical one. */
static struct series_key other_form(uint32_t i)
{
    return series_key_of_form(&x.hash, &i, sizeof(i));
}

static slot make(uint32_t i)
{
    struct made m;
    add(i);
    return find(make_labels(&m, i));
}

/* Keys of label sets and aliases, one among the other; and aliases only. */
Test(series_find, many_of_both_kinds)
{
    enum { N = 500 };
    static struct series_wanted wanted[N];
    static slot expected[N];
    for (int are_aliases = 0; are_aliases < 2; are_aliases++) {
        for (uint32_t i = 0; i < N; i++) {
            struct made m;
            uint32_t set = (uint32_t)are_aliases * N + i;
            expected[i] = make(set);
            wanted[i].key = series_key_of_labels(&x.hash, make_labels(&m, set));
            cr_assert_eq(series_find_labels(&t.arena, &x, wanted[i].key), expected[i]);
            expected[i] = are_aliases ? 0 : expected[i];
            if (i % 3 == 1) {
                expected[i] = find(make_labels(&m, set));
                wanted[i].key = other_form(set);
                cr_assert(series_alias(&t.arena, &x, other_form(set), expected[i]));
            } else if (i % 3 == 2) {
                wanted[i].key = other_form(set);
                expected[i] = 0;
            }
        }
        series_find_many(&t.arena, &x, wanted, N, are_aliases);
        for (uint32_t i = 0; i < N; i++)
            cr_assert_eq(wanted[i].series, expected[i], "%u", i);
    }
}

Test(series_find, another_form_leads_to_the_same_series)
{
    slot one = make(1), two = make(2);
    cr_assert(series_alias(&t.arena, &x, other_form(7), one));
    cr_assert(series_alias(&t.arena, &x, other_form(8), two));
    cr_assert(series_alias(&t.arena, &x, other_form(7), two), "it is taken, which is no error");
    cr_assert_eq(series_find(&t.arena, &x, other_form(7)), one);
    cr_assert_eq(series_find(&t.arena, &x, other_form(8)), two);
    cr_assert_eq(x.by_key.n, 2);
    cr_assert_eq(x.by_alias.n, 2);
    cr_assert(series_index_check(&t.arena, &x, &li));
}

Test(series_find, a_series_has_a_few_aliases_and_no_more)
{
    slot one = make(1);
    for (uint32_t i = 0; i < 100; i++) {
        cr_assert(series_alias(&t.arena, &x, other_form(i), one));
        cr_assert_eq(series_find(&t.arena, &x, other_form(i)), i < SERIES_ALIASES_MAX ? one : 0);
    }
    cr_assert_eq(x.by_key.n, 1);
    cr_assert_eq(x.by_alias.n, SERIES_ALIASES_MAX);
    cr_assert(series_index_check(&t.arena, &x, &li));
}

Test(series_find, the_aliases_of_a_series_that_has_gone_lead_nowhere)
{
    slot one = make(1);
    (void)make(2);
    cr_assert(series_alias(&t.arena, &x, other_form(7), one));
    for (uint32_t i = 100; i < 120; i++)
        cr_assert(series_alias(&t.arena, &x, other_form(i), make(i))); /* one is not swept then */
    series_remove(&slots, &x, &li, one);
    cr_assert_eq(x.n_stale, 1);
    cr_assert_eq(series_find(&t.arena, &x, other_form(7)), 0);
    struct series_wanted wanted = {.key = other_form(7)};
    for (int are_aliases = 0; are_aliases < 2; are_aliases++) {
        wanted.series = 77;
        series_find_many(&t.arena, &x, &wanted, 1, are_aliases);
        cr_assert_eq(wanted.series, 0);
    }
    slot again = make(1);
    cr_assert(series_alias(&t.arena, &x, other_form(7), again));
    cr_assert_eq(x.n_stale, 0, "written over");
    cr_assert_eq(series_find(&t.arena, &x, other_form(7)), again);
    cr_assert(series_index_check(&t.arena, &x, &li));
}

Test(series_find, aliases_do_not_outlive_their_series_for_long)
{
    enum { N = 20000, LEFT = 100 };
    for (uint32_t i = 0; i < N; i++) {
        slot made = make(i);
        for (uint32_t k = 0; k < SERIES_ALIASES_MAX; k++)
            cr_assert(series_alias(&t.arena, &x, other_form(i * SERIES_ALIASES_MAX + k), made));
    }
    size_t bytes = lines_bytes(&x.by_alias);
    struct made m;
    for (uint32_t i = LEFT; i < N; i++) {
        series_remove(&slots, &x, &li, find(make_labels(&m, i)));
        slots_drain(&slots);
    }
    cr_assert_leq(x.by_alias.n, LEFT * SERIES_ALIASES_MAX * 8 / 7 + SERIES_ALIASES_MAX);
    cr_assert_leq(lines_bytes(&x.by_alias), bytes / 50);
    cr_assert(series_index_check(&t.arena, &x, &li));
    for (uint32_t i = 0; i < LEFT; i++)
        series_remove(&slots, &x, &li, find(make_labels(&m, i)));
    cr_assert_eq(lines_bytes(&x.by_key), 0);
    cr_assert_eq(lines_bytes(&x.by_alias), 0);
    cr_assert_eq(x.n_stale, 0);
}

Test(series_find, an_alias_without_memory_changes_nothing)
{
    enum { FORMS = 921 }; /* a page's worth */
    slot made = 0;
    for (uint32_t i = 0; x.by_alias.n < FORMS; i++) {
        made = i % SERIES_ALIASES_MAX == 0 ? make(i) : made;
        cr_assert(series_alias(&t.arena, &x, other_form(i), made));
    }
    t.arena.retain_pages = 0;
    made = make(1);
    arena_trim(&t.arena);
    uint32_t n = x.by_alias.n, n_failed = 0;
    for (long nth = 1;; nth++, n_failed++) {
        budget_fail_nth(&t.budget, nth);
        if (series_alias(&t.arena, &x, other_form(UINT32_MAX), made))
            break;
        cr_assert_eq(x.by_alias.n, n);
        cr_assert(series_index_check(&t.arena, &x, &li));
    }
    budget_fail_nth(&t.budget, 0);
    cr_assert_eq(series_find(&t.arena, &x, other_form(UINT32_MAX)), made);
    cr_assert(series_index_check(&t.arena, &x, &li));
    cr_assert_gt(n_failed, 0);
}

Test(series_find, check_sees_damage)
{
    slot one = make(1);
    for (uint32_t i = 2; i < 20; i++)
        (void)make(i);
    cr_assert(series_alias(&t.arena, &x, other_form(7), one));
    cr_assert(series_check_keys(&t.arena, &x));
    x.n_stale++;
    cr_assert_not(series_check_keys(&t.arena, &x));
    x.n_stale--;
    series_at(&t.arena, one)->state.n_aliases++;
    cr_assert_not(series_check_keys(&t.arena, &x));
    series_at(&t.arena, one)->state.n_aliases--;
    cr_assert(series_check_keys(&t.arena, &x));
}
