/*
 * What became of each request of one connection: the other side of the crash tests. Not
 * thread-safe: a connection's thread has its own.
 */
#ifndef TESTS_CRASH_ORACLE_H
#define TESTS_CRASH_ORACLE_H

#include "tests/crash/load.h"

enum oracle_state {
    ORACLE_UNSENT,       /* nothing of it may ever be seen */
    ORACLE_DOUBTFUL,     /* sent without an answer, or no longer promised: may be there, in part */
    ORACLE_LAPSED,       /* acknowledged, but so shortly before the end that nothing is promised */
    ORACLE_SEEN,         /* was doubtful and was read after a start: its samples stay, stale markers
                            cannot be read and stay doubtful */
    ORACLE_ACKNOWLEDGED, /* all of it must be there */
};

struct oracle_entry {
    uint8_t state;
    bool is_held;      /* acknowledged by the server that runs now */
    uint16_t n_absent; /* of a doubtful request, at the last reading; stays at its largest */
    uint16_t n_present;
    uint32_t ack_ms; /* on the program's clock */
};

struct oracle {
    struct oracle_entry *entries; /* of (tick, part) */
    uint32_t n_parts, n_ticks, capacity;
    uint32_t newest_tick; /* of what was sent */
    bool is_any;          /* was anything sent */
};

void oracle_init(struct oracle *o, uint32_t n_parts);
void oracle_release(struct oracle *o);

/* UNSENT beyond the end; the pointer lives until the next oracle_sent. */
const struct oracle_entry *oracle_find(const struct oracle *o, const struct load_request *r);

/* Before the first byte goes out. What was acknowledged before (a repetition) stays so. */
void oracle_sent(struct oracle *o, const struct load_request *r);
void oracle_acknowledged(struct oracle *o, const struct load_request *r, uint32_t now_ms);

/* The server has ended. What it acknowledged after promised_ms is no longer promised; UINT32_MAX
 * where all is. */
void oracle_ended(struct oracle *o, uint32_t promised_ms);

/* A sample of a doubtful or lapsed request was looked for. */
void oracle_looked(struct oracle *o, const struct load_request *r, bool is_present);

/* All samples have been read: what was doubtful and is there must be there from now on. */
void oracle_settle(struct oracle *o);

#endif
