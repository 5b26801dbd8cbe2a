/* The handlers that route.c refers to, one line each. Each reads a request and fills its reply;
 * which thread runs it says the route's flags. */
#ifndef HG_HTTP_API_H
#define HG_HTTP_API_H

#include "http/request.h"

/* api_write.c */
bool api_write_accept(struct request *rq); /* 415 before the body is read */
void api_write(struct request *rq);

/* api_query.c */
void api_query(struct request *rq);
void api_query_range(struct request *rq);

/* api_text.c */
void api_format_query(struct request *rq);
void api_parse_query(struct request *rq);

/* api_exemplars.c */
void api_query_exemplars(struct request *rq);

/* api_labels.c */
void api_series(struct request *rq);
void api_labels(struct request *rq);
void api_label_values(struct request *rq);

/* api_status.c */
void api_buildinfo(struct request *rq);
void api_flags(struct request *rq);
void api_runtimeinfo(struct request *rq);
void api_walreplay(struct request *rq);
void api_memory(struct request *rq);

/* api_queries.c */
void api_queries(struct request *rq);

/* api_metadata.c */
void api_metadata(struct request *rq);

/* api_empty.c */
void api_rules(struct request *rq);
void api_alerts(struct request *rq);
void api_alertmanagers(struct request *rq);
void api_targets(struct request *rq);
void api_targets_metadata(struct request *rq);
void api_scrape_pools(struct request *rq);
void api_notifications(struct request *rq);
void api_config(struct request *rq);

/* api_tsdb.c */
void api_tsdb(struct request *rq);

/* api_pprof.c */
void api_pprof_heap(struct request *rq);

/* api_admin.c */
void api_snapshot(struct request *rq);
void api_delete_series(struct request *rq);
void api_clean_tombstones(struct request *rq);

/* api_federate.c */
void api_federate(struct request *rq);

/* api_page.c */
void api_healthy(struct request *rq);
void api_ready(struct request *rq);
void api_version(struct request *rq);
void api_lifecycle(struct request *rq);
void api_metrics(struct request *rq);
void api_page(struct request *rq);

#endif
