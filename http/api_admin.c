/* /api/v1/admin/tsdb/...: what an administrator may do. */
#include "http/api.h"
#include "http/app.h"

void api_snapshot(struct request *rq)
{
    struct snapshot_report report;
    struct json j;
    struct saver *s = &rq->app->saver;
    if (!saver_is_on(s)) {
        reply_error(rq, API_UNAVAILABLE, "snapshots are off: --storage.path is empty");
        return;
    }
    int err = saver_save(s, &report);
    if (err != 0) {
        reply_error(rq, API_INTERNAL, "snapshot to %s failed: %s%s%s", s->dir, tsdb_err_text(err),
                    report.detail[0] ? ": " : "", report.detail);
        return;
    }
    reply_begin(rq, &j);
    json_object(&j);
    json_key(&j, "name");
    json_string(&j, SNAPSHOT_NAME);
    json_object_end(&j);
    reply_end(rq, &j);
}
