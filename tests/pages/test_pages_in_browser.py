"""The pages as a reader's browser shows them: with no network, on a desk and on a phone."""

import nbformat
import pytest

from cs231n.pages import render
from cs231n.pages.execute import Outcome
from cs231n.report import RESULTS
from tests.pages.test_notebooks import PATHS
from tests.support.browser import start_chromium

PAGES = ["index", *(path.stem for path in PATHS)]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The pages of the notebooks as they are stored."""
    folder = tmp_path_factory.mktemp("reports")
    outcomes = [Outcome(path, nbformat.read(path, 4), 1.0, None) for path in PATHS]
    cards = [render.write_page(outcome, folder) for outcome in outcomes]
    render.write_index(cards, [(name, "not measured") for name in RESULTS], False, folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    with start_chromium() as browser:
        yield browser


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desk", "phone"])
def opened(request, browser, reports):
    """A function that opens a page with no network; it returns the page and what console and network said."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    messages = []

    def open_page(name):
        page = context.new_page()
        page.on("console", lambda message: messages.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: messages.append(f"error: {error}"))
        page.on("requestfailed", lambda r: messages.append(f"failed: {r.url[:80]}"))
        page.goto((reports / f"{name}.html").as_uri())
        return page, messages

    yield open_page
    context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole(opened, name):
    page, messages = opened(name)
    assert messages == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it scrolls sideways"
    assert page.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length") == 0
    assert all(len(alt) > 20 for alt in page.evaluate("[...document.images].map(i => i.alt)"))
    fetched = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
    assert not [address for address in fetched if address.startswith("http")]


def texts(page, selector):
    return page.evaluate("s => [...document.querySelectorAll(s)].map(e => e.textContent)", selector)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_mathematics_is_set(opened, path):
    page, _ = opened(path.stem)
    source = "".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    widths = page.evaluate("[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect().width)")
    formulas = source.count("$$") // 2 + source.replace("$$", "").count("$") // 2
    assert len([width for width in widths if width > 3]) >= formulas > 0
    assert "$" not in "".join(texts(page, "p, li, td"))
    numbers = "".join(texts(page, ".equation"))
    assert all(f"({tag})" in numbers for tag in range(1, source.count(r"\tag") + 1))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_answers_are_shown_when_they_are_opened(opened, path):
    page, _ = opened(path.stem)
    cells = nbformat.read(path, 4).cells
    folded = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    folded += [cell for cell in cells if cell.cell_type == "markdown" and "<details>" in cell.source]
    answers = page.locator("details")
    assert answers.count() == len({cell.id for cell in folded})
    for answer in answers.all()[:3]:
        inside = answer.locator("p, pre").first
        assert not inside.is_visible()
        answer.locator("summary").click()
        assert inside.is_visible()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it scrolls sideways"
