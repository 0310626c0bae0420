"""The explorable figure of notebook 2 in a browser: its numbers, by keyboard, mouse and finger."""

import time
from types import SimpleNamespace
from unittest.mock import MagicMock

import nbformat
import numpy as np
import pytest

from cs231n.layers import batchnorm_backward, batchnorm_forward
from tests.support import ROOT
from tests.support.web_site import Site

pytestmark = pytest.mark.slow

POINTS = ["1", "2", "3", "4", "5", "diamond"]
SLIDERS = {"point": "diamond", "gamma": "gamma", "log10_eps": "eps"}  # in the notebook: in the page
HALF_DIGIT = 0.5e-4 * (1 + 1e-9)  # of the four decimals that are shown


@pytest.fixture(scope="module")
def notebook():
    """From the notebook: `numbers(point, gamma, log10_eps)` of its figure, and its sliders."""
    cells = nbformat.read(ROOT / "notebooks" / "2_batchnorm_gradient.ipynb", 4).cells
    (picture,) = (cell.source for cell in cells if cell.source.startswith("def picture"))
    (sliders,) = (cell.source for cell in cells if cell.source.startswith("sliders ="))
    found = {}

    def layer(x, gamma, beta, eps):
        y, cache = batchnorm_forward(x, gamma, beta, {"mode": "train", "eps": eps})
        found.update({"x": x, "y": y} if "x_hat" in found else {"x_hat": y})  # first with a gamma of 1
        return y, cache

    def backward(g, cache):
        found["g"], (found["dx"], *_) = g, batchnorm_backward(g, cache)
        return found["dx"], None, None

    def numbers(point, gamma, log10_eps):
        found.clear()
        names["picture"](point, float(gamma), log10_eps)
        return {name: value[:, 0] for name, value in found.items()}

    plots = MagicMock()
    plots.subplots.return_value = MagicMock(), [MagicMock() for _ in range(4)]
    widgets = SimpleNamespace(interactive=lambda _, **sliders: sliders, FloatSlider=dict)
    names = {
        "np": np,
        "plt": plots,
        "layer": layer,
        "batchnorm_backward_alt": backward,
        "ipywidgets": widgets,
    }
    exec(picture.partition("show(picture()")[0], names)
    exec(sliders.partition("view =")[0], names)
    return SimpleNamespace(numbers=numbers, sliders=names["sliders"])


class Figure:
    """The figure of a page."""

    def __init__(self, site):
        site.open("2_batchnorm_gradient")
        self.page, self.box = site.page, site.page.locator(".explorable")

    def slider(self, name):
        return self.box.get_by_role("slider", name=name, exact=True)

    def values(self):
        return [float(self.slider(name).input_value()) for name in SLIDERS.values()]

    def table(self):
        """{row: {column: number}}; without what is empty."""
        read = "rows => rows.map(row => [...row.cells].map(cell => [cell.colSpan, cell.firstChild?.data]))"
        (_, *columns), *rows = self.box.locator("tr").evaluate_all(read)
        table = {}
        for (span, name), *cells in rows:
            texts = [text for _, text in cells]
            named = zip([column for _, column in columns][span - 1 :], texts, strict=True)
            table[name] = {column: float(text.replace("\u2212", "-")) for column, text in named if text}
        return table

    def sentence(self):
        return self.box.get_by_role("status").text_content()

    def handle(self):
        """The middle of the diamond on the screen."""
        self.box.locator("svg").scroll_into_view_if_needed()
        box = self.box.locator(".handle").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def at(self, number):
        """Where a number of the scale stands on the screen."""
        ticks = self.box.locator("svg text.scale")
        index = ticks.all_text_contents().index(str(number).replace("-", "\u2212"))
        tick = ticks.nth(index).bounding_box()
        return tick["x"] + tick["width"] / 2


@pytest.fixture
def figure(site):
    yield Figure(site)
    assert not [url for url in site.asked if "/runtime/" in url or "worker.js" in url]


def test_it_starts_as_the_figure_of_the_notebook(figure, notebook):
    assert list(notebook.sliders) == list(SLIDERS)
    for name, slider in notebook.sliders.items():
        found = figure.slider(SLIDERS[name]).evaluate(
            "({min, max, step, value}) => ({min, max, step, value})"
        )
        assert {key: float(value) for key, value in found.items()} == slider


@pytest.mark.parametrize(
    "point, gamma, log10_eps",
    [(2.5, 1.5, -1), (8, -2, 1), (-4, 0, -3), (0.3, 0.7, -2.25), (1, 2, -3), (-0.4, -0.1, 0.5), (7.9, 1, 1)],
)
def test_the_numbers_are_those_of_the_layer(figure, notebook, point, gamma, log10_eps):
    for name, value in zip(SLIDERS.values(), (point, gamma, log10_eps)):
        figure.slider(name).fill(str(value))
    expected, table = notebook.numbers(point, gamma, log10_eps), figure.table()
    x_hat = expected["x_hat"]
    assert set(expected) == {"x", "x_hat", "y", "g", "dx"}
    for column, numbers in expected.items():
        shown = [table[name][column] for name in POINTS]
        np.testing.assert_allclose(shown, numbers, rtol=0, atol=HALF_DIGIT)
        assert table["sum"][column] == pytest.approx(numbers.sum(), rel=0, abs=HALF_DIGIT)
    assert set(table["dot product with x_hat"]) == {"x_hat", "g", "dx"}
    for column, shown in table["dot product with x_hat"].items():
        assert shown == pytest.approx(expected[column] @ x_hat, rel=0, abs=HALF_DIGIT)
    assert table["sum"]["dx"] == 0
    assert "\u22120.0000" not in figure.box.text_content()


