/* One segment after the other through a frame_reader, records put together by journal_assembly.
 *
 * Three things tell what is missing. The numbers of frames: gaps within a segment. The sequence of
 * records, which has no gaps within a segment. And the head of each segment, which says how far the
 * one before was good: only with it can the torn tail of a process that was killed be told from a
 * tail that was lost later. So a tail is judged when the next head is known (settle()).
 *
 * A body is what a stranger sent, and may hold whole frames. The reader takes none whose file id is
 * not the segment's; so the id must come from where no stranger writes: from the head, else from
 * the frame behind it, which begins at a place that is known, else from the next segment's head.
 * When all three are damaged the segment is given up: better to lose it than to replay what
 * somebody planted there. */
#include "snapshot/journal_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PROGRESS_BYTES = 1 << 20 };

struct replay {
    const struct journal_replay_options *o;
    struct journal_replay_report *report;
    unsigned owner;
    uint8_t *buffer; /* FRAME_BUFFER_BYTES */
    struct journal_progress progress;
    uint64_t told_bytes; /* of the last progress */

    uint64_t expected; /* the next sequence; 0 = any */

    /* the segment that is being read */
    uint64_t number;
    char name[JOURNAL_NAME_BYTES];
    struct frame_reader frames;
    bool has_begun; /* a frame of it was seen: the one before is settled */
    uint64_t good;  /* bytes up to the end of its last whole record */
    uint64_t seen;  /* .. of its last whole frame */

    struct journal_assembly assembly;

    /* the segment before; number 0: there was none */
    struct {
        uint64_t number, good, size;
    } before;
};

/* --- what is told --- */

/* The first damage is described, the others are counted by the caller. */
__attribute__((format(printf, 4, 5))) static void note_damage(struct replay *r, uint64_t segment,
                                                              uint64_t at, const char *format, ...)
{
    char *detail = r->report->detail, name[JOURNAL_NAME_BYTES];
    if (detail[0] != '\0')
        return;
    journal_name(segment, name);
    int n = snprintf(detail, sizeof r->report->detail, "%s: byte %" PRIu64 ": ", name, at);
    va_list args;
    va_start(args, format);
    vsnprintf(detail + n, sizeof r->report->detail - (size_t)n, format, args);
    va_end(args);
}

static void tell_progress(struct replay *r, bool is_due)
{
    if (!r->o->progress || (!is_due && r->progress.bytes < r->told_bytes + PROGRESS_BYTES))
        return;
    r->told_bytes = r->progress.bytes;
    r->o->progress(r->o->ctx, &r->progress);
}

/* --- from segment to segment --- */

/* The next record ought to have that sequence; segment and byte are where this was found out. */
static void lose_until(struct replay *r, uint64_t sequence, uint64_t segment, uint64_t at)
{
    if (r->expected != 0 && sequence > r->expected) {
        r->report->lost_records += sequence - r->expected;
        note_damage(r, segment, at, "%" PRIu64 " records are lost before it",
                    sequence - r->expected);
    }
    if (sequence > r->expected)
        r->expected = sequence;
}

/* What the end of the segment before lacks. next: the head behind it, NULL when that is lost or
 * there is none. */
static void settle(struct replay *r, const struct journal_head *next)
{
    uint64_t tail = r->before.size - r->before.good;
    bool is_next = next && r->before.number != 0 && next->before == r->before.number;
    bool is_gap = next && r->before.number != 0 && next->before > r->before.number;
    if (is_next && next->before_bytes > r->before.good) {
        r->report->lost_frames++;
        note_damage(r, r->before.number, r->before.good, "%" PRIu64 " bytes are lost",
                    next->before_bytes - r->before.good);
    } else if (tail > 0) {
        r->report->torn_segments++;
        r->report->torn_bytes += tail;
    }
    if (is_gap) {
        r->report->missing_segments++;
        note_damage(r, r->before.number, r->before.size, "the next segment is missing");
    }
    if ((is_next || is_gap) && next->before_bytes > 0)
        lose_until(r, next->before_sequence, next->number, 0);
    r->before.number = 0;
    r->before.size = r->before.good = 0;
}

static void begin_segment(struct replay *r, const struct journal_head *h)
{
    settle(r, h);
    if (h && (r->expected == 0 || h->sequence > r->expected))
        r->expected = h->sequence; /* what is between them failed, and was said to have */
    r->has_begun = true;
}

/* --- records --- */

static int visit(struct replay *r, struct journal_record *record)
{
    if (record->sequence < r->expected) {
        r->report->repeated++;
        note_damage(r, r->number, record->offset, "record %" PRIu64 " comes again",
                    record->sequence);
    }
    lose_until(r, record->sequence, r->number, record->offset);
    if (record->sequence == r->expected || r->expected == 0)
        r->expected = record->sequence + 1;
    record->segment = r->number;
    r->report->records++;
    r->report->record_bytes += journal_record_size(&r->assembly.head);
    return r->o->visit(r->o->ctx, record);
}

