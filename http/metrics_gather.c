/* One walk over everything that is known about this process. A family is a row of the table below;
 * a function a subject emits them. Nothing is kept between walks: a metric is read where it lives.
 */
#include "http/app.h"
#include "http/memory_report.h"
#include "http/metrics.h"
#include "http/metrics_codes.h"
#include "http/process.h"
#include "http/route.h"
#include "http/version.h"
#include "tsdb/exemplars.h"
#include "tsdb/promql/float_text.h"

#include <stdio.h>
#include <string.h>

enum family {
    BUILD_INFO,
    READY,
    HEAD_SERIES,
    HEAD_CHUNKS,
    HEAD_SERIES_CREATED,
    HEAD_SERIES_REMOVED,
    HEAD_CHUNKS_CREATED,
    HEAD_CHUNKS_REMOVED,
    HEAD_SAMPLES_APPENDED,
    HEAD_MIN_TIME,
    HEAD_MAX_TIME,
    LOWEST_TIMESTAMP,
    OUT_OF_ORDER_SAMPLES,
    OUT_OF_BOUND_SAMPLES,
    TOO_OLD_SAMPLES,
    REPLAY_SECONDS,
    RETENTION_SECONDS,
    RETENTION_BYTES,
    SAMPLES,
    SAMPLES_REFUSED,
    REQUESTS_REFUSED,
    SAMPLES_DUPLICATE,
    SAMPLES_DELETED,
    SYMBOLS,
    LABEL_PAIRS,
    WINDOW_SAMPLES,
    WINDOW_BYTES,
    WINDOW_PAYLOAD,
    POOL_PAGES,
    POOL_SLOTS_USED,
    MEMORY_BYTES,
    MEMORY_RESIDENT,
    MEMORY_LIMIT,
    MEMORY_UNACCOUNTED,
    MEMORY_TOLERANCE,
    MEMORY_WASTE,
    MEMORY_HEAP,
    MEMORY_REFUSED,
    MEMORY_STAGE,
    MEMORY_STAGES_BEGUN,
    MEMORY_STAGE_BEGINS,
    MEMORY_FREE,
    MEMORY_LEASED,
    MEMORY_LEASE_LIMIT,
    MEMORY_LEASES_REFUSED,
    WINDOWS_DROPPED,
    SAMPLES_DROPPED,
    SNAPSHOT_SUCCESS,
    SNAPSHOT_SECONDS,
    SNAPSHOT_BYTES,
    SNAPSHOTS,
    SNAPSHOTS_FAILED,
    JOURNAL_FAILING,
    JOURNAL_UNSAFE,
    JOURNAL_BYTES,
    JOURNAL_MAX_BYTES,
    JOURNAL_SEGMENTS,
    JOURNAL_UNSYNCED,
    JOURNAL_WAITING,
    JOURNAL_OLDEST_WAIT,
    JOURNAL_SYNC_AGE,
    JOURNAL_RECORDS,
    JOURNAL_WRITTEN_BYTES,
    JOURNAL_WRITES,
    JOURNAL_SYNCS,
    JOURNAL_FAILURES,
    JOURNAL_REFUSED,
    JOURNAL_SYNC_SECONDS,
    JOURNAL_REPLAYED,
    JOURNAL_LOST,
    JOURNAL_LOST_FRAMES,
    JOURNAL_TORN,
    DAMAGED_FILES,
    DAMAGED_FRAMES,
    DAMAGED_BLOCKS,
    LEFT_WINDOWS,
    LEFT_WINDOWS_EXPIRED,
    LEFT_BYTES,
    LEFT_BYTES_EXPIRED,
    LEFT_CARRIED,
    LEFT_CARRIED_BYTES,
    LEFT_RESTORED,
    LEFT_LOST_FRAMES,
    LEFT_REFUSED,
    WRITE_BYTES,
    WRITE_SAMPLES,
    WRITE_INVALID_LABELS,
    WRITE_HISTOGRAMS,
    WRITE_METADATA_REFUSED,
    WRITE_EXEMPLARS,
    WRITE_EXEMPLARS_REFUSED,
    EXEMPLARS_ADDED,
    EXEMPLARS_KEPT,
    EXEMPLARS_SERIES,
    EXEMPLARS_OLDEST,
    EXEMPLARS_MOST,
    ENGINE_QUERIES,
    ENGINE_QUERIES_MAX,
    ENGINE_SAMPLES,
    ENGINE_SECONDS,
    CONNECTIONS,
    CONNECTIONS_CUT,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    PROCESS_CPU,
    PROCESS_OPEN_FDS,
    PROCESS_MAX_FDS,
    PROCESS_VIRTUAL,
    PROCESS_RESIDENT,
    PROCESS_START,
    PROCESS_THREADS,
};

