#include "tests/support/random.h"
#include "tsdb/labels.h"
#include "tsdb/store_limits.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define NAME "__name__"

static struct label label(const char *name, const char *value)
{
    return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

/* "a=1,b=2" as text, for comparing. */
static const char *text_of(const struct labels *ls)
{
    static char text[1000];
    size_t at = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < ls->n; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%.*s=%.*s", i > 0 ? "," : "",
                               (int)ls->items[i].name_len, ls->items[i].name,
                               (int)ls->items[i].value_len, ls->items[i].value);
    return text;
}

Test(labels, normalise_sorts_drops_and_refuses)
{
    static const struct {
        const char *in[8]; /* name, value, .. */
        int err;
        const char *out; /* NULL when refused */
    } rows[] = {
        {{NAME, "up"}, 0, "__name__=up"},
        {{"b", "2", "a", "1", NAME, "up"}, 0, "__name__=up,a=1,b=2"},
        {{"a", "1", NAME, "up", "B", "2"}, 0, "B=2,__name__=up,a=1"},
        {{NAME, "up", "a", ""}, 0, "__name__=up"},
        {{NAME, "up", "a", "", "a", "1"}, 0, "__name__=up,a=1"},
        {{NAME, "up", "ab", "1", "a", "1"}, 0, "__name__=up,a=1,ab=1"},
        {{"a", "1"}, ERR_LABELS_NO_NAME, NULL},
        {{NULL}, ERR_LABELS_NO_NAME, NULL},
        {{NAME, ""}, ERR_LABELS_NO_NAME, NULL},
        {{NAME, "up", "", "1"}, ERR_LABELS_EMPTY_NAME, NULL},
        {{NAME, "up", "", ""}, ERR_LABELS_EMPTY_NAME, NULL},
        {{NAME, "up", "a", "1", "a", "1"}, ERR_LABELS_DUPLICATE, NULL},
        {{"a", "1", NAME, "up", "a", "2"}, ERR_LABELS_DUPLICATE, NULL},
        {{NAME, "up", NAME, "down"}, ERR_LABELS_DUPLICATE, NULL},
        {{"b", "1", "a", "1", NAME, "up", "b", "2"}, ERR_LABELS_DUPLICATE, NULL},
        {{"b", "1", "b", "2", "a", "1", NAME, "up"}, ERR_LABELS_DUPLICATE, NULL},
        {{NAME, "up", "a", "\xFF"}, ERR_LABELS_NOT_UTF8, NULL},
        {{NAME, "up", "\xC3", "x"}, ERR_LABELS_NOT_UTF8, NULL},
        {{NAME, "h\xC3\xB6he", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"},
         0,
         "__name__=h\xC3\xB6he,\xE2\x82\xAC=\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct label items[4];
        struct labels ls = {items, 0};
        for (size_t k = 0; k < 8 && rows[i].in[k] != NULL; k += 2)
            items[ls.n++] = label(rows[i].in[k], rows[i].in[k + 1]);
        cr_assert_eq(labels_normalise(&ls, NULL), rows[i].err, "row %zu", i);
        if (rows[i].out != NULL)
            cr_assert_str_eq(text_of(&ls), rows[i].out, "row %zu", i);
    }
}

Test(labels, normalise_names_the_label_to_blame)
{
    struct label items[] = {label(NAME, "up"), label("good", "1"), label("bad", "\x80")};
    struct labels ls = {items, 3};
    const struct label *bad = NULL;
    cr_assert_eq(labels_normalise(&ls, &bad), ERR_LABELS_NOT_UTF8);
    cr_assert_not_null(bad);
    cr_assert_eq(strncmp(bad->name, "bad", bad->name_len), 0);

    ls = (struct labels){items + 1, 1};
    bad = items;
    cr_assert_eq(labels_normalise(&ls, &bad), ERR_LABELS_NO_NAME);
    cr_assert_null(bad, "nobody is to blame for what is missing");
}

/* A set of n labels, __name__ among them. */
static struct labels many(struct label *items, char (*names)[8], uint32_t n)
{
    items[0] = label(NAME, "up");
    for (uint32_t i = 1; i < n; i++) {
        snprintf(names[i], 8, "l%03u", i);
        items[i] = label(names[i], "x");
    }
    return (struct labels){items, n};
}

Test(labels, at_most_64_a_series)
{
    struct label items[LABELS_PER_SERIES_MAX + 2];
    char names[LABELS_PER_SERIES_MAX + 2][8];
    struct labels ls = many(items, names, LABELS_PER_SERIES_MAX);
    cr_assert_eq(LABELS_PER_SERIES_MAX, 64);
    cr_assert_eq(labels_normalise(&ls, NULL), 0);
    ls = many(items, names, LABELS_PER_SERIES_MAX + 1);
    cr_assert_eq(labels_normalise(&ls, NULL), ERR_LABELS_TOO_MANY);
    ls = many(items, names, LABELS_PER_SERIES_MAX + 1);
    items[7].value_len = 0; /* what is dropped does not count */
    cr_assert_eq(labels_normalise(&ls, NULL), 0);
    cr_assert_eq(ls.n, LABELS_PER_SERIES_MAX);
}

Test(labels, names_of_at_most_1_kib_and_values_of_4)
{
    static char text[LABEL_VALUE_BYTES_MAX + 1];
    memset(text, 'a', sizeof(text));
    static const struct {
        uint32_t name_len, value_len;
        int err;
    } rows[] = {
        {1024, 1, 0},    {1025, 1, ERR_LABELS_TOO_LONG},
        {1, 4096, 0},    {1, 4097, ERR_LABELS_TOO_LONG},
        {1024, 4096, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct label items[] = {label(NAME, "up"),
                                {text, text, rows[i].name_len, rows[i].value_len}};
        struct labels ls = {items, 2};
        cr_assert_eq(labels_normalise(&ls, NULL), rows[i].err, "row %zu", i);
    }
}

Test(labels, get_finds_a_whole_name_only)
{
    struct label items[] = {label(NAME, "up"), label("ab", "1")};
    struct labels ls = {items, 2};
    cr_assert_eq(labels_get(&ls, "ab", 2), &items[1]);
    cr_assert_null(labels_get(&ls, "a", 1));
    cr_assert_null(labels_get(&ls, "abc", 3));
    cr_assert_null(labels_get(&ls, "", 0));
}

Test(labels, compare_orders_as_prometheus_does)
{
    struct label sets[][2] = {
        {label("a", "1"), label("b", "1")},  {label("a", "1"), label("c", "0")},
        {label("a", "10"), label("b", "0")}, {label("a", "2"), label("b", "0")},
        {label("ab", "0"), label("b", "0")},
    };
    struct labels none = {NULL, 0}, prefix = {sets[0], 1};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (size_t k = 0; k < ARRAY_LEN(sets); k++) {
            struct labels x = {sets[i], 2}, y = {sets[k], 2};
            int order = labels_compare(&x, &y);
            cr_assert_eq((order > 0) - (order < 0), (i > k) - (i < k), "%zu, %zu", i, k);
        }
    }
    struct labels first = {sets[0], 2};
    cr_assert_lt(labels_compare(&none, &prefix), 0);
    cr_assert_lt(labels_compare(&prefix, &first), 0);
    cr_assert_gt(labels_compare(&first, &prefix), 0);
}

Test(labels, hash_depends_on_every_byte_and_border)
{
    struct label sets[][2] = {
        {label("a", "1"), label("b", "2")}, {label("a", "2"), label("b", "1")},
        {label("a1", ""), label("b", "2")}, {label("a", "1b"), label("", "2")},
        {label("a", "12"), label("b", "")}, {label("1", "a"), label("b", "2")},
    };
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        struct labels x = {sets[i], 2};
        cr_assert_eq(labels_hash(&x), labels_hash(&x));
        for (size_t k = 0; k < i; k++) {
            struct labels y = {sets[k], 2};
            cr_assert_neq(labels_hash(&x), labels_hash(&y), "%zu, %zu", i, k);
        }
    }
}

Test(labels, a_hash_is_joined_from_those_of_its_labels)
{
    struct label items[] = {label(NAME, "up"), label("ab", "1"),
                            label("b", "another value, longer")};
    uint64_t joined = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(items); i++) {
        struct labels one = {&items[i], 1}, all = {items, i + 1};
        joined = labels_hash_join(joined, labels_hash(&one));
        cr_assert_eq(joined, labels_hash(&all), "%u", i);
    }
}

