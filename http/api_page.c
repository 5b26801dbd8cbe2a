/* What is asked for outside /api/v1: health, our metrics, and the page. */
#include "http/api.h"
#include "http/app.h"
#include "http/version.h"

#define TEXT_PLAIN "text/plain; charset=utf-8"

/* http/web/index.html, put into the binary by the Makefile */
extern const unsigned char web_index_html[], web_index_html_end[];

/* The words are Prometheus': promtool repeats them. */
void api_healthy(struct request *rq)
{
    static const char text[] = "Prometheus Server is Healthy.\n";
    reply_static(rq, 200, TEXT_PLAIN, text, sizeof(text) - 1);
}

void api_version(struct request *rq)
{
    static const char text[] =
        "{\"version\":\"" HOURGLASS_PROMETHEUS_VERSION "\",\"revision\":\"" HOURGLASS_VERSION
        "\",\"branch\":\"hourglass\",\"buildUser\":\"\",\"buildDate\":\"\","
        "\"goVersion\":\"\"}\n";
    reply_static(rq, 200, TEXT_PLAIN, text, sizeof(text) - 1);
}

/* Prometheus' answers while its lifecycle API is off: signals are what we have. */
void api_lifecycle(struct request *rq)
{
    static const char off[] = "Lifecycle API is not enabled.";
    static const char wrong[] = "Only POST or PUT requests allowed";
    if (rq->method == METHOD_GET)
        reply_static(rq, 405, TEXT_PLAIN, wrong, sizeof(wrong) - 1);
    else
        reply_static(rq, 403, TEXT_PLAIN, off, sizeof(off) - 1);
}

/* The route needs the store: before it is there the server answers 503 itself. */
void api_ready(struct request *rq)
{
    static const char text[] = "Prometheus Server is Ready.\n";
    reply_static(rq, 200, TEXT_PLAIN, text, sizeof(text) - 1);
}

void api_metrics(struct request *rq)
{
    struct chain *out = reply_chain(rq, "text/plain; version=0.0.4; charset=utf-8");
    metrics_text(rq->app, out);
    if (!chain_failed(out))
        return;
    region_release(&rq->region);
    reply_text(rq, 503, "out of memory\n");
}

/* Self-contained: the policy lets it run what it brings along and ask this server, nothing else. */
void api_page(struct request *rq)
{
    reply_header(rq, "Content-Security-Policy",
                 "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                 "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                 "frame-ancestors 'none'");
    reply_header(rq, "X-Content-Type-Options", "nosniff");
    reply_header(rq, "Cache-Control", "no-cache");
    reply_static(rq, 200, "text/html; charset=utf-8", (const char *)web_index_html,
                 (size_t)(web_index_html_end - web_index_html));
}