static const struct metric_family families[] = {
    [BUILD_INFO] = {"prometheus_build_info", "Versions, as labels of a constant 1.", METRIC_GAUGE},
    [READY] = {"prometheus_ready", "1 when requests to the API are served.", METRIC_GAUGE},
    [HEAD_SERIES] = {"prometheus_tsdb_head_series", "Series that are kept.", METRIC_GAUGE},
    [HEAD_CHUNKS] = {"prometheus_tsdb_head_chunks",
                     "Chunks that are kept: one a series and window.", METRIC_GAUGE},
    [HEAD_SERIES_CREATED] = {"prometheus_tsdb_head_series_created_total", "Series made.",
                             METRIC_COUNTER},
    [HEAD_SERIES_REMOVED] = {"prometheus_tsdb_head_series_removed_total", "Series removed.",
                             METRIC_COUNTER},
    [HEAD_CHUNKS_CREATED] = {"prometheus_tsdb_head_chunks_created_total", "Chunks made.",
                             METRIC_COUNTER},
    [HEAD_CHUNKS_REMOVED] = {"prometheus_tsdb_head_chunks_removed_total", "Chunks removed.",
                             METRIC_COUNTER},
    [HEAD_SAMPLES_APPENDED] = {"prometheus_tsdb_head_samples_appended_total", "Samples stored.",
                               METRIC_COUNTER},
    [HEAD_MIN_TIME] = {"prometheus_tsdb_head_min_time", "Oldest sample kept, ms since the epoch.",
                       METRIC_GAUGE},
    [HEAD_MAX_TIME] = {"prometheus_tsdb_head_max_time", "Newest sample kept, ms since the epoch.",
                       METRIC_GAUGE},
    [LOWEST_TIMESTAMP] = {"prometheus_tsdb_lowest_timestamp",
                          "Oldest sample kept, ms since the epoch.", METRIC_GAUGE},
    [OUT_OF_ORDER_SAMPLES] = {"prometheus_tsdb_out_of_order_samples_total",
                              "Samples refused: too far behind their series' newest.",
                              METRIC_COUNTER},
    [OUT_OF_BOUND_SAMPLES] = {"prometheus_tsdb_out_of_bound_samples_total",
                              "Samples refused: too far ahead of the clock.", METRIC_COUNTER},
    [TOO_OLD_SAMPLES] = {"prometheus_tsdb_too_old_samples_total",
                         "Samples refused: before the kept windows.", METRIC_COUNTER},
    [REPLAY_SECONDS] = {"prometheus_tsdb_data_replay_duration_seconds",
                        "Time that loading the snapshot took.", METRIC_GAUGE},
    [RETENTION_SECONDS] = {"prometheus_tsdb_retention_limit_seconds",
                           "Span of all windows together.", METRIC_GAUGE},
    [RETENTION_BYTES] = {"prometheus_tsdb_retention_limit_bytes",
                         "--storage.memory-limit in bytes.", METRIC_GAUGE},
    [SAMPLES] = {"hourglass_samples", "Samples that are kept.", METRIC_GAUGE},
    [SAMPLES_REFUSED] = {"hourglass_samples_refused_total", "Samples refused, by reason.",
                         METRIC_COUNTER},
    [REQUESTS_REFUSED] = {"hourglass_requests_refused_total",
                          "Requests refused whole, by reason: in_flight (--web.max-requests), "
                          "samples (--web.max-samples), memory (writes, at the last stage).",
                          METRIC_COUNTER},
    [SAMPLES_DUPLICATE] = {"hourglass_samples_duplicate_total",
                           "Samples that were stored already, bit for bit.", METRIC_COUNTER},
    [SAMPLES_DELETED] = {"hourglass_samples_deleted_total", "Samples deleted by delete_series.",
                         METRIC_COUNTER},
    [SYMBOLS] = {"hourglass_symbols", "Distinct label names.", METRIC_GAUGE},
    [LABEL_PAIRS] = {"hourglass_label_pairs", "Distinct label pairs.", METRIC_GAUGE},
    [WINDOW_SAMPLES] = {"hourglass_window_samples", "Samples by age of the window (0 = newest).",
                        METRIC_GAUGE},
    [WINDOW_BYTES] = {"hourglass_window_bytes", "Pages held by age of the window (0 = newest).",
                      METRIC_GAUGE},
    [WINDOW_PAYLOAD] = {"hourglass_window_payload_bytes",
                        "Encoded samples in those pages by age of the window (0 = newest).",
                        METRIC_GAUGE},
    [POOL_PAGES] = {"hourglass_pool_pages",
                    "Pages of chunk memory by age of the window (0 = newest) and slot size.",
                    METRIC_GAUGE},
    [POOL_SLOTS_USED] = {"hourglass_pool_slots_used",
                         "Used slots by age of the window (0 = newest) and slot size.",
                         METRIC_GAUGE},
    [MEMORY_BYTES] = {"hourglass_memory_bytes", "Memory by owner, counted by the owner.",
                      METRIC_GAUGE},
    [MEMORY_RESIDENT] = {"hourglass_memory_resident_bytes",
                         "Resident memory, read together with the owners' rows.", METRIC_GAUGE},
    [MEMORY_LIMIT] = {"hourglass_memory_limit_bytes", "--storage.memory-limit in bytes.",
                      METRIC_GAUGE},
    [MEMORY_UNACCOUNTED] = {"hourglass_memory_unaccounted_bytes",
                            "Resident memory without the sum of all owners: beyond the tolerance "
                            "it is a leak that nobody owns, or memory counted and not there.",
                            METRIC_GAUGE},
    [MEMORY_TOLERANCE] = {"hourglass_memory_tolerance_bytes",
                          "The most that may be unaccounted, in either direction: 2 % or 2 MiB.",
                          METRIC_GAUGE},
    [MEMORY_WASTE] = {"hourglass_memory_waste_bytes",
                      "Held but not used: inside slots, in free slots, in free pages.",
                      METRIC_GAUGE},
    [MEMORY_HEAP] = {"hourglass_memory_heap_bytes",
                     "libc's heap with the connections: used, and free but resident.",
                     METRIC_GAUGE},
    [MEMORY_REFUSED] = {"hourglass_memory_refused_total",
                        "Requests for memory that the limit refused.", METRIC_COUNTER},
    [MEMORY_STAGE] =
        {"hourglass_memory_stage",
         "How short memory is: 0 normal, 1 queries have less, 2 new series are refused, "
         "3 the oldest window is dropped early, 4 writes are refused.",
         METRIC_GAUGE},
    [MEMORY_STAGES_BEGUN] = {"hourglass_memory_stages_begun_total", "How often each stage began.",
                             METRIC_COUNTER},
    [MEMORY_STAGE_BEGINS] = {"hourglass_memory_stage_begins_below_bytes",
                             "A stage begins when hourglass_memory_free_bytes is less.",
                             METRIC_GAUGE},
    [MEMORY_FREE] = {"hourglass_memory_free_bytes",
                     "What is left for series and samples: the budget less what is kept.",
                     METRIC_GAUGE},
    [MEMORY_LEASED] = {"hourglass_memory_leased_bytes",
                       "Promised to queries, and to requests on their way.", METRIC_GAUGE},
    [MEMORY_LEASE_LIMIT] = {"hourglass_memory_lease_limit_bytes",
                            "The most that may be promised; less when memory is short.",
                            METRIC_GAUGE},
    [MEMORY_LEASES_REFUSED] = {"hourglass_memory_leases_refused_total",
                               "Queries, requests and connections that were promised none.",
                               METRIC_COUNTER},
    [WINDOWS_DROPPED] = {"hourglass_windows_dropped_early_total",
                         "Windows dropped before their time, for want of memory.", METRIC_COUNTER},
    [SAMPLES_DROPPED] = {"hourglass_samples_dropped_early_total", "Samples dropped with them.",
                         METRIC_COUNTER},
    [SNAPSHOT_SUCCESS] = {"hourglass_snapshot_last_success_timestamp_seconds",
                          "When the last snapshot was complete.", METRIC_GAUGE},
    [SNAPSHOT_SECONDS] = {"hourglass_snapshot_duration_seconds", "How long the last one took.",
                          METRIC_GAUGE},
    [SNAPSHOT_BYTES] = {"hourglass_snapshot_bytes", "Size of the last one.", METRIC_GAUGE},
    [SNAPSHOTS] = {"hourglass_snapshots_total", "Snapshots written.", METRIC_COUNTER},
    [DAMAGED_FILES] = {"hourglass_storage_damaged_files_total",
                       "Files of which something was lost at the start.", METRIC_COUNTER},
    [DAMAGED_FRAMES] = {"hourglass_storage_damaged_frames_total",
                        "Frames of files that could not be read.", METRIC_COUNTER},
    [DAMAGED_BLOCKS] = {"hourglass_storage_damaged_blocks_total",
                        "Blocks that were lost with them, beside those inside.", METRIC_COUNTER},
    [LEFT_WINDOWS] = {"hourglass_storage_left_windows",
                      "Windows that did not fit into memory at the start and are on disk.",
                      METRIC_GAUGE},
    [LEFT_WINDOWS_EXPIRED] = {"hourglass_storage_left_windows_expired_total",
                              "Of them those whose time was over since.", METRIC_COUNTER},
    [LEFT_BYTES] = {"hourglass_storage_left_bytes",
                    "Size of the files with what the journal held for such windows.", METRIC_GAUGE},
    [LEFT_BYTES_EXPIRED] = {"hourglass_storage_left_bytes_expired_total",
                            "Size of those that went when the window's time was over.",
                            METRIC_COUNTER},
    [LEFT_CARRIED] = {"hourglass_storage_left_records_carried_total",
                      "Records that were carried into such files, before the journal went.",
                      METRIC_COUNTER},
    [LEFT_CARRIED_BYTES] = {"hourglass_storage_left_record_bytes_carried_total", "Their bytes.",
                            METRIC_COUNTER},
    [LEFT_RESTORED] = {"hourglass_storage_left_records_restored_total",
                       "Records that were taken back from such files at the start.",
                       METRIC_COUNTER},
    [LEFT_LOST_FRAMES] = {"hourglass_storage_left_lost_frames_total",
                          "Damaged or missing frames of such files.", METRIC_COUNTER},
    [LEFT_REFUSED] = {"hourglass_storage_left_deletions_refused_total",
                      "Deletions that were refused because they could not be noted for such "
                      "windows.",
                      METRIC_COUNTER},
    [SNAPSHOTS_FAILED] = {"hourglass_snapshots_failed_total", "Snapshots that failed.",
                          METRIC_COUNTER},
    [JOURNAL_FAILING] = {"hourglass_journal_failing",
                         "1 while the journal cannot be written: writes are answered 503.",
                         METRIC_GAUGE},
    [JOURNAL_UNSAFE] = {"hourglass_journal_unsafe",
                        "1 from a sync that failed to the next snapshot: what was acknowledged may "
                        "be in memory only.",
                        METRIC_GAUGE},
    [JOURNAL_BYTES] = {"hourglass_journal_bytes", "Size of the journal on disk.", METRIC_GAUGE},
    [JOURNAL_MAX_BYTES] = {"hourglass_journal_max_bytes",
                           "--journal.max-size: half of it starts a snapshot early.", METRIC_GAUGE},
    [JOURNAL_SEGMENTS] = {"hourglass_journal_segments", "Files of the journal.", METRIC_GAUGE},
    [JOURNAL_UNSYNCED] = {"hourglass_journal_unsynced_bytes",
                          "Written since the last sync: what a power cut would lose.",
                          METRIC_GAUGE},
    [JOURNAL_WAITING] = {"hourglass_journal_waiting_bytes",
                         "Records that wait to be written or synced.", METRIC_GAUGE},
    [JOURNAL_OLDEST_WAIT] = {"hourglass_journal_oldest_wait_seconds",
                             "How long the oldest of them has waited.", METRIC_GAUGE},
    [JOURNAL_SYNC_AGE] = {"hourglass_journal_last_sync_age_seconds",
                          "Since the last sync that worked.", METRIC_GAUGE},
    [JOURNAL_RECORDS] = {"hourglass_journal_records_total", "Requests written down.",
                         METRIC_COUNTER},
    [JOURNAL_WRITTEN_BYTES] = {"hourglass_journal_record_bytes_total", "Their bytes.",
                               METRIC_COUNTER},
    [JOURNAL_WRITES] = {"hourglass_journal_writes_total", "Writes, each of all that waited.",
                        METRIC_COUNTER},
    [JOURNAL_SYNCS] = {"hourglass_journal_syncs_total", "Syncs that worked.", METRIC_COUNTER},
    [JOURNAL_FAILURES] = {"hourglass_journal_failures_total", "Calls that failed, by call.",
                          METRIC_COUNTER},
    [JOURNAL_REFUSED] = {"hourglass_journal_refused_total",
                         "Requests that were answered 503 for the journal's sake, by reason.",
                         METRIC_COUNTER},
    [JOURNAL_SYNC_SECONDS] = {"hourglass_journal_sync_duration_seconds", "How long syncs took.",
                              METRIC_HISTOGRAM},
    [JOURNAL_REPLAYED] = {"hourglass_journal_replayed_records_total",
                          "Records that were read back at the start.", METRIC_COUNTER},
    [JOURNAL_LOST] = {"hourglass_journal_lost_records_total",
                      "Records that were damaged or missing at the start.", METRIC_COUNTER},
    [JOURNAL_LOST_FRAMES] = {"hourglass_journal_lost_frames_total", "Damaged frames at the start.",
                             METRIC_COUNTER},
    [JOURNAL_TORN] = {"hourglass_journal_torn_bytes_total",
                      "Cut off at the start: a record that was being written.", METRIC_COUNTER},
    [WRITE_BYTES] = {"hourglass_remote_write_bytes_total", "Bytes of remote write bodies.",
                     METRIC_COUNTER},
    [WRITE_SAMPLES] = {"hourglass_remote_write_samples_total",
                       "Samples received by remote write, the refused ones included.",
                       METRIC_COUNTER},
    [WRITE_INVALID_LABELS] = {"prometheus_api_remote_write_invalid_labels_samples_total",
                              "Samples refused because of their label set.", METRIC_COUNTER},
    [WRITE_HISTOGRAMS] = {"hourglass_remote_write_histograms_refused_total",
                          "Native histograms refused.", METRIC_COUNTER},
    [WRITE_METADATA_REFUSED] = {"hourglass_remote_write_metadata_refused_total",
                                "Descriptions of metrics that were not kept.", METRIC_COUNTER},
    [WRITE_EXEMPLARS] = {"hourglass_remote_write_exemplars_total",
                         "Exemplars received by remote write, the refused ones included.",
                         METRIC_COUNTER},
    [WRITE_EXEMPLARS_REFUSED] = {"hourglass_remote_write_exemplars_refused_total",
                                 "Exemplars that were not kept.", METRIC_COUNTER},
    [EXEMPLARS_ADDED] = {"prometheus_tsdb_exemplar_exemplars_appended_total",
                         "Exemplars put into the ring.", METRIC_COUNTER},
    [EXEMPLARS_KEPT] = {"prometheus_tsdb_exemplar_exemplars_in_storage", "Exemplars in the ring.",
                        METRIC_GAUGE},
    [EXEMPLARS_SERIES] = {"prometheus_tsdb_exemplar_series_with_exemplars_in_storage",
                          "Series with an exemplar in the ring.", METRIC_GAUGE},
    [EXEMPLARS_OLDEST] = {"prometheus_tsdb_exemplar_last_exemplars_timestamp_seconds",
                          "Time of the exemplar that leaves the ring next.", METRIC_GAUGE},
    [EXEMPLARS_MOST] = {"prometheus_tsdb_exemplar_max_exemplars",
                        "Exemplars that the ring has places for.", METRIC_GAUGE},
    [ENGINE_QUERIES] = {"prometheus_engine_queries", "Queries running or waiting.", METRIC_GAUGE},
    [ENGINE_QUERIES_MAX] = {"prometheus_engine_queries_concurrent_max",
                            "Most queries that run at once.", METRIC_GAUGE},
    [ENGINE_SAMPLES] = {"prometheus_engine_query_samples_total", "Samples read by queries.",
                        METRIC_COUNTER},
    [ENGINE_SECONDS] = {"prometheus_engine_query_duration_seconds",
                        "Time of queries by part of their way.", METRIC_SUMMARY},
    [CONNECTIONS] = {"hourglass_http_connections", "Open connections.", METRIC_GAUGE},
    [CONNECTIONS_CUT] = {"hourglass_http_connections_cut_total",
                         "Connections closed because a request came too slowly.", METRIC_COUNTER},
    [HTTP_REQUESTS] = {"prometheus_http_requests_total", "Requests by path and status.",
                       METRIC_COUNTER},
    [HTTP_SECONDS] = {"prometheus_http_request_duration_seconds", "Time of requests by path.",
                      METRIC_HISTOGRAM},
    [PROCESS_CPU] = {"process_cpu_seconds_total", "User and system time.", METRIC_COUNTER},
    [PROCESS_OPEN_FDS] = {"process_open_fds", "Open file descriptors.", METRIC_GAUGE},
    [PROCESS_MAX_FDS] = {"process_max_fds", "Most file descriptors.", METRIC_GAUGE},
    [PROCESS_VIRTUAL] = {"process_virtual_memory_bytes", "Address space, most of it reserved only.",
                         METRIC_GAUGE},
    [PROCESS_RESIDENT] = {"process_resident_memory_bytes", "Resident memory.", METRIC_GAUGE},
    [PROCESS_START] = {"process_start_time_seconds", "Start, seconds since the epoch.",
                       METRIC_GAUGE},
    [PROCESS_THREADS] = {"process_threads", "Threads.", METRIC_GAUGE},
};

