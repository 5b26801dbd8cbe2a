#include "tests/unit/alloc/test_arena.h"
#include "tsdb/pair.h"
#include "tsdb/store_limits.h"

#include <stddef.h>
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

static bool is_good(void)
{
    return symbols_check(&t.arena, &s) && pairs_check(&t.arena, &p, &s, 0);
}

static void tear_down(void)
{
    cr_assert(is_good());
    symbols_release(&t.arena, &s);
    pairs_release(&t.arena, &p);
    test_arena_release(&t);
}

TestSuite(pair, .init = set_up, .fini = tear_down);

static uint32_t intern(const char *name, const char *value)
{
    struct label l = {name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
    return pair_intern(&t.arena, &p, &s, &l);
}

static uint32_t find(const char *name, const char *value)
{
    return pair_find(&t.arena, &p, &s, name, strlen(name), value, strlen(value));
}

/* The pairs of a name, counted. */
static uint32_t listed(const char *name)
{
    uint32_t ids[16];
    uint32_t symbol = symbol_find(&t.arena, &s, name, strlen(name));
    const struct label_name *found =
        symbol != 0 ? label_name_find(&t.arena, &p.names, symbol) : NULL;
    if (found == NULL)
        return 0;
    postings_list(&t.arena, &found->pairs, ids);
    for (uint32_t i = 0; i < found->pairs.n; i++)
        cr_assert_eq(pair_at(&t.arena, &p, ids[i])->name, symbol);
    return found->pairs.n;
}

Test(pair, equal_labels_are_one)
{
    uint32_t a = intern("job", "api"), b = intern("job", "web"), c = intern("api", "job");
    cr_assert(a != 0 && b != 0 && c != 0);
    cr_assert(a != b && a != c && b != c);
    cr_assert_eq(intern("job", "api"), a);
    cr_assert_eq(p.n, 3);
    cr_assert_eq(s.n, 2, "names only");
    cr_assert_eq(p.n_text_bytes, 9);
    cr_assert_eq(find("job", "api"), a);
    cr_assert_eq(find("job", "job"), 0);
    cr_assert_eq(find("job", "db"), 0);
    cr_assert_eq(find("x", "api"), 0);
    struct label l = pair_label(&t.arena, &p, &s, a);
    cr_assert_eq(l.name_len, 3);
    cr_assert_eq(memcmp(l.value, "api", 3), 0);
}

Test(pair, a_name_lists_its_pairs)
{
    uint32_t a = intern("job", "a"), b = intern("job", "b"), c = intern("job", "c");
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
    uint32_t a = intern("job", "api");
    cr_assert(pair_add_series(&t.arena, &p, a, 1));
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(find("job", "api"), a);
    pair_remove_series(&t.arena, &p, a, 1);
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(find("job", "api"), 0);
    cr_assert_eq(p.n + s.n + p.n_text_bytes, 0, "with it went its name");
}

Test(pair, name_and_value_may_be_the_same_text)
{
    uint32_t a = intern("x", "x");
    cr_assert_eq(s.n, 1);
    cr_assert_eq(find("x", "x"), a);
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(s.n, 0);
}

Test(pair, values_of_all_lengths_are_kept_and_told_apart)
{
    enum { MAX = LABEL_VALUE_BYTES_MAX };
    static char text[MAX];
    static uint32_t ids[MAX + 1];
    memset(text, 'a', sizeof(text));
    for (size_t n = 1; n <= MAX; n++) {
        struct label l = {"job", text, 3, (uint32_t)n};
        ids[n] = pair_intern(&t.arena, &p, &s, &l);
        cr_assert_neq(ids[n], 0);
    }
    cr_assert(is_good());
    for (size_t n = 1; n <= MAX; n++) {
        cr_assert_eq(pair_find(&t.arena, &p, &s, "job", 3, text, n), ids[n]);
        struct label l = pair_label(&t.arena, &p, &s, ids[n]);
        cr_assert(l.value_len == n && memcmp(l.value, text, n) == 0);
    }
    text[MAX - 1] = 'b';
    cr_assert_eq(pair_find(&t.arena, &p, &s, "job", 3, text, MAX), 0, "by its last byte");
    for (size_t n = 1; n <= MAX; n++)
        pair_drop_if_unused(&t.arena, &p, &s, ids[n]);
    cr_assert_eq(p.n + s.n + p.n_text_bytes, 0);
}

Test(pair, keeps_its_id_when_its_record_moves)
{
    enum { N = 300, RECORD = offsetof(struct pair, value) + 18 };
    uint32_t ids[N];
    slot old[N];
    char value[24];
    for (int i = 0; i < N; i++) {
        snprintf(value, sizeof(value), "value-%012d", i);
        ids[i] = intern(i % 3 == 0 ? "job" : "env", value);
    }
    struct pair_mover mover = {&t.arena, &p};
    for (int i = 0; i < N; i++) {
        old[i] = id_table_at(&t.arena, &p.ids, ids[i]);
        slot to = kind_get(&t.arena, &p.records, RECORD);
        memcpy(slot_ptr(&t.arena, to), slot_ptr(&t.arena, old[i]), RECORD);
        cr_assert(pair_move(&mover, old[i], to));
        memset(slot_ptr(&t.arena, old[i]), 0xdd, RECORD);
    }
    for (int i = 0; i < N; i++)
        kind_put(&t.arena, &p.records, old[i], RECORD);
    cr_assert(is_good());
    for (int i = 0; i < N; i++) {
        snprintf(value, sizeof(value), "value-%012d", i);
        cr_assert_eq(find(i % 3 == 0 ? "job" : "env", value), ids[i]);
    }
}

Test(pair, ids_are_used_again)
{
    uint32_t a = intern("job", "a"), b = intern("job", "b");
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(intern("job", "c"), a);
    cr_assert_neq(b, a);
    cr_assert_eq(listed("job"), 2);
}

Test(pair, without_memory_nothing_changes)
{
    long nth = 1;
    uint32_t made = 0;
    t.arena.retain_pages = 0; /* so that each page asks the budget */
    for (; made == 0; nth++) {
        budget_fail_nth(&t.budget, nth);
        made = intern("job", "api");
        if (made == 0)
            cr_assert_eq(test_arena_held(&t), 0, "page %ld", nth);
        cr_assert(is_good());
    }
    cr_assert_gt(nth, 8, "records, ids and buckets of symbols, pairs and names");
    budget_fail_nth(&t.budget, 0);
}

Test(pair, without_memory_for_its_name_s_set_nothing_changes)
{
    intern("job", "a");
    t.arena.retain_pages = 0;
    budget_fail_nth(&t.budget, 1); /* symbols and records have room: the second wants a container */
    cr_assert_eq(intern("job", "b"), 0);
    budget_fail_nth(&t.budget, 0);
    cr_assert_eq(listed("job"), 1);
    cr_assert_eq(p.n, 1);
    cr_assert(is_good());
}

Test(pair, check_sees_damage)
{
    uint32_t a = intern("job", "api"), b = intern("job", "web");
    struct pair *pair = pair_at(&t.arena, &p, a);
    cr_assert(is_good());
    p.n++;
    cr_assert_not(is_good(), "count");
    p.n--;
    pair->node.hash ^= 1;
    cr_assert_not(is_good(), "hash");
    pair->node.hash ^= 1;
    pair->value[1] ^= 1;
    cr_assert_not(is_good(), "value");
    pair->value[1] ^= 1;
    pair->n_bytes--;
    cr_assert_not(is_good(), "length");
    pair->n_bytes++;
    p.n_text_bytes++;
    cr_assert_not(is_good(), "sum of lengths");
    p.n_text_bytes--;
    cr_assert(is_good());
    pair->id = b;
    cr_assert_not(is_good(), "id");
    pair->id = a;
    slot at = id_table_at(&t.arena, &p.ids, b);
    id_table_move(&t.arena, &p.ids, b, at + 2);
    cr_assert_not(is_good(), "entry of the table");
    id_table_move(&t.arena, &p.ids, b, at);
    struct symbol *kept = symbol_at(&t.arena, &s, pair->name);
    kept->n_refs++;
    cr_assert_not(is_good(), "a reference of nobody");
    kept->n_refs--;
    struct label_name *name = label_name_find(&t.arena, &p.names, pair->name);
    name->pairs.n--;
    cr_assert_not(is_good(), "pairs of a name");
    name->pairs.n++;
    cr_assert_neq((void *)table_hold(&t.arena, &p.sets, 777), NULL);
    cr_assert_not(is_good(), "a set of no pair");
    table_drop(&t.arena, &p.sets, 777);
    slot lost = kind_get(&t.arena, &p.postings, 16);
    cr_assert_not(is_good(), "a slot of no set");
    kind_put(&t.arena, &p.postings, lost, 16);
}
