/* The thread that writes. It takes all that waits, puts it into frames and writes them with one
 * call for up to JOURNAL_WRITE_BYTES; what came meanwhile is the next call's. So the number of
 * calls falls as the load rises, and a record waits for one write and its own. While it sleeps,
 * what is its own is lent to a thread that writes one record in its place (journal_write).
 *
 * It never syncs: a sync may take seconds. The syncer gets segments that are full (retired), and in
 * mode always the entries, when they are written.
 *
 * A write that fails ends its segment. What of the batch was written whole is kept and counts as
 * written; behind that the file is cut off. Should that fail as well, a piece of a record stays,
 * which no reader takes for one. Whole records that were answered with an error are left by a sync
 * that failed, and may come back. */
#include "snapshot/journal_state.h"

#include "snapshot/file_id.h"

#include <errno.h>

enum { NAMES_TRIED_MAX = 64 }; /* that are there already, when a segment is begun */

/* --- segments --- */

static int fail(struct journal *j, const char *call, uint64_t segment)
{
    pthread_mutex_lock(&j->lock);
    journal_failed_locked(j, call, segment, JOURNAL_FAILS_WRITE);
    pthread_mutex_unlock(&j->lock);
    return ERR_IO;
}

/* The directory was removed: makes it anew and says that what was in it is lost. */
static int remake_dir(struct journal *j)
{
    uint64_t bytes = 0, n = 0, oldest = 0;
    if (!j->o.remake_dir) {
        errno = ENOENT;
        return ERR_IO;
    }
    if (j->o.remake_dir(j->o.ctx) < 0 || j->io->ops->renew(j->io) < 0 ||
        journal_find(j->io, 1, &oldest, &bytes, &n) < 0)
        return ERR_IO;
    pthread_mutex_lock(&j->lock);
    journal_lost_locked(j, j->next_number);
    j->stats.bytes = bytes;
    j->stats.n_segments = n;
    j->stats.oldest = oldest;
    pthread_mutex_unlock(&j->lock);
    if (j->o.want_snapshot)
        j->o.want_snapshot(j->o.ctx, JOURNAL_WANT_SAFETY);
    return 0;
}

/* A handle for a new file; j->next_number is then its number. -1 and errno. */
static int create_file(struct journal *j, char name[JOURNAL_NAME_BYTES])
{
    bool is_remade = false;
    for (int i = 0; i < NAMES_TRIED_MAX; i++) {
        journal_name(j->next_number, name);
        int handle = j->io->ops->create(j->io, name);
        if (handle >= 0)
            return handle;
        if (errno == EEXIST) {
            j->next_number++;
        } else if (errno == ENOENT && !is_remade) {
            is_remade = true;
            if (remake_dir(j) < 0)
                return -1;
        } else
            return -1;
    }
    return -1;
}

/* The first frame; j->tip is then the new segment's. */
static int write_head(struct journal *j, const struct journal_segment *s, uint64_t file_id)
{
    struct journal_head h = {
        .number = s->number,
        .created_ms = journal_now_ms(j),
        .sequence = j->next_sequence,
        .before = j->before,
        .before_bytes = j->before_bytes,
        .before_sequence = j->before_sequence,
        .before_id = j->before_id,
    };
    uint8_t bytes[JOURNAL_HEAD_BYTES];
    journal_head_encode(&h, bytes);
    journal_batch_clear(&j->batch);
    journal_batch_add_head(&j->batch, bytes, file_id);
    size_t written;
    int err = io_write_parts(j->io, s->handle, j->batch.parts, j->batch.n_parts, &written);
    if (err < 0)
        return err;
    j->tip = (struct journal_tip){
        .file_id = file_id,
        .n_frames = 1,
        .end = written,
        .sequence_end = j->next_sequence,
    };
    return 0;
}

int journal_begin_segment(struct journal *j)
{
    char name[JOURNAL_NAME_BYTES];
    pthread_mutex_lock(&j->lock);
    j->retry_ns = journal_now_ns(j) + (int64_t)JOURNAL_RETRY_MS * 1000000;
    pthread_mutex_unlock(&j->lock);
    struct journal_segment s = {.names_mark = io_names_mark()};
    s.handle = create_file(j, name);
    if (s.handle < 0)
        return fail(j, "create", j->next_number);
    s.number = j->next_number++;
    if (write_head(j, &s, j->o.file_id ? j->o.file_id(j->o.ctx) : file_id_new()) < 0) {
        (void)fail(j, "write", s.number);
        int saved = errno;
        (void)j->io->ops->close(j->io, s.handle);
        (void)j->io->ops->remove(j->io, name);
        errno = saved;
        return ERR_IO;
    }
    s.good = j->tip.end;
    pthread_mutex_lock(&j->lock);
    j->current = s;
    j->stats.newest = s.number;
    j->stats.oldest = j->stats.oldest ? j->stats.oldest : s.number;
    j->stats.n_segments++;
    j->stats.bytes += s.good;
    pthread_mutex_unlock(&j->lock);
    return 0;
}