struct walk {
    metrics_visit visit;
    void *ctx;
};

static void emit_with(const struct walk *w, enum family f, const char *suffix,
                      const struct metric_label *labels, size_t n, double value)
{
    struct metric m = {&families[f], suffix, labels, n, value};
    w->visit(w->ctx, &m);
}

static void emit(const struct walk *w, enum family f, double value)
{
    emit_with(w, f, "", NULL, 0, value);
}

static void emit_by(const struct walk *w, enum family f, const char *name, const char *label,
                    double value)
{
    struct metric_label l = {name, label};
    emit_with(w, f, "", &l, 1, value);
}

static void gather_store(const struct walk *w, const struct tsdb_stats *s)
{
    emit(w, HEAD_SERIES, (double)s->series);
    emit(w, HEAD_CHUNKS, (double)s->chunks);
    emit(w, HEAD_SERIES_CREATED, (double)s->series_created);
    emit(w, HEAD_SERIES_REMOVED, (double)s->series_removed);
    emit(w, HEAD_CHUNKS_CREATED, (double)s->chunks_created);
    emit(w, HEAD_CHUNKS_REMOVED, (double)s->chunks_removed);
    emit_by(w, HEAD_SAMPLES_APPENDED, "type", "float", (double)s->samples_appended);
    if (s->min_ms <= s->max_ms) {
        emit(w, HEAD_MIN_TIME, (double)s->min_ms);
        emit(w, HEAD_MAX_TIME, (double)s->max_ms);
        emit(w, LOWEST_TIMESTAMP, (double)s->min_ms);
    }
    emit_by(w, OUT_OF_ORDER_SAMPLES, "type", "float", (double)s->refused_out_of_order);
    emit_by(w, OUT_OF_BOUND_SAMPLES, "type", "float", (double)s->refused_too_far_ahead);
    emit_by(w, TOO_OLD_SAMPLES, "type", "float", (double)s->refused_too_old);
    emit(w, SAMPLES, (double)s->samples);
    emit_by(w, SAMPLES_REFUSED, "reason", "too_old", (double)s->refused_too_old);
    emit_by(w, SAMPLES_REFUSED, "reason", "too_far_ahead", (double)s->refused_too_far_ahead);
    emit_by(w, SAMPLES_REFUSED, "reason", "out_of_order", (double)s->refused_out_of_order);
    emit_by(w, SAMPLES_REFUSED, "reason", "duplicate", (double)s->refused_duplicate);
    emit_by(w, SAMPLES_REFUSED, "reason", "limit", (double)s->refused_limit);
    emit_by(w, SAMPLES_REFUSED, "reason", "memory", (double)s->refused_memory);
    emit_by(w, SAMPLES_REFUSED, "reason", "new_series", (double)s->refused_room);
    emit(w, SAMPLES_DUPLICATE, (double)s->samples_duplicate);
    emit(w, SAMPLES_DELETED, (double)s->samples_deleted);
    emit(w, SYMBOLS, (double)s->symbols);
    emit(w, LABEL_PAIRS, (double)s->pairs);
}

