#include "http/delete_record.h"

#include "tsdb/varint.h"

#include <string.h>

enum { MATCHER_BYTES_MIN = 3, SET_BYTES_MIN = 1, ERROR_TEXT_MAX = 256 };

_Static_assert(sizeof(struct matcher) <= 16 * MATCHER_BYTES_MIN &&
                   sizeof(struct matcher_set) <= 16 * SET_BYTES_MIN,
               "as the header says");

/* ---- writing ---- */

/* Counts where there is nothing to write to. */
struct writer {
    uint8_t *out; /* or NULL */
    size_t n;
};

static void put_bytes(struct writer *w, const void *bytes, size_t n)
{
    if (w->out != NULL && n > 0)
        memcpy(w->out + w->n, bytes, n);
    w->n += n;
}

static void put_varint(struct writer *w, uint64_t v)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    put_bytes(w, bytes, varint_put(bytes, v));
}

static void put_matcher(struct writer *w, const struct matcher *m)
{
    uint8_t kind = (uint8_t)m->kind;
    put_bytes(w, &kind, 1);
    put_varint(w, m->name_len);
    put_bytes(w, m->name, m->name_len);
    put_varint(w, m->value_len);
    put_bytes(w, m->value, m->value_len);
}

static size_t put_record(const struct delete_record *r, uint8_t *out)
{
    struct writer w = {.out = out};
    uint8_t format = DELETE_RECORD_FORMAT;
    put_bytes(&w, &format, 1);
    put_varint(&w, zigzag(r->min_ms));
    put_varint(&w, zigzag(r->max_ms));
    put_varint(&w, r->n_sets);
    for (size_t i = 0; i < r->n_sets; i++) {
        put_varint(&w, r->sets[i].n);
        for (size_t k = 0; k < r->sets[i].n; k++)
            put_matcher(&w, &r->sets[i].items[k]);
    }
    return w.n;
}

size_t delete_record_bytes(const struct delete_record *r)
{
    return put_record(r, NULL);
}

void delete_record_put(const struct delete_record *r, uint8_t *out)
{
    (void)put_record(r, out);
}

/* ---- reading ---- */

struct reader {
    const uint8_t *at, *end;
    struct region *region;
};

/* A number of things that take so many bytes each at least. */
static bool get_number(struct reader *r, size_t bytes_each, size_t *ret)
{
    uint64_t n;
    if (!varint_get_shortest(&r->at, r->end, &n) || n > (size_t)(r->end - r->at) / bytes_each)
        return false;
    *ret = (size_t)n;
    return true;
}

static bool get_text(struct reader *r, const char **ret, size_t *ret_n)
{
    if (!get_number(r, 1, ret_n) || *ret_n > UINT32_MAX)
        return false;
    *ret = (const char *)r->at;
    r->at += *ret_n;
    return true;
}

static int get_matcher(struct reader *r, struct matcher *ret)
{
    char text[ERROR_TEXT_MAX];
    const char *name, *value;
    size_t n_name, n_value;
    if (r->at == r->end || *r->at > MATCH_NOT_REGEX)
        return ERR_CORRUPT;
    enum matcher_kind kind = (enum matcher_kind) * r->at++;
    if (!get_text(r, &name, &n_name) || !get_text(r, &value, &n_value))
        return ERR_CORRUPT;
    return matcher_init(ret, kind, name, n_name, value, n_value, text, sizeof(text));
}

/* The matchers that were read are counted in the set, whatever the answer. */
static int get_set(struct reader *r, struct matcher_set *ret)
{
    size_t n;
    if (!get_number(r, MATCHER_BYTES_MIN, &n))
        return ERR_CORRUPT;
    ret->items = n > 0 ? region_calloc(r->region, n, sizeof(*ret->items)) : NULL;
    if (n > 0 && ret->items == NULL)
        return ERR_NO_MEMORY;
    for (; ret->n < n; ret->n++) {
        int err = get_matcher(r, &ret->items[ret->n]);
        if (err != 0)
            return err;
    }
    return 0;
}

static int get_sets(struct reader *r, struct delete_record *ret)
{
    size_t n;
    if (!get_number(r, SET_BYTES_MIN, &n))
        return ERR_CORRUPT;
    ret->sets = n > 0 ? region_calloc(r->region, n, sizeof(*ret->sets)) : NULL;
    if (n > 0 && ret->sets == NULL)
        return ERR_NO_MEMORY;
    while (ret->n_sets < n) {
        int err = get_set(r, &ret->sets[ret->n_sets++]);
        if (err != 0)
            return err;
    }
    return r->at == r->end ? 0 : ERR_CORRUPT;
}

int delete_record_get(const uint8_t *bytes, size_t n, struct region *region,
                      struct delete_record *ret)
{
    struct reader r = {bytes, bytes + n, region};
    uint64_t min, max;
    *ret = (struct delete_record){0};
    if (n == 0)
        return ERR_CORRUPT;
    if (*r.at > DELETE_RECORD_FORMAT)
        return ERR_NEWER_FORMAT;
    if (*r.at++ != DELETE_RECORD_FORMAT || !varint_get_shortest(&r.at, r.end, &min) ||
        !varint_get_shortest(&r.at, r.end, &max))
        return ERR_CORRUPT;
    ret->min_ms = unzigzag(min);
    ret->max_ms = unzigzag(max);
    int err = get_sets(&r, ret);
    if (err != 0)
        delete_record_release(ret);
    return err;
}

void delete_record_release(struct delete_record *r)
{
    for (size_t i = 0; i < r->n_sets; i++)
        matcher_set_release(&r->sets[i]);
    r->n_sets = 0;
}

/* ---- doing it ---- */

int delete_record_apply(const struct delete_record *r, struct tsdb *db, const atomic_bool *cancel,
                        struct region *region, struct delete_report *io)
{
    const struct delete_options o = {.min_ms = r->min_ms, .max_ms = r->max_ms, .cancel = cancel};
    return delete_select(db, r->sets, r->n_sets, &o, region, io);
}
