#include "http/write_refs.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>

enum { TEXTS = 1000, BYTES_MAX = 2 * WRITE_REFS_SHORT };

static struct series_hash hash;
static struct series_key keys[TEXTS];
static struct write_symbols symbols = {.n = TEXTS, .keys = keys};
static struct write_refs refs;
static struct random rnd;

static void setup(void)
{
    random_init(&rnd, random_seed());
    series_hash_init(&hash, (const uint8_t[SERIES_HASH_KEY_BYTES]){3});
    for (uint32_t i = 0; i < TEXTS; i++)
        keys[i] = series_key_of_text(&hash, &i, sizeof(i));
    write_refs_init(&refs, &hash, &symbols);
}

TestSuite(write_refs, .init = setup);

struct row {
    uint8_t bytes[BYTES_MAX + WRITE_REFS_SHORT]; /* so much may be read behind them */
    size_t n;
};

static void add(struct row *r, uint32_t ref)
{
    for (; ref > WIRE_SHORT_MAX; ref >>= 7)
        r->bytes[r->n++] = (uint8_t)(ref | 0x80);
    r->bytes[r->n++] = (uint8_t)ref;
}

static struct row row_of(const uint32_t *numbers, size_t n)
{
    struct row r = {.n = 0};
    for (size_t i = 0; i < n; i++)
        add(&r, numbers[i]);
    return r;
}

/* Whether the row is taken as a short one; then its key is that of any row. */
static bool is_short(const struct row *r)
{
    struct series_key key;
    if (!write_refs_key_of_short(&refs, r->bytes, r->n, &key))
        return false;
    cr_assert(series_keys_are_equal(key, write_refs_key(&refs, r->bytes, r->n)));
    return true;
}

/* One row after the other, each a little different from one of those before, as a body has them;
 * now and then a reference that leads nowhere, a partner that is missing, a number of three bytes.
 */
Test(write_refs, keys_are_those_of_rows_taken_anew)
{
    enum { BODIES = 50, ROWS = 4000, KEPT = 16, NUMBERS_MAX = 26 };
    static struct row rows[ROWS]; /* of a body; they stay, as its message does */
    uint32_t numbers[KEPT][NUMBERS_MAX] = {{0}};
    size_t n[KEPT] = {0}, n_short = 0;
    for (int round = 0; round < BODIES * ROWS; round++) {
        size_t from = random_below(&rnd, KEPT), to = random_below(&rnd, KEPT);
        struct row *r = &rows[round % ROWS];
        if (round % ROWS == 0)
            write_refs_init(&refs, &hash, &symbols);
        memcpy(numbers[to], numbers[from], sizeof(numbers[to]));
        n[to] = random_below(&rnd, 8) == 0 ? random_below(&rnd, NUMBERS_MAX + 1) : n[from];
        for (size_t changes = random_below(&rnd, 4); changes > 0; changes--)
            numbers[to][random_below(&rnd, NUMBERS_MAX)] =
                (uint32_t)random_below(&rnd, random_below(&rnd, 2) == 0 ? 128 : TEXTS);
        if (random_below(&rnd, 50) == 0)
            numbers[to][0] = random_below(&rnd, 2) == 0 ? TEXTS : 1 << 14;
        *r = row_of(numbers[to], n[to]);
        bool is_good =
            n[to] % 2 == 0 && (n[to] == 0 || numbers[to][0] < TEXTS) && r->n <= WRITE_REFS_SHORT;
        cr_assert_eq(is_short(r), is_good, "round %d", round);
        n_short += is_good;
        if (numbers[to][0] >= TEXTS)
            numbers[to][0] = 0;
    }
    cr_assert_gt(n_short, 1000);
}

Test(write_refs, as_many_bytes_as_are_looked_at_and_one_more)
{
    uint32_t numbers[WRITE_REFS_SHORT + 2] = {0};
    struct row most = row_of(numbers, WRITE_REFS_SHORT);
    struct row more = row_of(numbers, WRITE_REFS_SHORT + 2);
    numbers[WRITE_REFS_SHORT - 1] = 1;
    struct row other = row_of(numbers, WRITE_REFS_SHORT);
    cr_assert(is_short(&most));
    cr_assert(is_short(&other), "the last byte is another one");
    cr_assert_not(is_short(&more));
}

Test(write_refs, the_last_text_and_one_behind_it)
{
    struct row last = row_of((const uint32_t[]){1, TEXTS - 1}, 2);
    struct row behind = row_of((const uint32_t[]){1, TEXTS}, 2);
    struct row again = last;
    cr_assert(is_short(&last));
    cr_assert_not(is_short(&behind), "it ends as the one before");
    cr_assert(is_short(&again));
    struct series_key none = write_refs_key(&refs, behind.bytes, behind.n);
    cr_assert(none.lo == 0 && none.hi == 0);
}

Test(write_refs, numbers_that_do_not_end_are_not_short)
{
    struct row open = {.bytes = {1, 0x82}, .n = 2}, whole = {.bytes = {1, 2}, .n = 2};
    cr_assert(is_short(&whole));
    struct series_key key;
    cr_assert_not(write_refs_key_of_short(&refs, open.bytes, open.n, &key));
    cr_assert_not(write_refs_are_sound(open.bytes, open.n));
    cr_assert(write_refs_are_sound(whole.bytes, whole.n));
}