/* The form that labels are to have, asked one by one. */
static bool is_normal(const struct labels *ls)
{
    bool is_good = ls->n <= LABELS_PER_SERIES_MAX, has_name = false;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        is_good = is_good && l->name_len >= 1 && l->name_len <= LABEL_NAME_BYTES_MAX &&
                  l->value_len >= 1 && l->value_len <= LABEL_VALUE_BYTES_MAX &&
                  utf8_is_valid(l->name, l->name_len) && utf8_is_valid(l->value, l->value_len) &&
                  (i == 0 || bytes_compare(l[-1].name, l[-1].name_len, l->name, l->name_len) < 0);
        has_name = has_name || (l->name_len == strlen(NAME) && memcmp(l->name, NAME, 8) == 0);
    }
    return is_good && has_name;
}

/* Names of few bytes, so that many are equal, prefixes of others, or differ late. */
static struct label random_label(struct random *random, char text[16])
{
    static const char bytes[] = {'\0', 'a', 'a', 'a', 'b', '\x7F', '\xC3', '\xA4'};
    struct label l = {text, text, (uint32_t)random_below(random, 13),
                      (uint32_t)random_below(random, 17)};
    uint64_t n_different = 1 + random_below(random, 12);
    memset(text, 'a', 16);
    for (uint64_t i = n_different; i < 16 && random_below(random, 3) > 0; i++)
        text[i] = bytes[random_below(random, sizeof(bytes))];
    if (random_below(random, 4) == 0)
        text[0] = bytes[random_below(random, sizeof(bytes))];
    if (random_below(random, 3) == 0)
        l.name = NAME, l.name_len = 8;
    return l;
}

