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
    symbols_release(&t.arena, &s);
    test_arena_release(&t);
}

TestSuite(symbol, .init = set_up, .fini = tear_down);

static uint32_t intern(const char *text)
{
    return symbol_intern(&t.arena, &s, text, strlen(text));
}

static uint32_t find(const char *text)
{
    return symbol_find(&t.arena, &s, text, strlen(text));
}

Test(symbol, equal_texts_are_one)
{
    uint32_t a = intern("up"), b = intern("down"), again = intern("up");
    cr_assert_neq(a, 0);
    cr_assert_neq(a, b);
    cr_assert_eq(a, again);
    cr_assert_eq(symbol_at(&t.arena, &s, a)->n_refs, 2);
    cr_assert_eq(s.n, 2);
    cr_assert_eq(s.n_text_bytes, 6);
    cr_assert_eq(find("up"), a);
    cr_assert_eq(find("u"), 0);
    cr_assert_eq(find(""), 0);
}

Test(symbol, goes_with_its_last_reference)
{
    uint32_t a = intern("up");
    symbol_keep(&t.arena, &s, a);
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
        uint32_t made = symbol_intern(&t.arena, &s, text, n);
        cr_assert_neq(made, 0);
        cr_assert_eq(symbol_at(&t.arena, &s, made)->n_bytes, n);
        cr_assert_eq(memcmp(symbol_at(&t.arena, &s, made)->bytes, text, n), 0);
        cr_assert_eq(symbol_find(&t.arena, &s, text, n), made);
    }
    cr_assert_neq(symbol_intern(&t.arena, &s, text, sizeof(text)), 0);
}

Test(symbol, many_are_told_apart)
{
    static uint32_t all[20000];
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
    cr_assert_eq(s.ids.slots.n_pages, 0);
}

Test(symbol, takes_18_bytes_and_its_text)
{
    (void)intern("fourteen bytes");
    cr_assert_eq(kind_used_bytes(&s.records), 32);
    (void)intern("fifteen bytes!!");
    cr_assert_eq(kind_used_bytes(&s.records), 32 + 48);
}

/* Moves every record to another slot and spoils the old one. */
static void move_all(void)
{
    static slot old[20000];
    static size_t bytes[20000];
    size_t n = 0;
    for (slot at = 0; (at = hash_next(&t.arena, &s.by_text, at)) != 0;)
        old[n++] = at;
    for (size_t i = 0; i < n; i++) {
        const struct symbol *record = slot_ptr(&t.arena, old[i]);
        bytes[i] = kind_slot_bytes(18 + record->n_bytes);
        slot to = kind_get(&t.arena, &s.records, bytes[i]);
        memcpy(slot_ptr(&t.arena, to), record, bytes[i]);
        struct symbol_mover mover = {&t.arena, &s};
        cr_assert(symbol_move(&mover, old[i], to));
        memset(slot_ptr(&t.arena, old[i]), 0xdd, bytes[i]);
    }
    for (size_t i = 0; i < n; i++)
        kind_put(&t.arena, &s.records, old[i], bytes[i]);
}

Test(symbol, keeps_its_id_when_its_record_moves)
{
    uint32_t ids[1000];
    char text[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "%*d", 1 + i % 30, i);
        ids[i] = intern(text);
    }
    move_all();
    cr_assert(symbols_check(&t.arena, &s));
    for (int i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "%*d", 1 + i % 30, i);
        cr_assert_eq(find(text), ids[i]);
        cr_assert_eq(memcmp(symbol_at(&t.arena, &s, ids[i])->bytes, text, strlen(text)), 0);
    }
}

Test(symbol, without_memory_nothing_changes)
{
    t.arena.retain_pages = 0; /* so that each page asks the budget */
    long nth = 1;
    for (uint32_t made = 0; made == 0; nth++) {
        budget_fail_nth(&t.budget, nth);
        made = intern("up");
        cr_assert_eq(s.n, made != 0, "page %ld", nth);
        if (made == 0)
            cr_assert_eq(test_arena_held(&t), 0);
        cr_assert(symbols_check(&t.arena, &s));
    }
    cr_assert_gt(nth, 4, "a record, an id, a bucket");
    budget_fail_nth(&t.budget, 0);
}

Test(symbol, check_sees_damage)
{
    struct symbol *up = symbol_at(&t.arena, &s, intern("up"));
    uint32_t down = intern("down");
    cr_assert(symbols_check(&t.arena, &s));
    s.n++;
    cr_assert_not(symbols_check(&t.arena, &s), "count");
    s.n--;
    s.n_text_bytes++;
    cr_assert_not(symbols_check(&t.arena, &s), "bytes of texts");
    s.n_text_bytes--;
    up->n_refs--;
    cr_assert_not(symbols_check(&t.arena, &s), "no reference");
    up->n_refs++;
    up->bytes[0] = 'U';
    cr_assert_not(symbols_check(&t.arena, &s), "text");
    up->bytes[0] = 'u';
    up->id = down;
    cr_assert_not(symbols_check(&t.arena, &s), "id");
    up->id = down - 1;
    slot at = id_table_at(&t.arena, &s.ids, down);
    id_table_move(&t.arena, &s.ids, down, at + 2);
    cr_assert_not(symbols_check(&t.arena, &s), "entry of the table");
    id_table_move(&t.arena, &s.ids, down, at);
}
