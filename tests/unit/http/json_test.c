#include "http/json.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static struct budget budget;
static struct arena arena;
static struct region region;
static struct chain chain;
static struct json j;

static void setup(void)
{
    budget_init(&budget, 64 << 20);
    cr_assert(arena_init(&arena, &budget, 64 << 20));
    region_init(&region, &arena, budget_owner(&budget, "test"), 0);
    chain_init(&chain, &region);
    json_init(&j, &chain);
}

static void teardown(void)
{
    region_release(&region);
    arena_release(&arena);
}

TestSuite(json, .init = setup, .fini = teardown);

/* What was written so far; starts anew afterwards. */
static const char *written(void)
{
    static char out[4096];
    struct chain_reader at = {0};
    size_t n = chain_read(&chain, &at, out, sizeof(out) - 1);
    cr_assert_eq(n, chain.n_bytes);
    out[n] = '\0';
    chain_init(&chain, &region);
    json_init(&j, &chain);
    return out;
}

Test(json, commas_are_put_between)
{
    json_object(&j);
    json_key(&j, "a");
    json_array(&j);
    json_u64(&j, 1);
    json_i64(&j, INT64_MIN);
    json_array(&j);
    json_array_end(&j);
    json_object(&j);
    json_object_end(&j);
    json_array_end(&j);
    json_key(&j, "b");
    json_bool(&j, true);
    json_key(&j, "c");
    json_u64(&j, UINT64_MAX);
    json_object_end(&j);
    cr_assert_str_eq(
        written(), "{\"a\":[1,-9223372036854775808,[],{}],\"b\":true,\"c\":18446744073709551615}");
}

Test(json, text_is_escaped)
{
    json_text(&j, "a\"b\\c\n\r\t\x01\x1f/<&>\x7f", 15);
    cr_assert_str_eq(written(), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f/\\u003c\\u0026\\u003e\x7f\"");
    json_string(&j, "\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa");
    cr_assert_str_eq(written(), "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
    json_text(&j, "a\0b", 3);
    cr_assert_str_eq(written(), "\"a\\u0000b\"");
    json_string(&j, "K\xc3\xb6ln \xf0\x9f\x98\x80");
    cr_assert_str_eq(written(), "\"K\xc3\xb6ln \xf0\x9f\x98\x80\"");
}

Test(json, bytes_that_are_not_utf8_are_replaced)
{
    json_string(&j, "caf\xe9!");
    cr_assert_str_eq(written(), "\"caf\\ufffd!\"");
    json_string(&j, "\xed\xa0\x80");
    cr_assert_str_eq(written(), "\"\\ufffd\\ufffd\\ufffd\"");
    json_string(&j, "\xc3");
    cr_assert_str_eq(written(), "\"\\ufffd\"");
}

Test(json, times)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1435781451000, "1435781451"},
        {1435781451781, "1435781451.781"},
        {1050, "1.050"},
        {1500, "1.500"},
        {1, "0.001"},
        {-1, "-0.001"},
        {-1500, "-1.500"},
        {-2000, "-2"},
        {INT64_MAX, "9223372036854775.807"},
        {INT64_MIN, "-9223372036854775.808"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_time(&j, rows[i].ms);
        cr_assert_str_eq(written(), rows[i].text);
    }
}

Test(json, values_and_points)
{
    json_array(&j);
    json_value(&j, 0.1);
    json_value(&j, 1e-7);
    json_value(&j, 1e21);
    json_value(&j, -0.0);
    json_value(&j, (double)NAN);
    json_value(&j, (double)INFINITY);
    json_value(&j, -(double)INFINITY);
    json_point(&j, 1500, 2);
    json_array_end(&j);
    cr_assert_str_eq(written(), "[\"0.1\",\"1e-07\",\"1e+21\",\"-0\",\"NaN\",\"+Inf\",\"-Inf\","
                                "[1.500,\"2\"]]");
}

Test(json, label_sets)
{
    struct label items[] = {{"__name__", "up", 8, 2}, {"q\"", "\n<\xe2\x80\xa8", 2, 5}};
    json_array(&j);
    json_labels(&j, &(struct labels){items, 2});
    json_labels(&j, &(struct labels){NULL, 0});
    json_array_end(&j);
    cr_assert_str_eq(written(), "[{\"__name__\":\"up\",\"q\\\"\":\"\\n<\xe2\x80\xa8\"},{}]");
}

Test(json, a_long_text_is_read_back_in_pieces)
{
    static char piece[777];
    size_t total = 0, at_byte = 0;
    for (int i = 0; i < 100000; i++) {
        chain_put_u64(&chain, (uint64_t)i);
        chain_put(&chain, ",", 1);
    }
    total = chain.n_bytes;
    cr_assert_neq(chain.first, chain.last);
    struct chain_reader at = {0};
    uint64_t number = 0, expected = 0;
    for (size_t n; (n = chain_read(&chain, &at, piece, sizeof(piece))) > 0; at_byte += n)
        for (size_t i = 0; i < n; i++) {
            if (piece[i] == ',') {
                cr_assert_eq(number, expected++);
                number = 0;
            } else {
                number = number * 10 + (uint64_t)(piece[i] - '0');
            }
        }
    cr_assert_eq(at_byte, total);
    cr_assert_eq(expected, 100000);
}

Test(json, memory_that_runs_out_is_remembered)
{
    static char text[100000];
    memset(text, 'x', sizeof(text));
    json_text(&j, text, sizeof(text));
    cr_assert_not(chain_failed(&chain));
    budget_fail_nth(&budget, 1);
    for (int i = 0; i < 100; i++)
        json_text(&j, text, sizeof(text));
    cr_assert(chain_failed(&chain));
}

Test(json, numbers_as_go_writes_them)
{
    static const struct {
        double v;
        const char *text;
    } rows[] = {
        {0, "0"},           {0.25, "0.25"},   {1e-6, "0.000001"},
        {2.5e-7, "2.5e-7"}, {1e-10, "1e-10"}, {1e20, "100000000000000000000"},
        {1e21, "1e+21"},    {-3, "-3"},       {5e-324, "5e-324"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        json_double(&j, rows[i].v);
        cr_assert_str_eq(written(), rows[i].text);
    }
}

Test(json, nothing_and_keys_that_need_escapes)
{
    json_object(&j);
    json_key_text(&j, "a\"b\0c", 5);
    json_null(&j);
    json_key(&j, "d");
    json_null(&j);
    json_object_end(&j);
    cr_assert_str_eq(written(), "{\"a\\\"b\\u0000c\":null,\"d\":null}");
}
