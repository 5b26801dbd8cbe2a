#include "http/write_metadata.h"

#include "http/wire.h"
#include "http/write_refs.h"
#include "tsdb/varint.h"

#include <string.h>

/* fields of WriteRequest and of MetricMetadata */
enum { REQUEST_METADATA = 3 };
enum { TYPE = 1, FAMILY = 2, HELP = 4, UNIT = 5 };

/* fields of 2.0: of Request, of TimeSeries and of its Metadata, whose types have the same numbers
 */
enum { REQUEST_SERIES = 5, SERIES_REFS = 1, SERIES_METADATA = 5 };
enum { TYPE_V2 = 1, HELP_V2 = 3, UNIT_V2 = 4 };

static struct metadata_text text_of(const struct wire_field *f)
{
    return (struct metadata_text){(const char *)f->bytes, (uint32_t)f->n};
}

static enum metadata_type type_of(const struct wire_field *f)
{
    uint64_t number = wire_varint(f);
    return number <= METADATA_STATE_SET ? (enum metadata_type)number : METADATA_UNKNOWN;
}

/* Of what comes more than once the last counts; what is missing is empty, or unknown. */
static bool read_item(const struct wire_field *metadata, struct metadata_item *ret)
{
    struct wire w = {metadata->bytes, metadata->bytes + metadata->n};
    struct wire_field f;
    *ret = (struct metadata_item){.type = METADATA_UNKNOWN};
    while (w.at != w.end) {
        if (!wire_next(&w, &f))
            return false;
        if (f.number == TYPE && f.type == WIRE_VARINT)
            ret->type = type_of(&f);
        else if (f.number == FAMILY && f.type == WIRE_BYTES)
            ret->family = text_of(&f);
        else if (f.number == HELP && f.type == WIRE_BYTES)
            ret->help = text_of(&f);
        else if (f.number == UNIT && f.type == WIRE_BYTES)
            ret->unit = text_of(&f);
    }
    return true;
}

uint64_t write_metadata_keep(struct metadata *m, const void *message, size_t n, int64_t now_ms)
{
    struct wire w = {message, (const uint8_t *)message + n};
    struct wire_field f;
    struct metadata_item item;
    uint64_t n_refused = 0;
    while (w.at != w.end && wire_next(&w, &f))
        if (f.number == REQUEST_METADATA && f.type == WIRE_BYTES)
            n_refused += !read_item(&f, &item) || !metadata_put(m, &item, now_ms);
    return n_refused;
}

/* --- written ---------------------------------------------------------------------------------- */

struct put {
    uint8_t *bytes;
    size_t n;
};

static void put_number(struct put *p, uint8_t tag, uint64_t v)
{
    p->bytes[p->n++] = tag;
    p->n += varint_put(p->bytes + p->n, v);
}

static void put_text(struct put *p, unsigned number, struct metadata_text text)
{
    if (text.len == 0)
        return;
    put_number(p, WIRE_TAG(number, WIRE_BYTES), text.len);
    memcpy(p->bytes + p->n, text.bytes, text.len);
    p->n += text.len;
}

static size_t text_bytes(struct metadata_text text)
{
    return text.len > 0 ? 1 + varint_bytes(text.len) + text.len : 0;
}

static void put_item(struct put *p, const struct metadata_item *item)
{
    size_t n_type = item->type != METADATA_UNKNOWN ? 2 : 0;
    put_number(p, WIRE_TAG(REQUEST_METADATA, WIRE_BYTES),
               n_type + text_bytes(item->family) + text_bytes(item->help) + text_bytes(item->unit));
    if (n_type > 0)
        put_number(p, WIRE_TAG(TYPE, WIRE_VARINT), item->type);
    put_text(p, FAMILY, item->family);
    put_text(p, HELP, item->help);
    put_text(p, UNIT, item->unit);
}

int write_metadata_each_message(const struct metadata_item *items, size_t n, uint8_t *buffer,
                                int (*visit)(void *ctx, const uint8_t *message, size_t n),
                                void *ctx)
{
    struct put p = {buffer, 0};
    int ret = 0;
    for (size_t i = 0; ret == 0 && i < n; i++) {
        if (p.n + write_metadata_bytes_max(&items[i]) > WRITE_METADATA_MESSAGE_BYTES) {
            ret = visit(ctx, buffer, p.n);
            p.n = 0;
        }
        put_item(&p, &items[i]);
    }
    return ret == 0 && p.n > 0 ? visit(ctx, buffer, p.n) : ret;
}

/* --- 2.0 -------------------------------------------------------------------------------------- */

/* A series, as far as it matters here. */
struct described {
    struct metadata_text name; /* of the metric; no bytes = none was found */
    uint32_t n_refs;           /* looked at */
    bool is_name;              /* the last of them is that of the label with the name */
    const uint8_t *metadata;   /* of several the last one; NULL = none */
    size_t n_metadata;
};

