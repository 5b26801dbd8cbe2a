/* Series that are known by a number: "m7" in messages of both versions, and back from labels and
 * from a store. */
#ifndef TESTS_UNIT_HTTP_TEST_SERIES_H
#define TESTS_UNIT_HTTP_TEST_SERIES_H

#include "http/remote_write.h"
#include "tests/support/message.h"
#include "tsdb/read.h"

#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void put_one_series(struct message *m, bool is_v2, unsigned series,
                                  const struct sample *samples, size_t n)
{
    static struct message one;
    char name[32];
    int len = snprintf(name, sizeof(name), "m%u", series);
    one.n = 0;
    if (is_v2)
        message_refs(&one, (uint32_t[]){0, 1 + series}, 2);
    else
        message_label(&one, "__name__", 8, name, (size_t)len);
    for (size_t i = 0; i < n; i++)
        message_sample(&one, samples[i].t_ms, samples[i].value);
    message_field(m, is_v2 ? 5 : 1, one.bytes, one.n);
}

/* Of 2.0: the names of n series, which put_one_series refers to. */
static inline void put_symbols_of(struct message *m, unsigned n)
{
    message_field(m, 4, "__name__", 8);
    for (unsigned series = 0; series < n; series++) {
        char name[32];
        int len = snprintf(name, sizeof(name), "m%u", series);
        message_field(m, 4, name, (size_t)len);
    }
}

static inline unsigned series_of_label(const struct labels *ls)
{
    const struct label *name = labels_get(ls, "__name__", 8);
    return (unsigned)strtoul(name->value + 1, NULL, 10);
}

/* Whether this sample of a request was. */
static inline bool was_refused(const struct refusals *r, const struct sample *sample)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i] == sample)
            return true;
    return false;
}

/* A request as the server takes it, and what the journal has of it; but for the body in the region.
 */
struct stored_message {
    struct remote_write rw;
    size_t n_body, n_meta;
    const uint8_t *meta;
    char body[2 * MESSAGE_BYTES_MAX];
};

static inline void store_message(struct stored_message *ret, struct tsdb *db, struct region *region,
                                 const struct message *m, bool is_v2)
{
    char text[REMOTE_WRITE_TEXT_MAX];
    const struct remote_write_format f = {is_v2 ? REMOTE_WRITE_V2 : REMOTE_WRITE_V1,
                                          tsdb_series_hash(db)};
    ret->n_body = sizeof(ret->body);
    cr_assert_eq(snappy_compress(m->bytes, m->n, ret->body, &ret->n_body), SNAPPY_OK);
    cr_assert_eq(remote_write_decode(&f, ret->body, ret->n_body, INT32_MAX, region, &ret->rw, text),
                 0);
    remote_write_append(&ret->rw, db);
    cr_assert_neq(remote_write_verdict(&ret->rw, text), 503);
    cr_assert(refusals_encode(&ret->rw.refusals, &ret->rw.body, &ret->meta, &ret->n_meta));
}

/* All samples of series whose name matches; in the region. */
static inline struct read_set read_named(struct tsdb *db, struct region *region, const char *regex)
{
    static struct matcher any;
    char text[64] = "";
    struct read_set set = {0};
    const struct read_options o = {.min_ms = INT64_MIN, .max_ms = INT64_MAX};
    cr_assert_eq(
        matcher_init(&any, MATCH_REGEX, "__name__", 8, regex, strlen(regex), text, sizeof(text)),
        0);
    const struct matcher_set matchers = {.items = &any, .n = 1};
    cr_assert_eq(read_select(db, &matchers, &o, region, &set), 0);
    matcher_release(&any);
    return set;
}

#endif
