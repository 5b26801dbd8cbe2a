/* What goes in comes out of zlib's own inflate, in whatever pieces; memory is bounded. */
#include "http/gzip.h"

#include "tests/support/random.h"
#include "tests/unit/alloc/test_arena.h"

#include <string.h>
#include <zlib.h>

enum { BYTES_MAX = 3 << 20 };

static struct test_arena t;
static struct region memory, text;
static struct chain out;
static unsigned char in[BYTES_MAX], packed[BYTES_MAX + 4096], back[BYTES_MAX + 1];
static struct random r;

static void setup(void)
{
    test_arena_init(&t, 64 << 20);
    region_init(&memory, &t.arena, t.owner, 0);
    region_init(&text, &t.arena, t.owner, 0);
    chain_init(&out, &text);
    random_init(&r, random_seed());
}

static void teardown(void)
{
    region_release(&memory);
    region_release(&text);
    test_arena_release(&t);
}

TestSuite(gzip, .init = setup, .fini = teardown);

/* Unpacks the chain from `skip` bytes on; the length. */
static size_t unpack(size_t skip)
{
    struct chain_reader at = {0};
    size_t n = 0, more;
    while ((more = chain_read(&out, &at, (char *)packed + n, sizeof(packed) - n)) > 0)
        n += more;
    cr_assert_eq(n, out.n_bytes);
    z_stream z = {.next_in = packed + skip,
                  .avail_in = (uInt)(n - skip),
                  .next_out = back,
                  .avail_out = sizeof(back)};
    cr_assert_eq(inflateInit2(&z, 15 + 16), Z_OK);
    cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END, "whole, and its checksum is right");
    cr_assert_eq(z.avail_in, 0, "nothing behind it");
    size_t n_out = z.total_out;
    inflateEnd(&z);
    return n_out;
}

static void round_trip(size_t n, size_t piece_max)
{
    struct gzip *g = gzip_begin(&memory, &out);
    cr_assert_not_null(g);
    for (size_t at = 0, part; at < n; at += part) {
        part = size_min(random_below(&r, piece_max + 1), n - at);
        gzip_put(g, in + at, part);
    }
    gzip_end(g);
    cr_assert_not(chain_failed(&out));
    cr_assert_eq(unpack(0), n);
    cr_assert_eq(memcmp(back, in, n), 0);
    region_release(&memory);
    region_release(&text);
    chain_init(&out, &text);
}

static void fill(uint64_t spread)
{
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (unsigned char)random_below(&r, spread);
}

Test(gzip, comes_back_as_it_was)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 65536, BYTES_MAX};
    for (uint64_t spread = 1; spread <= 256; spread *= 16) {
        fill(spread);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
            round_trip(sizes[i], 100000);
    }
    round_trip(5000, 1);
}

Test(gzip, goes_behind_what_is_there)
{
    chain_put_text(&out, "front");
    struct gzip *g = gzip_begin(&memory, &out);
    cr_assert_not_null(g);
    gzip_put(g, "hello", 5);
    gzip_end(g);
    cr_assert_eq(unpack(5), 5);
    cr_assert_eq(memcmp(packed, "front\x1f\x8b", 7), 0);
    cr_assert_eq(memcmp(back, "hello", 5), 0);
}

Test(gzip, takes_its_memory_at_the_beginning_and_no_more)
{
    struct gzip *g = gzip_begin(&memory, &out);
    cr_assert_not_null(g);
    size_t taken = memory.taken_bytes;
    cr_assert_gt(taken, 256 * 1024, "zlib asked the region");
    fill(256);
    gzip_put(g, in, sizeof(in));
    gzip_end(g);
    cr_assert_eq(memory.taken_bytes, taken);
    cr_assert_eq(unpack(0), sizeof(in));
}

/* In one piece: a region of just that will do. */
Test(gzip, memory_is_one_piece)
{
    size_t pages = arena_span_bytes(GZIP_MEMORY_BYTES + 2 * REGION_ALIGN);
    region_release(&memory);
    memory.limit_bytes = pages - ARENA_PAGE_BYTES;
    cr_assert_null(gzip_begin(&memory, &out));
    cr_assert_eq(memory.taken_bytes, 0);
    memory.limit_bytes = pages;
    cr_assert_not_null(gzip_begin(&memory, &out));
}

