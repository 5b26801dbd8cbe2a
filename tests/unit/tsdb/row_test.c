#include "tests/unit/tsdb/test_chunk.h"
#include "tsdb/row.h"

static struct test_window x;
static struct test_dry dry;

static void set_up(void)
{
    test_window_init(&x);
}

static void tear_down(void)
{
    test_window_release(&x);
}

TestSuite(row, .init = set_up, .fini = tear_down);

enum { ITEM_SIZES = 3 };
static const uint32_t item_sizes[ITEM_SIZES] = {8, 16, 24};

struct item {
    uint64_t words[ROW_ITEM_BYTES_MAX / 8];
};

static struct item item_of(uint32_t i, uint64_t salt)
{
    uint64_t mixed = (i + 1 + salt) * UINT64_C(0x9E3779B97F4A7C15);
    return (struct item){{mixed, mixed ^ i, ~mixed}};
}

static bool is_item(const struct row *r, uint32_t bytes, uint32_t i, uint64_t salt)
{
    struct item expected = item_of(i, salt);
    return memcmp(row_at(&x.t.arena, r, bytes, i), &expected, bytes) == 0;
}

static void expect_items(const struct row *r, uint32_t bytes, const char *when)
{
    for (uint32_t i = 0; i < r->n; i++)
        cr_assert(is_item(r, bytes, i, 0), "%s: item %u of %u, %u bytes each", when, i, r->n,
                  bytes);
}

/* One item more, in a change of its own. */
static bool push(struct row *r, uint32_t bytes)
{
    struct change c;
    struct row copy = *r;
    struct item item = item_of(r->n, 0);
    change_init(&c, &x.slots, x.w);
    bool is_in = row_append(&c, &copy, bytes, &item);
    cr_assert_eq(is_in, !c.has_failed);
    if (!change_prepare(&c))
        return false;
    *r = copy;
    change_finish(&c);
    return true;
}

static struct row row_of(uint32_t n, uint32_t bytes)
{
    struct row r = {0};
    while (r.n < n)
        cr_assert(push(&r, bytes));
    return r;
}

static void count_slot(void *ctx, slot s)
{
    struct chunk_footprint *f = ctx;
    chunk_footprint_add(f, pool_slot_bytes_at(&x.t.arena, s), 0);
}

/* The slots that the row names are those that are in use. */
static void expect_slots(const struct row *r, uint32_t bytes)
{
    struct chunk_footprint used = test_window_used(&x, x.w), counted = {0};
    uint32_t n = row_each_slot(&x.t.arena, r, bytes, count_slot, &counted), sum = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        sum += (uint32_t)counted.slots[c];
    test_same_footprint(&counted, &used, "row");
    cr_assert_eq(n, sum);
    cr_assert_eq(row_each_slot(&x.t.arena, r, bytes, NULL, NULL), n);
}

/* Lengths at which the row takes another form, for an item of 24 bytes: 5, 42, 42 * 256 .. */
enum { FORMS = 6 };
static void lengths_of_forms(uint32_t bytes, uint32_t ret[FORMS])
{
    uint32_t leaf = ROW_LEAF_BYTES / bytes, level = leaf * ROW_FANOUT;
    const uint32_t lengths[FORMS] = {0, ROW_FIRST_BYTES / bytes, leaf, 2 * leaf, level, 2 * level};
    memcpy(ret, lengths, sizeof(lengths));
}

Test(row, grows_through_all_its_forms)
{
    for (size_t k = 0; k < ITEM_SIZES; k++) {
        uint32_t bytes = item_sizes[k], forms[FORMS];
        struct row r = {0};
        lengths_of_forms(bytes, forms);
        for (size_t form = 0; form < FORMS; form++)
            for (uint32_t n = forms[form] < 2 ? 0 : forms[form] - 2; n <= forms[form] + 2; n++) {
                while (r.n < n)
                    cr_assert(push(&r, bytes));
                expect_items(&r, bytes, "growing");
                expect_slots(&r, bytes);
            }
        test_window_renew(&x);
    }
}

