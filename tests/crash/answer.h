/*
 * Reads the answer to a query of range selectors, {"status":"success","data":{"resultType":
 * "matrix","result":[{"metric":{..},"values":[[s,"text"],..]},..]}}, series by series. Numbers are
 * compared by their bits: the server prints the shortest text that reads back as the same double.
 */
#ifndef TESTS_CRASH_ANSWER_H
#define TESTS_CRASH_ANSWER_H

#include "tests/crash/load.h"

struct answer {
    const char *at;              /* the text that is left */
    const char *problem;         /* what was not understood; the text from there on is `at` */
    struct load_sample *samples; /* of the current series, ascending; NaNs are 0x7ff8000000000001 */
    uint32_t n_samples, capacity;
};

/* text: zero-terminated, stays the caller's. a starts zeroed. */
void answer_begin(struct answer *a, const char *text);

/* The next series, or false at the end and where there is a problem. */
bool answer_next(struct answer *a, struct load_series *ret);

void answer_release(struct answer *a);

#endif