/* The record is passed over: its sequence shows that it is lost. */
static void lose_too_long(struct replay *r)
{
    const struct journal_assembly *a = &r->assembly;
    r->report->too_long++;
    note_damage(r, r->number, a->offset, "a record of %" PRIu64 " bytes, the limit is %" PRIu64,
                journal_record_size(&a->head), a->record_bytes_max);
}

static void say_no_memory(struct replay *r)
{
    const struct journal_assembly *a = &r->assembly;
    snprintf(r->report->detail, sizeof r->report->detail,
             "%s: byte %" PRIu64 ": no memory for a record of %" PRIu64 " bytes", r->name,
             a->offset, journal_record_size(&a->head));
}

static int take_record_frame(struct replay *r, const struct frame *f)
{
    struct journal_record record;
    int found = journal_assembly_take(&r->assembly, f, &record);
    if (found < 0)
        say_no_memory(r);
    else if (found == JOURNAL_ASSEMBLED_RECORD)
        return visit(r, &record);
    else if (found == JOURNAL_ASSEMBLED_TOO_LONG)
        lose_too_long(r);
    else if (found == JOURNAL_ASSEMBLED_LOST_FRAME) {
        r->report->lost_frames++;
        note_damage(r, r->number, f->offset, "a frame that is no part of a record");
    }
    return found < 0 ? found : 0;
}

/* --- one segment --- */

static int take_frame(struct replay *r, const struct frame *f)
{
    struct journal_head h;
    bool is_head = f->header.type == JOURNAL_FRAME_HEAD && f->header.number == 0 &&
                   journal_head_decode(f->payload, f->header.payload_bytes, &h) == 0 &&
                   h.number == r->number;
    if (!r->has_begun)
        begin_segment(r, is_head ? &h : NULL);
    r->seen = f->offset + FRAME_HEADER_BYTES + f->header.payload_bytes;
    int err = is_head ? 0 : take_record_frame(r, f);
    bool is_end_of_record =
        f->header.type != JOURNAL_FRAME_FIRST && f->header.type != JOURNAL_FRAME_MIDDLE;
    if (is_end_of_record)
        r->good = r->seen;
    return err;
}

/* A read error costs the rest of the segment. */
static int read_frames(struct replay *r)
{
    uint64_t before = r->progress.bytes;
    for (;;) {
        struct frame f;
        int more = frame_reader_next(&r->frames, &f);
        if (more == ERR_IO) {
            r->report->unreadable_segments++;
            note_damage(r, r->number, r->frames.base, "cannot be read: %s", strerror(errno));
            return 0;
        }
        if (more == ERR_NEWER_FORMAT)
            snprintf(r->report->detail, sizeof r->report->detail,
                     "%s has format %u, this program reads up to %u", r->name, r->frames.version,
                     JOURNAL_VERSION);
        if (more <= 0)
            return more;
        int err = take_frame(r, &f);
        if (err < 0)
            return err;
        r->progress.bytes = before + r->seen;
        tell_progress(r, false);
    }
}

/* Damage that has whole frames behind it. The rest of the file is judged by settle(). */
static void count_damage(struct replay *r)
{
    const struct frame_reader *f = &r->frames;
    r->report->lost_frames += f->n_lost;
    if (f->n_lost > 0 || (f->is_damaged && f->damaged_at < r->seen))
        note_damage(r, r->number, f->damaged_at, "damaged, %" PRIu64 " frames are lost", f->n_lost);
}

/* --- the id of a segment --- */

/* Reads the first bytes of a segment; how many there are, or -1. */
static int64_t read_begin(struct replay *r, uint64_t number, uint8_t *bytes, size_t n)
{
    char name[JOURNAL_NAME_BYTES];
    journal_name(number, name);
    int handle = r->o->io->ops->open(r->o->io, name, false);
    if (handle < 0)
        return -1;
    size_t got = 0;
    int err = io_read_full(r->o->io, handle, bytes, n, 0, &got);
    (void)r->o->io->ops->close(r->o->io, handle);
    return err < 0 ? -1 : (int64_t)got;
}

/* What the next segment's head says of this one's id; false: nothing. */
static bool id_from_next(struct replay *r, uint64_t *ret_id)
{
    uint8_t bytes[FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES];
    uint64_t next;
    struct frame_header h;
    struct journal_head head;
    if (journal_find(r->o->io, r->number + 1, &next, NULL, NULL) <= 0 ||
        read_begin(r, next, bytes, sizeof bytes) != (int64_t)sizeof bytes ||
        !frame_header_decode_as(&frame_kind_journal, bytes, &h) || h.version > JOURNAL_VERSION ||
        h.payload_bytes != JOURNAL_HEAD_BYTES ||
        frame_payload_checksum(bytes + FRAME_HEADER_BYTES, JOURNAL_HEAD_BYTES) !=
            h.payload_checksum ||
        journal_head_decode(bytes + FRAME_HEADER_BYTES, JOURNAL_HEAD_BYTES, &head) < 0 ||
        head.before != r->number || head.before_bytes == 0)
        return false;
    *ret_id = head.before_id;
    return true;
}

