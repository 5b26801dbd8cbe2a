#include "tests/unit/tsdb/test_chunk.h"
#include "tsdb/slots.h"

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

TestSuite(slots, .init = set_up, .fini = tear_down);

static uint32_t n_used(void)
{
    uint32_t n = 0;
    for (unsigned c = 0; c < SIZE_CLASSES; c++)
        n += x.w->classes[c].n_used;
    return n;
}

/* A slot that is in use. */
static slot taken(size_t bytes)
{
    struct change c;
    change_init(&c, &x.slots, x.w);
    slot s = change_take(&c, bytes);
    cr_assert(change_prepare(&c));
    change_finish(&c);
    return s;
}

Test(slots, a_change_takes_the_smallest_class)
{
    struct change c;
    change_init(&c, &x.slots, x.w);
    for (size_t bytes = 1; bytes <= SIZE_CLASS_BYTES_MAX; bytes += 61) {
        change_init(&c, &x.slots, x.w);
        slot s = change_take(&c, bytes);
        size_t got = pool_slot_bytes_at(&x.t.arena, s);
        cr_assert_geq(got, bytes);
        cr_assert_lt(got, bytes + SIZE_CLASS_STEP_BYTES);
        change_undo(&c);
    }
    cr_assert_eq(n_used(), 0);
}

Test(slots, open_ones_are_a_pool_of_their_own)
{
    struct change c;
    change_init(&c, &x.slots, x.w);
    slot made = change_take_open(&c), other = change_take_open(&c), kept = change_take(&c, 128);
    cr_assert(made != 0 && other != 0 && kept != 0);
    c.open_payload = 100;
    cr_assert(change_prepare(&c));
    change_finish(&c);
    cr_assert_eq(x.slots.open.n_used, 2);
    cr_assert_eq(n_used(), 1);
    cr_assert_eq(x.slots.open_payload, 100);
    cr_assert_eq(x.w->payload_bytes, 0);

    change_init(&c, &x.slots, x.w);
    cr_assert_neq(change_take_open(&c), 0);
    change_undo(&c);
    cr_assert_eq(x.slots.open.n_used, 2);

    change_init(&c, &x.slots, x.w);
    change_replace_open(&c, made);
    change_replace(&c, kept);
    c.open_payload = -40;
    cr_assert(change_prepare(&c));
    change_finish(&c);
    cr_assert(slots_promise(&x.slots, 1));
    slots_open_retire(&x.slots, &other, 1, 60);
    cr_assert_eq(x.slots.n_promised, 0);
    cr_assert_eq(x.slots.open.n_used, 2, "they wait");
    slots_drain(&x.slots);
    cr_assert_eq(x.slots.open.n_used, 0);
    cr_assert_eq(n_used(), 0);
    cr_assert_eq(x.slots.open_payload, 0);
}

Test(slots, crumbs_are_slots_of_the_window_like_others)
{
    for (size_t bytes = 1; bytes <= CRUMB_BYTES_MAX; bytes += 5) {
        struct change c;
        const struct pool *p = window_pool(x.w, bytes);
        change_init(&c, &x.slots, x.w);
        slot s = change_take_crumb(&c, bytes);
        cr_assert_neq(s, 0);
        cr_assert_eq(p->n_used, 1);
        cr_assert_lt(pool_slot_bytes_at(&x.t.arena, s), bytes + CRUMB_STEP_BYTES);
        change_undo(&c);
        cr_assert_eq(p->n_used, 0);
        change_init(&c, &x.slots, x.w);
        s = change_take_crumb(&c, bytes);
        cr_assert(change_prepare(&c));
        change_finish(&c);
        change_init(&c, &x.slots, x.w);
        change_replace(&c, s);
        cr_assert(change_prepare(&c));
        change_finish(&c);
        slots_drain(&x.slots);
        cr_assert_eq(p->n_used, 0);
    }
}

