#include "tsdb/promql/labelset.h"

#include "tests/unit/promql/test_query.h"
#include "tsdb/promql/label_map.h"

#define WORD(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define LABEL(name, value)                                                                         \
    {                                                                                              \
        name, value, sizeof(name) - 1, sizeof(value) - 1                                           \
    }

static struct label items[] = {LABEL("Zone", "z"),     LABEL("__name__", "up"),
                               LABEL("__type__", "g"), LABEL("__unit__", "s"),
                               LABEL("a", "1"),        LABEL("b c", "\"2\"")};
static const struct labels set = {items, ARRAY_LEN(items)};

static const char *text_of(struct test_query *t, const struct labels *ls)
{
    struct textbuf b;
    textbuf_init(&b, &t->region);
    labelset_text(&b, ls);
    return textbuf_finish(&b);
}

Test(labelset, leaving_out_and_keeping)
{
    struct test_query t;
    test_query_init(&t);
    struct word words[] = {WORD("a"), WORD("none"), WORD("__name__")};
    struct word_list names = {words, ARRAY_LEN(words)};
    struct labels out = set;
    cr_assert(labelset_drop_metadata(&t.region, &out));
    cr_assert_str_eq(text_of(&t, &out), "{Zone=\"z\", a=\"1\", \"b c\"=\"\\\"2\\\"\"}");
    cr_assert(labelset_keep(&t.region, &set, &names, &out));
    cr_assert_str_eq(text_of(&t, &out), "{__name__=\"up\", a=\"1\"}");
    names.n = 1;
    cr_assert(labelset_drop(&t.region, &set, &names, false, &out));
    cr_assert_str_eq(text_of(&t, &out), "{Zone=\"z\", __name__=\"up\", __type__=\"g\", "
                                        "__unit__=\"s\", \"b c\"=\"\\\"2\\\"\"}");
    cr_assert(labelset_drop(&t.region, &set, &names, true, &out));
    cr_assert_null(labelset_name(&out));
    cr_assert_eq(labelset_name(&set), &items[1]);
    test_query_release(&t);
}

/* At the front, in the middle, at the end, in place of another, and taken away. */
Test(labelset, setting)
{
    static const struct {
        struct word name, value;
        const char *text;
    } cases[] = {
        {WORD("A"), WORD("x"), "{A=\"x\", b=\"1\", d=\"2\"}"},
        {WORD("c"), WORD("x"), "{b=\"1\", c=\"x\", d=\"2\"}"},
        {WORD("e"), WORD("x"), "{b=\"1\", d=\"2\", e=\"x\"}"},
        {WORD("d"), WORD("x"), "{b=\"1\", d=\"x\"}"},
        {WORD("b"), WORD(""), "{d=\"2\"}"},
        {WORD("zz"), WORD(""), "{b=\"1\", d=\"2\"}"},
    };
    struct label two[] = {LABEL("b", "1"), LABEL("d", "2")};
    const struct labels from = {two, 2};
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct labels out;
        cr_assert(labelset_set(&t.region, &from, cases[i].name, cases[i].value, &out));
        cr_assert_str_eq(text_of(&t, &out), cases[i].text);
    }
    test_query_release(&t);
}

Test(label_map, numbers_in_the_order_of_arrival)
{
    enum { SETS = 5000 };
    struct test_query t;
    test_query_init(&t);
    struct label_map map;
    label_map_init(&map, &t.region);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < SETS; i++) {
            char *value = region_printf(&t.region, "%u", i);
            struct label *l = region_calloc(&t.region, 1, sizeof(*l));
            *l = (struct label){"n", value, 1, (uint32_t)strlen(value)};
            struct labels one = {l, 1};
            uint32_t number;
            bool is_new;
            cr_assert(label_map_put(&map, &one, &number, &is_new));
            cr_assert_eq(number, i);
            cr_assert_eq(is_new, round == 0);
        }
    }
    cr_assert_eq(map.n, SETS);
    test_query_release(&t);
}
