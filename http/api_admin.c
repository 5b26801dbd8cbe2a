/* /api/v1/admin/tsdb/...: what an administrator may do. */
#include "http/api.h"
#include "http/api_params.h"
#include "http/app.h"
#include "http/delete_record.h"
#include "http/log.h"

#include <errno.h>
#include <string.h>

void api_snapshot(struct request *rq)
{
    struct snapshot_report report;
    char name[BACKUP_NAME_BYTES];
    bool is_skipped;
    struct saver *s = &rq->app->saver;
    if (!saver_is_on(s)) {
        reply_error(rq, API_UNAVAILABLE, "snapshots are off: --storage.path is empty");
        return;
    }
    /* nothing is skipped: a backup has what was accepted */
    const char *skip_head = params_text(&rq->params, "skip_head");
    if (*skip_head != '\0' && !params_parse_bool(skip_head, &is_skipped)) {
        reply_error(rq, API_BAD_DATA, "unable to parse boolean \"skip_head\" argument");
        return;
    }
    int err = saver_backup(s, name, &report);
    if (err != 0) {
        reply_error(rq, API_INTERNAL, "snapshot to %s failed: %s%s%s", s->dir, tsdb_err_text(err),
                    report.detail[0] ? ": " : "", report.detail);
        return;
    }
    /* takes no memory: it is made, and would be lost without its name, which needs no escape */
    reply_text(rq, 200, "{\"status\":\"success\",\"data\":{\"name\":\"%s\"}}", name);
    rq->reply.content_type = "application/json";
}

/* ---- deleting ---- */

static bool is_enabled(struct request *rq)
{
    if (!rq->app->config.web_enable_admin_api)
        reply_error(rq, API_UNAVAILABLE, "admin APIs disabled");
    return rq->app->config.web_enable_admin_api;
}

/* Prometheus takes the selectors in turn, so that those before a bad one are obeyed; here all are
 * read before anything is deleted. Nor may one of them match every series by saying nothing. */
static bool read_deletion(struct request *rq, struct delete_record *ret)
{
    if (!api_params_well_formed(rq))
        return false;
    if (!params_next(&rq->params, "match[]", NULL)) {
        reply_error(rq, API_BAD_DATA, "no match[] parameter provided");
        return false;
    }
    return api_time(rq, "start", INT64_MIN, &ret->min_ms) &&
           api_time(rq, "end", INT64_MAX, &ret->max_ms) &&
           api_matchers(rq, true, &ret->sets, &ret->n_sets);
}

/* Into the journal, behind what it deletes. */
static int record_deletion(struct app *app, const struct delete_record *d, struct region *r)
{
    size_t n = delete_record_bytes(d);
    uint8_t *bytes = region_alloc(r, n);
    if (bytes == NULL)
        return ERR_NO_MEMORY;
    delete_record_put(d, bytes);
    return recorder_put(&app->recorder, RECORD_DELETE, bytes, n);
}

/* What was deleted before something went wrong stays deleted, so the answer says how much. */
static void answer_deletion(struct request *rq, int err, const struct delete_report *report)
{
    unsigned long long samples = report->samples, series = report->series;
    if (err == 0)
        reply_static(rq, 204, NULL, "", 0);
    else if (err == ERR_CANCELED)
        reply_error(rq, API_CANCELED,
                    "deletion was canceled: %llu samples were deleted before, %llu series with "
                    "all they had",
                    samples, series);
    else
        reply_error(rq, API_INTERNAL,
                    "deletion stopped: %s; %llu samples were deleted before, %llu series with all "
                    "they had; delete once more for the rest",
                    tsdb_err_text(err), samples, series);
}

static void log_deletion(const struct delete_record *d, int err, const struct delete_report *report)
{
    LOG_INFO("Samples deleted.", log_u64("samples", report->samples),
             log_u64("series", report->series), log_u64("selectors", d->n_sets),
             log_i64("min_ms", d->min_ms), log_i64("max_ms", d->max_ms),
             log_text("result", err == 0 ? "all" : tsdb_err_text(err)));
}

void api_delete_series(struct request *rq)
{
    struct app *app = rq->app;
    struct delete_record d = {0};
    struct delete_report report = {0};
    struct region ids;
    if (!is_enabled(rq) || !read_deletion(rq, &d))
        return;
    region_init(&ids, &app->arena, app->owner_queries, rq->memory_bytes);
    int err = delete_record_apply(&d, app->db, &rq->cancel, &ids, &report);
    int record_err = err == 0 ? record_deletion(app, &d, &ids) : 0;
    int sys_errno = errno;
    region_release(&ids);
    log_deletion(&d, err, &report);
    delete_record_release(&d);
    if (record_err != 0)
        reply_error(rq, API_UNAVAILABLE,
                    "the samples are deleted, but the journal does not know: %s%s%s; delete once "
                    "more, or they may be back after a crash",
                    tsdb_err_text(record_err), record_err == ERR_IO ? ": " : "",
                    record_err == ERR_IO ? strerror(sys_errno) : "");
    else
        answer_deletion(rq, err, &report);
}

/* There are none: what is deleted is gone at once. */
void api_clean_tombstones(struct request *rq)
{
    if (is_enabled(rq))
        reply_static(rq, 204, NULL, "", 0);
}
