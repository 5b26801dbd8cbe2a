#include "tsdb/labels.h"
#include "tsdb/store_limits.h"
#include "tsdb/text.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t bytes_hash(const void *bytes, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

int bytes_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t n = size_min(a_len, b_len);
    int order = n > 0 ? memcmp(a, b, n) : 0;
    if (order != 0)
        return order;
    return a_len < b_len ? -1 : a_len > b_len;
}

/* Length of the valid UTF-8 sequence at p, or 0. Table 3-7 of the Unicode standard: the second
 * byte's range depends on the first. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char first_lo, first_hi, second_lo, second_hi;
        size_t length;
    } rows[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (p[0] < rows[i].first_lo || p[0] > rows[i].first_hi)
            continue;
        if (n < rows[i].length || p[1] < rows[i].second_lo || p[1] > rows[i].second_hi)
            return 0;
        for (size_t k = 2; k < rows[i].length; k++)
            if ((p[k] & 0xC0) != 0x80)
                return 0;
        return rows[i].length;
    }
    return 0;
}

static uint64_t high_bits(const char *eight)
{
    uint64_t word;
    memcpy(&word, eight, 8);
    return word & 0x8080808080808080u;
}

/* Eight bytes at a time, 32 while there are more; the last eight, or the last four and the first
 * four, may overlap what has been seen. */
static bool is_ascii(const char *bytes, size_t n)
{
    uint64_t high = 0;
    if (n >= 8) {
        size_t i = 0;
        for (; i + 32 < n; i += 32)
            high |= (high_bits(bytes + i) | high_bits(bytes + i + 8)) |
                    (high_bits(bytes + i + 16) | high_bits(bytes + i + 24));
        for (; i + 8 < n; i += 8)
            high |= high_bits(bytes + i);
        return (high | high_bits(bytes + n - 8)) == 0;
    }
    if (n >= 4) {
        char eight[8];
        memcpy(eight, bytes, 4);
        memcpy(eight + 4, bytes + n - 4, 4);
        return high_bits(eight) == 0;
    }
    for (size_t i = 0; i < n; i++)
        high |= (unsigned char)bytes[i];
    return high < 0x80;
}

bool utf8_is_valid(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    if (is_ascii(bytes, n)) /* most labels are */
        return true;
    while (n > 0) {
        size_t step = utf8_sequence(p, n);
        if (step == 0)
            return false;
        p += step;
        n -= step;
    }
    return true;
}

int labels_order(const struct label *a, const struct label *b)
{
    return bytes_compare(a->name, a->name_len, b->name, b->name_len);
}

/* Senders nearly always sort, and 64 labels are few: insertion sort is one pass over sorted input.
 * True when two names are equal: the later one then ends its way beside the earlier. */
static bool sort_by_name(struct labels *ls)
{
    bool has_equals = false;
    for (uint32_t i = 1; i < ls->n; i++) {
        int order = labels_order(&ls->items[i], &ls->items[i - 1]);
        if (order < 0) {
            struct label moved = ls->items[i];
            uint32_t k = i;
            for (; k > 0 && (order = labels_order(&moved, &ls->items[k - 1])) < 0; k--)
                ls->items[k] = ls->items[k - 1];
            ls->items[k] = moved;
        }
        has_equals |= order == 0;
    }
    return has_equals;
}

static int check_label(const struct label *l)
{
    if (l->name_len == 0)
        return ERR_LABELS_EMPTY_NAME;
    if (l->name_len > LABEL_NAME_BYTES_MAX || l->value_len > LABEL_VALUE_BYTES_MAX)
        return ERR_LABELS_TOO_LONG;
    if (!utf8_is_valid(l->name, l->name_len) || !utf8_is_valid(l->value, l->value_len))
        return ERR_LABELS_NOT_UTF8;
    return 0;
}

bool label_is_normal(const struct label *l)
{
    return l->value_len > 0 && check_label(l) == 0;
}

bool label_is_metric_name(const struct label *l)
{
    return l->name_len == strlen(LABEL_METRIC_NAME) &&
           memcmp(l->name, LABEL_METRIC_NAME, strlen(LABEL_METRIC_NAME)) == 0;
}

static int blame(int err, const struct label *l, const struct label **ret_bad)
{
    if (ret_bad != NULL)
        *ret_bad = l;
    return err;
}

/* The first eight bytes of a text, such that their order as a number is that of the texts, as far
 * as they tell. Shorter ones end in zeros. */
