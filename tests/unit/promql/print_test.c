/* Canonical texts. The expected ones are what Prometheus 3.5.3's format_query answers, but where
 * its text cannot be read again. */
#include "tests/unit/promql/test_query.h"

static const struct {
    const char *query, *text;
} accepted[] = {
    {"1_000.5", "1000.5"},
    {"sum", "sum"},
    {"foo offset 1y2w3d4h5m6s7ms", "foo offset 382d4h5m6s7ms"},
    {"foo > 5m", "foo > 5m"},
    {"foo{b=\"1\",a=\"2\",a=~\"x\"}", "foo{a=\"2\",a=~\"x\",b=\"1\"}"},
    {"{__name__=\"foo\"}", "{__name__=\"foo\"}"},
    {"{\"foo.bar\",x=\"y\"}", "{__name__=\"foo.bar\",x=\"y\"}"},
    {"{__name__=~\"x\",a=\"1\"}", "{__name__=~\"x\",a=\"1\"}"},
    {"foo{a=\"1\"} @ 10 offset 5m", "foo{a=\"1\"} @ 10.000 offset 5m"},
    {"sum(foo) by (a,b)", "sum by (a, b) (foo)"},
    {"sum(foo) by ()", "sum(foo)"},
    {"sum without() (foo)", "sum without () (foo)"},
    {"a + on() b", "a + on () b"},
    {"a + ignoring() b", "a + b"},
    {"a == bool on(a) group_right() b", "a == bool on (a) group_right () b"},
    {"-foo", "-foo"},
    {"- -1", "1"},
    {"+1", "1"},
    {"-1^2", "-1 ^ 2"},
    {"foo[90m]", "foo[1h30m]"},
    {"foo[5m:] offset -3m @ start()", "foo[5m:] @ start() offset -3m"},
    {"rate(foo[300])", "rate(foo[5m])"},
    {"0x1F", "31"},
    {"1e-400", "0"},
    {"foo{\"a.b\"=\"c\"}", "foo{\"a.b\"=\"c\"}"},
    {"sum by (\"a.b\", c) (foo)", "sum by (\"a.b\", c) (foo)"},
    {"\"a\\tb\"", "\"a\\tb\""},
    {"'\\''", "\"'\""},
    {"foo offset 1.5", "foo offset 1s500ms"},
    {"foo @ 1.23456", "foo @ 1.235"},
    {"sum(((foo)))", "sum(((foo)))"},
    {"(((1)))", "(((1)))"},
    {"foo and on(a) bar", "foo and on (a) bar"},
    {"1h", "1h"},
    {"-1h", "-1h"},
    {"-5m", "-5m"},
    {"foo @ 5m", "foo @ 300.000"},
    {"5m30s", "5m30s"},
    {"0s", "0s"},
    {"+foo", "+foo"},
    {"+ 5", "5"},
    {"- 5m", "-5m"},
    {"foo{a=\"\303\251\\x41\\u00ff\"}", "foo{a=\"\303\251A\303\277\"}"},
    {"`a\"b`", "\"a\\\"b\""},
    {"SUM(foo) BY (a)", "sum by (a) (foo)"},
    {"foo ATAN2 bar", "foo atan2 bar"},
    {"foo{a=\"\\n\"}", "foo{a=\"\\n\"}"},
    {"step", "step"},
    {"{\"on\"}", "{__name__=\"on\"}"},
    {"foo[1.5]", "foo[1s500ms]"},
    {"1_0", "10"},
    {"a  / 2", "a / 2"},
    {"\"\303\251\"", "\"\303\251\""},
    {"\"\\u200b\"", "\"\\u200b\""},
    {"\"\\xff\"", "\"\\xff\""},
    {"foo offset - 5m", "foo offset -5m"},
    {"foo[+5m]", "foo[5m]"},
    {"foo offset 5m + 2", "foo offset 5m + 2"},
    {"foo offset -2 ^ 2", "foo offset -2s ^ 2"},
    {"foo offset --2", "foo offset 2s"},
    {"foo offset 0 offset 5m", "foo offset 5m"},
    {"foo[1h0m]", "foo[1h]"},
    {"\"\\x41\\101\\u00e9\\U0001F600\"", "\"AA\303\251\360\237\230\200\""},
    {"0x_1F", "31"},
    {"0x1_F", "31"},
    {"foo[5m x1m]", "foo[5m:1m]"},
    {"9223372036854775808", "9223372036854776000"},
    {"017", "15"},
    {"1y1d", "366d"},
    {"-NaN", "NaN"},
    {"-inf", "-Inf"},
    {"sum by (a:b)(c)", "sum by (a:b) (c)"},
    {"sum by (a,)(c)", "sum by (a) (c)"},
    {"1 == bool 1", "1 == bool 1"},
    {"1 + on() a", "1 + a"},
    {"foo{}", "foo"},
    {"{\"a\",\"b\"}", "{__name__=\"a\",__name__=\"b\"}"},
    {"sum by (\"without\", by, bool) (a)", "sum by (\"without\", by, bool) (a)"},
    {"{a!=\"x\",a=~\"y\",b=\"z\", a=\"y\",A=\"1\"}", "{A=\"1\",a!=\"x\",a=\"y\",a=~\"y\",b=\"z\"}"},
    {"foo{\"a:b\"=\"x\"}", "foo{\"a:b\"=\"x\"}"},
    {"{\"\"=\"x\"}", "{\"\"=\"x\"}"},
    {"{\"\\xff\"=\"x\"}", "{\"\\xff\"=\"x\"}"},
    {"{\"a\"=\"\\xff\"}", "{a=\"\\xff\"}"},
    {"foo{on=\"x\"}", "foo{on=\"x\"}"},
    {"(foo[5m])", "(foo[5m])"},
    {"sum by (a)(b offset 5m)", "sum by (a) (b offset 5m)"},
    {"-2 ^ 2", "-2 ^ 2"},
    {"2 ^ -1", "2 ^ -1"},
    {"a - -1", "a - -1"},
    {"a - +1", "a - 1"},
    {"- - a", "--a"},
    {"a offset -0s", "a"},
    {"(-1)^2", "(-1) ^ 2"},
    {"-(-1)", "-(-1)"},
    {"-1h ^ 2", "-1h ^ 2"},
    {"0x10", "16"},
    {"1e3", "1000"},
    {"1e21", "1000000000000000000000"},
    {"1e-7", "0.0000001"},
    {"a @ -1", "a @ -1.000"},
    {"a @ 1e15", "a @ 1000000000000000.000"},
    {"a @ 9e15", "a @ 9000000000000000.000"},
    {"a:b", "a:b"},
    {":a", ":a"},
    {"a{b!~\"c.+\"}", "a{b!~\"c.+\"}"},
    {"a{b=~\"\"}", "a{b=~\"\"}"},
    {"{b=~\".+\"}", "{b=~\".+\"}"},
    {"a or b and c unless d", "a or b and c unless d"},
    {"a + b * c ^ d ^ e % f", "a + b * c ^ d ^ e % f"},
    {"a == b != c", "a == b != c"},
    {"sum(a) / on(x) group_left sum(b)", "sum(a) / on (x) group_left () sum(b)"},
    {"a offset 5m @ 3", "a @ 3.000 offset 5m"},
    {"by + without", "by + without"},
    {"offset offset 5m", "offset offset 5m"},
    {"start + end", "start + end"},
    {"and and and", "and and and"},
    {"or or or", "or or or"},
    {"sum + avg", "sum + avg"},
    {"bottomk", "bottomk"},
    {"limitk", "limitk"},
    {"limit_ratio", "limit_ratio"},
    {"group", "group"},
    {"a atan2 b", "a atan2 b"},
    {"inf", "+Inf"},
    {"INF", "+Inf"},
    {"Infinity", "Infinity"},
    {"nan", "NaN"},
    {"NaN + 1", "NaN + 1"},
    {"infx", "infx"},
    {"5ms", "5ms"},
    {"08", "8"},
    {"0777", "511"},
    {"0_7", "7"},
    {"_1", "_1"},
    {"00", "0"},
    {"09.5", "9.5"},
    {"1e1_0", "10000000000"},
    {"rate(a[5m])[10m:1m]", "rate(a[5m])[10m:1m]"},
    {"max_over_time(rate(a[1m])[5m:1m])", "max_over_time(rate(a[1m])[5m:1m])"},
    {"a[5m:1m] offset 1m", "a[5m:1m] offset 1m"},
    {"a[5m] offset 1m @ end()", "a[5m] @ end() offset 1m"},
    {"{a=\"b\"}[5m]", "{a=\"b\"}[5m]"},
    {"a{b=\"c\"}[5m] @ 1 offset -1m", "a{b=\"c\"}[5m] @ 1.000 offset -1m"},
    {"time", "time"},
    {"a{b=\"c\",}", "a{b=\"c\"}"},
    {"a{b=\"c\"}", "a{b=\"c\"}"},
    {"a {b=\"c\"}", "a{b=\"c\"}"},
    {"a{ b = \"c\" , }", "a{b=\"c\"}"},
    {"sum  by  (a)  (b)", "sum by (a) (b)"},
    {"a # comment", "a"},
    {"a #", "a"},
    {"a\n+\nb", "a + b"},
    {"-(1)", "-(1)"},
    {"-(a)", "-(a)"},
    {"2 ^ 3 ^ 2", "2 ^ 3 ^ 2"},
    {"-2 ^ 0.5", "-2 ^ 0.5"},
    {"a or on(x) b", "a or on (x) b"},
    {"a or ignoring(x) b", "a or ignoring (x) b"},
    {"a > bool 1", "a > bool 1"},
    {"1 > bool 2", "1 > bool 2"},
    {"a + on(x,y,) group_left(z,) b", "a + on (x, y) group_left (z) b"},
    {"a + on(\"x y\") b", "a + on (\"x y\") b"},
    {"a{\"x y\"=\"z\"}", "a{\"x y\"=\"z\"}"},
    {"{\"x y\"}", "{__name__=\"x y\"}"},
    {"{\"x\\\"y\"}", "{__name__=\"x\\\"y\"}"},
    {"{`a`}", "{__name__=\"a\"}"},
    {"{'a'}", "{__name__=\"a\"}"},
    {"{\"a\"=~\"b\"}", "{a=~\"b\"}"},
    {"a[1h:]", "a[1h:]"},
    {"sum{a=\"b\"}", "sum{a=\"b\"}"},
    {"sum[5m]", "sum[5m]"},
    {"sum offset 5m", "sum offset 5m"},
    {"sum @ 5", "sum @ 5.000"},
    {"sum == 1", "sum == 1"},
    {"by{a=\"b\"}", "by{a=\"b\"}"},
    {"a @ end()", "a @ end()"},
    {"a @ start() offset 5m", "a @ start() offset 5m"},
    {"a @ +5", "a @ 5.000"},
    {"a @ -5m", "a @ -300.000"},
    {"a offset +5m", "a offset 5m"},
    {"a offset -5m", "a offset -5m"},
    {"a offset 1", "a offset 1s"},
    {"a offset -1.5", "a offset -1s500ms"},
    {"rate(a[5m] offset 5m)", "rate(a[5m] offset 5m)"},
    /* quotes that Prometheus leaves out although its parser needs them */
    {"sum by (\"without\", by, bool) (a)", "sum by (\"without\", by, bool) (a)"},
    {"a + on(\"x y\") b", "a + on (\"x y\") b"},
    {"a + ignoring() group_left(x) b", "a + ignoring () group_left (x) b"},
};

