"""The site of the notebooks as they are stored, and of docs/."""

import nbformat
import pytest

from cs231n.pages import render
from cs231n.pages.execute import Outcome
from cs231n.report import RESULTS
from tests.pages.test_notebooks import PATHS


@pytest.fixture(scope="session")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    site = render.Site(folder, PATHS)
    cards = [site.write_notebook(Outcome(path, nbformat.read(path, 4), 1.0, None)) for path in PATHS]
    site.write_docs()
    site.write_index(cards, [(name, "not measured") for name in RESULTS], False)
    return folder
