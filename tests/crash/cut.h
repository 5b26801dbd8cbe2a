/*
 * The power cut: puts a directory that was watched by unsynced.so into a state in which a disk may
 * be found after the power failed. What was synced is there. Of what was not
 *   - nothing is there, or
 *   - all up to some moment, and of a write at that moment a part, or
 *   - each operation or not, as it falls, and of one write a part: the kernel may write back in any
 *     order. Bytes that were never written but lie before some that were are zeros.
 * What a failed sync covered is never there. The program that wrote has ended; what it left when it
 * ended in good order (no log) is taken as it is.
 */
#ifndef TESTS_CRASH_CUT_H
#define TESTS_CRASH_CUT_H

#include <stdint.h>

enum cut_kind { CUT_ALL, CUT_SUFFIX, CUT_SOME, CUT_KINDS };

struct cut_report {
    enum cut_kind kind;
    uint64_t n_operations; /* noted: writes, truncations, names */
    uint64_t n_unsynced;
    uint64_t n_dropped; /* of these, not there any more */
};

/* The seed chooses the kind and everything else. Afterwards the side directory is empty. Exits with
 * a message when a directory cannot be read or written, or the log is not whole but for its end. */
void cut_power_of(const char *dir, const char *side, uint64_t seed, struct cut_report *ret);

/* The same with the kind given. */
void cut_power_as(enum cut_kind kind, const char *dir, const char *side, uint64_t seed,
                  struct cut_report *ret);

#endif
