"""The pages as a reader's browser shows them: with no network, on a desk and on a phone."""

import re

import nbformat
import pytest

from cs231n.checking.answers import ANSWERS
from tests.pages.test_notebooks import PATHS
from tests.support import ROOT
from tests.support.browser import start_chromium
from tests.support.web_site import serious_findings

PAGES = ["index", *(path.stem for path in [*PATHS, *(ROOT / "docs").glob("*.md")])]


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
    assert all(f"({tag})" in numbers for tag in re.findall(r"\\tag{(\d+)}", source))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_answers_are_shown_when_they_are_opened(opened, path):
    page, _ = opened(path.stem)
    cells = nbformat.read(path, 4).cells
    folded = [cell for cell in cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    folded += [cell for cell in cells if cell.cell_type == "markdown" and "<details>" in cell.source]
    answers = page.locator("main details:not(.code)")
    assert answers.count() == len({cell.id for cell in folded})
    for answer in answers.all()[:3]:
        inside = answer.locator("p, pre").first
        assert not inside.is_visible()
        answer.locator("summary").click()
        assert inside.is_visible()
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, "it scrolls sideways"


def test_an_equation_is_shown_beside_its_mention_on_hover_and_on_focus(opened):
    page, _ = opened("2_batchnorm_gradient")
    mention, card = page.locator("a.mention[href='#eq-16']").first, page.locator(".equation-card")
    assert card.count() == 0
    mention.focus()
    assert "(16)" in card.text_content() and card.locator("math").is_visible()
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
    assert page.locator("#eq-16").count() == 1
    page.keyboard.press("Escape")
    assert card.count() == 0
    mention.hover()
    assert card.is_visible()
    card.hover(position={"x": 5, "y": 5})
    assert card.is_visible()
    mention.click()
    assert page.evaluate("document.querySelector(':target').id") == "eq-16"
    assert page.locator("#eq-16").is_visible()


def test_contents_are_beside_the_text_or_behind_a_button_without_a_script(browser, reports):
    for width in (1400, 390):
        context = browser.new_context(viewport={"width": width, "height": 900}, java_script_enabled=False)
        page = context.new_page()
        page.goto((reports / "2_batchnorm_gradient.html").as_uri())
        link = page.locator(".contents a[href='#section-6']")
        assert link.is_visible() == (width == 1400)
        if width == 390:
            page.locator(".contents summary").click()
        link.click()
        assert page.url.endswith("#section-6")
        heading = page.locator("#section-6").bounding_box()
        assert 0 <= heading["y"] < 900
        page.locator("a", has_text="Top").click()
        assert page.url.endswith("#top")
        context.close()


def test_previous_and_next_lead_through_all_pages(opened):
    page, _ = opened("index")
    page.locator("main a").first.click()
    seen = []
    while True:
        seen.append(page.url.rpartition("/")[2].removesuffix(".html"))
        following = page.locator("a[rel=next]")
        if not following.count():
            break
        address = following.get_attribute("href")
        following.click()
        page.wait_for_url(f"**/{address}")
    assert seen[: len(PATHS)] == [path.stem for path in PATHS] and sorted(seen) == sorted(PAGES[1:])
    page.locator("a[rel=prev]").click()
    page.wait_for_url(f"**/{seen[-2]}.html")


def headings(notebook):
    return re.findall(r'"## ([^"\\]+)', notebook)


@pytest.mark.parametrize("name", ["index", "speed"])
def test_search_finds_a_heading_an_equation_and_a_mistake_by_keyboard_alone(opened, name):
    page, messages = opened(name)
    results = page.locator("search li")
    section = next(words for words in headings(PATHS[1].read_text("utf-8")) if words.startswith("5. "))
    for words, address in [
        (section, "2_batchnorm_gradient.html#section-5"),
        ("(16)", "2_batchnorm_gradient.html#eq-16"),
        ("equation dsigma dmu", "2_batchnorm_gradient.html#eq-13"),
        (ANSWERS["relu_backward"].misconceptions[0].sentence, "1_gradient_checking.html#"),
        ((ROOT / "docs" / "grading.md").read_text("utf-8").splitlines()[0][2:], "grading.html"),
    ]:
        page.keyboard.press("/")
        page.keyboard.type(words)
        results.first.wait_for()
        addresses = results.locator("a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
        assert any(found.startswith(address) for found in addresses), (words, addresses)
        box = page.locator("search ul").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
        page.keyboard.press("Escape")
        assert results.count() == 0
    page.keyboard.type(f"/{section}")
    results.first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/2_batchnorm_gradient.html#section-5")
    page.keyboard.press("/")
    page.keyboard.type("nothing like this")
    assert page.locator("search [role=status]").text_content() == "0 found"
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert messages == []


def test_without_a_script_there_is_no_search_box(browser, reports):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((reports / "index.html").as_uri())
    assert page.locator("h1").is_visible() and page.locator("input").count() == 0
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "2_batchnorm_gradient", "classroom"])
def test_nothing_serious_for_those_who_use_a_keyboard_or_a_screen_reader(opened, name, scheme):
    page, _ = opened(name)
    page.emulate_media(color_scheme=scheme)
    page.keyboard.type("/batchnorm")
    page.locator("search li").first.wait_for()
    assert serious_findings(page) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_code_that_draws_is_folded_and_other_code_is_open(opened, path):
    page, _ = opened(path.stem)
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    drawn = ["figure" in cell.metadata.get("tags", []) for cell in cells]
    folded = page.locator(".code_cell").evaluate_all(
        "cells => cells.map(c => !!c.querySelector('details.code'))"
    )
    assert folded == drawn and any(drawn)
    assert not page.locator("details.code pre").first.is_visible()
    assert page.locator("details.code ~ .output_wrapper img, .output_png img").first.is_visible()


def test_code_can_be_copied(opened):
    page, _ = opened("1_gradient_checking")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    code = page.locator(".input_area").first
    code.hover()
    code.get_by_role("button", name="Copy").click()
    code.get_by_role("button", name="Copied").wait_for()
    source = nbformat.read(PATHS[0], 4).cells[1].source
    assert page.evaluate("navigator.clipboard.readText()").strip() == source


A4 = 688  # CSS pixels between margins of 14 mm
CUT_OFF = """[...document.querySelectorAll("main *")].filter(node => {
    const style = getComputedStyle(node), box = node.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || (node.scrollWidth > node.clientWidth + 1
        && node.clientWidth && style.overflowX != "visible"));
}).map(node => node.tagName + " " + node.textContent.slice(0, 60))"""


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_off_on_paper_and_links_are_shown(browser, reports, name):
    page = browser.new_page(viewport={"width": A4, "height": 1000}, color_scheme="dark")
    page.emulate_media(media="print")
    page.goto((reports / f"{name}.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    outside = page.locator("main a[href^=http]").first
    if outside.count():
        shown = outside.evaluate("a => getComputedStyle(a, '::after').content")
        assert outside.get_attribute("href") in shown
    assert not page.locator("header, .contents, .to-top").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_square_root_ends_where_its_content_ends(opened, path):
    page, _ = opened(path.stem)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    right = "node => node.getBoundingClientRect().right"
    gaps = page.evaluate(
        f"[...document.querySelectorAll('msqrt')].map(m => ({right})(m) - ({right})(m.lastElementChild))"
    )
    assert gaps and max(map(abs, gaps)) < 1


def test_the_card_of_a_notebook_shows_the_formula_that_it_announces(opened):
    page, _ = opened("index")
    assert page.locator(".cards li").nth(1).locator("math").is_visible()