/* The same by what can be asked of a label, and of two. */
static bool is_normal_by_label(const struct labels *ls)
{
    bool has_metric = false;
    for (uint32_t i = 0; i < ls->n; i++) {
        if (!label_is_normal(&ls->items[i]) ||
            (i > 0 && labels_order(&ls->items[i - 1], &ls->items[i]) >= 0))
            return false;
        has_metric |= label_is_metric_name(&ls->items[i]);
    }
    return has_metric;
}

Test(labels, are_normal_agrees_with_a_look_at_each)
{
    struct random random;
    uint32_t n_normal = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < 300000; round++) {
        char texts[3][16];
        struct label items[3], copy[3];
        struct labels ls = {items, 1 + (uint32_t)random_below(&random, 3)};
        for (uint32_t i = 0; i < ls.n; i++)
            copy[i] = items[i] = random_label(&random, texts[i]);
        bool wanted = is_normal(&ls);
        cr_assert_eq(labels_are_normal(&ls), wanted, "round %d", round);
        cr_assert_eq(is_normal_by_label(&ls), wanted, "round %d", round);
        cr_assert_eq(memcmp(items, copy, ls.n * sizeof(*items)), 0);
        if (wanted)
            cr_assert_eq(labels_normalise(&ls, NULL), 0);
        else if (labels_normalise(&ls, NULL) == 0)
            cr_assert(is_normal(&ls), "round %d", round);
        n_normal += wanted;
    }
    cr_assert_gt(n_normal, 3000);
}

/* Copies the texts one behind the other, with a byte between them; returns how many bytes. */
static size_t put_together(struct labels *ls, char *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        struct label *l = &ls->items[i];
        out[n++] = ' ';
        l->name = memcpy(out + n, l->name, l->name_len);
        n += l->name_len;
        out[n++] = ' ';
        l->value = memcpy(out + n, l->value, l->value_len);
        n += l->value_len;
    }
    return n;
}

Test(labels, that_lie_together_are_normalised_as_any)
{
    struct random random;
    uint32_t n_good = 0, n_bad = 0;
    random_init(&random, random_seed());
    for (int round = 0; round < 300000; round++) {
        char texts[3][16], together[3 * 32];
        struct label items[3], copy[3];
        struct labels ls = {items, 1 + (uint32_t)random_below(&random, 3)}, others = {copy, ls.n};
        for (uint32_t i = 0; i < ls.n; i++)
            copy[i] = items[i] = random_label(&random, texts[i]);
        size_t n = put_together(&ls, together);
        int err = labels_normalise(&others, NULL);
        cr_assert_eq(labels_normalise_within(&ls, together, n, NULL), err, "round %d", round);
        if (err == 0)
            cr_assert_eq(labels_compare(&ls, &others), 0, "round %d", round);
        n_good += err == 0;
        n_bad += err == ERR_LABELS_NOT_UTF8;
    }
    cr_assert(n_good > 3000 && n_bad > 3000, "%u, %u", n_good, n_bad);
}

/* One byte that is not ASCII, at each place of texts of each length. */
Test(labels, that_lie_together_are_ascii_or_not)
{
    for (size_t n = 1; n <= 100; n++) {
        for (size_t at = 0; at < n; at++) {
            char text[8 + 100] = NAME;
            memset(text + 8, 'a', n);
            struct label item = {text, text + 8, 8, (uint32_t)n};
            struct labels ls = {&item, 1};
            cr_assert_eq(labels_normalise_within(&ls, text, 8 + n, NULL), 0);
            text[8 + at] = '\x80';
            cr_assert_eq(labels_normalise_within(&ls, text, 8 + n, NULL), ERR_LABELS_NOT_UTF8,
                         "%zu of %zu", at, n);
        }
    }
}

