"""The site of `web` in headless Chromium: bytes and seconds from opening a page to what a learner waits for.

    python benchmarks/web.py [--json FILE]

Each row opens a page in a new profile of the browser, so nothing is cached. Needs Node.js, Chromium and
playwright (`pip install '.[browser]'`). Nothing but the site is asked; its server compresses nothing.
"""

import functools
import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

from harness import main, one_thread

one_thread()

from cs231n.web.site import write_site  # noqa: E402
from tests.support.browser import BROWSER, start_chromium  # noqa: E402
from tests.support.web_site import Site, StaticFiles, serve  # noqa: E402


class Server(StaticFiles):
    sent = 0  # bytes of all files

    def copyfile(self, source, target):
        Server.sent += os.fstat(source.fileno()).st_size
        super().copyfile(source, target)


def check(code):
    """Type the check below the imports of cell 1, and run it."""

    def act(site):
        imports = site.cell(1).locator(".input_area pre").text_content()
        output = site.run(1, f"{imports}\n{code}")
        assert "passed" in output and "wrong" not in output, output

    return act


def run_all(site):
    site.press("Run all")
    site.wait_until(site.is_idle, seconds=300)
    assert site.page.locator(".output_error").count() == 0


WAITS = {
    "the first check": ("1_gradient_checking", check("check('relu_forward')")),
    "all 17 checks": ("1_gradient_checking", check("check()")),
    "notebook 1, every cell": ("1_gradient_checking", run_all),
    "notebook 2, every cell": ("2_batchnorm_gradient", run_all),
}


def measure():
    if BROWSER is None or importlib.util.find_spec("playwright") is None:
        sys.exit(
            "needs chromium on the PATH and playwright; try: apt install chromium; pip install '.[browser]'"
        )
    rows = []
    with tempfile.TemporaryDirectory() as folder, start_chromium() as browser:
        size = write_site(Path(folder), "bundled")
        with serve(functools.partial(Server, directory=folder)) as address:
            for name, (notebook, act) in WAITS.items():
                context, Server.sent = browser.new_context(), 0
                started = time.perf_counter()
                site = Site(context, address, notebook)
                act(site)
                seconds = time.perf_counter() - started
                assert site.outside() == []
                rows.append(
                    {
                        "from opening the page to": name,
                        "s": f"{seconds:.1f}",
                        "MB": f"{Server.sent / 1e6:.1f}",
                    }
                )
                context.close()
    return [*rows, {"from opening the page to": "on disk", "s": "", "MB": f"{size / 1e6:.1f}"}]


if __name__ == "__main__":
    main(__doc__, measure)