Test(slots, what_is_undone_goes_back_at_once)
{
    slot old = taken(300);
    struct change c;
    change_init(&c, &x.slots, x.w);
    c.payload = 77;
    for (size_t bytes = 100; bytes <= 1000; bytes += 100)
        cr_assert_neq(change_take(&c, bytes), 0);
    change_replace(&c, old);
    cr_assert_eq(n_used(), 11);
    change_undo(&c);
    cr_assert_eq(n_used(), 1, "the old one stays");
    cr_assert(limbo_is_empty(&x.slots.limbo));
    cr_assert_eq(x.w->payload_bytes, 0);
    change_undo(&c);
    cr_assert_eq(n_used(), 1, "twice is once");
}

Test(slots, what_is_replaced_waits_for_readers)
{
    slot old = taken(128);
    memset(slot_ptr(&x.t.arena, old), 0xAB, 128);
    unsigned place = slots_enter(&x.slots);
    struct change c;
    change_init(&c, &x.slots, x.w);
    cr_assert_neq(change_take(&c, 128), 0);
    change_replace(&c, old);
    c.payload = 5;
    cr_assert(change_prepare(&c));
    cr_assert_eq(x.slots.n_promised, 1);
    slots_drain(&x.slots);
    cr_assert(limbo_is_empty(&x.slots.limbo), "not before the change is finished");
    change_finish(&c);
    cr_assert_eq(x.slots.n_promised, 0);
    cr_assert_eq(x.w->payload_bytes, 5);
    slots_drain(&x.slots);
    cr_assert_eq(n_used(), 2, "somebody is inside");
    cr_assert_eq(*(uint8_t *)slot_ptr(&x.t.arena, old), 0xAB);
    slots_leave(&x.slots, place);
    slots_drain(&x.slots);
    cr_assert_eq(n_used(), 1);
}

Test(slots, a_change_has_its_limits)
{
    struct change c;
    change_init(&c, &x.slots, x.w);
    for (int i = 0; i < CHANGE_SLOTS_MAX; i++)
        cr_assert_neq(change_take(&c, 128), 0);
    cr_assert(change_prepare(&c), "at the limit");
    change_undo(&c);
    change_init(&c, &x.slots, x.w);
    for (int i = 0; i < CHANGE_SLOTS_MAX; i++)
        cr_assert_neq(change_take(&c, 128), 0);
    cr_assert_eq(change_take(&c, 128), 0, "one past");
    cr_assert(c.has_failed);
    cr_assert_not(change_prepare(&c));
    cr_assert_eq(n_used(), 0);

    slot s = taken(128);
    change_init(&c, &x.slots, x.w);
    for (int i = 0; i < CHANGE_SLOTS_MAX; i++)
        change_replace(&c, s);
    cr_assert(change_prepare(&c));
    slots_unpromise(&x.slots, CHANGE_SLOTS_MAX);
    change_init(&c, &x.slots, x.w);
    for (int i = 0; i <= CHANGE_SLOTS_MAX; i++)
        change_replace(&c, s);
    cr_assert_not(change_prepare(&c), "one past");
    cr_assert_eq(x.slots.n_promised, 0);
}

Test(slots, as_many_can_be_replaced_as_a_change_names)
{
    slot olds[CHANGE_SLOTS_MAX];
    for (size_t i = 0; i < CHANGE_SLOTS_MAX; i++)
        olds[i] = taken(1 + i * 9 % SIZE_CLASS_BYTES_MAX);
    struct change c;
    change_init(&c, &x.slots, x.w);
    for (size_t i = 0; i < CHANGE_SLOTS_MAX; i++)
        change_replace(&c, olds[i]);
    cr_assert(change_prepare(&c));
    change_finish(&c);
    slots_drain(&x.slots);
    cr_assert_eq(n_used(), 0);
}