Test(labels, are_normal_up_to_every_limit)
{
    static char text[LABEL_VALUE_BYTES_MAX + 1];
    struct label items[LABELS_PER_SERIES_MAX + 1];
    char names[LABELS_PER_SERIES_MAX + 1][8];
    memset(text, 'b', sizeof(text));
    struct labels ls = many(items, names, LABELS_PER_SERIES_MAX);
    cr_assert_eq(labels_normalise(&ls, NULL), 0);
    cr_assert(labels_are_normal(&ls));
    ls = many(items, names, LABELS_PER_SERIES_MAX + 1);
    cr_assert_not(labels_are_normal(&ls));
    struct label two[] = {label(NAME, "up"), {text, text, 1024, 4096}};
    ls = (struct labels){two, 2};
    cr_assert(labels_are_normal(&ls));
    two[1].name_len = 1025;
    cr_assert_not(labels_are_normal(&ls));
    two[1].name_len = 1024;
    two[1].value_len = 4097;
    cr_assert_not(labels_are_normal(&ls));
    cr_assert_not(labels_are_normal(&(struct labels){two, 0}), "no name");
}

Test(labels, bytes_compare_puts_prefixes_first)
{
    cr_assert_lt(bytes_compare("a", 1, "ab", 2), 0);
    cr_assert_gt(bytes_compare("b", 1, "ab", 2), 0);
    cr_assert_eq(bytes_compare("ab", 2, "ab", 2), 0);
    cr_assert_eq(bytes_compare(NULL, 0, NULL, 0), 0);
    cr_assert_lt(bytes_compare("a", 1, "\xFF", 1), 0, "bytes, not chars");
}

Test(labels, utf8_knows_good_from_bad)
{
    static const struct {
        const char *bytes;
        bool is_valid;
    } rows[] = {
        {"", true},
        {"ascii", true},
        {"more than eight bytes of ascii", true},
        {"\xC2\x80", true},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xED\x9F\xBF", true},
        {"\xEE\x80\x80", true},
        {"\xEF\xBF\xBF", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"12345678\xC3\xB6", true},
        {"1234567\xC3\xB6", true},
        {"\x80", false},
        {"\xC0\x80", false},         /* overlong */
        {"\xC1\xBF", false},         /* overlong */
        {"\xE0\x9F\xBF", false},     /* overlong */
        {"\xF0\x8F\xBF\xBF", false}, /* overlong */
        {"\xED\xA0\x80", false},     /* surrogate */
        {"\xED\xBF\xBF", false},     /* surrogate */
        {"\xF4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xF5\x80\x80\x80", false},
        {"\xFF", false},
        {"\xC3", false},         /* cut off */
        {"\xE2\x82", false},     /* cut off */
        {"\xF0\x9F\x98", false}, /* cut off */
        {"\xE2\x28\xA1", false},
        {"\xE2\x82\x28", false},
        {"\xF0\x9F\x28\x80", false},
        {"12345678\x80", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(utf8_is_valid(rows[i].bytes, strlen(rows[i].bytes)), rows[i].is_valid,
                     "row %zu", i);
    cr_assert(utf8_is_valid("a\0b", 3), "NUL is a character");
}

Test(labels, utf8_sees_one_bad_byte_wherever_it_is)
{
    char bytes[40];
    for (size_t n = 1; n <= sizeof(bytes); n++) {
        memset(bytes, 'a', n);
        cr_assert(utf8_is_valid(bytes, n));
        for (size_t i = 0; i < n; i++) {
            bytes[i] = '\x80';
            cr_assert_not(utf8_is_valid(bytes, n), "byte %zu of %zu", i, n);
            bytes[i] = 'a';
        }
    }
}

/* Every sequence of one to three bytes, against a decoder that computes the code point. */
static bool naive_utf8(const unsigned char *p, size_t n)
{
    while (n > 0) {
        size_t len = p[0] < 0x80 ? 1 : p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (len == 0 || len > n || p[0] > 0xF7)
            return false;
        uint32_t c = len == 1 ? p[0] : p[0] & (0x7Fu >> len);
        for (size_t i = 1; i < len; i++) {
            if ((p[i] & 0xC0) != 0x80)
                return false;
            c = c << 6 | (p[i] & 0x3Fu);
        }
        if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
            return false;
        p += len;
        n -= len;
    }
    return true;
}

Test(labels, utf8_agrees_with_a_naive_decoder_on_all_short_strings)
{
    unsigned char p[4];
    for (uint32_t i = 0; i < (1u << 24); i += i < 65536 ? 1 : 7) {
        p[0] = (unsigned char)(i >> 16), p[1] = (unsigned char)(i >> 8), p[2] = (unsigned char)i;
        p[3] = 0xBF;
        if (naive_utf8(p, 3) != utf8_is_valid((char *)p, 3) ||
            naive_utf8(p, 4) != utf8_is_valid((char *)p, 4))
            cr_assert_fail("%02x %02x %02x", p[0], p[1], p[2]);
    }
}
