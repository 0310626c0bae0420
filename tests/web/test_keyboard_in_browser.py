"""The pages by keyboard alone, in print, without scripts, and from a file."""

import pytest

pytestmark = pytest.mark.slow

FOCUS = """() => {
    const node = document.activeElement, style = getComputedStyle(node), box = node.getBoundingClientRect();
    const text = node.getAttribute("aria-label") || node.textContent.trim();
    const bar = document.querySelector(".runtime"), end = bar.getBoundingClientRect().top || innerHeight;
    const isBehind = box.height < 100 && !bar.contains(node) && box.bottom > end + 1;
    const seen = box.bottom > 0 && box.top < innerHeight && !isBehind;
    return [text, seen && (style.outlineStyle !== "none" || style.boxShadow !== "none")];
}"""


def tab_to(site, name, key="Tab"):
    """Press the key until the element with this label has the focus, which is seen wherever it goes."""
    for _ in range(700):
        site.page.keyboard.press(key)
        text, seen = site.page.evaluate(FOCUS)
        assert seen, text
        if text == name:
            return
    raise AssertionError(name)


def press(site, *keys):
    for key in keys:
        site.page.keyboard.press(key)


def test_all_is_done_by_keyboard(site):
    tab_to(site, "Run cell 1")
    press(site, "Enter")
    site.wait_until(site.is_idle)
    tab_to(site, "Edit cell 2")
    press(site, "Enter", "Control+A")
    site.page.keyboard.type("for i in range(2):\nprint(i)")
    press(site, "Shift+Enter")
    site.wait_until(site.is_idle)
    assert site.output(2) == "0\n1"
    press(site, "Tab")
    assert site.page.evaluate("document.activeElement.tagName") == "BUTTON"
    assert site.cell(2).locator("textarea").input_value() == "for i in range(2):\n    print(i)"

    number = site.cell_of('check("relu_backward")')
    tab_to(site, f"Check cell {number}")
    press(site, "Enter")
    site.wait_until(site.is_idle)
    assert "relu_backward, 3 points: passed" in site.output(number)
    tab_to(site, f"File cell {number}")
    press(site, "Enter")
    site.page.locator(".ace_editor").wait_for()
    tab_to(site, "Editor content, press Enter to start editing, press Escape to exit")
    press(site, "Enter", "Home")
    site.page.keyboard.type("# typed ")
    assert "# typed def relu_backward" in site.kept("cs231n/layers.py")
    press(site, "Tab")
    assert "# typed     def relu_backward" in site.kept("cs231n/layers.py")
    press(site, "Escape")
    tab_to(site, "Check all", "Shift+Tab")
    press(site, "Enter")
    site.wait_until(site.is_idle)
    assert "exercises passed" in site.page.locator(".files .output").text_content()
    press(site, "Escape")
    assert not site.page.locator(".files").is_visible()
    assert site.page.evaluate(FOCUS)[0] == f"File cell {number}"


def test_a_page_is_printed_without_its_buttons(site):
    site.run(1)
    site.page.emulate_media(media="print")
    assert site.page.locator("button:visible, .runtime:visible").count() == 0
    assert site.cell(1).is_visible()
    site.page.emulate_media(media="screen")
    site.press("Files")
    site.page.emulate_media(media="print")
    for width in (700, 1280):
        site.page.set_viewport_size({"width": width, "height": 900})
        assert site.cell(1).is_visible()
        assert site.page.locator("main").bounding_box()["width"] > 0.6 * width


def test_a_page_reads_without_scripts(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}3_fully_connected_net.html")
    assert page.locator("button").count() == 0 and page.locator(".output img").count() > 5
    assert page.get_by_text("In this page the images of CIFAR-10 are not there.").count() == 1
    context.close()


def test_a_page_that_is_opened_as_a_file_says_what_is_missing(browser, learner_folder):
    page = browser.new_page()
    page.goto((learner_folder / "1_gradient_checking.html").as_uri())
    for name in ("Run cell 1", "Files"):
        page.get_by_role("button", name=name, exact=True).click()
        assert "python -m http.server" in page.locator(".runtime").text_content()
    page.close()
