#include "tests/unit/alloc/test_arena.h"
#include "tsdb/pair.h"
#include "tsdb/store_limits.h"
#include "tsdb/text.h"

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
        cr_assert_eq(pair_at(&t.arena, &p, ids[i]).name, symbol);
    return found->pairs.n;
}

Test(pair, one_of_a_known_name_is_made_as_any)
{
    uint32_t a = intern("job", "api"), job = symbol_find(&t.arena, &s, "job", 3);
    uint32_t b = pair_make_of(&t.arena, &p, &s, job, "web", 3);
    cr_assert(b != 0 && b != a);
    cr_assert_eq(find("job", "web"), b);
    cr_assert_eq(intern("job", "web"), b);
    cr_assert_eq(listed("job"), 2);
    cr_assert_eq(symbol_at(&t.arena, &s, job)->n_refs, 2);
    budget_fail_nth(&t.budget, 1);
    uint32_t made = b;
    for (char value[] = "0000"; made != 0 && value[0] <= '9'; value[0]++)
        for (value[1] = '0'; made != 0 && value[1] <= '9'; value[1]++)
            for (value[2] = '0'; made != 0 && value[2] <= '9'; value[2]++)
                made = pair_make_of(&t.arena, &p, &s, job, value, 4);
    budget_fail_nth(&t.budget, 0);
    cr_assert_eq(made, 0, "without memory");
    cr_assert_eq(symbol_at(&t.arena, &s, job)->n_refs, p.n);
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

Test(pair, those_that_have_gone_are_counted)
{
    uint32_t a = intern("job", "api");
    cr_assert_eq(p.n_gone, 0);
    pair_drop_if_unused(&t.arena, &p, &s, a);
    cr_assert_eq(p.n_gone, 1);
    uint32_t b = intern("x", "y");
    cr_assert_eq(a, b, "its id is another's");
    cr_assert(pair_add_series(&t.arena, &p, b, pair_postings(&t.arena, &p, b), 1));
    pair_drop_if_unused(&t.arena, &p, &s, b);
    cr_assert_eq(p.n_gone, 1, "it is still there");
    pair_remove_series(&t.arena, &p, b, 1);
    intern("x", "z");
    pairs_release(&t.arena, &p);
    symbols_release(&t.arena, &s);
    cr_assert_eq(p.n_gone, 3, "all went");
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
    cr_assert(pair_add_series(&t.arena, &p, a, pair_postings(&t.arena, &p, a), 1));
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

Test(pair, keeps_its_id_when_its_bundle_moves)
{
    enum { N = 20000, KEPT = 16 };
    static uint32_t ids[N];
    char value[24];
    for (int i = 0; i < N; i++) {
        snprintf(value, sizeof(value), "value-%012d", i);
        ids[i] = intern(i % 3 == 0 ? "job" : "env", value);
    }
    for (int i = 0; i < N; i++)
        if (i / 64 % KEPT != 0)
            pair_drop_if_unused(&t.arena, &p, &s, ids[i]);
    struct strings_mover mover = {&t.arena, &p.texts};
    cr_assert_gt(kind_compact(&t.arena, &p.texts.slots, NULL, strings_move, &mover, N), 0);
    cr_assert(is_good());
    for (int i = 0; i < N; i++) {
        snprintf(value, sizeof(value), "value-%012d", i);
        uint32_t wanted = i / 64 % KEPT == 0 ? ids[i] : 0;
        cr_assert_eq(find(i % 3 == 0 ? "job" : "env", value), wanted);
    }
}

/* One bit of an id says in sets that they are a name's. */
Test(pair, ids_end_below_the_bit_of_names)
{
    const uint32_t last = (POSTINGS_OF_NAME - 1) / STRINGS_BUNDLE;
    p.texts.next_free = last;
    uint32_t made = 0;
    char value[8];
    for (int i = 0; i < 64; i++) {
        snprintf(value, sizeof(value), "%d", i);
        cr_assert_neq(made = intern("job", value), 0);
    }
    cr_assert_eq(made, POSTINGS_OF_NAME - 1);
    cr_assert_eq(intern("job", "64"), 0);
    cr_assert_eq(find("job", "64"), 0);
    cr_assert_eq(find("job", "63"), made);
    cr_assert_eq(p.n, 64);
    p.texts.next_free = 1;
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
    cr_assert(is_good());
    uint32_t name = pair_at(&t.arena, &p, a).name;
    char *text = (char *)(uintptr_t)strings_at(&t.arena, &p.texts, a).at;
    uint32_t *const words[] = {&p.n, (uint32_t *)&p.n_text_bytes, (uint32_t *)&p.texts.n,
                               &p.by_label.n};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        ++*words[i];
        cr_assert_not(is_good(), "count %zu", i);
        --*words[i];
    }
    for (int i = 0; i < 4; i++) {
        text[i] ^= 1;
        cr_assert_not(is_good(), "byte %d of name and value", i);
        text[i] ^= 1;
    }
    struct label l = {"job", "api", 3, 3};
    struct lines_key key = {text_hash(l.value, l.value_len, name), 0};
    cr_assert(lines_replace(&t.arena, &p.by_label, key, a, b));
    cr_assert_not(is_good(), "the id of another");
    cr_assert(lines_replace(&t.arena, &p.by_label, key, b, 12345678));
    cr_assert_not(is_good(), "the id of none");
    cr_assert(lines_replace(&t.arena, &p.by_label, key, 12345678, a));
    cr_assert(is_good());
    struct symbol *kept = symbol_at(&t.arena, &s, name);
    kept->n_refs++;
    cr_assert_not(is_good(), "a reference of nobody");
    kept->n_refs--;
    struct label_name *record = label_name_find(&t.arena, &p.names, name);
    record->pairs.n--;
    cr_assert_not(is_good(), "pairs of a name");
    record->pairs.n++;
    cr_assert_neq((void *)table_hold(&t.arena, &p.sets, 777), NULL);
    cr_assert_not(is_good(), "a set of no pair");
    table_drop(&t.arena, &p.sets, 777);
    slot lost = kind_get(&t.arena, &p.postings, 16);
    cr_assert_not(is_good(), "a slot of no set");
    kind_put(&t.arena, &p.postings, lost, 16);
}
