"""The road in a real JupyterLab and a real browser: run, edit a file on disk, run on; move a slider."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from classroom.manifest import MANIFEST, load_exercises
from cs231n.checking.submission import NOTEBOOKS
from tests.support.browser import start_chromium
from tests.support.releases import copy_kit
from tests.support.road import kit_sources, make_edition, write_functions

pytestmark = pytest.mark.slow
MINUTE = 60_000  # ms


@pytest.fixture
def page():
    with start_chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(MINUTE)
        yield page


@pytest.fixture
def lab(tmp_path):
    """A function that starts JupyterLab over a folder, and returns the address of a notebook in it."""
    servers = []

    def start(folder, notebook):
        settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension"
        settings.mkdir(parents=True)
        # Cells out of sight stay in the page, where a test finds them.
        (settings / "tracker.jupyterlab-settings").write_text(json.dumps({"windowingMode": "none"}))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
        own |= {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"), "OPENBLAS_NUM_THREADS": "1"}
        options = f"--no-browser --allow-root --ip=127.0.0.1 --port={port} --IdentityProvider.token=".split()
        log = (tmp_path / "lab.log").open("wb")
        environment = {**os.environ, **own, "PYTHONPATH": ""}
        command = [sys.executable, "-m", "jupyterlab", *options]
        servers.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log))
        address = f"http://127.0.0.1:{port}/lab/tree/{notebook}"
        for _ in range(120):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                return address
            except OSError:
                time.sleep(0.5)
        pytest.fail((tmp_path / "lab.log").read_text())

    yield start
    for server in servers:
        server.terminate()
        server.wait(30)


def run_all(page, address):
    """Open a notebook and run all its cells."""
    page.goto(address)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # before that, Run asks for a kernel
    choose(page, "Run", "Run All Cells")


def choose(page, menu, item):
    page.get_by_role("menuitem", name=menu, exact=True).click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def stopped_at(page, exercise):
    """Wait until the notebook shows that it stopped at the card of an exercise."""
    errors = page.locator(".jp-OutputArea-output", has_text=f"{exercise.label}")
    errors.last.wait_for(state="attached")
    return errors.last


def test_edit_on_disk_and_run_on_without_a_restart(tmp_path, lab, page):
    exercises = load_exercises(MANIFEST)
    folder = make_edition(tmp_path / "edition", exercises)
    run_all(page, lab(folder, NOTEBOOKS[0]))
    stopped_at(page, exercises[0])
    for done, following in zip(exercises[:2], exercises[1:3]):
        write_functions(folder, kit_sources(done))
        page.locator(".jp-CodeCell .cm-content", has_text=f'check("{done.title}")').click()
        choose(page, "Run", "Run Selected Cell and All Below")
        stopped_at(page, following)
    assert page.locator(".jp-OutputArea-output", has_text="passed").count() >= 2
    assert not page.locator(".jp-OutputArea-output", has_text="Traceback").count()


def test_moving_a_slider_changes_the_figure(tmp_path, lab, page):
    from playwright.sync_api import expect

    folder = copy_kit(tmp_path / "kit")
    run_all(page, lab(folder, NOTEBOOKS[1]))
    handles = page.locator(".widget-slider .noUi-handle")
    handles.nth(2).wait_for(timeout=3 * MINUTE)
    figure = page.locator(".widget-interact img").last
    figure.wait_for()
    for i in range(3):
        before, reading = figure.get_attribute("src"), page.locator(".widget-readout").nth(i).inner_text()
        handles.nth(i).focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".widget-readout").nth(i)).not_to_have_text(reading)
        expect(figure).not_to_have_attribute("src", before, timeout=MINUTE)
