/* POST /api/v1/write. Runs on the server's own thread: decoding first, then one short batch. */
#include "http/api.h"
#include "http/app.h"
#include "http/clock.h"
#include "http/log.h"
#include "http/remote_write.h"
#include "http/write_metadata.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { REFUSAL_LOG_INTERVAL_MS = 10000 };

/* One line in ten seconds: a sender that is refused comes back at once, with two thousand more. */
static void log_refusal(struct request *rq, int status, const char *text)
{
    static struct log_gate gate;
    uint64_t held;
    char line[REMOTE_WRITE_TEXT_MAX];
    if (!log_gate_open(&gate, clock_boot_ms(), REFUSAL_LOG_INTERVAL_MS, &held))
        return;
    size_t n = size_min(strcspn(text, "\n"), sizeof(line) - 1);
    memcpy(line, text, n);
    line[n] = '\0';
    LOG_WARN("Remote write refused.", log_i64("status", status), log_text("reason", line),
             log_u64("requests_not_logged", held), log_u64("body_bytes", rq->body.n));
}

/* By samples' time the glass turns, and memory comes back, only when somebody writes: there each
 * write is tried, and the budget refuses what does not fit. */
static bool is_closed(struct app *app)
{
    return ceiling_tell(&app->ceiling) == CEILING_WRITES &&
           app->config.storage_clock == CONFIG_CLOCK_WALL;
}

static int negotiate(const struct request *rq, struct remote_write_format *ret, char *text)
{
    ret->hash = tsdb_series_hash(rq->app->db);
    return remote_write_negotiate(rq->content_type, rq->content_encoding, &ret->version, text);
}

bool api_write_accept(struct request *rq)
{
    char text[REMOTE_WRITE_TEXT_MAX];
    struct remote_write_format format;
    int status = negotiate(rq, &format, text);
    if (status == 0 && is_closed(rq->app)) {
        atomic_fetch_add(&rq->app->ceiling.n_writes_refused, 1);
        status = 503;
        snprintf(text, sizeof(text),
                 "memory is used up (--storage.memory-limit): %s; try again later\n",
                 ceiling_row(CEILING_WRITES)->effect);
    }
    if (status == 0)
        return true;
    log_refusal(rq, status, text);
    recorder_answer(
        rq, &(struct write_answer){.status = status,
                                   .text = text,
                                   .is_v2 = format.version == REMOTE_WRITE_V2 && status != 415});
    return false;
}

static void count(struct metrics *m, const struct request *rq, const struct remote_write *rw)
{
    metrics_add(m, METRIC_WRITE_BYTES, rq->body.n);
    metrics_add(m, METRIC_WRITE_SAMPLES, rw->body.n_samples);
    metrics_add(m, METRIC_WRITE_INVALID_LABELS, rw->n_bad_labels);
    metrics_add(m, METRIC_WRITE_HISTOGRAMS_REFUSED, rw->body.n_histograms);
    metrics_add(m, METRIC_WRITE_EXEMPLARS, rw->body.n_exemplars);
    metrics_add(m, METRIC_WRITE_EXEMPLARS_REFUSED, rw->n_exemplars_refused);
}

/* What was stored, or was there already, and what was said about metrics. In 2.0 that comes with
 * samples or not at all. */
static bool is_for_journal(const struct remote_write *rw)
{
    return remote_write_written(rw) + rw->n_exemplars + rw->body.n_metadata > 0;
}

/* It has to be in the journal before the sender hears of it. */
static void acknowledge(struct request *rq, struct remote_write *rw, struct write_answer *a)
{
    const uint8_t *meta;
    size_t n_meta;
    if (a->status == 503 || !is_for_journal(rw)) {
        region_release(&rq->region);
        recorder_answer(rq, a);
        return;
    }
    if (!remote_write_refusals(rw, &meta, &n_meta)) {
        region_release(&rq->region);
        a->status = 503;
        a->text = "out of memory (--storage.memory-limit); try again later\n";
        recorder_answer(rq, a);
        return;
    }
    if (n_meta == 0) /* the message is gone before anybody waits */
        region_release(&rq->region);
    recorder_write(&rq->app->recorder, rq, a, meta, n_meta);
}

/* For the message and what is made of it, before either takes memory. A length that cannot be read
 * or is over the limit is the decoder's to refuse. */