Test(print, canonical_text_and_its_round_trip)
{
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        struct promql_query *q = test_parse(&t, accepted[i].query);
        cr_assert_not_null(q, "%s: %s", accepted[i].query, t.error.text);
        const char *text = promql_text(q, &t.region);
        cr_assert_str_eq(text, accepted[i].text, "%s: %s", accepted[i].query, text);
        promql_release(q);

        q = test_parse(&t, accepted[i].text);
        cr_assert_not_null(q, "%s: %s", accepted[i].text, t.error.text);
        cr_assert_str_eq(promql_text(q, &t.region), accepted[i].text);
        promql_release(q);
    }
    test_query_release(&t);
}

Test(print, what_lies_below_a_millisecond_is_a_number)
{
    struct test_query t;
    test_query_init(&t);
    struct promql_query *q = test_parse(&t, "a[1.0019] offset 0.0001 @ 1.0005");
    cr_assert_not_null(q);
    cr_assert_str_eq(promql_text(q, &t.region), "a[1.0019] @ 1.001 offset 0.0001");
    promql_release(q);
    cr_assert_null(test_parse(&t, "a[0]"));
    cr_assert_str_eq(t.error.text, "1:3: parse error: duration must be greater than 0");
    test_query_release(&t);
}

/* Expected texts are Prometheus 3.5.3's; more of them are compared in tests/e2e/test_prometheus.py.
 */
