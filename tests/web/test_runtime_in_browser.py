"""A runtime that cannot start: the page says why, and the next Run tries again."""

import pytest

pytestmark = pytest.mark.slow

FAILURES = {
    "worker.js": "worker.js: the server does not answer",
    "pyodide.asm.js.packed": "pyodide.asm.js.packed cannot be loaded",
    "site.json": "site.json: the server does not answer",
    "pyodide.js": "pyodide.js: the server does not answer",
    "numpy.zip.packed": "numpy.zip.packed: the server answers 404",
    "pyodide.asm.wasm.packed": "pyodide.asm.wasm.packed: the server sent a part of it, or a damaged file",
}

LIBRARIES = """
import asyncio, doctest, email, html, http.client, logging, multiprocessing, pydoc, unittest.mock, zipfile
from numpy import *
import numpy as np, numpy.ma, numpy.polynomial, numpy.testing, numpy.lib.recfunctions
import sympy, sympy.parsing.sympy_parser, sympy.plotting, sympy.stats, sympy.physics.units
np.testing.assert_allclose(np.linalg.inv(np.eye(2)), np.eye(2))
mean = np.ma.masked_array([0.0, 1.0], [False, True]).mean()
draws = np.random.default_rng(0).normal(size=3).shape == np.random.randn(3).shape
x = sympy.Symbol("x")
print(mean, draws, "axis=None" in pydoc.render_doc(np.sum), sympy.simplify(x / 2))
"""


@pytest.mark.parametrize(("name", "reason"), FAILURES.items(), ids=list(FAILURES))
def test_a_runtime_that_does_not_start_says_why_and_the_next_run_tries_again(site, name, reason):
    def fail(route):
        if "not answer" in reason:
            route.abort()
        elif "404" in reason:
            route.fulfill(status=404)
        else:
            route.fulfill(body=b"truncated")

    site.page.route(f"**/{name}", fail)
    site.press("Run cell 1")
    site.wait_until(lambda: "does not start" in site.status())
    assert reason in site.status() and site.status().endswith("Press Run to try again.")
    assert site.prompts()[0] == "[not run]"
    site.page.unroute(f"**/{name}")
    assert site.run(1, "print(6 * 7)") == "42"
    site.messages.clear()  # what the browser says of the failed request


def test_sympy_that_cannot_be_loaded_is_tried_again(site):
    site.page.route("**/sympy.zip.packed", lambda route: route.abort())
    assert "sympy.zip.packed: the server does not answer" in site.run(1, "import sympy")
    site.page.unroute("**/sympy.zip.packed")
    assert site.run(1, "import sympy\nprint(sympy.sqrt(8))") == "2*sqrt(2)"
    site.messages.clear()


def test_what_a_cell_may_use_of_the_libraries_is_there(site):
    """The parts that are left out, and the docstrings, are missed by none of these."""
    assert site.run(1, LIBRARIES) == "0.0 True True x/2"
