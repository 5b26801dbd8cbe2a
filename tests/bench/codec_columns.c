#include "tests/bench/codec_columns.h"
#include "tsdb/block.h"
#include "tsdb/scale.h"
#include "tsdb/vectors.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASSES = 25, PASS_NS = 1000000 };

static const char *const kind_names[COLUMN_KINDS] = {
    "constant",
    "raw",
    "whole numbers by value",
    "whole numbers by difference",
    "decimals by value",
    "decimals by difference",
    "times a power of two, by value",
    "times a power of two, by difference",
    "bits by value",
    "bits by difference",
    "with corrections, by value",
    "with corrections, by difference",
};

const char *columns_kind_name(unsigned kind)
{
    return kind_names[kind];
}

double columns_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* docs/column-format.md sections 1 and 3 */
static uint8_t kind_of(const struct coded_column *c)
{
    unsigned encoding = c->encoding & ~(unsigned)COLUMN_ENDS_STALE;
    if (encoding < COLUMN_AS_SCALED)
        return (uint8_t)encoding;
    unsigned scale = c->bytes[0], by = encoding == COLUMN_AS_SCALED_DIFFERENCES;
    if (scale_is_corrected((uint8_t)scale))
        return (uint8_t)(10 + by);
    return (uint8_t)((scale < 64 ? 4 : scale < 128 ? 6 : 8) + by);
}

static void *array_of(size_t n, size_t size)
{
    void *array = calloc(n, size);
    if (array == NULL)
        err(1, "memory for columns");
    return array;
}

/* ---- families ---- */

static bool ends_with(const struct recording_text *text, const char *end)
{
    size_t n = strlen(end);
    return text->len > n && memcmp(text->at + text->len - n, end, n) == 0;
}

static struct recording_text family_of(const struct recording_series *s)
{
    static const char *const ends[] = {"_bucket", "_sum", "_count", "_total"};
    struct recording_text name = {"", 0};
    for (uint32_t i = 0; i < s->n_pairs; i++)
        if (s->pairs[i].name.len == 8 && memcmp(s->pairs[i].name.at, "__name__", 8) == 0)
            name = s->pairs[i].value;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++)
        if (ends_with(&name, ends[i])) {
            name.len -= (uint32_t)strlen(ends[i]);
            break;
        }
    return name;
}

static uint32_t family_place(struct columns *c, struct recording_text name)
{
    for (uint32_t i = c->n_families; i-- > 0;) /* the series of a family lie side by side */
        if (c->families[i].len == name.len && memcmp(c->families[i].at, name.at, name.len) == 0)
            return i;
    c->families[c->n_families] = name;
    return c->n_families++;
}

/* ---- cutting and coding ---- */

static void decode_and_compare(const struct coded_column *c, const char *decoder)
{
    uint64_t back[COLUMN_VALUES_MAX];
    if (!column_decode(c->encoding, c->bytes, c->n_bytes, c->n, back) ||
        memcmp(back, c->values, c->n * sizeof(*back)) != 0)
        errx(1, "a column of encoding %u does not come back by the %s decoder", c->encoding,
             decoder);
}

static void encode(struct columns *c, uint8_t **at, const uint64_t *values, uint32_t n,
                   uint32_t family)
{
    struct coded_column *column = &c->all[c->n++];
    struct block b;
    block_encode_values(&b, values, n, *at);
    *column = (struct coded_column){.values = values,
                                    .bytes = *at,
                                    .n = n,
                                    .n_bytes = b.n_values_bytes,
                                    .family = family,
                                    .encoding = b.encoding};
    column->kind = kind_of(column);
    *at += b.n_values_bytes;
    (void)vectors_use(false);
    decode_and_compare(column, "portable");
    if (vectors_use(true))
        decode_and_compare(column, "AVX2");
}

void columns_init(struct columns *c, const struct recording *r)
{
    *c = (struct columns){.n_series = r->n_series};
    c->n_scrapes = (uint32_t)size_min(r->n_scrapes, COLUMNS_SCRAPES);
    size_t n_values = (size_t)c->n_series * c->n_scrapes;
    size_t a_series = (c->n_scrapes + COLUMN_VALUES_MAX - 1) / COLUMN_VALUES_MAX;
    c->values = array_of(n_values, sizeof(*c->values));
    c->all = array_of(c->n_series * a_series, sizeof(*c->all));
    c->families = array_of(c->n_series, sizeof(*c->families));
    c->bytes = array_of(c->n_series * a_series, COLUMN_BYTES_MAX);
    uint8_t *at = c->bytes;
    for (uint32_t i = 0; i < c->n_series; i++) {
        uint64_t *values = &c->values[(size_t)i * c->n_scrapes];
        uint32_t family = family_place(c, family_of(&r->series[i]));
        for (uint32_t k = 0; k < c->n_scrapes; k++)
            values[k] = recording_scrape(r, k)[i];
        for (uint32_t k = 0; k < c->n_scrapes; k += COLUMN_VALUES_MAX)
            encode(c, &at, &values[k], (uint32_t)size_min(c->n_scrapes - k, COLUMN_VALUES_MAX),
                   family);
    }
}

void columns_release(struct columns *c)
{
    free(c->values);
    free(c->all);
    free(c->families);
    free(c->bytes);
    memset(c, 0, sizeof(*c));
}

/* ---- measuring ---- */

static size_t sink; /* what results go to, so that they are computed */

static void build(const struct coded_column *c)
{
    uint8_t bytes[COLUMN_BYTES_MAX];
    struct block b;
    block_encode_values(&b, c->values, c->n, bytes);
    sink += b.n_values_bytes;
}

static void decode(const struct coded_column *c)
{
    uint64_t values[COLUMN_VALUES_MAX];
    sink += column_decode(c->encoding, c->bytes, c->n_bytes, c->n, values) ? values[0] : 0;
}

/* ns a pass over all of them. Few columns are gone over again and again, or the clock would be
 * measured. */
static double pass_ns(void (*code)(const struct coded_column *c),
                      const struct coded_column *const *some, size_t n)
{
    double best = 0, began, took;
    for (int pass = 0; pass < PASSES; pass++) {
        unsigned times = 0;
        began = columns_cpu_ns();
        do {
            for (size_t i = 0; i < n; i++)
                code(some[i]);
            times++;
            took = columns_cpu_ns() - began;
        } while (took < PASS_NS);
        took /= times;
        best = pass == 0 || took < best ? took : best;
    }
    return best;
}

struct column_costs columns_measure(const struct coded_column *const *some, size_t n)
{
    struct column_costs costs = {.n_columns = n};
    if (n == 0)
        return costs;
    for (size_t i = 0; i < n; i++) {
        costs.n_values += some[i]->n;
        costs.n_bytes += some[i]->n_bytes;
    }
    costs.build_ns = pass_ns(build, some, n) / (double)costs.n_values;
    (void)vectors_use(false);
    costs.portable_ns = pass_ns(decode, some, n) / (double)costs.n_values;
    if (vectors_use(true))
        costs.vectors_ns = pass_ns(decode, some, n) / (double)costs.n_values;
    return costs;
}
