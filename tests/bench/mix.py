"""A made-up recording for machines that have no real one: three targets with the shapes of a node exporter, a
Prometheus and a VictoriaMetrics, 1976 series together, whose values have the mix that was counted in 1100 real scrapes
of such targets: 68 % never change, 24 % are integers (counters that mostly stand still, gauges), 5 % decimals,
3 % doubles of all bits; of all samples 12 % differ from the one before. Everything follows from a fixed seed.

A value model is a generator of values. How often a series changes was counted by family: about a third of the counters
move at (nearly) every scrape, a third now and then, a third hardly ever."""

import itertools
import random

SCRAPES = 1100
SEED = 20

METHODS = ("GET", "POST", "PUT", "DELETE")
QUANTILES = ("0", "0.25", "0.5", "0.75", "1")
LE_SECONDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
LE_GO = tuple(f"{2.0**n * 6.4e-08:.9g}" for n in range(0, 44, 2)) + ("+Inf",)
CPUS = ("0", "1", "2", "3")
MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
DEVICES = ("lo", "eth0", "eth1", "docker0")
NIC = "bytes carrier colls compressed drop errs fifo frame multicast nohandler packets".split()
NIC_INFO = "address_assign_type carrier device_id dormant flags iface_id iface_link mtu_bytes protocol_type up".split()
MOUNTS = ("/", "/boot", "/var/lib", "/run")
COLLECTORS = """arp bcache bonding btrfs conntrack cpu cpufreq diskstats dmi edac entropy fibrechannel filefd filesystem
    hwmon infiniband ipvs loadavg mdadm meminfo netclass netdev netstat nfs nfsd nvme os powersupplyclass pressure rapl
    schedstat selinux sockstat softnet stat tapestats textfile thermal_zone time timex udp_queues uname vmstat xfs zfs
    """.split()
MEMORY = """MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive Unevictable Mlocked SwapTotal Dirty
    Writeback AnonPages Mapped Shmem KReclaimable Slab KernelStack PageTables CommitLimit VmallocTotal Percpu
    HugePages_Total DirectMap4k""".split()
HANDLERS = """/ /-/healthy /-/ready /alerts /api/v1/alerts /api/v1/label/:name/values /api/v1/labels /api/v1/metadata
    /api/v1/query /api/v1/query_range /api/v1/read /api/v1/rules /api/v1/series /api/v1/status/config
    /api/v1/status/flags /api/v1/targets /api/v1/write /classic /config /federate /graph /metrics /rules /static
    /targets /version""".split()
PATHS = """/api/v1/admin/tsdb/delete_series /api/v1/export /api/v1/import /api/v1/labels /api/v1/query
    /api/v1/query_range /api/v1/series /api/v1/status/tsdb /api/v1/write /datadog/api/v2/series /expand-with-exprs
    /federate /flags /graphite/tags /influx/write /internal/force_merge /metric-relabel-debug /metrics /newrelic
    /opentelemetry/v1/metrics /prometheus/api/v1/write /snapshot/create
    /target-relabel-debug /targets /zabbix""".split()
FORMATS = "csvimport datadog graphite influx native newrelic opentelemetry opentsdb promremotewrite vmimport".split()
FLAGS = tuple(
    "".join(parts) for parts in itertools.product(("storage.", "search.", "http.", "remote."),
                                                  ("cache", "max", "min", "log"),
                                                  ("Age", "Bytes", "Duration", "Interval", "Rows", "Series", "Size"),
                                                  ("", "Limit", "PerDay"))
)


def family(metric, /, **axes):
    """All label sets of the product of the axes."""
    for values in itertools.product(*axes.values()):
        yield {"__name__": metric, **dict(zip(axes, values))}


def each(prefix, middles, suffix="", /, **axes):
    for middle in middles:
        yield from family(prefix + middle + suffix, **axes)


def go(n_buckets):
    yield from family("go_gc_duration_seconds", quantile=QUANTILES)
    yield from each("go_memstats_", """alloc_bytes alloc_bytes_total buck_hash_sys_bytes frees_total gc_sys_bytes
        heap_alloc_bytes heap_idle_bytes heap_inuse_bytes heap_objects heap_sys_bytes mallocs_total next_gc_bytes
        stack_inuse_bytes sys_bytes""".split())
    yield from each("process_", "cpu_seconds_total open_fds max_fds resident_memory_bytes start_time_seconds".split())
    for name in ("go_gc_pauses_seconds_bucket", "go_sched_latencies_seconds_bucket"):
        yield from family(name, le=LE_GO[-n_buckets:])


