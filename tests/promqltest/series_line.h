/* A line of a script that names a series and its values: what `load` stores and what an eval
 * expects.
 *
 *     up{job="a"} 1 2x3 _ 0+1x10 stale {{count:3 sum:5}}x2
 *
 * Values of native histograms are counted, not read: the store has none yet. Everything read lives
 * in the caller's region. */
#ifndef TESTS_PROMQLTEST_SERIES_LINE_H
#define TESTS_PROMQLTEST_SERIES_LINE_H

#include "alloc/region.h"
#include "tsdb/labels.h"

enum item_kind { ITEM_GAP, ITEM_FLOAT, ITEM_STALE, ITEM_HISTOGRAM };

struct item {
    enum item_kind kind;
    double v; /* of ITEM_FLOAT */
};

struct series_line {
    struct labels labels; /* normalised */
    bool has_start_times; /* "metric@st": the values are when counting began */
    bool has_histograms;
    struct item *items;
    size_t n;
};

enum { ITEMS_MAX = 200000 }; /* of a line: a typing error shall not eat all memory */

/* False with *ret_error set when the line is not understood. */
bool series_line_read(const char *line, struct region *r, struct series_line *ret,
                      const char **ret_error) WARN_UNUSED;

/* A float as scripts write it: decimal, NaN, Inf with any sign. False when text is none. */
bool series_line_number(const char *text, size_t n, double *ret) WARN_UNUSED;

#endif
