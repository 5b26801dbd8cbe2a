/* /api/v1/admin/tsdb/...: what an administrator may do. */
#include "http/api.h"
#include "http/app.h"

#include <string.h>

/* What Prometheus' Go takes for a boolean. Nothing is skipped: a backup has what was accepted. */
static bool is_skip_head(const char *text)
{
    static const char *const known[] = {"",  "1", "t", "T",     "TRUE",  "true", "True",
                                        "0", "f", "F", "FALSE", "false", "False"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(text, known[i]) == 0)
            return true;
    return false;
}

void api_snapshot(struct request *rq)
{
    struct snapshot_report report;
    struct json j;
    char name[BACKUP_NAME_BYTES];
    struct saver *s = &rq->app->saver;
    if (!saver_is_on(s)) {
        reply_error(rq, API_UNAVAILABLE, "snapshots are off: --storage.path is empty");
        return;
    }
    if (!is_skip_head(params_text(&rq->params, "skip_head"))) {
        reply_error(rq, API_BAD_DATA, "unable to parse boolean \"skip_head\" argument");
        return;
    }
    int err = saver_backup(s, name, &report);
    if (err != 0) {
        reply_error(rq, API_INTERNAL, "snapshot to %s failed: %s%s%s", s->dir, tsdb_err_text(err),
                    report.detail[0] ? ": " : "", report.detail);
        return;
    }
    reply_begin(rq, &j);
    json_object(&j);
    json_key(&j, "name");
    json_string(&j, name);
    json_object_end(&j);
    reply_end(rq, &j);
}
