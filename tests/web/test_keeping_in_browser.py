"""What was typed is not lost: no room in the browser, two tabs, a newer edition of the page."""

import pytest

from tests.support.web_site import Site

pytestmark = pytest.mark.slow

FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"
BLOCKED = "Object.defineProperty(window, 'localStorage', { get() { throw new Error('blocked') } })"


def second_tab(site):
    """Another page of the same site, in the same browser."""
    other = Site.__new__(Site)
    other.__dict__ |= vars(site)
    other.page = site.context.new_page()
    other.open("1_gradient_checking")
    return other


def open_files(site):
    site.press("Files")
    site.page.locator(".ace_editor").wait_for()
    site.wait_until(lambda: "def relu_forward" in site.text_of_file())


@pytest.mark.parametrize("broken", [FULL, BLOCKED], ids=["full", "blocked"])
def test_where_the_browser_keeps_nothing_it_says_so_once_and_what_is_typed_counts(browser, address, broken):
    context = browser.new_context()
    context.add_init_script(broken)
    site = Site(context, address)
    open_files(site)
    text = site.text_of_file()
    site.page.evaluate("text => editor.setValue(text)", text + "\n\ndef extra():\n    return 41\n")
    site.page.evaluate("text => editor.setValue(text)", text + "\n\ndef extra():\n    return 42\n")
    assert site.page.get_by_role("alert").count() == 1
    assert "does not keep what you type" in site.page.get_by_role("alert").text_content()
    site.press("Close")
    assert site.run(2, "import cs231n.layers\ncs231n.layers.extra()") == "42"
    context.close()


def test_two_tabs_show_the_newer_text(site):
    """So the older one cannot write over it."""
    other = second_tab(site)
    for tab in (site, other):
        open_files(tab)
    site.page.evaluate("editor.setValue('# one\\n')")
    site.edit(2, "two = 2")
    other.wait_until(lambda: other.text_of_file() == "# one\n")
    other.page.evaluate("editor.session.insert({row: 1, column: 0}, '# three')")
    site.wait_until(lambda: site.text_of_file() == "# one\n# three")
    assert other.cell(2).locator("textarea").input_value() == "two = 2"
    site.press("Reset cell 2")
    other.wait_until(lambda: not other.cell(2).locator("textarea").count())


def test_a_tab_that_was_left_and_comes_back_has_the_newer_text(site):
    open_files(site)
    site.page.evaluate("editor.setValue('# old')")
    site.page.evaluate("localStorage.setItem(prefix + 'cs231n/layers.py', '# new')")
    site.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    assert site.text_of_file() == "# new"


def test_a_newer_edition_of_the_page_keeps_what_was_typed(site):
    """Into a cell that is gone, and into one that is another now."""
    write = "([id, text]) => localStorage.setItem(`${prefix}${page} ${id}`, text)"
    site.page.evaluate(write, ["cell-id=gone", "print('my own work')"])
    site.page.evaluate(write, [site.cell(2).get_attribute("id"), "print('older')"])
    site.page.reload()
    assert site.run(2) == "older"
    lost = site.page.locator("h2", has_text="What you wrote in cells that are no longer on this page")
    assert lost.count() == 1
    assert site.page.locator("main > pre").text_content() == "print('my own work')"
    site.page.reload()
    assert site.page.locator("main > pre").count() == 1
