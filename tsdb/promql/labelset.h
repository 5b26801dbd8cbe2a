/* Label sets that a query makes out of those of the series: with labels left out, kept or set.
 *
 * Results borrow the texts of the labels that they come from; only the rows are new, in the region.
 * All functions return false when memory ran out. Pure otherwise. */
#ifndef HG_TSDB_PROMQL_LABELSET_H
#define HG_TSDB_PROMQL_LABELSET_H

#include "tsdb/promql/ast.h"
#include "tsdb/promql/textbuf.h"

bool labelset_is_name(const struct label *l);

/* __name__, or NULL. */
const struct label *labelset_name(const struct labels *ls);

/* Without __name__, __type__ and __unit__: what describes the metric and not its values. */
bool labelset_drop_metadata(struct region *r, struct labels *ls) WARN_UNUSED;

/* Only those named, or all but those named (and __name__ as well if drops_name). */
bool labelset_keep(struct region *r, const struct labels *ls, const struct word_list *names,
                   struct labels *ret) WARN_UNUSED;
bool labelset_drop(struct region *r, const struct labels *ls, const struct word_list *names,
                   bool drops_name, struct labels *ret) WARN_UNUSED;

/* The same, and the one before, into a row with room for all labels of ls. */
struct labels labelset_keep_in(struct label *row, const struct labels *ls,
                               const struct word_list *names);
struct labels labelset_drop_in(struct label *row, const struct labels *ls,
                               const struct word_list *names, bool drops_name);
struct labels labelset_drop_metadata_in(struct label *row, const struct labels *ls);

/* A row that is used again and again. */
struct labelset_row {
    struct label *items;
    uint32_t cap;
};

/* Room for n labels; what was in it is lost. */
bool labelset_row_fit(struct region *r, struct labelset_row *row, uint32_t n) WARN_UNUSED;

/* A new row, and if asked for new texts. */
bool labelset_copy(struct region *r, const struct labels *ls, bool copies_texts,
                   struct labels *ret) WARN_UNUSED;

/* With one label set to a value; an empty value removes it. */
bool labelset_set(struct region *r, const struct labels *ls, struct word name, struct word value,
                  struct labels *ret) WARN_UNUSED;

/* {a="b", c="d"}, as error texts show it. */
void labelset_text(struct textbuf *b, const struct labels *ls);

#endif