/* Windows by age, so that their turn makes no new series of metrics. */
static const struct tsdb_window_stats *window_of_age(const struct tsdb_stats *s, uint32_t age,
                                                     char text[24])
{
    snprintf(text, 24, "%u", age);
    return &s->windows[s->n_windows - 1 - age];
}

/* One family for each pool that has pages. */
static void gather_pools(const struct walk *w, const struct tsdb_stats *s, enum family f)
{
    char age_text[24], size_text[24];
    const struct metric_label labels[] = {{"age", age_text}, {"size", size_text}};
    for (uint32_t age = 0; age < s->n_windows; age++) {
        const struct tsdb_window_stats *window = window_of_age(s, age, age_text);
        for (unsigned c = 0; c < TSDB_POOLS; c++) {
            if (window->classes[c].pages == 0)
                continue;
            snprintf(size_text, sizeof(size_text), "%zu", tsdb_pool_bytes(c));
            emit_with(w, f, "", labels, ARRAY_LEN(labels),
                      f == POOL_PAGES ? window->classes[c].pages : window->classes[c].used);
        }
    }
    snprintf(age_text, sizeof(age_text), "open");
    snprintf(size_text, sizeof(size_text), "%d", SIZE_CLASS_STEP_BYTES);
    emit_with(w, f, "", labels, ARRAY_LEN(labels), f == POOL_PAGES ? s->open.pages : s->open.used);
}