Test(row, one_slot_then_leaves_then_nodes)
{
    static const struct {
        uint32_t n, slots;
    } rows[] = {
        {1, 1},  {5, 1},       {6, 1},       {42, 1},      {43, 3},      {84, 3},
        {85, 4}, {10752, 257}, {10753, 260}, {21504, 515}, {21505, 517},
    };
    struct row r = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        while (r.n < rows[i].n)
            cr_assert(push(&r, 24));
        cr_assert_eq(row_each_slot(&x.t.arena, &r, 24, NULL, NULL), rows[i].slots, "%u items", r.n);
    }
    slots_drain(&x.slots);
    cr_assert_eq(x.w->classes[0].n_used, 0, "the first slot was outgrown");
}

/* Keeps the first n items, in a change of its own. */
static bool cut(struct row *r, uint32_t bytes, uint32_t n)
{
    struct change c;
    struct row copy = *r;
    change_init(&c, &x.slots, x.w);
    cr_assert_eq(row_cut(&c, &copy, bytes, n), !c.has_failed);
    if (!change_prepare(&c))
        return false;
    *r = copy;
    change_finish(&c);
    return true;
}

/* From every length near a change of form to every shorter one, and a little longer again. */
Test(row, is_cut_to_all_its_forms)
{
    for (size_t k = 0; k < ITEM_SIZES; k++) {
        uint32_t bytes = item_sizes[k], forms[FORMS];
        lengths_of_forms(bytes, forms);
        for (size_t from = 0; from < FORMS; from++)
            for (size_t to = 0; to <= from; to++)
                for (uint32_t more = 0; more < 3; more++) {
                    struct row r = row_of(forms[from] + 1, bytes);
                    uint32_t n = forms[to] + more > 1 ? forms[to] + more - 1 : 0;
                    if (n > r.n)
                        continue;
                    /* in steps: a change has so many slots and no more */
                    for (uint32_t most = 600 * (ROW_LEAF_BYTES / bytes); r.n > n + most;)
                        cr_assert(cut(&r, bytes, r.n - most));
                    unsigned place = slots_enter(&x.slots);
                    const struct row old = r;
                    cr_assert(cut(&r, bytes, n));
                    cr_assert_eq(r.n, n);
                    while (r.n < n + 3)
                        cr_assert(push(&r, bytes));
                    slots_drain(&x.slots);
                    expect_items(&old, bytes, "the old copy");
                    slots_leave(&x.slots, place);
                    expect_items(&r, bytes, "cut");
                    expect_slots(&r, bytes);
                    cr_assert_eq(x.w->classes[0].n_used, r.n <= ROW_FIRST_BYTES / bytes);
                    test_window_renew(&x);
                }
    }
}

Test(row, cutting_without_memory_leaves_the_old_row)
{
    struct row r = row_of(11000, 24);
    for (uint32_t n_left = 0; n_left < 3; n_left++) { /* a leaf and two nodes */
        struct chunk_footprint used = test_window_used(&x, x.w);
        test_dry_begin(&x, &dry, n_left, true);
        cr_assert_not(cut(&r, 24, 10900));
        test_dry_end(&x, &dry, true);
        struct chunk_footprint now = test_window_used(&x, x.w);
        test_same_footprint(&used, &now, "a failed cut");
        expect_items(&r, 24, "dry");
    }
    cr_assert(cut(&r, 24, 10900));
    cr_assert(cut(&r, 24, 10900), "to what it has");
    expect_slots(&r, 24);
}

enum { REPLACED_SALT = 1000000 };

/* Of a row in which every stride-th item below `end` was replaced. */
static void expect_replaced(const struct row *r, uint32_t stride, uint32_t end, const char *when)
{
    for (uint32_t i = 0; i < r->n; i++)
        cr_assert(is_item(r, 24, i, i < end && i % stride == 0 ? REPLACED_SALT : 0),
                  "%s: item %u of %u, replaced up to %u", when, i, r->n, end);
}

