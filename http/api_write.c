/* POST /api/v1/write. Runs on the server's own thread: decoding first, then one short batch. */
#include "http/api.h"
#include "http/app.h"
#include "http/clock.h"
#include "http/log.h"
#include "http/remote_write.h"
#include "http/write_metadata.h"

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

bool api_write_accept(struct request *rq)
{
    char text[REMOTE_WRITE_TEXT_MAX];
    int status = remote_write_negotiate(rq->content_type, rq->content_encoding, text);
    if (status == 0)
        return true;
    log_refusal(rq, status, text);
    recorder_answer(rq, status, text);
    return false;
}

static void count(struct metrics *m, const struct request *rq, const struct remote_write *rw)
{
    metrics_add(m, METRIC_WRITE_BYTES, rq->body.n);
    metrics_add(m, METRIC_WRITE_SAMPLES, rw->body.n_samples);
    metrics_add(m, METRIC_WRITE_INVALID_LABELS, rw->n_bad_labels);
    metrics_add(m, METRIC_WRITE_HISTOGRAMS_REFUSED, rw->body.n_histograms);
}

/* What was stored, or was there already, has to be in the journal before the sender hears of it. */
static void acknowledge(struct request *rq, struct remote_write *rw, int status, const char *text)
{
    const uint8_t *meta;
    size_t n_meta;
    if (status == 503 || rw->counts.stored + rw->counts.duplicate == 0) {
        region_release(&rq->region);
        recorder_answer(rq, status, text);
        return;
    }
    if (!refusals_encode(&rw->refusals, &rw->body, &meta, &n_meta)) {
        region_release(&rq->region);
        recorder_answer(rq, 503, "out of memory (--storage.memory-limit); try again later\n");
        return;
    }
    if (n_meta == 0) /* the message is gone before anybody waits */
        region_release(&rq->region);
    recorder_write(&rq->app->recorder, rq, status, text, meta, n_meta);
}

/* Beside the verdict: what is refused of it is counted, and nothing that its sender could mend. */
static void keep_metadata(struct app *app, const struct remote_write *rw)
{
    if (rw->body.n_metadata > 0)
        metrics_add(
            &app->metrics, METRIC_WRITE_METADATA_REFUSED,
            write_metadata_keep(&app->metadata, rw->message, rw->n_message, clock_boot_ms()));
}

void api_write(struct request *rq)
{
    struct app *app = rq->app;
    struct remote_write rw;
    char text[REMOTE_WRITE_TEXT_MAX];
    int status =
        remote_write_decode(rq->body.bytes ? rq->body.bytes : "", rq->body.n,
                            (size_t)app->config.web_max_body_bytes, &rq->region, &rw, text);
    if (status == 0) {
        remote_write_append(&rw, app->db);
        keep_metadata(app, &rw);
        status = remote_write_verdict(&rw, text);
    }
    count(&app->metrics, rq, &rw);
    if (status != 204)
        log_refusal(rq, status, text);
    acknowledge(rq, &rw, status, text);
}
