#include "snapshot/frame.h"

#include "snapshot/checksum.h"

#include <string.h>

enum { CHECKED_BYTES = 32 };

const struct frame_kind frame_kind_snapshot = {
    .magic = {FRAME_MAGIC[0], FRAME_MAGIC[1], FRAME_MAGIC[2], FRAME_MAGIC[3]},
    .version = FORMAT_VERSION,
    .version_min = FORMAT_VERSION_MIN,
};

static void put_le(uint8_t *at, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_le(const uint8_t *at, int n_bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < n_bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

void frame_header_encode_as(const struct frame_kind *kind, const struct frame_header *h,
                            uint8_t *ret_bytes)
{
    assert(h->payload_bytes <= FRAME_PAYLOAD_MAX);
    memcpy(ret_bytes, kind->magic, FRAME_MAGIC_BYTES);
    put_le(ret_bytes + 4, h->version, 2);
    put_le(ret_bytes + 6, h->type, 2);
    put_le(ret_bytes + 8, h->payload_bytes, 4);
    put_le(ret_bytes + 12, h->number, 4);
    put_le(ret_bytes + 16, h->file_id, 8);
    put_le(ret_bytes + 24, h->payload_checksum, 8);
    put_le(ret_bytes + CHECKED_BYTES, checksum64(ret_bytes, CHECKED_BYTES, 0), 8);
}

void frame_header_encode(const struct frame_header *h, uint8_t *ret_bytes)
{
    frame_header_encode_as(&frame_kind_snapshot, h, ret_bytes);
}

bool frame_header_decode_as(const struct frame_kind *kind, const uint8_t *bytes,
                            struct frame_header *ret)
{
    if (memcmp(bytes, kind->magic, FRAME_MAGIC_BYTES) != 0 ||
        get_le(bytes + CHECKED_BYTES, 8) != checksum64(bytes, CHECKED_BYTES, 0))
        return false;
    struct frame_header h = {
        .version = (uint16_t)get_le(bytes + 4, 2),
        .type = (uint16_t)get_le(bytes + 6, 2),
        .payload_bytes = (uint32_t)get_le(bytes + 8, 4),
        .number = (uint32_t)get_le(bytes + 12, 4),
        .file_id = get_le(bytes + 16, 8),
        .payload_checksum = get_le(bytes + 24, 8),
    };
    if (h.version == 0 || (h.version <= kind->version && h.payload_bytes > FRAME_PAYLOAD_MAX))
        return false;
    *ret = h;
    return true;
}

bool frame_header_decode(const uint8_t *bytes, struct frame_header *ret)
{
    return frame_header_decode_as(&frame_kind_snapshot, bytes, ret);
}

uint64_t frame_payload_checksum(const uint8_t *payload, size_t n)
{
    return checksum64(payload, n, 0);
}

uint64_t frame_digest(uint64_t digest, const uint8_t *header)
{
    return checksum64(header, FRAME_HEADER_BYTES, digest);
}

int frame_writer_put(struct frame_writer *w, enum frame_type type, size_t payload_bytes)
{
    ENSURE(payload_bytes <= FRAME_PAYLOAD_MAX);
    struct frame_header h = {
        .version = FORMAT_VERSION,
        .type = (uint16_t)type,
        .payload_bytes = (uint32_t)payload_bytes,
        .number = w->number,
        .file_id = w->file_id,
        .payload_checksum = frame_payload_checksum(frame_writer_payload(w), payload_bytes),
    };
    frame_header_encode(&h, w->buffer);
    size_t n = FRAME_HEADER_BYTES + payload_bytes;
    int err = io_write_all(w->io, w->handle, w->buffer, n);
    if (err < 0)
        return err;
    w->digest = frame_digest(w->digest, w->buffer);
    w->file_bytes += n;
    w->number++;
    return 0;
}