Test(row, an_old_copy_stays_readable_while_items_are_replaced)
{
    static const uint32_t lengths[] = {1, 5, 6, 42, 43, 500, 10752, 10753, 12000};
    for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
        struct row r = row_of(lengths[k], 24);
        uint32_t stride = 1 + r.n / 7;
        unsigned place = slots_enter(&x.slots);
        for (uint32_t i = 0; i < r.n; i += stride) {
            const struct row old = r;
            struct item item = item_of(i, REPLACED_SALT);
            struct change c;
            change_init(&c, &x.slots, x.w);
            cr_assert(row_replace(&c, &r, 24, i, &item));
            cr_assert(change_prepare(&c));
            change_finish(&c);
            slots_drain(&x.slots);
            expect_replaced(&old, stride, i, "the old copy");
            expect_replaced(&r, stride, i + 1, "the new one");
        }
        slots_leave(&x.slots, place);
        test_window_renew(&x);
    }
}

Test(row, replacing_takes_as_many_slots_as_it_gives_back)
{
    struct row r = row_of(11000, 24);
    struct chunk_footprint before = test_window_used(&x, x.w);
    for (uint32_t i = 0; i < r.n; i += 997) {
        struct item item = item_of(i, 0);
        struct change c;
        change_init(&c, &x.slots, x.w);
        cr_assert(row_replace(&c, &r, 24, i, &item));
        cr_assert(change_prepare(&c));
        change_finish(&c);
    }
    struct chunk_footprint after = test_window_used(&x, x.w);
    test_same_footprint(&before, &after, "replaced");
    expect_items(&r, 24, "replaced");
    expect_slots(&r, 24);
}

Test(row, without_memory_the_old_row_is_whole)
{
    for (size_t k = 0; k < ITEM_SIZES; k++) {
        uint32_t bytes = item_sizes[k], forms[FORMS];
        struct row r = {0};
        lengths_of_forms(bytes, forms);
        for (size_t form = 0; form < FORMS; form++) {
            uint32_t n_left = 0;
            while (r.n < forms[form])
                cr_assert(push(&r, bytes));
            for (bool is_in = false; !is_in; n_left++) {
                const struct row before = r;
                struct chunk_footprint used = test_window_used(&x, x.w);
                test_dry_begin(&x, &dry, n_left, true);
                is_in = push(&r, bytes);
                test_dry_end(&x, &dry, true);
                struct chunk_footprint now = test_window_used(&x, x.w);
                if (!is_in) {
                    test_same_footprint(&used, &now, "a failed append");
                    cr_assert_eq(memcmp(&r, &before, sizeof(r)), 0);
                }
                expect_items(&r, bytes, "dry");
            }
            /* leaf and root, and at the second level a lower node */
            static const uint32_t slots_needed[FORMS] = {1, 1, 2, 1, 3, 2};
            cr_assert_eq(n_left, slots_needed[form] + 1, "form %zu, %u bytes: %u", form, bytes,
                         n_left);
            expect_slots(&r, bytes);
        }
        test_window_renew(&x);
    }
}

Test(row, replacing_without_memory_leaves_the_old_row)
{
    struct row r = row_of(11000, 24);
    for (uint32_t n_left = 0; n_left < 3; n_left++) {
        struct row copy = r;
        struct item item = item_of(5, 1);
        struct change c;
        struct chunk_footprint used = test_window_used(&x, x.w);
        test_dry_begin(&x, &dry, n_left, true);
        change_init(&c, &x.slots, x.w);
        cr_assert_not(row_replace(&c, &copy, 24, 5, &item));
        cr_assert_not(change_prepare(&c));
        test_dry_end(&x, &dry, true);
        struct chunk_footprint now = test_window_used(&x, x.w);
        test_same_footprint(&used, &now, "a failed replace");
        expect_items(&r, 24, "dry");
    }
}

Test(row, a_full_one_takes_no_more)
{
    cr_assert_eq(row_max(24), UINT64_C(42) * 256 * 256);
    cr_assert_eq(row_max(16), UINT64_C(1) << 22);
    for (size_t k = 0; k < ITEM_SIZES; k++) {
        struct row full = {.root = 16, .n = (uint32_t)row_max(item_sizes[k])};
        struct item item = item_of(0, 0);
        struct change c;
        change_init(&c, &x.slots, x.w);
        cr_assert_not(row_append(&c, &full, item_sizes[k], &item));
        cr_assert(c.has_failed);
        cr_assert_eq(c.n_taken, 0);
        cr_assert_not(change_prepare(&c));
    }
}
