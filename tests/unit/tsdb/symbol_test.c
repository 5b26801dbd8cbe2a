#include "tests/unit/alloc/test_arena.h"
#include "tsdb/labels.h"
#include "tsdb/store_limits.h"
#include "tsdb/symbol.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct symbols s;

static void set_up(void)
{
    test_arena_init(&t, 64 << 20);
    symbols_init(&s, t.owner, t.owner);
}

static void tear_down(void)
{
    cr_assert(symbols_check(&t.arena, &s));
    hash_release(&t.arena, &s.by_text);
    for (unsigned i = 0; i < KIND_POOLS; i++)
        pool_drop(&t.arena, &s.records.pools[i]);
    test_arena_release(&t);
}

TestSuite(symbol, .init = set_up, .fini = tear_down);

static slot intern(const char *text)
{
    return symbol_intern(&t.arena, &s, text, strlen(text));
}

static slot find(const char *text)
{
    return symbol_find(&t.arena, &s, text, strlen(text));
}

Test(symbol, equal_texts_are_one)
{
    slot a = intern("up"), b = intern("down"), again = intern("up");
    cr_assert_neq(a, 0);
    cr_assert_neq(a, b);
    cr_assert_eq(a, again);
    cr_assert_eq(symbol_at(&t.arena, a)->n_refs, 2);
    cr_assert_eq(s.n, 2);
    cr_assert_eq(s.n_text_bytes, 6);
    cr_assert_eq(find("up"), a);
    cr_assert_eq(find("u"), 0);
    cr_assert_eq(find(""), 0);
}

Test(symbol, goes_with_its_last_reference)
{
    slot a = intern("up");
    symbol_keep(&t.arena, a);
    symbol_drop(&t.arena, &s, a);
    cr_assert_eq(find("up"), a);
    symbol_drop(&t.arena, &s, a);
    cr_assert_eq(find("up"), 0);
    cr_assert_eq(s.n + s.n_text_bytes, 0);
    cr_assert_eq(kind_used_bytes(&s.records), 0);
}

Test(symbol, keeps_texts_of_every_length_with_any_bytes)
{
    static char text[LABEL_VALUE_BYTES_MAX];
    memset(text, 'a', sizeof(text));
    text[1] = '\0';
    for (size_t n = 0; n <= sizeof(text); n += 61) {
        slot made = symbol_intern(&t.arena, &s, text, n);
        cr_assert_neq(made, 0);
        cr_assert_eq(symbol_at(&t.arena, made)->n_bytes, n);
        cr_assert_eq(memcmp(symbol_at(&t.arena, made)->bytes, text, n), 0);
        cr_assert_eq(symbol_find(&t.arena, &s, text, n), made);
    }
    cr_assert_neq(symbol_intern(&t.arena, &s, text, sizeof(text)), 0);
}

Test(symbol, many_are_told_apart)
{
    static slot all[20000];
    char text[16];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        snprintf(text, sizeof(text), "value-%zu", i);
        all[i] = intern(text);
    }
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        snprintf(text, sizeof(text), "value-%zu", i);
        cr_assert_eq(find(text), all[i]);
    }
    cr_assert(symbols_check(&t.arena, &s));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        symbol_drop(&t.arena, &s, all[i]);
    cr_assert_eq(s.n, 0);
    cr_assert_eq(kind_used_bytes(&s.records), 0);
}

Test(symbol, without_memory_nothing_changes)
{
    for (long nth = 1; nth <= 4; nth++) {
        budget_fail_nth(&t.budget, nth);
        cr_assert_eq(intern("up"), 0, "page %ld", nth);
        cr_assert_eq(s.n, 0);
        cr_assert_eq(kind_used_bytes(&s.records), 0);
        for (unsigned i = 0; i < KIND_POOLS; i++)
            pool_drop(&t.arena, &s.records.pools[i]);
        arena_trim(&t.arena);
    }
    budget_fail_nth(&t.budget, 0);
    cr_assert_neq(intern("up"), 0);
}

Test(symbol, check_sees_damage)
{
    (void)intern("up");
    cr_assert(symbols_check(&t.arena, &s));
    s.n++;
    cr_assert_not(symbols_check(&t.arena, &s));
    s.n--;
}
