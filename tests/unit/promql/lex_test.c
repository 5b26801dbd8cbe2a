/* What is no token, and brackets that do not match.
 * The expected texts are what Prometheus 3.5.3 answers. */
#include "tests/unit/promql/test_query.h"

static const struct {
    const char *query, *error;
} refused[] = {
    {"foo[5m", "1:7: parse error: unclosed left bracket"},
    {"foo)", "1:5: parse error: unexpected right parenthesis ')'"},
    {"!", "1:1: parse error: unexpected character after '!': '\357\277\275'"},
    {"foo[", "1:5: parse error: unexpected end of input in duration expression"},
    {"foo{", "1:5: parse error: unexpected end of input inside braces"},
    {"foo[5m:x]", "1:8: parse error: unexpected colon 'x'"},
    {"foo[x]", "1:5: parse error: unexpected character in duration expression: 'x'"},
    {"0x1e", "1:1: parse error: bad number or duration syntax: \"0x1e\""},
    {"1__0", "1:1: parse error: bad number or duration syntax: \"1__\""},
    {"5m30", "1:1: parse error: bad number or duration syntax: \"5m30\""},
    {"foo offset (", "1:13: parse error: unclosed left parenthesis"},
    {"foo[(", "1:6: parse error: unexpected end of input in duration expression"},
    {"sum(foo offset (5m", "1:19: parse error: unclosed left parenthesis"},
    {"foo[NaN]", "1:5: parse error: unexpected character in duration expression: 'N'"},
    {"foo[:]", "1:6: parse error: unexpected colon before duration in duration expression"},
    {"foo[5m:", "1:8: parse error: unclosed left bracket"},
    {"foo[5m::", "1:8: parse error: unexpected colon ':'"},
    {"foo[5m]]", "1:8: parse error: unexpected right bracket ']'"},
    {"foo[[", "1:5: parse error: unexpected character in duration expression: '['"},
    {"foo[5m:1m:", "1:10: parse error: unexpected colon ':'"},
    {"1e+", "1:1: parse error: bad number or duration syntax: \"1e+\""},
    {"0b11", "1:1: parse error: bad number or duration syntax: \"0\""},
    {"0o17", "1:1: parse error: bad number or duration syntax: \"0\""},
    {"\"\\ud800\"", "1:1: parse error: escape sequence is an invalid Unicode code point"},
    {"\"\\777\"", "1:1: parse error: escape sequence is an invalid Unicode code point"},
    {"\"\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'"},
    {"\"\\xg\"", "1:1: parse error: illegal character U+0067 'g' in escape sequence"},
    {"\"\\x4", "1:1: parse error: escape sequence not terminated"},
    {"'abc", "1:1: parse error: unterminated quoted string"},
    {"`abc", "1:1: parse error: unterminated raw string"},
    {"a ~ b", "1:3: parse error: unexpected character: '~'"},
    {"a $ b", "1:3: parse error: unexpected character: '$'"},
    {"\303\251", "1:1: parse error: unexpected character: '\303\251'"},
    {"foo{\303\251=\"a\"}", "1:5: parse error: unexpected character inside braces: '\303\251'"},
    {"foo{a=\"b\"\303\251}", "1:10: parse error: unexpected character inside braces: '\303\251'"},
    {"a =~ b", "1:3: parse error: unexpected character after '=': '~'"},
    {"a !~ b", "1:3: parse error: unexpected character after '!': '~'"},
    {"a ! b", "1:3: parse error: unexpected character after '!': ' '"},
    {"foo{a!b}", "1:6: parse error: unexpected character after '!' inside braces: 'b'"},
    {"foo{{", "1:5: parse error: unexpected left brace '{'"},
    {"foo{a=\"b\"]", "1:10: parse error: unexpected character inside braces: ']'"},
    {"foo[5m:)", "1:9: parse error: unexpected right parenthesis ')'"},
    {"nope(foo", "1:9: parse error: unclosed left parenthesis"},
    {"a + on(a) group_left )", "1:23: parse error: unexpected right parenthesis ')'"},
    {"a + on(a) group_left (b", "1:24: parse error: unclosed left parenthesis"},
    {"sum by (a", "1:10: parse error: unclosed left parenthesis"},
    {"(", "1:2: parse error: unclosed left parenthesis"},
    {")", "1:2: parse error: unexpected right parenthesis ')'"},
    {"(1", "1:3: parse error: unclosed left parenthesis"},
    {"1e5e", "1:1: parse error: bad number or duration syntax: \"1e5e\""},
    {"1.2.3", "1:1: parse error: bad number or duration syntax: \"1.2.\""},
    {"0xg", "1:1: parse error: bad number or duration syntax: \"0x\""},
    {"1e", "1:1: parse error: bad number or duration syntax: \"1e\""},
    {"1e5x", "1:1: parse error: bad number or duration syntax: \"1e5\""},
    {"5mx", "1:1: parse error: bad number or duration syntax: \"5mx\""},
    {"5msm", "1:1: parse error: bad number or duration syntax: \"5msm\""},
    {"1_", "1:1: parse error: bad number or duration syntax: \"1_\""},
    {"1._2", "1:1: parse error: bad number or duration syntax: \"1._\""},
    {"1_.2", "1:1: parse error: bad number or duration syntax: \"1_.\""},
    {"0x1.8", "1:1: parse error: bad number or duration syntax: \"0x1.\""},
    {"abs(a", "1:6: parse error: unclosed left parenthesis"},
    {"a{# comment}", "1:13: parse error: unexpected end of input inside braces"},
    {"a +\n\n  )", "3:4: parse error: unexpected right parenthesis ')'"},
    {"{\"a\"!}", "1:5: parse error: unexpected character after '!' inside braces: '}'"},
    {"{a~\"b\"}", "1:3: parse error: unexpected character inside braces: '~'"},
    {"{1=\"a\"}", "1:2: parse error: unexpected character inside braces: '1'"},
    {"a{b=\"c\"}}", "1:9: parse error: unexpected character: '}'"},
    {"a{b=\"c\"})", "1:10: parse error: unexpected right parenthesis ')'"},
    {"(a{b=\"c\"}", "1:10: parse error: unclosed left parenthesis"},
    {"((a)", "1:5: parse error: unclosed left parenthesis"},
    {"a))", "1:3: parse error: unexpected right parenthesis ')'"},
    {"a[5m", "1:5: parse error: unclosed left bracket"},
    {"a[5m:1m", "1:8: parse error: unclosed left bracket"},
    {"a[1h:1m", "1:8: parse error: unclosed left bracket"},
    {"a[", "1:3: parse error: unexpected end of input in duration expression"},
    {"a]", "1:2: parse error: unexpected right bracket ']'"},
    {"a[5m)", "1:6: parse error: unexpected right parenthesis ')'"},
    {"a[5m}", "1:5: parse error: unexpected character: '}'"},
    {"a{5m}", "1:3: parse error: unexpected character inside braces: '5'"},
};

