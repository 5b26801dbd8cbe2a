/* Metadata in a message, written by hand: what is read, what is refused. */
#include "http/write_metadata.h"

#include "tests/unit/alloc/test_arena.h"

#include <stdio.h>
#include <string.h>

static struct test_arena t;
static struct metadata m;
static struct region out;

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    metadata_init(&m, &t.arena);
    region_init(&out, &t.arena, t.owner, 0);
}

static void teardown(void)
{
    region_release(&out);
    metadata_release(&m);
    test_arena_release(&t);
}

TestSuite(write_metadata, .init = setup, .fini = teardown);

static uint64_t keep(const char *message, size_t n)
{
    return write_metadata_keep(&m, message, n, 1);
}

static const char *said(void)
{
    static char all[1024];
    struct metadata_item *items;
    size_t n_items, n = 0;
    cr_assert(metadata_list(&m, NULL, 0, &out, &items, &n_items));
    all[0] = '\0';
    for (size_t i = 0; i < n_items; i++)
        n += (size_t)snprintf(all + n, sizeof(all) - n, "%s:%s:%s:%s ", items[i].family.bytes,
                              metadata_type_text(items[i].type), items[i].help.bytes,
                              items[i].unit.bytes);
    return all;
}

#define MESSAGE(text) text, sizeof(text) - 1

Test(write_metadata, fields)
{
    /* a series, metadata with all fields, an unknown field, metadata with a name only */
    cr_assert_eq(keep(MESSAGE("\x0a\x02\x12\x00"
                              "\x1a\x11\x08\x01\x12\x04hits\x22\x03H<>\x2a\x02su"
                              "\x25\x01\x02\x03\x04"
                              "\x1a\x04\x12\x02up")),
                 0);
    cr_assert_str_eq(said(), "hits:counter:H<>:su up:unknown:: ");
}

Test(write_metadata, the_last_of_several_counts_and_unknown_types_are_unknown)
{
    cr_assert_eq(keep(MESSAGE("\x1a\x0e\x08\x02\x08\x63\x12\x01x\x12\x01y\x22\x02\xc3\xa9")), 0);
    cr_assert_str_eq(said(), "y:unknown:\xc3\xa9: ");
}

Test(write_metadata, what_cannot_be_kept_is_counted)
{
    cr_assert_eq(keep(MESSAGE("\x1a\x02\x08\x01")), 1, "no name");
    cr_assert_eq(keep(MESSAGE("\x1a\x03\x12\x05x")), 1, "malformed inside");
    cr_assert_eq(keep(MESSAGE("\x1a\x03\x12\x01x"
                              "\x1a\x00"
                              "\x1a\x03\x12\x01z")),
                 1, "the others are kept");
    cr_assert_str_eq(said(), "x:unknown:: z:unknown:: ");
    cr_assert_eq(keep("", 0), 0);
}