/* Hands the current segment over to the syncer. */
static void retire(struct journal *j)
{
    struct journal_segment *s = &j->current;
    bool is_empty = s->good <= JOURNAL_EMPTY_BYTES;
    if (!is_empty) {
        j->before = s->number;
        j->before_bytes = s->good;
        j->before_sequence = j->tip.sequence_end;
        j->before_id = j->tip.file_id;
    }
    pthread_mutex_lock(&j->lock);
    while (j->n_retired == JOURNAL_RETIRED_MAX)
        pthread_cond_wait(&j->progress, &j->lock);
    s->is_to_go = is_empty;
    j->retired[j->n_retired++] = *s;
    s->handle = -1;
    pthread_cond_signal(&j->sync_work);
    pthread_mutex_unlock(&j->lock);
}

/* A segment that can be written to, if one can be had. */
static bool make_ready(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    bool is_ready = journal_can_write_locked(j), is_there = j->current.handle >= 0;
    bool is_too_early = journal_now_ns(j) < j->retry_ns && j->fails != 0;
    if (!is_ready && is_too_early)
        errno = j->stats.sys_errno;
    pthread_mutex_unlock(&j->lock);
    if (is_ready)
        return true;
    if (is_there) {
        int saved = errno;
        retire(j);
        errno = saved;
    }
    return !is_too_early && journal_begin_segment(j) == 0;
}

/* --- entries --- */

/* Takes the entries of `writing` before `end` (NULL: all) out; those that are not for the syncer go
 * to *ret. */
static void take_out(struct journal *j, const struct journal_entry *end, int err,
                     struct journal_list *ret)
{
    bool is_for_sync = err == 0 && j->o.mode == JOURNAL_ALWAYS;
    while (j->writing.first != end) {
        struct journal_entry *e = journal_list_take(&j->writing);
        assert(!e->is_cut);
        if (is_for_sync) {
            journal_list_add(&j->written, e);
            continue;
        }
        j->waiting_bytes -= e->bytes;
        *(err == 0 ? &j->stats.n_records : &j->stats.n_failed) += 1;
        journal_list_add(ret, e);
    }
    if (is_for_sync)
        pthread_cond_signal(&j->sync_work);
}

/* An answer to all that the writer has taken, with errno; cuts stay. */
static void fail_all(struct journal *j)
{
    struct journal_list failed = {0};
    int saved = errno;
    pthread_mutex_lock(&j->lock);
    while (j->writing.first && !j->writing.first->is_cut) {
        struct journal_entry *e = j->writing.first;
        e->sys_errno = saved;
        take_out(j, e->next, ERR_IO, &failed);
    }
    j->at = j->writing.first;
    j->at_byte = 0;
    pthread_mutex_unlock(&j->lock);
    journal_answer(&failed, ERR_IO);
}

/* Once all before the cut is out of `writing`: ends the segment and answers. One without a record
 * goes on. */
static void cut_here(struct journal *j)
{
    struct journal_entry *cut = j->at;
    if (j->current.handle >= 0 && j->current.good > JOURNAL_EMPTY_BYTES) {
        retire(j);
        (void)journal_begin_segment(j);
    }
    pthread_mutex_lock(&j->lock);
    assert(j->writing.first == cut);
    (void)journal_list_take(&j->writing);
    j->at = j->writing.first;
    cut->segment = j->current.handle >= 0 ? j->current.number : j->next_number;
    cut->is_cut = false; /* done: the caller's again */
    pthread_cond_broadcast(&j->progress);
    pthread_mutex_unlock(&j->lock);
}

/* --- writing --- */

static void begin_record(struct journal *j)
{
    struct journal_entry *e = j->at;
    struct journal_record_head h = {
        .sequence = e->sequence = j->next_sequence++,
        .time_ms = e->time_ms,
        .kind = e->kind,
        .meta_bytes = (uint32_t)e->meta_bytes,
        .body_bytes = e->bytes - JOURNAL_RECORD_BYTES - e->meta_bytes,
    };
    journal_record_encode(&h, e->head);
    e->segment = j->current.number;
}

/* Fills the batch from j->at on. It ends before a cut, and before the next segment is due; it is
 * empty when one of these is what comes next. */
