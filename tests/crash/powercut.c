/* powercut DIR SIDE SEED [all | suffix | some]: cut.h for scripts. Prints what was done as
 * "operations unsynced dropped". */
#include "tests/crash/cut.h"

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const char *const kinds[CUT_KINDS] = {"all", "suffix", "some"};
    struct cut_report report;
    int kind = 0;
    if (argc < 4 || argc > 5)
        errx(2, "usage: powercut DIR SIDE SEED [all | suffix | some]");
    uint64_t seed = strtoull(argv[3], NULL, 0);
    if (argc == 5) {
        while (kind < CUT_KINDS && strcmp(argv[4], kinds[kind]) != 0)
            kind++;
        if (kind == CUT_KINDS)
            errx(2, "no such kind of cut: %s", argv[4]);
        cut_power_as((enum cut_kind)kind, argv[1], argv[2], seed, &report);
    } else {
        cut_power_of(argv[1], argv[2], seed, &report);
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", report.n_operations, report.n_unsynced,
           report.n_dropped);
    return 0;
}