static void gather_windows(const struct walk *w, const struct tsdb_stats *s)
{
    char text[24];
    for (uint32_t age = 0; age < s->n_windows; age++)
        emit_by(w, WINDOW_SAMPLES, "age", text, (double)window_of_age(s, age, text)->samples);
    for (uint32_t age = 0; age < s->n_windows; age++)
        emit_by(w, WINDOW_BYTES, "age", text, (double)window_of_age(s, age, text)->bytes);
    for (uint32_t age = 0; age < s->n_windows; age++)
        emit_by(w, WINDOW_PAYLOAD, "age", text, (double)window_of_age(s, age, text)->payload_bytes);
    gather_pools(w, s, POOL_PAGES);
    gather_pools(w, s, POOL_SLOTS_USED);
}

static void gather_memory(const struct walk *w, struct app *app, const struct tsdb_stats *s)
{
    struct memory_report m;
    memory_report_make(app, &m);
    for (size_t i = 0; i < m.n_rows; i++)
        emit_by(w, MEMORY_BYTES, "owner", m.rows[i].owner, (double)m.rows[i].bytes);
    emit(w, MEMORY_RESIDENT, (double)m.rss_bytes);
    emit(w, MEMORY_LIMIT, (double)m.limit_bytes);
    emit(w, MEMORY_UNACCOUNTED, (double)m.unaccounted_bytes);
    emit(w, MEMORY_TOLERANCE, (double)memory_report_tolerance(m.rss_bytes));
    emit_by(w, MEMORY_WASTE, "kind", "slack", (double)s->slack_bytes);
    emit_by(w, MEMORY_WASTE, "kind", "free_slots", (double)s->free_slot_bytes);
    emit_by(w, MEMORY_WASTE, "kind", "retained", (double)m.arena.retained_bytes);
    emit_by(w, MEMORY_HEAP, "state", "used", (double)m.heap.used_bytes);
    emit_by(w, MEMORY_HEAP, "state", "free", (double)m.heap.free_bytes);
    emit(w, MEMORY_REFUSED, (double)atomic_load(&app->budget.n_refused));
}

