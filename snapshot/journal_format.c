#include "snapshot/journal_format.h"

#include "snapshot/decoder.h"
#include "snapshot/encoder.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME_BEGIN "journal-"
#define NAME_END   ".hg"

const struct frame_kind frame_kind_journal = {
    .magic = {JOURNAL_MAGIC[0], JOURNAL_MAGIC[1], JOURNAL_MAGIC[2], JOURNAL_MAGIC[3]},
    .version = JOURNAL_VERSION,
    .version_min = JOURNAL_VERSION_MIN,
};

_Static_assert((int)JOURNAL_RECORD_BYTES <= (int)FRAME_PAYLOAD_MAX,
               "the head of a record is never divided");

void journal_head_encode(const struct journal_head *h, uint8_t ret_bytes[JOURNAL_HEAD_BYTES])
{
    struct encoder e;
    encoder_init(&e, ret_bytes, JOURNAL_HEAD_BYTES);
    encoder_u64(&e, h->number);
    encoder_u64(&e, (uint64_t)h->created_ms);
    encoder_u64(&e, h->sequence);
    encoder_u64(&e, h->before);
    encoder_u64(&e, h->before_bytes);
    encoder_u64(&e, h->before_sequence);
    encoder_u64(&e, h->before_id);
}

int journal_head_decode(const uint8_t *payload, size_t n, struct journal_head *ret)
{
    struct decoder d;
    decoder_init(&d, payload, n);
    struct journal_head h = {0};
    h.number = decoder_u64(&d);
    h.created_ms = (int64_t)decoder_u64(&d);
    h.sequence = decoder_u64(&d);
    h.before = decoder_u64(&d);
    h.before_bytes = decoder_u64(&d);
    h.before_sequence = decoder_u64(&d);
    h.before_id = decoder_u64(&d);
    if (d.is_bad || d.at != d.end || h.number == 0 || h.before >= h.number ||
        h.before_sequence > h.sequence)
        return ERR_CORRUPT;
    *ret = h;
    return 0;
}

void journal_record_encode(const struct journal_record_head *h,
                           uint8_t ret_bytes[JOURNAL_RECORD_BYTES])
{
    struct encoder e;
    encoder_init(&e, ret_bytes, JOURNAL_RECORD_BYTES);
    encoder_u64(&e, h->sequence);
    encoder_u64(&e, (uint64_t)h->time_ms);
    encoder_u64(&e, (uint64_t)h->meta_bytes << 32 | h->kind);
    encoder_u64(&e, h->body_bytes);
}

int journal_record_decode(const uint8_t *bytes, size_t n, struct journal_record_head *ret)
{
    struct decoder d;
    decoder_init(&d, bytes, size_min(n, JOURNAL_RECORD_BYTES));
    struct journal_record_head h = {0};
    h.sequence = decoder_u64(&d);
    h.time_ms = (int64_t)decoder_u64(&d);
    uint64_t kind_and_meta = decoder_u64(&d);
    h.kind = (uint16_t)kind_and_meta;
    h.meta_bytes = (uint32_t)(kind_and_meta >> 32);
    h.body_bytes = decoder_u64(&d);
    if (d.is_bad || (kind_and_meta >> 16 & 0xffff) != 0 || h.meta_bytes > JOURNAL_META_MAX ||
        h.body_bytes > JOURNAL_RECORD_MAX || journal_record_size(&h) > JOURNAL_RECORD_MAX)
        return ERR_CORRUPT;
    *ret = h;
    return 0;
}

void journal_name(uint64_t number, char ret_name[JOURNAL_NAME_BYTES])
{
    snprintf(ret_name, JOURNAL_NAME_BYTES, NAME_BEGIN "%016" PRIx64 NAME_END, number);
}

bool journal_name_parse(const char *name, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t n_begin = strlen(NAME_BEGIN);
    if (strlen(name) != JOURNAL_NAME_BYTES - 1 || strncmp(name, NAME_BEGIN, n_begin) != 0)
        return false;
    for (size_t i = 0; i < 16; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = strchr(digits, name[n_begin + i]);
        if (!digit)
            return false;
        number = number << 4 | (uint64_t)(digit - digits);
    }
    if (strcmp(name + n_begin + 16, NAME_END) != 0 || number == 0 || number > JOURNAL_NUMBER_MAX)
        return false;
    *ret_number = number;
    return true;
}

struct search {
    struct io *io;
    uint64_t from, found; /* found == 0: nothing yet */
    uint64_t bytes, n;
};

static int search_visit(void *ctx, const char *name)
{
    struct search *s = ctx;
    uint64_t number;
    if (!journal_name_parse(name, &number) || number < s->from)
        return 0;
    if (s->found == 0 || number < s->found)
        s->found = number;
    int64_t size = s->io->ops->size(s->io, name);
    s->bytes += size > 0 ? (uint64_t)size : 0;
    s->n++;
    return 0;
}

int journal_find(struct io *io, uint64_t from, uint64_t *ret_number, uint64_t *ret_bytes,
                 uint64_t *ret_n)
{
    struct search s = {.io = io, .from = from};
    if (io->ops->list(io, search_visit, &s) < 0)
        return ERR_IO;
    if (ret_bytes)
        *ret_bytes = s.bytes;
    if (ret_n)
        *ret_n = s.n;
    if (s.found == 0)
        return 0;
    *ret_number = s.found;
    return 1;
}

static int refuse_longer(void *ctx, const char *name)
{
    struct io *io = ctx;
    uint64_t number;
    if (!journal_name_parse(name, &number))
        return 0;
    int64_t size = io->ops->size(io, name);
    return size < 0 || size > (int64_t)FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES;
}

bool journal_is_empty(struct io *io)
{
    return io->ops->list(io, refuse_longer, io) == 0;
}