def test_it_works_by_keyboard_alone(figure, notebook):
    hook = figure.page.locator(".celltag_explorable")
    hook.get_by_role("button", name="Edit").focus()
    for name in SLIDERS.values():
        figure.page.keyboard.press("Tab")
        assert figure.slider(name).evaluate("node => node === document.activeElement")
        low, high = (float(figure.slider(name).get_attribute(end)) for end in ("min", "max"))
        step, start = (
            float(figure.slider(name).get_attribute("step")),
            float(figure.slider(name).input_value()),
        )
        for key, value in [("ArrowRight", start + step), ("ArrowLeft", start), ("Home", low), ("End", high)]:
            figure.page.keyboard.press(key)
            assert float(figure.slider(name).input_value()) == pytest.approx(value)
    expected = notebook.numbers(8, 2, 1)["dx"]
    assert figure.table()["diamond"]["dx"] == pytest.approx(expected[-1], abs=HALF_DIGIT)
    assert figure.slider("eps").get_attribute("aria-valuetext") == "10"
    figure.page.keyboard.press("Tab")
    figure.page.keyboard.press("Enter")  # Reset
    assert figure.values() == [slider["value"] for slider in notebook.sliders.values()]


def test_the_diamond_follows_the_mouse(figure):
    x, y = figure.handle()
    figure.page.mouse.move(x, y)
    figure.page.mouse.down()
    for number in (6, -2, 0, 4):
        figure.page.mouse.move(figure.at(number), y + 30, steps=3)
        assert figure.values()[0] == number == figure.table()["diamond"]["x"]
    figure.page.mouse.move(5, y)
    assert figure.values()[0] == -4
    figure.page.mouse.up()
    figure.page.mouse.move(figure.at(4), y)
    assert figure.values()[0] == -4
    figure.page.keyboard.press("ArrowRight")
    assert figure.values()[0] == pytest.approx(-3.9)


def test_the_diamond_follows_a_finger_on_a_phone(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    site = Site(context, address)
    figure = Figure(site)
    assert site.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert figure.box.locator("table").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    x, y = figure.handle()
    scrolled, target = site.page.evaluate("scrollY"), figure.at(6)
    touch = context.new_cdp_session(site.page)
    for kind, points in [
        ("touchStart", [{"x": x, "y": y}]),
        *[("touchMove", [{"x": x + part * (target - x), "y": y + 40 * part}]) for part in (0.1, 0.4, 0.7, 1)],
        ("touchEnd", []),
    ]:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert figure.values()[0] == pytest.approx(6, abs=0.1)
    assert site.page.evaluate("scrollY") == scrolled
    assert site.outside() == site.messages == []
    context.close()


def test_a_screen_reader_hears_where_it_stops(figure, notebook):
    figure.box.locator("output").evaluate("""node => { window.told = [];
        new MutationObserver(() => told.push(node.textContent)).observe(
            node, { childList: true, characterData: true, subtree: true }); }""")
    assert figure.sentence().startswith("The diamond at 2.5 has x_hat 1.7693, y 2.6539 and dx 0.1722;")
    figure.slider("diamond").focus()
    for _ in range(10):
        figure.page.keyboard.press("ArrowRight")
    figure.page.wait_for_timeout(1500)
    (told,) = figure.page.evaluate("told")
    numbers = notebook.numbers(3.5, 1.5, -1)
    shown = ", y ".join(f"{numbers[name][-1]:.4f}" for name in ("x_hat", "y"))
    assert told.startswith(f"The diamond at 3.5 has x_hat {shown} and dx ")
    s = np.sqrt(numbers["x"].var() + 0.1)
    assert told.endswith(f"; the column has mean {numbers['x'].mean():.4f} and s {s:.4f}.")


def test_it_stays_when_the_cell_is_run(site):
    figure = Figure(site)
    figure.slider("gamma").fill("-1")
    is_hook = "cells => cells.findIndex(cell => cell.matches('.celltag_explorable'))"
    number = 1 + site.page.locator(".code_cell").evaluate_all(is_hook)
    site.edit(1, "import ipywidgets\nfrom IPython.display import display\npicture = show = None")
    site.run(1)
    assert site.run(number) == "The sliders are in the figure below."
    assert figure.values() == [2.5, -1, -1] and figure.box.is_visible()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_in_light_and_dark(browser, address, width, scheme):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    site = Site(context, address)
    Figure(site)
    assert site.serious_findings(".explorable") == []
    context.close()


def test_it_waits_for_the_script_that_comes_last(site):
    """Its observer may call before reader.js has come; the fixture asserts that nothing complains."""

    def late(route):
        time.sleep(0.5)
        route.continue_()

    site.context.route("**/reader.js", late)
    site.open("2_batchnorm_gradient")
    site.page.locator("figure.explorable").wait_for()
    site.page.wait_for_timeout(300)