static void gather_leases(const struct walk *w, const struct ceiling *c)
{
    emit_by(w, MEMORY_LEASED, "kind", "queries", (double)atomic_load(&c->queries.leased_bytes));
    emit_by(w, MEMORY_LEASED, "kind", "requests", (double)atomic_load(&c->requests.leased_bytes));
    emit_by(w, MEMORY_LEASE_LIMIT, "kind", "queries", (double)atomic_load(&c->queries.limit_bytes));
    emit_by(w, MEMORY_LEASE_LIMIT, "kind", "requests",
            (double)atomic_load(&c->requests.limit_bytes));
    emit_by(w, MEMORY_LEASES_REFUSED, "kind", "queries",
            (double)atomic_load(&c->queries.n_refused));
    emit_by(w, MEMORY_LEASES_REFUSED, "kind", "requests",
            (double)atomic_load(&c->requests.n_refused));
    emit_by(w, MEMORY_LEASES_REFUSED, "kind", "connections",
            (double)atomic_load(&c->n_connections_refused));
}

static void gather_ceiling(const struct walk *w, struct ceiling *c)
{
    struct ceiling_figures f;
    emit(w, MEMORY_STAGE, (double)ceiling_tell(c));
    for (enum ceiling_stage s = CEILING_NORMAL + 1; s < CEILING_STAGES; s++)
        emit_by(w, MEMORY_STAGES_BEGUN, "stage", ceiling_row(s)->name,
                (double)atomic_load(&c->n_begun[s]));
    ceiling_read(c, &f);
    for (enum ceiling_stage s = CEILING_NORMAL + 1; s < CEILING_STAGES; s++)
        emit_by(w, MEMORY_STAGE_BEGINS, "stage", ceiling_row(s)->name,
                (double)ceiling_begin_bytes(s, f.limit_bytes));
    emit(w, MEMORY_FREE, (double)ceiling_free_bytes(&f));
    gather_leases(w, c);
    emit(w, WINDOWS_DROPPED, (double)atomic_load(&c->n_windows_dropped));
    emit(w, SAMPLES_DROPPED, (double)atomic_load(&c->n_samples_dropped));
}

static void gather_snapshot(const struct walk *w, struct app *app)
{
    struct saver *s = &app->saver;
    if (!saver_is_on(s))
        return;
    int64_t last = atomic_load(&s->last_success_wall_ms);
    if (last > 0) {
        emit(w, SNAPSHOT_SUCCESS, (double)last / 1000);
        emit(w, SNAPSHOT_SECONDS, (double)atomic_load(&s->last_duration_ms) / 1000);
        emit(w, SNAPSHOT_BYTES, (double)atomic_load(&s->last_bytes));
    }
    emit(w, SNAPSHOTS, (double)atomic_load(&s->n_saved));
    emit(w, SNAPSHOTS_FAILED, (double)atomic_load(&s->n_failed));
    emit(w, DAMAGED_FILES, (double)s->loaded.damaged_files);
    emit(w, DAMAGED_FRAMES, (double)s->loaded.lost_frames);
    emit(w, DAMAGED_BLOCKS, (double)s->loaded.lost_blocks);
}

