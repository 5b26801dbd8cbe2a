/* Columns under any bytes. The first byte chooses the half:
 *
 *   even  the rest is an encoding, a number of values and bytes, as a damaged file would hand them
 *         over: decoding reads nothing outside, and what is accepted can be encoded again;
 *   odd   the rest is values, as a short program that makes runs, steps and outliers likely: they
 *         come back bit for bit, in no more bytes than they have.
 *
 * Whatever is decoded goes through each decoder, and these agree. */
#include "tests/fuzz/fuzz.h"
#include "tsdb/column.h"

/* By each decoder: equal verdicts, equal bits. */
static bool decode(uint8_t encoding, const uint8_t *bytes, size_t n_bytes, uint32_t n,
                   uint64_t *values)
{
    bool is_good = false;
    uint64_t all[2][COLUMN_VALUES_MAX];
    for (int d = 0; decoder_use(d); d++) {
        bool is_good_now = column_decode(encoding, bytes, n_bytes, n, all[d]);
        REQUIRE(d == 0 || is_good_now == is_good);
        is_good = is_good_now;
        REQUIRE(d == 0 || !is_good || memcmp(all[0], all[d], n * sizeof(*values)) == 0);
    }
    if (is_good)
        memcpy(values, all[0], n * sizeof(*values));
    return is_good;
}

static void round_trip(const uint64_t *values, uint32_t n)
{
    uint8_t bytes[COLUMN_BYTES_MAX], encoding;
    uint64_t back[COLUMN_VALUES_MAX], *in = exact_copy(values, n * sizeof(*values));
    size_t n_bytes = column_encode(in, n, bytes, &encoding);
    REQUIRE(n_bytes >= 1 && n_bytes <= n * sizeof(*values));
    uint8_t *out = exact_copy(bytes, n_bytes);
    REQUIRE(decode(encoding, out, n_bytes, n, back));
    REQUIRE(memcmp(back, values, n * sizeof(*values)) == 0);
    free(out);
    free(in);
}

static void decode_bytes(struct input *in)
{
    uint64_t values[COLUMN_VALUES_MAX];
    uint8_t encoding = (uint8_t)take(in, 1);
    uint32_t n = (uint32_t)take(in, 1);
    size_t n_bytes = (size_t)(in->end - in->at);
    uint8_t *bytes = exact_copy(in->at, n_bytes);
    if (decode(encoding, bytes, n_bytes, n, values))
        round_trip(values, n);
    free(bytes);
}

/* How decimals are computed: divided, once or by 1000 twice, or times a part. */
static double decimal_of(double v, double over, unsigned way)
{
    return way == 3 ? v / 1000 / 1000 : way == 2 ? v * (1 / over) : v / over;
}

/* The first byte: three bits of a power of ten, two of how it is used. A step is a byte: the low
 * three bits say what, the others how often less 1. */
static void run_program(struct input *in)
{
    static const double tens[] = {1, 10, 100, 1e3, 1e6, 1e9, 1e15, 1e18};
    uint64_t values[COLUMN_VALUES_MAX], bits = 0;
    unsigned first = (unsigned)take(in, 1);
    double v = 0, by = 1, over = tens[first % ARRAY_LEN(tens)];
    uint32_t n = 0;
    while (in->at < in->end && n < COLUMN_VALUES_MAX) {
        unsigned op = (unsigned)take(in, 1);
        if ((op & 7) == 2)
            by = (double)(int16_t)take(in, 2);
        for (unsigned times = (op >> 3) + 1; times > 0 && n < COLUMN_VALUES_MAX; times--) {
            if ((op & 7) <= 2)
                v += (op & 7) == 0 ? 0 : (op & 7) == 1 ? (double)(int8_t)take(in, 1) : by;
            if ((op & 7) == 3)
                v = (double)(int64_t)take(in, 7);
            double scaled = decimal_of(v, over, first >> 3 & 3);
            if ((op & 7) <= 3)
                memcpy(&bits, &scaled, sizeof(bits));
            else if ((op & 7) == 4)
                bits = take(in, 8);
            else if ((op & 7) == 5)
                bits ^= take(in, 1) << take(in, 1) % 57;
            else if ((op & 7) == 6)
                bits += take(in, 1);
            else
                bits = UINT64_C(0x7ff0000000000002); /* a stale marker */
            values[n++] = bits;
        }
    }
    if (n > 0)
        round_trip(values, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    if (size == 0)
        return 0;
    if (take(&in, 1) % 2 == 0)
        decode_bytes(&in);
    else
        run_program(&in);
    return 0;
}