def node():
    yield from go(2)
    yield from family("node_cpu_seconds_total", cpu=CPUS, mode=MODES)
    for name in ("node_scrape_collector_duration_seconds", "node_scrape_collector_success"):
        yield from family(name, collector=COLLECTORS)
    yield from each("node_memory_", MEMORY, "_bytes")
    for way in ("receive", "transmit"):
        yield from each(f"node_network_{way}_", NIC, "_total", device=DEVICES)
    yield from each("node_network_", NIC_INFO, device=DEVICES)
    yield from each("node_filesystem_", "avail_bytes size_bytes free_bytes files files_free readonly".split(),
                    mountpoint=MOUNTS, fstype=("ext4",))
    yield from each("node_disk_", """io_now io_time_seconds_total read_bytes_total reads_completed_total
        written_bytes_total writes_completed_total write_time_seconds_total""".split(), device=("sda", "sdb"))
    yield from each("node_vmstat_", "oom_kill pgfault pgmajfault pgpgin pgpgout pswpin pswpout".split())
    yield from each("node_load", ("1", "5", "15"))
    yield from each("node_netstat_", [f"{p}_{n}" for p in ("Tcp", "Udp", "Icmp", "Ip", "Ip6", "Udp6", "TcpExt")
                                      for n in "InSegs OutSegs InErrs Resets Forwards Listens Delivered".split()])
    yield from each("node_timex_", [f"{n}_seconds" for n in "offset maxerror esttime tick pps jitter stable".split()])
    yield from family("node_softnet_events_total", cpu=CPUS, event=[f"e{n}" for n in range(40)])


def prometheus():
    yield from go(9)
    yield from family("prometheus_http_requests_total", code=("200", "400"), handler=HANDLERS)
    yield from family("prometheus_http_request_duration_seconds_bucket", handler=("/metrics", "/api/v1/query"),
                      le=LE_SECONDS)
    yield from each("prometheus_engine_query_duration_seconds", ("", "_count", "_sum"),
                    slice=("inner_eval", "prepare_time", "queue_time", "result_sort"))
    yield from each("prometheus_tsdb_", """blocks_loaded checkpoint_creations_total compactions_total head_chunks
        head_series head_max_time head_min_time head_samples_appended_total head_active_appenders head_gc_count
        lowest_timestamp reloads_total retention_limit_bytes size_retentions_total storage_blocks_bytes
        wal_segment_current wal_page_flushes_total wal_writes_failed_total""".split())
    for name in ("compaction_chunk_range_seconds", "compaction_chunk_samples", "compaction_duration_seconds"):
        yield from family(f"prometheus_tsdb_{name}_bucket", le=LE_SECONDS)
    yield from each("prometheus_remote_storage_", """samples_total samples_failed_total samples_retried_total shards
        shards_desired samples_pending bytes_total highest_timestamp_in_seconds""".split(),
                    remote_name=("a1b2c3",), url=("http://127.0.0.1:8428/api/v1/write",))
    yield from family("prometheus_remote_storage_sent_batch_duration_seconds_bucket", remote_name=("a1b2c3",),
                      le=LE_SECONDS)
    yield from family("prometheus_sd_kubernetes_events_total", event=("add", "delete", "update"),
                      role=("endpoints", "endpointslice", "ingress", "node", "pod", "service"))
    yield from family("net_conntrack_dialer_conn_failed_total", dialer_name=("alertmanager", "node", "self", "vm"),
                      reason=("refused", "resolution", "timeout", "unknown"))
    yield from each("prometheus_target_", """sync_length_seconds_sum scrape_pool_targets scrape_pool_sync_total
        metadata_cache_bytes metadata_cache_entries sync_failed_total""".split(), scrape_job=("node", "self", "vm"))
    yield from each("prometheus_notifications_", "dropped_total queue_length queue_capacity sent_total".split())
    yield from family("prometheus_operation_total", code=("ok", "failed"), operation=[f"op_{n}" for n in range(200)])


