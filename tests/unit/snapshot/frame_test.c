#include "snapshot/frame.h"

#include "faulty_io.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct frame_header HEADER = {
    .version = FORMAT_VERSION,
    .type = FRAME_WINDOW,
    .payload_bytes = 12345,
    .number = 0x01020304,
    .file_id = 0x1122334455667788,
    .payload_checksum = 0xffeeddccbbaa9988,
};

Test(frame, a_header_survives)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    frame_header_encode(&HEADER, bytes);
    struct frame_header back = {0};
    cr_assert(frame_header_decode(bytes, &back));
    cr_assert_eq(back.version, HEADER.version);
    cr_assert_eq(back.type, HEADER.type);
    cr_assert_eq(back.payload_bytes, HEADER.payload_bytes);
    cr_assert_eq(back.number, HEADER.number);
    cr_assert_eq(back.file_id, HEADER.file_id);
    cr_assert_eq(back.payload_checksum, HEADER.payload_checksum);
}

Test(frame, every_bit_of_a_header_counts)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct frame_header back;
    for (unsigned bit = 0; bit < 8 * FRAME_HEADER_BYTES; bit++) {
        frame_header_encode(&HEADER, bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_not(frame_header_decode(bytes, &back), "bit %u", bit);
    }
}

Test(frame, a_payload_over_the_limit_is_none_of_ours)
{
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct frame_header h = HEADER, back;
    h.payload_bytes = FRAME_PAYLOAD_MAX;
    frame_header_encode(&h, bytes);
    cr_assert(frame_header_decode(bytes, &back));
    h.version = FORMAT_VERSION + 1; /* whose payloads may be as they like */
    frame_header_encode(&h, bytes);
    cr_assert(frame_header_decode(bytes, &back));
    h.version = 0;
    frame_header_encode(&h, bytes);
    cr_assert_not(frame_header_decode(bytes, &back));
}

Test(frame, the_digest_depends_on_order)
{
    uint8_t a[FRAME_HEADER_BYTES] = {1}, b[FRAME_HEADER_BYTES] = {2};
    cr_assert_neq(frame_digest(frame_digest(0, a), b), frame_digest(frame_digest(0, b), a));
}

Test(frame, the_writer_numbers_and_counts)
{
    static uint8_t disk[256], buffer[FRAME_BUFFER_BYTES];
    struct io_mem mem = {.files = {{.bytes = disk, .capacity = sizeof disk}}};
    io_mem_init(&mem);
    struct frame_writer w = {.io = &mem.io, .buffer = buffer, .file_id = 7};
    w.handle = mem.io.ops->open(&mem.io, "a", true);
    memcpy(frame_writer_payload(&w), "abc", 3);
    cr_assert_eq(frame_writer_put(&w, FRAME_HEAD, 3), 0);
    uint64_t digest = w.digest;
    cr_assert_eq(frame_writer_put(&w, FRAME_END, 0), 0);
    cr_assert_eq(w.number, 2);
    cr_assert_eq(w.file_bytes, 2 * FRAME_HEADER_BYTES + 3);
    cr_assert_eq(mem.files[0].n, w.file_bytes);
    cr_assert_neq(w.digest, digest);
    cr_assert_eq(memcmp(disk + FRAME_HEADER_BYTES, "abc", 3), 0);
}

Test(frame, the_writer_says_when_the_disk_is_full)
{
    static uint8_t disk[FRAME_HEADER_BYTES + 2], buffer[FRAME_BUFFER_BYTES];
    struct io_mem mem = {.files = {{.bytes = disk, .capacity = sizeof disk}}};
    io_mem_init(&mem);
    struct frame_writer w = {.io = &mem.io, .buffer = buffer};
    w.handle = mem.io.ops->open(&mem.io, "a", true);
    cr_assert_eq(frame_writer_put(&w, FRAME_HEAD, 3), ERR_IO);
    cr_assert_eq(errno, ENOSPC);
    cr_assert_eq(w.number, 0);
}