static int lease_message(struct request *rq, enum remote_write_version version, size_t *ret,
                         char text[REMOTE_WRITE_TEXT_MAX])
{
    struct lease_pool *p = &rq->app->ceiling.requests;
    size_t bytes = remote_write_lease_bytes(version, rq->body.bytes, rq->body.n,
                                            (size_t)rq->app->config.web_max_body_bytes);
    *ret = 0;
    if (!lease_grow(p, body_capacity(rq->body.n) + ARENA_PAGE_BYTES, bytes)) {
        snprintf(text, REMOTE_WRITE_TEXT_MAX,
                 "the memory for requests on their way is used up, %zu of %zu bytes "
                 "(--storage.memory-limit); try again later\n",
                 atomic_load(&p->leased_bytes), atomic_load(&p->limit_bytes));
        return 503;
    }
    *ret = bytes;
    return 0;
}

static int check_samples(struct app *app, const struct remote_write *rw,
                         char text[REMOTE_WRITE_TEXT_MAX])
{
    if (rw->body.n_samples <= app->config.web_max_samples)
        return 0;
    metrics_add(&app->metrics, METRIC_WRITE_TOO_MANY, 1);
    snprintf(text, REMOTE_WRITE_TEXT_MAX,
             "the message has %" PRIu64 " samples, the limit is %" PRIu64 " (--web.max-samples)\n",
             rw->body.n_samples, app->config.web_max_samples);
    return 400;
}

/* A body of 2.0 has the metadata of all its series, each time, and to look at it costs as much as
 * to take the samples. So that is done when there is something new in it, and for one body in 16,
 * because what is not repeated for a day is forgotten; but not for much of the time, however many
 * new series there are and however fast bodies come. */
static bool is_metadata_due(const struct remote_write *rw, int64_t now_ms)
{
    enum { BODIES = 16 };
    static struct write_metadata_pace when_new = {.each_ms = 50, .n_at_once = 2000};
    static struct write_metadata_pace when_known = {.each_ms = 100, .n_at_once = 10};
    static _Atomic uint32_t turn;
    if (!rw->body.is_v2)
        return rw->body.n_metadata > 0;
    if (rw->n_asked > 0 && write_metadata_may(&when_new, now_ms))
        return true;
    /* Not each 16th: of a sender with 16 bodies a scrape that would be the same one each time. */
    uint32_t n = atomic_fetch_add(&turn, 1);
    return bytes_hash(&n, sizeof(n), 0) % BODIES == 0 && write_metadata_may(&when_known, now_ms);
}

/* Beside the verdict: what is refused of it is counted, and nothing that its sender could mend. */
static void keep_metadata(struct app *app, const struct remote_write *rw)
{
    int64_t now_ms = clock_boot_ms();
    if (!is_metadata_due(rw, now_ms))
        return;
    uint64_t n_refused =
        rw->body.is_v2 ? write_metadata_keep_v2(&app->metadata, &rw->body.symbols, rw->message,
                                                rw->n_message, now_ms)
                       : write_metadata_keep(&app->metadata, rw->message, rw->n_message, now_ms);
    metrics_add(&app->metrics, METRIC_WRITE_METADATA_REFUSED, n_refused);
}

void api_write(struct request *rq)
{
    struct app *app = rq->app;
    struct remote_write rw = {0};
    struct remote_write_format format;
    char text[REMOTE_WRITE_TEXT_MAX];
    size_t leased = 0;
    ENSURE(negotiate(rq, &format, text) == 0); /* it was accepted */
    int status = lease_message(rq, format.version, &leased, text);
    if (status == 0)
        status =
            remote_write_decode(&format, rq->body.bytes ? rq->body.bytes : "", rq->body.n,
                                (size_t)app->config.web_max_body_bytes, &rq->region, &rw, text);
    if (status == 0)
        status = check_samples(app, &rw, text);
    if (status == 0) {
        remote_write_append(&rw, app->db);
        keep_metadata(app, &rw);
        status = remote_write_verdict(&rw, text);
    }
    lease_give(&app->ceiling.requests, leased);
    ceiling_tell(&app->ceiling);
    count(&app->metrics, rq, &rw);
    if (status != 204)
        log_refusal(rq, status, text);
    struct write_answer answer = {.status = status,
                                  .text = text,
                                  .is_v2 = format.version == REMOTE_WRITE_V2,
                                  .n_samples = remote_write_written(&rw),
                                  .n_exemplars = rw.n_exemplars};
    acknowledge(rq, &rw, &answer);
}
