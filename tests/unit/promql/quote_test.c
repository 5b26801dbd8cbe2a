#include "tsdb/promql/quote.h"

#include "tests/unit/promql/test_query.h"

static const char *quoted(struct test_query *t, const char *text)
{
    struct textbuf b;
    textbuf_init(&b, &t->region);
    quote_add(&b, text, strlen(text));
    return textbuf_finish(&b);
}

Test(quote, strings)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"\"\\'", "\"\\\"\\\\'\""},
        {"\a\b\f\n\r\t\v", "\"\\a\\b\\f\\n\\r\\t\\v\""},
        {"\x01\x7f", "\"\\x01\\x7f\""},
        {"\303\251\342\202\254\360\237\230\200", "\"\303\251\342\202\254\360\237\230\200\""},
        {"\377\303(", "\"\\xff\\xc3(\""},
        {"\342\200\213", "\"\\u200b\""},
        {"\357\277\275", "\"\357\277\275\""},
        {"\363\260\200\200", "\"\\U000f0000\""},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_assert_str_eq(quoted(&t, cases[i].text), cases[i].quoted);
    test_query_release(&t);
}

Test(quote, runes)
{
    static const struct {
        uint32_t rune;
        const char *quoted, *code_point;
    } cases[] = {
        {'a', "'a'", "U+0061 'a'"},
        {'\'', "'\\''", "U+0027 '''"},
        {'"', "'\"'", "U+0022 '\"'"},
        {'\n', "'\\n'", "U+000A"},
        {0, "'\\x00'", "U+0000"},
        {0xE9, "'\303\251'", "U+00E9 '\303\251'"},
        {0x200B, "'\\u200b'", "U+200B"},
        {0x1F600, "'\360\237\230\200'", "U+1F600 '\360\237\230\200'"},
    };
    struct test_query t;
    test_query_init(&t);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct textbuf b;
        textbuf_init(&b, &t.region);
        quote_add_rune(&b, cases[i].rune);
        cr_assert_str_eq(textbuf_finish(&b), cases[i].quoted);
        textbuf_init(&b, &t.region);
        quote_add_code_point(&b, cases[i].rune);
        cr_assert_str_eq(textbuf_finish(&b), cases[i].code_point);
    }
    test_query_release(&t);
}

/* Every code point: encode and decode are inverses. */
Test(quote, runes_go_there_and_back)
{
    for (uint32_t rune = 0; rune <= RUNE_MAX; rune++) {
        char bytes[UTF8_BYTES_MAX];
        uint32_t back;
        if (rune >= 0xD800 && rune < 0xE000)
            continue;
        size_t width = rune_encode(rune, bytes);
        cr_assert_eq(rune_decode(bytes, width, &back), width);
        cr_assert_eq(back, rune);
        if (width > 1) {
            cr_assert_eq(rune_decode(bytes, width - 1, &back), 1);
            cr_assert_eq(back, RUNE_BAD);
        }
    }
}
