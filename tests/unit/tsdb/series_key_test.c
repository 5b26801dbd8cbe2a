#include "tests/support/random.h"
#include "tsdb/series_key.h"
#include "tsdb/store_limits.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct series_hash h;

static void set_up(void)
{
    series_hash_init(&h, (const uint8_t[SERIES_HASH_KEY_BYTES]){1, 2, 3});
}

TestSuite(series_key, .init = set_up);

static struct label label(const char *name, const char *value)
{
    return (struct label){name, value, (uint32_t)strlen(name), (uint32_t)strlen(value)};
}

Test(series_key, the_canonical_form_is_what_prometheus_sends)
{
    static const char form[] = "\x0a\x0e\x0a\x08__name__\x12\x02up"
                               "\x0a\x0b\x0a\x03job\x12\x04node";
    struct label items[] = {label("__name__", "up"), label("job", "node")};
    struct labels ls = {items, 2};
    uint8_t put[sizeof(form)];
    cr_assert_eq(series_form_bytes(&ls), sizeof(form) - 1);
    series_form_put(&ls, put);
    cr_assert_eq(memcmp(put, form, sizeof(form) - 1), 0);
    cr_assert(series_keys_are_equal(series_key_of_labels(&h, &ls),
                                    series_key_of_form(&h, form, sizeof(form) - 1)));
}

Test(series_key, one_that_was_seen_is_never_denied)
{
    struct series_keys_seen seen = {0};
    struct random random;
    unsigned n_wrong = 0;
    random_init(&random, random_seed());
    for (uint32_t i = 0; i < 64; i++) {
        struct series_key key = {random_next(&random), i};
        n_wrong += series_key_see(&seen, key);
        cr_assert(series_key_see(&seen, key));
    }
    cr_assert_lt(n_wrong, 16, "2 on average");
}

Test(series_key, of_nothing_is_that_of_an_empty_form)
{
    struct labels none = {NULL, 0};
    cr_assert(
        series_keys_are_equal(series_key_of_labels(&h, &none), series_key_of_form(&h, "", 0)));
}

static char text[LABEL_VALUE_BYTES_MAX];

/* Labels of all lengths, in one go and in pieces, at every place of the buffer. */
Test(series_key, does_not_depend_on_how_the_form_is_put_together)
{
    static struct label items[LABELS_PER_SERIES_MAX];
    uint8_t *form =
        malloc(LABELS_PER_SERIES_MAX * (LABEL_NAME_BYTES_MAX + LABEL_VALUE_BYTES_MAX + 16));
    struct random random;
    random_init(&random, random_seed());
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)random_next(&random);
    for (int round = 0; round < 20000; round++) {
        uint32_t most = round % 10 == 0 ? LABEL_VALUE_BYTES_MAX : 1u << random_below(&random, 9);
        struct labels ls = {items, (uint32_t)random_below(&random, round % 10 == 0 ? 65 : 9)};
        for (uint32_t i = 0; i < ls.n; i++) {
            uint32_t n_name = (uint32_t)random_below(&random, size_min(most, 1024) + 1);
            uint32_t n_value = (uint32_t)random_below(&random, most + 1);
            items[i] = (struct label){text + random_below(&random, sizeof(text) - n_name + 1),
                                      text + random_below(&random, sizeof(text) - n_value + 1),
                                      n_name, n_value};
        }
        size_t n = series_form_bytes(&ls);
        series_form_put(&ls, form);
        cr_assert(
            series_keys_are_equal(series_key_of_labels(&h, &ls), series_key_of_form(&h, form, n)),
            "%u labels, %zu bytes", ls.n, n);
    }
    free(form);
}

