/*
 * Greedy matching against the newest place with the same four bytes, as snappy does, with three
 * rules on top: a value is never the source or the target of a copy; a time is copied whole or not
 * at all, and no match runs into one, since a time follows a value; and offsets stay under 64 KiB.
 */
#include "tests/bench/packer.h"

#include <assert.h>
#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_BITS = 14, MATCH_MIN = 4, OFFSET_MAX = 65535 };

struct packer {
    const uint8_t *plain;
    uint8_t *kind; /* enum packer_kind of each plain byte */
    size_t n;
    struct packer_patch *patches, *patches_end; /* those that are not placed yet */
    uint8_t *begin, *out;
};

static uint32_t places[1 << HASH_BITS]; /* newest place of a hash, plus one */

size_t packer_bound(size_t n)
{
    return 32 + n + n / 6;
}

static uint32_t *place_of(const uint8_t *at)
{
    uint32_t four;
    memcpy(&four, at, sizeof(four));
    return &places[four * UINT32_C(0x1e35a7bd) >> (32 - HASH_BITS)];
}

static void put_varint(struct packer *p, size_t number)
{
    for (; number > 0x7f; number >>= 7)
        *p->out++ = (uint8_t)(number | 0x80);
    *p->out++ = (uint8_t)number;
}

static void put_literal(struct packer *p, size_t from, size_t to)
{
    size_t n = to - from;
    if (n == 0)
        return;
    if (n <= 60) {
        *p->out++ = (uint8_t)((n - 1) << 2);
    } else {
        unsigned n_bytes = n - 1 < 1 << 8 ? 1 : n - 1 < 1 << 16 ? 2 : n - 1 < 1 << 24 ? 3 : 4;
        *p->out++ = (uint8_t)((59 + n_bytes) << 2);
        for (unsigned i = 0; i < n_bytes; i++)
            *p->out++ = (uint8_t)((n - 1) >> 8 * i);
    }
    for (; p->patches < p->patches_end && p->patches->at < to; p->patches++)
        p->patches->at = (uint32_t)((size_t)(p->out - p->begin) + p->patches->at - from);
    memcpy(p->out, p->plain + from, n);
    p->out += n;
}

static void put_copy(struct packer *p, size_t at, size_t offset, size_t n)
{
    for (; p->patches < p->patches_end && p->patches->at < at + n; p->patches++) {
        assert(p->patches->kind == PACKER_TIME && p->patches->at + PACKER_TIME_BYTES <= at + n);
        p->patches->at = PACKER_NOWHERE;
    }
    while (n > 0) {
        size_t piece = n < 64 ? n : 64;
        if (piece >= 4 && piece <= 11 && offset < 2048) {
            *p->out++ = (uint8_t)(1 | (piece - 4) << 2 | offset >> 8 << 5);
            *p->out++ = (uint8_t)offset;
        } else {
            *p->out++ = (uint8_t)(2 | (piece - 1) << 2);
            *p->out++ = (uint8_t)offset;
            *p->out++ = (uint8_t)(offset >> 8);
        }
        n -= piece;
    }
}

static size_t match_length(const struct packer *p, size_t source, size_t at)
{
    size_t n = 0;
    while (at + n < p->n && p->plain[source + n] == p->plain[at + n] &&
           p->kind[source + n] == p->kind[at + n] && p->kind[at + n] != PACKER_VALUE)
        n++;
    return n;
}

static void mark(struct packer *p)
{
    memset(p->kind, PACKER_PLAIN, p->n);
    for (struct packer_patch *patch = p->patches; patch < p->patches_end; patch++)
        memset(p->kind + patch->at, (int)patch->kind,
               patch->kind == PACKER_VALUE ? PACKER_VALUE_BYTES : PACKER_TIME_BYTES);
}

static void pack_all(struct packer *p)
{
    size_t at = 0, literal = 0;
    while (at + MATCH_MIN <= p->n) {
        uint32_t *place = place_of(p->plain + at);
        size_t source = *place, n = 0;
        if (p->kind[at] == PACKER_VALUE) {
            at += PACKER_VALUE_BYTES;
            continue;
        }
        *place = (uint32_t)at + 1;
        if (source > 0 && at - (source - 1) <= OFFSET_MAX)
            n = match_length(p, source - 1, at);
        if (p->kind[at] == PACKER_TIME && n < PACKER_TIME_BYTES)
            n = 0;
        if (n >= MATCH_MIN) {
            put_literal(p, literal, at);
            put_copy(p, at, at - (source - 1), n);
            at += n;
            literal = at;
        } else {
            at += p->kind[at] == PACKER_TIME ? PACKER_TIME_BYTES : 1;
        }
    }
    put_literal(p, literal, p->n);
}

size_t packer_pack(const uint8_t *plain, size_t n, struct packer_patch *patches, size_t n_patches,
                   uint8_t *out)
{
    struct packer p = {plain, malloc(n + 1), n, patches, patches + n_patches, out, out};
    assert(n > 0 && n <= PACKER_PLAIN_MAX);
    if (p.kind == NULL)
        err(1, "memory for packing");
    mark(&p);
    memset(places, 0, sizeof(places));
    put_varint(&p, n);
    pack_all(&p);
    free(p.kind);
    return (size_t)(p.out - out);
}
