#include "tsdb/label_row.h"
#include "tsdb/varint.h"

size_t label_row_put(const struct label_row *row, uint8_t ret[LABEL_ROW_BYTES_MAX])
{
    assert(row->n <= LABELS_PER_SERIES_MAX);
    size_t n = 0;
    uint32_t next = 0; /* the pair that is not spelled out; none is 0 */
    for (uint32_t i = 0; i < row->n; i++) {
        uint32_t pair = row->pairs[i];
        assert(pair != 0);
        if (pair == next)
            ret[n++] = 0;
        else
            n += varint_put(&ret[n], pair);
        next = pair + 1;
    }
    if (n == 0)
        ret[n++] = 0;
    return n;
}

bool label_row_get(struct bytes bytes, struct label_row *ret)
{
    const uint8_t *at = (const uint8_t *)bytes.at, *end = at + bytes.n;
    ret->n = 0;
    if (bytes.n == 1 && *at == 0)
        return true;
    while (at < end && ret->n < LABELS_PER_SERIES_MAX) {
        uint64_t v;
        uint32_t before = ret->n > 0 ? ret->pairs[ret->n - 1] : 0;
        if (!varint_get_shortest(&at, end, &v) || v > UINT32_MAX)
            return false;
        if (v == 0 ? before == 0 || before == UINT32_MAX : v == (uint64_t)before + 1 && before > 0)
            return false;
        ret->pairs[ret->n++] = v == 0 ? before + 1 : (uint32_t)v;
    }
    return at == end && ret->n > 0;
}