static void gather_left(const struct walk *w, struct carry_figures *f)
{
    emit(w, LEFT_WINDOWS, (double)atomic_load(&f->windows));
    emit(w, LEFT_WINDOWS_EXPIRED, (double)atomic_load(&f->windows_over));
    emit(w, LEFT_BYTES, (double)atomic_load(&f->bytes));
    emit(w, LEFT_BYTES_EXPIRED, (double)atomic_load(&f->bytes_over));
    emit(w, LEFT_CARRIED, (double)atomic_load(&f->records_carried));
    emit(w, LEFT_CARRIED_BYTES, (double)atomic_load(&f->record_bytes_carried));
    emit(w, LEFT_RESTORED, (double)atomic_load(&f->records_back));
    emit(w, LEFT_LOST_FRAMES, (double)atomic_load(&f->frames_lost));
    emit(w, LEFT_REFUSED, (double)atomic_load(&f->deletions_refused));
}

static void gather_syncs(const struct walk *w, const struct journal_stats *j)
{
    uint64_t n = 0;
    for (int i = 0; i < JOURNAL_SYNC_BUCKETS; i++) {
        char bound[FLOAT_TEXT_MAX];
        bool is_last = i == JOURNAL_SYNC_BUCKETS - 1;
        float_text_plain((double)journal_sync_bucket_ns(i) / 1e9, bound);
        const struct metric_label le = {"le", is_last ? "+Inf" : bound};
        n += j->sync_buckets[i];
        emit_with(w, JOURNAL_SYNC_SECONDS, "_bucket", &le, 1, (double)n);
    }
    emit_with(w, JOURNAL_SYNC_SECONDS, "_sum", NULL, 0, (double)j->sync_sum_ns / 1e9);
    emit_with(w, JOURNAL_SYNC_SECONDS, "_count", NULL, 0, (double)n);
}

static void gather_journal(const struct walk *w, struct app *app)
{
    const struct recorder *r = &app->recorder;
    struct journal_stats j;
    if (!recorder_stats(r, &j))
        return;
    emit(w, JOURNAL_FAILING, j.is_failing);
    emit(w, JOURNAL_UNSAFE, j.is_unsafe);
    emit(w, JOURNAL_BYTES, (double)j.bytes);
    emit(w, JOURNAL_MAX_BYTES, (double)j.max_bytes);
    emit(w, JOURNAL_SEGMENTS, (double)j.n_segments);
    emit(w, JOURNAL_UNSYNCED, (double)j.unsynced_bytes);
    emit(w, JOURNAL_WAITING, (double)j.waiting_bytes);
    emit(w, JOURNAL_OLDEST_WAIT, (double)j.oldest_wait_ns / 1e9);
    emit(w, JOURNAL_SYNC_AGE, (double)j.last_sync_ns / 1e9);
    emit(w, JOURNAL_RECORDS, (double)j.n_records);
    emit(w, JOURNAL_WRITTEN_BYTES, (double)j.record_bytes);
    emit(w, JOURNAL_WRITES, (double)j.n_writes);
    emit(w, JOURNAL_SYNCS, (double)j.n_syncs);
    emit_by(w, JOURNAL_FAILURES, "call", "write", (double)j.n_write_failures);
    emit_by(w, JOURNAL_FAILURES, "call", "sync", (double)j.n_sync_failures);
    emit_by(w, JOURNAL_FAILURES, "call", "other", (double)j.n_other_failures);
    emit_by(w, JOURNAL_REFUSED, "reason", "busy", (double)j.n_refused_busy);
    emit_by(w, JOURNAL_REFUSED, "reason", "full", (double)j.n_refused_full);
    emit_by(w, JOURNAL_REFUSED, "reason", "failing", (double)(j.n_refused_failing + j.n_failed));
    gather_syncs(w, &j);
    emit(w, JOURNAL_REPLAYED, (double)r->replayed.records);
    emit(w, JOURNAL_LOST, (double)r->replayed.lost_records);
    emit(w, JOURNAL_LOST_FRAMES, (double)r->replayed.lost_frames);
    emit(w, JOURNAL_TORN, (double)r->replayed.torn_bytes);
}

static void gather_exemplars(const struct walk *w, struct app *app)
{
    struct exemplars_stats s;
    exemplars_stats(tsdb_exemplars(app->db), &s);
    emit(w, EXEMPLARS_ADDED, (double)s.added);
    emit(w, EXEMPLARS_KEPT, (double)s.n);
    emit(w, EXEMPLARS_SERIES, (double)s.series);
    emit(w, EXEMPLARS_OLDEST, (double)s.oldest_ms / 1000);
    emit(w, EXEMPLARS_MOST, s.max);
}

static double counter(const struct app *app, enum metric_counter which)
{
    return (double)atomic_load_explicit(&app->metrics.counters[which], memory_order_relaxed);
}