Test(series_key, differs_with_each_byte_and_with_the_key)
{
    enum { N = 600 };
    uint8_t form[N] = {0};
    for (size_t n = 1; n <= N; n += n < 40 ? 1 : 37) {
        struct series_key key = series_key_of_form(&h, form, n);
        cr_assert_not(series_keys_are_equal(key, series_key_of_form(&h, form, n - 1)));
        for (size_t i = 0; i < n; i++) {
            form[i] = 1;
            struct series_key other = series_key_of_form(&h, form, n);
            cr_assert(key.lo != other.lo && key.hi != other.hi, "byte %zu of %zu", i, n);
            form[i] = 0;
        }
        for (int i = 0; i < SERIES_HASH_KEY_BYTES; i++) {
            struct series_hash with_other;
            uint8_t bytes[SERIES_HASH_KEY_BYTES];
            memcpy(bytes, h.key, sizeof(bytes));
            bytes[i] ^= 0x80;
            series_hash_init(&with_other, bytes);
            struct series_key other = series_key_of_form(&with_other, form, n);
            cr_assert(key.lo != other.lo && key.hi != other.hi, "key byte %d, %zu", i, n);
        }
    }
}

Test(series_key, a_key_gives_the_same_in_every_process)
{
    struct series_key key = series_key_of_form(&h, "form", 4);
    struct series_hash again;
    series_hash_init(&again, h.key);
    cr_assert_eq(memcmp(&again, &h, sizeof(h)), 0);
    cr_assert_eq(key.lo, UINT64_C(0x031C3A4BC5D13905), "%llx", (unsigned long long)key.lo);
}

/* --- of texts -----------------------------------------------------------------------------------
 */

/* Labels whose texts lie where they are in a form of two labels with names and values of a byte. */
static struct labels labels_in(const char *form, struct label *items, const uint8_t at[4])
{
    for (int i = 0; i < 2; i++)
        items[i] = (struct label){form + at[2 * i], form + at[2 * i + 1], 1, 1};
    return (struct labels){items, 2};
}

Test(series_key, a_form_is_canonical_or_not)
{
    static const char form[] = "\012\006\012\001a\022\001b\012\006\012\001c\022\001d";
    static const uint8_t in_order[] = {4, 7, 12, 15}, value_first[] = {7, 4, 12, 15},
                         labels_turned[] = {12, 15, 4, 7};
    const size_t n = sizeof(form) - 1;
    struct label items[2];
    struct labels ls = labels_in(form, items, in_order);
    cr_assert(series_form_is_canonical(&ls, form, n));
    cr_assert_not(series_form_is_canonical(&ls, form, n + 1), "a byte more");
    cr_assert_not(series_form_is_canonical(&ls, form, n - 1), "the last text goes beyond");
    cr_assert_not(series_form_is_canonical(&ls, form + n, n), "it lies elsewhere");
    ls = labels_in(form, items, value_first);
    cr_assert_not(series_form_is_canonical(&ls, form, n));
    ls = labels_in(form, items, labels_turned);
    cr_assert_not(series_form_is_canonical(&ls, form, n));
    ls.n = 1;
    cr_assert_not(series_form_is_canonical(&ls, form, n), "a label was dropped");
}

enum { TEXT_MAX = 2 * SERIES_TEXT_SHORT };

/* The key of n bytes in so many. */
static struct series_key key_among(const uint8_t *bytes, size_t n, size_t n_bytes)
{
    const struct series_text at = {0, (uint32_t)n};
    struct series_key key;
    series_keys_of_texts(&h, bytes, n_bytes, &at, 1, &key);
    return key;
}

/* A text has one key, whatever lies behind it; and another one when a byte of it is, or when zeros
 * come to its end. */
Test(series_key, of_a_text_is_of_its_bytes_alone)
{
    uint8_t bytes[TEXT_MAX + SERIES_TEXT_SHORT], alone[TEXT_MAX];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 20000; round++) {
        size_t n = random_below(&random, TEXT_MAX - 1);
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)random_below(&random, 3);
        memcpy(alone, bytes, n);
        struct series_key key = key_among(bytes, n, sizeof(bytes));
        cr_assert(series_keys_are_equal(key, series_key_of_text(&h, alone, n)), "%zu bytes", n);
        bytes[n] = 0;
        struct series_key longer = key_among(bytes, n + 1, sizeof(bytes));
        cr_assert(key.lo != longer.lo && key.hi != longer.hi, "%zu bytes", n);
        if (n == 0)
            continue;
        bytes[random_below(&random, n)] ^= 0x40;
        struct series_key other = key_among(bytes, n, sizeof(bytes));
        cr_assert(key.lo != other.lo && key.hi != other.hi, "%zu bytes", n);
    }
}

