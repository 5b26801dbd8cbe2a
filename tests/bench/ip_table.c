/*
 * ip_table: a table of IP ranges as label sets, and what it takes.
 *
 * 500,000 rows of first and last address, number and name of an autonomous system, and country: a
 * million distinct addresses, 75,000 names, 240 countries, about 37 MB as tab-separated text. Each
 * row is a series {__name__,asn,country,first,last,name} with one sample, written through append.h
 * in batches. Then all rows are looked up by their forms (series_key.h), in the order in which they
 * were written, as ingest does, and in a random one; one at a time and in batches: the form is
 * hashed and the series found. Forms are made anew from the seed for each batch, outside of what is
 * timed, so that they lie in the cache as they do after decompression.
 *
 * SEED, RANGES (how many) and LOOKUPS (0 = none) of the environment. One line of JSON: bytes by row
 * of the ledger and by what is in them, and millions of lookups a second (CPU time of one thread,
 * the best of fifteen rounds).
 */
#include "tests/support/random.h"
#include "tsdb/store.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RANGES = 500000,
    SYSTEMS = 75000,
    COUNTRIES = 240,
    LABELS = 6,
    BATCH = 2000, /* as senders of remote write have it */
    ROUNDS = 15,  /* a shared machine is at its best now and then */
    NAME_BYTES_MIN = 12,
    NAME_BYTES_MAX = 58,
    FORM_BYTES_MAX = 256,
    LIMIT_BYTES = 1 << 30,
    SEED = 1,
};

struct range {
    uint32_t first, last, system;
};

struct system {
    uint32_t number;
    uint16_t country;
    char name[NAME_BYTES_MAX + 1];
};

struct input {
    struct range *rows;
    struct system *systems;
    uint32_t n;
    uint64_t text_bytes;
};

static void *taken(size_t n, size_t size)
{
    void *at = calloc(n, size);
    if (at == NULL)
        err(1, "memory for the table");
    return at;
}

/* ---- the rows ---- */

static int number_order(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* 2 * n distinct addresses, ascending: a range is one and the next. */
static void make_ranges(struct input *in, struct random *random)
{
    size_t n = 2 * (size_t)in->n, n_kept = 0;
    uint32_t *at = taken(n, sizeof(*at));
    while (n_kept < n) {
        for (; n_kept < n; n_kept++)
            at[n_kept] = (uint32_t)random_next(random);
        qsort(at, n, sizeof(*at), number_order);
        n_kept = 1;
        for (size_t i = 1; i < n; i++)
            if (at[i] != at[n_kept - 1])
                at[n_kept++] = at[i];
    }
    for (uint32_t i = 0; i < in->n; i++) {
        /* each system has a row; those with low numbers have the more the lower they are */
        double u = random_unit(random);
        in->rows[i] = (struct range){at[2 * (size_t)i], at[2 * (size_t)i + 1],
                                     i < SYSTEMS ? i : (uint32_t)(u * u * SYSTEMS)};
    }
    free(at);
    for (uint32_t i = in->n - 1; i > 0; i--) {
        uint32_t j = (uint32_t)random_below(random, i + 1), system = in->rows[i].system;
        in->rows[i].system = in->rows[j].system;
        in->rows[j].system = system;
    }
}

static void make_systems(struct input *in, struct random *random)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ -";
    for (uint32_t i = 0; i < SYSTEMS; i++) {
        struct system *s = &in->systems[i];
        int n = (int)(NAME_BYTES_MIN + random_below(random, NAME_BYTES_MAX - NAME_BYTES_MIN + 1));
        s->number = 1 + i * 5 + (uint32_t)random_below(random, 5);
        s->country = (uint16_t)(i < COUNTRIES ? i : random_below(random, COUNTRIES));
        int at = snprintf(s->name, sizeof(s->name), "AS%u ", s->number);
        for (; at < n; at++)
            s->name[at] = letters[random_below(random, sizeof(letters) - 1)];
    }
}

struct ip_row {
    struct label items[LABELS];
    struct labels labels;
    char number[12], country[4], first[16], last[16];
};

