/* Frames for fuzzers of the journal and of left files: any bytes are made into frames whose headers
 * and checksums are good, since these would keep the fuzzer out of what lies behind them. */
#ifndef TESTS_FUZZ_FUZZ_FRAMES_H
#define TESTS_FUZZ_FUZZ_FRAMES_H

#include "fuzz.h"

#include "snapshot/journal_format.h"

/* A size that fits a whole record of n bytes, or a head that says that more is to come. */
static inline void fuzz_record_make_good(uint8_t *payload, size_t n, bool is_whole, uint8_t more)
{
    struct journal_record_head h = {.sequence = payload[0], .kind = payload[16]};
    h.meta_bytes = (uint32_t)size_min(payload[20], n - JOURNAL_RECORD_BYTES);
    h.body_bytes = n - JOURNAL_RECORD_BYTES - h.meta_bytes + (is_whole ? 0 : 1 + more);
    journal_record_encode(&h, payload);
}

/* Types are below n_types; of records the sizes are made good when a bit of the header says so. */
static inline void fuzz_frames_make_good(const struct frame_kind *kind, unsigned n_types,
                                         uint64_t file_id, uint8_t *bytes, size_t size)
{
    uint32_t number = 0;
    for (size_t at = 0; size - at >= FRAME_HEADER_BYTES; number++) {
        uint8_t *header = bytes + at, *payload = header + FRAME_HEADER_BYTES;
        size_t rest = size - at - FRAME_HEADER_BYTES;
        size_t wanted = header[8] | (size_t)header[9] << 8;
        struct frame_header h = {
            .version = kind->version,
            .type = (uint16_t)(header[6] % n_types),
            .payload_bytes = (uint32_t)size_min(wanted, rest),
            .number = number + header[12] / 250u,
            .file_id = file_id,
        };
        bool is_whole = h.type == JOURNAL_FRAME_WHOLE;
        if (header[7] % 2 == 0 && h.payload_bytes >= JOURNAL_RECORD_BYTES &&
            (is_whole || h.type == JOURNAL_FRAME_FIRST))
            fuzz_record_make_good(payload, h.payload_bytes, is_whole, header[13]);
        h.payload_checksum = frame_payload_checksum(payload, h.payload_bytes);
        frame_header_encode_as(kind, &h, header);
        at += FRAME_HEADER_BYTES + h.payload_bytes;
        number = h.number;
    }
}

#endif
