/* promqltest [--names=delayed|immediate|both] [--as-3.5] [-q] FILE...: runs scripts of Prometheus'
 * test language against the store and the engine. A line for each eval that failed or was left out,
 * with file and line; last the sum. Exit code 1 when one failed, 2 for wrong use. */
#include "tests/promqltest/run.h"

#include "tsdb/promql/promql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRIPT_BYTES_MAX = 16 << 20 };

static char *read_file(const char *path, struct region *r)
{
    FILE *f = fopen(path, "r");
    char *text = f ? region_alloc(r, SCRIPT_BYTES_MAX + 1) : NULL;
    if (text) {
        size_t n = fread(text, 1, SCRIPT_BYTES_MAX, f);
        text[n] = 0;
    }
    if (f)
        fclose(f);
    return text;
}

static void run_script(struct run *run, struct script *s, struct region *of_script)
{
    struct command *c = malloc(sizeof(*c));
    struct region of_command;
    const char *error = NULL;
    if (!c)
        abort();
    region_init(&of_command, of_script->arena, of_script->owner, 0);
    for (;;) {
        if (script_next(s, &of_command, c, &error))
            run_command(run, c, &of_command);
        else if (error)
            run_failed_line(run, c->line, error);
        else
            break;
        region_release(&of_command);
    }
    free(c);
}

/* One file in one mode. */
static void run_file(struct run *total, const char *path, enum names_mode names)
{
    struct store store;
    struct region region;
    struct script script;
    struct run run = *total;
    store_init(&store);
    region_init(&region, &store.arena, store.owner, 0);
    run.path = path;
    run.store = &store;
    run.n_passed = run.n_failed = run.n_skipped = 0;
    run.features = total->features;
    if (names == NAMES_IMMEDIATE)
        run.features &= ~(unsigned)PROMQL_DELAYED_NAME_REMOVAL;
    char *text = read_file(path, &region);
    if (text && script_init(&script, text, &region))
        run_script(&run, &script, &region);
    else
        run_failed_line(&run, 0, "cannot be read");
    printf("%-60s %s %5u passed %4u failed %4u skipped\n", path,
           names == NAMES_DELAYED ? "delayed  " : "immediate", run.n_passed, run.n_failed,
           run.n_skipped);
    region_release(&region);
    store_release(&store);
    total->n_passed += run.n_passed;
    total->n_failed += run.n_failed;
    total->n_skipped += run.n_skipped;
}

int main(int argc, char **argv)
{
    struct run total = {.features = PROMQL_FEATURES_ALL & ~(unsigned)PROMQL_TYPE_AND_UNIT_LABELS};
    unsigned names = NAMES_DELAYED;
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "-q") == 0)
            total.is_quiet = true;
        else if (strcmp(argv[i], "--as-3.5") == 0)
            total.features &= ~(unsigned)PROMQL_MAIN;
        else if (strcmp(argv[i], "--names=both") == 0)
            names = NAMES_DELAYED | NAMES_IMMEDIATE;
        else if (strcmp(argv[i], "--names=immediate") == 0)
            names = NAMES_IMMEDIATE;
        else if (strcmp(argv[i], "--names=delayed") == 0)
            names = NAMES_DELAYED;
        else
            break;
    }
    if (i == argc || argv[i][0] == '-') {
        fprintf(stderr,
                "usage: promqltest [--names=delayed|immediate|both] [--as-3.5] [-q] FILE...\n");
        return 2;
    }
    for (; i < argc; i++) {
        if (names & NAMES_DELAYED)
            run_file(&total, argv[i], NAMES_DELAYED);
        if (names & NAMES_IMMEDIATE)
            run_file(&total, argv[i], NAMES_IMMEDIATE);
    }
    printf("%u passed, %u failed, %u skipped\n", total.n_passed, total.n_failed, total.n_skipped);
    return total.n_failed > 0;
}