Test(print, long_texts_on_several_lines)
{
    static const char *const rows[][2] = {
        {"a+b", "a + b"},
        /* 100 bytes, and one more */
        {"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaa)",
         "(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaa)"},
        {"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaa)",
         "(\n  "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaa\n)"},
        {"sum by (job, instance) "
         "(rate(http_requests_total_with_long_name{job=\"api\",handler=\"/api/v1/query\"}"
         "[5m])) / on (job) group_left (x) sum by (job) (rate(other_requests_total[10m] offset "
         "5m))",
         "  sum by (job, instance) (\n"
         "    rate(http_requests_total_with_long_name{handler=\"/api/v1/query\",job=\"api\"}[5m])\n"
         "  )\n"
         "/ on (job) group_left (x)\n"
         "  sum by (job) (rate(other_requests_total[10m] offset 5m))"},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct promql_query *q = test_parse(&t, rows[i][0]);
        cr_assert_not_null(q, "%s: %s", rows[i][0], t.error.text);
        cr_assert_str_eq(promql_pretty(q, &t.region), rows[i][1]);
        promql_release(q);
    }
    test_query_release(&t);
}

Test(print, lines_of_every_kind_of_node)
{
    static const char arg[] =
        "a_metric_name_that_is_long_enough_to_fill_a_line_of_one_hundred_bytes_when_it_"
        "stands_there_with_more";
    char text[1024], want[1024];
    struct test_query t;
    test_query_init(&t);
    static const struct {
        const char *query, *pretty; /* formats: %s is the name */
    } rows[] = {
        {"topk(3, %s{})", "topk(\n  3,\n  %s\n)"},
        {"-(%s)", "-(\n  %s\n)"},
        {"clamp(%s, 1, 2)", "clamp(\n  %s,\n  1,\n  2\n)"},
        {"max_over_time((%s)[5m:1m] offset 1h)",
         "max_over_time(\n  (\n    %s\n  )[5m:1m] offset 1h\n)"},
        {"%s[5m]", "%s[5m]"},
        {"1 + -%s", "  1\n+\n  -%s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(text, sizeof(text), rows[i].query, arg);
        snprintf(want, sizeof(want), rows[i].pretty, arg);
#pragma GCC diagnostic pop
        struct promql_query *q = test_parse(&t, text);
        cr_assert_not_null(q, "%s: %s", text, t.error.text);
        cr_assert_str_eq(promql_pretty(q, &t.region), want);
        promql_release(q);
    }
    test_query_release(&t);
}
