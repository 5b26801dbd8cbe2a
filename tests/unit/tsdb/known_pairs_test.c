#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"
#include "tsdb/known_pairs.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct pairs p;
static struct symbols s;
static struct known_pairs known;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    symbols_init(&s, t.owner, t.owner);
    pairs_init(&p, t.owner, t.owner, t.owner);
    memset(&known, 0, sizeof(known));
}

static void tear_down(void)
{
    cr_assert(symbols_check(&t.arena, &s) && pairs_check(&t.arena, &p, &s, 0));
    symbols_release(&t.arena, &s);
    pairs_release(&t.arena, &p);
    test_arena_release(&t);
}

TestSuite(known_pairs, .init = set_up, .fini = tear_down);

static struct label label(const char *name, const char *value)
{
    return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* What comes is what the index says of the label. */
static struct made_pair get(uint32_t place, const char *name, const char *value)
{
    struct label l = label(name, value);
    struct made_pair pair;
    cr_assert(known_pair_get(&known, &t.arena, &p, &s, place, &l, &pair));
    cr_assert_eq(pair.id, pair_find(&t.arena, &p, &s, name, strlen(name), value, strlen(value)));
    cr_assert_eq(pair.set, pair_postings(&t.arena, &p, pair.id));
    cr_assert_eq(pair.hash, labels_hash(&(struct labels){&l, 1}));
    return pair;
}

static void drop(uint32_t id)
{
    pair_drop_if_unused(&t.arena, &p, &s, id);
}

Test(known_pairs, the_same_label_is_one_pair_at_any_place)
{
    uint32_t a = get(0, "job", "api").id;
    cr_assert_eq(get(0, "job", "api").id, a);
    cr_assert_eq(get(LABELS_PER_SERIES_MAX - 1, "job", "api").id, a);
    cr_assert_eq(p.n, 1);
}

Test(known_pairs, where_a_name_ends_counts)
{
    uint32_t a = get(0, "job", "api").id, b = get(0, "joba", "pi").id, c = get(0, "jo", "bapi").id;
    cr_assert(a != b && a != c && b != c);
    cr_assert_eq(get(0, "job", "api").id, a);
    cr_assert_neq(get(0, "job", "apj").id, a);
    cr_assert_neq(get(0, "jab", "api").id, a);
}

Test(known_pairs, texts_up_to_the_limit_and_past_it)
{
    char value[KNOWN_TEXT_BYTES + 2];
    memset(value, 'v', sizeof(value));
    for (size_t n = KNOWN_TEXT_BYTES + 1; n >= 1; n--) {
        value[n] = '\0';
        uint32_t a = get(3, "n", value).id;
        bool is_known = known.items[known.at_place[3]].n_name == 1;
        cr_assert_eq(is_known, n + 1 <= KNOWN_TEXT_BYTES, "%zu", n);
        cr_assert_eq(get(3, "n", value).id, a);
    }
}

/* More metrics than are known by their text, of one target after the other: each is guessed from
 * the one before, whatever else shares its series. */
Test(known_pairs, what_followed_once_is_guessed)
{
    enum { N_METRICS = 2 * KNOWN_PAIRS, N_TARGETS = 4 };
    char metric[16], target[16];
    for (int k = 0; k < N_TARGETS; k++) {
        int n_guessed = 0;
        snprintf(target, sizeof(target), "t%d", k); /* always new: the guess is wrong */
        for (int i = 0; i < N_METRICS; i++) {
            snprintf(metric, sizeof(metric), "m%d", i);
            uint32_t guess = known.followers[known.last[0] % KNOWN_FOLLOWERS];
            n_guessed += get(0, "__name__", metric).id == guess;
            (void)get(1, "instance", target);
        }
        cr_assert_eq(n_guessed, k == 0 ? 0 : k == 1 ? N_METRICS - 1 : N_METRICS, "target %d", k);
    }
    cr_assert_eq(p.n, N_METRICS + N_TARGETS);
}

Test(known_pairs, a_pair_that_went_is_forgotten)
{
    uint32_t a = get(0, "job", "api").id;
    drop(a);
    cr_assert_eq(get(1, "x", "y").id, a, "its id is another's");
    cr_assert_neq(get(0, "job", "api").id, a);
    pairs_release(&t.arena, &p);
    symbols_release(&t.arena, &s);
    get(0, "x", "y");
    get(0, "job", "api");
}

Test(known_pairs, agree_with_the_index_while_pairs_come_and_go)
{
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 200000; round++) {
        char name[16], value[96];
        snprintf(name, sizeof(name), "name%u", (unsigned)random_below(&random, 5));
        snprintf(value, sizeof(value), "%0*u", 1 + (int)random_below(&random, 80),
                 (unsigned)random_below(&random, 10));
        struct made_pair pair = get((uint32_t)random_below(&random, 8), name, value);
        if (random_below(&random, 50) == 0)
            drop(pair.id);
    }
}

Test(known_pairs, without_memory_nothing_is_known)
{
    struct label l = label("job", "api");
    struct made_pair pair;
    for (long n = 1;; n++) {
        t.arena.retain_pages = 0;
        arena_trim(&t.arena);
        budget_fail_nth(&t.budget, n);
        bool is_made = known_pair_get(&known, &t.arena, &p, &s, 0, &l, &pair);
        budget_fail_nth(&t.budget, 0);
        if (is_made) {
            cr_assert_gt(n, 1);
            break;
        }
        cr_assert_eq(p.n, 0);
    }
    get(0, "job", "api");
}
