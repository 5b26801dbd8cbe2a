"""The page at /: one file that asks nobody else, and shows what the server answers."""

import re
import shutil
import subprocess
import tempfile

from hg import Hourglass, now_ms

CHROMIUM_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                  "--disable-background-networking", "--disable-component-update", "--disable-sync",
                  "--virtual-time-budget=8000", "--dump-dom")


def test_page_is_self_contained():
    with Hourglass() as server:
        server.start()
        answer = server.get("/")
        assert answer.code == 200 and answer.headers["content-type"].startswith("text/html"), answer.headers
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        page = answer.text
        for element in ('id="expr"', 'id="plot"', 'id="table"', 'id="memory"', 'id="legend"'):
            assert element in page, element
        links = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
        outside = [link for link in links if re.match(r"//|(?!data:)[a-z]+:", link)]
        assert links and not re.search(r"<script[^>]+src|<img|<iframe", page)
        assert not outside, outside
        assert not re.findall(r"@import|<link[^>]+stylesheet|importScripts|innerHTML", page)
        for path in ("/graph", "/query"):
            assert server.get(path).text == page, path


def test_page_shows_the_series_of_a_query():
    browser = shutil.which("chromium")
    assert browser, "chromium is not installed; make deps-test installs it"
    with Hourglass(**{"self.interval": "0"}) as server, tempfile.TemporaryDirectory() as profile:
        server.start()
        t = now_ms()
        server.write_ok(*[({"__name__": "apples", "tree": tree}, [(t - 15000 * i, 4.0 + i) for i in range(10, -1, -1)])
                          for tree in ("north", "<b>south</b>")])
        for tab in ("0", "1"):
            url = f"http://{server.address}/?g0.expr=apples&g0.tab={tab}&g0.range_input=15m#holders"
            dom = subprocess.run([browser, *CHROMIUM_FLAGS, f"--user-data-dir={profile}/{tab}", url], check=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, text=True).stdout
            assert 'tree="north"' in dom, f"tab {tab}: {dom[-3000:]}"
            assert "<b>south</b>" not in dom and "&lt;b&gt;south&lt;/b&gt;" in dom, "labels are text, never markup"
            assert "unaccounted" in dom and "Pools: pages" in dom and "slack inside slots" in dom, "the memory panel"
            assert "<td>apples</td>" in dom and "&lt;td&gt;" not in dom, "who holds the most"
            assert "<td>tree=&lt;b&gt;south&lt;/b&gt;</td>" in dom