/* A header where one must be. True as well for one of another version: the reader says so. */
static bool find_id(struct replay *r, uint64_t *ret_id)
{
    uint8_t bytes[FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES + FRAME_HEADER_BYTES];
    struct frame_header h;
    int64_t n = read_begin(r, r->number, bytes, sizeof bytes);
    for (int64_t at = 0; at + FRAME_HEADER_BYTES <= n;
         at += FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES) {
        if (!frame_header_decode_as(&frame_kind_journal, bytes + at, &h))
            continue;
        *ret_id = h.file_id;
        return true;
    }
    return id_from_next(r, ret_id);
}

/* --- all of it --- */

/* Opens the segment and reads it; what cannot be read is lost. */
static int read_segment(struct replay *r, uint64_t size)
{
    uint64_t id;
    bool has_id = find_id(r, &id);
    int handle = r->o->io->ops->open(r->o->io, r->name, false);
    if (handle < 0) {
        r->report->unreadable_segments++;
        note_damage(r, r->number, 0, "cannot be opened: %s", strerror(errno));
        return 0;
    }
    int err = 0;
    if (has_id) {
        frame_reader_init(&r->frames, r->o->io, handle, r->buffer);
        r->frames.kind = &frame_kind_journal;
        r->frames.has_id = true;
        r->frames.file_id = id;
        err = read_frames(r);
        count_damage(r);
    } else if (size > FRAME_HEADER_BYTES + JOURNAL_HEAD_BYTES) {
        r->report->unreadable_segments++;
        note_damage(r, r->number, 0, "neither the head nor what follows can be read");
    }
    if (err == 0)
        io_evict(r->o->io, handle, 0, size); /* it is read once */
    (void)r->o->io->ops->close(r->o->io, handle);
    return err;
}

static int replay_segment(struct replay *r, uint64_t number)
{
    r->number = number;
    journal_name(number, r->name);
    r->has_begun = false;
    r->good = r->seen = 0;
    int64_t size = r->o->io->ops->size(r->o->io, r->name);
    uint64_t bytes = size > 0 ? (uint64_t)size : 0, begin = r->progress.bytes;
    journal_assembly_begin(&r->assembly, size > 0 ? bytes : UINT64_MAX);
    r->progress.segment++;
    r->report->segments++;
    r->report->newest = number;
    tell_progress(r, true);
    int err = read_segment(r, bytes);
    if (err < 0)
        return err;
    if (!r->has_begun)
        begin_segment(r, NULL);
    r->before.number = number;
    r->before.good = r->good;
    r->before.size = bytes > r->good ? bytes : r->good;
    r->progress.bytes = begin + bytes;
    return 0;
}

static int replay_all(struct replay *r)
{
    uint64_t number, from = r->o->from > 0 ? r->o->from : 1;
    int found =
        journal_find(r->o->io, from, &number, &r->progress.n_bytes, &r->progress.n_segments);
    r->report->file_bytes = r->progress.n_bytes;
    r->report->oldest = found > 0 ? number : 0;
    while (found > 0 && (r->o->to == 0 || number <= r->o->to)) {
        int err = replay_segment(r, number);
        if (err < 0)
            return err;
        found = journal_find(r->o->io, number + 1, &number, NULL, NULL);
    }
    if (found < 0) {
        snprintf(r->report->detail, sizeof r->report->detail, "list %s: %s", r->o->io->place,
                 strerror(errno));
        return found;
    }
    settle(r, NULL);
    r->report->next_sequence = r->expected > 0 ? r->expected : 1;
    tell_progress(r, true);
    return 0;
}

bool journal_replay_is_clean(const struct journal_replay_report *r)
{
    return r->lost_frames == 0 && r->lost_records == 0 && r->missing_segments == 0 &&
           r->unreadable_segments == 0 && r->repeated == 0 && r->too_long == 0 &&
           r->detail[0] == '\0';
}

int journal_replay(const struct journal_replay_options *o, struct journal_replay_report *ret)
{
    memset(ret, 0, sizeof *ret);
    struct replay r = {.o = o, .report = ret};
    r.owner = budget_owner(o->arena->budget, "requests");
    journal_assembly_init(&r.assembly, o->arena, o->record_bytes_max);
    r.buffer = arena_span_get(o->arena, r.owner, FRAME_BUFFER_BYTES);
    if (!r.buffer) {
        snprintf(ret->detail, sizeof ret->detail, "no memory for the buffer of %d bytes",
                 (int)FRAME_BUFFER_BYTES);
        return ERR_NO_MEMORY;
    }
    int err = replay_all(&r);
    int saved = errno;
    arena_span_put(o->arena, r.owner, r.buffer, FRAME_BUFFER_BYTES);
    journal_assembly_release(&r.assembly);
    errno = saved;
    return err;
}