Test(slots, no_slot_or_no_room_to_retire_one_fails_the_change)
{
    slot old = taken(128);
    for (int limbo = 0; limbo < 2; limbo++)
        for (uint32_t n_left = 0; n_left < 2; n_left++) {
            struct change c;
            uint32_t before = n_used();
            test_dry_begin(&x, &dry, n_left, limbo != 0);
            uint32_t used = n_used();
            change_init(&c, &x.slots, x.w);
            slot s = change_take(&c, 128);
            cr_assert_eq(s != 0, n_left > 0);
            change_replace(&c, old);
            bool is_ready = change_prepare(&c);
            cr_assert_eq(is_ready, n_left > 0 && limbo != 0);
            if (is_ready) {
                slots_unpromise(&x.slots, 1);
                change_undo(&c);
            }
            cr_assert_eq(n_used(), used);
            test_dry_end(&x, &dry, limbo != 0);
            cr_assert_eq(n_used(), before);
        }
}

/* Promises of several writers at once all find room, whatever the order in which they are kept. */
Test(slots, promises_add_up)
{
    enum { WRITERS = 40 };
    static struct change c[WRITERS];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < WRITERS; i++) {
            change_init(&c[i], &x.slots, x.w);
            for (int k = 0; k < 30; k++)
                change_replace(&c[i], taken(128));
            cr_assert(change_prepare(&c[i]));
        }
        cr_assert_eq(x.slots.n_promised, WRITERS * 30);
        x.t.budget.limit_bytes = atomic_load(&x.t.budget.used_bytes); /* no page more */
        for (int i = WRITERS; i-- > 0;) {
            change_finish(&c[i]);
            if (i % 7 == 0)
                slots_drain(&x.slots);
        }
        x.t.budget.limit_bytes = TEST_CHUNK_BYTES;
        slots_drain(&x.slots);
        cr_assert_eq(x.slots.n_promised, 0);
        cr_assert_eq(n_used(), 0);
    }
}

Test(slots, records_of_a_kind_retire_as_well)
{
    struct kind k;
    kind_init(&k, x.t.owner);
    slot a = slots_kind_get(&x.slots, &k, 40), b = slots_kind_get(&x.slots, &k, 40);
    cr_assert(a != 0 && b != 0);
    unsigned place = slots_enter(&x.slots);
    cr_assert(slots_promise(&x.slots, 1));
    slots_kind_retire(&x.slots, &k, a, 40);
    cr_assert_eq(x.slots.n_promised, 0);
    slots_drain(&x.slots);
    cr_assert_eq(kind_used_bytes(&k), 2 * kind_slot_bytes(40));
    slots_leave(&x.slots, place);
    slots_drain(&x.slots);
    cr_assert_eq(kind_used_bytes(&k), kind_slot_bytes(40));
    slots_kind_put(&x.slots, &k, b, 40);
    cr_assert_eq(kind_used_bytes(&k), 0);
}

/* Who restores is alone with most of it, but not with what readers see of a series. */
Test(slots, what_readers_see_during_a_restore_waits_for_them_too)
{
    struct kind k;
    kind_init(&k, x.t.owner);
    x.slots.is_alone = true;
    for (int has_readers = 0; has_readers < 2; has_readers++) {
        slot a = slots_kind_get(&x.slots, &k, 40);
        unsigned place = slots_enter(&x.slots);
        slots_let_read(&x.slots, has_readers);
        cr_assert(slots_promise_seen(&x.slots));
        cr_assert(slots_promise_seen(&x.slots));
        cr_assert_eq(x.slots.n_promised, 2);
        slots_unpromise_seen(&x.slots, 1);
        slots_kind_retire_seen(&x.slots, &k, a, 40);
        cr_assert_eq(x.slots.n_promised, 0);
        slots_drain(&x.slots);
        cr_assert_eq(kind_used_bytes(&k), has_readers ? kind_slot_bytes(40) : 0);
        slots_leave(&x.slots, place);
        slots_drain(&x.slots);
        cr_assert_eq(kind_used_bytes(&k), 0);
    }
    x.slots.is_alone = false;
}

Test(slots, waiting_returns_when_nobody_is_inside)
{
    unsigned place = slots_enter(&x.slots);
    slots_leave(&x.slots, place);
    slots_wait(&x.slots);
}

Test(slots, members_are_noted)
{
    cr_assert(slots_add_member(&x.slots, x.w, 70000));
    cr_assert_eq(window_next_member(&x.t.arena, x.w, 0, 1 << 20), 70000);
}
