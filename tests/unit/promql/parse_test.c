/* What the grammar refuses, and where.
 * The expected texts are what Prometheus 3.5.3 answers. */
#include "tests/unit/promql/test_query.h"
#include "tsdb/promql/query_limits.h"

static const struct {
    const char *query, *error;
} refused[] = {
    {"sum some_metric", "1:5: parse error: unexpected identifier \"some_metric\""},
    {"sum(1+)", "1:7: parse error: unexpected \")\" in aggregation"},
    {".5.5", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \".5.5\": "
             "invalid syntax"},
    {"foo[5m 5m]",
     "1:8: parse error: unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\""},
    {"start()", "1:6: parse error: unexpected \"(\""},
    {"foo offset",
     "1:11: parse error: unexpected end of input in offset, expected number or duration"},
    {"foo @", "1:6: parse error: unexpected end of input in @, expected timestamp"},
    {"sum by", "1:7: parse error: unexpected end of input in grouping opts, expected \"(\""},
    {"1 +", "1:4: parse error: unexpected end of input"},
    {"foo{a}",
     "1:6: parse error: unexpected \"}\" in label matching, expected label matching operator"},
    {"foo{a=\"b\" c}",
     "1:11: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
    {"{\"a\" \"b\"}", "1:6: parse error: unexpected string \"\\\"b\\\"\" in label matching, "
                      "expected \",\" or \"}\""},
    {"foo{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing ): `(`"},
    {"foo{a==~\"b\"}", "1:7: parse error: unexpected <op:=~> in label matching, expected string"},
    {"foo[5m:1m 3]",
     "1:11: parse error: unexpected number \"3\" in subquery selector, expected \"]\""},
    {"foo[0]", "1:5: parse error: duration must be greater than 0"},
    {"foo[5m:0s]", "1:8: parse error: duration must be greater than 0"},
    {"30s5m", "1:1: parse error: not a valid duration string: \"30s5m\""},
    {"1e400", "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": "
              "value out of range"},
    {"1.5h", "1:1: parse error: unknown unit \".\" in duration \"1.5h\""},
    {"on", "1:1: parse error: unexpected <on>"},
    {"bool", "1:1: parse error: unexpected <bool>"},
    {"foo offset (5m)", "1:13: parse error: experimental duration expression is not enabled"},
    {"foo[(5m)]", "1:6: parse error: experimental duration expression is not enabled"},
    {"foo[5m*2]", "1:5: parse error: experimental duration expression is not enabled"},
    {"foo[-5m]", "1:5: parse error: duration must be greater than 0"},
    {"foo[- 5m*2]", "1:5: parse error: experimental duration expression is not enabled"},
    {"foo[-(5m)]", "1:7: parse error: experimental duration expression is not enabled"},
    {"foo[5m:-1m]", "1:8: parse error: duration must be greater than 0"},
    {"foo offset -(5m)", "1:14: parse error: experimental duration expression is not enabled"},
    {"foo offset (5m+1)", "1:13: parse error: experimental duration expression is not enabled"},
    {"sum(foo @ start)", "1:16: parse error: unexpected \")\" in @, expected timestamp"},
    {"sum(foo @ start(1))", "1:17: parse error: unexpected number \"1\" in @, expected timestamp"},
    {"foo @ -start()", "1:8: parse error: unexpected \"start\" in @, expected timestamp"},
    {"foo @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"},
    {"foo @ 1e30", "1:1: parse error: timestamp out of bounds for @ modifier: "
                   "1000000000000000019884624838656.000000"},
    {"foo offset 1e30", "1:12: parse error: duration out of range"},
    {"foo[1e30]", "1:5: parse error: duration out of range"},
    {"foo offset 1e10", "1:12: parse error: duration out of range"},
    {"foo[]",
     "1:5: parse error: unexpected \"]\" in subquery selector, expected number or duration"},
    {"foo[5m][5m]", "1:8: parse error: ranges only allowed for vector selectors"},
    {"foo offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"},
    {"foo offset 5m[5m]", "1:14: parse error: no offset modifiers allowed before range"},
    {"foo @ 5[5m]", "1:8: parse error: no @ modifiers allowed before range"},
    {"foo @ 5 @ 6", "1:1: parse error: @ <timestamp> may not be set multiple times"},
    {"1 offset 5m", "1:1: parse error: offset modifier must be preceded by an instant vector "
                    "selector or range vector selector or a subquery"},
    {"(foo) offset 5m", "1:1: parse error: offset modifier must be preceded by an instant vector "
                        "selector or range vector selector or a subquery"},
    {"sum(foo) @ 5", "1:1: parse error: @ modifier must be preceded by an instant vector selector "
                     "or range vector selector or a subquery"},
    {"sum(foo)[5m]", "1:9: parse error: ranges only allowed for vector selectors"},
    {"1[5m]", "1:2: parse error: ranges only allowed for vector selectors"},
    {"1000000000w", "1:1: parse error: duration out of range"},
    {"300y", "1:1: parse error: duration out of range"},
    {"foo[5m:,]", "1:8: parse error: unexpected \",\" in subquery selector, expected number or "
                  "duration or \"]\""},
    {"rate(foo,)", "1:9: parse error: trailing commas not allowed in function call args"},
    {"rate(foo,*)", "1:9: parse error: trailing commas not allowed in function call args"},
    {"rate(,)", "1:6: parse error: unexpected \",\""},
    {"rate(foo foo)", "1:10: parse error: unexpected identifier \"foo\""},
    {"nope(foo) \"", "1:1: parse error: unknown function with name \"nope\""},
    {"sum(nope(1), b)", "1:5: parse error: unknown function with name \"nope\""},
    {"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
    {"sum(a,b)", "1:1: parse error: wrong number of arguments for aggregate expression provided, "
                 "expected 1, got 2"},
    {"topk(a)", "1:1: parse error: wrong number of arguments for aggregate expression provided, "
                "expected 2, got 1"},
    {"sum by (1)(a)", "1:9: parse error: unexpected number \"1\" in grouping opts, expected label"},
    {"sum by (a b)(c)",
     "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\""},
    {"sum by (a,,)(c)", "1:11: parse error: unexpected \",\" in grouping opts, expected label"},
    {"sum by (without)(c)",
     "1:9: parse error: unexpected <without> in grouping opts, expected label"},
    {"sum by (\"\")(c)", "1:9: parse error: invalid label name for grouping: \"\""},
    {"sum (a) by", "1:11: parse error: unexpected end of input in grouping opts, expected \"(\""},
    {"sum (a) by b",
     "1:12: parse error: unexpected identifier \"b\" in grouping opts, expected \"(\""},
    {"a + on b", "1:8: parse error: unexpected identifier \"b\" in grouping opts, expected \"(\""},
    {"sum(a + on(a) group_left [b])",
     "1:26: parse error: unexpected \"[\" in grouping opts, expected \"(\""},
    {"a bool b", "1:3: parse error: unexpected <bool>"},
    {"sum by (a) b", "1:12: parse error: unexpected identifier \"b\" in aggregation"},
    {"", "unknown position: parse error: no expression found in input"},
    {" ", "1:1: parse error: no expression found in input"},
    {"# c", "1:1: parse error: no expression found in input"},
    {"limitk(1,a)", "1:1: parse error: limitk() is experimental and must be enabled with "
                    "--enable-feature=promql-experimental-functions"},
    {"mad_over_time(a[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled"},
    {"sort_by_label(a,\"b\")", "1:1: parse error: function \"sort_by_label\" is not enabled"},
    {"info(a)", "1:1: parse error: function \"info\" is not enabled"},
    {"holt_winters(a[5m],1,1)", "1:1: parse error: unknown function with name \"holt_winters\""},
    {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
    {"1 2", "1:3: parse error: unexpected number \"2\""},
    {"foo{a=b}",
     "1:7: parse error: unexpected identifier \"b\" in label matching, expected string"},
    {"foo{a=\"b\",,}",
     "1:11: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
    {"foo{,}",
     "1:5: parse error: unexpected \",\" in label matching, expected identifier or \"}\""},
    {"foo{a=\"b\"} {c=\"d\"}", "1:12: parse error: unexpected \"{\""},
    {"()", "1:2: parse error: unexpected \")\""},
    {"a + ", "1:5: parse error: unexpected end of input"},
    {"* a", "1:1: parse error: unexpected <op:*>"},
    {"a ** b", "1:4: parse error: unexpected <op:*>"},
    {"sum(a) by (b) by (c)", "1:15: parse error: unexpected <by>"},
    {"sum by (WITHOUT) (a)",
     "1:9: parse error: unexpected <WITHOUT> in grouping opts, expected label"},
    {"group_left", "1:1: parse error: unexpected <group_left>"},
    {"ignoring", "1:1: parse error: unexpected <ignoring>"},
    {"atan2", "1:1: parse error: unexpected <op:atan2>"},
    {"0x",
     "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"0x\": invalid syntax"},
    {"1h2h", "1:1: parse error: not a valid duration string: \"1h2h\""},
    {"1m1h", "1:1: parse error: not a valid duration string: \"1m1h\""},
    {"topk(1,2,3)", "1:1: parse error: wrong number of arguments for aggregate expression "
                    "provided, expected 2, got 3"},
    {"sum(a)(b)", "1:7: parse error: unexpected \"(\""},
    {"abs(a b)", "1:7: parse error: unexpected identifier \"b\""},
    {"abs a", "1:5: parse error: unexpected identifier \"a\""},
    {"#", "1:1: parse error: no expression found in input"},
    {"\n\n  a b", "3:5: parse error: unexpected identifier \"b\""},
    {"{\"a\"=}", "1:6: parse error: unexpected \"}\" in label matching, expected string"},
    {"{\"a\"==}", "1:6: parse error: unexpected \"=\" in label matching, expected string"},
    {"{=}", "1:2: parse error: unexpected \"=\" in label matching, expected identifier or \"}\""},
    {"{a=}", "1:4: parse error: unexpected \"}\" in label matching, expected string"},
    {"{a!=}", "1:5: parse error: unexpected \"}\" in label matching, expected string"},
    {"{a=\"b\"c=\"d\"}",
     "1:7: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\""},
    {"{a=\"b\" \"c\"}", "1:8: parse error: unexpected string \"\\\"c\\\"\" in label matching, "
                        "expected \",\" or \"}\""},
    {"{a=\"b\"}{c=\"d\"}", "1:8: parse error: unexpected \"{\""},
    {"{\"a\"}{b=\"c\"}", "1:6: parse error: unexpected \"{\""},
    {"a[(5m]",
     "1:6: parse error: unexpected \"]\" in subquery selector, expected number or duration"},
    {"a(5m)", "1:1: parse error: unknown function with name \"a\""},
    {"\"a\"(1)", "1:4: parse error: unexpected \"(\""},
    {"1(2)", "1:2: parse error: unexpected \"(\""},
    {"{}(a)", "1:3: parse error: unexpected \"(\""},
    {"sum{a=\"b\"}(c)", "1:11: parse error: unexpected \"(\""},
    {"by(a)", "1:3: parse error: unexpected \"(\""},
    {"on(a)", "1:1: parse error: unexpected <on>"},
    {"bool(a)", "1:1: parse error: unexpected <bool>"},
    {"start(a)", "1:6: parse error: unexpected \"(\""},
    {"end()", "1:4: parse error: unexpected \"(\""},
    {"a @ end", "1:8: parse error: unexpected end of input in @, expected timestamp"},
    {"a @ foo", "1:5: parse error: unexpected identifier \"foo\" in @, expected timestamp"},
    {"a @ \"x\"", "1:5: parse error: unexpected string \"\\\"x\\\"\" in @, expected timestamp"},
    {"a @ (5)", "1:5: parse error: unexpected \"(\" in @, expected timestamp"},
    {"a @ --5", "1:6: parse error: unexpected <op:-> in @, expected timestamp"},
    {"a offset foo",
     "1:10: parse error: unexpected identifier \"foo\" in offset, expected number or duration"},
    {"a offset \"x\"",
     "1:10: parse error: unexpected string \"\\\"x\\\"\" in offset, expected number or duration"},
    {"a offset 5m:", "1:12: parse error: unexpected metric identifier \":\""},
    {"rate(a offset 5m[5m])", "1:17: parse error: no offset modifiers allowed before range"},
    {"a[5m] @ 5 @ 6", "1:1: parse error: @ <timestamp> may not be set multiple times"},
    {"a[5m] offset 5m offset 5m", "1:1: parse error: offset may not be set multiple times"},
};

Test(parse, errors_and_their_positions)
{
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct promql_query *q = test_parse(&t, refused[i].query);
        cr_assert_null(q, "%s is accepted", refused[i].query);
        cr_assert_eq(t.error.kind, PROMQL_ERR_BAD_DATA);
        cr_assert_str_eq(t.error.text, refused[i].error, "%s: %s", refused[i].query, t.error.text);
    }
    test_query_release(&t);
}

/* n times text, then tail, in the region of t. */
static char *repeat(struct test_query *t, const char *head, const char *text, size_t n,
                    const char *tail)
{
    size_t head_n = strlen(head), text_n = strlen(text), tail_n = strlen(tail);
    char *out = malloc(head_n + n * text_n + tail_n + 1);
    cr_assert_not_null(out);
    (void)t;
    memcpy(out, head, head_n);
    for (size_t i = 0; i < n; i++)
        memcpy(out + head_n + i * text_n, text, text_n);
    memcpy(out + head_n + n * text_n, tail, tail_n + 1);
    return out;
}

/* Each way to nest, at the limit and one past it. */
Test(parse, depth_is_limited)
{
    static const struct {
        const char *head, *text, *tail;
        size_t n_max; /* repetitions that are accepted */
    } nests[] = {
        {"", "(", "1", 0}, /* closed below */
        {"", "- ", "a", QUERY_DEPTH_MAX - 1},
        {"a", "+a", "", QUERY_DEPTH_MAX - 1},
        {"a", " ^a", "", QUERY_DEPTH_MAX - 1},
        {"a", "[1m:]", "", 0},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(nests); i++) {
        if (nests[i].n_max == 0)
            continue;
        for (size_t past = 0; past < 2; past++) {
            char *text =
                repeat(&t, nests[i].head, nests[i].text, nests[i].n_max + past, nests[i].tail);
            struct promql_query *q = test_parse(&t, text);
            cr_assert_eq(q != NULL, past == 0, "%.20s: %s", text, q ? "" : t.error.text);
            if (past)
                cr_assert_not_null(strstr(t.error.text, "nested too deeply, the limit is 400"));
            promql_release(q);
            free(text);
        }
    }
    test_query_release(&t);
}

Test(parse, parentheses_count_as_depth)
{
    struct test_query t;
    test_query_init(&t);
    for (size_t past = 0; past < 2; past++) {
        size_t n = QUERY_DEPTH_MAX - 1 + past;
        char *open = repeat(&t, "", "(", n, "1");
        char *text = repeat(&t, open, ")", n, "");
        struct promql_query *q = test_parse(&t, text);
        cr_assert_eq(q != NULL, past == 0);
        promql_release(q);
        free(open);
        free(text);
    }
    test_query_release(&t);
}

Test(parse, a_query_may_be_a_mebibyte_long)
{
    struct test_query t;
    test_query_init(&t);
    char *text = repeat(&t, "1", " ", QUERY_TEXT_BYTES_MAX - 1, "");
    struct promql_query *q = test_parse(&t, text);
    cr_assert_not_null(q);
    promql_release(q);
    free(text);
    text = repeat(&t, "1", " ", QUERY_TEXT_BYTES_MAX, "");
    cr_assert_null(test_parse(&t, text));
    cr_assert_str_eq(t.error.text, "query of 1048577 bytes is too long, the limit is 1048576");
    free(text);
    test_query_release(&t);
}

/* Whatever allocation fails, the answer is an error and nothing leaks. */
Test(parse, running_out_of_memory_is_an_error)
{
    struct test_query t;
    test_query_init(&t);
    const char *text =
        "sum by (a) (rate(x{y=~\"z.*\"}[5m] offset 1m)) / on(b) group_left(c) {\"d\"}";
    size_t n_failed = 0;
    t.arena.retain_span_bytes = 0; /* so that each span asks the budget */
    for (long nth = 1; nth < 8; nth++) {
        budget_fail_nth(&t.budget, nth);
        struct promql_query *q = test_parse(&t, text);
        if (!q) {
            n_failed++;
            cr_assert_eq(t.error.kind, PROMQL_ERR_EXECUTION);
            cr_assert_not_null(strstr(t.error.text, "--query.max-memory"));
        }
        promql_release(q);
    }
    cr_assert_gt(n_failed, 0);
    budget_fail_nth(&t.budget, 0);
    test_query_release(&t);
}
