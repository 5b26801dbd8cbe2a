#include "tsdb/text.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { LONGEST = 40 }; /* two words, two pairs of them, and more */

Test(text, equality_is_memcmp_s_at_every_length_and_place)
{
    char a[LONGEST], b[LONGEST];
    for (size_t n = 0; n <= LONGEST; n++) {
        for (size_t i = 0; i < LONGEST; i++)
            a[i] = b[i] = (char)(i * 37 + n);
        for (size_t i = n; i < LONGEST; i++)
            b[i] ^= 1; /* beyond the end nothing counts */
        cr_assert(texts_are_equal(a, b, n), "%zu bytes", n);
        for (size_t i = 0; i < n; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                b[i] = (char)(b[i] ^ 1 << bit);
                cr_assert_not(texts_are_equal(a, b, n), "bit %u of byte %zu of %zu", bit, i, n);
                b[i] = (char)(b[i] ^ 1 << bit);
            }
    }
}

Test(text, a_copy_is_of_its_bytes_and_no_others)
{
    char a[LONGEST], b[LONGEST + 2];
    for (size_t n = 0; n <= LONGEST; n++) {
        for (size_t i = 0; i < LONGEST; i++)
            a[i] = (char)(i * 37 + n);
        memset(b, 'x', sizeof(b));
        text_copy(b + 1, a, n);
        cr_assert(memcmp(b + 1, a, n) == 0 && b[0] == 'x' && b[n + 1] == 'x', "%zu bytes", n);
    }
}

Test(text, hash_depends_on_each_bit_the_length_and_the_seed)
{
    char a[LONGEST] = {0};
    for (size_t n = 0; n <= LONGEST; n++) {
        uint64_t h = text_hash(a, n, 0);
        cr_assert_eq(text_hash(a, n, 0), h);
        cr_assert_neq(text_hash(a, n, 1), h, "the seed");
        cr_assert(n == 0 || text_hash(a, n - 1, 0) != h, "the length");
        for (size_t i = 0; i < n; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                a[i] = (char)(1 << bit);
                cr_assert_neq((uint32_t)text_hash(a, n, 0), (uint32_t)h);
                a[i] = 0;
            }
    }
}

/* Numbers in a row, as ports and addresses are: no bucket gets much more than its share. */
Test(text, hash_spreads_neighbours)
{
    enum { BUCKETS = 1024, PER_BUCKET = 64, N = BUCKETS * PER_BUCKET };
    static const char *const forms[] = {"%u", "10.0.%u:9100", "%08u", "host-%u.example.org"};
    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        uint32_t counts[BUCKETS] = {0};
        for (unsigned i = 0; i < N; i++) {
            char text[LONGEST];
            int n = snprintf(text, sizeof(text), forms[f], i);
            counts[text_hash(text, (size_t)n, 0) % BUCKETS]++;
        }
        for (unsigned b = 0; b < BUCKETS; b++)
            cr_assert(counts[b] > PER_BUCKET / 4 && counts[b] < PER_BUCKET * 2, "%s: %u in %u",
                      forms[f], counts[b], b);
    }
}
