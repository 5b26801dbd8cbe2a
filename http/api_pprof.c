/* /debug/pprof/heap: the ledger as a profile, for `go tool pprof` and whoever collects profiles of
 * everything that has this path. Headers and parameters are those of Go's net/http/pprof. */
#include "http/api.h"
#include "http/app.h"
#include "http/clock.h"
#include "http/pprof.h"

#include <string.h>

static void answer_no_memory(struct request *rq)
{
    region_release(&rq->region);
    reply_header(rq, "Retry-After", "5");
    reply_text(rq, 503, "no memory for a profile (--storage.memory-limit); try again later\n");
}

static void put_stack(struct chain *out, const struct profile *p, const struct profile_sample *s)
{
    chain_printf(out, "%14llu  ", (unsigned long long)s->bytes);
    for (size_t i = 0; i < s->n_frames; i++) {
        chain_put_text(out, i > 0 ? ";" : "");
        chain_put_text(out, p->names[s->frames[i]]);
    }
    chain_put_text(out, "\n");
}

/* A line a stack, the owner first: to read, to sort, and nearly what flamegraph.pl takes. */
static bool put_text(struct chain *out, const struct profile *p, const struct memory_report *m)
{
    chain_printf(out, "# bytes of %llu accounted (%llu resident), and where they are\n",
                 (unsigned long long)m->accounted_bytes, (unsigned long long)m->rss_bytes);
    for (size_t i = 0; i < p->n_samples; i++)
        put_stack(out, p, &p->samples[i]);
    return !chain_failed(out);
}

/* As Go reads it: what is no number is 0. */
static bool wants_text(const struct request *rq)
{
    int64_t debug;
    return params_parse_i64(params_text(&rq->params, "debug"), &debug) && debug != 0;
}

void api_pprof_heap(struct request *rq)
{
    struct tsdb_stats stats;
    struct memory_report report;
    struct profile profile;
    if (rq->params.is_out_of_memory) {
        answer_no_memory(rq);
        return;
    }
    if (*params_text(&rq->params, "seconds") != '\0') {
        reply_text(rq, 400,
                   "a profile over some seconds is not supported: get two, and compare them with "
                   "go tool pprof -diff_base\n");
        return;
    }
    tsdb_stats(rq->app->db, &stats);
    memory_report_make(rq->app, &report);
    bool is_text = wants_text(rq);
    struct chain *out =
        reply_chain(rq, is_text ? "text/plain; charset=utf-8" : "application/octet-stream");
    bool is_done = profile_make(&report, &stats, &rq->region, &profile) &&
                   (is_text ? put_text(out, &profile, &report)
                            : pprof_write(&profile, clock_wall_ms() * 1000000, out));
    if (!is_done) {
        answer_no_memory(rq);
        return;
    }
    reply_header(rq, "X-Content-Type-Options", "nosniff");
    if (!is_text)
        reply_header(rq, "Content-Disposition", "attachment; filename=\"heap\"");
}
