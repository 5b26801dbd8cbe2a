#include "http/params.h"

#include "tests/unit/http/test_params.h"

TestSuite(params, .init = begin_params, .fini = end_params);

static void add(const char *form)
{
    params_add_form(&params, form, strlen(form));
}

Test(params, a_form_is_decoded)
{
    add("query=up%7Bjob%3D%22a+b%22%7D&time=1.5&empty=&bare&&=x");
    cr_assert_str_eq(params_text(&params, "query"), "up{job=\"a b\"}");
    cr_assert_str_eq(params_text(&params, "time"), "1.5");
    cr_assert_not_null(params_next(&params, "empty", NULL));
    cr_assert_not_null(params_next(&params, "bare", NULL));
    cr_assert_str_eq(params_text(&params, "bare"), "");
    cr_assert_str_eq(params_text(&params, "missing"), "");
    cr_assert_null(params_next(&params, "missing", NULL));
}

Test(params, the_first_fault_is_named)
{
    static const struct {
        const char *form, *fault;
    } rows[] = {
        {"a=1&b=%20+%25", NULL},
        {"a=1&b=%zz&c=%y", "invalid URL escape \"%zz\""},
        {"%=1", "invalid URL escape \"%\""},
        {"a=%41%e", "invalid URL escape \"%e\""},
        {"a=%ff%0g", "invalid URL escape \"%0g\""},
        {"%1=%2", "invalid URL escape \"%1\""},
        {"a=%\"x", "invalid URL escape \"%\\\"x\""},
        {"x;y=1", "invalid semicolon separator in query"},
        {"x=1;y&a=%", "invalid semicolon separator in query"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        params_init(&params, &region);
        add(rows[i].form);
        if (rows[i].fault)
            cr_expect_str_eq(params.fault, rows[i].fault, "%s", rows[i].form);
        else
            cr_expect_null(params.fault);
        cr_expect_null(params_next(&params, "x", NULL));
    }
}

Test(params, repeated_names_come_in_order_and_the_first_wins)
{
    add("match%5B%5D=a&x=1&match[]=b");
    add("x=2&match[]=c");
    cr_assert_str_eq(params_text(&params, "x"), "1");
    const struct param *p = NULL;
    for (const char *expected = "abc"; *expected; expected++) {
        p = params_next(&params, "match[]", p);
        cr_assert_not_null(p);
        cr_assert_eq(p->value[0], *expected);
    }
    cr_assert_null(params_next(&params, "match[]", p));
}

Test(params, wrong_escapes_leave_the_pair_out)
{
    static const char *const bad[] = {"x=%", "x=%1", "x=%zz", "x=a%2", "%x=1", "x=%%31"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        add(bad[i]);
    cr_assert_eq(params.n, 0);
    add("x=%31");
    cr_assert_str_eq(params_text(&params, "x"), "1");
}

Test(params, a_nul_inside_counts)
{
    add("query=a%00b&query%00x=1");
    const struct param *p = params_next(&params, "query", NULL);
    cr_assert_eq(p->value_len, 3);
    cr_assert_arr_eq(p->value, "a\0b", 3);
    cr_assert_null(params_next(&params, "query", p));
}

Test(params, their_number_is_limited)
{
    for (int i = 0; i < PARAMS_MAX + 10; i++)
        add("a=b");
    cr_assert_eq(params.n, PARAMS_MAX);
}

Test(params, content_types_of_forms)
{
    cr_assert(params_is_form("application/x-www-form-urlencoded"));
    cr_assert(params_is_form(" Application/X-WWW-Form-Urlencoded ; charset=utf-8"));
    cr_assert_not(params_is_form("application/json"));
    cr_assert_not(params_is_form("application/x-www-form-urlencoded2"));
    cr_assert_not(params_is_form(""));
    cr_assert_not(params_is_form(NULL));
}

Test(params, times)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"1435781451.781", 1435781451781},
        {"1.0006", 1001},
        {"-1.5", -1500},
        {"1e3", 1000000},
        {"2015-07-01T20:10:51Z", 1435781451000},
        {"2015-07-01T20:10:51.781Z", 1435781451781},
        {"2015-07-01T20:10:51.7819999Z", 1435781451781},
        {"2015-07-01T22:10:51.781+02:00", 1435781451781},
        {"2015-07-01T18:40:51-01:30", 1435781451000},
        {"1969-12-31T23:59:59.5Z", -500},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"0001-01-01T00:00:00Z", -62135596800000},
        {"-292273086-05-16T16:47:06Z", PARAMS_TIME_MIN_MS},
        {"292277025-08-18T07:12:54.999999999Z", PARAMS_TIME_MAX_MS},
    };
    static const char *const bad[] = {
        "",
        "x",
        " 1",
        "1 ",
        "NaN",
        "Inf",
        "-inf",
        "1e300",
        "0x10",
        "1.2.3",
        "nan(1)",
        "2015-07-01",
        "2015-07-01T20:10:51",
        "2015-07-01 20:10:51Z",
        "2015-13-01T20:10:51Z",
        "2015-02-29T00:00:00Z",
        "2015-07-01T24:00:00Z",
        "2015-07-01T20:10:51.Z",
        "2015-07-01T20:10:51+2:00",
        "2015-07-01T20:10:51Zx",
        "--1",
        "+",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = 7;
        cr_assert(params_parse_time(good[i].text, &ms), "%s", good[i].text);
        cr_assert_eq(ms, good[i].ms, "%s: %lld", good[i].text, (long long)ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms;
        cr_assert_not(params_parse_time(bad[i], &ms), "%s", bad[i]);
    }
}