static void put_address(char *to, uint32_t a)
{
    snprintf(to, 16, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void make_row(const struct input *in, uint32_t i, struct ip_row *ret)
{
    static const char *const names[LABELS] = {"__name__", "asn",  "country",
                                              "first",    "last", "name"};
    const struct range *r = &in->rows[i];
    const struct system *s = &in->systems[r->system];
    const char *values[LABELS] = {"ip_range", ret->number, ret->country,
                                  ret->first, ret->last,   s->name};
    snprintf(ret->number, sizeof(ret->number), "%u", s->number);
    snprintf(ret->country, sizeof(ret->country), "%c%c", 'A' + s->country / 26,
             'A' + s->country % 26);
    put_address(ret->first, r->first);
    put_address(ret->last, r->last);
    for (uint32_t k = 0; k < LABELS; k++)
        ret->items[k] = (struct label){names[k], values[k], (uint32_t)strlen(names[k]),
                                       (uint32_t)strlen(values[k])};
    ret->labels = (struct labels){ret->items, LABELS};
}

/* The length of the row as text, with four tabs and a line's end. */
static uint64_t row_text(const struct ip_row *r)
{
    uint64_t n = LABELS - 1;
    for (uint32_t k = 1; k < LABELS; k++)
        n += r->items[k].value_len;
    return n;
}

/* ---- writing ---- */

static void write_rows(struct tsdb *db, struct input *in, struct ip_row *batch)
{
    struct sample sample = {INT64_C(1760000000000), 0};
    struct append_counts counts = {0};
    for (uint32_t from = 0; from < in->n; from += BATCH) {
        uint32_t n = in->n - from < BATCH ? in->n - from : BATCH;
        struct append b;
        append_begin(&b, db);
        for (uint32_t i = 0; i < n; i++) {
            make_row(in, from + i, &batch[i]);
            in->text_bytes += row_text(&batch[i]);
            if (append_samples(&b, &batch[i].labels, &sample, 1, &counts) != 0)
                errx(1, "row %u was refused", from + i);
        }
        append_end(&b);
    }
}

/* ---- looking up ---- */

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A row as a sender writes it. */
struct form {
    uint8_t bytes[FORM_BYTES_MAX];
    size_t n;
};

static void make_form(const struct input *in, uint32_t i, struct form *ret)
{
    struct ip_row row;
    make_row(in, i, &row);
    ret->n = series_form_bytes(&row.labels);
    if (ret->n > sizeof(ret->bytes))
        errx(1, "row %u has %zu bytes", i, ret->n);
    series_form_put(&row.labels, ret->bytes);
}

typedef void (*asker)(struct tsdb *db, const struct form *forms, struct series_wanted *wanted,
                      uint32_t n);

static void ask_single(struct tsdb *db, const struct form *f, struct series_wanted *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        w[i].series = series_find(db->arena, &db->series,
                                  series_key_of_form(tsdb_series_hash(db), f[i].bytes, f[i].n));
}

static void ask_many(struct tsdb *db, const struct form *f, struct series_wanted *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        w[i] = (struct series_wanted){.form = f[i].bytes, .n_form = f[i].n};
    series_find_many(db->arena, &db->series, w, n, false);
}

/* What of that is hashing. */
static void hash_many(struct tsdb *db, const struct form *f, struct series_wanted *w, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        w[i].key = series_key_of_form(tsdb_series_hash(db), f[i].bytes, f[i].n);
        w[i].series = 0;
    }
}

/* Seconds of all lookups in that order of rows; every answer is looked at. */
static double ask_all(struct tsdb *db, const struct input *in, const uint32_t *order,
                      struct form *forms, asker ask)
{
    static struct series_wanted wanted[BATCH];
    double seconds = 0;
    for (uint32_t from = 0; from < in->n; from += BATCH) {
        uint32_t n = in->n - from < BATCH ? in->n - from : BATCH;
        for (uint32_t i = 0; i < n; i++)
            make_form(in, order[from + i], &forms[i]);
        double began = cpu_seconds();
        ask(db, forms, wanted, n);
        seconds += cpu_seconds() - began;
        for (uint32_t i = 0; i < n && ask != hash_many; i++)
            if (wanted[i].series == 0 ||
                series_at(db->arena, wanted[i].series)->id != order[from + i] + 1)
                errx(1, "row %u is not found", order[from + i]);
    }
    return seconds;
}

static double best_rate(struct tsdb *db, const struct input *in, const uint32_t *order,
                        struct form *forms, asker ask)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double rate = in->n / ask_all(db, in, order, forms, ask) / 1e6;
        best = rate > best ? rate : best;
    }
    return best;
}