/* Places and lengths as they come, up to the last byte, behind which nothing may be read. */
Test(series_key, of_many_texts_are_those_of_each)
{
    enum { TEXTS = 40, BYTES_MAX = 4 * SERIES_TEXT_SHORT };
    struct series_text texts[TEXTS];
    struct series_key keys[TEXTS];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 2000; round++) {
        size_t n_bytes = 1 + random_below(&random, BYTES_MAX);
        uint8_t *bytes = malloc(n_bytes); /* so that AddressSanitizer knows the end */
        cr_assert_not_null(bytes);
        for (size_t i = 0; i < n_bytes; i++)
            bytes[i] = (uint8_t)random_below(&random, 256);
        for (uint32_t i = 0; i < TEXTS; i++) {
            texts[i].at = (uint32_t)random_below(&random, n_bytes);
            texts[i].n = (uint32_t)random_below(&random, n_bytes - texts[i].at + 1);
        }
        series_keys_of_texts(&h, bytes, n_bytes, texts, TEXTS, keys);
        for (uint32_t i = 0; i < TEXTS; i++) {
            struct series_key key = series_key_of_text(&h, bytes + texts[i].at, texts[i].n);
            cr_assert(series_keys_are_equal(keys[i], key), "%u bytes at %u of %zu", texts[i].n,
                      texts[i].at, n_bytes);
        }
        free(bytes);
    }
}

/* Texts by a number each, in pairs. */
static struct series_key mixed(const uint32_t *texts, size_t n)
{
    struct series_mix m = series_mix_begin();
    for (size_t i = 0; i < n; i += 2) {
        struct series_key name = series_key_of_text(&h, &texts[i], sizeof(*texts));
        struct series_key value = series_key_of_text(&h, &texts[i + 1], sizeof(*texts));
        series_mix_add(&h, &m, &name, &value);
    }
    return series_mix_end(&m);
}

/* Neither half of two keys agrees when a text is another one, two have changed places or one label
 * more is there; also beyond the labels that have factors of their own. */
Test(series_key, of_texts_tells_them_and_their_places)
{
    enum { MOST = 2 * SERIES_HASH_PAIRS + 8 };
    uint32_t texts[MOST], others[MOST];
    struct random random;
    random_init(&random, random_seed());
    for (int round = 0; round < 20000; round++) {
        size_t n = 2 * (2 + random_below(&random, MOST / 2 - 3));
        for (size_t i = 0; i < n; i++)
            texts[i] = (uint32_t)i; /* so that none is there twice */
        memcpy(others, texts, sizeof(others));
        size_t a = random_below(&random, n), b = random_below(&random, n - 1), n_other = n;
        b += b >= a;
        switch (random_below(&random, 3)) {
        case 0:
            others[a] = 1000;
            break;
        case 1:
            others[a] = texts[b];
            others[b] = texts[a];
            break;
        default:
            n_other -= 2;
        }
        struct series_key x = mixed(texts, n), y = mixed(others, n_other);
        cr_assert(x.lo != y.lo && x.hi != y.hi, "round %d", round);
        cr_assert(series_keys_are_equal(x, mixed(texts, n)));
    }
}

/* Bits of both halves are set half of the time, for tables take some of them. */
Test(series_key, of_texts_is_stirred)
{
    enum { KEYS = 20000 };
    uint32_t n_set[128] = {0};
    for (uint32_t i = 0; i < KEYS; i++) {
        struct series_key k = mixed((uint32_t[]){1, i}, 2);
        for (int bit = 0; bit < 64; bit++) {
            n_set[bit] += (uint32_t)(k.lo >> bit & 1);
            n_set[64 + bit] += (uint32_t)(k.hi >> bit & 1);
        }
    }
    for (int bit = 0; bit < 128; bit++)
        cr_assert(n_set[bit] > KEYS * 45 / 100 && n_set[bit] < KEYS * 55 / 100, "bit %d", bit);
}

Test(series_key, of_texts_depends_on_the_key_of_the_store)
{
    struct series_key x = mixed((uint32_t[]){1, 2}, 2);
    series_hash_init(&h, (const uint8_t[SERIES_HASH_KEY_BYTES]){1, 2, 4});
    cr_assert(!series_keys_are_equal(x, mixed((uint32_t[]){1, 2}, 2)));
}