Test(params, durations)
{
    int64_t ns = 0;
    cr_assert_eq(params_parse_duration("15", &ns), DURATION_OK);
    cr_assert_eq(ns, 15000000000);
    cr_assert_eq(params_parse_duration("0.0005", &ns), DURATION_OK);
    cr_assert_eq(ns, 500000);
    cr_assert_eq(params_parse_duration("1h30m", &ns), DURATION_OK);
    cr_assert_eq(ns, 5400000000000);
    cr_assert_eq(params_parse_duration("-5", &ns), DURATION_OK);
    cr_assert_eq(ns, -5000000000);
    cr_assert_eq(params_parse_duration("1e10", &ns), DURATION_OVERFLOW);
    cr_assert_eq(params_parse_duration("-1e10", &ns), DURATION_OVERFLOW);
    cr_assert_eq(params_parse_duration("Inf", &ns), DURATION_OVERFLOW);
    cr_assert_eq(params_parse_duration("NaN", &ns), DURATION_INVALID);
    cr_assert_eq(params_parse_duration("", &ns), DURATION_INVALID);
    cr_assert_eq(params_parse_duration("5x", &ns), DURATION_INVALID);
}

Test(params, whole_numbers)
{
    int64_t v = 0;
    cr_assert(params_parse_i64("9223372036854775807", &v) && v == INT64_MAX);
    cr_assert(params_parse_i64("-9223372036854775808", &v) && v == INT64_MIN);
    cr_assert(params_parse_i64("+5", &v) && v == 5);
    cr_assert_not(params_parse_i64("9223372036854775808", &v));
    cr_assert_not(params_parse_i64("", &v));
    cr_assert_not(params_parse_i64("-", &v));
    cr_assert_not(params_parse_i64("1.5", &v));
    cr_assert_not(params_parse_i64(" 1", &v));
}

Test(params, escaped_names)
{
    static const char *const rows[][2] = {
        {"job", "job"},
        {"U__http_2e_status", "http.status"},
        {"U__a__b", "a_b"},
        {"U__temp_e9_rature", "temp\xc3\xa9rature"},
        {"U___1F600_", "\xf0\x9f\x98\x80"},
        {"U__", "U__"},
        {"U__a_zz_", "U__a_zz_"},
        {"U__a_", "U__a_"},
        {"U__a_D800_", "U__a_D800_"},
        {"U__a_110000_", "U__a_110000_"},
        {"U__a_2e", "U__a_2e"},
    };
    char out[64];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = params_unescape_name(rows[i][0], strlen(rows[i][0]), out);
        bool is_short = strcmp(rows[i][0], "U__") == 0;
        cr_assert_eq(n, is_short ? 0 : strlen(rows[i][1]), "%s", rows[i][0]);
        cr_assert_arr_eq(out, rows[i][1], n, "%s", rows[i][0]);
    }
}

Test(params, memory_that_runs_out_is_remembered)
{
    budget_fail_nth(&budget, 1);
    add("a=b");
    cr_assert(params.is_out_of_memory);
    cr_assert_eq(params.n, 0);
}

Test(params, booleans)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
    static const char *const neither[] = {"", "yes", "tRUE", "2", " 1", "truex"};
    bool v;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        cr_assert(params_parse_bool(yes[i], &v) && v, "%s", yes[i]);
        cr_assert(params_parse_bool(no[i], &v) && !v, "%s", no[i]);
        cr_assert_not(params_parse_bool(neither[i], &v), "%s", neither[i]);
    }
}
