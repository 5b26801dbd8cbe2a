#include "tests/crash/oracle.h"

#include <assert.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

void oracle_init(struct oracle *o, uint32_t n_parts)
{
    memset(o, 0, sizeof(*o));
    o->n_parts = n_parts;
}

void oracle_release(struct oracle *o)
{
    free(o->entries);
    memset(o, 0, sizeof(*o));
}

static struct oracle_entry *entry(const struct oracle *o, const struct load_request *r)
{
    assert(r->tick < o->n_ticks && r->part < o->n_parts);
    return &o->entries[(size_t)r->tick * o->n_parts + r->part];
}

const struct oracle_entry *oracle_find(const struct oracle *o, const struct load_request *r)
{
    static const struct oracle_entry unsent;
    return r->tick < o->n_ticks ? entry(o, r) : &unsent;
}

static void make_room(struct oracle *o, uint32_t tick)
{
    if (tick >= o->capacity) {
        uint32_t capacity = 2 * (tick + 1);
        size_t bytes = sizeof(*o->entries) * o->n_parts;
        o->entries = realloc(o->entries, capacity * bytes);
        if (o->entries == NULL)
            err(2, "memory for what was sent");
        memset(o->entries + (size_t)o->capacity * o->n_parts, 0, (capacity - o->capacity) * bytes);
        o->capacity = capacity;
    }
    if (tick >= o->n_ticks)
        o->n_ticks = tick + 1;
}

void oracle_sent(struct oracle *o, const struct load_request *r)
{
    make_room(o, r->tick);
    struct oracle_entry *e = entry(o, r);
    if (e->state == ORACLE_UNSENT)
        e->state = ORACLE_DOUBTFUL;
    if (!o->is_any || r->tick > o->newest_tick)
        o->newest_tick = r->tick;
    o->is_any = true;
}

void oracle_acknowledged(struct oracle *o, const struct load_request *r, uint32_t now_ms)
{
    struct oracle_entry *e = entry(o, r);
    assert(e->state != ORACLE_UNSENT);
    /* what was promised already is not promised later because it was said again */
    if (e->state != ORACLE_ACKNOWLEDGED)
        e->ack_ms = now_ms;
    e->state = ORACLE_ACKNOWLEDGED;
    e->is_held = true;
}

void oracle_ended(struct oracle *o, uint32_t promised_ms)
{
    for (size_t i = 0; i < (size_t)o->n_ticks * o->n_parts; i++) {
        struct oracle_entry *e = &o->entries[i];
        e->is_held = false;
        if (e->state == ORACLE_ACKNOWLEDGED && e->ack_ms > promised_ms)
            e->state = ORACLE_LAPSED;
        e->n_present = 0;
        e->n_absent = 0;
    }
}

void oracle_looked(struct oracle *o, const struct load_request *r, bool is_present)
{
    struct oracle_entry *e = entry(o, r);
    uint16_t *count = is_present ? &e->n_present : &e->n_absent;
    if (*count < UINT16_MAX)
        ++*count;
}

void oracle_settle(struct oracle *o)
{
    for (size_t i = 0; i < (size_t)o->n_ticks * o->n_parts; i++) {
        struct oracle_entry *e = &o->entries[i];
        bool is_open = e->state == ORACLE_DOUBTFUL || e->state == ORACLE_LAPSED;
        if (is_open)
            e->state = e->n_present > 0 && e->n_absent == 0 ? ORACLE_SEEN : ORACLE_DOUBTFUL;
        else if (e->state == ORACLE_ACKNOWLEDGED)
            e->ack_ms = 0; /* it was read from what is on disk */
    }
}
