#include "http/points.h"

#include <string.h>

enum {
    POINTS_LINEAR = 255, /* no column has it */
};

struct head {
    uint8_t n_less_one, times_encoding, values_encoding;
    uint16_t times_bytes, values_bytes;
};

enum { HEAD_BYTES = 7 };

static void put_head(const struct head *h, char *to)
{
    to[0] = (char)h->n_less_one;
    to[1] = (char)h->times_encoding;
    memcpy(to + 2, &h->times_bytes, sizeof(h->times_bytes));
    to[4] = (char)h->values_encoding;
    memcpy(to + 5, &h->values_bytes, sizeof(h->values_bytes));
}

static struct head get_head(const char *from)
{
    struct head h = {.n_less_one = (uint8_t)from[0],
                     .times_encoding = (uint8_t)from[1],
                     .values_encoding = (uint8_t)from[4]};
    memcpy(&h.times_bytes, from + 2, sizeof(h.times_bytes));
    memcpy(&h.values_bytes, from + 5, sizeof(h.values_bytes));
    return h;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What one piece becomes. A comma between two points counts to the first. */
struct expansion {
    char text[POINTS_PIECE * JSON_POINT_BYTES_MAX];
};

static bool decode_times(const struct head *h, const uint8_t *bytes, int64_t *ret)
{
    uint32_t n = h->n_less_one + 1u;
    if (h->times_encoding != POINTS_LINEAR)
        return column_decode(h->times_encoding, bytes, h->times_bytes, n, (uint64_t *)ret);
    uint64_t linear[2];
    memcpy(linear, bytes, sizeof(linear));
    for (uint32_t i = 0; i < n; i++)
        ret[i] = (int64_t)(linear[0] + i * linear[1]);
    return true;
}

static size_t expand(void *ctx, struct chain_reader *at, const char **ret)
{
    struct expansion *x = ctx;
    char head[HEAD_BYTES];
    uint8_t bytes[COLUMN_BYTES_MAX];
    int64_t t_ms[POINTS_PIECE];
    uint64_t bits[POINTS_PIECE];
    chain_take(at, head, HEAD_BYTES);
    const struct head h = get_head(head);
    chain_take(at, bytes, h.times_bytes);
    bool is_good = decode_times(&h, bytes, t_ms);
    chain_take(at, bytes, h.values_bytes);
    ENSURE(is_good && column_decode(h.values_encoding, bytes, h.values_bytes, h.n_less_one + 1u,
                                    bits)); /* our own */
    size_t n = 0;
    for (uint32_t i = 0; i <= h.n_less_one; i++) {
        double v;
        memcpy(&v, &bits[i], sizeof(v));
        if (i > 0)
            x->text[n++] = ',';
        n += json_point_text(t_ms[i], v, x->text + n);
    }
    *ret = x->text;
    return n;
}

/* --- writing ---------------------------------------------------------------------------------- */

void points_pack(struct json *j)
{
    struct chain *c = j->out;
    struct expansion *x = region_alloc(c->region, sizeof(*x));
    if (!x) {
        c->is_out_of_memory = true;
        return;
    }
    c->expand = expand;
    c->expand_ctx = x;
}

static size_t encode_times(const struct promql_point *p, uint32_t n, uint8_t *out, uint8_t *ret)
{
    uint64_t times[POINTS_PIECE];
    uint64_t linear[2] = {(uint64_t)p[0].t_ms,
                          n > 1 ? (uint64_t)p[1].t_ms - (uint64_t)p[0].t_ms : 0};
    bool is_linear = true;
    for (uint32_t i = 0; i < n; i++) {
        times[i] = (uint64_t)p[i].t_ms;
        is_linear = is_linear && times[i] == linear[0] + i * linear[1];
    }
    if (!is_linear)
        return column_encode(times, n, out, ret);
    *ret = POINTS_LINEAR;
    memcpy(out, linear, sizeof(linear));
    return sizeof(linear);
}

static void put_piece(struct json *j, const struct promql_point *p, uint32_t n)
{
    char piece[1 + HEAD_BYTES + 2 * COLUMN_BYTES_MAX];
    uint8_t *bytes = (uint8_t *)piece + 1 + HEAD_BYTES;
    uint64_t bits[POINTS_PIECE];
    struct head h = {.n_less_one = (uint8_t)(n - 1)};
    for (uint32_t i = 0; i < n; i++)
        memcpy(&bits[i], &p[i].v, sizeof(bits[i]));
    h.times_bytes = (uint16_t)encode_times(p, n, bytes, &h.times_encoding);
    h.values_bytes = (uint16_t)column_encode(bits, n, bytes + h.times_bytes, &h.values_encoding);
    piece[0] = CHAIN_MARK;
    put_head(&h, piece + 1);
    json_raw(j, piece, 1 + HEAD_BYTES + (size_t)h.times_bytes + h.values_bytes);
}

void points_put(struct json *j, const struct promql_point *points, size_t n)
{
    size_t i = 0;
    if (j->out->expand)
        for (; i < n && !chain_failed(j->out); i += size_min(POINTS_PIECE, n - i))
            put_piece(j, points + i, (uint32_t)size_min(POINTS_PIECE, n - i));
    for (; i < n && !chain_failed(j->out); i++)
        json_point(j, points[i].t_ms, points[i].v);
}
