"""The browser of the tests: the system's Chromium, driven by Playwright."""

import contextlib
import os
import shutil

import pytest

BROWSER = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
QUIET = """--no-sandbox --disable-gpu --disable-background-networking --disable-component-update
    --disable-sync --no-first-run""".split()


def skip_or_fail(reason):
    """Skip a test that needs what is not here; fail it where CS231N_REQUIRE_BROWSER is set, as CI does."""
    (pytest.fail if os.environ.get("CS231N_REQUIRE_BROWSER") else pytest.skip)(reason)


_running = []  # the Playwright of this process: a second one cannot start beside it


@contextlib.contextmanager
def _start_playwright():
    if _running:
        yield _running[0]
        return
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        skip_or_fail("needs playwright: pip install '.[browser]'")
    with sync_playwright() as playwright:
        _running.append(playwright)
        try:
            yield playwright
        finally:
            _running.clear()


@contextlib.contextmanager
def start_chromium(launch="launch", *folder, **options):
    """Yield what one of Playwright's two methods, launch or launch_persistent_context, returns."""
    with _start_playwright() as playwright:
        if BROWSER is None:
            skip_or_fail("needs chromium on the PATH: apt install chromium")
        start = getattr(playwright.chromium, launch)
        started = start(*folder, executable_path=BROWSER, args=QUIET, **options)
        yield started
        started.close()
