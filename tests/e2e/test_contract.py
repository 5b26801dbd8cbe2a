"""Flags, exit codes, what is printed when the server cannot start, and the pages that answer without a query."""

import os
import subprocess
import tempfile

from hg import BINARY, Hourglass, Port, wait_until

FLAGS = {
    "web.listen-address": "127.0.0.1:9090",
    "web.max-connections": "8192",
    "web.max-requests": "1024",
    "web.max-samples": "1000000",
    "storage.path": "data",
    "storage.window": "4h",
    "storage.windows": "8",
    "storage.clock": "wall",
    "storage.out-of-order-window": "1h",
    "storage.memory-limit": None,
    "storage.max-series": "0",
    "storage.max-series-per-metric": "0",
    "storage.max-exemplars": "100000",
    "snapshot.interval": "10m",
    "self.interval": "15s",
    "query.timeout": "2m",
    "query.max-samples": "50000000",
    "query.max-concurrency": "20",
    "query.lookback-delta": "5m",
    "log.level": "info",
    "log.format": "logfmt",
}


def run(*args, seconds=10, **options):
    return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=seconds, **options)


def test_help_names_every_flag_and_exits_0():
    done = run("--help")
    assert done.returncode == 0
    for flag in FLAGS:
        assert f"--{flag}" in done.stdout, f"--{flag} is not in --help"


def test_usage_errors_exit_2_and_name_the_flag():
    for args in (
        ["--no.such-flag=1"],
        ["--storage.pat=x"],
        ["--storage.window=banana"],
        ["--storage.clock=sundial"],
        ["--storage.windows=0"],
        ["--log.level=loud"],
        ["stray"],
    ):
        done = run(*args)
        assert done.returncode == 2, f"{args}: exit code {done.returncode}: {done.stderr}"
        assert args[0].split("=")[0].lstrip("-") in done.stderr, f"{args}: {done.stderr}"


def test_flag_value_may_be_its_own_argument():
    with Hourglass() as server:
        command = [BINARY, "--web.listen-address", server.address, "--storage.path", server.data_path]
        server.command = lambda: command
        server.start()
        assert server.data("/api/v1/status/flags")["web.listen-address"] == server.address


def test_status_flags_has_every_flag():
    with Hourglass() as server:
        flags = server.start().data("/api/v1/status/flags")
        for flag, default in FLAGS.items():
            assert flag in flags, flag
            if default is not None and flag not in ("web.listen-address", "storage.path", "self.interval"):
                assert flags[flag] == default, f"{flag}: {flags[flag]}"
        assert flags["web.listen-address"] == server.address


def test_port_in_use_says_so_and_exits_1():
    with Hourglass() as server, tempfile.TemporaryDirectory() as other:
        server.start()
        done = run(f"--web.listen-address={server.address}", f"--storage.path={other}/data")
        assert done.returncode == 1, done
        assert str(server.port) in done.stderr and "--web.listen-address" in done.stderr, done.stderr
        assert server.get("/-/healthy").code == 200


def test_second_instance_on_a_directory_is_refused():
    port = Port()
    with Hourglass() as server:
        server.start()
        done = run(f"--web.listen-address=127.0.0.1:{port.number}", f"--storage.path={server.data_path}")
        assert done.returncode == 1, done
        assert server.data_path in done.stderr, done.stderr
        assert server.get("/-/healthy").code == 200


def test_directory_that_cannot_be_written_exits_1():
    # A path below a file fails for root as well, unlike permissions.
    port = Port()
    with tempfile.NamedTemporaryFile() as file:
        path = os.path.join(file.name, "data")
        done = run(f"--web.listen-address=127.0.0.1:{port.number}", f"--storage.path={path}")
        assert done.returncode == 1, done
        assert path in done.stderr, done.stderr


def test_empty_path_keeps_everything_in_memory():
    with Hourglass(**{"storage.path": ""}) as server:
        server.start()
        assert server.stop() == 0
        assert sorted(os.listdir(server.directory)) == ["log"]


def test_healthy_ready_and_the_page():
    with Hourglass() as server:
        server.start()
        for path in ("/-/healthy", "/-/ready"):
            assert server.get(path).code == 200
            head = server.request("HEAD", path)
            assert head.code == 200 and head.body == b""
        page = server.get("/")
        assert page.code == 200 and page.headers["content-type"].startswith("text/html")
        for outside in ('src="http', 'href="http', "src='http", "@import", "//cdn"):
            assert outside not in page.text, f"the page loads from outside: {outside}"


def test_sigterm_exits_0():
    with Hourglass() as server:
        server.start()
        assert server.stop() == 0


def test_own_metrics_are_stored():
    with Hourglass(**{"self.interval": "1s"}) as server:
        server.start()
        wait_until(lambda: server.query('{__name__=~"hourglass_.+"}')["result"], 10, "own metrics")
        names = server.data("/api/v1/label/__name__/values")
        assert any(name.startswith("process_") for name in names)
        assert not any(name.startswith("go_") for name in names)


def test_status_memory_has_its_shape_and_adds_up():
    with Hourglass() as server:
        memory = server.start().data("/api/v1/status/memory")
        for key in ("stage", "rssBytes", "limitBytes", "accountedBytes", "unaccountedBytes", "series", "samples",
                    "owners", "waste", "pools", "windows"):
            assert key in memory, key
        assert sum(row["bytes"] for row in memory["owners"]) == memory["accountedBytes"]
        bound = max(memory["rssBytes"] * 0.02, 2 << 20)
        assert abs(memory["unaccountedBytes"]) <= bound, memory
        assert abs(memory["rssBytes"] - memory["accountedBytes"] - memory["unaccountedBytes"]) <= bound, memory


def test_metrics_text_has_types_and_values():
    with Hourglass() as server:
        answer = server.start().get("/metrics")
        assert answer.code == 200 and answer.headers["content-type"].startswith("text/plain")
        assert "# TYPE " in answer.text and "hourglass_" in answer.text and "\ngo_" not in answer.text
        assert server.metric("process_resident_memory_bytes") > 1 << 20


def test_buildinfo():
    with Hourglass() as server:
        info = server.start().data("/api/v1/status/buildinfo")
        for key in ("version", "revision", "branch", "buildUser", "buildDate", "goVersion"):
            assert key in info, key


def test_features_are_switched_on_by_name():
    flags = {"storage.clock": "samples", "enable-feature": "promql-duration-expr,no-such-feature"}
    with Hourglass(**flags) as server:
        server.start()
        server.write_ok(({"__name__": "m"}, [(1000, 1), (61000, 2)]))
        assert server.query("sum_over_time(m[1m + 1m])", at=61)["result"][0]["value"][1] == "3"
        refused = server.get("/api/v1/query", {"query": "limitk(1, m)"})
        assert refused.code == 400 and "promql-experimental-functions" in refused.json["error"], refused
        assert "no-such-feature" in server.log and "Unknown option" in server.log
