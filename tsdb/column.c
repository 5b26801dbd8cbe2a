#include "tsdb/column.h"
#include "tsdb/differences.h"
#include "tsdb/varint.h"
#include "tsdb/whole.h"
size_t column_encode(const uint64_t *v, uint32_t n, uint8_t out[COLUMN_BYTES_MAX], uint8_t *e)
{
    bool same = true;
    for (uint32_t i = 1; i < n; i++)
        same = same && v[i] == v[0];
    if (same) {
        *e = 0;
        memcpy(out, v, 8);
        return 8;
    }
    int64_t d[128], f = 0, b, w = 0;
    bool whole = whole_of_bits(v[0], &f);
    b = f;
    for (uint32_t i = 1; whole && i < n; i++) {
        whole = whole_of_bits(v[i], &w);
        d[i - 1] = w - b;
        b = w;
    }
    if (whole) {
        size_t k = varint_put(out, zigzag(f));
        size_t m = differences_put(out + k, 1024 - k, d, n - 1);
        if (m) {
            *e = 1;
            return k + m;
        }
    }
    *e = 3;
    memcpy(out, v, n * 8);
    return n * 8;
}
bool column_decode(uint8_t e, const uint8_t *b, size_t nb, uint32_t n,
                   uint64_t v[COLUMN_VALUES_MAX])
{
    if (e == 0) {
        if (nb != 8)
            return false;
        for (uint32_t i = 0; i < n; i++)
            memcpy(&v[i], b, 8);
        return true;
    }
    if (e == 1) {
        uint64_t z;
        int64_t d[128];
        const uint8_t *at = b, *end = b + nb;
        if (!varint_get(&at, end, &z))
            return false;
        int64_t f = unzigzag(z);
        if (!differences_get(&at, end, d, n - 1) || at != end)
            return false;
        v[0] = bits_of_whole(f);
        for (uint32_t i = 1; i < n; i++) {
            f += d[i - 1];
            v[i] = bits_of_whole(f);
        }
        return true;
    }
    if (e == 3 && nb == n * 8) {
        memcpy(v, b, nb);
        return true;
    }
    return false;
}
