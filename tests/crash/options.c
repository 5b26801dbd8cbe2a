#include "tests/crash/options.h"

#include "tests/crash/check.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void usage(void)
{
    fputs(
        "usage: kills [options] -- flags of the server\n"
        "  --kills=N          lives (12)\n"
        "  --seed=N           of everything; printed (SEED, or the clock)\n"
        "  --connections=N    (4)\n"
        "  --series=N         steady series of a request, two requests a tick (1500)\n"
        "  --life=MIN,MAX     ms under load (300,2500)\n"
        "  --window=MS --windows=N   as the server's flags (900000, 5)\n"
        "  --out-of-order=MS  the server's out-of-order window, above what late samples want "
        "(300000);\n"
        "                     a window that has rested so long goes into a file of its own\n"
        "  --step=MS --late=TICKS    from tick to tick, and how late a late sample is (15000, 15)\n"
        "  --promise=all | snapshot | MS   what may not be lost (all)\n"
        "  --end=kill | term  how a life ends (kill)\n"
        "  --library=FILE     unsynced.so, for the next two\n"
        "  --cut              drop what was not synced at the end of each life\n"
        "  --faults           let the disk fail for a while in some lives\n"
        "  --deletes          delete series as well; give the server --web.enable-admin-api\n"
        "  --lie=lost | invented | changed | deleted   the check must see it: exit code 1\n"
        "  --directory=DIR    made anew; kept after a failure (/tmp/hg-kills-PID)\n"
        "  --program=FILE     (build/hourglass)\n",
        stderr);
    exit(2);
}

static uint32_t number(const char *text, char **ret_end)
{
    unsigned long n = strtoul(text, ret_end, 10);
    if (*ret_end == text || n > UINT32_MAX)
        usage();
    return (uint32_t)n;
}

static uint32_t whole(const char *text)
{
    char *end;
    uint32_t n = number(text, &end);
    if (*end != '\0')
        usage();
    return n;
}

static unsigned choose(const char *text, const char *const *words)
{
    for (unsigned i = 0; words[i] != NULL; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    usage();
    return 0;
}

static void set_promise(struct options *o, const char *text)
{
    if (strcmp(text, "all") == 0) {
        o->promise = PROMISE_ALL;
    } else if (strcmp(text, "snapshot") == 0) {
        o->promise = PROMISE_SNAPSHOT;
    } else {
        o->promise = PROMISE_MS;
        o->promise_ms = whole(text);
    }
}

static void set_life(struct options *o, const char *text)
{
    char *end;
    o->min_ms = number(text, &end);
    o->max_ms = *end == ',' ? whole(end + 1) : o->min_ms;
    if (o->max_ms < o->min_ms)
        usage();
}

static void set_option(struct options *o, int option, const char *text)
{
    static const char *const lies[] = {"none", "lost", "invented", "changed", "deleted", NULL};
    static const char *const ends[] = {"kill", "term", NULL};
    switch (option) {
    case 'k':
        o->n_kills = whole(text);
        break;
    case 's':
        setenv("SEED", text, 1);
        break;
    case 'c':
        o->connections = whole(text);
        break;
    case 'n':
        o->series = whole(text);
        break;
    case 'l':
        set_life(o, text);
        break;
    case 'w':
        o->window_ms = whole(text);
        break;
    case 'W':
        o->n_windows = whole(text);
        break;
    case 'o':
        o->out_of_order_ms = whole(text);
        break;
    case 't':
        o->step_ms = whole(text);
        break;
    case 'T':
        o->late_ticks = whole(text);
        break;
    case 'p':
        set_promise(o, text);
        break;
    case 'e':
        o->end_signal = choose(text, ends) == 0 ? SIGKILL : SIGTERM;
        break;
    case 'u':
        o->is_cut = true;
        break;
    case 'f':
        o->is_faulty = true;
        break;
    case 'D':
        o->is_deleting = true;
        break;
    case 'b':
        o->library = text;
        break;
    case 'L':
        o->lie = choose(text, lies);
        break;
    case 'd':
        o->directory = text;
        break;
    case 'P':
        o->program = text;
        break;
    default:
        usage();
    }
}

int options_parse(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"kills", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 's'},
        {"connections", required_argument, NULL, 'c'},
        {"series", required_argument, NULL, 'n'},
        {"life", required_argument, NULL, 'l'},
        {"window", required_argument, NULL, 'w'},
        {"windows", required_argument, NULL, 'W'},
        {"out-of-order", required_argument, NULL, 'o'},
        {"step", required_argument, NULL, 't'},
        {"late", required_argument, NULL, 'T'},
        {"promise", required_argument, NULL, 'p'},
        {"end", required_argument, NULL, 'e'},
        {"cut", no_argument, NULL, 'u'},
        {"deletes", no_argument, NULL, 'D'},
        {"faults", no_argument, NULL, 'f'},
        {"library", required_argument, NULL, 'b'},
        {"lie", required_argument, NULL, 'L'},
        {"directory", required_argument, NULL, 'd'},
        {"program", required_argument, NULL, 'P'},
        {NULL, 0, NULL, 0},
    };
    *o = (struct options){
        .n_kills = 12,
        .connections = 4,
        .series = 1500,
        .min_ms = 300,
        .max_ms = 2500,
        .window_ms = 900000,
        .n_windows = 5,
        .out_of_order_ms = 300000,
        .step_ms = 15000,
        .late_ticks = 15,
        .end_signal = SIGKILL,
        .program = "build/hourglass",
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) >= 0;)
        set_option(o, option, optarg);
    if (o->connections < 1 || o->connections > OPTIONS_CONNECTIONS_MAX || o->n_windows < 1 ||
        o->n_windows > CHECK_WINDOWS_MAX || o->window_ms < 1000 ||
        o->late_ticks > LOAD_LATE_TICKS_MAX || o->step_ms <= LOAD_SPREAD_MS(o->connections) ||
        o->out_of_order_ms < (o->late_ticks + 2) * o->step_ms ||
        argc - optind > OPTIONS_FLAGS_MAX || ((o->is_cut || o->is_faulty) && o->library == NULL))
        usage();
    return optind;
}