/* Empty where nothing is. */
static struct metadata_text text_at(const struct write_symbols *s, uint32_t ref)
{
    if (ref >= s->n)
        return (struct metadata_text){"", 0};
    return (struct metadata_text){(const char *)s->message + s->texts[ref].at, s->texts[ref].n};
}

static bool is_text(struct metadata_text a, struct metadata_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}

/* Looks for the name in some more references. */
static void take_refs(struct described *d, const struct write_symbols *s,
                      const struct wire_field *f)
{
    static const struct metadata_text label = {LABEL_METRIC_NAME, sizeof(LABEL_METRIC_NAME) - 1};
    struct wire w = {f->bytes, f->bytes + f->n};
    uint32_t ref;
    while (d->name.len == 0 && w.at < w.end && write_refs_next(&w, &ref)) {
        if (d->n_refs++ % 2 == 0)
            d->is_name = is_text(text_at(s, ref), label);
        else if (d->is_name)
            d->name = text_at(s, ref);
    }
}

static bool read_series(const struct write_symbols *s, const struct wire_field *series,
                        struct described *ret)
{
    struct wire w = {series->bytes, series->bytes + series->n};
    struct wire_field f;
    *ret = (struct described){0};
    while (w.at != w.end) {
        if (!wire_next(&w, &f))
            return false;
        if (f.number == SERIES_REFS && (f.type == WIRE_BYTES || f.type == WIRE_VARINT))
            take_refs(ret, s, &f);
        if (f.number == SERIES_METADATA && f.type == WIRE_BYTES) {
            ret->metadata = f.bytes;
            ret->n_metadata = f.n;
        }
    }
    return true;
}

static bool ends_with(struct metadata_text text, const char *end)
{
    size_t n = strlen(end);
    return text.len > n && memcmp(text.bytes + text.len - n, end, n) == 0;
}

/* A sender has the metadata of a family with each of its series. */
static struct metadata_text family_of(struct metadata_text name, enum metadata_type type)
{
    static const char *const ends[] = {"_bucket", "_count", "_sum", "_created", "_gcount", "_gsum"};
    bool is_composed =
        type == METADATA_HISTOGRAM || type == METADATA_GAUGE_HISTOGRAM || type == METADATA_SUMMARY;
    for (size_t i = 0; is_composed && i < ARRAY_LEN(ends); i++)
        if (ends_with(name, ends[i])) {
            name.len -= (uint32_t)strlen(ends[i]);
            break;
        }
    return name;
}

static bool read_item_v2(const struct write_symbols *s, const struct described *d,
                         struct metadata_item *ret)
{
    struct wire w = {d->metadata, d->metadata + d->n_metadata};
    struct wire_field f;
    *ret = (struct metadata_item){.type = METADATA_UNKNOWN};
    while (w.at != w.end) {
        if (!wire_next(&w, &f))
            return false;
        if (f.type != WIRE_VARINT)
            continue;
        if (f.number == TYPE_V2)
            ret->type = type_of(&f);
        else if (f.number == HELP_V2)
            ret->help = text_at(s, (uint32_t)wire_varint(&f));
        else if (f.number == UNIT_V2)
            ret->unit = text_at(s, (uint32_t)wire_varint(&f));
    }
    ret->family = family_of(d->name, ret->type);
    return true;
}

static bool says_nothing(const struct metadata_item *item)
{
    return item->type == METADATA_UNKNOWN && item->help.len == 0 && item->unit.len == 0;
}

/* Senders go metric by metric. */
static bool is_like(const struct described *a, const struct described *b)
{
    return a->n_metadata == b->n_metadata && is_text(a->name, b->name) &&
           memcmp(a->metadata, b->metadata, a->n_metadata) == 0;
}

uint64_t write_metadata_keep_v2(struct metadata *m, const struct write_symbols *symbols,
                                const void *message, size_t n, int64_t now_ms)
{
    struct wire w = {message, (const uint8_t *)message + n};
    struct wire_field f;
    struct described d, before = {.metadata = NULL};
    struct metadata_item item;
    uint64_t n_refused = 0;
    while (w.at != w.end && wire_next(&w, &f)) {
        if (f.number != REQUEST_SERIES || f.type != WIRE_BYTES || !read_series(symbols, &f, &d) ||
            d.metadata == NULL || d.name.len == 0)
            continue;
        if (before.metadata != NULL && is_like(&d, &before))
            continue;
        before = d;
        if (read_item_v2(symbols, &d, &item) && !says_nothing(&item))
            n_refused += !metadata_put(m, &item, now_ms);
    }
    return n_refused;
}

bool write_metadata_may(struct write_metadata_pace *p, int64_t now_ms)
{
    int64_t used = atomic_load(&p->used_until_ms), next;
    do {
        next = i64_max(used, now_ms) + p->each_ms;
        if (next > now_ms + p->n_at_once * p->each_ms)
            return false;
    } while (!atomic_compare_exchange_weak(&p->used_until_ms, &used, next));
    return true;
}