static void gather_requests(const struct walk *w, struct app *app)
{
    emit_by(w, REQUESTS_REFUSED, "reason", "in_flight", counter(app, METRIC_REQUESTS_REFUSED));
    emit_by(w, REQUESTS_REFUSED, "reason", "samples", counter(app, METRIC_WRITE_TOO_MANY));
    emit_by(w, REQUESTS_REFUSED, "reason", "memory",
            (double)atomic_load(&app->ceiling.n_writes_refused));
    emit(w, WRITE_BYTES, counter(app, METRIC_WRITE_BYTES));
    emit(w, WRITE_SAMPLES, counter(app, METRIC_WRITE_SAMPLES));
    emit(w, WRITE_INVALID_LABELS, counter(app, METRIC_WRITE_INVALID_LABELS));
    emit(w, WRITE_HISTOGRAMS, counter(app, METRIC_WRITE_HISTOGRAMS_REFUSED));
    emit(w, WRITE_METADATA_REFUSED, counter(app, METRIC_WRITE_METADATA_REFUSED));
    emit(w, WRITE_EXEMPLARS, counter(app, METRIC_WRITE_EXEMPLARS));
    emit(w, WRITE_EXEMPLARS_REFUSED, counter(app, METRIC_WRITE_EXEMPLARS_REFUSED));
    emit(w, ENGINE_QUERIES, atomic_load(&app->metrics.queries_running));
    emit(w, ENGINE_QUERIES_MAX, app->n_query_workers);
    emit(w, ENGINE_SAMPLES, counter(app, METRIC_QUERY_SAMPLES));
    const struct metric_label inner = {"slice", "inner_eval"}, queue = {"slice", "queue_time"};
    double n = counter(app, METRIC_QUERIES);
    emit_with(w, ENGINE_SECONDS, "_sum", &inner, 1, counter(app, METRIC_QUERY_NS) / 1e9);
    emit_with(w, ENGINE_SECONDS, "_count", &inner, 1, n);
    emit_with(w, ENGINE_SECONDS, "_sum", &queue, 1, counter(app, METRIC_QUERY_QUEUE_NS) / 1e9);
    emit_with(w, ENGINE_SECONDS, "_count", &queue, 1, n);
    emit(w, CONNECTIONS, atomic_load(&app->metrics.connections));
    emit(w, CONNECTIONS_CUT, counter(app, METRIC_CONNECTIONS_CUT));
}

static const char *route_name(size_t i)
{
    return i < route_count() ? route_at(i)->path : "other";
}

static void gather_route_seconds(const struct walk *w, const struct metric_route *r,
                                 const char *handler)
{
    char bound[FLOAT_TEXT_MAX];
    struct metric_label labels[] = {{"handler", handler}, {"le", bound}};
    double n = (double)atomic_load(&r->n);
    if (n == 0)
        return;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        float_text_plain(metrics_bounds[i], bound);
        emit_with(w, HTTP_SECONDS, "_bucket", labels, 2, (double)atomic_load(&r->buckets[i]));
    }
    labels[1].value = "+Inf";
    emit_with(w, HTTP_SECONDS, "_bucket", labels, 2, n);
    emit_with(w, HTTP_SECONDS, "_sum", labels, 1, (double)atomic_load(&r->sum_ns) / 1e9);
    emit_with(w, HTTP_SECONDS, "_count", labels, 1, n);
}

static void gather_routes(const struct walk *w, struct app *app)
{
    char code[16];
    for (size_t i = 0; i < METRIC_ROUTES_MAX; i++)
        for (size_t c = 0; c < METRICS_CODES; c++) {
            unsigned long long n = atomic_load(&app->metrics.routes[i].by_code[c]);
            if (n == 0)
                continue;
            snprintf(code, sizeof(code), "%d", metrics_codes[c]);
            const struct metric_label labels[] = {
                {"code", metrics_codes[c] ? code : "other"},
                {"handler", route_name(i)},
            };
            emit_with(w, HTTP_REQUESTS, "", labels, 2, (double)n);
        }
    for (size_t i = 0; i < METRIC_ROUTES_MAX; i++)
        gather_route_seconds(w, &app->metrics.routes[i], route_name(i));
}

static void gather_process(const struct walk *w)
{
    struct process_stats p;
    process_stats_read(&p);
    emit(w, PROCESS_CPU, p.cpu_seconds);
    emit(w, PROCESS_OPEN_FDS, (double)p.open_fds);
    emit(w, PROCESS_MAX_FDS, (double)p.max_fds);
    emit(w, PROCESS_VIRTUAL, (double)p.virtual_bytes);
    emit(w, PROCESS_RESIDENT, (double)p.resident_bytes);
    emit(w, PROCESS_START, p.start_seconds);
    emit(w, PROCESS_THREADS, (double)p.threads);
}

void metrics_gather(struct app *app, metrics_visit visit, void *ctx)
{
    const struct walk w = {visit, ctx};
    const struct metric_label build[] = {
        {"branch", "hourglass"},
        {"revision", HOURGLASS_VERSION},
        {"version", HOURGLASS_PROMETHEUS_VERSION},
    };
    struct tsdb_stats stats = {0};
    bool is_loaded = app_phase(app) != APP_STARTING; /* before, loading has the store to itself */
    if (is_loaded)
        tsdb_stats(app->db, &stats);
    emit_with(&w, BUILD_INFO, "", build, ARRAY_LEN(build), 1);
    emit(&w, READY, app_phase(app) == APP_READY);
    if (is_loaded) {
        gather_store(&w, &stats);
        gather_windows(&w, &stats);
        emit(&w, REPLAY_SECONDS, (double)app->replay_ms / 1000);
    }
    emit(&w, RETENTION_SECONDS,
         (double)app->config.storage_window_ms / 1000 * (double)app->config.storage_windows);
    emit(&w, RETENTION_BYTES, (double)app->config.storage_memory_limit_bytes);
    gather_memory(&w, app, &stats);
    gather_ceiling(&w, &app->ceiling);
    gather_snapshot(&w, app);
    if (saver_is_on(&app->saver))
        gather_left(&w, &app->recorder.carry.figures);
    gather_journal(&w, app);
    gather_exemplars(&w, app);
    gather_requests(&w, app);
    gather_routes(&w, app);
    gather_process(&w);
}
