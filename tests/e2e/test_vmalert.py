"""A real vmalert evaluates the thirty rules of node_rules.yml against hourglass and writes back to it; another does the
same with a Prometheus (3.5.3) that has the same samples. What they record, and which alerts are pending and fire when,
must be the same to the last digit, also after both were restarted and have restored their alerts.

A third Prometheus scrapes two node_exporters, one of which goes away early, and writes to both. Rules are evaluated
DELAY_S late, so that what they look at has arrived. DURATION (24) seconds every INTERVAL (2) seconds; `make vmalert` is
ten minutes at 5 s. An evaluation that only one of them got to before it was stopped is left out."""

import os
import time

from hg import PEERS, Hourglass, NodeExporter, Prometheus, Server, Skip, wait_until

RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node_rules.yml")
N_RULES = 30
DURATION = int(os.environ.get("DURATION", "24"))
INTERVAL = int(os.environ.get("INTERVAL", "2"))
LONG = 120
DELAY_S = 8
WRITTEN = '{__name__=~"ALERTS|ALERTS_FOR_STATE|(instance|job)(_[a-z]+)?:.+"}'


class Vmalert(Server):
    name = "vmalert"
    ready_path = "/health"

    def __init__(self, server):
        super().__init__()
        self.server = server

    def command(self):
        return [
            os.path.join(PEERS, "vmalert"), f"-rule={RULES}", f"-httpListenAddr={self.address}",
            f"-datasource.url={self.server.url}", f"-remoteWrite.url={self.server.url}",
            f"-remoteRead.url={self.server.url}", f"-evaluationInterval={INTERVAL}s", f"-rule.evalDelay={DELAY_S}s",
            "-notifier.blackhole", "-group.maxStartDelay=1ms", "-remoteWrite.flushInterval=200ms",
            "-remoteWrite.concurrency=1", "-remoteWrite.maxBatchSize=100000",
        ]

    def rules(self):
        return [rule for group in self.get("/api/v1/rules").json["data"]["groups"] for rule in group["rules"]]


def start_together(vmalerts):
    """Early in the same interval, so that both evaluate the same times."""
    time.sleep(INTERVAL - time.time() % INTERVAL + 0.02)
    for one in vmalerts:
        one.spawn()
    for one in vmalerts:
        wait_until(one.is_ready, 15, "vmalert ready")


def stop_between(vmalerts):
    """When what both began with the interval is done and written."""
    time.sleep((0.7 * INTERVAL - time.time()) % INTERVAL)
    for one in vmalerts:
        assert one.stop() == 0


def written(server, start, end):
    """What was written back in (start, end], by series."""
    result = server.query(f"{WRITTEN}[{end - start}s]", at=end)["result"]
    return {str(sorted(one["metric"].items())): one["values"] for one in result}


def without_lonely(ours, theirs):
    """Both without the times at which only one has evaluated anything, and how many those were."""
    times = [{at for values in one.values() for at, _ in values} for one in (ours, theirs)]
    lonely = times[0] ^ times[1]
    kept = [{key: [row for row in values if row[0] not in lonely] for key, values in one.items()} for one in (ours, theirs)]
    return *({key: values for key, values in one.items() if values} for one in kept), len(lonely)


def difference(ours, theirs):
    only = [f"only {name}: {sorted(a.keys() - b.keys())[:5]}" for name, a, b in (
        ("hourglass", ours, theirs), ("prometheus", theirs, ours)) if a.keys() - b.keys()]
    unequal = [key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]]
    for key in unequal[:5]:
        rows = [[row for row in a if row not in b][:5] for a, b in ((ours[key], theirs[key]), (theirs[key], ours[key]))]
        only.append(f"{key}: hourglass {rows[0]}, prometheus {rows[1]}")
    return f"{len(unequal)} series differ\n" + "\n".join(only)


def check_rules(vmalerts):
    """All are well; a machine that was too busy to evaluate them in time shows nothing."""
    for one in vmalerts:
        missed = one.metric("vmalert_iteration_missed_total")
        if missed:
            raise Skip(f"{missed:.0f} evaluations every {INTERVAL} s were not begun in time: too busy")
        rules = one.rules()
        assert len(rules) == N_RULES, f"{one.server.name}: {len(rules)} rules"
        bad = [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] != "ok"]
        assert not bad, f"{one.server.name}: {bad}"


def states(samples):
    """How many alerts were pending and fired."""
    keys = [key for key in samples if "('__name__', 'ALERTS')" in key]
    return [sum(f"('alertstate', '{state}')" in key for key in keys) for state in ("pending", "firing")]


def run(hourglass, prometheus, short):
    first = int(time.time()) + 2 * INTERVAL - DELAY_S
    with Vmalert(hourglass) as ours, Vmalert(prometheus) as theirs:
        start_together((ours, theirs))
        time.sleep(DURATION / 8)
        short.kill()
        time.sleep(DURATION * 3 / 8)
        check_rules((ours, theirs))
        stop_between((ours, theirs))
        start_together((ours, theirs))
        time.sleep(DURATION / 2)
        check_rules((ours, theirs))
        stop_between((ours, theirs))
    last = int(time.time()) - DELAY_S - INTERVAL
    return first, last


def test_rules_of_node_exporter():
    for name in ("prometheus", "prometheus-node-exporter", "vmalert"):
        if not os.access(os.path.join(PEERS, name), os.X_OK):
            raise Skip(f"{name} is not there: tests/tools/get-peers.sh build/peers victoria-metrics")
    with Hourglass() as hourglass, Prometheus("1s", {}, receives=True) as prometheus, NodeExporter() as node, \
            NodeExporter() as short:
        for server in (hourglass, prometheus, node, short):
            server.start()
        targets = {"node": node.address, "short": short.address}
        with Prometheus(f"{INTERVAL}s", targets, [hourglass, prometheus]) as scraper:
            scraper.start()
            for server in (hourglass, prometheus):
                wait_until(lambda s=server: len(s.query("up == 1")["result"]) == 3, 60, "three targets up")
            time.sleep(DELAY_S)
            first, last = run(hourglass, prometheus, short)
            ours, theirs = (written(server, first, last) for server in (hourglass, prometheus))
    ours, theirs, n_lonely = without_lonely(ours, theirs)
    if n_lonely and DURATION < LONG:
        raise Skip(f"{n_lonely} times were evaluated by one only: too busy for so short a time")
    assert n_lonely <= 2, f"{n_lonely} times at which only one evaluated"
    n, (pending, firing) = sum(map(len, ours.values())), states(ours)
    print(f"  {N_RULES} rules for {last - first} s: {len(ours)} series, {n} samples, {pending} alerts pending, {firing} firing")
    assert ours == theirs, difference(ours, theirs)
    names = {key.split("'__name__', '")[1].split("'")[0] for key in ours}
    assert len(names) >= 20 and pending > 3 and firing > 5, (names, pending, firing)
    assert any("TargetDown" in key and "firing" in key for key in ours), "nobody noticed that a target went away"