static inline uint64_t first_bytes(const char *text, size_t n)
{
    uint64_t word = 0;
    uint32_t low, high;
    if (n >= 8) {
        memcpy(&word, text, 8);
        return __builtin_bswap64(word);
    }
    if (n >= 4) {
        memcpy(&high, text, 4);
        memcpy(&low, text + n - 4, 4);
        return (uint64_t)__builtin_bswap32(high) << 32 |
               (uint32_t)((uint64_t)__builtin_bswap32(low) << (64 - 8 * n));
    }
    word |= n > 0 ? (uint64_t)(unsigned char)text[0] << 56 : 0;
    word |= n > 1 ? (uint64_t)(unsigned char)text[1] << 48 : 0;
    word |= n > 2 ? (uint64_t)(unsigned char)text[2] << 40 : 0;
    return word;
}

/* What senders mostly send, seen in one pass: in their form, and all ASCII, if that is not known.
 * False: to be looked at in full. */
static bool are_plain(const struct labels *ls, bool are_ascii)
{
    const uint64_t metric_name = 0x5F5F6E616D655F5F; /* LABEL_METRIC_NAME */
    uint64_t before = 0;
    bool has_metric = false;
    if (ls->n > LABELS_PER_SERIES_MAX)
        return false;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        uint64_t first = first_bytes(l->name, l->name_len);
        if (l->name_len == 0 || l->value_len == 0 || l->name_len > LABEL_NAME_BYTES_MAX ||
            l->value_len > LABEL_VALUE_BYTES_MAX || first < before ||
            (i > 0 && first == before && labels_order(&ls->items[i - 1], l) >= 0))
            return false;
        if (!are_ascii && !(is_ascii(l->name, l->name_len) && is_ascii(l->value, l->value_len)))
            return false;
        has_metric |= first == metric_name && l->name_len == strlen(LABEL_METRIC_NAME);
        before = first;
    }
    return has_metric;
}

static int normalise(struct labels *ls, const struct label **ret_bad)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        if (l->name_len == 0)
            return blame(ERR_LABELS_EMPTY_NAME, l, ret_bad);
        if (l->value_len > 0)
            ls->items[n++] = *l;
    }
    ls->n = n;
    if (n > LABELS_PER_SERIES_MAX)
        return blame(ERR_LABELS_TOO_MANY, NULL, ret_bad);
    for (uint32_t i = 0; i < n; i++) {
        int err = check_label(&ls->items[i]);
        if (err != 0)
            return blame(err, &ls->items[i], ret_bad);
    }
    bool has_equals = sort_by_name(ls);
    for (uint32_t i = 1; has_equals && i < n; i++)
        if (labels_order(&ls->items[i - 1], &ls->items[i]) == 0)
            return blame(ERR_LABELS_DUPLICATE, &ls->items[i], ret_bad);
    if (labels_get(ls, LABEL_METRIC_NAME, strlen(LABEL_METRIC_NAME)) == NULL)
        return blame(ERR_LABELS_NO_NAME, NULL, ret_bad);
    return 0;
}

bool labels_are_normal(const struct labels *ls)
{
    struct label items[LABELS_PER_SERIES_MAX];
    if (are_plain(ls, false))
        return true;
    if (ls->n > LABELS_PER_SERIES_MAX)
        return false;
    for (uint32_t i = 0; i < ls->n; i++)
        items[i] = ls->items[i];
    struct labels copy = {items, ls->n};
    return normalise(&copy, NULL) == 0 && copy.n == ls->n && labels_compare(&copy, ls) == 0;
}

int labels_normalise_within(struct labels *ls, const void *texts, size_t n,
                            const struct label **ret_bad)
{
    bool are_ascii = texts != NULL && is_ascii(texts, n);
    return are_plain(ls, are_ascii) ? 0 : normalise(ls, ret_bad);
}

int labels_normalise(struct labels *ls, const struct label **ret_bad)
{
    return labels_normalise_within(ls, NULL, 0, ret_bad);
}

const struct label *labels_get(const struct labels *ls, const char *name, size_t name_len)
{
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        if (l->name_len == name_len && memcmp(l->name, name, name_len) == 0)
            return l;
    }
    return NULL;
}

int labels_compare(const struct labels *a, const struct labels *b)
{
    for (uint32_t i = 0; i < a->n && i < b->n; i++) {
        const struct label *x = &a->items[i], *y = &b->items[i];
        int order = labels_order(x, y);
        if (order == 0)
            order = bytes_compare(x->value, x->value_len, y->value, y->value_len);
        if (order != 0)
            return order;
    }
    return a->n < b->n ? -1 : a->n > b->n;
}

uint64_t labels_hash(const struct labels *ls)
{
    uint64_t h = 0;
    for (uint32_t i = 0; i < ls->n; i++) {
        const struct label *l = &ls->items[i];
        h = labels_hash_step(h, text_hash(l->name, l->name_len, 0),
                             text_hash(l->value, l->value_len, 0));
    }
    return h;
}
