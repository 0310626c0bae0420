"""Sites for the browser: of the kit, and of the learner's edition."""

import pytest

from classroom.manifest import load_exercises
from classroom.releasing.release import learner_edition
from cs231n.data.errors import DataError
from cs231n.web.site import write_site
from tests.support.browser import skip_or_fail, start_chromium
from tests.support.python import run_python
from tests.support.web_site import Site, serve_folder


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    """The address of a site with the bundled runtime."""
    folder = tmp_path_factory.mktemp("site")
    try:
        write_site(folder, "bundled")
    except DataError as error:
        skip_or_fail(f"needs the runtime: {error}")
    with serve_folder(folder) as url:
        yield url


@pytest.fixture(scope="session")
def learner_folder(tmp_path_factory, address):
    """The site that the command makes in the learner's edition."""
    folder = tmp_path_factory.mktemp("learner")
    for name, content in learner_edition(load_exercises())[0].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    made = run_python(
        ["-m", "cs231n", "web", "OUT", "--runtime", "bundled"], folder, {"PYTHONPATH": str(folder)}
    )
    assert made.returncode == 0, made.stderr
    return folder / "OUT"


@pytest.fixture(scope="session")
def learner_address(learner_folder):
    with serve_folder(learner_folder) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    with start_chromium() as browser:
        yield browser


@pytest.fixture
def site(browser, address):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    site = Site(context, address)
    yield site
    assert site.outside() == []
    assert site.messages == []
    context.close()