#include "tsdb/promql/lex.h"

Test(lex, errors_and_their_positions)
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

/* Tokens as "kind:text", separated by spaces. */
static const struct {
    const char *text;
    enum token_kind kinds[8];
    uint32_t positions[8];
} tokens[] = {
    {"", {TOKEN_END}, {0}},
    {" \t\r\n# all a comment", {TOKEN_END}, {19}},
    {"a:b c", {TOKEN_METRIC_IDENTIFIER, TOKEN_IDENTIFIER, TOKEN_END}, {0, 4, 5}},
    {"SuM aVG inf NaN",
     {TOKEN_SUM, TOKEN_AVG, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_END},
     {0, 4, 8, 12, 15}},
    {"infinity", {TOKEN_IDENTIFIER, TOKEN_END}, {0, 8}},
    {"1 .5 2. 0x1F 1e+3 5m30s",
     {TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_NUMBER, TOKEN_DURATION,
      TOKEN_END},
     {0, 2, 5, 8, 13, 18, 23}},
    {"== != <= < >= >",
     {TOKEN_EQ, TOKEN_NE, TOKEN_LE, TOKEN_LT, TOKEN_GE, TOKEN_GT, TOKEN_END},
     {0, 3, 6, 9, 11, 14, 15}},
    {"+-*/%^@",
     {TOKEN_ADD, TOKEN_SUB, TOKEN_MUL, TOKEN_DIV, TOKEN_MOD, TOKEN_POW, TOKEN_AT, TOKEN_END},
     {0, 1, 2, 3, 4, 5, 6, 7}},
    {"{sum=~'x',}",
     {TOKEN_LEFT_BRACE, TOKEN_IDENTIFIER, TOKEN_EQ_REGEX, TOKEN_STRING, TOKEN_COMMA,
      TOKEN_RIGHT_BRACE, TOKEN_END},
     {0, 1, 4, 6, 9, 10, 11}},
    {"[5m:1]",
     {TOKEN_LEFT_BRACKET, TOKEN_DURATION, TOKEN_COLON, TOKEN_NUMBER, TOKEN_RIGHT_BRACKET,
      TOKEN_END},
     {0, 1, 3, 4, 5, 6}},
    {"start end bool group_left",
     {TOKEN_START, TOKEN_STOP, TOKEN_BOOL, TOKEN_GROUP_LEFT, TOKEN_END},
     {0, 6, 10, 15, 25}},
};

Test(lex, tokens_and_their_positions)
{
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
        struct lexer l;
        struct token token = {0};
        lexer_init(&l, tokens[i].text, (uint32_t)strlen(tokens[i].text), &t.region);
        for (size_t k = 0; k == 0 || tokens[i].kinds[k - 1] != TOKEN_END; k++) {
            lexer_next(&l, &token);
            cr_assert_eq(token.kind, tokens[i].kinds[k], "%s: token %zu", tokens[i].text, k);
            cr_assert_eq(token.pos, tokens[i].positions[k], "%s: token %zu at %u", tokens[i].text,
                         k, token.pos);
        }
    }
    test_query_release(&t);
}

Test(lex, spellings)
{
    cr_assert_str_eq(token_spelling(TOKEN_GE), ">=");
    cr_assert_str_eq(token_spelling(TOKEN_COUNT_VALUES), "count_values");
    cr_assert_str_eq(token_spelling(TOKEN_STOP), "end");
    cr_assert_null(token_spelling(TOKEN_IDENTIFIER));
    cr_assert_null(token_spelling(TOKEN_NUMBER));
}