static void fill_batch(struct journal *j)
{
    struct journal_tip *s = &j->tip;
    struct journal_batch *b = &j->batch;
    journal_batch_clear(b);
    while (j->at && !j->at->is_cut) {
        if (j->at_byte == 0 && s->end + b->bytes >= j->o.segment_bytes)
            return;
        if (j->at_byte == 0)
            begin_record(j);
        size_t n = journal_batch_add(b, j->at, j->at_byte, s->file_id, s->n_frames);
        if (n == 0) {
            if (j->at_byte == 0)
                j->next_sequence--; /* begun again in the next batch */
            return;
        }
        s->n_frames++;
        j->at_byte += n;
        if (j->at_byte == j->at->bytes) {
            j->at->end = s->end + b->bytes;
            j->at = j->at->next;
            j->at_byte = 0;
        }
    }
}

/* The first entry of `writing` that does not end within the first `end` bytes of the segment, and
 * what is good by then. */
static struct journal_entry *first_beyond(struct journal *j, uint64_t end, uint64_t *ret_good)
{
    struct journal_entry *e = j->writing.first;
    for (; e != j->at && e->end <= end; e = e->next) {
        *ret_good = e->end;
        j->tip.sequence_end = e->sequence + 1;
    }
    return e;
}

/* Whether to ask for a snapshot because of the size, now. */
static bool note_size_locked(struct journal *j)
{
    bool is_new = !j->stats.wants_room && j->stats.bytes >= j->o.max_bytes / JOURNAL_WANT_SHARE;
    j->stats.wants_room |= is_new;
    return is_new && j->o.want_snapshot;
}

/* After a write of `written` bytes, be it all or not. */
static void note_written(struct journal *j, size_t written, bool is_slow, bool is_good)
{
    struct journal_segment *s = &j->current;
    struct journal_list done = {0};
    uint64_t good = s->good;
    struct journal_entry *end = first_beyond(j, j->tip.end + written, &good);
    j->tip.end += written;
    int saved = errno;
    uint64_t kept = j->tip.end;
    if (!is_good && good < j->tip.end && j->io->ops->truncate(j->io, s->handle, good) == 0)
        kept = good;
    pthread_mutex_lock(&j->lock);
    j->stats.bytes += written;
    j->stats.bytes -= j->tip.end - kept;
    j->stats.n_writes += is_good;
    j->is_slow = is_slow;
    for (const struct journal_entry *e = j->writing.first; e != end; e = e->next)
        j->stats.record_bytes += e->bytes;
    s->good = good;
    take_out(j, end, 0, &done);
    if (is_good)
        journal_works_locked(j, JOURNAL_FAILS_WRITE);
    bool is_wanted = note_size_locked(j);
    pthread_mutex_unlock(&j->lock);
    if (is_wanted)
        j->o.want_snapshot(j->o.ctx, JOURNAL_WANT_ROOM);
    journal_answer(&done, 0);
    errno = saved;
}

static int write_batch(struct journal *j)
{
    size_t written;
    struct journal_batch *b = &j->batch;
    int64_t start = journal_now_ns(j);
    int err = io_write_parts(j->io, j->current.handle, b->parts, b->n_parts, &written);
    bool is_slow = journal_now_ns(j) - start > JOURNAL_PROMPT_NS;
    if (err < 0)
        (void)fail(j, "write", j->current.number);
    note_written(j, written, is_slow, err == 0);
    return err;
}

/* A record that was begun in a segment goes on in it or fails: make_ready may not change it then.
 */
static int write_some(struct journal *j)
{
    bool is_within = j->at_byte > 0;
    if (!is_within && !make_ready(j))
        return ERR_IO;
    fill_batch(j);
    if (j->batch.n_frames == 0) {
        if (!j->at->is_cut)
            retire(j);
        return 0;
    }
    int err = write_batch(j);
    if (err < 0) {
        int saved = errno;
        retire(j);
        errno = saved;
    }
    return err;
}

static void write_all(struct journal *j)
{
    while (j->at) {
        if (j->at->is_cut)
            cut_here(j);
        else if (write_some(j) < 0)
            fail_all(j);
    }
}

void journal_write_lent(struct journal *j)
{
    if (write_some(j) < 0)
        fail_all(j);
    assert(!j->at);
    pthread_mutex_lock(&j->lock);
    j->is_lent = false;
    if (j->queue.first || j->is_closing)
        pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
}

void *journal_writer_run(void *journal)
{
    struct journal *j = journal;
    pthread_setname_np(pthread_self(), "journal-write");
    pthread_mutex_lock(&j->lock);
    for (;;) {
        j->is_writer_waiting = true;
        while ((!j->queue.first && !j->is_closing) || j->is_lent)
            pthread_cond_wait(&j->work, &j->lock);
        j->is_writer_waiting = false;
        if (!j->queue.first)
            break;
        journal_list_move(&j->writing, &j->queue);
        j->at = j->writing.first;
        pthread_mutex_unlock(&j->lock);
        write_all(j);
        pthread_mutex_lock(&j->lock);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}
