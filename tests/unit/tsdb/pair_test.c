#include "tests/unit/alloc/test_arena.h"
#include "tsdb/pair.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct pairs p;
static struct symbols s;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    symbols_init(&s, t.owner, t.owner);
    pairs_init(&p, t.owner, t.owner, t.owner);
}

static void drop_kind(struct kind *k)
{
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &k->pools[i]);
}

static void tear_down(void)
{
    cr_assert(pairs_check(&t.arena, &p));
    cr_assert(symbols_check(&t.arena, &s));
    hash_release(&t.arena, &s.by_text);
    hash_release(&t.arena, &p.by_symbols);
    drop_kind(&s.records);
    drop_kind(&p.records);
    drop_kind(&p.postings);
    test_arena_release(&t);
}

TestSuite(pair, .init = set_up, .fini = tear_down);

static slot intern(const char *name, const char *value)
{
    struct label l = {name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
    return pair_intern(&t.arena, &p, &s, &l);
}

static slot find(const char *name, const char *value)
{
    return pair_find(&t.arena, &p, &s, name, strlen(name), value, strlen(value));
}

/* The values of a name's list, counted. */
static uint32_t listed(const char *name)
{
    slot symbol = symbol_find(&t.arena, &s, name, strlen(name)), before = 0;
    uint32_t n = 0;
    if (symbol == 0)
        return 0;
    for (slot at = symbol_at(&t.arena, symbol)->first_pair; at != 0;
         before = at, at = pair_at(&t.arena, at)->next, n++) {
        cr_assert_eq(pair_at(&t.arena, at)->prev, before);
        cr_assert_eq(pair_at(&t.arena, at)->name, symbol);
    }
    cr_assert_eq(symbol_at(&t.arena, symbol)->n_pairs, n);
    return n;
}

Test(pair, equal_labels_are_one)
{
    slot a = intern("job", "api"), b = intern("job", "web"), c = intern("api", "job");
    cr_assert(a != 0 && b != 0 && c != 0);
    cr_assert(a != b && a != c && b != c);
    cr_assert_eq(intern("job", "api"), a);
    cr_assert_eq(p.n, 3);
    cr_assert_eq(s.n, 3);
    cr_assert_eq(find("job", "api"), a);
    cr_assert_eq(find("job", "job"), 0);
    cr_assert_eq(find("job", "db"), 0);
    cr_assert_eq(find("x", "api"), 0);
    struct label l = pair_label(&t.arena, a);
    cr_assert_eq(l.name_len, 3);
    cr_assert_eq(memcmp(l.value, "api", 3), 0);
}

Test(pair, a_name_lists_its_pairs)
{
    slot a = intern("job", "a"), b = intern("job", "b"), c = intern("job", "c");
    intern("env", "a");
    cr_assert_eq(listed("job"), 3);
    pair_drop_if_unused(&t.arena, &p, &s, b);
    cr_assert_eq(listed("job"), 2);
    pair_drop_if_unused(&t.arena, &p, &s, c);
    cr_assert_eq(listed("job"), 1);
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(listed("job"), 0);
    cr_assert_eq(listed("env"), 1);
}

Test(pair, stays_while_a_series_has_it)
{
    slot a = intern("job", "api");
    struct pair *pair = pair_at(&t.arena, a);
    cr_assert(postings_add(&t.arena, &p.postings, &pair->postings, 1));
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(find("job", "api"), a);
    postings_remove(&t.arena, &p.postings, &pair->postings, 1);
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(find("job", "api"), 0);
    cr_assert_eq(p.n + s.n, 0, "with it went its symbols");
}

Test(pair, name_and_value_may_be_the_same_text)
{
    slot a = intern("x", "x");
    cr_assert_eq(s.n, 1);
    cr_assert_eq(find("x", "x"), a);
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(s.n, 0);
}

Test(pair, without_memory_nothing_changes)
{
    for (long nth = 1; nth <= 12; nth++) {
        budget_fail_nth(&t.budget, nth);
        slot made = intern("job", "api");
        if (made != 0) {
            cr_assert_gt(nth, 6, "it needs pages");
            budget_fail_nth(&t.budget, 0);
            pair_drop_if_unused(&t.arena, &p, &s, made);
        }
        cr_assert_eq(p.n + s.n, 0, "page %ld", nth);
        cr_assert_eq(kind_used_bytes(&p.records) + kind_used_bytes(&s.records), 0);
        drop_kind(&p.records);
        drop_kind(&s.records);
        arena_trim(&t.arena);
    }
}

Test(pair, check_sees_damage)
{
    slot a = intern("job", "api");
    intern("job", "web");
    cr_assert(pairs_check(&t.arena, &p));
    p.n++;
    cr_assert_not(pairs_check(&t.arena, &p));
    p.n--;
    pair_at(&t.arena, a)->node.hash ^= 1;
    cr_assert_not(pairs_check(&t.arena, &p));
    pair_at(&t.arena, a)->node.hash ^= 1;
}
