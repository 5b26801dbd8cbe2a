#include "snapshot/frame.h"

#include "faulty_io.h"

#include "tests/support/random.h"

#include <criterion/criterion.h>
#include <string.h>

enum { N_FRAMES = 5, DISK_BYTES = 4096 };

static uint8_t disk[DISK_BYTES], buffer[FRAME_BUFFER_BYTES];
static struct io_mem mem;
static struct faulty_io io;
static size_t starts[N_FRAMES + 1]; /* of each frame, and the end of the file */

/* Frame i is of type i + 1 and holds i * 37 bytes of value i. */
static void given_five_frames(void)
{
    mem.files[0].bytes = disk;
    mem.files[0].capacity = sizeof disk;
    io_mem_init(&mem);
    faulty_init(&io, &mem.io);
    struct frame_writer w = {.io = &mem.io, .buffer = buffer, .file_id = 0xABCDEF};
    w.handle = mem.io.ops->open(&mem.io, "a", true);
    for (unsigned i = 0; i < N_FRAMES; i++) {
        starts[i] = mem.files[0].n;
        memset(frame_writer_payload(&w), (int)i, i * 37);
        cr_assert_eq(frame_writer_put(&w, (enum frame_type)(i + 1), i * 37), 0);
    }
    starts[N_FRAMES] = mem.files[0].n;
}

TestSuite(frame_reader, .init = given_five_frames);

/* Reads all; bit i of the result says that frame i came, as it was written. */
static unsigned read_all(struct frame_reader *r)
{
    unsigned found = 0;
    struct frame f;
    int more;
    int handle = io.io.ops->open(&io.io, "a", false);
    memset(buffer, 0xEE, sizeof buffer);
    frame_reader_init(r, &io.io, handle, buffer);
    while ((more = frame_reader_next(r, &f)) > 0) {
        unsigned i = f.header.number;
        cr_assert_lt(i, (unsigned)N_FRAMES);
        cr_assert_eq(f.header.type, i + 1);
        cr_assert_eq(f.header.payload_bytes, i * 37);
        for (unsigned k = 0; k < i * 37; k++)
            cr_assert_eq(f.payload[k], i);
        found |= 1u << i;
    }
    cr_assert_eq(more, 0);
    return found;
}

Test(frame_reader, reads_what_was_written)
{
    struct frame_reader r;
    cr_assert_eq(read_all(&r), 31);
    cr_assert(r.n_lost == 0 && !r.is_damaged && !r.is_cut);
}

Test(frame_reader, reads_in_pieces_of_any_size)
{
    struct frame_reader r;
    for (io.most = 1; io.most < 100; io.most++)
        cr_assert_eq(read_all(&r), 31);
}

Test(frame_reader, one_damaged_byte_costs_its_frame)
{
    for (unsigned i = 0; i < N_FRAMES; i++) {
        for (size_t at = starts[i]; at < starts[i + 1]; at++) {
            struct frame_reader r;
            disk[at] ^= 0x10;
            cr_assert_eq(read_all(&r), 31u & ~(1u << i), "byte %zu", at);
            disk[at] ^= 0x10;
            cr_assert(r.is_damaged);
            cr_assert_eq(r.damaged_at, starts[i], "byte %zu", at);
            cr_assert_eq(r.n_lost, i + 1 == N_FRAMES ? 0 : 1);
            cr_assert_not(r.is_cut);
        }
    }
}

Test(frame_reader, a_file_cut_anywhere_has_what_is_whole)
{
    for (size_t n = 0; n < starts[N_FRAMES]; n++) {
        struct frame_reader r;
        mem.files[0].n = n;
        unsigned found = read_all(&r);
        unsigned whole = 0;
        while (starts[whole + 1] <= n)
            whole++;
        cr_assert_eq(found, (1u << whole) - 1, "%zu bytes", n);
        cr_assert_eq(r.n_lost, 0);
        cr_assert_eq(r.is_cut, n != starts[whole], "%zu bytes", n);
    }
}

Test(frame_reader, bytes_that_are_missing_or_too_many_cost_their_frame)
{
    size_t n = mem.files[0].n;
    static uint8_t good[DISK_BYTES];
    memcpy(good, disk, n);
    for (size_t at = starts[2]; at < starts[4]; at++) {
        struct frame_reader r;
        unsigned i = at < starts[3] ? 2 : 3;
        memmove(disk + at, good + at + 1, n - at - 1);
        mem.files[0].n = n - 1;
        cr_assert_eq(read_all(&r), 31u & ~(1u << i), "without byte %zu", at);
        memcpy(disk, good, n);
        if (at > starts[i]) { /* in front of a frame it harms none */
            memmove(disk + at + 1, good + at, n - at);
            disk[at] = 0x55;
            mem.files[0].n = n + 1;
            cr_assert_eq(read_all(&r), 31u & ~(1u << i), "one more before byte %zu", at);
            memcpy(disk, good, n);
        }
    }
}

