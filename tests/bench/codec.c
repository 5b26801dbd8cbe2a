/* make bench-codec: what building and decoding columns costs and saves, by encoding and by metric
 * family, and what samples cost on their way through a store. One core, CPU time, the least of
 * several passes; everything that was encoded or appended is compared with what comes back.
 *
 *     codec RECORDING TITLE
 *
 * Exit code 1 when a bar is passed. */
#include "tests/bench/codec_store.h"

#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAMILIES_SHOWN = 20, BATCH = 16 };

/* ns a sample */
static const double append_bar = 15, build_bar = 20, decode_bar = 1.5;

typedef bool chooses(const struct coded_column *c, uint32_t what);

static bool is_any(const struct coded_column *c, uint32_t what)
{
    (void)c, (void)what;
    return true;
}

static bool is_not_constant(const struct coded_column *c, uint32_t what)
{
    (void)what;
    return c->kind != COLUMN_AS_CONSTANT;
}

static bool is_of_kind(const struct coded_column *c, uint32_t what)
{
    return c->kind == what;
}

static bool is_of_family(const struct coded_column *c, uint32_t what)
{
    return c->family == what;
}

static struct column_costs measure(const struct columns *c, chooses *is_chosen, uint32_t what)
{
    const struct coded_column **some = calloc(c->n, sizeof(const struct coded_column *));
    size_t n = 0;
    if (some == NULL)
        err(1, "memory for columns");
    for (size_t i = 0; i < c->n; i++)
        if (is_chosen(&c->all[i], what))
            some[n++] = &c->all[i];
    struct column_costs costs = columns_measure(some, n);
    free(some);
    return costs;
}

static void print_head(const char *what)
{
    printf("\n%-40s %8s %9s %6s %7s | %7s %9s %7s\n", what, "columns", "bytes", "share", "B/value",
           "build", "portable", "AVX2");
}

static void print_costs(const char *what, int len, const struct column_costs *k, size_t n_all)
{
    double n_values = (double)k->n_values, n_bytes = (double)k->n_bytes;
    printf("%-40.*s %8zu %9zu %5.1f%% %7.3f | %7.2f %9.2f %7.2f\n", len, what, k->n_columns,
           k->n_bytes, 100 * n_bytes / (double)n_all, n_bytes / n_values, k->build_ns,
           k->portable_ns, k->vectors_ns);
}

static void print_kinds(const struct columns *c, size_t n_all)
{
    print_head("encoding (times in ns a value)");
    for (uint32_t kind = 0; kind < COLUMN_KINDS; kind++) {
        struct column_costs costs = measure(c, is_of_kind, kind);
        if (costs.n_columns > 0)
            print_costs(columns_kind_name(kind), 40, &costs, n_all);
    }
}

static void print_families(const struct columns *c, size_t n_all)
{
    size_t *bytes = calloc(c->n_families, sizeof(*bytes));
    if (bytes == NULL)
        err(1, "memory for families");
    for (size_t i = 0; i < c->n; i++)
        bytes[c->all[i].family] += c->all[i].n_bytes;
    print_head("family, the largest first");
    for (int shown = 0; shown < FAMILIES_SHOWN; shown++) {
        uint32_t most = 0;
        for (uint32_t i = 1; i < c->n_families; i++)
            most = bytes[i] > bytes[most] ? i : most;
        if (bytes[most] == 0)
            break;
        struct column_costs costs = measure(c, is_of_family, most);
        const struct recording_text *name = &c->families[most];
        print_costs(name->at, (int)(name->len < 40 ? name->len : 40), &costs, n_all);
        bytes[most] = 0;
    }
    free(bytes);
}

static bool print_bar(const char *what, double bar, double seen)
{
    bool is_ok = seen <= bar;
    printf("%-58s %6.1f %8.2f  %s\n", what, bar, seen, is_ok ? "ok" : "OVER");
    return is_ok;
}

static void print_seen(const char *what, double seen)
{
    printf("%-58s %6s %8.2f\n", what, "", seen);
}

static double decode_ns(const struct column_costs *costs)
{
    return costs->vectors_ns > 0 ? costs->vectors_ns : costs->portable_ns;
}

/* A request looks series up, fills tails, and builds blocks of those that are full. */
static bool print_store(const struct recording *r, const struct columns *c)
{
    struct store_costs many = codec_store_measure(r, c, BATCH), one = codec_store_measure(r, c, 1);
    double find_ns = many.find_ns / BATCH;
    print_seen("requests with 16 samples of each series, all of it", many.append_ns);
    print_seen("  looking the series up", find_ns);
    bool is_ok =
        print_bar("  append: the rest while no block is full", append_bar, many.tail_ns - find_ns);
    print_seen("requests with a sample of each series, all of it", one.append_ns);
    print_seen("  looking the series up", one.find_ns);
    print_seen("read chunks, times and values: all, portable", one.read_portable_ns);
    print_seen("read chunks: all", one.read_ns);
    print_seen("read chunks: series that are not constant, portable", one.moving_portable_ns);
    print_seen("read chunks: series that are not constant", one.moving_ns);
    print_seen("select, all series of a target at a time", one.select_ns);
    return is_ok;
}

int main(int argc, char **argv)
{
    struct recording r;
    struct columns c;
    cpu_set_t one_core;
    if (argc != 3)
        errx(2, "usage: codec RECORDING TITLE");
    CPU_ZERO(&one_core);
    CPU_SET((unsigned)sched_getcpu(), &one_core);
    (void)sched_setaffinity(0, sizeof(one_core), &one_core);
    recording_load(&r, argv[1]);
    columns_init(&c, &r);
    struct column_costs all = measure(&c, is_any, 0), moving = measure(&c, is_not_constant, 0);

    printf("%s: %u series, %u values each\n", argv[2], c.n_series, c.n_scrapes);
    print_kinds(&c, all.n_bytes);
    print_costs("not constant", 40, &moving, all.n_bytes);
    print_costs("all", 40, &all, all.n_bytes);
    print_families(&c, all.n_bytes);

    printf("\n%-58s %6s %8s\n", "ns a sample", "bar", "seen");
    bool is_ok = print_bar("build columns: all", build_bar, all.build_ns);
    print_seen("build columns: not constant", moving.build_ns);
    is_ok &= print_bar("decode columns: all", decode_bar, decode_ns(&all));
    print_seen("decode columns: not constant", decode_ns(&moving));
    is_ok &= print_store(&r, &c);
    columns_release(&c);
    recording_release(&r);
    return is_ok ? 0 : 1;
}
