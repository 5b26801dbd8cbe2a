/* Which time is at which place of a timeline, as a batch of appends has just found out: nearly all
 * its series have the same. True as long as the timelines live, so it is forgotten where a
 * times_cache is emptied (timeline.h). Zero it first.
 *
 * Threads: none; the batch's own. */
#ifndef HG_TSDB_TIMES_MEMO_H
#define HG_TSDB_TIMES_MEMO_H

#include "alloc/pool.h"

/* Which time is at which place, as a batch of appends has just found out: nearly all its series
 * have the same. True as long as the timelines live; forgotten where a times_cache is emptied. */
enum { TIMES_MEMO = 64 };
struct times_memo {
    struct {
        slot timeline; /* 0 = empty */
        uint32_t at, time;
    } items[TIMES_MEMO];
};

static inline unsigned times_memo_place(slot timeline, uint32_t at)
{
    return (timeline * 2654435761u + at) % TIMES_MEMO; /* Knuth's; neighbours do not meet */
}

static inline bool times_memo_has(const struct times_memo *m, slot timeline, uint32_t at,
                                  uint32_t time)
{
    unsigned i = times_memo_place(timeline, at);
    return m->items[i].timeline == timeline && m->items[i].at == at && m->items[i].time == time;
}

static inline void times_memo_note(struct times_memo *m, slot timeline, uint32_t at, uint32_t time)
{
    unsigned i = times_memo_place(timeline, at);
    m->items[i].timeline = timeline;
    m->items[i].at = at;
    m->items[i].time = time;
}

#endif