Test(frame_reader, rubbish_between_frames_costs_none)
{
    size_t n = mem.files[0].n;
    memmove(disk + starts[3] + 100, disk + starts[3], n - starts[3]);
    memset(disk + starts[3], FRAME_MAGIC[0] & 0xff, 100);
    mem.files[0].n = n + 100;
    struct frame_reader r;
    cr_assert_eq(read_all(&r), 31);
    cr_assert(r.is_damaged && r.n_lost == 0);
    cr_assert_eq(r.damaged_at, starts[3]);
}

/* A payload can hold whatever a label value can. */
Test(frame_reader, a_frame_inside_a_damaged_payload_is_none_of_the_file)
{
    struct frame_writer w = {.io = &mem.io, .buffer = buffer, .file_id = 0xABCDEF};
    w.handle = mem.io.ops->open(&mem.io, "a", true);
    cr_assert_eq(frame_writer_put(&w, FRAME_HEAD, 0), 0);
    struct frame_header inner = {
        .version = FORMAT_VERSION,
        .type = FRAME_SERIES,
        .number = 2,
        .file_id = 0xBAD,
        .payload_checksum = frame_payload_checksum(NULL, 0),
    };
    memset(frame_writer_payload(&w), 'x', 100);
    frame_header_encode(&inner, frame_writer_payload(&w) + 10);
    cr_assert_eq(frame_writer_put(&w, FRAME_SERIES, 100), 0);
    disk[FRAME_HEADER_BYTES] ^= 1;
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, &mem.io, mem.io.ops->open(&mem.io, "a", false), buffer);
    cr_assert_eq(frame_reader_next(&r, &f), 1);
    cr_assert_eq(frame_reader_next(&r, &f), 0);
    cr_assert(r.is_damaged);
}

Test(frame_reader, a_frame_that_comes_twice_is_read_once)
{
    size_t n = starts[4];
    memcpy(disk + n, disk + starts[3], starts[4] - starts[3]);
    mem.files[0].n = n + starts[4] - starts[3];
    struct frame_reader r;
    cr_assert_eq(read_all(&r), 15);
    cr_assert(r.is_damaged);
}

Test(frame_reader, a_newer_version_is_said_to_be_one)
{
    struct frame_header h = {.version = FORMAT_VERSION + 1, .type = 77, .payload_bytes = 1000};
    frame_header_encode(&h, disk);
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, &mem.io, mem.io.ops->open(&mem.io, "a", false), buffer);
    cr_assert_eq(frame_reader_next(&r, &f), ERR_NEWER_FORMAT);
}

Test(frame_reader, a_version_that_is_no_longer_read_is_said_to_be_one)
{
    cr_assert_gt(FORMAT_VERSION_MIN, 1);
    struct frame_header h = {.version = 1, .type = FRAME_HEAD, .payload_bytes = 1000};
    frame_header_encode(&h, disk);
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, &mem.io, mem.io.ops->open(&mem.io, "a", false), buffer);
    cr_assert_eq(frame_reader_next(&r, &f), ERR_OLDER_FORMAT);
    cr_assert_eq(r.version, 1);
}

Test(frame_reader, a_read_error_is_one)
{
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, &io.io, mem.io.ops->open(&mem.io, "a", false), buffer);
    io.fail_at = 1;
    io.fail_errno = EIO;
    cr_assert_eq(frame_reader_next(&r, &f), ERR_IO);
    cr_assert_eq(errno, EIO);
}

/* Frames larger than what is left in the buffer, many times over. */
Test(frame_reader, a_long_file_goes_through_one_buffer)
{
    enum { LONG_BYTES = 8 << 20 };
    struct random random;
    random_init(&random, random_seed());
    static uint8_t long_disk[LONG_BYTES];
    mem.files[0] = (struct io_mem_file){.bytes = long_disk, .capacity = LONG_BYTES};
    struct frame_writer w = {.io = &mem.io, .buffer = buffer, .file_id = 1};
    w.handle = mem.io.ops->open(&mem.io, "a", true);
    for (;;) {
        size_t n = random_below(&random, FRAME_PAYLOAD_MAX + 1);
        memset(frame_writer_payload(&w), (int)(w.number & 0xff), n);
        if (frame_writer_put(&w, FRAME_WINDOW, n) < 0)
            break;
    }
    struct frame_reader r;
    struct frame f;
    io.most = 100000;
    frame_reader_init(&r, &io.io, mem.io.ops->open(&mem.io, "a", false), buffer);
    uint32_t n_frames = 0;
    for (; frame_reader_next(&r, &f) > 0; n_frames++) {
        cr_assert_eq(f.header.number, n_frames);
        if (f.header.payload_bytes > 0)
            cr_assert_eq(f.payload[f.header.payload_bytes - 1], n_frames & 0xff);
    }
    cr_assert_eq(n_frames, w.number);
    cr_assert_eq(r.digest, w.digest);
    cr_assert_not(r.is_damaged);
}
