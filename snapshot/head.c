#include "snapshot/head.h"

#include <string.h>

enum { HEAD_MIB = 1 << 20 };

void head_encode(const struct head *h, struct encoder *e)
{
    assert(h->window_ms > 0 && h->n_windows <= HEAD_WINDOWS_MAX);
    encoder_zigzag(e, (uint64_t)h->created_ms);
    encoder_varint(e, (uint64_t)h->window_ms);
    encoder_varint(e, h->n_series);
    encoder_zigzag(e, (uint64_t)h->newest_ms);
    encoder_varint(e, h->n_open);
    encoder_varint(e, (uint64_t)h->kind);
    encoder_varint(e, h->generation);
    encoder_u64(e, h->naming);
    encoder_varint(e, h->index_bytes / HEAD_MIB);
    encoder_varint(e, h->n_windows);
    uint64_t before = 0;
    for (uint32_t i = 0; i < h->n_windows; i++) {
        const struct head_window *w = &h->windows[i];
        assert(i == 0 || w->number > h->windows[i - 1].number);
        encoder_zigzag(e, (uint64_t)w->number - before);
        before = (uint64_t)w->number;
        for (int c = 0; c < HEAD_POOLS; c++)
            encoder_varint(e, w->slots[c]);
    }
    encoder_bytes(e, h->hash_key, sizeof h->hash_key);
}

static void decode_kind(struct decoder *d, uint16_t version, struct head *h)
{
    if (version < FORMAT_VERSION_WINDOWS)
        return;
    h->kind = (enum file_kind)decoder_varint_max(d, FILE_WINDOW);
    h->generation = decoder_varint(d);
    h->naming = decoder_u64(d);
    h->index_bytes = decoder_varint_max(d, UINT64_MAX / HEAD_MIB) * HEAD_MIB;
}

int head_decode(uint16_t version, const uint8_t *payload, size_t n, struct head *ret)
{
    struct decoder d;
    decoder_init(&d, payload, n);
    struct head h = {0};
    h.created_ms = (int64_t)decoder_zigzag(&d);
    h.window_ms = (int64_t)decoder_varint_max(&d, INT64_MAX);
    h.n_series = decoder_varint(&d);
    h.newest_ms = (int64_t)decoder_zigzag(&d);
    h.n_open = decoder_varint(&d);
    decode_kind(&d, version, &h);
    h.n_windows = (uint32_t)decoder_varint_max(&d, HEAD_WINDOWS_MAX);
    uint64_t before = 0;
    for (uint32_t i = 0; i < h.n_windows; i++) {
        struct head_window *w = &h.windows[i];
        before += decoder_zigzag(&d);
        w->number = (int64_t)before;
        if (i > 0 && w->number <= h.windows[i - 1].number)
            d.is_bad = true;
        for (int c = 0; c < HEAD_POOLS; c++)
            w->slots[c] = decoder_varint(&d);
    }
    h.has_hash_key = version >= FORMAT_VERSION_HASH_KEY;
    if (h.has_hash_key) {
        const uint8_t *key = decoder_bytes(&d, sizeof h.hash_key);
        if (key != NULL)
            memcpy(h.hash_key, key, sizeof h.hash_key);
    }
    if (h.kind == FILE_WINDOW && h.n_windows != 1)
        d.is_bad = true;
    if (d.is_bad || d.at != d.end || h.window_ms == 0)
        return ERR_CORRUPT;
    *ret = h;
    return 0;
}

void end_encode(const struct end *end, struct encoder *e)
{
    encoder_varint(e, end->n_series);
    encoder_varint(e, end->n_blocks);
    encoder_varint(e, end->n_tails);
    encoder_varint(e, end->n_samples);
    encoder_varint(e, end->generation);
    encoder_u64(e, end->digest);
}

int end_decode(uint16_t version, const uint8_t *payload, size_t n, struct end *ret)
{
    struct decoder d;
    decoder_init(&d, payload, n);
    struct end end = {0};
    end.n_series = decoder_varint(&d);
    end.n_blocks = decoder_varint(&d);
    end.n_tails = decoder_varint(&d);
    end.n_samples = decoder_varint(&d);
    if (version >= FORMAT_VERSION_WINDOWS)
        end.generation = decoder_varint(&d);
    end.digest = decoder_u64(&d);
    if (d.is_bad || d.at != d.end)
        return ERR_CORRUPT;
    *ret = end;
    return 0;
}