def victoria():
    yield from go(12)
    yield from family("flag", name=FLAGS[:268], value=("default",), is_set=("false",))
    yield from family("vm_http_requests_total", path=PATHS, protocol=("", "promremotewrite", "native"))
    yield from family("vm_http_request_errors_total", path=PATHS, protocol=("", "native"))
    yield from each("vm_cache_", "entries size_bytes size_max_bytes requests_total misses_total".split(),
                    type=[f"{a}/{b}" for a in ("storage", "indexdb", "promql")
                          for b in ("dataBlocks", "indexBlocks", "metricIDs", "metricName", "tsid", "regexp")])
    yield from each("vm_protoparser_", "rows_read_total read_calls_total read_errors_total".split(), type=FORMATS)
    yield from each("vm_rows_", ("inserted_total", "invalid_total"), type=FORMATS)
    yield from family("vm_request_duration_seconds", path=PATHS[:7], quantile=QUANTILES)
    yield from each("vm_", "active_merges blocks data_size_bytes merges_total parts rows rows_merged_total".split(),
                    type=("indexdb/file", "indexdb/inmemory", "storage/big", "storage/inmemory", "storage/small"))
    yield from family("vm_log_messages_total", app_version=("victoria-metrics-v1",), level=("info", "warn", "error"),
                      location=[f"lib/file_{n}.go:{n * 17}" for n in range(100)])


TARGETS = (("node", "9100", node, 507), ("prometheus", "9390", prometheus, 551),
           ("victoriametrics", "9428", victoria, 918))


def constant(rng):
    value = rng.choice((0.0,) * 12 + (1.0,) * 4 + (float(rng.randrange(1000)), rng.randrange(1, 64) * 2.0**20, 0.25))
    return itertools.repeat(value)


def counter(rng):
    """Moves in a share of the scrapes, by small steps or by large ones."""
    often = rng.choice((0.005, 0.02, 0.06, 0.12, 0.4, 0.7, 1.0))
    step = rng.choice((1, 1, 1, 3, 20, 500, 40000))
    total = float(rng.randrange(1, 100000))
    while True:
        if rng.random() < often:
            total += 1 + rng.randrange(step)
        yield total


def gauge(rng):
    often = rng.choice((0.01, 0.05, 0.1, 0.3, 0.6, 0.9))
    around = rng.choice((4, 10, 40, 4096 * 1000))
    unit = 4096 if around > 1000 else 1
    while True:
        value = float(around + rng.randrange(around // unit + 1) * unit)
        for _ in range(1 + int(rng.expovariate(often))):
            yield value


def decimal(rng):
    """A counter of seconds with two decimals, or a gauge with three."""
    often, total = rng.choice((0.05, 0.2, 0.5, 0.9)), rng.randrange(100, 1000000)
    places = rng.choice((2, 2, 3))
    while True:
        if rng.random() < often:
            total += 1 + rng.randrange(12)
        yield total / 10**places


def double(rng):
    """Durations that are measured anew at each scrape."""
    scale = rng.choice((1e-05, 1e-04, 3e-03))
    while True:
        yield scale * rng.lognormvariate(0, 0.4)


MODELS = (constant,) * 68 + (counter,) * 17 + (gauge,) * 7 + (decimal,) * 5 + (double,) * 3


def make():
    """(targets, series, rows) as recording.write takes them."""
    rng = random.Random(SEED)
    series, columns = [], []
    for number, (_, port, families, n_series) in enumerate(TARGETS):
        sets = list(itertools.islice(families(), n_series))
        assert len(sets) == n_series, f"{port}: {len(sets)} of {n_series} series"
        assert len({tuple(sorted(labels.items())) for labels in sets}) == n_series, f"{port}: a label set twice"
        models = [MODELS[i * len(MODELS) // n_series] for i in range(n_series)]
        rng.shuffle(models)
        for labels, model in zip(sets, models):
            series.append((number, labels))
            columns.append(list(itertools.islice(model(random.Random(rng.random())), SCRAPES)))
    return [(job, port) for job, port, _, _ in TARGETS], series, list(zip(*columns))


if __name__ == "__main__":
    _, made, table = make()
    changed = sum(a != b for one, two in zip(table, table[1:]) for a, b in zip(one, two))
    still = sum(len(set(column)) == 1 for column in zip(*table))
    print(f"{len(made)} series, {still / len(made):.1%} constant, {changed / len(made) / (SCRAPES - 1):.1%} changes")