Test(gzip, any_piece_of_memory_may_be_missing)
{
    bool is_through = false;
    fill(256);
    for (long nth = 1; !is_through; nth++) {
        budget_fail_nth(&t.budget, nth);
        struct gzip *g = gzip_begin(&memory, &out);
        if (g != NULL) {
            gzip_put(g, in, 100000);
            gzip_end(g);
            is_through = !chain_failed(&out);
        } else {
            cr_assert_eq(out.n_bytes, 0);
        }
        budget_fail_nth(&t.budget, 0);
        cr_assert(is_through ? nth > 2 : nth < 20);
        region_release(&memory);
        region_release(&text);
        chain_init(&out, &text);
        arena_trim(&t.arena);
    }
}

/* --- a chain read out compressed ---------------------------------------------------------------
 */

/* Reads the stream in pieces of at most piece_max bytes and unpacks it; the length. */
static size_t read_back(enum gzip_coding c, size_t piece_max)
{
    struct gzip *g = gzip_open(&memory, &out, c);
    cr_assert_not_null(g);
    size_t taken = memory.taken_bytes, n = 0, got;
    do {
        size_t room = 1 + random_below(&r, piece_max);
        got = gzip_read(g, (char *)packed + n, size_min(room, sizeof(packed) - n));
        n += got;
    } while (got > 0);
    cr_assert_eq(gzip_read(g, (char *)packed + n, 1), 0, "the end stays");
    cr_assert_eq(memory.taken_bytes, taken, "fixed memory");
    z_stream z = {
        .next_in = packed, .avail_in = (uInt)n, .next_out = back, .avail_out = sizeof(back)};
    cr_assert_eq(inflateInit2(&z, c == GZIP_GZIP ? 15 + 16 : 15), Z_OK);
    cr_assert_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    cr_assert_eq(z.avail_in, 0);
    size_t n_out = z.total_out;
    inflateEnd(&z);
    region_release(&memory);
    return n_out;
}

Test(gzip, a_chain_is_read_compressed)
{
    static const size_t sizes[] = {0, 1, 2048, 100000, BYTES_MAX};
    for (uint64_t spread = 2; spread <= 256; spread *= 128) {
        fill(spread);
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            chain_init(&out, &text);
            chain_put(&out, (const char *)in, sizes[i]);
            for (int c = GZIP_GZIP; c <= GZIP_DEFLATE; c++) {
                cr_assert_eq(read_back((enum gzip_coding)c, sizes[i] > 3000 ? 32768 : 7), sizes[i]);
                cr_assert_eq(memcmp(back, in, sizes[i]), 0);
            }
            region_release(&text);
        }
    }
    chain_init(&out, &text);
}

Test(gzip, reading_without_memory)
{
    chain_put_text(&out, "hello");
    budget_fail_nth(&t.budget, 1);
    cr_assert_null(gzip_open(&memory, &out, GZIP_GZIP));
    budget_fail_nth(&t.budget, 0);
}

/* As Prometheus reads the header: the first that it knows, and nothing with a weight. */
Test(gzip, negotiation)
{
    static const struct {
        const char *header;
        enum gzip_coding coding;
    } rows[] = {
        {NULL, GZIP_NONE},
        {"", GZIP_NONE},
        {"gzip", GZIP_GZIP},
        {"deflate", GZIP_DEFLATE},
        {"br, deflate, gzip", GZIP_DEFLATE},
        {"gzip, deflate, br", GZIP_GZIP},
        {" gzip ", GZIP_GZIP},
        {"br,gzip", GZIP_GZIP},
        {"gzip;q=1", GZIP_NONE},
        {"gzip;q=1, deflate", GZIP_DEFLATE},
        {"gzipx", GZIP_NONE},
        {"identity, *", GZIP_NONE},
        {"GZIP", GZIP_NONE},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        cr_assert_eq(gzip_negotiate(rows[i].header), rows[i].coding, "%s", rows[i].header);
    cr_assert_str_eq(gzip_coding_text(GZIP_GZIP), "gzip");
    cr_assert_str_eq(gzip_coding_text(GZIP_DEFLATE), "deflate");
}