static void measure_lookups(struct tsdb *db, const struct input *in, struct random *random)
{
    uint32_t *order = taken(in->n, sizeof(*order));
    struct form *forms = taken(BATCH, sizeof(*forms));
    for (uint32_t i = 0; i < in->n; i++)
        order[i] = i;
    printf(",\"hash\":%.2f", best_rate(db, in, order, forms, hash_many));
    printf(",\"single\":%.2f,\"batch\":%.2f", best_rate(db, in, order, forms, ask_single),
           best_rate(db, in, order, forms, ask_many));
    for (uint32_t i = in->n - 1; i > 0; i--) {
        uint32_t j = (uint32_t)random_below(random, i + 1), other = order[i];
        order[i] = order[j];
        order[j] = other;
    }
    printf(",\"single_random\":%.2f,\"batch_random\":%.2f",
           best_rate(db, in, order, forms, ask_single), best_rate(db, in, order, forms, ask_many));
    free(order);
    free(forms);
}

/* ---- telling ---- */

static void print_bytes(const struct tsdb *db, const struct budget *budget)
{
    static const char *const rows[] = {"series", "labels",   "symbols", "pairs",
                                       "tables", "postings", "chunks"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (unsigned k = 0; k < budget->n_rows; k++)
            if (strcmp(budget->rows[k].name, rows[i]) == 0)
                printf(",\"%s\":%zu", rows[i], (size_t)budget->rows[k].bytes);
    const struct series_index *x = &db->series;
    const struct label_index *l = &db->labels;
    printf(
        ",\"n_symbols\":%u,\"n_pairs\":%u,\"distinct_text\":%llu,\"buckets\":[%u,%u,%u],\"ids\":[%"
        "u,%u,%u]",
        l->symbols.n, l->pairs.n,
        (unsigned long long)(l->symbols.n_text_bytes + l->pairs.n_text_bytes),
        (uint32_t)(lines_bytes(&x->by_key) / ARENA_PAGE_BYTES), l->symbols.by_text.buckets.n_pages,
        (uint32_t)(lines_bytes(&l->pairs.by_label) / ARENA_PAGE_BYTES), x->by_id.n_pages,
        l->symbols.ids.slots.n_pages, l->pairs.texts.bundles.n_pages);
}

int main(void)
{
    struct budget budget;
    struct arena arena;
    struct tsdb *db;
    struct random random;
    struct tsdb_options options = {.window_ms = 4 * 3600 * 1000,
                                   .n_windows = 8,
                                   .out_of_order_ms = 3600 * 1000,
                                   .clock = CLOCK_SAMPLES};
    uint64_t n = random_setting("RANGES", RANGES);
    if (n < SYSTEMS || n > 100 * (uint64_t)RANGES)
        errx(2, "RANGES is at least %d", SYSTEMS);
    struct input in = {.rows = taken(n, sizeof(*in.rows)),
                       .systems = taken(SYSTEMS, sizeof(*in.systems)),
                       .n = (uint32_t)n};
    struct ip_row *batch = taken(BATCH, sizeof(*batch));
    random_init(&random, random_setting("SEED", SEED));
    make_ranges(&in, &random);
    make_systems(&in, &random);
    budget_init(&budget, (size_t)LIMIT_BYTES * 4);
    if (!arena_init(&arena, &budget, (size_t)LIMIT_BYTES * 4) ||
        tsdb_new(&options, &arena, &db) != 0)
        err(1, "a store");
    write_rows(db, &in, batch);
    printf("{\"rows\":%u,\"text\":%llu", in.n, (unsigned long long)in.text_bytes);
    print_bytes(db, &budget);
    if (random_setting("LOOKUPS", 1) != 0)
        measure_lookups(db, &in, &random);
    puts("}");
    tsdb_free(db);
    arena_release(&arena);
    free(in.rows);
    free(in.systems);
    free(batch);
    return 0;
}
