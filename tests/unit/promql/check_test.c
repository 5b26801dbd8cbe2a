/* Types, numbers of arguments, matchers: what parses and makes no sense.
 * The expected texts are what Prometheus 3.5.3 answers. */
#include "tests/unit/promql/test_query.h"

static const struct {
    const char *query, *error;
} refused[] = {
    {"\"a\"[5m:1m]",
     "1:1: parse error: subquery is only allowed on instant vector, got string instead"},
    {"foo[5m][5m:1m]",
     "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
    {"foo[5m:1m][5m:1m]",
     "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
    {"topk(\"a\",b)",
     "1:6: parse error: expected type scalar in aggregation parameter, got string"},
    {"count_values(1,b)",
     "1:14: parse error: expected type string in aggregation parameter, got scalar"},
    {"a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"},
    {"a and bool b", "1:3: parse error: bool modifier can only be used on comparison operators"},
    {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
    {"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
    {"a and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
    {"a and on(x) group_left(y) b", "1:1: parse error: no grouping allowed for \"and\" operation"},
    {"a + on(x) group_left(x) b",
     "1:3: parse error: label \"x\" must not occur in ON and GROUP clause at once"},
    {"1 + on(x) a", "1:1: parse error: vector matching only allowed between instant vectors"},
    {"\"a\"+1",
     "1:1: parse error: binary expression must contain only scalar and instant vector types"},
    {"foo[5m]+1",
     "1:1: parse error: binary expression must contain only scalar and instant vector types"},
    {"-\"a\"", "1:1: parse error: unary expression only allowed on expressions of type scalar or "
               "instant vector, got \"string\""},
    {"-foo[5m]", "1:1: parse error: unary expression only allowed on expressions of type scalar or "
                 "instant vector, got \"range vector\""},
    {"rate(foo)", "1:6: parse error: expected type range vector in call to function \"rate\", got "
                  "instant vector"},
    {"rate(1)",
     "1:6: parse error: expected type range vector in call to function \"rate\", got scalar"},
    {"rate(foo[5m],1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2"},
    {"rate()", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 0"},
    {"round(a,1,2)",
     "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3"},
    {"round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"},
    {"label_join(a)",
     "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 1"},
    {"sum(foo[5m])",
     "1:5: parse error: expected type instant vector in aggregation expression, got range vector"},
    {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"{a=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"foo{__name__=\"x\"}",
     "1:1: parse error: metric name must not be set twice: \"foo\" or \"x\""},
    {"foo{\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
    {"foo{__name__=~\"x\"}",
     "1:1: parse error: metric name must not be set twice: \"foo\" or \"x\""},
    {"absent(1)",
     "1:8: parse error: expected type instant vector in call to function \"absent\", got scalar"},
    {"scalar(1)",
     "1:8: parse error: expected type instant vector in call to function \"scalar\", got scalar"},
    {"vector(a)",
     "1:8: parse error: expected type scalar in call to function \"vector\", got instant vector"},
    {"time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"},
    {"histogram_quantile(a, b)", "1:20: parse error: expected type scalar in call to function "
                                 "\"histogram_quantile\", got instant vector"},
    {"{b=~\".*\"}",
     "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"{b!=\"x\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
    {"label_replace(a,\"b\",\"c\",\"d\")",
     "1:1: parse error: expected 5 argument(s) in call to \"label_replace\", got 4"},
    {"label_join(a,\"b\",1)",
     "1:18: parse error: expected type string in call to function \"label_join\", got scalar"},
    {"pi(1)", "1:1: parse error: expected 0 argument(s) in call to \"pi\", got 1"},
    {"minute(a,b)",
     "1:1: parse error: expected at most 1 argument(s) in call to \"minute\", got 2"},
    {"year(1)",
     "1:6: parse error: expected type instant vector in call to function \"year\", got scalar"},
    {"abs(\"x\")",
     "1:5: parse error: expected type instant vector in call to function \"abs\", got string"},
    {"a[5m] + 1",
     "1:1: parse error: binary expression must contain only scalar and instant vector types"},
    {"a == bool \"x\"",
     "1:11: parse error: binary expression must contain only scalar and instant vector types"},
    {"\"x\" == \"y\"",
     "1:1: parse error: binary expression must contain only scalar and instant vector types"},
    {"+\"x\"", "1:1: parse error: unary expression only allowed on expressions of type scalar or "
               "instant vector, got \"string\""},
    {"a or on(x) group_left b", "1:1: parse error: no grouping allowed for \"or\" operation"},
    {"1 > 2", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
    {"a > on(x) 1", "1:1: parse error: vector matching only allowed between instant vectors"},
    {"{\"a\"!=\"b\"}",
     "1:1: parse error: vector selector must contain at least one non-empty matcher"},
};

Test(check, errors_and_their_positions)
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

Test(check, set_operators_are_many_to_many_and_scalars_have_no_matching)
{
    struct test_query t;
    test_query_init(&t);
    struct promql_query *q = test_parse(&t, "1 + on() a");
    cr_assert_not_null(q);
    cr_assert_str_eq(promql_text(q, &t.region), "1 + a");
    cr_assert_eq(promql_query_type(q), PROMQL_VECTOR);
    promql_release(q);
    test_query_release(&t);
}
